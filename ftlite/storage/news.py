"""What changed in the store, for who listens, and the marks of producers that failed.

A mark says that whoever was to publish a name has given up (WAIT, DESIGN 3.2). It is a small file named after the path
from the served root, so users with different roots agree on it and it outlives the server; it counts for `part_age`
seconds, and goes when anything gets that name.
"""

from __future__ import annotations

import enum
import hashlib
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from ftlite.storage.errors import Kind, StorageError
from ftlite.storage.granted import Foreseen, Granted
from ftlite.storage.hidden import Hidden
from ftlite.storage.locks import Locks
from ftlite.storage.syscalls import names_in, told

_MARKS = b"failed"
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


class Change(enum.Enum):
    """What happened to a name."""

    PUBLISH = "publish"  #: a file or a tree got it, or what has it got other times or modes
    MKDIR = "mkdir"
    RENAME = "rename"  #: something got it by a rename; the old name's change is UNLINK
    UNLINK = "unlink"  #: a file, link or directory lost it
    FAIL = "fail"  #: its producer gave up


#: Called from the worker that made the change, with the path from the served root (`Granted.real`). Must be quick and
#: must not raise: what it tells of has happened.
Listener = Callable[[bytes, Change], object]


class News:
    """Tells of changes and keeps the marks of one store. Thread-safe.

    Args:
        age: seconds that a mark counts.
        clock: seconds since the epoch.
    """

    def __init__(self, hidden: Hidden, locks: Locks, age: float, *, clock: Callable[[], float] = time.time) -> None:
        self._hidden = hidden
        self._locks = locks
        self._age = age
        self._clock = clock
        self._lock = threading.Lock()
        self._listeners: tuple[Listener, ...] = ()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` after each change, until what is returned is called."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def stop() -> None:
            with self._lock:
                self._listeners = tuple(kept for kept in self._listeners if kept is not listener)

        return stop

    def tell(self, place: Granted | Foreseen, change: Change) -> None:
        """Tell of a change that has happened, outside of any lock on names; what gets a name loses its mark."""
        real = self._real(place)
        if change in (Change.PUBLISH, Change.MKDIR, Change.RENAME):
            self._clear(real)
        for listener in self._listeners:
            listener(real, change)

    def fail(self, place: Granted | Foreseen) -> None:
        """Mark that the producer of `place` failed, and tell of it. Nothing need lead there yet.

        Raises:
            StorageError: DENIED where the server may keep nothing, or what the disk says.
        """
        with told(place.path):
            home = self._hidden.drawer(_MARKS, make=True)
            if home is None:
                raise StorageError(Kind.DENIED, place.path, "the server has no place here to remember it")
            try:
                mark = os.open(_mark(self._real(place)), _FLAGS, 0o600, dir_fd=home)
                try:
                    os.utime(mark)  # one that was there already begins anew
                finally:
                    os.close(mark)
            finally:
                os.close(home)
        self.tell(place, Change.FAIL)

    def failed(self, place: Granted | Foreseen) -> bool:
        """Whether the producer of `place` failed since anything last got that name, at most `age` seconds ago."""
        with told(place.path):
            home = self._hidden.drawer(_MARKS, make=False)
            if home is None:
                return False
            try:
                return self._counts(home, _mark(self._real(place)), self._clock())
            finally:
                os.close(home)

    def sweep(self, now: float) -> None:
        """Remove the marks that do not count any more at `now` (seconds since the epoch)."""
        with told("/"):
            home = self._hidden.drawer(_MARKS, make=False)
            if home is None:
                return
            try:
                for name in names_in(home):
                    if not self._counts(home, name, now):
                        with suppress(OSError):
                            os.unlink(name, dir_fd=home)
            finally:
                os.close(home)

    def _real(self, place: Granted | Foreseen) -> bytes:
        return self._locks.real(place) if isinstance(place, Granted) else place.real

    def _counts(self, home: int, mark: bytes, now: float) -> bool:
        with suppress(FileNotFoundError):
            return os.stat(mark, dir_fd=home, follow_symlinks=False).st_mtime >= now - self._age
        return False

    def _clear(self, real: bytes) -> None:
        with suppress(OSError):  # a mark that stays is looked at only where nothing stands
            home = self._hidden.drawer(_MARKS, make=False)
            if home is not None:
                try:
                    os.unlink(_mark(real), dir_fd=home)
                finally:
                    os.close(home)


def _mark(real: bytes) -> bytes:
    return hashlib.sha256(real).hexdigest()[:32].encode()
