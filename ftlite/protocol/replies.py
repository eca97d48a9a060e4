"""Replies, both ways (RFC 959 s.4.2): what `Reply.encode` writes, `ReplyReader` reads back as the same value.

Both multi-line forms are read: a code on the first and last line only, and a code with a hyphen on every line between.
"""

from __future__ import annotations

import re
from typing import Any

from attrs import Attribute, field, frozen

from ftlite.protocol.errors import BadReply
from ftlite.protocol.lines import LineSplitter
from ftlite.protocol.text import decode, encode, printable

_FORBIDDEN = str.maketrans(dict.fromkeys("\r\n\0", "?"))
_MISTAKABLE = re.compile(r" *[0-9]{3}")
_HEAD = re.compile(rb"([1-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)


def _code(_instance: Any, _attribute: Attribute[int], value: int) -> None:
    if not 100 <= value <= 599:
        raise ValueError(f"a reply code lies between 100 and 599, {value} does not")


def _some(_instance: Any, _attribute: Attribute[tuple[str, ...]], value: tuple[str, ...]) -> None:
    if not value:
        raise ValueError("a reply has at least one line")


@frozen
class Reply:
    """One reply: a code, and one or more lines of text without the code.

    The first digit says how it stands (RFC 959 s.4.2): `preliminary` 1xx, another reply follows; `completed` 2xx;
    `intermediate` 3xx, another command is needed; `refused` 4xx, may work later; `failed` 5xx, will not.
    """

    code: int = field(validator=_code)
    lines: tuple[str, ...] = field(validator=_some)

    @property
    def text(self) -> str:
        """All lines, joined by LF."""
        return "\n".join(self.lines)

    @property
    def first(self) -> str:
        """The first line."""
        return self.lines[0]

    @property
    def last(self) -> str:
        """The last line; the same as the first when there is one only."""
        return self.lines[-1]

    @property
    def preliminary(self) -> bool:
        """1xx: begun; the outcome follows in another reply."""
        return self.code < 200

    @property
    def completed(self) -> bool:
        """2xx: done."""
        return 200 <= self.code < 300

    @property
    def intermediate(self) -> bool:
        """3xx: fine so far; the next command decides."""
        return 300 <= self.code < 400

    @property
    def refused(self) -> bool:
        """4xx: not now; the same command may work later."""
        return 400 <= self.code < 500

    @property
    def failed(self) -> bool:
        """5xx: not so; the same command will fail again."""
        return self.code >= 500

    def encode(self) -> bytes:
        """The bytes of the whole reply.

        CR, LF and NUL in a line become ``?``. A line between the first and the last that looks as if it carried a code
        is indented by one space, as RFC 959 s.4.2 asks. Byte 255 is doubled for Telnet.
        """
        if len(self.lines) == 1 and self.lines[0].isascii() and self.lines[0].isprintable():
            return b"%d %b\r\n" % (self.code, self.lines[0].encode())  # nearly all of them: nothing to look at
        lines = [line.translate(_FORBIDDEN) for line in self.lines]
        between = [" " + line if _MISTAKABLE.match(line) else line for line in lines[1:-1]]
        last = f"{self.code} {lines[-1]}"
        whole = [last] if len(lines) == 1 else [f"{self.code}-{lines[0]}", *between, last]
        return encode("".join(f"{line}\r\n" for line in whole)).replace(b"\xff", b"\xff\xff")


def reply(code: int, *lines: str) -> Reply:
    """A `Reply` of these lines; at least one."""
    return Reply(code, lines)


class ReplyReader:
    """Feed it a server's bytes, ask it for replies.

    Args:
        limit: longest line in bytes, its end included.
        most_lines: most lines in one reply.
    """

    def __init__(self, limit: int = 16 * 1024, most_lines: int = 10_000) -> None:
        self._splitter = LineSplitter(limit, telnet=True)
        self._most_lines = most_lines
        self._code = b""  # of the reply that is being read; empty between replies
        self._lines: list[str] = []

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take what arrived."""
        self._splitter.feed(data)

    @property
    def pending(self) -> bytes:
        """Bytes that no reply has been made of; a reply read in part counts by its code alone."""
        return self._code + self._splitter.pending

    def answers(self) -> bytes:
        """What Telnet owes the server (see `LineSplitter.answers`)."""
        return self._splitter.answers()

    def next(self) -> Reply | None:
        """The next reply, or None while it is incomplete.

        Raises `BadReply` for what is no reply (RFC 959 s.4.2) and `LineTooLong`; after either the connection can no
        longer be trusted to be in step.
        """
        while (line := self._splitter.next()) is not None:
            done = self._continue(line) if self._code else self._begin(line)
            if done is not None:
                return done
        return None

    def _begin(self, line: bytes) -> Reply | None:
        head = _HEAD.fullmatch(line)
        if head is None:
            raise BadReply(f"{printable(decode(line[:80]))!r} is no reply")
        code, mark, text = head[1], head[2], decode(head[3] or b"")
        if mark != b"-":
            return reply(int(code), text)
        self._code, self._lines = code, [text]
        return None

    def _continue(self, line: bytes) -> Reply | None:
        ends = line[:3] == self._code and line[3:4] in (b" ", b"")
        if line[:4] == self._code + b"-" or ends:
            text = decode(line[4:])
        else:
            text = decode(line)
            if text.startswith(" ") and _MISTAKABLE.match(text):
                text = text[1:]
        self._lines.append(text)
        if len(self._lines) > self._most_lines:
            self._code = b""
            raise BadReply(f"a reply may have {self._most_lines} lines")
        if not ends:
            return None
        whole = Reply(int(self._code), tuple(self._lines))
        self._code = b""
        return whole
