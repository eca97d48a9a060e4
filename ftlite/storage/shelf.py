"""Finding and taking parts. A part is live while its descriptor is locked (flock), idle otherwise.

The lock is the kernel's, so whatever kills the server frees its parts by the same stroke. A part's name tells whose it
is and for which path, so no index can disagree with the disk. Whoever takes a part looks again, under the lock, whether
the name still means the file it opened: in between it may have been published or swept.

A name is the key of owner and path, a token of its own, and a mark that says which sort of part it is: a stock upload's
has none, `COPY` began as a copy of what is published, `STREAM` is of a native upload without a size, `NATIVE` goes on
with the declared size and modify. Beside a native part lies its journal, under its name with a suffix; a journal is no
part, and without one it is garbage.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
import stat
from contextlib import suppress

from attrs import frozen

from ftlite.storage.granted import Granted
from ftlite.storage.hidden import SHELF, Home
from ftlite.storage.journal import SUFFIX
from ftlite.storage.syscalls import lookup, pin, proc

COPY = b"-copy"
STREAM = b"-stream"
NATIVE = b"-native-"
_KEY, _TOKEN = 32, 16  # hexadecimal digits
_STOCK = (b"", COPY)
_WORTHLESS = (COPY, STREAM)  # once their transfer is killed
_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@frozen
class Shelf:
    """What stands for one owner and path.

    Attributes:
        fd: the newest idle part that is long enough, taken; None if there is none.
        name: its name.
        size: its bytes.
        idle: whether any part is idle, also one too short.
        live: whether another transfer writes one.
    """

    fd: int | None = None
    name: bytes = b""
    size: int = 0
    idle: bool = False
    live: bool = False


def key(place: Granted) -> bytes:
    """How the names of all parts of this owner for this path begin."""
    whole = f"{place.owner}\0{place.path}".encode("utf-8", "surrogateescape")
    return hashlib.sha256(whole).hexdigest()[:32].encode() + b"-"


def shelf_of(start: bytes) -> bytes:
    """The shelf in `.ftlite/parts` for parts whose names begin with `start`."""
    return start[:SHELF]


def make(home: Home, place: Granted, mark: bytes = b"") -> tuple[int, bytes]:
    """A new empty part, taken: (descriptor, name). Mode 0600 until it is published."""
    while True:
        name = home.prefix + key(place) + secrets.token_hex(_TOKEN // 2).encode() + mark
        fd = os.open(name, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=home.fd)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # another process found it idle between the two calls; it is theirs
            os.close(fd)
        except BaseException:
            os.close(fd)
            raise
        else:
            return fd, name


def take(home: Home, name: bytes) -> int:
    """Open and lock an idle part.

    Raises:
        BlockingIOError: it is live.
        FileNotFoundError: it is gone, or its content has a name of its own already.
    """
    fd = _open(home, name)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        facts = os.fstat(fd)
        if not os.path.samestat(facts, os.stat(name, dir_fd=home.fd, follow_symlinks=False)):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if facts.st_nlink > 1:  # killed while publishing by link and unlink: to write on would change what readers see
            unlink(home, name)
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    except BaseException:
        os.close(fd)
        raise
    return fd


def newest(home: Home, place: Granted, least: int) -> Shelf:
    """Take the newest idle stock part of this owner and path that has at least `least` bytes.

    A copy whose transfer was killed is removed: nobody could resume it, and it would bar the next APPE.
    """
    idle = live = False
    for _, name in stock(home, place):
        try:
            fd = take(home, name)
        except FileNotFoundError:
            continue
        except BlockingIOError:
            live = True
            continue
        if name.endswith(COPY):
            os.close(fd)
            remove(home, name)
            continue
        idle = True
        size = os.fstat(fd).st_size
        if size >= least:
            return Shelf(fd, name, size, idle, live)
        os.close(fd)
    return Shelf(idle=idle, live=live)


Found = list[tuple[os.stat_result, bytes]]


def all_parts(home: Home, start: bytes = b"") -> Found:
    """All parts whose name goes on with `start` after the home's prefix, newest first; nothing else is one."""
    found = []
    for name in home.names():
        if name.startswith(home.prefix + start) and not name.endswith(SUFFIX):
            facts = lookup(home.fd, name)
            if facts is not None and stat.S_ISREG(facts.st_mode):
                found.append((facts, name))
    return sorted(found, key=lambda part: (part[0].st_ctime_ns, part[1]), reverse=True)


def stock(home: Home, place: Granted) -> Found:
    """The parts of this owner's stock uploads of this path, newest first."""
    return [part for part in all_parts(home, key(place)) if mark_of(home, part[1]) in _STOCK]


def native(home: Home, place: Granted, mark: bytes = b"") -> Found:
    """The parts of this owner's native uploads of this path, newest first; with `mark`, those that have this one."""
    found = ((part, mark_of(home, part[1])) for part in all_parts(home, key(place)))
    return [part for part, its in found if its not in _STOCK and (not mark or its == mark)]


def key_of(home: Home, name: bytes) -> bytes:
    """What `key` gives for the owner and path of a part, without its last ``-``."""
    return name[len(home.prefix) :][:_KEY]


def mark_of(home: Home, name: bytes) -> bytes:
    """The mark at the end of a part's name."""
    return name[len(home.prefix) + _KEY + 1 + _TOKEN :]


def outgrow(home: Home, place: Granted, name: bytes) -> None:
    """Of the idle stock parts of this owner and path beside `name`, keep the longest, if it is longer; no other."""
    size = os.stat(name, dir_fd=home.fd, follow_symlinks=False).st_size
    longest_first = sorted(stock(home, place), key=lambda part: part[0].st_size, reverse=True)
    kept = False
    for facts, other in longest_first:
        if other == name:
            continue
        if not kept and facts.st_size > size and not other.endswith(COPY):
            with suppress(OSError):  # a live one is not ours to judge
                os.close(take(home, other))
                kept = True
        else:
            remove(home, other)


def outnumber(home: Home, place: Granted, most: int) -> None:
    """Of this owner's idle native parts for this path, keep the `most` newest (live ones count, too)."""
    for number, (_, name) in enumerate(native(home, place)):
        if number >= most or mark_of(home, name) in _WORTHLESS:
            remove(home, name)


def remove(home: Home, name: bytes) -> bool:
    """Remove a part if it is idle; whether that was so. What the disk refuses stays for the next time."""
    with suppress(OSError):
        fd = take(home, name)
        try:
            unlink(home, name)
            return True
        finally:
            os.close(fd)
    return False


def unlink(home: Home, name: bytes) -> None:
    """Remove a part that is taken, and its journal first: what a kill leaves in between begins afresh."""
    drop_journal(home, name)
    os.unlink(name, dir_fd=home.fd)


def drop_journal(home: Home, name: bytes) -> None:
    """Remove the journal of a part, if it has one."""
    if NATIVE in name:
        with suppress(FileNotFoundError):
            os.unlink(name + SUFFIX, dir_fd=home.fd)


def drop_orphans(home: Home) -> None:
    """Remove journals whose parts are gone: the server was killed between publishing a part and removing its journal.

    A part is older than its journal and never comes again, so what is missing now is gone for good.
    """
    for name in home.names():
        if name.endswith(SUFFIX) and lookup(home.fd, name.removesuffix(SUFFIX)) is None:
            with suppress(OSError):
                os.unlink(name, dir_fd=home.fd)


def _open(home: Home, name: bytes) -> int:
    try:
        return os.open(name, _FLAGS, dir_fd=home.fd)
    except PermissionError:  # killed on the verge of being published, it wears its target's mode already
        fd = pin(home.fd, name)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise
            os.chmod(proc(fd), 0o600)
            return os.open(name, _FLAGS, dir_fd=home.fd)
        finally:
            os.close(fd)
