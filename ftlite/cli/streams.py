"""stdin and stdout as the ends of a transfer. A slow pipe blocks a thread of its own, never the loop."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, TextIO

from ftlite.cli.exits import CliError
from ftlite.cli.voice import Voice

if TYPE_CHECKING:
    from ftlite.client import Client, Transferred


async def to_stdout(client: Client, path: str, voice: Voice) -> Transferred:
    """Write the remote file `path` to stdout as it comes. ClientError when it does not come whole."""
    _widen(voice.out)

    def write(block: memoryview) -> None:
        try:
            voice.data(block)
        except OSError as error:
            error.filename = error.filename or "standard output"
            raise

    return await client.get_stream(path, write)


def from_stdin(voice: Voice) -> Callable[[int], bytes]:
    """What gives the next bytes of stdin, so many at most; none at its end. It blocks."""
    stream = voice.stdin if voice.stdin is not None else sys.stdin
    if stream is None:
        raise CliError("USAGE", "standard input is closed, so there is nothing to send")
    _widen(stream)

    def read(most: int) -> bytes:
        return os.read(stream.fileno(), most)

    return read


def _widen(stream: TextIO | BinaryIO) -> None:
    from ftlite.movers import widen

    with suppress(OSError, ValueError):  # it stands for no descriptor
        widen(stream.fileno())
