"""TLS over memory BIOs on a non-blocking socket, with the face of an `ssl.SSLSocket`.

What comes off the socket passes through our hands before TLS sees it. A client of the native dialect needs that: its
ClientHello is out before it has read the greeting that the server says in clear on the same connection
(docs/protocol.md s.3). It is no slower for bulk: a system call carries 256 KiB where OpenSSL's own makes two for each
record of 16 KiB.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import trio

from ftlite.net.errors import Kind, NetError
from ftlite.net.wire import Wire
from ftlite.protocol.errors import ProtocolError
from ftlite.protocol.native.lines import GreetingSkipper

_AT_ONCE = 256 * 1024  # bytes for one system call
_RECORD = 16384  # RFC 8446 s.5.1
_mine = threading.local()


class BufferedTls:
    """One end of a TLS connection. Every method tries once, and raises SSLWantReadError or SSLWantWriteError when it
    would block, as those of a non-blocking SSLSocket do.

    Args:
        sock: connected; this value owns it from now on.
        before: takes octets that come before TLS and tells how many of them it used; all of them means that there may
            be more, fewer that the rest and all that follows is TLS. It may raise.
        prelude: octets in clear that go out before our first flight and in one packet with it.
        first: application data that goes out in one packet with our Finished.
        vouch: called with this value when the peer's certificate is known and before `first` goes out; it may raise.

    Attributes:
        raw: the socket itself.

    Raises:
        OSError, ValueError: TLS cannot start; the socket is the caller's then.
    """

    def __init__(
        self,
        sock: socket.socket,
        context: ssl.SSLContext,
        *,
        server_side: bool = False,
        hostname: str | None = None,
        session: ssl.SSLSession | None = None,
        before: Callable[[memoryview], int] | None = None,
        prelude: bytes = b"",
        first: bytes = b"",
        vouch: Callable[[BufferedTls], object] | None = None,
    ) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._in, self._out, server_side=server_side, server_hostname=hostname, session=session
        )
        self.raw = sock
        self._before = before
        self._first = first
        self._vouch = vouch
        self._rest = memoryview(prelude)  # on its way from `_out` to the socket
        self._made = len(prelude)  # octets that were ever taken into `_rest`
        self._sent = 0  # and how many of them the socket has
        self._records: deque[tuple[int, int]] = deque()  # of `send`: where one ends on the wire, what it holds
        self._more = False  # the last read ended because there was no more room
        self._failure: ssl.SSLError | None = None  # came behind bytes that were given first

    # ---- moving bytes

    def do_handshake(self) -> None:
        """Raises ssl.SSLError and OSError, or what `before` or `vouch` raised."""
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._flush()
                self._fill()
            except ssl.SSLError:
                with suppress(OSError):
                    self._flush()  # the alert that tells the peer why
                raise
        if self._vouch is not None:
            self._vouch(self)
            self._vouch = None
        if self._first:
            self._tls.write(self._first)
            self._first = b""
        self._flush()

    def recv_into(self, buffer: bytearray | memoryview) -> int:
        """Fill `buffer` with what is here, from one system call at most. 0 at the peer's close_notify."""
        if self._failure is not None:
            raise self._failure
        view, have = memoryview(buffer), 0
        self._more = True
        while have < len(view):
            try:
                count = self._tls.read(len(view) - have, view[have:])
            except ssl.SSLWantReadError:
                self._more = False
                if have:
                    break
                self._fill()
                self._more = True
                continue
            except ssl.SSLError as error:
                if not have:
                    raise
                self._failure = error
                break
            if not count:
                break
            have += count  # type: ignore[operator]  # with a buffer it is a count
        if self._out.pending:  # what TLS itself has to say, as to a key update
            with suppress(ssl.SSLWantWriteError):
                self._flush()
        return have

    def send(self, data: bytes | bytearray | memoryview) -> int:
        """Send from the front of `data`; how much of it the socket has.

        What was encrypted and did not fit waits here, a few records at most: after SSLWantWriteError, and after a count
        below all of it, the rest must be offered again.
        """
        if not self._records:
            view = memoryview(data)[:_AT_ONCE]
            if not view:
                return 0
            while view:
                count = self._tls.write(view[:_RECORD])
                view = view[count:]
                self._records.append((self._made + self._out.pending, count))
        blocked: ssl.SSLWantWriteError | None = None
        try:
            self._flush()
        except ssl.SSLWantWriteError as error:
            blocked = error
        done = 0
        while self._records and self._records[0][0] <= self._sent:
            done += self._records.popleft()[1]
        if blocked is not None and not done:
            raise blocked
        return done

    def unwrap(self) -> None:
        """Send close_notify. SSLWantReadError: it is out, and the peer's has not been seen."""
        try:
            self._tls.unwrap()
        except ssl.SSLError:
            self._flush()
            raise
        self._flush()

    def pending(self) -> int:
        """Bytes at hand, so that `recv_into` is worth a try although the socket has none."""
        return self._tls.pending() or (self._in.pending if self._more else 0)

    def _flush(self) -> None:
        while True:
            if self._out.pending and len(self._rest) < _RECORD:  # the prelude and our first flight are one packet
                made = self._out.read()
                self._made += len(made)
                self._rest = memoryview(bytes(self._rest) + made if self._rest else made)
            if not self._rest:
                return
            try:
                count = self.raw.send(self._rest)
            except BlockingIOError:
                raise ssl.SSLWantWriteError(ssl.SSL_ERROR_WANT_WRITE, "the socket has no room") from None
            self._sent += count
            self._rest = self._rest[count:]

    def _fill(self) -> None:
        scratch = _scratch()
        try:
            count = self.raw.recv_into(scratch)
        except BlockingIOError:
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "the socket has nothing") from None
        data = scratch[:count]
        if not count:
            self._in.write_eof()
            return
        if self._before is not None:
            data = data[self._before(data) :]
            if data:
                self._before = None
        self._in.write(data)

    # ---- the rest of the face

    @property
    def session(self) -> ssl.SSLSession | None:
        return self._tls.session

    @property
    def session_reused(self) -> bool | None:
        return self._tls.session_reused

    def version(self) -> str | None:
        return self._tls.version()

    def cipher(self) -> tuple[str, str, int] | None:
        return self._tls.cipher()

    def getpeercert(self, binary_form: bool = False) -> Any:
        return self._tls.getpeercert(binary_form)

    def selected_alpn_protocol(self) -> str | None:
        return self._tls.selected_alpn_protocol()


def _scratch() -> memoryview:
    """Room for one system call, this thread's own: what comes is copied out at once, so a slow peer holds none."""
    if not hasattr(_mine, "scratch"):
        _mine.scratch = memoryview(bytearray(_AT_ONCE))
    scratch: memoryview = _mine.scratch
    return scratch


async def secure_buffered(
    sock: socket.socket,
    context: ssl.SSLContext,
    *,
    server_side: bool = False,
    hostname: str | None = None,
    session: ssl.SSLSession | None = None,
    before: Callable[[memoryview], int] | None = None,
    prelude: bytes = b"",
    first: bytes = b"",
    vouch: Callable[[BufferedTls], object] | None = None,
    require_close_notify: bool = True,
) -> Wire:
    """As `Wire.secure`, by a BufferedTls, whose arguments these are; `sock` is consumed whatever happens.

    Raises:
        NetError: TLS, LOST; and what `before` or `vouch` raised.
    """
    try:
        tls = BufferedTls(
            sock, context, server_side=server_side, hostname=hostname, session=session, before=before, prelude=prelude,
            first=first, vouch=vouch,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        sock.close()
        raise NetError(Kind.TLS, f"TLS cannot start: {error}") from error
    return await Wire.shake(tls, require_close_notify=require_close_notify)


async def dial_data(
    sock: socket.socket,
    line: bytes,
    *,
    greeted: bool,
    context: ssl.SSLContext | None = None,
    proof: bytes = b"",
    session: ssl.SSLSession | None = None,
    hostname: str | None = None,
    vouch: Callable[[BufferedTls], object] | None = None,
) -> Wire:
    """Make a connected socket a data connection of the native dialect, ready for content; the caller sets the deadline.

    Args:
        sock: fresh from `dial` or `dial_through`; consumed whatever happens.
        line: the DATA line, with its proof where there is no TLS. It goes out at once.
        greeted: the server greets in clear first (not on a port where TLS comes first): that is passed over.
        context: for TLS; None: in clear.
        proof: under TLS, the PROOF line.
        vouch: under TLS, raises when the peer's certificate is not good enough to be given the proof.

    Raises:
        NetError: TLS, LOST, or WRONG_PEER when what comes first is no greeting; and what `vouch` raised.
    """
    skipper = GreetingSkipper()
    try:
        if context is not None:
            before = skipper.feed if greeted else None
            return await secure_buffered(
                sock, context, hostname=hostname, session=session, before=before, prelude=line, first=proof, vouch=vouch
            )
        wire = Wire(sock)
        try:
            if wire.send(line) != len(line):
                raise NetError(Kind.LOST, "the data connection took no line")
            while greeted and not skipper.complete:
                await _skip(wire, skipper)
        except BaseException:
            wire.abort()
            raise
        return wire
    except ProtocolError as error:
        raise NetError(Kind.WRONG_PEER, f"the data connection began with no greeting: {error}") from error


async def _skip(wire: Wire, skipper: GreetingSkipper) -> None:
    """Take octets of the greeting out of the socket, and none that come behind it."""
    try:
        data = wire.socket.recv(_RECORD, socket.MSG_PEEK)
        if not data:
            raise NetError(Kind.LOST, "the server left before its greeting was over")
        wire.socket.recv(skipper.feed(data))
    except BlockingIOError:
        await wire.readable()
    except OSError as error:
        raise NetError(Kind.LOST, f"the data connection was lost: {error.strerror or error}") from error
    else:
        await trio.lowlevel.checkpoint()
