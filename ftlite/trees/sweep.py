"""Bring a staging directory to what its journal says: both in the protocol's order, in one pass side by side.

Memory is that of the directories on the way down. What is not told of is removed; nothing is removed through a link.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from io import RawIOBase

from attrs import define, field

from ftlite.trees.entry import DIR, LINK, TreeEntry
from ftlite.trees.manifest import Hasher
from ftlite.trees.walk import DIRECTORY_FLAGS

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_BLOCK = 1 << 20


class Stopped(Exception):
    """The caller's `stop` said so."""


@define
class _Level:
    fd: int
    path: bytes
    entry: TreeEntry | None = None  # None: the root
    names: list[bytes] = field(init=False)
    at: int = 0

    def __attrs_post_init__(self) -> None:
        self.names = names_in(self.fd)


class Sweep:
    """One pass. `stands` for each record, then `keep`, `finish`, and `close` in any case."""

    def __init__(
        self, root_fd: int, hasher: Callable[[], Hasher] | None = None, stop: Callable[[], bool] | None = None
    ) -> None:
        """`hasher`: read the files again and compare their digests."""
        self._hasher = hasher
        self._stop = stop
        self._levels = [_Level(os.open(".", DIRECTORY_FLAGS, dir_fd=root_fd), b"")]

    def stands(self, entry: TreeEntry, digest: str) -> bool:
        """Whether the next entry is there as it should be. False ends the counting."""
        if self._stop is not None and self._stop():
            raise Stopped
        name = self._find(entry.path)
        if name is None:
            return False
        level = self._levels[-1]
        status = os.stat(name, dir_fd=level.fd, follow_symlinks=False)
        if entry.kind is DIR:
            if stat.S_ISDIR(status.st_mode):
                self._enter(level, name, entry)
                return True
            return False
        if entry.kind is LINK:
            right = stat.S_ISLNK(status.st_mode) and os.readlink(name, dir_fd=level.fd) == entry.target
        else:
            right = stat.S_ISREG(status.st_mode) and status.st_size == entry.size
            right = right and self._proves(level.fd, name, digest)
        level.at += right
        return right

    def _enter(self, level: _Level, name: bytes, entry: TreeEntry) -> None:
        fd = os.open(name, DIRECTORY_FLAGS, dir_fd=level.fd)
        try:
            os.fchmod(fd, stat.S_IMODE(os.fstat(fd).st_mode) | 0o700)  # until it is left
            below = _Level(fd, entry.path, entry)
        except OSError:
            os.close(fd)
            raise
        level.at += 1
        self._levels.append(below)

    def keep(self, entry: TreeEntry) -> tuple[int, int] | None:
        """Spare the file that was growing: how many octets count, and a descriptor (the taker's); None: none."""
        name = self._find(entry.path)
        if name is None:
            return None
        level = self._levels[-1]
        status = os.stat(name, dir_fd=level.fd, follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode) or not 0 < status.st_size <= entry.size:
            return None
        level.at += 1
        return min(status.st_size, entry.size - 1), os.open(name, _READ, dir_fd=level.fd)

    def finish(self) -> None:
        """Remove what was not told of, and give the directories back their modes and times."""
        while self._levels:
            self._pop()

    def close(self) -> None:
        for level in self._levels:
            os.close(level.fd)
        self._levels.clear()

    def _find(self, path: bytes) -> bytes | None:
        """Go to the directory of `path`; its last name when it is there and comes next."""
        parent, _, name = path.rpartition(b"/")
        while self._levels[-1].path != parent:
            if len(self._levels) == 1:
                return None
            self._pop()
        level = self._levels[-1]
        while level.at < len(level.names) and level.names[level.at] < name:
            remove(level.fd, level.names[level.at])
            level.at += 1
        return name if level.at < len(level.names) and level.names[level.at] == name else None

    def _pop(self) -> None:
        level = self._levels[-1]
        for name in level.names[level.at :]:
            remove(level.fd, name)
        level.at = len(level.names)
        if level.entry is not None:
            os.fchmod(level.fd, level.entry.mode | os.fstat(level.fd).st_mode & stat.S_ISGID)
            os.utime(level.fd, ns=(level.entry.modify_ns, level.entry.modify_ns))
        os.close(level.fd)
        self._levels.pop()

    def _proves(self, parent: int, name: bytes, digest: str) -> bool:
        if self._hasher is None:
            return True
        with open(os.open(name, _READ, dir_fd=parent), "rb", buffering=0) as file:
            return hash_file(file, self._hasher(), None, self._stop).hexdigest() == digest


def hash_file(file: RawIOBase, hasher: Hasher, size: int | None, stop: Callable[[], bool] | None) -> Hasher:
    """Hash the first `size` octets (None: all) and give the hasher back. Raises Stopped."""
    left = size if size is not None else 1 << 62
    while left and (block := file.read(min(left, _BLOCK))):
        if stop is not None and stop():
            raise Stopped
        hasher.update(block)
        left -= len(block)
    return hasher


def names_in(fd: int) -> list[bytes]:
    """What a directory holds, by the octets of the names."""
    return sorted(os.fsencode(name) for name in os.listdir(fd))


def clear(root_fd: int) -> None:
    """Remove all that is in a directory. Raises OSError."""
    with_own_place = os.open(".", DIRECTORY_FLAGS, dir_fd=root_fd)
    try:
        for name in names_in(with_own_place):
            remove(with_own_place, name)
    finally:
        os.close(with_own_place)


def remove(parent: int, name: bytes) -> None:
    """Remove a name, with all that is below it. Raises OSError."""
    try:
        fd = os.open(name, DIRECTORY_FLAGS, dir_fd=parent)
    except OSError:  # no directory: a link, a file; other trouble the unlinking tells of
        os.unlink(name, dir_fd=parent)
        return
    try:
        os.fchmod(fd, 0o700)
        for below in names_in(fd):
            remove(fd, below)
    finally:
        os.close(fd)
    os.rmdir(name, dir_fd=parent)
