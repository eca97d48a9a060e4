"""The one client that all servers are measured with: blocking sockets and no more work than the bytes ask for.

Clear bytes are dropped in the kernel (MSG_TRUNC) and come from sendfile, so that the client does not set the pace.
"""

from __future__ import annotations

import functools
import os
import re
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.peers.servers import Running, Tls

_BLOCK = 1 << 20
_buffer = bytearray(_BLOCK)  # what is received goes nowhere, so all may share it
_PATIENCE = 120.0


class Refused(Exception):
    """The server did not answer as it must; the text is its reply."""


@functools.cache
def _context(authority: Path) -> ssl.SSLContext:
    """One for all connections: a client's contexts are not what is measured."""
    return ssl.create_default_context(cafile=authority)


class Control:
    """A control connection, logged in, its data connections protected and resumed where the server runs TLS.

    Args:
        port: of a relay in front of the server.
    """

    def __init__(self, server: Running, port: int | None = None):
        self.server = server
        self._context: ssl.SSLContext | None = None
        self._buffer = b""
        self.socket: Any = socket.create_connection((server.host, port or server.port), timeout=_PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if server.tls is not Tls.OFF:
            assert server.certificate is not None
            self._context = _context(server.certificate.authority)
        if server.tls is Tls.IMPLICIT:
            self._secure()
        self.reply(220)
        if server.tls is Tls.EXPLICIT:
            self.ask("AUTH TLS", 234)
            self._secure()
        self.ask(f"USER {server.user}", 331)
        self.ask(f"PASS {server.password}", 230)
        if self._context:
            self.ask("PBSZ 0", 200)
            self.ask("PROT P", 200)
        self.ask("TYPE I", 200)

    def _secure(self) -> None:
        assert self._context is not None
        self.socket = self._context.wrap_socket(self.socket, server_hostname=self.server.host)

    def poke(self) -> None:
        """The smallest command that the server knows: NOOP, or PWD where that is unknown."""
        if self.server.name == "aioftp":
            self.ask("PWD", 257)
        else:
            self.ask("NOOP", 200)

    def send(self, line: str) -> None:
        self.socket.sendall(line.encode() + b"\r\n")

    def ask(self, line: str, code: int) -> str:
        self.send(line)
        return self.reply(code)

    def reply(self, *codes: int) -> str:
        """Reads one reply; Refused when its code is none of `codes`."""
        while True:
            found = re.search(rb"(?m)^(\d\d\d) [^\n]*\n", self._buffer)
            if found:
                break
            got = self.socket.recv(65536)
            if not got:
                raise Refused("the control connection was closed")
            self._buffer += got
        text, self._buffer = self._buffer[: found.end()].decode(errors="replace"), self._buffer[found.end() :]
        if int(found[1]) not in codes:
            raise Refused(text.strip())
        return text

    def dial(self, receive_buffer: int = 0) -> socket.socket:
        """EPSV and the TCP connection that follows."""
        found = re.search(r"\(\|\|\|(\d+)\|\)", self.ask("EPSV", 229))
        assert found
        data = socket.socket()
        if receive_buffer:
            data.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        data.settimeout(_PATIENCE)
        data.connect((self.server.host, int(found[1])))
        data.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return data

    def begin(self, command: str, receive_buffer: int = 0, offset: int = 0) -> Any:
        """A data connection on which `command` has begun, secured where the server runs TLS."""
        data = self.dial(receive_buffer)
        if offset:  # after EPSV: with some servers REST counts for the very next command only
            self.ask(f"REST {offset}", 350)
        self.send(command)
        self.reply(125, 150)
        if self._context is None:
            return data
        return self._context.wrap_socket(data, server_hostname=self.server.host, session=self.socket.session)

    def fetch(self, name: str, offset: int = 0) -> int:
        """RETR to nowhere; how many bytes came."""
        data = self.begin(f"RETR {name}", offset=offset)
        count = drain(data)
        finish(data)
        self.reply(226)
        return count

    def store(self, name: str, source: Path, most: int | None = None) -> int:
        """STOR from a file, or the first `most` bytes (whole MiB) of it; how many bytes went."""
        data = self.begin(f"STOR {name}")
        with source.open("rb") as file:
            size = os.fstat(file.fileno()).st_size if most is None else most
            if isinstance(data, ssl.SSLSocket):
                block, left = bytearray(_BLOCK), size
                while left and (got := file.readinto(block)):
                    data.sendall(memoryview(block)[:got])
                    left -= got
            else:
                data.sendfile(file, 0, size)
        finish(data)
        self.reply(226)
        return size

    def close(self) -> None:
        try:
            self.ask("QUIT", 221)
        finally:
            self.socket.close()


def drain(data: Any, seen: Callable[[int], object] = lambda count: None) -> int:
    """Reads to the end; `seen` is told the size of each read."""
    count = 0
    flags = () if isinstance(data, ssl.SSLSocket) else (_BLOCK, socket.MSG_TRUNC)
    while got := data.recv_into(_buffer, *flags):
        count += got
        seen(got)
    return count


def finish(data: Any) -> None:
    """Ends a data connection as an honest client does: close_notify, then FIN."""
    if isinstance(data, ssl.SSLSocket):
        try:
            data = data.unwrap()
        except (ssl.SSLError, OSError):
            data.close()  # many servers are gone before they read ours
            return
    data.close()
