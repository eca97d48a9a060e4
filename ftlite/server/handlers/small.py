"""A small download without a wait: when file, bytes and data connection are at hand, RETR is answered on the spot.

No task, no thread, no turn of the event loop: data, end and both replies leave in one go, and the client's end is
looked for when its next command comes. Where anything would have to wait, `transfers.retrieve` does it all.
"""

from __future__ import annotations

import socket

from ftlite.movers import read_cached
from ftlite.net.errors import NetError
from ftlite.net.wire import Wire
from ftlite.protocol.arguments import TransferType
from ftlite.protocol.replies import Reply, reply
from ftlite.server.call import Call
from ftlite.server.refusals import Refused
from ftlite.storage.errors import WouldBlock

#: Bytes that fit into the first flight of a new connection, so that sending them waits for nobody (RFC 6928 s.2).
MOST = 14_000


def retrieve(call: Call) -> tuple[Reply, ...]:
    """RETR, at once: 150 and 226, or nothing. Raises `Refused` and StorageError as `transfers.retrieve` does."""
    session, dialogue = call.session, call.session.dialogue
    if (
        session.reservation is None
        or dialogue.protection != "C"
        or dialogue.type_ is not TransferType.IMAGE
        or session.pace("down") is not None
    ):
        return ()
    data = _at_hand(call, dialogue.restart or 0)
    if data is None:
        return ()
    try:
        wire = _connected(call, len(data))
    except NetError as error:
        raise Refused(reply(425, f"No data connection: {error}.")) from error
    if wire is None:
        return ()
    try:
        wire.send_last(data)
    except NetError as error:
        raise Refused(reply(426, f"{error}; the transfer is incomplete.")) from error
    session.end_later(wire)
    session.transfer_done("get", call.path(), len(data), 0.0)
    return reply(150, f"{len(data)} bytes follow."), reply(226, "Sent.")


def _at_hand(call: Call, offset: int) -> bytes | None:
    """The bytes to send, if the kernel has them and all that leads to them in its caches."""
    try:
        with call.judge(call.path(), nowait=True) as place, call.store.read(place, nowait=True) as source:
            count = source.size - offset
            return read_cached(source.fd, offset, count) if 0 <= count <= MOST else None
    except WouldBlock:
        return None


def _connected(call: Call, count: int) -> Wire | None:
    """The data connection, if it is there and has room for `count` bytes; it stays where it was otherwise."""
    session = call.session
    assert session.reservation is not None
    if session.endings_full():
        return None
    sock = session.reservation.accept_now()
    if sock is None:
        return None
    if sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) < 2 * count:
        session.reservation.put_back(sock)
        return None
    session.free_port()
    return Wire(sock)
