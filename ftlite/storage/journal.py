"""The journal beside a native part: what the first N octets of it were when they had arrived.

One line a checkpoint: the offset, the digest of all before it, and a check over both. A line is appended by one write,
so a kill can tear the last one only; whatever cannot be read, and all after it, counts as not written. The journal is
cut back before its part is, so no line ever speaks of octets that were replaced.
"""

from __future__ import annotations

import re
import zlib

from attrs import frozen

SUFFIX = b".journal"
MOST = 16 << 20  #: bytes of a journal that are read: over a tebibyte of checkpoints
_LINE = re.compile(rb"(0|[1-9][0-9]{0,18}) ([0-9a-f]{8,128}) ([0-9a-f]{8})")


@frozen
class Reached:
    """What a journal vouches for.

    Attributes:
        offset: octets of the part that a checkpoint covers; 0: none.
        digest: their digest in hex; None at 0.
        length: bytes of the journal up to there; what follows is to be cut off before it is written to.
    """

    offset: int = 0
    digest: str | None = None
    length: int = 0


def header(algorithm: str) -> bytes:
    """How a journal with digests of this name begins."""
    return b"ftlite-journal 1 %s\n" % algorithm.encode()


def line(offset: int, digest: str) -> bytes:
    """One checkpoint, as it is appended."""
    words = b"%d %s" % (offset, digest.encode())
    return b"%s %08x\n" % (words, zlib.crc32(words))


def read(data: bytes, algorithm: str, size: int) -> Reached:
    """The last checkpoint of a journal that holds for a part of `size` bytes. Never fails: garbage vouches for nothing.

    Another algorithm's journal vouches for nothing either.
    """
    begin = header(algorithm)
    if not data.startswith(begin):
        return Reached()
    reached = Reached(length=len(begin))
    while (end := data.find(b"\n", reached.length)) >= 0:
        found = _LINE.fullmatch(data, reached.length, end)
        if found is None or int(found[3], 16) != zlib.crc32(data[reached.length : found.end(2)]):
            break
        offset = int(found[1])
        if not reached.offset < offset <= size:
            break
        reached = Reached(offset, found[2].decode(), end + 1)
    return reached
