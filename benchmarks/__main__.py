"""`python -m benchmarks [--quick] [names...]`: measures, prints the table and, with --write, keeps it in a page."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from benchmarks.crowds import crowd, slow
from benchmarks.measures import Measure, Row, get_clear, get_tls, idle, put_clear, put_tls, small, start
from benchmarks.report import circumstances, table, write
from benchmarks.stage import stage
from tests.peers.process import PeerMissing

MEASURES: dict[str, Measure] = {
    "get-clear": get_clear,
    "put-clear": put_clear,
    "get-tls": get_tls,
    "put-tls": put_tls,
    "small": small,
    "idle": idle,
    "crowd": crowd,
    "slow": slow,
    "start": start,
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="ftlite beside vsftpd and pyftpdlib.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MEASURES)}; all")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller files: minutes become seconds")
    parser.add_argument("--size", type=int, metavar="MIB", help="of the large file: 1024, quick 256")
    parser.add_argument("--root", type=Path, metavar="DIR", help="where files lie; /dev/shm unless given")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table between the marks of this page")
    given = parser.parse_args(arguments)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # commands are measured as people run them, compiled
    if unknown := set(given.names) - set(MEASURES):
        parser.error(f"not known: {', '.join(sorted(unknown))}; there are {', '.join(MEASURES)}")
    size = (given.size or (256 if given.quick else 1024)) << 20
    rows: list[Row] = []
    try:
        with stage(size, given.quick, given.root) as play:
            for name in given.names or MEASURES:
                print(f"{name} ...", file=sys.stderr, flush=True)
                rows += MEASURES[name](play)
            text = f"{circumstances(play)}\n\n{table(rows)}"
    except PeerMissing as missing:
        print(missing, file=sys.stderr)
        return 1
    print(text)
    if given.write:
        write(given.write, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
