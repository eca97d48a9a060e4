"""`python -m benchmarks [--quick] [names...]`: measures, prints the tables, and with --write keeps them in docs/."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from benchmarks import plots, report
from benchmarks.crowds import crowd, slow
from benchmarks.distance import distance
from benchmarks.growth import sizes
from benchmarks.latency import latency
from benchmarks.measures import Measure, Row, get_clear, get_tls, put_clear, put_tls, small, start
from benchmarks.mirror import mirror, streams
from benchmarks.native import first_byte, flat, many, trees, verified
from benchmarks.results import Results
from benchmarks.resume import resume
from benchmarks.rows import OURS, described, limited
from benchmarks.sessions import sessions_clear, sessions_tls
from benchmarks.stage import Stage, stage
from benchmarks.treetools import files
from benchmarks.watchdog import watchdog

#: Each server beside the others.
MEASURES: dict[str, Measure] = {
    "get-clear": get_clear,
    "put-clear": put_clear,
    "get-tls": get_tls,
    "put-tls": put_tls,
    "small": small,
    "sessions": sessions_clear,
    "sessions-tls": sessions_tls,
    "crowd": crowd,
    "slow": slow,
    "latency": latency,
    "sizes": sizes,
    "distance": distance,
}
#: Each beside what people use for the same, so that every row has names of its own.
OTHERS: dict[str, Measure] = {
    "start": start,
    "resume": resume,
    "trees": trees,
    "files": files,
    "mirror": mirror,
    "streams": streams,
    "verified": verified,
    "many": many,
    "first-byte": first_byte,
    "flat": flat,
    "watchdog": watchdog,
}
ALL = MEASURES | OTHERS
#: What --quick leaves out unless it is named: it would take most of the two minutes.
LONG = frozenset(
    {"trees", "files", "mirror", "streams", "flat", "verified", "many", "resume", "sessions-tls", "slow", "sizes",
     "distance", "first-byte"}
)  # fmt: skip
#: Seconds that one may take; what it has found by then is kept.
PATIENCE = 240.0
DOCS = Path(__file__).parents[1] / "docs"


def main(arguments: list[str] | None = None) -> int:
    """0 when everything could be measured, met or not; 1 when something of ftlite's broke."""
    given = _arguments(arguments)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # commands are measured as people run them, compiled
    results = Results.read(given.json) if given.json else Results()
    names = given.names or [name for name in ALL if not (given.quick and name in LONG)]
    if not given.render:
        size = (given.size or (256 if given.quick else 1024)) << 20
        with stage(size, given.quick, given.root) as play:
            for name in names:
                _measure(name, play, results)
                if given.json:
                    results.write(given.json)
    _print(results, names)
    if given.write:
        _publish(results)
    return 1 if any(OURS in row.troubles for row in results.rows(names)) else 0


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="ftlite beside other FTP servers.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ALL)}; all")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller files: minutes become seconds")
    parser.add_argument("--size", type=int, metavar="MIB", help="of the large file: 1024, quick 256")
    parser.add_argument("--root", type=Path, metavar="DIR", help="where files lie; /dev/shm unless given")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="keep figures here, beside those of other measurements"
    )
    parser.add_argument(
        "--write", action="store_true", help="put tables and plots into docs/, and figures, unless --json"
    )
    parser.add_argument("--render", action="store_true", help="measure nothing: show, or write, the figures of --json")
    given = parser.parse_args(arguments)
    if unknown := set(given.names) - set(ALL):
        parser.error(f"not known: {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
    if given.write and given.json is None:
        given.json = DOCS / "performance.json"
    if given.render and given.json is None:
        parser.error("--render needs the figures: --json FILE or --write")
    return given


def _measure(name: str, play: Stage, results: Results) -> None:
    """One measurement. What breaks it is a row, so that the others are measured all the same."""
    print(f"{name} ...", end=" ", file=sys.stderr, flush=True)
    rows: list[Row] = []
    began = time.monotonic()
    try:
        with limited(PATIENCE):
            rows.extend(ALL[name](play))
    except Exception as error:
        rows.append(Row(f"{name}: the rest of it", "", {}, troubles={OURS: described(error)}))
    took = time.monotonic() - began
    print(f"{took:.0f} s", file=sys.stderr, flush=True)
    for row in rows:
        for who, trouble in row.troubles.items():
            print(f"  {row.what}: {who}: {trouble}", file=sys.stderr)
    results.keep(name, rows, quick=play.quick, size=play.size, seconds=took)
    results.configurations |= play.servers.configurations()


def _print(results: Results, names: list[str]) -> None:
    print(report.circumstances(results, *names), end="\n\n")
    for measures, tabled in ((MEASURES, report.table), (OTHERS, report.others_table)):
        rows = results.rows(name for name in names if name in measures)
        if rows:
            print(tabled(rows), end="\n\n")


def _publish(results: Results) -> None:
    """Everything that is known, in docs/."""
    page = DOCS / "performance.md"
    report.write(page, report.circumstances(results), "where")
    report.write(page, report.table(results.rows(MEASURES)))
    report.write(page, report.others_table(results.rows(OTHERS)), "natively")
    report.write(page, report.configurations(results), "configurations")
    report.write(page, plots.draw(results.rows(ALL), DOCS / "plots"), "plots")


if __name__ == "__main__":
    sys.exit(main())
