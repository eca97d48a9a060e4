"""`python -m tests.soak.served FILE serve ...`: ftlite, which writes at SIGUSR2 how much it holds: tasks, threads,
descriptors and memory, as JSON."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import socket
import stat
import sys
from pathlib import Path

import trio

from ftlite.cli import main as command


def descriptors() -> int:
    """Open ones, without passive listeners, which are kept and reused."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                with socket.socket(fileno=os.dup(int(name))) as sock:
                    count += not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            else:
                count += 1
    return count


def tell(found: Path) -> None:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    held = {
        "tasks": trio.lowlevel.current_statistics().tasks_living,
        "threads": len(os.listdir("/proc/self/task")),
        "descriptors": descriptors(),
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
