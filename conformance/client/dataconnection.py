"""The server's end of one data connection, and the ways to end it: well, cut, reset."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct

from conformance.client.record import DataSeen


class Data:
    """One data connection."""

    def __init__(self, connection: socket.socket, seen: DataSeen):
        self.socket = connection
        self.seen = seen

    def __enter__(self) -> Data:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, content: bytes) -> None:
        with contextlib.suppress(OSError):  # a client may leave; what it makes of that is judged by its exit
            self.socket.sendall(content)

    def receive(self, most: int | None = None) -> bytes:
        """All until the client's end, or the first `most` bytes."""
        self.seen.upload = True
        content = bytearray()
        try:
            while most is None or len(content) < most:
                block = self.socket.recv(65536 if most is None else min(65536, most - len(content)))
                if not block:
                    self.seen.clean = True
                    break
                content += block
        except OSError as error:
            self.seen.fault = str(error)
        return bytes(content)

    def close(self) -> None:
        """Ends as a good server does: close_notify, FIN, and what the client still says is read for a moment."""
        with contextlib.suppress(OSError, ValueError):
            if isinstance(self.socket, ssl.SSLSocket):
                self.socket.settimeout(0)  # sends our close_notify and does not wait for theirs
                with contextlib.suppress(ssl.SSLError):
                    self.socket.unwrap()
            self.cut()

    def cut(self) -> None:
        """FIN, under TLS without close_notify."""
        with contextlib.suppress(OSError, ValueError):
            plain = socket.socket(fileno=self.socket.detach())
            plain.settimeout(0.5)
            with plain:
                plain.shutdown(socket.SHUT_WR)
                while plain.recv(65536):
                    pass

    def reset(self) -> None:
        """RST: what the client has not read yet is lost."""
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.socket.close()
