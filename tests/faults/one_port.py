"""A relay that passes one port and no other: it stands at 127.0.0.2, the server at 127.0.0.1.

What a connection is tells its first octet from the client: a data-line begins with "D", and nothing that a client says
first on a control connection does. Bytes are counted as they are taken in, so what a cut throws away counts too; small
kernel buffers keep what is on its way beyond that low.
"""

from __future__ import annotations

import contextlib
import random
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

from attrs import field, frozen

from tests.faults.relay import HOST, How

_SERVER = "127.0.0.1"
_BLOCK = 64 * 1024
_BUFFER = 256 * 1024
_PATIENCE = 30.0


@frozen
class Cut:
    """`how` happens when so many bytes have gone one way on a data connection, `skip` others of which pass whole first.

    Attributes:
        control: it is counted on a control connection instead.
    """

    after: int
    how: How
    skip: int = field(default=0, kw_only=True)
    control: bool = field(default=False, kw_only=True)


class _Pair(threading.Thread):
    """One relayed connection. Its sockets are touched by its own thread alone; others leave an `order`."""

    def __init__(self, relay: OnePort, near: socket.socket, far: socket.socket) -> None:
        super().__init__(daemon=True)
        self.order: How | None = None
        self.data: bool | None = None  # None: the client has said nothing yet
        self._relay = relay
        self._near = near
        self._cut: Cut | None = None
        self._passed = {near: 0, far: 0}  # bytes from each end
        self._other = {near: far, far: near}
        self._open = [near, far]  # ends that may still send
        self._deaf: socket.socket | None = None  # the end that gets nothing any more

    def run(self) -> None:
        try:
            while self._open and self.order is None:
                for source in select.select(self._open, [], [], 0.01)[0]:
                    self._pass(source)
                    if self.order is not None:
                        break
            if self.order is How.FREEZE:
                self._relay.thawed.wait()
        except OSError:
            self.order = How.RESET
        self._close()

    def _close(self) -> None:
        rst = self.order in (How.RESET, How.CONTROL_RESET, How.FREEZE)
        for sock in self._other:
            if rst:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_WR)
            sock.close()
        self._relay.ended(self)

    def _pass(self, source: socket.socket) -> None:
        sink, cut = self._other[source], self._cut
        block = source.recv(_BLOCK if cut is None else max(1, min(_BLOCK, cut.after - self._passed[source])))
        if not block:
            self._open.remove(source)
            if sink is not self._deaf:
                sink.shutdown(socket.SHUT_WR)
            return
        self._passed[source] += len(block)
        if self.data is None and source is self._near:
            self.data = block.startswith(b"D")
            cut = self._cut = self._relay.meet(self)
        self._relay.count(len(block), up=source is self._near)
        pause = self._relay.dither
        if pause is not None:
            time.sleep(pause())
        late = 0 if cut is None else max(0, self._passed[source] - cut.after)  # its first block was read unseen
        if sink is not self._deaf:
            sink.sendall(block[: len(block) - late])
        if cut is not None and self._passed[source] >= cut.after:
            self._fire(cut, sink)

    def _fire(self, cut: Cut, sink: socket.socket) -> None:
        self._cut = None
        self._relay.fired.set()
        if cut.how is How.HALF:
            sink.shutdown(socket.SHUT_WR)
            self._deaf = sink
        elif cut.how.of_control:
            self._relay.order_control(cut.how)
        else:
            self.order = cut.how


class OnePort:
    """Passes everything until `arm` is called; a cut is used once, and `fired` tells that it was.

    Attributes:
        port: where clients find it, on HOST.
        up, down: bytes from clients and from the server so far, of all connections.
        data: how many data connections there were.
        dither: seconds that a block is held up, drawn anew for each; None: none is.
    """

    def __init__(self, port: int) -> None:
        self.fired = threading.Event()
        self.thawed = threading.Event()
        self.up = self.down = self.data = 0
        self.dither: Callable[[], float] | None = None
        self._to = port
        self._cut: Cut | None = None
        self._live: set[_Pair] = set()
        self._lock = threading.Lock()
        self._listener = socket.socket()
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            self._listener.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
        self._listener.bind((HOST, 0))
        self._listener.listen(256)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    # --- for tests ---

    @property
    def wire(self) -> int:
        """All bytes so far, both ways, on every connection."""
        return self.up + self.down

    def arm(self, cut: Cut) -> None:
        """The next connection of that kind meets `cut`, after those that it skips."""
        with self._lock:
            self.fired.clear()
            self._cut = cut

    def disarm(self) -> None:
        """The cut that nothing has met yet is off."""
        with self._lock:
            self._cut = None

    def thaw(self) -> None:
        """Reset what is frozen."""
        self.thawed.set()
        self.thawed = threading.Event()

    def close(self) -> None:
        """End everything."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            live = list(self._live)
        for pair in live:
            pair.order = pair.order or How.RESET
        self.thaw()
        for pair in live:
            pair.join(_PATIENCE)

    # --- for its connections ---

    def meet(self, pair: _Pair) -> Cut | None:
        """What the connection, whose kind is known now, has before it."""
        with self._lock:
            self.data += bool(pair.data)
            cut = self._cut
            if cut is None or cut.control is pair.data:
                return None
            if cut.skip:
                self._cut = Cut(cut.after, cut.how, skip=cut.skip - 1, control=cut.control)
                return None
            self._cut = None
            return cut

    def count(self, octets: int, *, up: bool) -> None:
        """So many octets were taken in."""
        with self._lock:
            if up:
                self.up += octets
            else:
                self.down += octets

    def order_control(self, how: How) -> None:
        """Let `how` happen to the control connections that stand; it has, when this returns."""
        with self._lock:
            controls = [pair for pair in self._live if pair.data is False]
        for pair in controls:
            pair.order = how
        for pair in controls:
            if pair is not threading.current_thread():
                pair.join()

    def ended(self, pair: _Pair) -> None:
        """A connection is closed."""
        with self._lock:
            self._live.discard(pair)

    def _accept(self) -> None:
        while True:
            try:
                near = self._listener.accept()[0]
            except OSError:
                return
            far = socket.socket()
            try:
                for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                    far.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
                far.connect((_SERVER, self._to))
            except OSError:
                near.close()
                far.close()
                continue
            for sock in (near, far):
                sock.settimeout(_PATIENCE)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pair = _Pair(self, near, far)
            with self._lock:  # nobody waits for its end before it has begun
                self._live.add(pair)
                pair.start()


@contextlib.contextmanager
def one_port(port: int) -> Iterator[OnePort]:
    """A relay to the server at `port`, for the block."""
    relay = OnePort(port)
    try:
        yield relay
    finally:
        relay.close()


def dithering(chance: random.Random, most: float) -> Callable[[], float]:
    """Pauses for `OnePort.dither`: most blocks go at once, some are held up for up to `most` seconds."""
    return lambda: chance.uniform(0, most) if chance.random() < 0.25 else 0.0
