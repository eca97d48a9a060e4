"""The values that all of this floor speaks of: an entry of a tree, a place in its order, the limits of one."""

from __future__ import annotations

import enum
from typing import NamedTuple

from attrs import define, field, frozen, validators


class EntryKind(enum.Enum):
    """What an entry is. Values are the letters of the records of docs/protocol.md s.5 (HARD has none of its own)."""

    FILE = "F"
    DIR = "D"
    LINK = "L"
    HARD = "H"

    __hash__ = object.__hash__  # that of enum is a function in Python, called at each look into a table


#: The kinds as what they are: `EntryKind.FILE` is a look-up that goes through two functions of enum.
FILE, DIR, LINK, HARD = EntryKind


class TreeEntry(NamedTuple):
    """One thing in a tree: made for each of them, which a tuple is in half the time of a frozen class.

    Attributes:
        path: octets, "a/b", relative to the tree, no "/" at either end.
        mode: permission bits, 0 to 0o777.
        modify_ns: nanoseconds since the epoch, UTC; may be negative.
        size: octets of content of a FILE, all of it; 0 for the others.
        target: of a LINK as it stands; of a HARD the path of the earlier file; else empty.
    """

    path: bytes
    kind: EntryKind
    mode: int = 0o644
    modify_ns: int = 0
    size: int = 0
    target: bytes = b""


@frozen
class Position:
    """How far a tree has come (docs/protocol.md s.5 "Going on").

    Attributes:
        entries: that many, in order, are complete.
        digest: hexadecimal, over the records of these; "" when not known.
        inside: octets that stand of the file that comes next; 0: none.
        head: hexadecimal digest of these octets; "" when there are none or it is not known.
    """

    entries: int = 0
    digest: str = ""
    inside: int = 0
    head: str = ""


_positive = validators.gt(0)


@frozen
class TreeLimits:
    """What a tree may come to; beyond it is TOO_MUCH. The defaults are those of docs/protocol.md s.5.

    Attributes:
        entries: how many.
        size: octets of content in all.
        path: octets of one path.
        depth: components of one path.
        ratio: octets unpacked for each octet on the wire, beyond the first `free` octets.
        free: octets.
    """

    entries: int = field(default=1_000_000, validator=_positive)
    size: int = field(default=256 << 30, validator=_positive)
    path: int = field(default=4096, validator=_positive)
    depth: int = field(default=128, validator=_positive)
    ratio: int = field(default=1000, validator=_positive)
    free: int = field(default=64 << 20, validator=validators.ge(0))


@define
class LeftOut:
    """What a walk did not take along, though it is there: `count` of them, the first `MOST` by name."""

    count: int = 0
    names: list[str] = field(factory=list)

    MOST = 1000

    def add(self, path: bytes) -> None:
        self.count += 1
        if self.count <= self.MOST:
            self.names.append(path.decode("utf-8", "surrogateescape"))
