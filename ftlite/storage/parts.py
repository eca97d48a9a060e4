"""Parts: the hidden files that uploads grow in. Everything here ends in a live part, or changes nothing.

`begin` always makes a part of its own; `resume` and `append` go on with the owner's idle part, or with a copy of what
is published, and refuse where the two could be confused (DESIGN 4).
"""

from __future__ import annotations

import os
import stat
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from attrs import define, field

from ftlite.config.models import Durability, StorageConfig
from ftlite.config.rights import Right
from ftlite.storage import shelf
from ftlite.storage.errors import Kind, StorageError, from_os_error
from ftlite.storage.granted import Granted
from ftlite.storage.hidden import BESIDE, PARTS, Hidden, Home
from ftlite.storage.read import open_plain
from ftlite.storage.syscalls import Version, copy_bytes, lookup, told, version

_AFRESH = "STOR it afresh, from its first byte"
_LATER = "another transfer still writes it: try again later"
_LOCKS = 64
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
        durability: what its publishing promises.
        version: the token of what it became, once it is published (`syscalls.token`).
    """

    fd: int
    offset: int
    place: Granted
    name: bytes
    home: Home
    base: Version | None = None
    durability: Durability = Durability.RENAME
    version: str = field(default="", init=False)
    full: bool = field(default=False, init=False)
    live: bool = field(default=True, init=False)

    def can_resume(self) -> bool:
        """Whether somebody could go on with it, were it kept."""
        return not self.full and self.base is None and os.fstat(self.fd).st_size > 0

    def make_way(self) -> None:
        """It is to be kept: remove what it leaves useless of its owner's idle parts for the same path."""
        shelf.outgrow(self.home, self.place, self.name)

    def supersedes(self, mark: bytes) -> bool:
        """Whether its publishing leaves nobody a way to an idle part of the same owner and path with this mark."""
        return not mark.startswith(shelf.NATIVE)

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
        self.others: Callable[[Home], object] = lambda _: None  #: called with a home whose disk needs room
        # To see whether a part is idle is to lock it for a moment, so for one owner and path one looks at a time.
        self._locks = tuple(threading.Lock() for _ in range(_LOCKS))

    def begin(self, place: Granted, *, size: int | None = None) -> Part:
        """A fresh part (STOR). `size`: bytes announced (ALLO), refused at once if they cannot fit.

        Raises:
            StorageError: DENIED, IS_DIRECTORY, NOT_PLAIN, NO_ROOM, or what the disk says.
        """
        with self.home_for(place) as (home, _):
            if size is not None:
                self.require_room(home, place, size)
            return self._make(home, place)

    def require_room(self, home: Home, place: Granted, size: int) -> None:
        """Refuse what the disk has no room for (NO_ROOM), also without the idle parts, which give way."""
        if size > _room(home):
            self._make_room(home)
            if size > _room(home):
                raise StorageError(Kind.NO_ROOM, place.path, f"the disk has no room for {size} bytes")

    def resume(self, place: Granted, offset: int) -> Part:
        """Go on at `offset` (REST and STOR, RFC 3659 s.5): in the owner's idle part, or in a copy of what is published.

        Raises:
            StorageError: BAD_OFFSET when nothing stands up to there; BUSY while another transfer writes it.
        """
        if offset == 0:
            return self.begin(place)
        with self.home_for(place) as (home, published):
            found = self._newest(home, place, offset)
            if found.fd is not None:
                part = self._part(found.fd, offset, place, found.name, home)
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
        with self.home_for(place) as (home, published):
            found = self._newest(home, place, 0)
            if found.fd is not None:
                if published is None and self._is_told(found.fd):
                    return self._part(found.fd, found.size, place, found.name, home)
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
            home = self._home(place, make=False)
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
                if keep and part.can_resume():
                    with self.lock(part.home, part.name):
                        part.make_way()
                else:
                    with suppress(FileNotFoundError):
                        shelf.unlink(part.home, part.name)
                if part.full:
                    self._make_room(part.home)
            finally:
                part.close()

    def drop_idle(self, part: Part) -> None:
        """Remove the owner's other idle parts for the path of `part`, which was published, if nothing leads to them."""
        with suppress(OSError):
            shelf.drop_journal(part.home, part.name)
            self._drop(part.home, part.place, part.supersedes)

    def forget(self, place: Granted) -> bool:
        """Remove the owner's idle parts for a name that is being removed; whether there were any.

        Else SIZE would tell of one, and APPE go on with it, as if nothing had been removed.
        """
        with suppress(OSError):
            home = self._home(place, make=False)
            try:
                return self._drop(home, place, lambda _: True) > 0
            finally:
                home.close()
        return False

    def sweep(self, now: float) -> int:
        """Remove idle parts that did not change for `part_age` seconds before `now` (epoch); returns how many."""

        def clean(home: Home) -> int:
            return sum(self._clean(there, now - self._config.part_age) for there in home.shelves())

        with told("/"):
            return self._hidden.sweep(clean)

    def clear(self, directory: int) -> None:
        """Remove idle parts, and the like, from a directory that is about to be removed."""
        self._make_room(Home(directory, BESIDE))

    def give_way(self, home: Home) -> None:
        """Remove the idle parts on the disk of a home of any drawer."""
        if home.prefix:
            self._clean(Home(home.fd, BESIDE), None)
        elif (drawer := self._hidden.drawer(PARTS.name, make=False)) is not None:
            whole = Home(drawer, b"")
            try:
                for there in whole.shelves():
                    self._clean(there, None)
            finally:
                whole.close()

    def lock(self, home: Home, name: bytes) -> threading.Lock:
        """To be held while parts of one owner and path are looked at; `name` is that of any of these."""
        return self._locks[zlib.crc32(shelf.key_of(home, name)) % _LOCKS]

    def _clean(self, home: Home, since: float | None) -> int:
        """Remove the idle parts that did not change since then (epoch; None: all), and journals without a part."""
        removed = 0
        for facts, name in shelf.all_parts(home):
            if since is None or facts.st_ctime < since:
                with self.lock(home, name):
                    removed += shelf.remove(home, name)
        shelf.drop_orphans(home)
        return removed

    def _drop(self, home: Home, place: Granted, useless: Callable[[bytes], bool]) -> int:
        """Remove the owner's idle parts for a path that have such marks; how many."""
        start = shelf.key(place)
        with self.lock(home, home.prefix + start):
            found = (name for _, name in shelf.all_parts(home, start))
            return sum(shelf.remove(home, name) for name in found if useless(shelf.mark_of(home, name)))

    def _make_room(self, home: Home) -> None:
        """Remove the idle parts on the disk of `home`, whosever they are, and what else may go there."""
        self.give_way(home)
        self.others(home)

    def _home(self, place: Granted, *, make: bool) -> Home:
        return self._hidden.home(place.parent, make=make, shelf=shelf.shelf_of(shelf.key(place)))

    @contextmanager
    def home_for(self, place: Granted, *, absent: bool = False) -> Iterator[tuple[Home, os.stat_result | None]]:
        """The home for a part to be, which it takes over; closed if the block fails. With what is published now.

        `absent`: whatever has the name already is EXISTS.
        """
        with told(place.path):
            published = lookup(place.parent, place.name)
            if absent and published is not None and Right.PUT in place.rights:
                raise StorageError(Kind.EXISTS, place.path, "already exists")
            may_write(place, published)
            home = self._home(place, make=True)
            try:
                yield home, published
            except BaseException:
                home.close()
                raise

    def _newest(self, home: Home, place: Granted, least: int) -> shelf.Shelf:
        with self.lock(home, home.prefix + shelf.key(place)):
            return shelf.newest(home, place, least)

    def _make(self, home: Home, place: Granted, mark: bytes = b"") -> Part:
        with self.lock(home, home.prefix + shelf.key(place)):
            fd, name = shelf.make(home, place, mark)
        return self._part(fd, 0, place, name, home)

    def _part(self, fd: int, offset: int, place: Granted, name: bytes, home: Home) -> Part:
        return Part(fd, offset, place, name, home, durability=self._config.durability)

    def _copy(self, home: Home, place: Granted, count: int | None) -> Part:
        """A part that begins with the first `count` bytes (None: all) of what is published."""
        with open_plain(place) as source:
            before = os.fstat(source.fd)
            part = self._make(home, place, shelf.COPY)
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
