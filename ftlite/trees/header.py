"""An entry as the octets that precede its content: a ustar block, led by a pax block where a value does not fit.

POSIX pax interchange format. Names are octets: what is no UTF-8 is announced by hdrcharset=BINARY.
"""

from __future__ import annotations

from functools import lru_cache
from zlib import adler32

from ftlite.trees.entry import DIR, FILE, HARD, LINK, TreeEntry

BLOCK = 512
ZEROS = bytes(BLOCK)
#: What ends a stream.
END = bytes(2 * BLOCK)

OFFSET_KEY = b"FTLITE.offset"
SIZE_KEY = b"FTLITE.size"

_SECOND = 1_000_000_000
_MOST_OCTAL = 8**11 - 1
_NAME, _PREFIX = 100, 155
_TYPES = {FILE: b"0", HARD: b"1", LINK: b"2", DIR: b"5"}
_IDS = b"0000000\0" * 2  # owners do not travel
_MAGIC = b"ustar\x0000" + bytes(64)  # and no names of owners
_TEN_DIGITS = 10**9
_BEGIN = b"%b%b%07o\0" + _IDS + b"%011o\0%011o\0"  # of a block, up to its checksum
_FILL = [bytes(_NAME - length) for length in range(_NAME + 1)]  # behind a name of that length


def padding(size: int) -> int:
    """Octets that fill up content of `size` octets to whole blocks."""
    return -size % BLOCK


def total(octets: bytes | memoryview) -> int:
    """The sum of at most 256 octets: the lower half of their Adler-32, for a tenth of what `sum` takes."""
    return (adler32(octets) & 0xFFFF) - 1


def encode(entry: TreeEntry, *, offset: int = 0) -> bytes:
    """The octets ahead of the content of `entry`.

    Args:
        offset: of a FILE: octets that the other end has already; the content that follows is what comes after them.
    """
    path, kind, mode, modify, size, _ = entry
    if kind is FILE and not offset and len(path) <= _NAME and size <= _MOST_OCTAL and path.isascii():
        seconds, fraction = divmod(modify, _SECOND)
        if _TEN_DIGITS <= seconds <= _MOST_OCTAL and path:
            begin = _BEGIN % (path, _FILL[len(path)], mode, size, seconds)
            checksum = FILE_SUM + total(begin)
            return _TIMED % (seconds, fraction, begin, checksum) if fraction else _TIMELESS % (begin, checksum)
    return _encode_any(entry, offset)


def _encode_any(entry: TreeEntry, offset: int) -> bytes:
    path = entry.path + b"/" if entry.kind is DIR else entry.path
    left = entry.size - offset
    seconds, fraction = divmod(entry.modify_ns, _SECOND)
    name, prefix = (path, b"") if len(path) <= _NAME else _split(path)
    records = b""
    if not name or not path.isascii():
        records += record(b"path", path)
        name, prefix = path[:_NAME], b""
    if entry.target and (len(entry.target) > _NAME or not entry.target.isascii()):
        records += record(b"linkpath", entry.target)
    if records and not _is_utf8(path, entry.target):
        records = record(b"hdrcharset", b"BINARY") + records
    if fraction or not 0 <= seconds <= _MOST_OCTAL:
        records += record(b"mtime", _decimal(entry.modify_ns))
        seconds = min(max(seconds, 0), _MOST_OCTAL)
    if left > _MOST_OCTAL:
        records += record(b"size", b"%d" % left)
    if offset:
        records += record(OFFSET_KEY, b"%d" % offset) + record(SIZE_KEY, b"%d" % entry.size)
    size = left if left <= _MOST_OCTAL else 0
    block = _block(name, entry.mode, size, seconds, _TYPES[entry.kind], entry.target, prefix)
    if not records:
        return block
    return b"%b%b%b%b" % (_pax_block(len(records)), records, ZEROS[: padding(len(records))], block)


def record(key: bytes, value: bytes) -> bytes:
    """One pax record: its own length, key and value."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %b=%b\n" % (length, key, value)


def _split(path: bytes) -> tuple[bytes, bytes]:
    """The name and prefix fields that hold `path`; empty ones when there are none."""
    cut = path.find(b"/", len(path) - _NAME - 1, -1)
    if 0 < cut <= _PREFIX:
        return path[cut + 1 :], path[:cut]
    return b"", b""


def _is_utf8(*values: bytes) -> bool:
    try:
        for value in values:
            value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decimal(nanoseconds: int) -> bytes:
    seconds, fraction = divmod(abs(nanoseconds), _SECOND)
    sign = b"-" if nanoseconds < 0 else b""
    if not fraction:
        return b"%b%d" % (sign, seconds)
    return (b"%b%d.%09d" % (sign, seconds, fraction)).rstrip(b"0")


@lru_cache(maxsize=1024)
def _pax_block(size: int) -> bytes:
    return _block(b"PaxHeader/entry", 0o644, size, 0, b"x", b"", b"")


def _block(name: bytes, mode: int, size: int, seconds: int, kind: bytes, target: bytes, prefix: bytes) -> bytes:
    begin = _BEGIN % (name, _FILL[len(name)], mode, size, seconds)
    checksum = _FIXED_SUM + kind[0] + total(begin)
    rest = _PLAIN_REST
    if target or prefix:
        checksum += total(target[:_NAME]) + total(prefix)
        rest = _rest(target, prefix)
    return b"%b%06o\0 %b%b" % (begin, checksum, kind, rest)


def _rest(target: bytes, prefix: bytes) -> bytes:
    """A block from its link name on."""
    return b"%b%b%b%b" % (target[:_NAME].ljust(_NAME, b"\0"), _MAGIC, bytes(16), prefix.ljust(_PREFIX + 12, b"\0"))


_PLAIN_REST = _rest(b"", b"")
_FIXED_SUM = sum(_MAGIC) + 8 * 32  # the field of the checksum itself counts as spaces

#: What most headers begin with: a block that announces 30 octets, which are a time of ten digits and a fraction.
TIME_BLOCK = _pax_block(30)
#: A file's block from its type on when its name fits, and what this adds to the sum of the octets before the checksum.
FILE_REST = b"0" + _PLAIN_REST
FILE_SUM = _FIXED_SUM + FILE_REST[0]
_TIMELESS = b"%b%06o\0 " + FILE_REST
_TIMED = TIME_BLOCK + b"30 mtime=%d.%09d\n" + bytes(BLOCK - 30) + _TIMELESS
