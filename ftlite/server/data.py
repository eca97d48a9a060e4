"""The data connection of one transfer: opened as the session has planned it, moved over, ended cleanly or torn down.

`data_connection` is the one way in: it says 150, opens, and gives a `Link`, which moves bytes and ends. What fails on
the way leaves as `Refused` with the reply that RFC 959 s.5.4 has for it: 425 when nothing could be opened, 426 when it
broke; 522 when the handshake failed (RFC 4217 s.10.2).
"""

from __future__ import annotations

import socket
from types import TracebackType

import trio
from attrs import frozen

from ftlite.movers import Flow, receive_file, send_bytes, send_file
from ftlite.movers.errors import DiskFault, MoverError
from ftlite.net.active import dial
from ftlite.net.errors import Kind, NetError
from ftlite.net.wire import Wire
from ftlite.protocol.arguments import TransferType
from ftlite.protocol.ascii import FromWire, ToWire
from ftlite.protocol.replies import reply
from ftlite.server.call import Call
from ftlite.server.refusals import Refused, for_transfer

_FEW = 64 * 1024


@frozen
class Link:
    """An open data connection with the clocks and limits of its session.

    As a context manager it tears the connection down when the block fails, and turns what fails on it into `Refused`.
    """

    call: Call
    wire: Wire

    def __enter__(self) -> Link:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        self.wire.abort()
        if isinstance(error, (MoverError, DiskFault, NetError)):
            self.call.session.event("transfer.broken", path=self.call.path(), reason=str(error))
            raise Refused(for_transfer(error, self.call.path())) from error

    async def send(self, data: bytes) -> None:
        """Send a listing, and end."""
        await send_bytes(self.wire, data, self._flow("down", None))
        await self._end(len(data))

    async def send_file(self, fd: int, offset: int, count: int) -> None:
        """Send `count` bytes of the file from `offset` on, in the session's type, and end."""
        await send_file(self.wire, fd, offset, count, self._flow("down", ToWire() if self._text else None))
        await self._end(count)

    async def receive_file(self, fd: int, offset: int) -> int:
        """Write what arrives from `offset` on, in the session's type, and end; the count of bytes on the wire."""
        moved = await receive_file(self.wire, fd, offset, self._flow("up", FromWire() if self._text else None))
        await self.wire.finish()
        return moved

    async def _end(self, sent: int) -> None:
        """End; after few bytes, which the client surely takes, the reply need not wait until it has."""
        if sent > _FEW or self.call.session.endings_full():
            await self.wire.finish()
        else:
            await self.wire.tell_end()
            self.call.session.end_later(self.wire)

    @property
    def _text(self) -> bool:
        return self.call.session.dialogue.type_ is TransferType.ASCII

    def _flow(self, direction: str, convert: ToWire | FromWire | None) -> Flow:
        services, session = self.call.services, self.call.session
        return Flow(
            stall=services.config.limits.stall,
            pace=session.pace(direction),
            limiter=services.disk,
            convert=convert,
            on_moved=session.note_progress,
            aside=True,
        )


async def data_connection(call: Call, text: str) -> Link:
    """Say 150 with `text` and open the data connection, to be used in a ``with`` block.

    Raises:
        Refused: it could not be opened.
    """
    await call.session.answer(call.command, reply(150, text))
    return Link(call, await _open(call))


async def _open(call: Call) -> Wire:
    """Accept or dial, as planned, and shake hands where the session protects its data (RFC 4217 s.9)."""
    session = call.session
    try:
        with trio.fail_after(call.services.config.limits.accept):
            return await _secured(call, await _connect(call))
    except trio.TooSlowError as error:
        session.event("data.late")
        raise Refused(reply(425, "No data connection came in time.")) from error
    except NetError as error:
        session.event("data.failed", reason=str(error))
        code = 522 if error.kind is Kind.TLS else 425  # 522: RFC 4217 s.10.2
        raise Refused(reply(code, f"No data connection: {error}.")) from error
    finally:
        session.free_port()


async def _connect(call: Call) -> socket.socket:
    session = call.session
    if session.reservation is not None:
        return await session.reservation.accept()
    if session.dialogue.data.address is not None:
        return await dial(*session.dialogue.data.address, session.local)
    raise Refused(reply(425, "Use EPSV or PASV again."))  # ABOR gave the port back


async def _secured(call: Call, sock: socket.socket) -> Wire:
    session, tls = call.session, call.services.config.tls
    if session.dialogue.protection == "C":
        return Wire(sock)
    assert session.user is not None
    assert session.context is not None
    strict = session.user.require_close_notify
    strict = tls.require_close_notify if strict is None else strict
    wire = await Wire.secure(sock, session.context, server_side=True, require_close_notify=strict)
    if tls.require_reuse and not wire.reused:
        wire.abort()
        raise Refused(reply(522, "The data connection must resume the TLS session of the control connection."))
    return wire
