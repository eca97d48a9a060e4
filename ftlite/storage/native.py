"""Parts of native uploads: the same life as a stock part, with a key of their own and a journal.

A part belongs to an owner, a path and what the client declared (size and modify), and to one live transfer at a time.
It goes on from its journal's last checkpoint; the bytes below that are only believed when the digest of the whole has
been made of them again, so what a loss of power did to them is found in the end.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from attrs import define, field, frozen

from ftlite.config.models import StorageConfig
from ftlite.storage import journal, shelf
from ftlite.storage.errors import Kind, StorageError
from ftlite.storage.granted import Granted
from ftlite.storage.hidden import Home
from ftlite.storage.parts import Part, Parts

_MOST_KEYS = 4  # idle native parts of one owner for one path, each of its own size and modify
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@frozen
class UploadKey:
    """What a client declares of a file: by it a part is found again.

    Attributes:
        size: octets of the whole; None: a stream, whose part is never gone on with.
        modify_ns: last modification, ns since the epoch; None: not said.
    """

    size: int | None = None
    modify_ns: int | None = None

    @property
    def mark(self) -> bytes:
        """What the names of its parts end in."""
        if self.size is None:
            return shelf.STREAM
        modify = b"" if self.modify_ns is None else b"%d" % self.modify_ns
        return shelf.NATIVE + b"%d-%s" % (self.size, modify)


@define(eq=False)
class NativePart(Part):
    """A live part of a native upload. `offset` is where the client's first octet goes.

    Attributes:
        key: what the client declared.
        algorithm: name of the digests of its checkpoints, as in `digests.ALGORITHMS`.
        prefix: digest (hex) of the first `offset` octets, which the client proves; None at 0.
    """

    key: UploadKey = field(kw_only=True)
    algorithm: str = field(kw_only=True)
    prefix: str | None = field(default=None, init=False)
    _journal: int | None = field(default=None, init=False, repr=False)
    _reached: int = field(default=0, init=False, repr=False)

    def checkpoint(self, offset: int, digest: str) -> None:
        """Note that the first `offset` octets, all written by now, have this digest (hex); from a worker.

        It survives kill -9. One at or below the last is passed over, and so are those of a stream.

        Raises:
            StorageError: NO_ROOM and what else the disk says.
            ValueError: the part does not hold that much.
        """
        if not self.live or self.key.size is None or offset <= self._reached:
            return
        if offset > os.fstat(self.fd).st_size:
            raise ValueError(f"a checkpoint at {offset}, beyond the end of the part")
        try:
            if self._journal is None:
                self._journal = os.open(self.name + journal.SUFFIX, _FLAGS, 0o600, dir_fd=self.home.fd)
                os.ftruncate(self._journal, 0)
                _write(self._journal, journal.header(self.algorithm))
            _write(self._journal, journal.line(offset, digest))
        except OSError as error:
            raise self.failed(error) from error
        self._reached = offset

    def go_on(self) -> None:
        """Cut the part back to what its journal vouches for, the journal first; without one, to nothing.

        Raises:
            OSError: as the disk says.
        """
        size = os.fstat(self.fd).st_size
        with suppress(FileNotFoundError):
            self._journal = os.open(self.name + journal.SUFFIX, _FLAGS & ~os.O_CREAT, dir_fd=self.home.fd)
        reached = journal.Reached()
        if self._journal is not None:
            reached = journal.read(_content(self._journal), self.algorithm, min(size, self.key.size or 0))
            os.ftruncate(self._journal, reached.length)
            if not reached.length:
                _write(self._journal, journal.header(self.algorithm))
        os.ftruncate(self.fd, reached.offset)
        self.offset, self.prefix = reached.offset, reached.digest
        self._reached = reached.offset

    def can_resume(self) -> bool:
        return not self.full and self._reached > 0

    def make_way(self) -> None:
        shelf.outnumber(self.home, self.place, _MOST_KEYS)

    def supersedes(self, mark: bytes) -> bool:
        return mark == self.key.mark or not mark.startswith(shelf.NATIVE)

    def close(self) -> None:
        if self._journal is not None:
            os.close(self._journal)
            self._journal = None
        super().close()


class NativeParts:
    """Begins the native parts of one store. Thread-safe."""

    def __init__(self, parts: Parts, config: StorageConfig) -> None:
        self._parts = parts
        self._config = config

    def begin(self, place: Granted, key: UploadKey, *, algorithm: str, fresh: bool, absent: bool) -> NativePart:
        """See `LocalStore.begin_native`."""
        with self._parts.home_for(place, absent=absent) as (home, _):
            with self._parts.lock(home, home.prefix + shelf.key(place)):
                found = None if key.size is None else _idle(home, place, key)
                if found is not None and fresh:
                    shelf.unlink(home, found[1])
                    os.close(found[0])
                    found = None
                fd, name = found or shelf.make(home, place, key.mark)
            durability = self._config.native_durability
            part = NativePart(fd, 0, place, name, home, durability=durability, key=key, algorithm=algorithm)
            try:
                if found is not None:
                    part.go_on()
                if key.size is not None:
                    self._parts.require_room(home, place, key.size - part.offset)
            except BaseException as error:
                if isinstance(error, StorageError):
                    shelf.unlink(home, name)
                part.close()
                raise
            return part


def _idle(home: Home, place: Granted, key: UploadKey) -> tuple[int, bytes] | None:
    """Take the newest idle part of this key: (descriptor, name).

    Raises:
        StorageError: BUSY while a transfer writes one.
    """
    newest = None
    for _, name in shelf.native(home, place, key.mark):
        try:
            fd = shelf.take(home, name)
        except FileNotFoundError:
            continue
        except BlockingIOError as error:
            if newest is not None:
                os.close(newest[0])
            raise StorageError(Kind.BUSY, place.path, "another transfer still writes the same upload") from error
        if newest is None:
            newest = fd, name
        else:
            os.close(fd)
    return newest


def _write(fd: int, data: bytes) -> None:
    """Append in one write; a short one is a full disk."""
    if os.write(fd, data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _content(fd: int) -> bytes:
    data = bytearray()
    while len(data) < journal.MOST and (block := os.pread(fd, 1 << 20, len(data))):
        data += block
    return bytes(data)
