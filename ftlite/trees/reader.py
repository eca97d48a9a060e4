"""Octets of a tar stream to entries: incremental, bounded, and believing nothing.

Reads ustar and the older format without a magic, pax (x and g), GNU long names (L and K) and GNU's base-256 numbers.
Sparse files, devices and vendors' kinds are refused; pax records that mean nothing here are passed over.
"""

from __future__ import annotations

import re
import struct
from functools import lru_cache
from typing import NamedTuple

from ftlite.trees.entry import DIR, FILE, HARD, LINK, EntryKind, TreeEntry
from ftlite.trees.errors import Kind, TreeError
from ftlite.trees.header import (
    BLOCK,
    FILE_REST,
    FILE_SUM,
    OFFSET_KEY,
    SIZE_KEY,
    TIME_BLOCK,
    ZEROS,
    padding,
    total,
)

#: Octets of one extended header at most.
MOST_EXTENDED = 1 << 20
#: Octets between two entries, or behind the end of the archive, at most: a stream that never comes to anything ends.
MOST_BETWEEN = 4 << 20

_FIELDS = struct.Struct("100s8s16x12s12s8sc100s6s82x155s12x")
_TYPE = slice(156, 157)
_USUAL = struct.Struct("100s8s16x12s12s8s356s")
_TIMED = struct.Struct("512s30s482x" + _USUAL.format)
_USUAL_TIME = re.compile(rb"30 mtime=([0-9]{10})\.([0-9]{9})\n")
_OCTAL = re.compile(rb"[ \0]*([0-7]*)[ \0]*")
_TIME = re.compile(rb"(-?)([0-9]{1,18})(?:\.([0-9]{0,40}))?")
_NUMBER = re.compile(rb"[0-9]{1,18}")
_LENGTH = re.compile(rb"([0-9]{1,7}) ")
_SECOND = 1_000_000_000
_new = tuple.__new__  # a class of named tuples does no more, and takes twice as long for it
_MOST_SECONDS = 10**18

_KINDS = {
    b"0": FILE,
    b"\0": FILE,
    b"7": FILE,
    b"1": HARD,
    b"2": LINK,
    b"5": DIR,
}
_REFUSED = {
    b"3": (Kind.UNSAFE, "a character device"),
    b"4": (Kind.UNSAFE, "a block device"),
    b"6": (Kind.UNSAFE, "a FIFO"),
    b"S": (Kind.MALFORMED, "a sparse file, which is not supported"),
    b"M": (Kind.MALFORMED, "a file that goes on in another volume"),
}
_EXTENDED = {b"x": "pax", b"g": "pax for all", b"L": "long name", b"K": "long target"}
_KEPT = frozenset({b"path", b"linkpath", b"size", b"mtime", OFFSET_KEY, SIZE_KEY})
_SPARSE = (b"GNU.sparse.", b"SCHILY.realsize", b"SUN.holesdata")


class Header(NamedTuple):
    """An entry whose content comes next; a tuple as that is.

    Attributes:
        offset: of a file that goes on inside: octets of it that are not in the stream.
        left: octets of content that follow, without the padding.
    """

    entry: TreeEntry
    offset: int
    left: int


class HeaderReader:
    """Reads headers; the content between them is the caller's to take (`Header.left` octets, then `padding` of that).

    Attributes:
        header: what the last `read` completed, None when nothing.
        ended: the end of the archive was read; only zeros may follow.
    """

    def __init__(self) -> None:
        self.header: Header | None = None
        self.ended = False
        self._held = bytearray()
        self._need = BLOCK
        self._extended = b""  # the type of the extended header whose data is due
        self._size = 0  # of that data
        self._last_extended = b""
        self._zero_blocks = 0
        self._plain = True  # nothing of a further header was read, nor what holds for all of them
        self._between = 0  # octets since the last entry
        self._content = 0  # where that of the last usual entry begins
        self._local: dict[bytes, bytes] = {}
        self._global: dict[bytes, bytes] = {}

    def read(self, view: memoryview, at: int) -> int:
        """Take octets of `view` from `at` on, until one header is complete; returns where the content begins.

        Raises:
            TreeError: MALFORMED, or UNSAFE for devices.
        """
        if self._plain and self._usual(view, at):
            self._between = 0
            return self._content
        begun = at
        at = self._read(view, at)
        self._plain = not (self._held or self._extended or self._local or self._zero_blocks or self._global)
        self._between = 0 if self.header is not None else self._between + at - begun
        if self._between > MOST_BETWEEN:
            raise TreeError(Kind.TOO_MUCH, "", f"{self._between} octets without an entry")
        return at

    def _usual(self, view: memoryview, at: int) -> bool:
        """Whether a file's header as most of them are is here, whole, and was read; all others go the general way."""
        end = at + _TIMED.size
        timed = len(view) >= end
        if timed:
            ahead, time, name, mode, size, mtime, checksum, rest = _TIMED.unpack_from(view, at)
            timed = ahead == TIME_BLOCK
        if not timed:
            end = at + BLOCK
            if len(view) < end:
                return False
            name, mode, size, mtime, checksum, rest = _USUAL.unpack_from(view, at)
        if rest != FILE_REST or total(view[end - BLOCK : end - BLOCK + 148]) + FILE_SUM != _number(checksum):
            return False
        path, left = _text(name), _number(size)
        if left < 0 or not path or path[-1] == 0x2F:
            return False
        if timed:
            match = _USUAL_TIME.fullmatch(time)
            if match is None:
                return False
            modify = int(match[1] + match[2])
        else:
            modify = _number(mtime) * _SECOND
        entry = _new(TreeEntry, (path, FILE, _number(mode) & 0o777, modify, left, b""))
        self.header = _new(Header, (entry, 0, left))
        self._content = end
        return True

    def _read(self, view: memoryview, at: int) -> int:
        self.header = None
        end = len(view)
        while at < end and self.header is None:
            if self.ended:
                if any(view[at:]):
                    raise TreeError(Kind.MALFORMED, "", "octets after the end of the archive")
                return end
            missing = self._need - len(self._held)
            if end - at < missing:
                self._held += view[at:]
                return end
            piece = bytes(view[at : at + missing])
            if self._held:
                piece = bytes(self._held) + piece
                self._held.clear()
            at += missing
            if self._extended:
                self._extend(piece[: self._size])
            else:
                self._block(piece)
        return at

    def _block(self, block: bytes) -> None:
        if block == self._last_extended:
            self._extended, self._need = block[_TYPE], self._size + padding(self._size)
            return
        if block == ZEROS:
            self._zero_blocks += 1
            self.ended = self._zero_blocks == 2
            if self._local:
                raise TreeError(Kind.MALFORMED, "", "an extended header without an entry")
            return
        if self._zero_blocks:
            raise TreeError(Kind.MALFORMED, "", "an entry after a zero block")
        name, mode, size, mtime, checksum, kind, target, magic, prefix = _FIELDS.unpack(block)
        # The field of the checksum itself counts as spaces.
        if total(block[:256]) + total(block[256:]) - total(checksum) + 256 != _number(checksum):
            raise TreeError(Kind.MALFORMED, "", "a header whose checksum is wrong")
        if kind in _EXTENDED:
            self._begin_extended(block, _number(size))
            return
        path = _text(name)
        if magic == b"ustar\0" and prefix[0]:
            path = _text(prefix) + b"/" + path
        self._entry(path, kind, _number(mode), size, mtime, _text(target) if target[0] else b"")

    def _begin_extended(self, block: bytes, size: int) -> None:
        if not 0 <= size <= MOST_EXTENDED:
            raise TreeError(Kind.MALFORMED, "", f"an extended header of {size} octets")
        if size:
            self._last_extended = block  # writers make the same block again and again
            self._extended, self._size = block[_TYPE], size
            self._need = size + padding(size)

    def _extend(self, data: bytes) -> None:
        kind, self._extended, self._need = self._extended, b"", BLOCK
        if kind == b"x":
            _records(data, self._local)
        elif kind == b"g":
            _records(data, self._global)
        else:
            self._local[b"path" if kind == b"L" else b"linkpath"] = data.rstrip(b"\0")

    def _entry(self, path: bytes, kind: bytes, mode: int, size: bytes, mtime: bytes, target: bytes) -> None:
        values = {**self._global, **self._local} if self._global else self._local
        self._local = {}
        if values:
            path = values.get(b"path") or path
        if kind in _REFUSED:
            raise TreeError(_REFUSED[kind][0], path, _REFUSED[kind][1])
        meant = _KINDS.get(kind)
        if meant is None:
            raise TreeError(Kind.MALFORMED, path, f"an entry of the unknown type {kind!r}")
        left = _pax_number(values[b"size"], path) if values.get(b"size") else _number(size)
        if meant is FILE and left == 0 and path.endswith(b"/"):
            meant = DIR  # as before ustar had a type for it
        if meant is DIR:
            path = path.removesuffix(b"/")
        if left < 0 or (left and meant is not FILE):
            raise TreeError(Kind.MALFORMED, path, "content where there can be none")
        modify = _pax_time(values[b"mtime"], path) if values.get(b"mtime") else _number(mtime) * _SECOND
        goes_to = b""
        if meant is LINK or meant is HARD:
            goes_to = values.get(b"linkpath") or target
        offset = 0
        if OFFSET_KEY in values or SIZE_KEY in values:
            offset = _offset(values, path, meant, left)
        entry = TreeEntry(path, meant, mode & 0o777, modify, offset + left, goes_to)
        self.header = Header(entry, offset, left)


def _offset(values: dict[bytes, bytes], path: bytes, kind: EntryKind, left: int) -> int:
    offset = _pax_number(values.get(OFFSET_KEY, b""), path)
    if kind is not FILE or _pax_number(values.get(SIZE_KEY, b""), path) != offset + left:
        raise TreeError(Kind.MALFORMED, path, "FTLITE.offset and FTLITE.size do not fit the entry")
    return offset


def _records(data: bytes, into: dict[bytes, bytes]) -> None:
    """Keep the records of one pax header that mean something here; an empty value takes one back."""
    at = 0
    while at < len(data):
        match = _LENGTH.match(data, at)
        end = at + int(match[1]) if match else 0
        if match is None or end > len(data) or end <= match.end() or data[end - 1] != 0x0A:
            raise TreeError(Kind.MALFORMED, "", "a pax record that cannot be read")
        key, equals, value = data[match.end() : end - 1].partition(b"=")
        if not equals:
            raise TreeError(Kind.MALFORMED, "", "a pax record without a value")
        if key.startswith(_SPARSE):
            raise TreeError(Kind.MALFORMED, "", "a sparse file, which is not supported")
        if key in _KEPT:
            into[key] = value
        at = end


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


@lru_cache(maxsize=4096)  # modes, sizes and times come again and again
def _number(field: bytes) -> int:
    match = _OCTAL.fullmatch(field)
    if match is not None:
        return int(match[1] or b"0", 8)
    if field[0] == 0x80 or field[0] == 0xFF:
        value = int.from_bytes(field[1:]) if field[0] == 0x80 else int.from_bytes(field, signed=True)
        if abs(value) < _MOST_SECONDS:
            return value
    raise TreeError(Kind.MALFORMED, "", "a number that cannot be read")


def _pax_number(value: bytes, path: bytes) -> int:
    if not _NUMBER.fullmatch(value):
        raise TreeError(Kind.MALFORMED, path, "a pax number that cannot be read")
    return int(value)


def _pax_time(value: bytes, path: bytes) -> int:
    match = _TIME.fullmatch(value)
    if match is None:
        raise TreeError(Kind.MALFORMED, path, "a pax time that cannot be read")
    sign, seconds, fraction = match.groups()
    time = int(seconds) * _SECOND + int((fraction or b"")[:9].ljust(9, b"0"))
    return -time if sign else time
