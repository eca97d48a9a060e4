"""The first lines of a data connection (s.3): what a client says, how a server finds out, and the greeting between.

Nothing here reads an octet that is not its own: TLS may follow at once.
"""

from __future__ import annotations

import enum
import hmac
import re
from typing import Final

from ftlite.protocol.errors import BadCommand, BadReply
from ftlite.protocol.native.values import MOST_TAG
from ftlite.protocol.text import decode, printable

LINE_OCTETS: Final = 34  #: a data-line without proof
PROVEN_OCTETS: Final = 99  #: one with it
PROOF_OCTETS: Final = 72  #: the proof as a line of its own
GREETING_OCTETS: Final = 4096  #: the longest greeting that a client has to skip

_HEAD: Final = b"DATA "
_LINE: Final = re.compile(rb"DATA ([0-9a-f]{16})\.([0-9]{10})(?: ([0-9a-f]{64}))?\r\n")
_PROOF: Final = re.compile(rb"PROOF ([0-9a-f]{64})\r\n")


def proof(key: bytes, id: str, tag: int) -> str:
    """What proves that a data connection is the session's: HMAC-SHA256 over ``id.tag10``, in hexadecimal.

    Args:
        key: its 16 octets.
        id: the session's, 16 hexadecimal digits.
        tag: the tag that the connection is for.
    """
    return hmac.new(key, f"{id}.{tag:010}".encode(), "sha256").hexdigest()


def proves(key: bytes, id: str, tag: int, said: str) -> bool:
    """Whether `said` is the proof, in a time that does not tell how much of it is."""
    return hmac.compare_digest(proof(key, id, tag).encode(), said.encode("utf-8", "surrogateescape"))


def data_line(id: str, tag: int, proof: str | None = None) -> bytes:
    """The line that a data connection begins with; `proof` is in it under PROT C."""
    return f"DATA {id}.{tag:010}{f' {proof}' if proof is not None else ''}\r\n".encode()


def proof_line(proof: str) -> bytes:
    """The first line inside TLS."""
    return f"PROOF {proof}\r\n".encode()


def parse_proof_line(line: bytes) -> str:
    """The proof in `line`, its `PROOF_OCTETS` octets. Raises BadCommand."""
    match = _PROOF.fullmatch(line)
    if match is None:
        raise BadCommand("That is no proof.")
    return match[1].decode()


class FirstLineKind(enum.Enum):
    """What a connection turned out to be."""

    SESSION = "session"  #: a control connection; what was read of it is the beginning of its commands
    DATA = "data"


class FirstLine:
    """What a connection says first: ask for `wanted` octets at most, `feed` what came, until `kind` is known.

    Attributes:
        kind: None until it is known.
        seen: all that was fed; for a session it goes to whoever reads its commands.
        id, tag, proof: of a DATA line; `proof` is None where none stood in it.
    """

    def __init__(self) -> None:
        self.kind: FirstLineKind | None = None
        self.seen = b""
        self.id = ""
        self.tag = 0
        self.proof: str | None = None

    @property
    def wanted(self) -> int:
        """How many octets to ask for next; 0 when `kind` is known."""
        if self.kind is not None:
            return 0
        have = len(self.seen)
        return next(mark for mark in (len(_HEAD), LINE_OCTETS, PROVEN_OCTETS) if mark > have) - have

    def feed(self, data: bytes) -> None:
        """Take what came, `wanted` octets at most. Raises BadCommand when it begins as a DATA line and is none."""
        self.seen += data
        if not _HEAD.startswith(self.seen[: len(_HEAD)]):
            self.kind = FirstLineKind.SESSION
        elif b"\n" in self.seen or len(self.seen) >= PROVEN_OCTETS:
            self._read()
        elif len(self.seen) >= LINE_OCTETS and self.seen[LINE_OCTETS - 2] != 0x20:
            raise BadCommand("That is no DATA line.")

    def _read(self) -> None:
        match = _LINE.fullmatch(self.seen)
        if match is None or not 1 <= int(match[2]) <= MOST_TAG:
            raise BadCommand("That is no DATA line.")
        self.id, self.tag = match[1].decode(), int(match[2])
        self.proof = match[3].decode() if match[3] else None
        self.kind = FirstLineKind.DATA


class GreetingSkipper:
    """Passes over exactly one reply (RFC 959 s.4.2), one line or several, and not an octet more.

    Attributes:
        complete: it is over; what follows is for others.
        code: of the reply, once its first line is there.
    """

    def __init__(self) -> None:
        self.complete = False
        self.code: int | None = None
        self._line = bytearray()
        self._octets = 0

    def feed(self, data: bytes | bytearray | memoryview) -> int:
        """Take what came; how many of these octets belong to the greeting.

        Raises BadReply for what is no reply, or too long a one.
        """
        block, used = bytes(data), 0
        while not self.complete and used < len(block):
            end = block.find(b"\n", used) + 1 or len(block)
            self._line += block[used:end]
            self._octets += end - used
            used = end
            if self._octets > GREETING_OCTETS:
                raise BadReply(f"a greeting may have {GREETING_OCTETS} octets")
            if self._line.endswith(b"\n"):
                self._end_line(bytes(self._line).rstrip(b"\r\n"))
                self._line.clear()
        return used

    def _end_line(self, line: bytes) -> None:
        if self.code is None:
            head = re.match(rb"([1-5][0-9]{2})([ -]|\Z)", line)
            if head is None:
                raise BadReply(f"{printable(decode(line[:80]))!r} is no greeting")
            self.code = int(head[1])
            self.complete = head[2] != b"-"
        else:
            self.complete = line[:3] == str(self.code).encode() and line[3:4] in (b" ", b"")
