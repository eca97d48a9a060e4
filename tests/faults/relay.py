"""A relay between client and server that cuts where it is told: it stands at 127.0.0.2 with the server's passive ports.

The client takes the host of the control connection for its data connections (as EPSV wants it), so nothing has to be
read or rewritten, and TLS passes as it is.
"""

from __future__ import annotations

import contextlib
import enum
import random
import select
import socket
import struct
import threading
from collections.abc import Iterator, Sequence

from attrs import frozen

HOST = "127.0.0.2"
_SERVER = "127.0.0.1"
_BLOCK = 16 * 1024


class How(enum.Enum):
    """What happens when the offset is reached."""

    RESET = "reset"  #: RST to both ends of the data connection
    END = "end"  #: FIN to both ends of the data connection: a truncation that looks like an end
    HALF = "half"  #: FIN to the receiver alone; the sender's bytes are taken and thrown away
    CONTROL_RESET = "control reset"  #: RST to both ends of the control connection
    CONTROL_END = "control end"
    FREEZE = "freeze"  #: nothing moves any more, nothing is closed

    @property
    def of_control(self) -> bool:
        return self in (How.CONTROL_RESET, How.CONTROL_END)


@frozen
class Cut:
    """`how` happens to the next data connection after so many bytes towards whoever receives."""

    after: int
    how: How


class _Pair(threading.Thread):
    """One relayed connection. Its sockets are touched by its own thread alone; others leave an `order`."""

    def __init__(self, relay: Relay, near: socket.socket, far: socket.socket, cut: Cut | None) -> None:
        super().__init__(daemon=True)
        self.order: How | None = None
        self._relay = relay
        self._cut = cut
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
                if self._cut is not None and self._cut.after == 0:
                    self._fire(self._cut, next(iter(self._other)))
            if self.order is How.FREEZE:
                self._relay.thawed.wait()
        except OSError:
            self.order = How.RESET
        rst = self.order in (How.RESET, How.CONTROL_RESET, How.FREEZE)
        for sock in self._other:
            if rst:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_WR)
            sock.close()

    def _pass(self, source: socket.socket) -> None:
        sink, cut = self._other[source], self._cut
        most = _BLOCK if cut is None else min(_BLOCK, cut.after - self._passed[source])
        block = source.recv(most)
        if not block:
            self._open.remove(source)
            if sink is not self._deaf:
                sink.shutdown(socket.SHUT_WR)
            return
        self._passed[source] += len(block)
        if sink is not self._deaf:
            sink.sendall(block)
        if cut is not None and self._passed[source] == cut.after:
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


class Relay:
    """Passes everything until `arm` is called; a cut is used once, and `fired` tells that it was."""

    def __init__(self, control_port: int, data_ports: Sequence[int]) -> None:
        self.fired = threading.Event()
        self.thawed = threading.Event()
        self._cut: Cut | None = None
        self._control: list[_Pair] = []
        self._listeners = [self._listen(0, control_port, data=False)]
        self._listeners += [self._listen(port, port, data=True) for port in data_ports]
        self.port: int = self._listeners[0].getsockname()[1]

    def arm(self, cut: Cut) -> None:
        """The next data connection meets `cut`."""
        self.fired.clear()
        self._cut = cut

    def thaw(self) -> None:
        """Reset what is frozen."""
        self.thawed.set()
        self.thawed = threading.Event()

    def order_control(self, how: How) -> None:
        """Let `how` happen to the control connections that stand; it has, when this returns."""
        controls, self._control = self._control, []
        for pair in controls:
            pair.order = how
        for pair in controls:
            pair.join()

    def close(self) -> None:
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.order_control(How.RESET)
        self.thaw()

    def _listen(self, port: int, far_port: int, *, data: bool) -> socket.socket:
        listener = socket.create_server((HOST, port), backlog=64)
        threading.Thread(target=self._accept, args=(listener, far_port, data), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket, far_port: int, data: bool) -> None:
        while True:
            try:
                near = listener.accept()[0]
            except OSError:
                return
            try:
                far = socket.create_connection((_SERVER, far_port), timeout=30)
            except OSError:
                near.close()
                continue
            for sock in (near, far):
                sock.settimeout(30)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            cut = None
            if data:
                cut, self._cut = self._cut, None
            pair = _Pair(self, near, far, cut)
            pair.start()  # before anybody can want to wait for its end
            if not data:
                self._control.append(pair)


@contextlib.contextmanager
def relaying(control_port: int, data_ports: Sequence[int]) -> Iterator[Relay]:
    relay = Relay(control_port, data_ports)
    try:
        yield relay
    finally:
        relay.close()


def free_range(count: int) -> range:
    """Ports next to each other, free on both loopback addresses a moment ago, and out of reach of outgoing ones."""
    for _ in range(200):
        first = random.SystemRandom().randrange(15_000, 32_000 - count)
        with contextlib.ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    for host in (HOST, _SERVER):
                        stack.enter_context(socket.create_server((host, port)))
            except OSError:
                continue
        return range(first, first + count)
    raise RuntimeError(f"no {count} free ports in a row")
