"""Passive ports: listeners that stay open and are lent out, one reservation at a time each.

A port that was lent comes back to the end of the queue, so it rests as long as the pool allows before somebody else
gets it: a connection that arrives late for the reservation before has then had time to arrive and be thrown away.
"""

from __future__ import annotations

import errno
import socket
from collections import deque

import trio

from ftlite.config.models import PassiveConfig
from ftlite.net.addresses import Address, comparable, socket_address
from ftlite.net.errors import Kind, NetError

_BACKLOG = 16
_RESTING = 8  # so many ports rest before the first is used again, where there are that many
_TAKEN = {errno.EADDRINUSE, errno.EACCES}
_GONE_AGAIN = {errno.ECONNABORTED, errno.EPROTO}  # the connection broke while it waited in the queue


class PassivePool:
    """Listening sockets for data connections.

    With a range, only ports of the range are ever used, on whichever local addresses control connections come to.
    Without one the system chooses, up to `config.most` listeners an address.
    """

    def __init__(self, config: PassiveConfig) -> None:
        self._config = config
        self._shelves: dict[object, _Shelf] = {}
        self._spelt: dict[str, _Shelf] = {}  # the same by the host as given, so that it is understood once only

    def reserve(self, local_host: str, peer_host: str) -> Reservation:
        """A port at `local_host` for one connection from `peer_host` (both numeric).

        Raises:
            NetError: NO_PORT when all are taken, NAME when a host is no numeric address, FAULT when no socket can be
                had.
        """
        peer = comparable(peer_host)
        shelf = self._spelt.get(local_host)
        if shelf is None:
            where = socket_address(local_host, 0)
            shelf = self._spelt[local_host] = self._shelves.setdefault(where, _Shelf(self._config, local_host))
        return Reservation(shelf, shelf.take(), peer)

    def close(self) -> None:
        """Close the listeners that are not lent out; the others close when they come back."""
        for shelf in self._shelves.values():
            shelf.close()


class Reservation:
    """One port, waiting for one connection from one address.

    Attributes:
        port: what to tell the client.
    """

    def __init__(self, shelf: _Shelf, listener: socket.socket, peer: Address) -> None:
        self._shelf = shelf
        self._listener: socket.socket | None = listener
        self._peer = peer
        self._waiting = False
        self._ready: socket.socket | None = None
        self.port: int = listener.getsockname()[1]

    async def accept(self) -> socket.socket:
        """Wait for the connection; strangers are closed at once and waiting goes on. The caller sets the deadline.

        Returns:
            A non-blocking socket.

        Raises:
            NetError: LOST when the reservation is closed meanwhile, FAULT when no descriptor can be had.
        """
        while True:
            if (sock := self.accept_now()) is not None:
                return sock
            assert self._listener is not None, "accept_now has looked"
            self._waiting = True
            try:
                await trio.lowlevel.wait_readable(self._listener)
            except trio.ClosedResourceError:
                raise NetError(Kind.LOST, "the passive port was given back") from None
            finally:
                self._waiting = False

    def accept_now(self) -> socket.socket | None:
        """As `accept`, but None when the connection is not there yet."""
        if self._ready is not None:
            ready, self._ready = self._ready, None
            return ready
        for _ in range(2 * _BACKLOG):  # a flood of strangers must not hold the loop
            if self._listener is None:
                raise NetError(Kind.LOST, "the passive port was given back")
            taken = _accept(self._listener)
            if taken is None:
                return None
            sock, host = taken
            if comparable(host) == self._peer:
                sock.setblocking(False)
                return sock
            sock.close()
        return None

    def put_back(self, sock: socket.socket) -> None:
        """Undo an `accept_now`: the next accept gives `sock` again."""
        self._ready = sock

    def close(self) -> None:
        """Give the port back; whoever waits in `accept` is woken. Twice is fine."""
        if self._ready is not None:
            self._ready.close()
            self._ready = None
        if self._listener is not None:
            listener, self._listener = self._listener, None
            if self._waiting:
                trio.lowlevel.notify_closing(listener)
            self._shelf.give_back(listener)


class _Shelf:
    """The listeners of one local address."""

    def __init__(self, config: PassiveConfig, host: str) -> None:
        self._host = host
        self._unopened = deque(range(config.first, config.last + 1) if config.last else [0] * config.most)
        self._resting: deque[socket.socket] = deque()
        self._closed = False

    def take(self) -> socket.socket:
        listener = self._open() if len(self._resting) < _RESTING else None
        if listener is None:
            if not self._resting:
                raise NetError(Kind.NO_PORT, f"all passive ports of {self._host} are in use")
            listener = self._resting.popleft()
        for _ in range(2 * _BACKLOG):
            late = _accept(listener)
            if late is None:
                break
            late[0].close()
        return listener

    def _open(self) -> socket.socket | None:
        """A listener that was not open yet; None when there is no such port left."""
        for _ in range(len(self._unopened)):
            port = self._unopened.popleft()
            try:
                return self._listen(port)
            except OSError as error:
                self._unopened.append(port)  # perhaps another program has it, and not for ever
                if error.errno not in _TAKEN:
                    message = f"no passive port can be opened on {self._host}: {error.strerror}"
                    raise NetError(Kind.FAULT, message) from error
        return None

    def _listen(self, port: int) -> socket.socket:
        family, address = socket_address(self._host, port)
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setblocking(False)
            sock.bind(address)
            sock.listen(_BACKLOG)
        except BaseException:
            sock.close()
            raise
        return sock

    def give_back(self, listener: socket.socket) -> None:
        if self._closed:
            listener.close()
        else:
            self._resting.append(listener)

    def close(self) -> None:
        self._closed = True
        while self._resting:
            self._resting.popleft().close()


def _accept(listener: socket.socket) -> tuple[socket.socket, str] | None:
    """The next connection in the queue and where it comes from; None when the queue is empty."""
    while True:
        try:
            sock, address = listener.accept()
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno in _GONE_AGAIN:
                continue
            raise NetError(Kind.FAULT, f"a data connection cannot be accepted: {error.strerror}") from error
        return sock, address[0]
