"""Digests of files, and those of whole files kept, keyed by all that changes when a file does.

A kept digest is an optimisation: any trouble with the database just means that it is made again. The danger is a change
that leaves no trace in the key. Clocks of file systems tick slowly (every 1 to 10 ms), so somebody who writes in place
in the tick of the last ctime, and sets mtime back as reproducible builds do, leaves size, mtime and ctime as they were.
Two rules keep such a change from being taken for what was hashed before it:

- A file that others may have changed (`digest`) must have a ctime well before the hashing begins. The tick of that
  ctime was over by then, so what was read is what stood after the last change in it, and any later one shows.
  Except through a mapping: only the first store to a page gives a time, until the page has been written to the disk
  (on a tmpfs: never). A wrong digest would make every later download of the file fail. So one of a file that rested for
  less than a page may stay dirty counts until then and no longer, and one that a download made (`keep_read`), which
  nobody asked for, not at all.
- What is published was hashed as it flowed into a part of ours (mode 0600, in a directory of mode 0700), where nobody
  else can write, and ctime is that of the rename: the tick is not over, and no later look can tell what happened in the
  rest of it. To wait does not help; the digest is either safe when the name appears or never. It is safe where every
  change after a look gets a ctime of its own (multigrain timestamps: ext4, XFS, Btrfs and tmpfs since Linux 6.13). Then
  the fstat just before the rename makes the rename's ctime a new one, and the fstat just after makes every later
  change show. Between the two a write shows by mtime, which is ours and lies before the rename. Only who opens,
  rewrites and sets mtime back between two system calls of ours could hide; nobody does by accident. Whether a file
  system is of that kind is found out by trying (`sees_each_change`), once for each device. On others the digest of an
  upload is not kept, and the first HASH makes it, by the first rule.

The kept ones of a publish are written in groups: who kills the server loses some, and they are made again.
"""

from __future__ import annotations

import hashlib
import os
import stat
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, TypeVar

from ftlite.storage.errors import Kind, StorageError
from ftlite.storage.granted import Granted
from ftlite.storage.hidden import Hidden
from ftlite.storage.read import open_plain
from ftlite.storage.syscalls import Version, proc, told, version
from ftlite.trees import manifest

if TYPE_CHECKING:
    import sqlite3

_BLOCK = 1 << 20
_SETTLED_NS = 2_000_000_000
_CLEAN_NS = 60_000_000_000  # Linux writes after 30 s what is dirty, and looks every 5 s (vm.dirty_expire_centisecs)
_MOST = 100_000  # rows
_GROUP = 512  # kept digests that wait for being written together
_LARGE = 64 << 20  # bytes of a file whose digest is written at once: it took long to make
_COARSE = 5  # CLOCK_REALTIME_COARSE (linux/time.h): when file systems that tick slowly tick
_ROUNDS = 3
_TRIES = 20
_FILE = "digests.sqlite"
_SCHEMA = """
create table if not exists digests (file text, algorithm text, version text, digest text, primary key (file, algorithm))
"""


_T = TypeVar("_T")


class Stopped(Exception):
    """The caller's `stop` said so; nothing is known of the digest."""


class Hasher(Protocol):
    def update(self, data: memoryview, /) -> object: ...

    def hexdigest(self) -> str: ...


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: memoryview, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def hexdigest(self) -> str:
        return f"{self._value:08x}"


_ALGORITHMS: dict[str, Callable[[], Hasher]] = {
    "SHA-256": manifest.maker("sha256"),
    "SHA-512": hashlib.sha512,
    "SHA-1": lambda: hashlib.sha1(usedforsecurity=False),
    "MD5": lambda: hashlib.md5(usedforsecurity=False),
    "CRC32": _Crc32,
}
if "blake3" in manifest.ALGORITHMS:
    _ALGORITHMS["BLAKE3"] = manifest.maker("blake3")

#: Names as in draft-bryan-ftpext-hash s.3.1, the preferred one first.
ALGORITHMS = tuple(_ALGORITHMS)


class Digests:
    """Makes and keeps the digests of one store. Thread-safe.

    Args:
        clock: ns since the epoch.
    """

    def __init__(self, hidden: Hidden, *, clock: Callable[[], int] = time.time_ns) -> None:
        self._hidden = hidden
        self._clock = clock
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None
        self._recent: dict[tuple[str, str], tuple[str, str]] = {}  # (file, algorithm): (version, digest)
        self._young: dict[tuple[str, str], tuple[str, str, int]] = {}  # the same, and until when it counts
        self._fine: dict[int, bool] = {}  # by device

    def digest(self, place: Granted, algorithm: str, start: int, end: int | None, stop: Callable[[], bool]) -> str:
        """The hex digest of bytes `start` to `end` (None: to the end). See `LocalStore.digest`."""
        make = _ALGORITHMS.get(algorithm)
        if make is None:
            reason = f"no digest named {algorithm}: choose from {', '.join(ALGORITHMS)}"
            raise StorageError(Kind.UNSUPPORTED, place.path, reason)
        with told(place.path), open_plain(place) as source:
            before = os.fstat(source.fd)
            size = before.st_size
            last = size if end is None else end
            if not 0 <= start <= last <= size:
                raise StorageError(Kind.BAD_OFFSET, place.path, f"bytes {start} to {last} are not within its {size}")
            if start == 0 and last == size:
                digest = self.whole(source.fd, place.path, algorithm, stop)
                self.flush()
                return digest
            hasher = make()
            complete = _feed(hasher, source.fd, start, last, stop)
            if not complete or version(os.fstat(source.fd)) != version(before):
                raise _changed(place.path)
            return hasher.hexdigest()

    def whole(self, fd: int, path: str, algorithm: str, stop: Callable[[], bool]) -> str:
        """The hex digest of an open plain file, all of it: as it is kept, or made and kept when it can be trusted.

        Args:
            path: what errors call it.
            algorithm: one of `ALGORITHMS`.

        Raises:
            StorageError: BUSY when the file changed meanwhile.
        """
        began = self._clock()
        before = os.fstat(fd)
        if (kept := self._kept(version(before), algorithm)) is not None:
            return kept
        hasher = _ALGORITHMS[algorithm]()
        complete = _feed(hasher, fd, 0, before.st_size, stop)
        if not complete or version(os.fstat(fd)) != version(before):
            raise _changed(path)
        digest = hasher.hexdigest()
        rested = began - before.st_ctime_ns
        if rested >= _CLEAN_NS:
            self.keep(version(before), {algorithm: digest})
        elif rested >= _SETTLED_NS:  # the tick of its last change was over
            self._keep_for_now(version(before), algorithm, digest)
        return digest

    def keep_read(self, fd: int, before: os.stat_result, began: int, algorithm: str, digest: str) -> None:
        """Keep what somebody else made of an open file, all of it, where no mapping hides a change of it (first rule).

        Args:
            before: fstat's answer from before the reading, which `began` then (ns since the epoch).
        """
        with suppress(OSError):  # of fstat (ESTALE): then it is not known whether it changed
            if before.st_ctime_ns <= began - _CLEAN_NS and version(os.fstat(fd)) == version(before):
                self.keep(version(before), {algorithm: digest})

    def kept(self, facts: os.stat_result, algorithm: str) -> str | None:
        """The hex digest of a plain file, if one is kept that can be trusted."""
        return self._kept(version(facts), algorithm) if stat.S_ISREG(facts.st_mode) else None

    def keep(self, facts: Version, digests: Mapping[str, str]) -> None:
        """Keep digests (hex, by algorithm) of this version of a file; the caller knows that they can be trusted."""
        with self._lock:
            for algorithm, digest in digests.items():
                self._recent.pop((_file(facts), algorithm), None)  # the latest come last
                self._recent[_file(facts), algorithm] = _version(facts), digest
            if len(self._recent) >= _GROUP or facts[2] >= _LARGE:
                self._write()

    def _keep_for_now(self, facts: Version, algorithm: str, digest: str) -> None:
        """Keep the digest of a file that has not rested for long, until it has; the latest of them, by this process."""
        with self._lock:
            key = _file(facts), algorithm
            self._young.pop(key, None)
            self._young[key] = _version(facts), digest, facts[4] + _CLEAN_NS
            if len(self._young) > _GROUP:
                del self._young[next(iter(self._young))]

    def sees_each_change(self, fd: int) -> bool:
        """Whether each change after a look (stat) gets a ctime of its own on this file system, found out on this file.

        Args:
            fd: a file of ours that nobody else can write to; its ctime changes.

        Raises:
            OSError: as the disk says.
        """
        facts = os.fstat(fd)
        if (known := self._fine.get(facts.st_dev)) is None:
            known = self._fine[facts.st_dev] = _tick_finely(fd, stat.S_IMODE(facts.st_mode))
        return known

    def flush(self) -> None:
        """Write what waits for it."""
        with self._lock:
            self._write()

    def close(self) -> None:
        """Write what waits for it and close the database; it opens again when it is needed."""
        with self._lock:
            self._write()
            self._disconnect()

    def _kept(self, facts: Version, algorithm: str) -> str | None:
        sql = "select digest from digests where file = ? and algorithm = ? and version = ?"
        with self._lock:
            young = self._young.get((_file(facts), algorithm))
            if young is not None and young[0] == _version(facts) and self._clock() < young[2]:
                return young[1]
            recent = self._recent.get((_file(facts), algorithm))
            if recent is not None:
                return recent[1] if recent[0] == _version(facts) else None
            row = self._with_database(
                lambda database: database.execute(sql, (_file(facts), algorithm, _version(facts))).fetchone(),
                make=False,
            )
        return None if row is None else str(row[0])

    def _write(self) -> None:
        if not self._recent:
            return
        rows = [(*key, *value) for key, value in self._recent.items()]

        def write(database: sqlite3.Connection) -> bool:
            database.execute("begin")
            database.executemany("replace into digests values (?, ?, ?, ?)", rows)
            database.execute("delete from digests where rowid <= (select max(rowid) from digests) - ?", (_MOST,))
            database.execute("commit")
            return True

        if self._with_database(write, make=True):
            self._recent.clear()
        else:  # a root that is only read, or trouble: the latest are at hand as long as the process
            for key in list(self._recent)[: -_GROUP // 2]:
                del self._recent[key]

    def _with_database(self, work: Callable[[sqlite3.Connection], _T], *, make: bool) -> _T | None:
        """What `work` answers; None when the database cannot be used. Under the lock."""
        import sqlite3

        try:
            if self._database is None:
                self._database = self._connect(make=make)
            return None if self._database is None else work(self._database)
        except (sqlite3.Error, OSError):
            self._disconnect()
            return None

    def _connect(self, *, make: bool) -> sqlite3.Connection | None:
        import sqlite3

        home = self._hidden.directory(make=make)
        if home is None:
            return None
        try:
            path = f"{proc(home)}/{_FILE}"
            if not make and not os.path.exists(path):
                return None
            database = sqlite3.connect(path, timeout=0.2, isolation_level=None, check_same_thread=False)
        finally:
            os.close(home)
        try:
            database.execute("pragma synchronous = off")  # losing kept digests costs nothing but time
            database.execute(_SCHEMA)
        except sqlite3.Error:
            database.close()
            raise
        return database

    def _disconnect(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None


def _feed(hasher: Hasher, fd: int, start: int, end: int, stop: Callable[[], bool]) -> bool:
    """Hash bytes `start` to `end`; whether all of them were there. `stop` is asked before each block."""
    with suppress(OSError):  # only advice
        os.posix_fadvise(fd, start, end - start, os.POSIX_FADV_SEQUENTIAL)
    block = memoryview(bytearray(min(_BLOCK, max(end - start, 1))))
    while start < end:
        if stop():
            raise Stopped
        count = os.preadv(fd, [block[: end - start]], start)
        if count == 0:
            return False
        hasher.update(block[:count])
        start += count
    return True


def _changed(path: str) -> StorageError:
    return StorageError(Kind.BUSY, path, "it changed while it was read: try again")


def _tick_finely(fd: int, mode: int) -> bool:
    """Whether changes within one tick of the kernel's coarse clock get times of their own, if we look in between."""
    for _ in range(_TRIES):
        tick = time.clock_gettime_ns(_COARSE)
        times = []
        for _ in range(_ROUNDS):
            os.fchmod(fd, mode)
            times.append(os.fstat(fd).st_ctime_ns)
        if time.clock_gettime_ns(_COARSE) == tick:
            return len(set(times)) == _ROUNDS
    return False


def _file(facts: Version) -> str:
    return "{}:{}".format(*facts[:2])


def _version(facts: Version) -> str:
    return "{}:{}:{}".format(*facts[2:])
