"""Directory descriptors from the root of a tree down to where the last entry was: the next one is mostly there, too.

A directory gets its mode and time when the stream has left it. One that is entered again gets back what it
had. Descriptors are opened one name at a time, below the one before, and never through a link.
"""

from __future__ import annotations

import errno
import os
import stat

from attrs import define

from ftlite.trees.errors import Kind, TreeError
from ftlite.trees.walk import DIRECTORY_FLAGS


@define
class _Link:
    fd: int
    path: bytes
    mode: int  # to have when it is left
    modify_ns: int
    open_mode: int  # has now


class Chain:
    """The open directories. `close` or `leave` it in the end."""

    def __init__(self, root_fd: int) -> None:
        self._root = root_fd
        self._links: list[_Link] = []
        self._here = b""
        self._fd = root_fd

    def enter(self, path: bytes) -> tuple[int, bytes]:
        """The descriptor of the directory that `path` is in, and the last name; others that do not lead there are left.

        Raises:
            TreeError: UNSAFE: below a link or a file; MALFORMED: the directory did not come before.
            OSError: of the disk.
        """
        parent, _, name = path.rpartition(b"/")
        if parent == self._here:
            return self._fd, name
        while self._links and not (parent + b"/").startswith(self._links[-1].path + b"/"):
            self._pop()
        missing = parent[len(self._here) :].strip(b"/")
        for part in missing.split(b"/") if missing else ():
            self._open(part, path)
        return self._fd, name

    def made(self, name: bytes, path: bytes, mode: int, modify_ns: int) -> None:
        """Enter a directory that was just made in the entered one, and give it this mode and time when it is left."""
        self._push(_Link(os.open(name, DIRECTORY_FLAGS, dir_fd=self._fd), path, mode, modify_ns, -1))

    def leave(self) -> None:
        """Leave all. Raises OSError."""
        while self._links:
            self._pop()

    def close(self) -> None:
        """Close all as they are."""
        for link in self._links:
            os.close(link.fd)
        self._links.clear()
        self._here, self._fd = b"", self._root

    def _open(self, part: bytes, path: bytes) -> None:
        try:
            fd = os.open(part, DIRECTORY_FLAGS, dir_fd=self._fd)
        except OSError as error:
            if error.errno in (errno.ENOTDIR, errno.ELOOP):
                raise TreeError(Kind.UNSAFE, path, "below a link or a file") from error
            if error.errno == errno.ENOENT:
                raise TreeError(Kind.MALFORMED, path, "comes before the directory that it is in") from error
            raise
        status = os.fstat(fd)
        mode = stat.S_IMODE(status.st_mode)
        there = self._here + b"/" + part if self._here else part
        self._push(_Link(fd, there, mode, status.st_mtime_ns, mode))
        if mode & 0o700 != 0o700:
            os.fchmod(fd, mode | 0o700)
            self._links[-1].open_mode = mode | 0o700

    def _push(self, link: _Link) -> None:
        self._links.append(link)
        self._here, self._fd = link.path, link.fd

    def _pop(self) -> None:
        link = self._links.pop()
        self._here, self._fd = (self._links[-1].path, self._links[-1].fd) if self._links else (b"", self._root)
        try:
            if link.mode != link.open_mode:
                special = os.fstat(link.fd).st_mode & stat.S_ISGID  # it came from the directory above, and goes on down
                os.fchmod(link.fd, link.mode | special)
            os.utime(link.fd, ns=(link.modify_ns, link.modify_ns))
        finally:
            os.close(link.fd)
