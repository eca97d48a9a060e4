"""Opening a plain file for reading: what is held is looked at, and what was looked at is opened.

The name is resolved once, without opening (O_PATH), and the open goes through that descriptor: no device is touched, no
FIFO waited for, and nothing can be swapped in between.
"""

from __future__ import annotations

import os
import stat
from types import TracebackType

from attrs import define, field

from ftlite.storage.errors import Kind, StorageError, WouldBlock
from ftlite.storage.granted import Granted
from ftlite.storage.syscalls import pin, pin_cached, proc, token, told, version


@define(eq=False)
class Source:
    """A plain file open for reading. A context manager; closing twice is fine.

    Attributes:
        size: bytes, when it was opened; the facts below are of that moment, too.
        facts: fstat's answer.
    """

    fd: int
    size: int
    facts: os.stat_result = field(repr=False)
    _open: bool = field(default=True, init=False)

    @property
    def version(self) -> str:
        """The token of what is open."""
        return token(version(self.facts))

    @property
    def modify_ns(self) -> int:
        """Last modification, ns since the epoch."""
        return self.facts.st_mtime_ns

    @property
    def mode(self) -> int:
        """Permission bits, 0 to 0777."""
        return self.facts.st_mode & 0o777

    def close(self) -> None:
        if self._open:
            self._open = False
            os.close(self.fd)

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


def open_plain(place: Granted, *, nowait: bool = False) -> Source:
    """Open the file at `place`.

    Args:
        nowait: answer from the kernel's caches or not at all.

    Raises:
        StorageError: IS_DIRECTORY, NOT_PLAIN (a link, too), NOT_FOUND, DENIED.
        WouldBlock: `nowait`, and the disk (or whoever holds a lease on the file) may have to be asked.
    """
    with told(place.path):
        try:
            held = pin_cached(place.parent, place.name) if nowait else pin(place.parent, place.name)
        except BlockingIOError as error:
            raise WouldBlock from error
        try:
            facts = os.fstat(held)
            if stat.S_ISDIR(facts.st_mode):
                raise StorageError(Kind.IS_DIRECTORY, place.path, "is a directory")
            if not stat.S_ISREG(facts.st_mode):
                raise StorageError(Kind.NOT_PLAIN, place.path, "is not a plain file")
            fd = os.open(proc(held), os.O_RDONLY | os.O_CLOEXEC | (os.O_NONBLOCK if nowait else 0))
        except BlockingIOError as error:
            raise WouldBlock from error
        except FileNotFoundError as error:  # what is held exists: it is /proc that is missing
            raise StorageError(Kind.FAULT, place.path, "the server needs /proc to be mounted") from error
        finally:
            os.close(held)
    return Source(fd, facts.st_size, facts)
