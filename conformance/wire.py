"""The tester's own end of a control connection: blocking, suspicious, and strict about the grammar of RFC 959 s.4.2.

A reader that forgave would hide what it is here to find, so every reply carries the faults that were seen in it.
"""

from __future__ import annotations

import contextlib
import enum
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
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
    """One control connection. Every wait ends after `patience` seconds."""

    def __init__(self, connection: socket.socket, patience: float):
        self.socket = connection
        self.patience = patience
        self._buffer = b""

    def send(self, data: bytes) -> None:
        self.socket.settimeout(self.patience)
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
        """What arrives unasked within `seconds`; b"" also when the server closes."""
        return self._buffer or self._read(seconds) or b""

    def telnet_line(self) -> bytes:
        """All bytes up to and with the first LF, Telnet commands among them; what there is when time runs out."""
        deadline = time.monotonic() + self.patience
        while b"\n" not in self._buffer:
            got = self._read(max(deadline - time.monotonic(), 0.001))
            if not got:
                break
            self._buffer += got
        return self._buffer

    def at_end(self) -> bool:
        """Whether the server closes the connection, whatever it still says."""
        deadline = time.monotonic() + self.patience
        with contextlib.suppress(Closed):
            while time.monotonic() < deadline:
                if self._read(deadline - time.monotonic()) == b"":
                    return True
            return False
        return True

    def close(self) -> None:
        self.socket.close()

    def _line(self, faults: list[str]) -> bytes:
        deadline = time.monotonic() + self.patience
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
    """The server under test and an account on it."""

    host: str
    port: int
    user: str
    password: str
    tls: TlsMode = TlsMode.NONE
    patience: float = 10.0

    @staticmethod
    def parse(url: str, tls: TlsMode | None) -> Target:
        """From `ftp://user:password@host:port`, `ftpes://` (explicit TLS) or `ftps://` (implicit); `tls` wins."""
        parts = urlsplit(url)
        by_scheme = {"ftp": TlsMode.NONE, "ftpes": TlsMode.EXPLICIT, "ftps": TlsMode.IMPLICIT}
        if parts.scheme not in by_scheme or not parts.hostname:
            raise ValueError(f"{url!r} is no address: give ftp://user:password@host:port")
        mode = tls or by_scheme[parts.scheme]
        port = parts.port or (990 if mode is TlsMode.IMPLICIT else 21)
        user, password = unquote(parts.username or "anonymous"), unquote(parts.password or "conformance@")
        return Target(parts.hostname, port, user, password, mode)

    @contextlib.contextmanager
    def raw(self) -> Iterator[Wire]:
        """A connection on which nothing was read or said (implicit TLS: after its handshake)."""
        connection = socket.create_connection((self.host, self.port), timeout=self.patience)
        wire = Wire(connection, self.patience)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls is TlsMode.IMPLICIT:
                self._secure(wire)
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
                self._secure(wire)
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
                wire.command("PROT P")
            yield wire

    def login(self, wire: Wire) -> Reply:
        answer = wire.command(f"USER {self.user}")
        return wire.command(f"PASS {self.password}") if answer.code == 331 else answer

    def _secure(self, wire: Wire) -> None:
        context = ssl.create_default_context()
        # The grammar is judged here, not the certificate, and servers under test sign their own.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            wire.socket = context.wrap_socket(wire.socket, server_hostname=self.host)
        except OSError as error:
            raise Closed(f"the TLS handshake failed: {error}") from error
