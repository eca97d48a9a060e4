"""Data connections, opened in each of the four ways, in clear or under the session's TLS.

    outcome = download(wire, "RETR x")
    outcome = upload(wire, "STOR x", b"content")
    with transfer(wire, "RETR big") as moving:      # in between, while it runs
        moving.data.receive(1)
        wire.send(b"ABOR\\r\\n")

A transfer that is refused raises nothing: its `first` reply says so. What breaks on the way is kept in the outcome.
"""

from __future__ import annotations

import contextlib
import enum
import re
import socket
import ssl
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from conformance.registry import Failed, Skipped
from conformance.wire import Closed, Reply, Wire

_MOST = 64 * 1024 * 1024  #: bytes of one download
_NARROW = 65536  #: bytes that the kernel may take in for a transfer that is watched
_FAREWELL = 2.0  #: seconds for the other side to close after we did


class Way(enum.Enum):
    """How the data connection comes to be."""

    PASV = "PASV"
    EPSV = "EPSV"
    PORT = "PORT"
    EPRT = "EPRT"


class Data:
    """One data connection, blocking. `clean` tells, after the end, how it came: over TLS whether with close_notify."""

    def __init__(self, connection: socket.socket, wire: Wire):
        self.socket = connection
        self.clean = True
        self._wire = wire

    def secure(self) -> None:
        """TLS as the client, resuming the control connection's session, which some servers demand."""
        assert self._wire.context is not None
        control = self._wire.socket
        session = control.session if isinstance(control, ssl.SSLSocket) else None
        self.socket.settimeout(self._wire.seconds())
        try:
            self.socket = self._wire.context.wrap_socket(
                self.socket,
                server_hostname=getattr(control, "server_hostname", None),
                session=session,
                suppress_ragged_eofs=False,
            )
        except OSError as error:
            raise Closed(f"the TLS handshake of the data connection failed: {error}") from error

    def receive(self, most: int = 65536) -> bytes:
        """Some bytes, or b"" at the end; Failed when neither comes in time or the connection breaks."""
        self.socket.settimeout(self._wire.seconds())
        try:
            return self.socket.recv(most)
        except ssl.SSLEOFError:
            self.clean = False
            return b""
        except TimeoutError as error:
            raise Failed("the data connection neither brings anything nor ends") from error
        except OSError as error:
            raise Closed(f"the data connection broke: {error}") from error

    def receive_all(self) -> bytes:
        """All bytes up to the end."""
        pieces = []
        size = 0
        while piece := self.receive():
            pieces.append(piece)
            size += len(piece)
            if size > _MOST:
                raise Failed(f"the data connection brings more than {_MOST} bytes")
        return b"".join(pieces)

    def send(self, content: bytes) -> None:
        self.socket.settimeout(self._wire.seconds())
        try:
            self.socket.sendall(content)
        except OSError as error:
            raise Closed(f"the data connection broke while sending: {error}") from error

    def end(self) -> None:
        """The orderly end of an upload: close_notify over TLS, FIN, and a moment for the other side to close."""
        with contextlib.suppress(OSError):
            if isinstance(self.socket, ssl.SSLSocket):
                self.socket.settimeout(0)
                with contextlib.suppress(ssl.SSLError):  # close_notify is out; the answer to it is not waited for
                    self.socket.unwrap()
            self.socket.shutdown(socket.SHUT_WR)
            self.socket.settimeout(self._wire.seconds(_FAREWELL))
            while self.socket.recv(65536):
                pass
        self.socket.close()

    def truncate(self) -> None:
        """FIN without close_notify: over TLS, what an attacker in between can do."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
        self.socket.close()

    def reset(self) -> None:
        """RST: the sender died."""
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


@dataclass
class Opening:
    """A data connection that was agreed on: already connected in passive mode, listened for in active mode."""

    way: Way
    reply: Reply
    wire: Wire
    socket: socket.socket

    def data(self) -> Data:
        """The connection, from the moment when the server said 1xx; Failed when an active one does not come."""
        if self.way in (Way.PORT, Way.EPRT):
            self.socket.settimeout(self.wire.seconds())
            listener = self.socket
            try:
                self.socket, _ = listener.accept()
            except TimeoutError as error:
                raise Failed(f"after {self.way.value} and 1xx the server does not connect") from error
            finally:
                listener.close()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        data = Data(self.socket, self.wire)
        if self.wire.protected:
            data.secure()
        return data

    def close(self) -> None:
        self.socket.close()


@dataclass
class Moving:
    """A transfer under way: its 1xx, and its data connection."""

    first: Reply
    data: Data


@dataclass(frozen=True)
class Outcome:
    """What became of a transfer. `first` is the 1xx or the refusal; `last` the final reply (the refusal, if it is one).

    `content` is what was received; `clean` whether the data connection ended as it should.
    """

    first: Reply
    last: Reply
    content: bytes = b""
    clean: bool = True
    broke: str = field(default="", compare=False)  #: what went wrong on the data connection

    @property
    def refused(self) -> bool:
        return self.first.code >= 400

    @property
    def done(self) -> bool:
        return self.first.code < 300 and 200 <= self.last.code < 300 and self.clean and not self.broke


def default_way(wire: Wire) -> Way:
    """PASV, which every server has, or EPSV where addresses are longer."""
    return Way.EPSV if wire.socket.family == socket.AF_INET6 else Way.PASV


def passive_address(reply: Reply) -> tuple[str, int]:
    """Host and port out of a 227, found as RFC 1123 s.4.1.2.6 asks: at the first digits after the code."""
    found = re.search(rb"(\d+),(\d+),(\d+),(\d+),(\d+),(\d+)", b" ".join(reply.lines)[4:])
    numbers = [int(number) for number in found.groups()] if found else []
    if reply.code != 227 or not numbers or max(numbers) > 255:
        raise Failed(f"PASV is answered {reply.shown}")
    return ".".join(map(str, numbers[:4])), numbers[4] * 256 + numbers[5]


def extended_port(reply: Reply) -> int:
    """The port out of a 229 (RFC 2428 s.3)."""
    found = re.search(rb"\((.)\1\1(\d+)\1\)", reply.lines[0])
    if reply.code != 229 or not found:
        raise Failed(f"EPSV is answered {reply.shown}")
    return int(found[2])


def port_argument(host: str, port: int) -> str:
    return ",".join([*host.split("."), str(port // 256), str(port % 256)])


def open_data(wire: Wire, way: Way | None = None, *, narrow: bool = False) -> Opening:
    """Agrees on a data connection with the server; in passive mode to the host that the control connection goes to.

    `narrow` keeps the kernel from swallowing more than 64 KiB, so that a big download is still under way.
    """
    way = way or default_way(wire)
    host = wire.socket.getpeername()[0]
    if way in (Way.PASV, Way.PORT) and wire.socket.family != socket.AF_INET:
        raise Skipped(f"{way.value} is for IPv4")
    if way in (Way.PASV, Way.EPSV):
        reply = wire.command(way.value)
        if reply.code in (500, 502):
            raise Skipped(f"{way.value} is not known here")
        port = passive_address(reply)[1] if way is Way.PASV else extended_port(reply)
        try:
            return Opening(way, reply, wire, _dial(host, port, wire, narrow))
        except OSError as error:
            raise Failed(f"the port of {reply.shown} cannot be reached: {error}") from error
    family, own = wire.socket.family, wire.socket.getsockname()[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if narrow:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _NARROW)
        listener.bind((own, 0))
        listener.listen(1)
        port = listener.getsockname()[1]
        protocol = 2 if family == socket.AF_INET6 else 1
        line = f"PORT {port_argument(own, port)}" if way is Way.PORT else f"EPRT |{protocol}|{own}|{port}|"
        reply = wire.command(line)
        if reply.code in (500, 502):
            raise Skipped(f"{way.value} is not known here")
        if reply.code != 200:
            raise Failed(f"{line} is answered {reply.shown}")
    except BaseException:
        listener.close()
        raise
    return Opening(way, reply, wire, listener)


def _dial(host: str, port: int, wire: Wire, narrow: bool) -> socket.socket:
    dialled = socket.socket(wire.socket.family, socket.SOCK_STREAM)
    try:
        if narrow:  # before the window is agreed on
            dialled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _NARROW)
        dialled.settimeout(wire.seconds())
        dialled.connect((host, port))
    except BaseException:
        dialled.close()
        raise
    return dialled


@contextlib.contextmanager
def transfer(wire: Wire, line: str | bytes, way: Way | None = None) -> Iterator[Moving]:
    """A transfer that began. Failed when it is refused. The caller reads the final reply, and ends the data."""
    opening = open_data(wire, way, narrow=True)
    try:
        first = wire.command(line)
        if first.code >= 200:
            raise Failed(f"{_shown(line)} is answered {first.shown}")
        data = opening.data()
    except BaseException:
        opening.close()
        raise
    try:
        yield Moving(first, data)
    finally:
        data.socket.close()


def download(wire: Wire, line: str | bytes, way: Way | None = None) -> Outcome:
    """RETR, LIST and the like, from the data connection's opening to the final reply."""
    opening = open_data(wire, way)
    try:
        first = wire.command(line)
        if first.code >= 200:
            return Outcome(first, first)
        data = opening.data()
        content = data.receive_all()
    finally:
        opening.close()
    data.end()
    return Outcome(first, wire.reply(), content, data.clean)


def upload(wire: Wire, line: str | bytes, content: bytes, way: Way | None = None) -> Outcome:
    """STOR and the like, with an orderly end."""
    opening = open_data(wire, way)
    broke = ""
    try:
        first = wire.command(line)
        if first.code >= 200:
            return Outcome(first, first)
        data = opening.data()
        try:
            data.send(content)
        except Closed as error:  # the final reply tells why
            broke = str(error)
        data.end()
    finally:
        opening.close()
    return Outcome(first, wire.reply(), b"", True, broke)


def _shown(line: str | bytes) -> str:
    return line if isinstance(line, str) else line.decode("utf-8", "backslashreplace")
