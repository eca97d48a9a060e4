"""One control connection: bytes to lines, replies to bytes, clear or TLS. Knows no verb and no session.

Reading is pull: `fill` waits for bytes, `next_line` takes what is complete. Cancelling `fill` loses nothing, so a
session may wake itself out of it. Writing is whole replies under a lock and a deadline: a client that does not take its
replies is gone, not waited for.
"""

from __future__ import annotations

import select
import socket
import ssl
from contextlib import suppress

import trio

from ftlite.net.errors import Kind, NetError
from ftlite.net.tls import PROTOCOLS
from ftlite.net.wire import Wire
from ftlite.protocol.clienthello import HelloReader
from ftlite.protocol.errors import ProtocolError
from ftlite.protocol.lines import LineSplitter
from ftlite.protocol.replies import Reply

_READ = 4096
_PROTOCOLS = {name.encode() for name in PROTOCOLS}
_LINGER = 2.0
_PEEK_AGAIN, _PEEK_SELDOM = 0.01, 1.0  # seconds between looks at a TLS hello that came in part
_scratch = bytearray(_READ)  # filled and emptied between two waits, so all sessions share it


class Hangup(Exception):
    """The control connection is over: the client closed it, broke it, or stopped taking replies."""


class Channel:
    """Lines in, replies out.

    Args:
        wire: the connection, in clear.
        line_limit: bytes of one command line.
        reply_deadline: seconds that a client has to take a reply.
    """

    def __init__(self, wire: Wire, *, line_limit: int, reply_deadline: float) -> None:
        self._wire = wire
        self._line_limit = line_limit
        self._reply_deadline = reply_deadline
        self._lines = LineSplitter(line_limit, telnet=True)
        self._lock = trio.Lock()
        self._unsent = bytearray()
        self.ended = False

    @property
    def leftover(self) -> bool:
        """Bytes came that no line has used yet: under AUTH TLS somebody may have put them there (RFC 2228 s.3 CCC)."""
        return bool(self._lines.pending)

    @property
    def line_waiting(self) -> bool:
        """Whether another line is complete already: the client sends ahead of our replies."""
        return self._lines.waiting

    def next_line(self) -> bytes | None:
        """The next complete line without its end, or None. Raises `LineTooLong` once per over-long line."""
        return self._lines.next()

    async def fill(self) -> bool:
        """Wait for bytes; False at the end of the connection. Answers Telnet negotiation by refusing it."""
        try:
            if not self._wire.pending():
                await self._wire.readable()
            while (count := self._wire.recv_into(_scratch)) is None:
                await self._wire.readable()
        except NetError:
            count = 0
        if not count:
            self.ended = True
            return False
        await self.take(_scratch[:count])
        return True

    async def take(self, data: bytes | bytearray) -> None:
        """Take bytes that the client sent; they may have been read elsewhere."""
        self._lines.feed(data)
        if answers := self._lines.answers():
            await self._send(answers)

    async def send(self, *replies: Reply) -> None:
        """Send whole replies, in one packet. Raises `Hangup` when the client is gone or takes too long."""
        await self._send(b"".join([reply.encode() for reply in replies]))

    async def _send(self, data: bytes) -> None:
        """Replies are small and there is nearly always room, so the lock and the deadline come second.

        A task that is cancelled here leaves the rest of its reply to whoever sends next: half a line never stays.
        """
        try:
            if not self._unsent:
                data = data[self._wire.send(data) or 0 :]
            if data:
                self._unsent += data
                with trio.fail_after(self._reply_deadline):
                    await self._send_rest()
        except NetError as error:
            raise Hangup("the client is gone") from error
        except trio.TooSlowError as error:
            raise Hangup("the client does not take its replies") from error

    async def _send_rest(self) -> None:
        """Send what waits, in the order in which it came; of those who wait for it, one works at a time."""
        async with self._lock:
            while self._unsent:
                sent = self._wire.send(self._unsent)
                if sent is None:
                    await self._wire.writable()
                else:
                    del self._unsent[:sent]

    def gone(self) -> bool:
        """Whether the client has closed its side, as far as the kernel knows at this moment. Never blocks."""
        if self.ended:
            return True
        poll = select.poll()
        poll.register(self._wire.socket.fileno(), select.POLLRDHUP | select.POLLERR | select.POLLHUP)
        return bool(poll.poll(0))

    async def secure(self, context: ssl.SSLContext) -> None:
        """Shake hands as a TLS server; what follows is encrypted.

        A client that offers ALPN names, and none of ours, wants another protocol (the ALPACA attack sends a browser
        here) and is refused.

        Args:
            context: this session's own.

        Raises:
            NetError: kind TLS, the handshake failed or was not meant for us.
        """
        offered = await self._peek_offered()
        if offered and not set(offered) & _PROTOCOLS:
            raise NetError(Kind.TLS, "the client wants another protocol (ALPN)")
        self._wire = await Wire.secure(self._wire.socket, context, server_side=True, require_close_notify=False)
        self._lines = LineSplitter(self._line_limit, telnet=True)

    async def _peek_offered(self) -> tuple[bytes, ...]:
        """The ALPN names of the TLS hello that waits in the socket, which stays there for TLS to read."""
        hello, pause = HelloReader(), _PEEK_AGAIN
        while not hello.complete:
            await self._wire.readable()
            try:
                data = self._wire.socket.recv(HelloReader.MOST, socket.MSG_PEEK)
                news = data[len(hello.seen) :]
                hello.feed(news)
            except BlockingIOError:
                continue
            except (OSError, ProtocolError) as error:
                raise NetError(Kind.TLS, f"no TLS handshake: {error}") from error
            if not data or (not news and self.gone()):
                raise NetError(Kind.LOST, "the client left before the TLS handshake")
            if not hello.complete:  # a rest that is on its way; the socket is readable all the time
                await trio.sleep(pause)
                pause = min(2 * pause, _PEEK_SELDOM)  # or else a part that never gets its rest would keep us busy
        return hello.alpn

    def describe_tls(self) -> tuple[str | None, str | None]:
        """Version and cipher in use ("TLSv1.3", "TLS_AES_256_GCM_SHA384"), or Nones in clear."""
        if not isinstance(self._wire.socket, ssl.SSLSocket):
            return None, None
        return self._wire.socket.version(), (self._wire.socket.cipher() or (None,))[0]

    async def close(self) -> None:
        """Say goodbye and close: what the client still sends is read for a moment, so that our last reply arrives.

        Cancelled, it closes at once.
        """
        with suppress(NetError):
            await self._wire.finish(timeout=_LINGER, patience=_LINGER)
