"""Bytes in memory onto a wire and off it, on the loop: listings, and small files that are at hand."""

from __future__ import annotations

from collections.abc import AsyncIterable

import trio

from ftlite.movers.errors import Kind, MoverError, from_net
from ftlite.movers.flow import SMALL, Flow
from ftlite.net.errors import NetError
from ftlite.net.wire import Wire


async def send_bytes(wire: Wire, data: bytes | AsyncIterable[bytes], flow: Flow) -> int:
    """Send `data`, or what it yields, as it is: `flow.convert` and `flow.hasher` are not for memory.

    The wire stays open: `Wire.finish` says the end.

    Returns:
        Bytes sent.

    Raises:
        MoverError: STALLED or LOST.
    """
    if isinstance(data, (bytes, bytearray, memoryview)):
        return await push(wire, data, flow)
    total = 0
    async for piece in data:
        total += await push(wire, piece, flow)
    return total


async def push(wire: Wire, data: bytes | bytearray | memoryview, flow: Flow) -> int:
    """Send all of `data`; returns its length. Raises MoverError STALLED, LOST."""
    rest = memoryview(data)
    while rest:
        piece = rest[: await flow.allowed(min(len(rest), SMALL))]
        while piece:
            try:
                sent = wire.send(piece)
            except NetError as error:
                raise from_net(error) from error
            if sent is None:
                await flow.wait(wire.writable)
                continue
            flow.advance(sent)
            piece, rest = piece[sent:], rest[sent:]
        if rest:  # a peer that takes all at once must not have the loop for itself
            await trio.lowlevel.checkpoint()
    return len(data)


async def receive_some(wire: Wire, flow: Flow, most: int = SMALL) -> bytes:
    """The next 1 to `most` bytes; b"" at the clean end. For streams that have no file (`-`, pipes).

    Raises:
        MoverError: STALLED, LOST, TRUNCATED.
    """
    allowed = await flow.allowed(most)
    buffer = bytearray(allowed)
    while (got := receive_once(wire, buffer)) is None:
        await flow.wait(wire.readable)
    flow.unused(allowed - got)
    flow.advance(got)
    return bytes(buffer[:got])


async def receive_bytes(wire: Wire, flow: Flow, most: int) -> bytes:
    """All bytes until the clean end.

    Raises:
        MoverError: STALLED, LOST, TRUNCATED, or TOO_LONG when more than `most` come.
    """
    data = bytearray()
    while piece := await receive_some(wire, flow):
        data += piece
        if len(data) > most:
            raise MoverError(Kind.TOO_LONG, f"the peer sent more than {most} bytes")
    return bytes(data)


def receive_once(wire: Wire, buffer: bytearray | memoryview) -> int | None:
    """`Wire.recv_into` with the movers' errors. Raises MoverError LOST, TRUNCATED."""
    try:
        return wire.recv_into(buffer)
    except NetError as error:
        raise from_net(error) from error
