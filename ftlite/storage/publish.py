"""Publishing: the one rename by which bytes get a name. Readers see the old file or the complete new one.

Everything that can fail or take long is done to the part while its name is hidden; under the lock on its name the place
is judged again, and nothing stands between that and the rename.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress

from attrs import frozen

from ftlite.config.models import Durability, StorageConfig
from ftlite.config.rights import Right
from ftlite.protocol.entries import Entry
from ftlite.storage.acl import dress
from ftlite.storage.digests import Digests
from ftlite.storage.errors import Kind, StorageError
from ftlite.storage.granted import Granted
from ftlite.storage.grouped import GroupSync
from ftlite.storage.locks import Locks
from ftlite.storage.names import keepable
from ftlite.storage.news import Change, News
from ftlite.storage.parts import Part, Parts, may_write
from ftlite.storage.scan import entry_of
from ftlite.storage.syscalls import lookup, rename_new, token, told, version


@frozen
class _How:
    replace: bool
    absent: bool
    modify_ns: int | None
    mode: int | None


class Publisher:
    """Publishes the parts of one store. Thread-safe."""

    def __init__(
        self, parts: Parts, locks: Locks, news: News, group: GroupSync, digests: Digests, config: StorageConfig
    ) -> None:
        self._parts = parts
        self._locks = locks
        self._news = news
        self._group = group
        self._digests = digests
        self._config = config

    def publish(
        self,
        part: Part,
        regrant: Callable[[], Granted],
        *,
        replace: bool,
        absent: bool = False,
        modify_ns: int | None = None,
        mode: int | None = None,
        digests: Mapping[str, str] | None = None,
    ) -> Entry:
        """Rename `part` to the place that `regrant` answers, and close it. See `LocalStore.publish`."""
        how = _How(replace and not absent, absent, modify_ns, mode)
        durable = part.durability is Durability.FSYNC
        with told(part.place.path):
            if durable:  # what takes long, before others wait for the name
                os.fsync(part.fd)
            ticks = digests is not None and self._digests.sees_each_change(part.fd)
            with self._locks.regrant(part.place, regrant) as place:
                try:
                    before, after = self._rename(part, place, how)
                except BaseException:
                    _undress(part)
                    raise
            with place:
                part.version = token(version(after))
                if digests is not None and ticks and _untouched(before, after):
                    self._digests.keep(version(after), digests)
                self._settle(part, place, durable=durable)
        return entry_of(place.name, after)

    def _settle(self, part: Part, place: Granted, *, durable: bool) -> None:
        """What is left to do after the rename: make it durable, tell of it, and tidy up."""
        try:
            if durable:
                os.fsync(part.fd)  # modes and times
                self._group.sync(place.parent)
        finally:
            self._parts.drop_idle(part)
            part.close()
            self._news.tell(place, Change.PUBLISH)

    def _rename(self, part: Part, place: Granted, how: _How) -> tuple[os.stat_result, os.stat_result]:
        """Dress the part and rename it; fstat just before and just after."""
        there = lookup(place.parent, place.name)
        replace = how.replace and Right.OVERWRITE in place.rights
        _judge(part, place, there, replace=replace, absent=how.absent)
        dress(part.fd, place.parent, place.name, there, mode=how.mode, umask=self._config.umask)
        if how.modify_ns is not None:
            with keepable(place):
                os.utime(part.fd, ns=(os.fstat(part.fd).st_atime_ns, how.modify_ns))
        before = os.fstat(part.fd)
        try:
            if replace:
                os.rename(part.name, place.name, src_dir_fd=part.home.fd, dst_dir_fd=place.parent)
            else:
                rename_new(part.home.fd, part.name, place.parent, place.name)
        except OSError as error:
            if error.errno == errno.EXDEV:
                reason = "its directory is on another file system now than when the upload began: upload it again"
                raise StorageError(Kind.UNSUPPORTED, place.path, reason) from error
            raise
        return before, os.fstat(part.fd)


def _untouched(before: os.stat_result, after: os.stat_result) -> bool:
    """Whether nobody wrote to a file between these two looks, on a file system that shows each change."""
    return (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)


def _judge(part: Part, place: Granted, there: os.stat_result | None, *, replace: bool, absent: bool) -> None:
    if there is None:
        may_write(place, there)
    elif absent:
        raise StorageError(Kind.EXISTS, place.path, "already exists")
    elif stat.S_ISDIR(there.st_mode):
        raise StorageError(Kind.IS_DIRECTORY, place.path, "is a directory")
    elif not replace:
        raise StorageError(Kind.EXISTS, place.path, "already exists")
    else:
        may_write(place, there)
        if part.base is not None and version(there) != part.base:
            raise StorageError(Kind.BUSY, place.path, "it changed while it was appended to: try again")


def _undress(part: Part) -> None:
    """Make a part that could not be published a private, resumable one again."""
    with suppress(OSError):
        os.fchmod(part.fd, 0o600)
        os.utime(part.fd)
