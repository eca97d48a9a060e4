"""Asks whoever sits at the terminal whether a server's key is the right one, as ssh does.

Nobody is asked where standard input or error is no terminal: then a server that nobody vouches for is refused. The loop
runs on while we wait, and no thread is left behind at the terminal when the command is interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from ftlite.cli.voice import somebody_types
from ftlite.protocol.text import printable

if TYPE_CHECKING:
    from ftlite.client.trust import Ask, UnknownServer

Read = Callable[[], Awaitable[str]]


def on_terminal() -> Ask | None:
    """What asks on the terminal; None where there is none."""
    if not (somebody_types() and sys.stderr.isatty()):
        return None
    return lambda unknown: vouches(unknown, _line, _write)


def question(unknown: UnknownServer) -> str:
    """What a person has to know to answer; without the prompt, and with a line end."""
    return (
        f"The server {unknown.name} was never met before, and no authority vouches for it ({unknown.cause}).\n"
        f"Its key is {unknown.pin}\n"
        "Compare it with what the owner says ('ftlite serve' prints it as pin); if it is another, do not go on.\n"
    )


async def vouches(unknown: UnknownServer, read: Read, write: Callable[[str], None]) -> bool:
    """Ask until there is an answer: yes, no, or the key as its owner told it. The end of input is a no.

    Args:
        read: gives one line, "" at the end of input.
    """
    write(question(unknown))
    write("Trust it from now on? (yes, no, or paste the key): ")
    while line := await read():
        answer = line.strip()
        if answer.lower() in ("yes", "no"):
            return answer.lower() == "yes"
        if answer.startswith("sha256//"):
            if answer == unknown.pin:
                return True
            write(f"That is not its key: it shows {unknown.pin}\n")
            return False
        write("Please type yes, no, or the key (sha256//...): ")
    write("\n")
    return False


async def _line() -> str:
    """A line from the terminal, which hands out no less than one."""
    import trio

    fd = sys.stdin.fileno()
    await trio.lowlevel.wait_readable(fd)
    return os.read(fd, 4096).decode("utf-8", "replace")


def _write(text: str) -> None:
    sys.stderr.write("\n".join(map(printable, text.split("\n"))))
    sys.stderr.flush()
