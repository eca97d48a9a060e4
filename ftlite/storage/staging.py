"""Staging directories: where trees grow, and where those that were swapped out wait to be removed.

One is a hidden directory on its target's mount that holds `tree` (what will be renamed), `journal` and `lock`. It is
live while `lock` is locked (flock), idle otherwise, as parts are; its name tells whose it is and for which path. A name
that begins with OLD tells that nobody may go on with what it holds: a staging gets such a name before its tree is
published, so a kill in the middle never leaves an old tree that could be taken for the beginning of a new one.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress

from attrs import define, field

from ftlite.storage import shelf
from ftlite.storage.acl import seed
from ftlite.storage.digests import Stopped
from ftlite.storage.errors import Kind, StorageError, from_os_error
from ftlite.storage.granted import Granted
from ftlite.storage.hidden import TREES, Hidden, Home
from ftlite.storage.inventory import Inventory
from ftlite.storage.removal import remove
from ftlite.storage.syscalls import LISTED, lookup, told
from ftlite.trees import Journal, Position

TREE = b"tree"
OLD = b"old-"
_LOCK = b"lock"
_JOURNAL = b"journal"
_GROWS = re.compile(rb"[0-9a-f]{32}-[0-9a-f]{16}")
_FILE = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FULL = (Kind.NO_ROOM, Kind.QUOTA)


@define(eq=False)
class Held:
    """A staging directory whose lock is ours; `home` is its own to close. Closing it, once or twice, lets go."""

    home: Home
    name: bytes
    top: int
    lock: int
    _open: bool = field(default=True, init=False)

    def retire(self) -> None:
        """Let nobody go on with it, also not after a kill."""
        self._rename(OLD + _token())

    def restore(self, place: Granted) -> None:
        """Take `retire` back."""
        self._rename(shelf.key(place) + _token())

    def remove(self) -> bool:
        """Remove it with all that it holds; whether that went."""
        return remove(self.home.fd, self.name, last=_LOCK)

    def now(self) -> int:
        """The time by the clock of its file system, ns since the epoch."""
        os.utime(self.lock)
        return os.fstat(self.lock).st_ctime_ns

    def close(self) -> None:
        if self._open:
            self._open = False
            os.close(self.top)
            os.close(self.lock)
            self.home.close()

    def __del__(self) -> None:
        self.close()

    def _rename(self, name: bytes) -> None:
        name = self.home.prefix + name
        os.rename(self.name, name, src_dir_fd=self.home.fd, dst_dir_fd=self.home.fd)
        self.name = name


@define(eq=False)
class Staging:
    """A live staging directory. Belongs to one transfer; give it to `publish_tree` or `release_tree` in the end.

    Attributes:
        fd: of the directory to unpack into, readable.
        journal: for the Unpacker; counts what has arrived.
        place: what it was begun for; stays the caller's to close, the staging does not need it any more.
        held: the directory around it.
        before: what stood at the target when this transfer began.
    """

    fd: int
    journal: Journal
    place: Granted
    held: Held
    _file: int  # of the journal
    before: Inventory = field(factory=lambda: Inventory(0), init=False)
    full: bool = field(default=False, init=False)
    spent: bool = field(default=False, init=False)  #: something of it was published, so nobody can go on with the rest
    live: bool = field(default=True, init=False)

    @property
    def position(self) -> Position:
        """What stood when this transfer began, for the 150."""
        return self.journal.position

    def failed(self, error: OSError) -> StorageError:
        """The `StorageError` for what unpacking met; after a full disk `release` drops it anyway."""
        met = from_os_error(error, self.place.path)
        self.full = self.full or met.kind in _FULL
        return met

    def can_resume(self) -> bool:
        """Whether somebody could go on with it, were it kept."""
        arrived = self.journal.manifest.entries > 0 or self.journal.partial is not None or os.listdir(self.fd)
        return not self.full and not self.spent and bool(arrived)

    def leave(self) -> Held:
        """The directory around it alone, which becomes the caller's; the staging is over."""
        if self.live:
            self.live = False
            os.close(self.fd)
            os.close(self._file)
        return self.held

    def close(self) -> None:
        """Let go without a decision, as a kill would: the staging becomes idle. Closing twice is fine."""
        if self.live:
            self.leave().close()

    def __del__(self) -> None:
        self.close()


class Stagings:
    """Makes, finds and sweeps the staging directories of one store. Thread-safe."""

    def __init__(self, hidden: Hidden, part_age: float) -> None:
        self._hidden = hidden
        self._age = part_age
        self.others: Callable[[Home], object] = lambda _: None  #: called with a home whose disk needs room
        self._mutex = threading.Lock()  # to see whether one is idle is to lock it for a moment: one at a time

    def begin(
        self,
        place: Granted,
        above: int,
        *,
        fresh: bool,
        algorithm: str = "sha256",
        size: int | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Staging:
        """Go on with the owner's idle staging for the path of `place`, or make one; others that are idle go.

        Args:
            above: descriptor of the directory that the tree will be in, or be merged into: it lives on the mount of
                that one, and takes its group and default ACL.
            fresh: what stands is discarded.
            size: octets that the tree is said to have (NO_ROOM at once).
            stop: asked while what stands is read again; True ends it with `Stopped`.

        Raises:
            StorageError: BUSY: a live transfer has it; NO_ROOM, or what the disk says.
        """
        with told(place.path):
            useless: list[Held] = []
            try:
                with self._mutex:
                    held = self._idle(above, place, useless, fresh=fresh) or self._make(above, place)
            finally:
                for other in useless:
                    other.remove()
                    other.close()
            try:
                staging = _staging(held, place, algorithm, stop)
            except BaseException:
                held.close()
                raise
            if size is not None and not self._has_room(held, size - staging.journal.manifest.size):
                self.release(staging, keep=True)
                raise StorageError(Kind.NO_ROOM, place.path, f"the disk has no room for {size} octets")
            return staging

    def release(self, staging: Staging, *, keep: bool) -> None:
        """Let a failed transfer's staging go: kept for its owner to go on with, or removed. A no-op after a publish.

        Removed in any case: one with nothing in it, or of which something was published, and one that met a full disk
        (`Staging.failed`); then idle ones go too: the next upload finds room, and theirs can begin afresh.
        """
        if not staging.live:
            return
        with told(staging.place.path):
            try:
                if keep and staging.can_resume():
                    os.utime(staging.held.lock)  # its age begins
                else:
                    staging.held.retire()
                    staging.held.remove()
                if staging.full:
                    self._make_room(staging.held.home)
            finally:
                staging.close()

    def sweep(self, now: float) -> int:
        """Remove idle stagings that did not change for `part_age` seconds before `now` (epoch), and what is left of old
        trees; how many."""

        def clean(home: Home) -> int:
            return sum(self._remove(home, name) for name in home.names() if self._is_over(home, name, now))

        with told("/"):
            return self._hidden.sweep(clean, drawer=TREES)

    def give_way(self, home: Home) -> int:
        """Remove the idle stagings on the disk of a home of any drawer, whosever they are; how many."""
        if home.prefix:
            return self._remove_idle(Home(home.fd, TREES.beside))
        drawer = self._hidden.drawer(TREES.name, make=False)
        if drawer is None:
            return 0
        whole = Home(drawer, b"")
        try:
            return self._remove_idle(whole)
        finally:
            whole.close()

    def _make_room(self, home: Home) -> None:
        self._remove_idle(home)
        self.others(home)

    def _remove_idle(self, home: Home) -> int:
        return sum(self._remove(home, name) for name in home.names() if _is_one(home, name))

    def _idle(self, above: int, place: Granted, useless: list[Held], *, fresh: bool) -> Held | None:
        """The newest idle staging of this owner and path, taken; others are retired and added to `useless`."""
        home = self._hidden.home(above, make=True, drawer=TREES)
        try:
            start = home.prefix + shelf.key(place)
            names = [name for name in home.names() if name.startswith(start) and _is_one(home, name)]
            found: Held | None = None
            for name in sorted(names, key=lambda name: _changed(home, name), reverse=True):
                try:
                    held = _take(home, name, lockless=True)  # who was killed as it made one left it without a lock
                except FileNotFoundError:
                    continue
                except BlockingIOError:
                    if found is not None:
                        found.close()
                    reason = "another transfer of it is under way: try again later"
                    raise StorageError(Kind.BUSY, place.path, reason) from None
                if found is None and not fresh and lookup(held.top, TREE) is not None:
                    found = held
                else:
                    useless.append(held)
                    held.retire()
            return found
        finally:
            home.close()

    def _make(self, above: int, place: Granted) -> Held:
        """A new one, taken."""
        home = self._hidden.home(above, make=True, drawer=TREES)
        try:
            while True:
                name = home.prefix + shelf.key(place) + _token()
                os.mkdir(name, 0o700, dir_fd=home.fd)
                with suppress(FileNotFoundError, BlockingIOError):  # another process swept it between two calls
                    held = _take(home, name, lockless=True)
                    break
        finally:
            home.close()
        try:
            os.mkdir(TREE, 0o700, dir_fd=held.top)
            fd = os.open(TREE, LISTED, dir_fd=held.top)
            try:
                seed(fd, above)
            finally:
                os.close(fd)
        except BaseException:
            held.remove()
            held.close()
            raise
        return held

    def _has_room(self, held: Held, size: int) -> bool:
        """Whether the disk has room for so many octets, after idle stagings gave way if need be."""
        for attempt in range(2):
            facts = os.fstatvfs(held.top)
            if size <= facts.f_bavail * facts.f_frsize:
                return True
            if not attempt:
                self._make_room(held.home)
        return False

    def _is_over(self, home: Home, name: bytes, now: float) -> bool:
        if name.startswith(home.prefix + OLD):
            return True
        return _is_one(home, name) and _changed(home, name) < (now - self._age) * 1_000_000_000

    def _remove(self, home: Home, name: bytes) -> bool:
        """Remove one if it is idle; whether that was so. What the disk refuses stays for the next time."""
        with suppress(OSError):
            with self._mutex:
                held = _take(home, name, lockless=True)
            try:
                if not name.startswith(home.prefix + OLD):
                    held.retire()
                return held.remove()
            finally:
                held.close()
        return False


def _staging(held: Held, place: Granted, algorithm: str, stop: Callable[[], bool]) -> Staging:
    """Open what `held` holds; it is closed with the staging."""
    fds: list[int] = []
    try:
        fds.append(os.open(TREE, LISTED, dir_fd=held.top))
        fds.append(os.open(_JOURNAL, _FILE | os.O_CREAT, 0o600, dir_fd=held.top))
        journal = Journal.open(fds[1], fds[0], algorithm=algorithm, stop=stop)
        if journal is None:
            raise Stopped
        return Staging(fds[0], journal, place, held, fds[1])
    except BaseException:
        for fd in fds:
            os.close(fd)
        raise


def _take(home: Home, name: bytes, *, lockless: bool = False) -> Held:
    """Open and lock an idle one. `lockless`: also one that has no lock (yet, or any more).

    Raises:
        BlockingIOError: it is live.
        FileNotFoundError: it is gone.
    """
    top = os.open(name, LISTED, dir_fd=home.fd)
    lock = -1
    try:
        lock = os.open(_LOCK, _FILE | (os.O_CREAT if lockless else 0), 0o600, dir_fd=top)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        now = os.stat(name, dir_fd=home.fd, follow_symlinks=False)
        if not os.path.samestat(os.fstat(top), now) or not os.fstat(lock).st_nlink:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return Held(Home(os.dup(home.fd), home.prefix), name, top, lock)
    except BaseException:
        os.close(top)
        if lock >= 0:
            os.close(lock)
        raise


def _is_one(home: Home, name: bytes) -> bool:
    return _GROWS.fullmatch(name, len(home.prefix)) is not None


def _changed(home: Home, name: bytes) -> int:
    """When anything in it last changed, as far as one look tells; ns since the epoch, 0 when it is gone."""
    with suppress(OSError):
        top = os.open(name, LISTED, dir_fd=home.fd)
        try:
            inside = [lookup(top, os.fsencode(inner)) for inner in os.listdir(top)]
            return max(facts.st_ctime_ns for facts in (os.fstat(top), *inside) if facts is not None)
        finally:
            os.close(top)
    return 0


def _token() -> bytes:
    return secrets.token_hex(8).encode()
