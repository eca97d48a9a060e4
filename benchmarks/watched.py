"""`python -m benchmarks.watched FILE serve ...`: ftlite with a watch on its event loop.

At SIGUSR2 it writes to FILE, as JSON, what it saw since the last time, and begins anew:

- `longest`: the steps of the event loop (from one wait of a task to its next) that took most CPU time of the loop's
  thread, as [milliseconds, task];
- `waited`: the steps that took most time without using the processor while the thread had given it up by itself, as
  [milliseconds, task]: a blocking call, or a wait for the interpreter's lock;
- `blocking`: calls that may block and were made on the loop, by Python's audit events, with how often;
- `collections`: pauses of the garbage collector in milliseconds: count, longest, all; `objects`: what it has to walk.
"""

from __future__ import annotations

import functools
import gc
import heapq
import json
import os
import resource
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import trio

_KEPT = 5
#: Audit events of calls that wait for a disk, a name server or a process.
_BLOCKING = frozenset({
    "open", "os.listdir", "os.scandir", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink",
    "os.truncate", "os.chmod", "os.chown", "os.utime", "os.getxattr", "os.setxattr", "os.listxattr", "time.sleep",
    "socket.getaddrinfo", "socket.gethostbyname", "subprocess.Popen", "shutil.rmtree", "glob.glob", "os.system",
})  # fmt: skip


class Watch(trio.abc.Instrument):
    """Times every step of the loop."""

    def __init__(self, found: Path) -> None:
        self._found = found
        self._began = (0.0, 0.0, 0)
        self._loop = 0  # the loop's thread, while a task runs on it
        self._forget()

    def _forget(self) -> None:
        self._longest: list[tuple[float, str]] = []
        self._waited: list[tuple[float, str]] = []
        self._steps = 0
        self._blocking: Counter[str] = Counter()
        self._pauses: list[float] = []

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._loop = threading.get_ident()
        given_up = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
        self._began = time.thread_time(), time.perf_counter(), given_up

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        used, passed = time.thread_time() - self._began[0], time.perf_counter() - self._began[1]
        self._loop = 0
        self._steps += 1
        _keep(self._longest, used, task)
        if resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw > self._began[2]:
            _keep(self._waited, passed - used, task)

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _BLOCKING and threading.get_ident() == self._loop and not _in_memory(event, arguments):
            self._blocking[f"{event} at {_caller()}"] += 1

    def collected(self, phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            self._pause = time.perf_counter()
        else:
            self._pauses.append((time.perf_counter() - self._pause) * 1000)

    def tell(self, _number: int, _frame: object) -> None:
        pauses = self._pauses or [0.0]
        seen = {
            "longest": sorted(self._longest, reverse=True),
            "waited": sorted(self._waited, reverse=True),
            "steps": self._steps,
            "blocking": dict(self._blocking),
            "collections": {"count": len(self._pauses), "longest": max(pauses), "all": sum(pauses)},
            "objects": len(gc.get_objects()),
        }
        beside = self._found.with_suffix(".new")
        beside.write_text(json.dumps(seen))
        beside.replace(self._found)
        self._forget()


def _in_memory(event: str, arguments: tuple[Any, ...]) -> bool:
    """What a descriptor of ours holds already, the kernel's own words in /proc, and the root are on no disk."""
    if event != "open" or isinstance(arguments[0], int):
        return False
    path = os.fsdecode(arguments[0])
    return path in (".", "/") or path.startswith("/proc/")


def _caller() -> str:
    """The innermost line of ftlite's own on the stack, else of whatever there is."""
    frame = innermost = sys._getframe(2)
    while frame is not None and "/ftlite/" not in frame.f_code.co_filename:
        frame = frame.f_back
    frame = frame or innermost
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"


def _keep(most: list[tuple[float, str]], seconds: float, task: trio.lowlevel.Task) -> None:
    """The few largest; the name is made for these alone."""
    if len(most) < _KEPT:
        heapq.heappush(most, (seconds * 1000, _place(task)))
    elif seconds * 1000 > most[0][0]:
        heapq.heapreplace(most, (seconds * 1000, _place(task)))


def _place(task: trio.lowlevel.Task) -> str:
    """The task, and where it waits now, which is where the step led."""
    where = task.name
    for frame, line in task.iter_await_frames():
        if "ftlite" in frame.f_code.co_filename:
            where = f"{task.name.rpartition('.')[2]} at {Path(frame.f_code.co_filename).name}:{line}"
    return where


def main(found: str, *words: str) -> None:
    from ftlite.cli import main as command

    watch = Watch(Path(found))
    trio.run = functools.partial(trio.run, instruments=[watch])
    sys.addaudithook(watch.audit)
    gc.callbacks.append(watch.collected)
    signal.signal(signal.SIGUSR2, watch.tell)
    sys.argv[1:] = words
    sys.exit(command())


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main(*sys.argv[1:])
