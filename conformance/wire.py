"""The tester's own end of a control connection: blocking, suspicious, and strict about the grammar of RFC 959 s.4.2.

A reader that forgave would hide what it is here to find, so every reply carries the faults that were seen in it.
"""

from __future__ import annotations

import contextlib
import enum
import math
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from conformance.registry import Failed

_LONGEST_LINE = 64 * 1024


class TlsMode(enum.Enum):
    NONE = "none"
    EXPLICIT = "explicit"
    IMPLICIT = "implicit"


class Closed(Failed):
    """The server ended the connection where a reply was due."""


@dataclass(frozen=True)
class Reply:
    """One reply. `lines` are as they came, without their line ends; `faults` are sentences on broken grammar."""

    code: int
    lines: tuple[bytes, ...]
    faults: tuple[str, ...]

    @property
    def shown(self) -> str:
        text = " / ".join(line.decode("utf-8", "backslashreplace") for line in self.lines[:3])
        return text if len(text) <= 160 else text[:157] + "..."


class Wire:
    """One control connection. Every wait ends after `patience` seconds, and all of them at `deadline`.

    `context` is that of its TLS, None in clear; data connections take it, since only it can resume the session.
    """

    def __init__(self, connection: socket.socket, patience: float, deadline: float = math.inf):
        self.socket = connection
        self.patience = patience
        self.deadline = deadline
        self.context: ssl.SSLContext | None = None
        self.protected = False  #: whether PROT P holds
        self._buffer = b""

    def seconds(self, wanted: float | None = None) -> float:
        """How long a wait may take: `wanted`, or the wire's patience, within the deadline."""
        return max(0.001, min(self.patience if wanted is None else wanted, self.deadline - time.monotonic()))

    def send(self, data: bytes) -> None:
        self.socket.settimeout(self.seconds())
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Closed(f"the connection broke while sending {data[:40]!r}: {error}") from error

    def command(self, line: str | bytes) -> Reply:
        """Sends one line and reads one reply."""
        self.send((line.encode() if isinstance(line, str) else line) + b"\r\n")
        return self.reply()

    def reply(self) -> Reply:
        """Reads one reply, however wrong; Failed when what comes is no reply at all, or nothing comes."""
        faults: list[str] = []
        first = self._line(faults)
        code = _code(first)
        lines = [first]
        if first[3:4] == b"-":
            while not (lines[-1][:3] == first[:3] and lines[-1][3:4] in (b" ", b"")) or len(lines) == 1:
                lines.append(self._line(faults))
                if len(lines) > 10_000:
                    raise Failed(f"the reply {first!r} does not end")
            for line in lines[1:-1]:
                if line[:3].isdigit() and line[3:4] == b" ":
                    faults.append(f"{line!r} inside a {code} reply begins like the end of a reply")
        elif first[3:4] != b" ":
            faults.append(f"{first!r} has neither a space nor a hyphen after the code")
        if lines[-1][3:4] != b" " and len(lines) > 1:
            faults.append(f"the last line {lines[-1]!r} has no space after the code")
        return Reply(code, tuple(lines), tuple(faults))

    def silent(self, seconds: float) -> bytes:
        """What arrives unasked within `seconds`, left to be read; b"" also when the server closes."""
        if not self._buffer:
            self._buffer = self._read(self.seconds(seconds)) or b""
        return self._buffer

    def telnet_line(self) -> bytes:
        """All bytes up to and with the first LF, Telnet commands among them; what there is when time runs out."""
        deadline = time.monotonic() + self.seconds()
        while b"\n" not in self._buffer:
            got = self._read(max(deadline - time.monotonic(), 0.001))
            if not got:
                break
            self._buffer += got
        return self._buffer

    def at_end(self, seconds: float | None = None) -> bool:
        """Whether the server closes the connection within `seconds`, whatever it still says."""
        deadline = time.monotonic() + self.seconds(seconds)
        with contextlib.suppress(Closed):
            while time.monotonic() < deadline:
                if self._read(deadline - time.monotonic()) == b"":
                    return True
            return False
        return True

    def close(self) -> None:
        self.socket.close()

    def secure(self, host: str, context: ssl.SSLContext | None = None) -> None:
        """TLS from here on; without a `context` of the caller's, any certificate is taken.

        The protocol is judged here, not the certificate, and servers under test sign their own.
        """
        if context is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        self.socket.settimeout(self.seconds())
        try:
            self.socket = context.wrap_socket(self.socket, server_hostname=host)
        except OSError as error:
            raise Closed(f"the TLS handshake failed: {error}") from error
        self.context = context

    def _line(self, faults: list[str]) -> bytes:
        deadline = time.monotonic() + self.seconds()
        while b"\n" not in self._buffer:
            if len(self._buffer) > _LONGEST_LINE:
                raise Failed(f"a reply line does not end: {self._buffer[:60]!r}...")
            got = self._read(max(deadline - time.monotonic(), 0.001))
            if got is None:
                raise Failed(f"no reply within {self.patience:g} s" + (f", only {self._buffer!r}" * bool(self._buffer)))
            if not got:
                raise Closed("the server closed the connection where a reply was due")
            self._buffer += got
        line, _, self._buffer = self._buffer.partition(b"\n")
        if line.endswith(b"\r"):
            return line[:-1]
        faults.append(f"{line!r} ends in LF without CR")
        return line

    def _read(self, seconds: float) -> bytes | None:
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(65536)
        except TimeoutError:
            return None
        except OSError as error:
            raise Closed(f"the connection broke where a reply was due: {error}") from error


def _code(line: bytes) -> int:
    if len(line) < 3 or not line[:3].isdigit():
        raise Failed(f"{line[:80]!r} does not begin with a three-digit code")
    return int(line[:3])


@dataclass(frozen=True)
class Target:
    """The server under test and an account on it.

    `start` is the directory to work in, "" for where the login leads, and `root` the same directory on this machine's
    disk, if it is there. No wait of a case goes on after `deadline`, on the monotonic clock.
    """

    host: str
    port: int
    user: str
    password: str
    tls: TlsMode = TlsMode.NONE
    patience: float = 10.0
    start: str = ""
    root: Path | None = None
    deadline: float = math.inf

    @staticmethod
    def parse(url: str, tls: TlsMode | None) -> Target:
        """From `ftp://user:password@host:port/directory`, `ftpes://` (explicit TLS) or `ftps://`; `tls` wins."""
        parts = urlsplit(url)
        by_scheme = {"ftp": TlsMode.NONE, "ftpes": TlsMode.EXPLICIT, "ftps": TlsMode.IMPLICIT}
        if parts.scheme not in by_scheme or not parts.hostname:
            raise ValueError(f"{url!r} is no address: give ftp://user:password@host:port")
        mode = tls or by_scheme[parts.scheme]
        port = parts.port or (990 if mode is TlsMode.IMPLICIT else 21)
        user, password = unquote(parts.username or "anonymous"), unquote(parts.password or "conformance@")
        return Target(parts.hostname, port, user, password, mode, start=unquote(parts.path.removeprefix("/")))

    @contextlib.contextmanager
    def raw(self) -> Iterator[Wire]:
        """A connection on which nothing was read or said (implicit TLS: after its handshake)."""
        connection = socket.create_connection((self.host, self.port), timeout=self.patience)
        wire = Wire(connection, self.patience, self.deadline)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls is TlsMode.IMPLICIT:
                wire.secure(self.host)
            yield wire
        finally:
            wire.close()

    @contextlib.contextmanager
    def greeted(self) -> Iterator[Wire]:
        """A connection after its greeting and, with explicit TLS, AUTH TLS; not logged in."""
        with self.raw() as wire:
            greeting = wire.reply()
            if greeting.code != 220:
                raise Failed(f"the greeting is {greeting.shown}")
            if self.tls is TlsMode.EXPLICIT:
                answer = wire.command("AUTH TLS")
                if answer.code != 234:
                    raise Failed(f"AUTH TLS is answered {answer.shown}")
                wire.secure(self.host)
            yield wire

    @contextlib.contextmanager
    def session(self) -> Iterator[Wire]:
        """A connection that is logged in."""
        with self.greeted() as wire:
            answer = self.login(wire)
            if answer.code not in (230, 202):
                raise Failed(f"the login is answered {answer.shown}: does the account exist?")
            if self.tls is not TlsMode.NONE:
                # Servers that demand protected data refuse even PASV and PORT until it is asked for (RFC 4217 s.9).
                wire.command("PBSZ 0")
                wire.protected = wire.command("PROT P").code == 200
            yield wire

    def login(self, wire: Wire) -> Reply:
        answer = wire.command(f"USER {self.user}")
        return wire.command(f"PASS {self.password}") if answer.code == 331 else answer
