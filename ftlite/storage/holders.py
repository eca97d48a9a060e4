"""Who reads which tree, so that one that was swapped out is not removed below a reader.

Only descriptors count: a reader of a directory somewhere in a tree holds all of it, which the way up from there tells,
wherever the tree has been moved to.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from ftlite.storage.errors import Kind, StorageError
from ftlite.storage.granted import Granted
from ftlite.storage.records import Key
from ftlite.storage.syscalls import DIRECTORY, LISTED, told

_DEEPEST = 4096


class Holders:
    """The open trees of one store. Thread-safe; the disk is never waited for under its lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: set[int] = set()
        self._doomed: set[Key] = set()

    @contextmanager
    def open(self, place: Granted) -> Iterator[int]:
        """A descriptor of the directory at `place`, readable; what is in it stays until the block ends.

        Raises:
            StorageError: NOT_DIRECTORY, NOT_FOUND, DENIED; BUSY: it was replaced, and is being removed.
        """
        with told(place.path):
            fd = os.open(place.name, LISTED, dir_fd=place.parent)
        try:
            with self._lock:
                self._held.add(fd)
                doomed = frozenset(self._doomed)
            if doomed and _is_within(fd, doomed):
                raise StorageError(Kind.BUSY, place.path, "it was replaced just now: try again")
            yield fd
        finally:
            with self._lock:
                self._held.discard(fd)
            os.close(fd)

    def doom(self, key: Key) -> bool:
        """Whether nobody holds anything in a directory; then nobody will, until `gone`."""
        with self._lock:
            self._doomed.add(key)
            held = [os.dup(fd) for fd in self._held]
        try:
            free = not any(_is_within(fd, (key,)) for fd in held)
        finally:
            for fd in held:
                os.close(fd)
        if not free:
            self.gone(key)
        return free

    def gone(self, key: Key) -> None:
        """The directory is no more, so its inode may become another's."""
        with self._lock:
            self._doomed.discard(key)


def _is_within(fd: int, keys: Collection[Key]) -> bool:
    """Whether a directory is one of these or below one; True as well where the disk does not tell."""
    try:
        here = os.dup(fd)
        try:
            for _ in range(_DEEPEST):
                facts = os.fstat(here)
                if (facts.st_dev, facts.st_ino) in keys:
                    return True
                above = os.open(b"..", DIRECTORY, dir_fd=here)
                os.close(here)
                here = above
                if os.path.samestat(os.fstat(above), facts):
                    return False
        finally:
            os.close(here)
    except OSError:
        pass
    return True
