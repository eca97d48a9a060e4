"""``python -m tests.fuzz TARGET [--seconds N] [--seed N]``: search until time is over or an input breaks the target."""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
import time
from pathlib import Path


def main() -> int:
    """Run one target; 0 when nothing was found, 1 with the input on stderr when something was."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("target", help="a name in tests.fuzz.targets.TARGETS")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="for the search without atheris")
    given = parser.parse_args()
    if importlib.util.find_spec("atheris") is not None:
        return guided(given.target, given.seconds)
    return blind(given.target, given.seconds, given.seed)


def blind(name: str, seconds: float, seed: int) -> int:
    """Mutate seeds at random."""
    from tests.fuzz.mutate import inputs
    from tests.fuzz.targets import TARGETS

    target, over = TARGETS[name], time.monotonic() + seconds
    for count, data in enumerate(inputs(target.seeds, seed)):
        if time.monotonic() > over:
            print(f"{name}: {count} inputs, nothing found (seed {seed})")
            break
        try:
            target.run(data)
        except BaseException:
            print(f"{name}: input {data!r} (seed {seed})", file=sys.stderr)
            raise
    return 0


def guided(name: str, seconds: float) -> int:
    """Let atheris search by coverage; it prints and keeps what it finds, and ends the process itself."""
    import atheris

    with atheris.instrument_imports(include=["ftlite"]):
        from tests.fuzz.targets import TARGETS

    target = TARGETS[name]
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(target.seeds):
            (Path(corpus) / f"seed{number}").write_bytes(seed)
        atheris.Setup([sys.argv[0], f"-max_total_time={max(1, round(seconds))}", corpus], target.run)
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
