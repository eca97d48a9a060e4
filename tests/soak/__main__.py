"""``python -m tests.soak [--time SECONDS] [--seed N]``: half an hour by default; 1 when anything was wrong."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.soak.soak import soak


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("--time", type=float, default=1800.0, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of who does what; the kernel has its own")
    parser.add_argument("--verbose", action="store_true", help="also what the tools said that were refused")
    given = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # clients start as they do for people
    print(f"soaking for {given.time:.0f} s, seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="ftlite-soak-") as place:
        report = soak(Path(place), given.time, given.seed, lambda text: print(text, flush=True))
        for name, count in sorted(report.done.items()):
            print(f"{count:6} {name}")
        print(f"{report.looks:6} looks at what is published")
        if given.verbose:
            for text, count in report.refusals.most_common():
                print(f"{count:6} {text}")
    for wrong in report.wrong:
        print(f"WRONG: {wrong}", file=sys.stderr)
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
