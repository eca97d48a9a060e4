"""Programs of sh beside a shell: fed by a command, or run in its place, and ended with all that they started."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import trio

from ftlite.shell.outlets import Outlet


@asynccontextmanager
async def fed(command: str) -> AsyncIterator[tuple[Outlet, list[int]]]:
    """A program of sh that reads what is written. When the scope ends, its end is waited for."""
    codes: list[int] = []
    reading, writing = os.pipe()
    try:
        process = await trio.lowlevel.open_process(_sh(command), stdin=reading, **_group())
    except BaseException:
        os.close(writing)
        raise
    finally:
        os.close(reading)
    outlet = Outlet(writing)
    try:
        yield outlet, codes
        await trio.to_thread.run_sync(outlet.finish, abandon_on_cancel=True)
        codes.append(_as_sh(await process.wait()))
    finally:
        await _end(process)


async def run(command: str, *, keyboard: bool) -> int:
    """Run a program with our own streams, and what is typed if it is to have that; its exit code."""
    stdin = None if keyboard else subprocess.DEVNULL
    done = await trio.run_process(_sh(command), stdin=stdin, check=False, deliver_cancel=_end, **_group())
    return _as_sh(done.returncode)


def _sh(command: str) -> list[str]:
    """What runs a line of sh. Ctrl-Z is not for it: nobody here could wake it up again."""
    return ["/bin/sh", "-c", f"trap '' TSTP\n{command}"]


def _as_sh(code: int) -> int:
    """The exit code that sh makes of `code`, which is negative for a signal."""
    return code if code >= 0 else 128 - code


def _group() -> dict[str, Any]:
    """Where nobody has a terminal, a program gets a process group, by which all that it started can be ended. On a
    terminal it must stay in ours to have the keyboard, and hears Ctrl-C by itself."""
    return {} if any(map(os.isatty, (0, 1, 2))) else {"process_group": 0}


async def _end(process: trio.Process) -> None:
    """End a program that may still run, with what it started where it has a group of its own."""
    if process.returncode is not None:
        return
    _signal(process, signal.SIGTERM)
    with trio.move_on_after(2, shield=True):
        await process.wait()
    if process.returncode is None:
        _signal(process, signal.SIGKILL)


def _signal(process: trio.Process, number: int) -> None:
    with suppress(ProcessLookupError):  # it ended just now
        if os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
