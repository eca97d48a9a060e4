"""stdin and stdout as the ends of a transfer. A slow pipe blocks a worker thread, never the loop."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from ftlite.cli.voice import Voice

if TYPE_CHECKING:
    from ftlite.client import Client, Transferred

BLOCK = 256 * 1024
_AHEAD = 16  # blocks of a download held while stdout is slow


async def to_stdout(client: Client, path: str, voice: Voice) -> Transferred:
    """Write the remote file `path` to stdout as it comes. ClientError when it does not come whole.

    What comes while a worker writes is written together, so that a hop to the worker carries more than a block.
    """
    import trio

    from ftlite.client.nursery import open_plain_nursery

    def write(data: bytes) -> None:
        try:
            voice.data(data)
        except OSError as error:
            error.filename = error.filename or "standard output"
            raise

    async def drain(blocks: trio.MemoryReceiveChannel[bytes]) -> None:
        async for block in blocks:
            data = [block]
            with contextlib.suppress(trio.WouldBlock, trio.EndOfChannel):
                while True:
                    data.append(blocks.receive_nowait())
            # Abandoned on Ctrl-C: a reader that never reads must not hold us.
            await trio.to_thread.run_sync(write, b"".join(data), abandon_on_cancel=True)

    async with client.download(path) as download, open_plain_nursery() as nursery:
        send, receive = trio.open_memory_channel[bytes](_AHEAD)
        nursery.start_soon(drain, receive)
        async with send:
            async for block in download:
                await send.send(block)
    assert download.result is not None  # the block ended well
    return download.result


async def from_stdin() -> AsyncIterator[bytes]:
    """The blocks of stdin, as they come."""
    import trio

    number = sys.stdin.fileno()
    while block := await trio.to_thread.run_sync(os.read, number, BLOCK, abandon_on_cancel=True):
        yield block
