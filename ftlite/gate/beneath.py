"""Finding a place beneath a directory descriptor without ever leaving it.

The rule of the file: links are never followed by the kernel. A path with no link in it is resolved by one openat2 call
that fails on links; a path with links is walked here component by component, link texts being read and walked in turn.
So what was resolved is always known by name, without asking /proc, and no swap of a directory for a link, at whatever
moment, can lead outside: the worst it gets is an error.

Errors are `Stuck`, an OSError that also says to which resolved place the way was leading: EXDEV where a link leads out,
ELOOP after `MOST_LINKS` links, ENOENT, ENOTDIR, EACCES and the like as openat(2) gives them.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import stat
import sys
from collections.abc import Sequence
from typing import Protocol

from attrs import frozen

from ftlite.storage.errors import WouldBlock

MOST_LINKS = 40  #: as the kernel's own MAXSYMLINKS

_OPENAT2 = 437  #: the same number on every architecture that Python runs on, but alpha
_NO_MAGICLINKS, _NO_SYMLINKS, _BENEATH, _CACHED = 0x02, 0x04, 0x08, 0x20  # linux/openat2.h
_WITHIN = _NO_MAGICLINKS | _NO_SYMLINKS | _BENEATH


@frozen
class Found:
    """Where a path led.

    Attributes:
        parent: descriptor (O_PATH) of the directory that holds the place; the caller owns it.
        name: the last component; ``b"."`` for the root itself.
        parts: the whole way from the root, links resolved; empty for the root itself.
        exists: whether the name was there.
    """

    parent: int
    name: bytes
    parts: tuple[bytes, ...]
    exists: bool


class Stuck(OSError):
    """The way ended before its last component. `parts` is where it would have led: links resolved as far as it got."""

    def __init__(self, number: int, parts: tuple[bytes, ...]) -> None:
        super().__init__(number, os.strerror(number))
        self.parts = parts


class Resolver(Protocol):
    """A way to find places. All ways give the same answers; they differ in system calls."""

    def find(self, root: int, parts: Sequence[bytes], *, follow: bool, nowait: bool) -> Found:
        """Walk `parts` (no ``.``, ``..`` or empty ones) from the directory `root`.

        A link as the last component is followed when `follow`, and must then lead to something. Any other last
        component need not exist; everything before it must.

        Raises:
            Stuck: as the top of this file says.
            WouldBlock: `nowait`, and the answer is not in the kernel's cache.
        """
        ...


class Walk:
    """Component by component, with openat and O_NOFOLLOW: works on any Linux, never without blocking."""

    def find(self, root: int, parts: Sequence[bytes], *, follow: bool, nowait: bool) -> Found:
        """See `Resolver.find`."""
        if nowait:
            raise WouldBlock
        way = _Way(root)
        try:
            return way.go(parts, follow)
        except OSError as error:
            raise Stuck(error.errno or errno.EIO, way.place()) from error
        finally:
            way.close()


class _Way:
    """The directories between the root and here. ``..`` goes back to the one we came from, wherever it is by now."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._names: list[bytes] = []
        self._fds: list[int] = []
        self._at = b"."
        self._left: list[bytes] = []

    def place(self) -> tuple[bytes, ...]:
        """Where the way leads from here, were there no more links."""
        names = self._names.copy()
        for name in (self._at, *reversed(self._left)):
            if name == b"..":
                del names[-1:]
            elif name not in (b"", b"."):
                names.append(name)
        return tuple(names)

    def go(self, parts: Sequence[bytes], follow: bool) -> Found:
        left = self._left = list(reversed(parts))
        links, through_link = 0, False
        while left:
            name = self._at = left.pop()
            if name in (b"", b"."):
                continue
            if name == b"..":
                self._back()
                continue
            try:
                fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._here())
            except FileNotFoundError:
                if left or through_link:
                    raise
                return self._found(name, exists=False)
            try:
                mode = os.fstat(fd).st_mode
                if stat.S_ISLNK(mode) and (left or follow):
                    links += 1
                    through_link = through_link or not left
                    left.extend(reversed(_link_parts(fd, links)))
                    continue
                if not left:
                    return self._found(name, exists=True)
                if not stat.S_ISDIR(mode):
                    raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
                self._names.append(name)
                self._fds.append(fd)
                fd = -1
            finally:
                if fd >= 0:
                    os.close(fd)
        return self._found_here()

    def close(self) -> None:
        while self._fds:
            os.close(self._fds.pop())

    def _here(self) -> int:
        return self._fds[-1] if self._fds else self._root

    def _back(self) -> None:
        if not self._fds:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        os.close(self._fds.pop())
        self._names.pop()

    def _found(self, name: bytes, *, exists: bool) -> Found:
        parent = self._fds.pop() if self._fds else os.dup(self._root)
        return Found(parent, name, (*self._names, name), exists)

    def _found_here(self) -> Found:
        """The way ended in a directory that it had already entered, as with a link to ``..`` or to ``sub/``."""
        if not self._fds:
            return Found(os.dup(self._root), b".", (), True)
        os.close(self._fds.pop())
        return self._found(self._names.pop(), exists=True)


def _link_parts(fd: int, links: int) -> list[bytes]:
    """The components of the link `fd`, the `links`th met. A ``/`` at its end leaves ``b""``: a directory is asked."""
    if links > MOST_LINKS:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    target = os.readlink(b"", dir_fd=fd)
    if target.startswith(b"/"):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    return target.split(b"/")


class _How(ctypes.Structure):
    """struct open_how of openat2(2)."""

    _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


class Kernel:
    """One openat2 for the parent and one for the name; what holds a link is left to the walk."""

    def __init__(self) -> None:
        self._call = ctypes.CDLL(None, use_errno=True).syscall
        self._call.restype = ctypes.c_long
        self._call.argtypes = [
            ctypes.c_long,
            ctypes.c_int,
            ctypes.c_char_p,
            ctypes.POINTER(_How),
            ctypes.c_size_t,
        ]
        self._walk = Walk()
        path = os.O_PATH | os.O_CLOEXEC
        # Built once: filling the structure would cost more than the call itself.
        self._directory = self._hows(path | os.O_DIRECTORY)
        self._follow = self._hows(path)
        self._itself = self._hows(path | os.O_NOFOLLOW)
        self._cached = True

    @staticmethod
    def _hows(flags: int) -> tuple[_How, _How]:
        return _How(flags, 0, _WITHIN), _How(flags, 0, _WITHIN | _CACHED)

    def works(self, directory: int) -> bool:
        """Whether this kernel (or sandbox) has openat2; also learns whether it knows RESOLVE_CACHED (Linux 5.12)."""
        try:
            os.close(self._open(directory, b".", self._directory[0]))
        except OSError:
            return False
        try:
            os.close(self._open(directory, b".", self._directory[1]))
        except OSError as error:
            self._cached = error.errno == errno.EAGAIN
        return True

    def find(self, root: int, parts: Sequence[bytes], *, follow: bool, nowait: bool) -> Found:
        """See `Resolver.find`."""
        if nowait and not self._cached:
            raise WouldBlock
        try:
            return self._find(root, parts, follow, nowait)
        except OSError as error:
            # ELOOP: there is a link. ENAMETOOLONG: over PATH_MAX as a whole, which the walk does not mind.
            if error.errno not in (errno.ELOOP, errno.EAGAIN, errno.ENAMETOOLONG):
                raise Stuck(error.errno or errno.EIO, tuple(parts)) from error
        return self._walk.find(root, parts, follow=follow, nowait=nowait)

    def _find(self, root: int, parts: Sequence[bytes], follow: bool, nowait: bool) -> Found:
        if not parts:
            return Found(os.dup(root), b".", (), True)
        parent = self._open(root, b"/".join(parts[:-1]), self._directory[nowait]) if len(parts) > 1 else os.dup(root)
        try:
            os.close(self._open(parent, parts[-1], (self._follow if follow else self._itself)[nowait]))
            exists = True
        except FileNotFoundError:
            exists = False
        except BaseException:
            os.close(parent)
            raise
        return Found(parent, parts[-1], tuple(parts), exists)

    def _open(self, directory: int, path: bytes, how: _How) -> int:
        while True:
            fd: int = self._call(_OPENAT2, directory, path, how, 24)
            if fd >= 0:
                return fd
            number = ctypes.get_errno()
            if number != errno.EINTR:
                raise OSError(number, os.strerror(number))


@functools.cache
def best_resolver() -> Resolver:
    """The fastest way that works here, probed at the first call and kept."""
    if sys.platform != "linux":
        return Walk()
    kernel = Kernel()
    directory = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return kernel if kernel.works(directory) else Walk()
    finally:
        os.close(directory)
