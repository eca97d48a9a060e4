"""What stands where: facts of one name and listings. Links are shown, never followed; hidden names are left out."""

from __future__ import annotations

import functools
import grp
import os
import pwd
import stat as modes

from ftlite.protocol.entries import Entry, Kind
from ftlite.storage.errors import Kind as Trouble
from ftlite.storage.errors import StorageError
from ftlite.storage.granted import Granted
from ftlite.storage.hidden import is_hidden
from ftlite.storage.syscalls import told

_KINDS = {modes.S_IFREG: Kind.FILE, modes.S_IFDIR: Kind.DIR, modes.S_IFLNK: Kind.LINK}


def stat(place: Granted) -> Entry:
    """Facts of one name, not following it if it is a link. The root's name is ".".

    Raises:
        StorageError: NOT_FOUND, or what the disk says.
    """
    with told(place.path):
        facts = os.stat(place.name, dir_fd=place.parent, follow_symlinks=False)
        target = os.readlink(place.name, dir_fd=place.parent) if modes.S_ISLNK(facts.st_mode) else None
    return entry_of(place.name, facts, target)


def scan(place: Granted, most: int) -> list[Entry]:
    """The entries of a directory, in the order of their names' bytes. What vanishes meanwhile is left out.

    Raises:
        StorageError: NOT_DIRECTORY, NOT_FOUND, DENIED; TOO_LARGE when there are more than `most` entries.
    """
    with told(place.path):
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(place.name, flags, dir_fd=place.parent)
        try:
            names = []
            with os.scandir(fd) as found:
                for item in found:
                    name = os.fsencode(item.name)
                    if not is_hidden(name):
                        names.append(name)
                        if len(names) > most:
                            reason = f"has more than {most} entries: list a directory below it"
                            raise StorageError(Trouble.TOO_LARGE, place.path, reason)
            names.sort()
            return [entry for name in names if (entry := _look(fd, name)) is not None]
        finally:
            os.close(fd)


def entry_of(name: bytes, facts: os.stat_result, target: bytes | None = None) -> Entry:
    """The `Entry` for lstat's answer; size for plain files and links only."""
    kind = _KINDS.get(modes.S_IFMT(facts.st_mode), Kind.OTHER)
    return Entry(
        name=name.decode("utf-8", "surrogateescape"),
        kind=kind,
        size=facts.st_size if kind in (Kind.FILE, Kind.LINK) else None,
        modify_ns=facts.st_mtime_ns,
        mode=modes.S_IMODE(facts.st_mode),
        owner=_user_name(facts.st_uid),
        group=_group_name(facts.st_gid),
        unique=f"{facts.st_dev:x}g{facts.st_ino:x}",
        target=None if target is None else target.decode("utf-8", "surrogateescape"),
    )


def _look(fd: int, name: bytes) -> Entry | None:
    """One entry of a listing; None when it vanished, and a name without facts when the disk will not tell."""
    try:
        facts = os.stat(name, dir_fd=fd, follow_symlinks=False)
        target = os.readlink(name, dir_fd=fd) if modes.S_ISLNK(facts.st_mode) else None
    except FileNotFoundError:
        return None
    except OSError:
        return Entry(name=name.decode("utf-8", "surrogateescape"), kind=Kind.OTHER)
    return entry_of(name, facts, target)


@functools.lru_cache(maxsize=4096)
def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


@functools.lru_cache(maxsize=4096)
def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
