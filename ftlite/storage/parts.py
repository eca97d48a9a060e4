"""Parts: the hidden files that uploads grow in. Everything here ends in a live part, or changes nothing.

`begin` always makes a part of its own; `resume` and `append` go on with the owner's idle part, or with a copy of what
is published, and refuse where the two could be confused (DESIGN 4).
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from attrs import define, field

from ftlite.config.models import StorageConfig
from ftlite.config.rights import Right
from ftlite.storage import shelf
from ftlite.storage.errors import Kind, StorageError, from_os_error
from ftlite.storage.granted import Granted
from ftlite.storage.hidden import BESIDE, Hidden, Home
from ftlite.storage.read import open_plain
from ftlite.storage.syscalls import Version, copy_bytes, lookup, told, version

_AFRESH = "STOR it afresh, from its first byte"
_LATER = "another transfer still writes it: try again later"
_FULL = (Kind.NO_ROOM, Kind.QUOTA)


@define(eq=False)
class Part:
    """A live part. Belongs to one transfer; give it to `publish` or `release` in the end.

    Attributes:
        fd: open for reading and writing, locked.
        offset: where the transfer's first byte goes; the part ends there.
        place: what the upload was begun for; stays the caller's to close, the part does not need it any more.
        name: its hidden name in `home`.
        base: version of the published file that it began as a copy of, if it did.
    """

    fd: int
    offset: int
    place: Granted
    name: bytes
    home: Home
    base: Version | None = None
    full: bool = field(default=False, init=False)
    live: bool = field(default=True, init=False)

    def failed(self, error: OSError) -> StorageError:
        """The `StorageError` for what writing the part met; after a full disk `release` drops it anyway."""
        met = from_os_error(error, self.place.path)
        self.full = self.full or met.kind in _FULL
        return met

    def close(self) -> None:
        """Let go without a decision, as a kill would: the part becomes idle. Closing twice is fine."""
        if self.live:
            self.live = False
            os.close(self.fd)
            self.home.close()

    def __del__(self) -> None:
        self.close()


def no_right_to_put(path: str) -> StorageError:
    """What an upload by somebody without the right to it gets."""
    return StorageError(Kind.DENIED, path, "no right to put new files here")


def may_write(place: Granted, published: os.stat_result | None) -> None:
    """Refuse an upload that could not be published: by rights (DENIED), onto a directory or a special file."""
    if not (Right.PUT | Right.OVERWRITE) & place.rights:
        raise no_right_to_put(place.path)  # and nobody learns by it what stands there
    if published is None:
        if Right.PUT not in place.rights:
            raise no_right_to_put(place.path)
    elif stat.S_ISDIR(published.st_mode):
        raise StorageError(Kind.IS_DIRECTORY, place.path, "is a directory")
    elif not stat.S_ISREG(published.st_mode):
        raise StorageError(Kind.NOT_PLAIN, place.path, "is not a plain file")
    elif Right.OVERWRITE not in place.rights:
        raise StorageError(Kind.DENIED, place.path, "exists, and there is no right to overwrite here")


def _room(home: Home) -> int:
    """Bytes that the disk of `home` has for users like us."""
    facts = os.fstatvfs(home.fd)
    return facts.f_bavail * facts.f_frsize


class Parts:
    """Begins, resumes and sweeps the parts of one store. Thread-safe."""

    def __init__(self, hidden: Hidden, config: StorageConfig, *, clock: Callable[[], float] = time.time) -> None:
        self._hidden = hidden
        self._config = config
        self._clock = clock
        self._lock = threading.Lock()  # to see whether a part is idle is to lock it for a moment: one at a time

    def begin(self, place: Granted, *, size: int | None = None) -> Part:
        """A fresh part (STOR). `size`: bytes announced (ALLO), refused at once if they cannot fit.

        Raises:
            StorageError: DENIED, IS_DIRECTORY, NOT_PLAIN, NO_ROOM, or what the disk says.
        """
        with self._home_for(place) as (home, _):
            if size is not None and size > _room(home):
                self._make_room(home)
                if size > _room(home):
                    raise StorageError(Kind.NO_ROOM, place.path, f"the disk has no room for {size} bytes")
            return self._make(home, place)

    def resume(self, place: Granted, offset: int) -> Part:
        """Go on at `offset` (REST and STOR, RFC 3659 s.5): in the owner's idle part, or in a copy of what is published.

        Raises:
            StorageError: BAD_OFFSET when nothing stands up to there; BUSY while another transfer writes it.
        """
        if offset == 0:
            return self.begin(place)
        with self._home_for(place) as (home, published):
            found = self._newest(home, place, offset)
            if found.fd is not None:
                part = Part(found.fd, offset, place, found.name, home)
                os.ftruncate(part.fd, offset)
                return part
            if found.live:
                raise StorageError(Kind.BUSY, place.path, _LATER)
            if published is not None and found.idle:
                reason = f"an unfinished upload stands beside it and ends before byte {offset}: {_AFRESH}"
                raise StorageError(Kind.BAD_OFFSET, place.path, reason)
            if published is None or published.st_size < offset:
                raise StorageError(Kind.BAD_OFFSET, place.path, f"nothing stands up to byte {offset}: {_AFRESH}")
            return self._copy(home, place, offset)

    def append(self, place: Granted) -> Part:
        """Go on at the end (APPE, RFC 959 s.4.1.3): of the owner's idle part, else of a copy of what is published.

        A part that `size` does not tell of any more is passed over: what is appended would follow forgotten bytes.

        Raises:
            StorageError: BUSY when an unfinished upload stands beside a published file, or another transfer writes.
        """
        with self._home_for(place) as (home, published):
            found = self._newest(home, place, 0)
            if found.fd is not None:
                if published is None and self._is_told(found.fd):
                    return Part(found.fd, found.size, place, found.name, home)
                os.close(found.fd)
                if published is None:  # nobody can know of it any more, so nobody means to append to it
                    return self._make(home, place)
                raise StorageError(Kind.BUSY, place.path, f"an unfinished upload stands beside it: {_AFRESH}")
            if found.live:
                raise StorageError(Kind.BUSY, place.path, _LATER)
            return self._make(home, place) if published is None else self._copy(home, place, None)

    def size(self, place: Granted) -> int | None:
        """Bytes in the owner's newest idle part, for `stock_resume` seconds after it last grew; else None.

        None as well while something is published under that name, and for an empty part.
        """
        with told(place.path):
            if lookup(place.parent, place.name) is not None:
                return None
            home = self._hidden.home(place.parent, make=False)
            try:
                found = self._newest(home, place, 1)
                if found.fd is None:
                    return None
                known = self._is_told(found.fd)
                os.close(found.fd)
                return found.size if known else None
            finally:
                home.close()

    def _is_told(self, fd: int) -> bool:
        age = self._clock() - os.fstat(fd).st_ctime
        return self._config.stock_resume > 0 and age <= self._config.stock_resume

    def release(self, part: Part, *, keep: bool) -> None:
        """Let a failed upload's part go: kept for its owner to resume, or dropped. Does nothing after a publish.

        Dropped in any case: an empty part, one that met a full disk (`Part.failed`), and a copy of what is published:
        SIZE tells the published length, so nobody could resume it, and it would bar the next APPE. Where the disk is
        full, idle parts go too: the next upload finds room, and theirs can begin afresh. Of the owner's older ones for
        that path the longest stays beside it, if it is longer; so there are two at most, however often it is cut.
        """
        if not part.live:
            return
        with told(part.place.path):
            try:
                if not keep or part.full or part.base is not None or os.fstat(part.fd).st_size == 0:
                    with suppress(FileNotFoundError):
                        os.unlink(part.name, dir_fd=part.home.fd)
                else:
                    with self._lock:
                        shelf.outgrow(part.home, part.place, part.name)
                if part.full:
                    self._make_room(part.home)
            finally:
                part.close()

    def drop_idle(self, part: Part) -> None:
        """Remove the owner's other idle parts for the path of `part`: it was published, so nothing leads to them."""
        with suppress(OSError):
            self._drop(part.home, part.place)

    def forget(self, place: Granted) -> bool:
        """Remove the owner's idle parts for a name that is being removed; whether there were any.

        Else SIZE would tell of one, and APPE go on with it, as if nothing had been removed.
        """
        with suppress(OSError):
            home = self._hidden.home(place.parent, make=False)
            try:
                return self._drop(home, place) > 0
            finally:
                home.close()
        return False

    def sweep(self, now: float) -> int:
        """Remove idle parts that did not change for `part_age` seconds before `now` (epoch); returns how many."""

        def clean(home: Home) -> int:
            aged = [name for facts, name in shelf.of_key(home, b"") if facts.st_ctime < now - self._config.part_age]
            with self._lock:
                return sum(shelf.remove(home, name) for name in aged)

        with told("/"):
            return self._hidden.sweep(clean)

    def clear(self, directory: int) -> bool:
        """Remove idle parts from a directory that is about to be removed; whether there were any."""
        home = Home(directory, BESIDE)
        with self._lock:
            return sum(shelf.remove(home, name) for _, name in shelf.of_key(home, b"")) > 0

    def _drop(self, home: Home, place: Granted) -> int:
        with self._lock:
            return sum(shelf.remove(home, name) for _, name in shelf.of_key(home, shelf.key(place)))

    def _make_room(self, home: Home) -> None:
        """Remove the idle parts of `home`, whosever they are."""
        with self._lock:
            for _, name in shelf.of_key(home, b""):
                shelf.remove(home, name)

    @contextmanager
    def _home_for(self, place: Granted) -> Iterator[tuple[Home, os.stat_result | None]]:
        """The home for a part to be, which it takes over; closed if the block fails. With what is published now."""
        with told(place.path):
            published = lookup(place.parent, place.name)
            may_write(place, published)
            home = self._hidden.home(place.parent, make=True)
            try:
                yield home, published
            except BaseException:
                home.close()
                raise

    def _newest(self, home: Home, place: Granted, least: int) -> shelf.Shelf:
        with self._lock:
            return shelf.newest(home, place, least)

    def _make(self, home: Home, place: Granted, *, copy: bool = False) -> Part:
        with self._lock:
            fd, name = shelf.make(home, place, copy=copy)
        return Part(fd, 0, place, name, home)

    def _copy(self, home: Home, place: Granted, count: int | None) -> Part:
        """A part that begins with the first `count` bytes (None: all) of what is published."""
        with open_plain(place) as source:
            before = os.fstat(source.fd)
            part = self._make(home, place, copy=True)
            part.base = version(before)
            try:
                wanted = before.st_size if count is None else count
                part.offset = copy_bytes(source.fd, part.fd, wanted)
                if part.offset != wanted or version(os.fstat(source.fd)) != part.base:
                    raise StorageError(Kind.BUSY, place.path, "it changed while it was copied: try again")
            except BaseException:
                os.unlink(part.name, dir_fd=home.fd)
                part.close()
                raise
            return part
