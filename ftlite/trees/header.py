"""An entry as the octets that precede its content: a ustar block, led by a pax block where a value does not fit.

POSIX pax interchange format. Names are octets: what is no UTF-8 is announced by hdrcharset=BINARY.
"""

from __future__ import annotations

from functools import lru_cache

from ftlite.trees.entry import EntryKind, TreeEntry

BLOCK = 512
ZEROS = bytes(BLOCK)
#: What ends a stream.
END = bytes(2 * BLOCK)

OFFSET_KEY = b"FTLITE.offset"
SIZE_KEY = b"FTLITE.size"

_SECOND = 1_000_000_000
_MOST_OCTAL = 8**11 - 1
_NAME, _PREFIX = 100, 155
_TYPES = {EntryKind.FILE: b"0", EntryKind.HARD: b"1", EntryKind.LINK: b"2", EntryKind.DIR: b"5"}
_IDS = b"0000000\0" * 2  # owners do not travel
_MAGIC = b"ustar\x0000" + bytes(64)  # and no names of owners
_DEVICE = bytes(16)
_END_OF_BLOCK = bytes(12)
_FIXED_SUM = sum(_IDS) + sum(_MAGIC) + 8 * 32  # the checksum field itself counts as spaces


def padding(size: int) -> int:
    """Octets that fill up content of `size` octets to whole blocks."""
    return -size % BLOCK


def encode(entry: TreeEntry, *, offset: int = 0) -> bytes:
    """The octets ahead of the content of `entry`.

    Args:
        offset: of a FILE: octets that the other end has already; the content that follows is what comes after them.
    """
    path = entry.path + b"/" if entry.kind is EntryKind.DIR else entry.path
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
    numbers = b"%011o\0%011o\0" % (size, seconds)
    permissions = b"%07o\0" % mode
    target = target[:_NAME]
    total = _FIXED_SUM + kind[0] + sum(name + permissions + numbers + target + prefix)
    return b"".join(
        (
            name.ljust(_NAME, b"\0"),
            permissions,
            _IDS,
            numbers,
            b"%06o\0 " % total,
            kind,
            target.ljust(_NAME, b"\0"),
            _MAGIC,
            _DEVICE,
            prefix.ljust(_PREFIX, b"\0"),
            _END_OF_BLOCK,
        )
    )
