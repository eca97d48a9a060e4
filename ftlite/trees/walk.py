"""A directory's entries in the protocol's order: names by their octets, a directory before what is in it.

Everything is opened below a directory descriptor and no link is followed. What cannot travel is left out and counted:
devices, sockets and FIFOs, links that the other end would have to refuse, names with CR or LF, what this account may
not read. The server's own names (".ftlite") are not there for anybody, and not counted.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress

from ftlite.trees.entry import DIR, FILE, LINK, LeftOut, TreeEntry, TreeLimits
from ftlite.trees.errors import Kind, TreeError
from ftlite.trees.safety import check_link, follow, is_fit, is_plain, is_reserved

#: (path relative to the tree, is it a directory) -> bool
Judge = Callable[[str, bool], bool]

_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
DIRECTORY_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_LIMITS = TreeLimits()


def text(path: bytes) -> str:
    """A path as people, filters and rules see it."""
    return path.decode("utf-8", "surrogateescape")


def sorted_names(fd: int) -> list[tuple[bytes, os.DirEntry[str]]]:
    """What a directory holds, by the octets of the names."""
    with os.scandir(fd) as listing:
        return sorted((entry.name.encode("utf-8", "surrogateescape"), entry) for entry in listing)


def read_link_at(root_fd: int, path: bytes) -> bytes | None:
    """The target of the link at `path`, None when no link is there; nothing on the way is followed."""
    with suppress(OSError):
        fd, name = open_parent(root_fd, path)
        try:
            return os.readlink(name, dir_fd=fd)
        finally:
            os.close(fd)
    return None


def open_parent(root_fd: int, path: bytes) -> tuple[int, bytes]:
    """A descriptor of the directory that `path` is in (the caller's to close), and the last name. Raises OSError."""
    *parents, name = path.split(b"/")
    fd = os.dup(root_fd)
    for parent in parents:
        try:
            below = os.open(parent, DIRECTORY_FLAGS, dir_fd=fd)
        finally:
            os.close(fd)
        fd = below
    return fd, name


class Walk:
    """An iterator of `(entry, fd)`: for a FILE an open descriptor, the taker's to close; else -1.

    Use it up, or `close` it.

    Attributes:
        left_out: what did not come along though it is there (not: what `wanted` said no to).
    """

    def __init__(self, root_fd: int, *, wanted: Judge | None = None, may: Judge | None = None) -> None:
        """
        Args:
            root_fd: of the tree; stays the caller's.
            wanted: False leaves it out, a directory with all that is below it, uncounted.
            may: the same, counted.
        """
        self.left_out = LeftOut()
        self._root = root_fd
        self._wanted = wanted
        self._may = may
        self._free = wanted is None and may is None
        self._entries = self._run()

    def __iter__(self) -> Iterator[tuple[TreeEntry, int]]:
        return self._entries

    def __next__(self) -> tuple[TreeEntry, int]:
        return next(self._entries)

    def close(self) -> None:
        self._entries.close()  # type: ignore[attr-defined]

    def _run(self) -> Iterator[tuple[TreeEntry, int]]:
        top = os.open(".", DIRECTORY_FLAGS, dir_fd=self._root)  # a place of its own in the listing
        stack: list[tuple[int, bytes, Iterator[tuple[bytes, os.DirEntry[str]]]]] = [(top, b"", iter(()))]
        try:
            stack[0] = (top, b"", iter(sorted_names(top)))
            while stack:
                here, prefix, names = stack[-1]
                for name, told in names:
                    path = prefix + name
                    if not self._takes(name, path, told):
                        continue
                    try:
                        entry, fd = _look(here, name, path, told)
                    except PermissionError:
                        self.left_out.add(path)
                        continue
                    if entry.kind is DIR:
                        stack.append((fd, path + b"/", iter(())))
                        yield entry, -1
                        stack[-1] = (fd, path + b"/", iter(sorted_names(fd)))
                        break
                    if entry.kind is LINK and not self._stays(entry):
                        self.left_out.add(path)
                        continue
                    yield entry, fd
                else:
                    os.close(here)
                    stack.pop()
        finally:
            for fd, _, _ in stack:
                os.close(fd)

    def _takes(self, name: bytes, path: bytes, told: os.DirEntry[str]) -> bool:
        """Whether this one travels, as far as its name and kind tell."""
        short = len(path) <= _LIMITS.path and path.count(b"/") < _LIMITS.depth
        if self._free and short and is_plain(name) and told.is_file(follow_symlinks=False):
            return True
        if is_reserved(name):
            return False
        directory = told.is_dir(follow_symlinks=False)
        if self._wanted is not None and not self._wanted(text(path), directory):
            return False
        fit = (
            (directory or told.is_file(follow_symlinks=False) or told.is_symlink())
            and is_fit(name)
            and short
            and (self._may is None or self._may(text(path), directory))
        )
        if not fit:
            self.left_out.add(path)
        return fit

    def _stays(self, link: TreeEntry) -> bool:
        """Whether the other end can take this link."""
        try:
            if check_link(link.path, link.target):
                follow(link.path, link.target, lambda path: read_link_at(self._root, path))
        except TreeError:
            return False
        return True


def _look(here: int, name: bytes, path: bytes, told: os.DirEntry[str]) -> tuple[TreeEntry, int]:
    """The entry and, for files and directories, an open descriptor of it.

    Raises:
        TreeError: CHANGED: it is gone, or became something else since the directory was read.
    """
    try:
        if not told.is_file(follow_symlinks=False):
            return _look_otherwise(here, name, path, told)
        fd = os.open(name, _FILE_FLAGS, dir_fd=here)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EINVAL, errno.ENXIO):
            raise TreeError(Kind.CHANGED, path, "changed while the tree was read") from error
        raise
    status = os.fstat(fd)
    mode = status.st_mode
    if not stat.S_ISREG(mode):
        os.close(fd)
        raise TreeError(Kind.CHANGED, path, "changed while the tree was read")
    return tuple.__new__(TreeEntry, (path, FILE, mode & 0o777, status.st_mtime_ns, status.st_size, b"")), fd


def _look_otherwise(here: int, name: bytes, path: bytes, told: os.DirEntry[str]) -> tuple[TreeEntry, int]:
    """`_look` at a directory or a link. Raises OSError."""
    if told.is_symlink():
        status = os.stat(name, dir_fd=here, follow_symlinks=False)
        target = os.readlink(name, dir_fd=here)
        return TreeEntry(path, LINK, 0o777, status.st_mtime_ns, 0, target), -1
    fd = os.open(name, DIRECTORY_FLAGS, dir_fd=here)
    status = os.fstat(fd)
    return TreeEntry(path, DIR, status.st_mode & 0o777, status.st_mtime_ns), fd
