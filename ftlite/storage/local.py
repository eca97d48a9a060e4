"""The store on a local disk: one face before parts, publish, names, reading and digests.

Every call blocks, so it is made from a worker; every call may be made from several threads at once. Paths in errors are
virtual. All raise `StorageError`; OSError never leaves.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ftlite.config.models import StorageConfig
from ftlite.protocol.entries import Entry
from ftlite.storage import read, scan
from ftlite.storage.digests import Digests
from ftlite.storage.granted import Granted
from ftlite.storage.hidden import Hidden
from ftlite.storage.names import Names
from ftlite.storage.parts import Part, Parts
from ftlite.storage.publish import Publisher
from ftlite.storage.read import Source
from ftlite.storage.syscalls import told


class LocalStore:
    """A served directory. Opened once, by descriptor; nothing is written there before an upload needs it.

    Attributes:
        root_fd: descriptor of the directory (O_PATH), for the gate to open users' roots beneath.

    Raises:
        StorageError: `root` is missing, no directory, or out of reach.
    """

    def __init__(self, root: Path, config: StorageConfig) -> None:
        with told(str(root)):
            self.root_fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        hidden = Hidden(self.root_fd)
        self._open = True
        self._parts = Parts(hidden, config)
        self._names = Names(self._parts, config)
        self._publisher = Publisher(self._names, self._parts, config)
        self._digests = Digests(hidden)

    def stat(self, place: Granted) -> Entry:
        """Facts of one name; a link is not followed, the root's name is "." (NOT_FOUND)."""
        return scan.stat(place)

    def scan(self, place: Granted, most: int) -> list[Entry]:
        """A directory's entries in the order of their names' bytes (NOT_DIRECTORY; TOO_LARGE: more than `most`)."""
        return scan.scan(place, most)

    def read(self, place: Granted, *, nowait: bool = False) -> Source:
        """Open a plain file (IS_DIRECTORY, NOT_PLAIN). `nowait`: from the kernel's caches, or `WouldBlock`."""
        return read.open_plain(place, nowait=nowait)

    def mkdir(self, place: Granted) -> None:
        """Make a directory, 0777 & ~umask or as the parent's default ACL says (EXISTS)."""
        self._names.mkdir(place)

    def rmdir(self, place: Granted) -> None:
        """Remove an empty directory (NOT_EMPTY, NOT_DIRECTORY; BUSY: a mount point)."""
        self._names.rmdir(place)

    def unlink(self, place: Granted) -> None:
        """Remove anything but a directory (IS_DIRECTORY)."""
        self._names.unlink(place)

    def rename(self, source: Granted, target: Granted, *, replace: bool) -> None:
        """Rename at once; only a file replaces, and only a file (EXISTS; UNSUPPORTED: another file system)."""
        self._names.rename(source, target, replace=replace)

    def set_times(self, place: Granted, modify_ns: int) -> None:
        """Set the last modification, ns since the epoch (BAD_NAME: a time that cannot be kept)."""
        self._names.set_times(place, modify_ns)

    def set_mode(self, place: Granted, mode: int) -> None:
        """Set permission bits, masked to 0777 & ~umask."""
        self._names.set_mode(place, mode)

    def begin(self, place: Granted, *, size: int | None = None) -> Part:
        """A fresh part for STOR. `size`: bytes announced by ALLO (NO_ROOM at once; DENIED, IS_DIRECTORY, NOT_PLAIN)."""
        return self._parts.begin(place, size=size)

    def resume(self, place: Granted, offset: int) -> Part:
        """A part that holds the first `offset` bytes, for REST and STOR (BAD_OFFSET; BUSY: still being written)."""
        return self._parts.resume(place, offset)

    def append(self, place: Granted) -> Part:
        """A part that holds all there is, for APPE (BUSY: unfinished beside published, or still being written)."""
        return self._parts.append(place)

    def part_size(self, place: Granted) -> int | None:
        """What SIZE tells the owner of an unfinished upload while nothing is published there; None: nothing."""
        return self._parts.size(place)

    def publish(
        self,
        part: Part,
        regrant: Callable[[], Granted],
        *,
        replace: bool,
        modify_ns: int | None = None,
        mode: int | None = None,
    ) -> Entry:
        """Give a complete part its name, by one rename; closes it.

        Args:
            regrant: judges the path again, called under the lock that orders all changes of names.
            replace: whether an existing file may be replaced (it needs the right to overwrite as well); False: STOU.
            modify_ns, mode: to be set before anybody sees it; the mode is masked to 0777 & ~umask. Without `mode` it
                is that of the file replaced, or of a new file there.

        Returns:
            What stands there now.

        Raises:
            StorageError: EXISTS, DENIED, IS_DIRECTORY, NOT_PLAIN, BUSY (appended to a file that changed meanwhile),
                UNSUPPORTED (on another file system by now). The part is still live then: `release` it.
        """
        return self._publisher.publish(part, regrant, replace=replace, modify_ns=modify_ns, mode=mode)

    def release(self, part: Part, *, keep: bool) -> None:
        """Let the part of a failed upload go: kept for resume or dropped (`Parts.release` says when in any case)."""
        self._parts.release(part, keep=keep)

    def digest(
        self,
        place: Granted,
        algorithm: str,
        start: int = 0,
        end: int | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> str:
        """Lower-case hex digest of the bytes from `start` to before `end` (draft-bryan-ftpext-hash s.3.1).

        Args:
            algorithm: one of `digests.ALGORITHMS`.
            stop: asked before each block of 1 MiB; True ends it with `digests.Stopped`.

        Raises:
            StorageError: UNSUPPORTED algorithm, BAD_OFFSET, BUSY when the file changed meanwhile.
        """
        return self._digests.digest(place, algorithm, start, end, stop)

    def sweep(self, now: float) -> int:
        """Remove parts that nobody writes and that did not change for `part_age`; returns how many."""
        return self._parts.sweep(now)

    def close(self) -> None:
        """Give the descriptors back. Closing twice is fine."""
        if self._open:
            self._open = False
            self._digests.close()
            os.close(self.root_fd)
