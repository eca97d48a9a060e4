"""What was published as a tree: one record for each such directory, in `.ftlite/published/`, keyed by device and inode.

A record tells a tree from a directory that somebody made, and what the tree's publish put into it from what came there
otherwise. It is written before its directory gets a name, so none is ever missing; one whose directory is gone does no
harm (its inode's number may be given again, its time of birth is not) and goes when records take too much room.
"""

from __future__ import annotations

import array
import json
import os
import secrets
import stat
from contextlib import suppress
from typing import BinaryIO

from attrs import asdict, field, frozen

from ftlite.storage.hidden import Hidden
from ftlite.storage.inventory import MOST, Inventory
from ftlite.storage.syscalls import born, lookup, names_in

_HOME = b"published"
_NEW = b".new"
_MOST_HEAD = 1 << 16
_MOST_BYTES = 256 << 20  # of all records
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC

Key = tuple[int, int]  #: device and inode of a directory


@frozen(eq=False)
class Record:
    """What a tree's publish left.

    Attributes:
        digest: of the manifest, hexadecimal; `algorithm`, `entries` and `size` (octets) belong to it.
        born: ns since the epoch, of the directory; 0: not known.
        real: where it was published, from the served root.
        put: the files that tree publishes put there; without tokens unless it was read whole.
    """

    digest: str
    algorithm: str
    entries: int
    size: int
    born: int
    real: bytes
    put: Inventory = field(repr=False)


class Records:
    """The records of one store. Thread-safe, as the disk is: each is written aside and renamed."""

    def __init__(self, hidden: Hidden) -> None:
        self._hidden = hidden

    def write(self, key: Key, record: Record) -> None:
        """Keep `record` for the directory `key`, in place of an older one; nothing where `.ftlite` cannot be made."""
        home = self._hidden.drawer(_HOME, make=True)
        if home is None:
            return
        try:
            fresh = secrets.token_hex(8).encode() + _NEW
            fd = os.open(fresh, _NEW_FILE, 0o600, dir_fd=home)
            try:
                with os.fdopen(fd, "wb") as file:
                    file.write(_head(record))
                    if record.put.tokens is not None:
                        file.write(record.put.tokens)
                os.rename(fresh, _name(key), src_dir_fd=home, dst_dir_fd=home)
            except BaseException:
                with suppress(OSError):
                    os.unlink(fresh, dir_fd=home)
                raise
        finally:
            os.close(home)

    def read(self, parent: int, name: bytes, *, whole: bool = False) -> Record | None:
        """The record of a directory; None if it was not published as a tree. `whole`: with what it `put`."""
        facts = lookup(parent, name)
        if facts is None or not stat.S_ISDIR(facts.st_mode):
            return None
        home = self._hidden.drawer(_HOME, make=False)
        if home is None:
            return None
        try:
            fd = os.open(_name((facts.st_dev, facts.st_ino)), _READ, dir_fd=home)
        except FileNotFoundError:
            return None
        finally:
            os.close(home)
        with os.fdopen(fd, "rb") as file:
            record = _load(file, whole=whole)
        return record if record is not None and record.born == born(parent, name) else None

    def remove(self, key: Key) -> None:
        """Forget a directory, best effort: a record of nothing does no harm."""
        home = self._hidden.drawer(_HOME, make=False)
        if home is not None:
            with suppress(OSError):
                os.unlink(_name(key), dir_fd=home)
            os.close(home)

    def sweep(self, now: float, age: float) -> None:
        """Remove what a kill left half-written and, when all take too much room, those of what is gone and the oldest.

        Args:
            now, age: seconds since the epoch, and seconds: what is younger may still be being written.
        """
        home = self._hidden.drawer(_HOME, make=False)
        if home is None:
            return
        try:
            kept = []
            for name in names_in(home):
                facts = lookup(home, name)
                if facts is not None and name.endswith(_NEW):
                    if facts.st_mtime < now - age:
                        _unlink(home, name)
                elif facts is not None:
                    kept.append((facts.st_mtime_ns, facts.st_size, name))
            room = sum(size for _, size, _ in kept)
            if room > _MOST_BYTES:
                self._make_room(home, sorted(kept), room)
        finally:
            os.close(home)

    def _make_room(self, home: int, oldest_first: list[tuple[int, int, bytes]], room: int) -> None:
        ordered = sorted(oldest_first, key=lambda kept: self._stands(home, kept[2]))
        for _, size, name in ordered:
            if room <= _MOST_BYTES:
                return
            _unlink(home, name)
            room -= size

    def _stands(self, home: int, name: bytes) -> bool:
        """Whether the tree of a record is where it was published."""
        try:
            fd = os.open(name, _READ, dir_fd=home)
            with os.fdopen(fd, "rb") as file:
                record = _load(file, whole=False)
            if record is None:
                return False
            there = self._hidden.walk(record.real)
        except OSError:
            return False
        try:
            facts = os.fstat(there)
            return _name((facts.st_dev, facts.st_ino)) == name
        finally:
            os.close(there)


def _unlink(home: int, name: bytes) -> None:
    with suppress(FileNotFoundError):  # another server on this root sweeps, too
        os.unlink(name, dir_fd=home)


def _name(key: Key) -> bytes:
    return b"%x-%x" % key


def _head(record: Record) -> bytes:
    """The first line of a record's file; the tokens follow it, 8 octets each as this machine has them."""
    values = asdict(record, recurse=False)
    put = values.pop("put")
    values |= {"real": os.fsdecode(record.real), "made": put.made, "tokens": put.tokens is not None}
    return json.dumps(values).encode() + b"\n"


def _load(file: BinaryIO, *, whole: bool) -> Record | None:
    """A record from its file; None when that is damaged."""
    try:
        values = json.loads(file.readline(_MOST_HEAD))
        tokens = array.array("Q") if values.pop("tokens") else None
        if whole and tokens is not None:
            tokens.frombytes(file.read(8 * MOST))
        put = Inventory(int(values.pop("made")), tokens)
        return Record(real=os.fsencode(values.pop("real")), put=put, **values)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
