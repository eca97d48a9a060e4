"""Transfers with the digest of the whole file. This is the one place that chooses how it is made:

    up to 1 MiB to send, nothing before it    hashed with the move
    the first 64 KiB that come, the same      hashed in the hop that writes them (all there is of a small file)
    everything else                           a Trail, beside the bytes

On two cores with both ends on them, a clear GET of 1 GiB with SHA-256 takes 1.8 s when the hash is made with the move,
1.5 s beside it when the file is read again, 1.1 s beside it from blocks that are lent (`loans`). A Trail also hashes a
prefix meanwhile, and a sender's sendfile goes on beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import trio

from ftlite.movers.errors import DiskFault, MoverError
from ftlite.movers.flow import Flow
from ftlite.movers.receiving import Sink, receive_head, receive_rest
from ftlite.movers.sending import send_file
from ftlite.movers.trail import MARK, Digester, Trail
from ftlite.net.wire import Wire

D = TypeVar("D", bound=Digester)
Mark = Callable[[int, str], None]

_INLINE = 1 << 20
_AHEAD = 64 << 20  # a slow peer's file is not read into the page cache, and out of it again, long before its turn
_LAST_MARK = 5.0  # seconds


async def send_hashed(
    wire: Wire,
    fd: int,
    offset: int,
    size: int,
    hasher: Digester,
    flow: Flow,
    *,
    start: int = 0,
    hashes: trio.CapacityLimiter | None = None,
) -> tuple[int, str]:
    """Send a file from `offset` to its end at `size`, and make the digest of all of it.

    Args:
        hasher: has seen the first `start` bytes, and sees the others here. `flow` has neither hasher nor convert.
        hashes: the workers for hashing beside the move; None: trio's default ones.

    Returns:
        Bytes sent, and the digest of the bytes 0 to `size` in hex.

    Raises:
        MoverError: STALLED, LOST, or CHANGED when the file is shorter than `size`.
        DiskFault: the file cannot be read.
    """
    count = max(0, size - offset)
    if start == offset and count <= _INLINE:
        flow.hasher = hasher
        try:
            return await send_file(wire, fd, offset, count, flow), hasher.hexdigest()
        finally:
            flow.hasher = None
    first, told = offset - flow.moved, flow.on_moved
    async with Trail(fd, hasher, start=start, limiter=hashes) as trail:

        def lead(moved: int) -> None:
            trail.reach(min(size, first + moved + _AHEAD))
            if told is not None:
                told(moved)

        trail.reach(min(size, offset + _AHEAD))
        flow.on_moved = lead
        try:
            moved = await send_file(wire, fd, offset, count, flow)
        finally:
            flow.on_moved = told
        return moved, await trail.digest(size)


async def receive_hashed(
    wire: Wire,
    fd: int,
    offset: int,
    hasher: D,
    flow: Flow,
    *,
    start: int = 0,
    hashes: trio.CapacityLimiter | None = None,
    every: int = MARK,
    on_mark: Mark | None = None,
) -> tuple[int, D]:
    """Write what comes until the clean end from `offset` on, and make the digest of the whole file.

    Args:
        fd: open for reading too; its first `offset` bytes are there.
        hasher: has seen the first `start` bytes, and sees the others here. `flow` has neither hasher nor convert.
        hashes: the workers for hashing beside the move; None: trio's default ones.
        on_mark: called in a worker with an offset and the digest up to it: at multiples of `every`, and after a
            MoverError for everything that came before it, so that a resume may go on from there.

    Returns:
        Bytes received, and the hasher, which has seen the file up to `offset` and that many more.

    Raises:
        MoverError: STALLED, LOST, TRUNCATED; CHANGED when somebody cuts the file meanwhile.
        DiskFault: the file cannot be written or read, or `on_mark` raised an OSError. What else it raises comes out
            as it is.
    """
    sink = Sink(fd, offset, flow)
    moved, ended = 0, False
    if start == offset:
        sink.hasher = hasher
        try:
            moved, ended = await receive_head(wire, sink, flow)
        except MoverError:
            await _mark(on_mark, sink, hasher.hexdigest(), flow)
            raise
        if ended:
            return moved, hasher
        sink.hasher, start = None, offset + moved
    async with Trail(fd, hasher, start=start, limiter=hashes, every=every, on_mark=on_mark) as trail:
        trail.reach(offset + moved)
        sink.on_written, sink.loans = trail.reach, trail.loans
        try:
            if not moved:
                moved, ended = await receive_head(wire, sink, flow)
            if not ended:
                moved += await receive_rest(wire, sink, flow)
        except MoverError:
            if on_mark is not None:
                with trio.move_on_after(_LAST_MARK):
                    await _mark(on_mark, sink, await trail.digest(sink.offset or 0), flow)
            raise
        await trail.digest(offset + moved)
    return moved, hasher


async def _mark(on_mark: Mark | None, sink: Sink, digest: str, flow: Flow) -> None:
    if on_mark is not None and sink.offset:
        try:
            await trio.to_thread.run_sync(on_mark, sink.offset, digest, limiter=flow.limiter)
        except OSError as error:
            raise DiskFault(error) from error
