"""What a new connection says first, read without taking an octet that belongs to somebody else.

A data connection of the native dialect begins with a line (docs/protocol.md s.3), and what follows it may be TLS, so
each read asks for exactly what is missing. Whatever else comes first belongs to a session and is handed on.
"""

from __future__ import annotations

import socket

import trio

from ftlite.net.errors import Kind, NetError
from ftlite.net.wire import Wire
from ftlite.protocol.native.lines import FirstLine

_MOST = 256  # more than any first line has


async def first_line(wire: Wire, patience: float) -> FirstLine:
    """Read the first line, or as much as tells that it is none.

    Args:
        wire: a connection in clear.
        patience: seconds to wait for the first octet, and then as long again for the rest.

    Returns:
        A decided line; or an undecided one, with what little came, from a peer that was silent for too long.

    Raises:
        NetError: LOST when the peer leaves before, TIMEOUT when it began a DATA line and did not end it.
        BadCommand: it begins as a DATA line and is none.
    """
    line = FirstLine()
    buffer = memoryview(bytearray(_MOST))
    deadline = trio.current_time() + patience
    while line.wanted:
        count = wire.recv_into(buffer[: line.wanted])
        if count is None:
            with trio.move_on_at(deadline) as waited:
                await wire.readable()
            if waited.cancelled_caught:
                if len(line.seen) >= len(b"DATA"):
                    raise NetError(Kind.TIMEOUT, "the data line did not come to its end")
                return line
        elif not count:
            raise NetError(Kind.LOST, "the client left without a word")
        else:
            if not line.seen:
                deadline = trio.current_time() + patience
            line.feed(bytes(buffer[:count]))
    return line


async def first_octet(wire: Wire, patience: float) -> bytes:
    """The first octet, which stays in the socket; b"" when none came within `patience` seconds.

    Raises:
        NetError: LOST when the peer leaves before.
    """
    with trio.move_on_after(patience):
        await wire.readable()
        try:
            octet = wire.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:  # the kernel was wrong, or an error that it told of is gone
            return b""
        except OSError as error:
            raise NetError(Kind.LOST, f"the connection was lost: {error.strerror}") from error
        if not octet:
            raise NetError(Kind.LOST, "the client left without a word")
        return octet
    return b""
