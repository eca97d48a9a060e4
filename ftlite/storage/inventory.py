"""Which files stand in a directory, in eight octets each: to find later what came there otherwise.

A token is the inode's number and a checksum of the path: a file that was moved counts as another one. An inode's number
is given again when its file is gone, so times of birth decide where the file system tells them.
"""

from __future__ import annotations

import array
import bisect
import itertools
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from zlib import crc32

from attrs import field, frozen

from ftlite.storage.errors import Kind, StorageError
from ftlite.storage.hidden import is_hidden
from ftlite.storage.syscalls import LISTED, born, mount_of

MOST = 4_000_000  #: files; beyond it an inventory does not tell them apart
_DEEPEST = 512
_LOW = (1 << 32) - 1


@frozen(eq=False)
class Found:
    """A file, link or special file in a tree; `parent` is open only until the walk goes on."""

    path: bytes
    parent: int
    name: bytes
    inode: int

    @property
    def token(self) -> int:
        return _token(self.inode, self.path)


def _token(inode: int, path: bytes, above: int = 0) -> int:
    """Of a file at `path`; `above` is the checksum of what comes before that."""
    return (inode & _LOW) << 32 | crc32(path, above)


def files_of(top: int, path: str) -> Iterator[Found]:
    """All but directories below a directory, in no order, without what is hidden.

    Args:
        top: its descriptor.
        path: what errors call it.

    Raises:
        StorageError: BUSY: something is mounted below it; UNSUPPORTED: beyond all depth.
        OSError: as the disk says.
    """
    for prefix, fd, files in _directories(top, path):
        for name, inode in files:
            yield Found(prefix + name, fd, name, inode)


#: The path of a directory up to its names, a descriptor that is open until the walk goes on, and names with inodes.
_Directory = tuple[bytes, int, list[tuple[bytes, int]]]


def _directories(top: int, path: str) -> Iterator[_Directory]:
    """The directories of `files_of`, each with what it yields of them."""
    mount = mount_of(top)
    stack: list[tuple[bytes, int, list[bytes]]] = []
    try:
        stack.append((b"", os.open(b".", LISTED, dir_fd=top), []))
        yield _listed(*stack[-1])
        while stack:
            prefix, fd, ahead = stack[-1]
            if not ahead:
                stack.pop()
                os.close(fd)
                continue
            name = ahead.pop()
            try:
                deeper = os.open(name, LISTED, dir_fd=fd)
            except (FileNotFoundError, PermissionError):  # gone, or closed to us as it was when it was published
                continue
            stack.append((prefix + name + b"/", deeper, []))
            if mount_of(deeper) != mount:
                below = os.fsdecode(prefix + name)
                raise StorageError(Kind.BUSY, path, f"another file system is mounted in it, at {below}")
            if len(stack) > _DEEPEST:
                raise StorageError(Kind.UNSUPPORTED, path, f"has directories more than {_DEEPEST} deep")
            yield _listed(*stack[-1])
    finally:
        for _, fd, _ in stack:
            os.close(fd)


def _listed(prefix: bytes, fd: int, directories: list[bytes]) -> _Directory:
    """What stands in one directory; its own directories are added to `directories`."""
    files = []
    with os.scandir(fd) as found:
        for item in found:
            name = os.fsencode(item.name)
            if item.is_dir(follow_symlinks=False):
                directories.append(name)
            elif not is_hidden(name):
                files.append((name, item.inode()))
    return prefix, fd, files


@frozen(eq=False)
class Inventory:
    """What stood in a directory at a time.

    Attributes:
        made: that time, ns since the epoch by the clock of its file system; all its files were made before.
        tokens: of its files and links, sorted; None: too many to keep.
    """

    made: int
    tokens: array.array[int] | None = field(factory=lambda: array.array("Q"), repr=False)

    def has(self, found: Found) -> bool:
        """Whether this file stood there already; True as well when there were too many to tell."""
        if self.tokens is None:
            return True
        token = found.token
        at = bisect.bisect_left(self.tokens, token)
        if at == len(self.tokens) or self.tokens[at] != token:
            return False
        with suppress(FileNotFoundError):  # only what changed since can be younger
            changed = os.stat(found.name, dir_fd=found.parent, follow_symlinks=False).st_ctime_ns
            return changed <= self.made or born(found.parent, found.name) <= self.made
        return True

    def joined(self, other: Inventory) -> Inventory:
        """What is in either, at the later time."""
        made = max(self.made, other.made)
        if self.tokens is None or other.tokens is None or len(self.tokens) + len(other.tokens) > MOST:
            return Inventory(made, None)
        return Inventory(made, array.array("Q", sorted({*self.tokens, *other.tokens})))


def inventory(found: Iterable[Found], made: int) -> Inventory:
    """An inventory of these."""
    return _kept(array.array("Q", (one.token for one in itertools.islice(found, MOST + 1))), made)


def inventory_of(top: int, path: str, made: int) -> Inventory:
    """An inventory of all `files_of` them: once for each file of each tree, so in as few steps as there can be.

    Raises:
        StorageError, OSError: as `files_of`.
    """
    tokens = array.array("Q")
    for prefix, _, files in _directories(top, path):
        above = crc32(prefix)
        tokens.extend([_token(inode, name, above) for name, inode in files])
        if len(tokens) > MOST:
            break
    return _kept(tokens, made)


def _kept(tokens: array.array[int], made: int) -> Inventory:
    return Inventory(made, array.array("Q", sorted(tokens)) if len(tokens) <= MOST else None)
