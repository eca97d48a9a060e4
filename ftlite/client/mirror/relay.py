"""One file from one server to another, through this machine: block by block, nothing on the disk here."""

from __future__ import annotations

import stat
from functools import partial

import trio

from ftlite.client import uploads
from ftlite.client.client import Client
from ftlite.client.mirror.model import Item
from ftlite.client.retry import retrying
from ftlite.client.success import behind
from ftlite.client.terms import Progress, Transferred

_MODE = 0o644


async def relay(
    source: Client, path: str, target: Client, place: str, item: Item, progress: Progress | None = None
) -> Transferred:
    """Copy `path` of one server to `place` of another, which may be the same one. A repetition begins anew.

    Returns:
        `verified` is the less of what either end could be compared by.

    Raises:
        ClientError: see `Outcome`.
    """
    began = trio.current_time()

    async def attempt(_: int) -> Transferred:
        moved = 0
        async with source.download(path) as blocks:
            async with target.upload(place, size=item.size) as sink:
                async for block in blocks:
                    await sink.send(block)
                    moved += len(block)
                    if progress is not None:
                        progress(moved, item.size)
        came, went = blocks.result, sink.result
        assert came is not None
        assert went is not None
        verified = came.verified if went.verified.covers(came.verified) else went.verified
        seconds = trio.current_time() - began
        return Transferred(place, "", moved, moved, verified=verified, seconds=seconds, digest=went.digest)

    result = await retrying(attempt, retries=source.retries, notice=source.notice)
    if item.modify_ns is not None:
        with behind(place, "its time and mode were kept"):
            mode = _MODE if item.mode is None else stat.S_IMODE(item.mode)
            await target.run(partial(uploads.keep_facts, remote=place, modify_ns=item.modify_ns, mode=mode))
    return result
