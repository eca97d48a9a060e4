"""One data connection, clear or TLS: try once and never block, wait only on the loop, end so that nothing gets lost.

`recv_into` and `send` may be called from a worker thread while the wire is `lent` to it; everything else belongs to
the loop. An `abort` meanwhile takes effect when the worker hands the wire back, so a descriptor is never closed under a
thread that uses it.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import trio

from ftlite.net.errors import Kind, NetError, from_broken

if TYPE_CHECKING:
    from ftlite.net.buffered import BufferedTls

_RESET = struct.pack("ii", 1, 0)
_SCRATCH = 65536


class Wire:
    """A connected, non-blocking socket that this value owns from now on.

    Args:
        sock: a connected stream socket, or an `ssl.SSLSocket` or BufferedTls whose handshake is done (see `secure`).
        require_close_notify: under TLS, an end without close_notify is TRUNCATED; else it counts as a clean end.

    Attributes:
        socket: for the movers' own system calls; under a BufferedTls the one below it.
        secured: for `getpeercert`, `version` and their kin; None in clear.
        tls: whether it is encrypted.
    """

    def __init__(self, sock: socket.socket | ssl.SSLSocket | BufferedTls, *, require_close_notify: bool = True) -> None:
        self.socket: socket.socket = sock if isinstance(sock, socket.socket) else sock.raw
        self.secured: ssl.SSLSocket | BufferedTls | None = None
        if isinstance(sock, ssl.SSLSocket) or not isinstance(sock, socket.socket):
            self.secured = sock
        self._face = sock
        self.tls = self.secured is not None
        sock = self.socket
        sock.setblocking(False)
        # Not every socket is TCP (tests), and macOS refuses options on a connection that the peer has already reset.
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.require_close_notify = require_close_notify
        self._read_wants_write = False
        self._write_wants_read = False
        self._peer_ended = False
        self._lent = False
        self._closed = False
        self._waiting = 0  # tasks that `_close` has to wake

    @classmethod
    async def secure(
        cls,
        sock: socket.socket,
        context: ssl.SSLContext,
        *,
        server_side: bool,
        session: ssl.SSLSession | None = None,
        hostname: str | None = None,
        require_close_notify: bool = True,
    ) -> Wire:
        """Shake hands over `sock`, which is consumed whatever happens; the caller sets the deadline.

        Raises:
            NetError: TLS when the handshake fails, LOST when the peer goes away during it.
        """
        sock.setblocking(False)
        try:
            tls = context.wrap_socket(
                sock,
                server_side=server_side,
                do_handshake_on_connect=False,
                suppress_ragged_eofs=False,
                server_hostname=hostname,
                session=session,
            )
        except (OSError, ValueError) as error:
            sock.close()
            raise NetError(Kind.TLS, f"TLS cannot start: {error}") from error
        return await cls.shake(tls, require_close_notify=require_close_notify)

    @classmethod
    async def shake(cls, tls: ssl.SSLSocket | BufferedTls, *, require_close_notify: bool = True) -> Wire:
        """Shake hands over `tls`, which is consumed whatever happens. Raises NetError as `secure` does."""
        wire = cls(tls, require_close_notify=require_close_notify)
        try:
            await wire._shake(tls)
        except BaseException:
            wire.abort()
            raise
        return wire

    async def _shake(self, tls: ssl.SSLSocket | BufferedTls) -> None:
        while True:
            try:
                tls.do_handshake()
                return
            except ssl.SSLWantReadError:
                await self._wait(trio.lowlevel.wait_readable)
            except ssl.SSLWantWriteError:
                await self._wait(trio.lowlevel.wait_writable)
            except ssl.SSLEOFError as error:
                raise NetError(Kind.LOST, "the peer left during the TLS handshake") from error
            except OSError as error:
                raise from_broken(error, "the TLS handshake") from error

    @property
    def reused(self) -> bool:
        """The TLS session of an earlier connection was resumed (the control connection's, on an honest client)."""
        return self.secured is not None and bool(self.secured.session_reused)

    @property
    def closed(self) -> bool:
        """`finish` is through or `abort` was called."""
        return self._closed

    def pending(self) -> bool:
        """Whether TLS holds bytes that `recv_into` gives although the socket has none."""
        return self.secured is not None and self.secured.pending() > 0

    async def readable(self) -> None:
        """Wait until `recv_into` is worth trying again. Raises NetError LOST when the wire is aborted meanwhile."""
        await self._wait(trio.lowlevel.wait_writable if self._read_wants_write else trio.lowlevel.wait_readable)

    async def writable(self) -> None:
        """Wait until `send` is worth trying again. Raises NetError LOST when the wire is aborted meanwhile."""
        await self._wait(trio.lowlevel.wait_readable if self._write_wants_read else trio.lowlevel.wait_writable)

    async def _wait(self, wait: Callable[[socket.socket], Awaitable[None]]) -> None:
        if self._closed:
            raise _aborted()
        self._waiting += 1
        try:
            await wait(self.socket)
        except trio.ClosedResourceError:
            raise _aborted() from None
        finally:
            self._waiting -= 1

    def recv_into(self, buffer: bytearray | memoryview) -> int | None:
        """Receive once. Returns bytes placed in `buffer`, 0 at the peer's clean end, None when it would block.

        Raises:
            NetError: LOST, TRUNCATED (TLS without close_notify, when that is required), TLS (broken records).
        """
        self._read_wants_write = False
        try:
            count = self._face.recv_into(buffer)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None
        except ssl.SSLWantWriteError:
            self._read_wants_write = True
            return None
        except ssl.SSLZeroReturnError:
            count = 0
        except ssl.SSLEOFError as error:
            if self.require_close_notify:
                raise from_broken(error, "the data connection") from error
            count = 0
        except OSError as error:
            raise self._broken(error) from error
        if count == 0:
            self._peer_ended = True
        return count

    def send(self, view: bytes | bytearray | memoryview) -> int | None:
        """Send once. Returns bytes taken from `view`, None when it would block.

        Under TLS what was not taken must be offered again (more may follow it), since a part may be on the way already.

        Raises:
            NetError: LOST or TLS.
        """
        self._write_wants_read = False
        try:
            return self._face.send(view)
        except (BlockingIOError, ssl.SSLWantWriteError):
            return None
        except ssl.SSLWantReadError:
            self._write_wants_read = True
            return None
        except OSError as error:
            raise self._broken(error) from error

    def _broken(self, error: OSError) -> NetError:
        if self._closed:
            return _aborted()
        if isinstance(error, ssl.SSLEOFError):
            return NetError(Kind.LOST, "the peer left in the middle of the transfer")
        return from_broken(error, "the data connection")

    @contextmanager
    def lent(self) -> Iterator[None]:
        """While a worker thread uses the wire: an `abort` meanwhile resets and closes when the worker is back.

        Raises:
            NetError: LOST when the wire was aborted, before or meanwhile.
        """
        if self._closed:
            raise _aborted()
        self._lent = True
        try:
            yield
        finally:
            self._lent = False
            if self._closed:
                self._close()
        if self._closed:
            raise _aborted()

    async def finish(self, timeout: float = 2.0, patience: float = 60.0) -> bool:
        """End this direction properly, read the other one to its end, close. The wire is closed in any case.

        Unread bytes at close would become an RST, which destroys what the peer has not read yet; so close_notify (TLS)
        and FIN go out, and what still comes is read and dropped. Cancelled: it closes at once and loses nothing that
        is on its way, except that before close_notify is out the connection is reset, for a cut must look like one.

        Args:
            timeout: seconds to wait for the peer's end.
            patience: seconds to wait for room to send close_notify, when a slow peer has left none.

        Returns:
            True when the peer's end was seen; False when it was silent, reset, or would not stop sending. A reset here
            is no error: many clients close as soon as they have their bytes, with our close_notify unread.

        Raises:
            NetError: LOST when the end could not be told and the peer had not said its own: what was sent is lost.
        """
        ended = False
        await self.tell_end(patience)
        try:
            with trio.move_on_after(timeout):
                ended = await self._read_to_end()
        finally:
            if not self._closed:
                self._closed = True
                self._close()
        return ended

    async def tell_end(self, patience: float = 60.0) -> None:
        """The first half of `finish`: close_notify and FIN go out. `try_finish` can do the rest without a wait.

        Raises:
            NetError: as `finish` does; the wire is closed then.
        """
        if self._closed:
            raise _aborted()
        told: bool | None = False
        try:
            told = self._tell_end()
            if told is None:
                with trio.move_on_after(patience):
                    while told is None:
                        await self._wait(trio.lowlevel.wait_writable)
                        told = self._tell_end()
        finally:
            if not told:
                self.abort()
        if not told and not self._peer_ended:
            raise NetError(Kind.LOST, "the peer was gone before it had everything")

    def send_last(self, data: bytes) -> None:
        """Send `data` and our end behind it, in clear and without a wait: one packet where it fits. Then `try_finish`.

        Raises:
            NetError: LOST when the peer is gone or took a part only; the wire is closed then.
        """
        assert not self.tls, "close_notify may have to wait: use finish"
        try:
            if data and self.socket.send(data, getattr(socket, "MSG_MORE", 0)) != len(data):
                raise BlockingIOError("no room for all of it")
            self.socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            self.abort()
            raise from_broken(error, "the data connection") from error

    def try_finish(self, *, give_up: bool = False) -> bool:
        """Whether the peer's end has come since `tell_end`; the wire is closed then, and also with `give_up`."""
        ended = self._closed
        try:
            while not ended:
                ended = not socket.socket.recv(self.socket, _SCRATCH)
        except BlockingIOError:
            ended = give_up
        except OSError:
            ended = True
        if ended and not self._closed:
            self._closed = True
            self._close()
        return ended

    def _tell_end(self) -> bool | None:
        """Whether our end is out: False when it never will be, None when there is no room for it yet."""
        if self.secured is not None:
            try:
                self.secured.unwrap()
            except ssl.SSLWantReadError:
                pass  # ours is out; theirs need not be waited for, the FIN behind it says the same
            except ssl.SSLWantWriteError:
                return None
            except ssl.SSLEOFError:
                pass  # ours is out and the peer has closed upon it, without one of its own
            except ssl.SSLError as error:
                if error.reason != "APPLICATION_DATA_AFTER_CLOSE_NOTIFY":
                    return False
            except (OSError, ValueError):
                return False
        try:
            socket.socket.shutdown(self.socket, socket.SHUT_WR)
        except OSError:
            return False
        return True

    async def _read_to_end(self) -> bool:
        scratch = bytearray(_SCRATCH)
        while True:
            try:
                # The plain socket's method: what a TLS peer still says is dropped undecrypted.
                if socket.socket.recv_into(self.socket, scratch) == 0:
                    return True
            except BlockingIOError:
                pass
            except OSError:
                return False
            await self._wait(trio.lowlevel.wait_readable)

    def abort(self) -> None:
        """Reset the connection and close; never blocks, wakes whoever waits on it. Twice is fine.

        At once, or when a worker that has the wire on loan gives it back (within a slice).
        """
        if self._closed:
            return
        self._closed = True
        with suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        if not self._lent:  # shutdown would hurry the worker, but to the peer it would look like a clean end
            self._close()

    def _close(self) -> None:
        if self.socket.fileno() >= 0:
            if self._waiting:
                trio.lowlevel.notify_closing(self.socket)
            self.socket.close()


def _aborted() -> NetError:
    return NetError(Kind.LOST, "the data connection was aborted")
