"""stdin and stdout as the ends of a transfer. A slow pipe blocks a thread of its own, never the loop."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ftlite.cli.voice import Voice

if TYPE_CHECKING:
    from ftlite.client import Client, Transferred


async def to_stdout(client: Client, path: str, voice: Voice) -> Transferred:
    """Write the remote file `path` to stdout as it comes. ClientError when it does not come whole."""

    def write(block: memoryview) -> None:
        try:
            voice.data(block)
        except OSError as error:
            error.filename = error.filename or "standard output"
            raise

    return await client.get_stream(path, write)


def from_stdin(most: int) -> bytes:
    """The next bytes of stdin, `most` of them at most; none at its end. Blocks."""
    return os.read(sys.stdin.fileno(), most)
