"""Digests of files, and those of whole files kept, keyed by all that changes when a file does.

A kept digest is an optimisation: any trouble with the database just means that it is made again. It is kept only when
the file's ctime lies well before the hashing began: clocks of file systems tick slowly, so a change in the same tick
would leave no trace.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from ftlite.storage.errors import Kind, StorageError
from ftlite.storage.granted import Granted
from ftlite.storage.hidden import Hidden
from ftlite.storage.read import open_plain
from ftlite.storage.syscalls import Version, proc, told, version

if TYPE_CHECKING:
    import sqlite3

_BLOCK = 1 << 20
_SETTLED_NS = 2_000_000_000
_MOST = 100_000  # rows
_FILE = "digests.sqlite"
_SCHEMA = """
create table if not exists digests (file text, algorithm text, version text, digest text, primary key (file, algorithm))
"""


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


def _blake3() -> Hasher:
    hasher: Hasher = importlib.import_module("blake3").blake3()
    return hasher


_ALGORITHMS: dict[str, Callable[[], Hasher]] = {
    "SHA-256": hashlib.sha256,
    "SHA-512": hashlib.sha512,
    "SHA-1": lambda: hashlib.sha1(usedforsecurity=False),
    "MD5": lambda: hashlib.md5(usedforsecurity=False),
    "CRC32": _Crc32,
}
if importlib.util.find_spec("blake3") is not None:
    _ALGORITHMS["BLAKE3"] = _blake3

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

    def digest(self, place: Granted, algorithm: str, start: int, end: int | None, stop: Callable[[], bool]) -> str:
        """The hex digest of bytes `start` to `end` (None: to the end). See `LocalStore.digest`."""
        make = _ALGORITHMS.get(algorithm)
        if make is None:
            reason = f"no digest named {algorithm}: choose from {', '.join(ALGORITHMS)}"
            raise StorageError(Kind.UNSUPPORTED, place.path, reason)
        with told(place.path), open_plain(place) as source:
            began = self._clock()
            before = os.fstat(source.fd)
            size = before.st_size
            last = size if end is None else end
            if not 0 <= start <= last <= size:
                raise StorageError(Kind.BAD_OFFSET, place.path, f"bytes {start} to {last} are not within its {size}")
            whole = start == 0 and last == size
            if whole and (kept := self._kept(version(before), algorithm)) is not None:
                return kept
            hasher = make()
            complete = _feed(hasher, source.fd, start, last, stop)
            if not complete or version(os.fstat(source.fd)) != version(before):
                raise StorageError(Kind.BUSY, place.path, "it changed while it was read: try again")
            digest = hasher.hexdigest()
            if whole and before.st_ctime_ns <= began - _SETTLED_NS:
                self._keep(version(before), algorithm, digest)
            return digest

    def close(self) -> None:
        """Close the database; it opens again when it is needed."""
        with self._lock:
            self._disconnect()

    def _kept(self, facts: Version, algorithm: str) -> str | None:
        sql = "select digest from digests where file = ? and algorithm = ? and version = ?"
        row = self._run(sql, (_file(facts), algorithm, _version(facts)), make=False)
        return None if row is None else str(row[0])

    def _keep(self, facts: Version, algorithm: str, digest: str) -> None:
        sql = "replace into digests values (?, ?, ?, ?)"
        self._run(sql, (_file(facts), algorithm, _version(facts), digest), make=True)
        self._run("delete from digests where rowid <= (select max(rowid) from digests) - ?", (_MOST,), make=True)

    def _run(self, sql: str, values: tuple[object, ...], *, make: bool) -> tuple[object, ...] | None:
        """The first row of an answer; None as well when the database cannot be used."""
        import sqlite3

        with self._lock:
            try:
                if self._database is None:
                    self._database = self._connect(make=make)
                if self._database is None:
                    return None
                row: tuple[object, ...] | None = self._database.execute(sql, values).fetchone()
            except (sqlite3.Error, OSError):
                self._disconnect()
                return None
            return row

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


def _file(facts: Version) -> str:
    return "{}:{}".format(*facts[:2])


def _version(facts: Version) -> str:
    return "{}:{}:{}".format(*facts[2:])
