"""`python -m benchmarks [--quick] [names...]`: measures, prints the table and, with --write, keeps it in a page."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from benchmarks.crowds import crowd, slow
from benchmarks.measures import Measure, Row, get_clear, get_tls, idle, put_clear, put_tls, small, start
from benchmarks.native import first_byte, flat, many, trees, verified
from benchmarks.report import circumstances, native_table, table, write
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
#: Those of the native dialect have a table of their own, since each has its own peer.
NATIVE: dict[str, Measure] = {
    "trees": trees,
    "verified": verified,
    "many": many,
    "first-byte": first_byte,
    "flat": flat,
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="ftlite beside vsftpd and pyftpdlib.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MEASURES | NATIVE)}; all")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller files: minutes become seconds")
    parser.add_argument("--size", type=int, metavar="MIB", help="of the large file: 1024, quick 256")
    parser.add_argument("--root", type=Path, metavar="DIR", help="where files lie; /dev/shm unless given")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables between the marks of this page")
    given = parser.parse_args(arguments)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # commands are measured as people run them, compiled
    if unknown := set(given.names) - set(MEASURES | NATIVE):
        parser.error(f"not known: {', '.join(sorted(unknown))}; there are {', '.join(MEASURES | NATIVE)}")
    size = (given.size or (256 if given.quick else 1024)) << 20
    names = given.names or list(MEASURES | NATIVE)
    texts = {}
    try:
        with stage(size, given.quick, given.root) as play:
            for native, measures in ((False, MEASURES), (True, NATIVE)):
                rows: list[Row] = []
                for name in (name for name in names if name in measures):
                    print(f"{name} ...", file=sys.stderr, flush=True)
                    rows += measures[name](play)
                if rows:
                    texts[native] = f"{circumstances(play)}\n\n{(native_table if native else table)(rows)}"
    except PeerMissing as missing:
        print(missing, file=sys.stderr)
        return 1
    for native, text in texts.items():
        print(text, end="\n\n")
        if given.write:
            write(given.write, text, native=native)
    return 0


if __name__ == "__main__":
    sys.exit(main())
