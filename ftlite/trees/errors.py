"""What can be wrong with a tree, as kinds. Trouble with the disk is no TreeError: an OSError leaves as it is."""

from __future__ import annotations

import enum


class Kind(enum.Enum):
    """Why a tree was refused (docs/protocol.md s.5 "Refused"). Values are for logs and replies."""

    UNSAFE = "unsafe"  #: would leave the tree, or is no directory, file or link; a name twice, a reserved name
    MALFORMED = "malformed"  #: no tar stream, or one that ends in the middle
    TOO_MUCH = "too-much"  #: beyond the stated limits
    CHANGED = "changed"  #: the source changed while it was read
    DENIED = "denied"  #: `allowed` said no


class TreeError(Exception):
    """A tree cannot be packed or unpacked.

    Attributes:
        kind: the class of failure.
        path: the entry, relative to the tree, surrogates for octets that are no UTF-8; "" for the whole tree.
        reason: a short phrase for people ("an absolute name").
    """

    def __init__(self, kind: Kind, path: bytes | str, reason: str) -> None:
        text = path if isinstance(path, str) else path.decode("utf-8", "surrogateescape")
        super().__init__(f"{text}: {reason}" if text else reason)
        self.kind = kind
        self.path = text
        self.reason = reason
