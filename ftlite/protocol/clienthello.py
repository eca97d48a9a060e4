"""What a TLS client says it speaks, read from its first message (RFC 8446 s.4.1.2, ALPN: RFC 7301 s.3.1).

Python's TLS does not tell a server which protocols a client offered when none was common, and that is the case that
matters: a browser lured to an FTP port offers ``http/1.1``. Only lengths are walked; TLS itself judges the rest.
"""

from __future__ import annotations

from typing import Final

from ftlite.protocol.errors import ProtocolError

_HANDSHAKE, _CLIENT_HELLO, _ALPN = 22, 1, 16


class HelloReader:
    """Feed it a client's first bytes until `complete`; then `alpn` holds the names offered.

    Attributes:
        MOST: bytes after which it is given up.
        seen: all that was fed, to be given to TLS afterwards.
        alpn: protocol names offered, empty when there is no such extension.
        complete: the message is whole.
    """

    MOST: Final = 64 * 1024

    def __init__(self) -> None:
        self.seen = b""
        self.alpn: tuple[bytes, ...] = ()
        self.complete = False

    def feed(self, data: bytes | bytearray) -> None:
        """Take more bytes. Raises `ProtocolError` when they cannot begin a TLS handshake."""
        self.seen += data
        if len(self.seen) > self.MOST:
            raise ProtocolError("the TLS hello is longer than any client's")
        message = self._message()
        if message is not None:
            self.complete = True
            try:
                self.alpn = _offered(message)
            except IndexError as error:
                raise ProtocolError("the TLS hello is cut short inside") from error

    def _message(self) -> bytes | None:
        """The hello, put together from its records, or None while bytes are missing."""
        body, at = b"", 0
        while True:
            if self.seen[at : at + 1] not in (b"", bytes([_HANDSHAKE])):
                raise ProtocolError("not a TLS handshake")
            if len(self.seen) < at + 5:
                return None
            length = int.from_bytes(self.seen[at + 3 : at + 5])
            if len(self.seen) < at + 5 + length:
                return None
            body += self.seen[at + 5 : at + 5 + length]
            at += 5 + length
            if body and body[0] != _CLIENT_HELLO:
                raise ProtocolError("not a TLS client's hello")
            if len(body) >= 4 and len(body) >= 4 + int.from_bytes(body[1:4]):
                return body[4 : 4 + int.from_bytes(body[1:4])]


def _offered(hello: bytes) -> tuple[bytes, ...]:
    """The ALPN names in the body of a ClientHello. Raises IndexError where a length leads past its end."""
    at = 2 + 32  # version and random
    at += 1 + hello[at]  # session id
    at += 2 + _number(hello, at)  # cipher suites
    at += 1 + hello[at]  # compression methods
    if at == len(hello):
        return ()
    end = at + 2 + _number(hello, at)
    at += 2
    while at < end:
        kind, length = _number(hello, at), _number(hello, at + 2)
        if kind == _ALPN:
            return _names(hello[at + 4 : at + 4 + length])
        at += 4 + length
    return ()


def _names(extension: bytes) -> tuple[bytes, ...]:
    names, at = [], 2
    while at < len(extension):
        length = extension[at]
        names.append(extension[at + 1 : at + 1 + length])
        at += 1 + length
    return tuple(names)


def _number(data: bytes, at: int) -> int:
    return data[at] << 8 | data[at + 1]
