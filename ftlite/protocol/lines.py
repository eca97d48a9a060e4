"""Bytes to lines, within a limit, however they arrive: whole, byte by byte or torn anywhere, the lines are the same.

Telnet (RFC 854; RFC 959 s.4.1 puts the control connection on it, RFC 1123 s.4.1.2.12 keeps it) is taken out on the way:
option negotiation is refused, every other command and the Synch are dropped, IAC IAC is one byte 255, and so is an
IAC that no Telnet command follows.
"""

from __future__ import annotations

import enum
from collections import deque

from ftlite.protocol.errors import LineTooLong

_EOF, _SE, _DM, _IP, _SB, _WILL, _WONT, _DO, _DONT, _IAC = 236, 240, 242, 244, 250, 251, 252, 253, 254, 255


class LineSplitter:
    """Feed it bytes, ask it for lines. Holds at most `limit` bytes of a line that has not ended.

    Args:
        limit: the longest line in bytes, its end (CRLF or a bare LF) included.
        telnet: take Telnet out, which a client or server of RFC 959 may put in.
    """

    def __init__(self, limit: int, telnet: bool) -> None:
        self._limit = limit
        self._telnet = _Telnet() if telnet else None
        self._lines: deque[bytes | None] = deque()  # None: here a line was too long
        self._partial = bytearray()
        self._skipping = False

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take what arrived."""
        data = bytes(data)
        if self._telnet is not None:
            data = self._telnet.strip(data)
        if 0 < data.find(b"\n") + 1 == len(data) <= self._limit and not self._partial and not self._skipping:
            self._lines.append(_bare(data))  # one whole line, as nearly always
            return
        start = 0
        while (end := data.find(b"\n", start) + 1) > 0:
            self._add(data[start:end], ended=True)
            start = end
        self._add(data[start:], ended=False)

    def next(self) -> bytes | None:
        """The next line without its end, or None while it is incomplete.

        Raises `LineTooLong` once for each line over the limit; the call after that goes on behind its end.
        """
        if not self._lines:
            return None
        line = self._lines.popleft()
        if line is None:
            raise LineTooLong(f"a line may have {self._limit} bytes")
        return line

    @property
    def waiting(self) -> bool:
        """Whether `next` has something to say."""
        return bool(self._lines)

    @property
    def pending(self) -> bytes:
        """What was fed and not read as a line yet; empty when nothing was. It matters where TLS begins (AUTH)."""
        unread = b"".join(b"\n" if line is None else line + b"\n" for line in self._lines)
        torn = b"\xff" if self._telnet is not None and self._telnet.torn else b""
        return unread + self._partial + torn

    def answers(self) -> bytes:
        """What Telnet owes the peer: WONT for each DO, DONT for each WILL. Empty when asked again."""
        return self._telnet.answers() if self._telnet is not None else b""

    def _add(self, piece: bytes, ended: bool) -> None:
        if not self._skipping:
            room = self._limit - len(self._partial)
            self._partial += piece[:room]
            # With no end in sight a full buffer is too long already: the end would not fit.
            if len(piece) > room or (not ended and len(piece) == room):
                self._lines.append(None)
                self._skipping = True
        if ended:
            if not self._skipping:
                self._lines.append(_bare(bytes(self._partial)))
            self._partial.clear()
            self._skipping = False


def _bare(line: bytes) -> bytes:
    """`line` without its end."""
    return line.removesuffix(b"\n").removesuffix(b"\r")


class _State(enum.Enum):
    TEXT = enum.auto()
    COMMAND = enum.auto()  # after IAC
    OPTION = enum.auto()  # after IAC WILL, WONT, DO or DONT
    INSIDE = enum.auto()  # after IAC SB, up to IAC SE
    INSIDE_COMMAND = enum.auto()  # after IAC in there
    SYNCH = enum.auto()  # after IAC IP: the IAC before DM may have gone out of band


class _Telnet:
    """Takes Telnet commands out of a stream, keeping its place between pieces."""

    #: Most bytes of refusals that are kept for a peer which negotiates without reading.
    MOST = 300

    def __init__(self) -> None:
        self._state = _State.TEXT
        self._verb = 0
        self._owed = bytearray()

    @property
    def torn(self) -> bool:
        """A Telnet command has begun and not ended."""
        return self._state not in (_State.TEXT, _State.SYNCH)

    def answers(self) -> bytes:
        owed = bytes(self._owed)
        self._owed.clear()
        return owed

    def strip(self, data: bytes) -> bytes:
        if self._state is _State.TEXT and _IAC not in data:
            return data
        text = bytearray()
        for byte in data:
            self._state = self._step(byte, text)
        return bytes(text)

    def _step(self, byte: int, text: bytearray) -> _State:
        """The state after `byte`, which goes to `text` when it belongs there."""
        match self._state:
            case _State.COMMAND:
                return self._command(byte, text)
            case _State.OPTION:
                if self._verb in (_WILL, _DO) and len(self._owed) < self.MOST:
                    self._owed += bytes((_IAC, _DONT if self._verb == _WILL else _WONT, byte))
                return _State.TEXT
            case _State.INSIDE:
                return _State.INSIDE_COMMAND if byte == _IAC else _State.INSIDE
            case _State.INSIDE_COMMAND:
                return _State.TEXT if byte == _SE else _State.INSIDE
            case _State.SYNCH if byte == _DM:
                return _State.TEXT
        if byte == _IAC:
            return _State.COMMAND
        text.append(byte)
        return _State.TEXT

    def _command(self, byte: int, text: bytearray) -> _State:
        if byte in (_WILL, _WONT, _DO, _DONT):
            self._verb = byte
            return _State.OPTION
        if byte == _IAC:
            text.append(byte)
        elif byte < _EOF:
            text += bytes((_IAC, byte))  # no command begins so: a byte 255 from a peer that does not double it
        return {_SB: _State.INSIDE, _IP: _State.SYNCH}.get(byte, _State.TEXT)
