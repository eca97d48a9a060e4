"""TYPE A: text with LF line ends here, with CRLF on the wire (RFC 959 s.3.1.1.1). Chunking never matters.

Three decisions, with what they cost:

- A local CRLF is sent as CRLF, not as CR CRLF: it already is the wire's line end, and doubling the CR damages every
  DOS text on its way to a DOS machine. So `FromWire` after `ToWire` gives x with each CRLF turned to LF, which is x
  itself unless x holds a CRLF.
- A CR that no LF follows is an ordinary byte, both ways.
- Telnet would have a bare CR sent as CR NUL (RFC 854). No FTP peer does that to files, and undoing it would take NULs
  out of files that have them, so CR NUL passes unchanged, both ways.
"""

from __future__ import annotations

from attrs import define, field


@define
class ToWire:
    """Turns line ends of what is sent: a LF that no CR precedes becomes CRLF."""

    _after_cr: bool = field(default=False, init=False)

    def feed(self, data: bytes | bytearray | memoryview) -> bytes:
        """The next bytes for the wire."""
        block = bytes(data)
        if not block:
            return b""
        head = b""
        if self._after_cr and block[0] == 0x0A:
            head, block = b"\n", block[1:]
        self._after_cr = block[-1:] == b"\r"
        return head + block.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")

    def finish(self) -> bytes:
        """What the end leaves to send: nothing, since nothing is held back."""
        return b""


@define
class FromWire:
    """Turns line ends of what arrives: CRLF becomes LF. A CR at the end of a block waits for what follows it."""

    _held: bytes = field(default=b"", init=False)

    def feed(self, data: bytes | bytearray | memoryview) -> bytes:
        """The next bytes for the file."""
        block = self._held + bytes(data)
        self._held = b""
        if block.endswith(b"\r"):
            block, self._held = block[:-1], b"\r"
        return block.replace(b"\r\n", b"\n")

    def finish(self) -> bytes:
        """What the end leaves to write: the CR that nothing followed, or nothing."""
        held, self._held = self._held, b""
        return held
