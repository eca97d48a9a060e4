"""What a new connection says first, read without taking an octet that belongs to somebody else.

A data connection of the native dialect begins with a line (docs/protocol.md s.3), and what follows it may be TLS, so
each read asks for exactly what is missing. Whatever else comes first belongs to a session and is handed on.
"""

from __future__ import annotations

import socket
from contextlib import suppress

import trio

from ftlite.net.errors import Kind, NetError
from ftlite.net.wire import Wire
from ftlite.protocol.native.lines import FirstLine

_DATA = b"DATA "
_MOST = 256  # more than any first line has


def greet(wire: Wire, text: bytes) -> None:
    """Send the greeting, and wait for nothing.

    Where a data line is there already, it leaves with what is sent next: content, or TLS. `flush` sends it alone.

    Raises:
        NetError: LOST when the peer is gone, or took a part only.
    """
    flags = 0
    try:
        if wire.socket.recv(len(_DATA), socket.MSG_PEEK) == _DATA:
            flags = getattr(socket, "MSG_MORE", 0)
    except BlockingIOError:
        pass
    except OSError as error:
        raise NetError(Kind.LOST, f"the connection was lost: {error.strerror}") from error
    try:
        if wire.socket.send(text, flags) != len(text):
            raise BlockingIOError("no room for a greeting")
    except OSError as error:
        raise NetError(Kind.LOST, f"the client took no greeting: {error.strerror}") from error


def flush(wire: Wire) -> None:
    """Let a greeting go that waits for what is sent next."""
    with suppress(OSError):  # whoever uses the wire will be told
        wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # which pushes what is held


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
