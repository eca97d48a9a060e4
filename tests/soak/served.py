"""`python -m tests.soak.served FILE serve ...`: ftlite, which writes at SIGUSR2 how much it holds: tasks, threads,
descriptors and memory, as JSON."""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from pathlib import Path

import trio

from ftlite.cli import main as command


def tell(found: Path) -> None:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    held = {
        "tasks": trio.lowlevel.current_statistics().tasks_living,
        "threads": len(os.listdir("/proc/self/task")),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "mib": pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
    }
    beside = found.with_suffix(".new")
    beside.write_text(json.dumps(held))
    beside.replace(found)


def main(found: str, *words: str) -> int:
    signal.signal(signal.SIGUSR2, lambda _number, _frame: tell(Path(found)))
    sys.argv[1:] = words
    return command()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
