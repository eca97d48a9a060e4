"""Publishing: the one rename by which bytes get a name. Readers see the old file or the complete new one.

Everything that can fail or take long is done to the part while its name is hidden; under the names lock the place is
judged again, and nothing stands between that and the rename.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress

from ftlite.config.models import Durability, StorageConfig
from ftlite.config.rights import Right
from ftlite.protocol.entries import Entry
from ftlite.storage.acl import dress
from ftlite.storage.errors import Kind, StorageError
from ftlite.storage.granted import Granted
from ftlite.storage.names import Names
from ftlite.storage.parts import Part, Parts, may_write
from ftlite.storage.scan import entry_of
from ftlite.storage.syscalls import lookup, rename_new, sync_directory, told, version


class Publisher:
    """Publishes the parts of one store. Thread-safe."""

    def __init__(self, names: Names, parts: Parts, config: StorageConfig) -> None:
        self._names = names
        self._parts = parts
        self._config = config

    def publish(
        self, part: Part, regrant: Callable[[], Granted], *, replace: bool, modify_ns: int | None, mode: int | None
    ) -> Entry:
        """Rename `part` to the place that `regrant` answers, and close it. See `LocalStore.publish`."""
        durable = self._config.durability is Durability.FSYNC
        with told(part.place.path):
            if durable:
                os.fsync(part.fd)
            with self._names.lock:
                place = regrant()
                try:
                    self._rename(part, place, replace=replace, modify_ns=modify_ns, mode=mode)
                except BaseException:
                    place.close()
                    _undress(part)
                    raise
            with place:
                entry = entry_of(place.name, os.fstat(part.fd))
                if durable:
                    os.fsync(part.fd)
                    sync_directory(place.parent)
        self._parts.drop_idle(part)
        part.close()
        return entry

    def _rename(self, part: Part, place: Granted, *, replace: bool, modify_ns: int | None, mode: int | None) -> None:
        there = lookup(place.parent, place.name)
        replace = replace and Right.OVERWRITE in place.rights
        _judge(part, place, there, replace=replace)
        dress(part.fd, place.parent, place.name, there, mode=mode, umask=self._config.umask)
        if modify_ns is not None:
            try:
                os.utime(part.fd, ns=(os.fstat(part.fd).st_atime_ns, modify_ns))
            except OverflowError as error:
                raise StorageError(Kind.BAD_NAME, place.path, "a time that cannot be kept") from error
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


def _judge(part: Part, place: Granted, there: os.stat_result | None, *, replace: bool) -> None:
    if there is None:
        may_write(place, there)
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
