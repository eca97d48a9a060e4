"""Publishing a tree: one rename, or one exchange; readers see the old tree or the new one. Merging is file by file.

What can take long is done while the tree is hidden. Under the lock on its name, with all below it, the place is judged
again, and what stands there is looked through for files that no tree put there: nobody can publish below it meanwhile.
"""

from __future__ import annotations

import enum
import errno
import os
import stat
from contextlib import suppress

from attrs import evolve, frozen

from ftlite.config.models import StorageConfig, TreeReplace
from ftlite.config.rights import Right
from ftlite.storage.acl import dress_directory
from ftlite.storage.errors import Kind, StorageError
from ftlite.storage.granted import Granted
from ftlite.storage.inventory import Inventory, files_of, inventory, inventory_of
from ftlite.storage.merging import MayReplace, Merger
from ftlite.storage.parts import no_right_to_put
from ftlite.storage.records import Key, Record, Records
from ftlite.storage.staging import TREE, Held, Staging
from ftlite.storage.syscalls import (
    LISTED,
    born,
    lookup,
    mount_of,
    pin,
    proc,
    rename_new,
    token,
    version,
)
from ftlite.trees import Manifest
from ftlite.trees.swap import rename_exchange

WAS = b"was"  #: where an old tree goes in two steps
_CANNOT = "a directory cannot be exchanged on this file system"


class Replace(enum.Enum):
    """What a tree may do to a directory that has its name."""

    REFUSE = "refuse"
    REPLACE = "replace"  #: take its place, whole
    MERGE = "merge"  #: go into it, file by file


@frozen
class Placed:
    """What became of a tree.

    Attributes:
        version: token of the directory, as `LocalStore.version` tells it.
        merged: into a directory that was there.
        swapped: what it replaced, which is in the staging directory now.
    """

    version: str
    merged: bool = False
    swapped: Key | None = None


def judge(place: Granted, there: os.stat_result | None, replace: Replace) -> None:
    """Refuse what a tree cannot be published as.

    Raises:
        StorageError: DENIED (the root; no right to put, or to overwrite when it would replace), EXISTS,
            NOT_DIRECTORY, BUSY (a mount point).
    """
    if place.name == b".":
        raise StorageError(Kind.DENIED, place.path, "is the root, which stays what it is")
    if Right.PUT not in place.rights:
        raise no_right_to_put(place.path)
    if there is None:
        return
    if replace is Replace.REFUSE:
        raise StorageError(Kind.EXISTS, place.path, "already exists")
    if not stat.S_ISDIR(there.st_mode):
        raise StorageError(Kind.NOT_DIRECTORY, place.path, "is not a directory, and no tree replaces it")
    if replace is Replace.REPLACE:
        if Right.OVERWRITE not in place.rights:
            raise StorageError(Kind.DENIED, place.path, "exists, and there is no right to overwrite here")
        fd = pin(place.parent, place.name)
        try:
            if mount_of(fd) != mount_of(place.parent):
                raise StorageError(Kind.BUSY, place.path, "is a mount point, which stays what it is")
        finally:
            os.close(fd)


def refuse_foreign(place: Granted, known: Inventory) -> None:
    """Refuse to replace a directory with files that are not `known`, or with something mounted in it.

    Raises:
        StorageError: FOREIGN, naming the first; BUSY.
    """
    top = os.open(place.name, LISTED, dir_fd=place.parent)
    try:
        for found in files_of(top, place.path):
            if not known.has(found):
                path = f"{place.path}/{os.fsdecode(found.path)}"
                raise StorageError(Kind.FOREIGN, path, "no tree put it there, and it would be gone with the old one")
    finally:
        os.close(top)


def can_exchange(held: Held) -> bool:
    """Whether two directories can change places on the file system of a staging directory."""
    names = b"one", b"two"
    for name in names:
        with suppress(FileExistsError):  # killed here before
            os.mkdir(name, 0o700, dir_fd=held.top)
    try:
        rename_exchange(held.top, names[0], held.top, names[1])
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        return False
    finally:
        for name in names:
            os.rmdir(name, dir_fd=held.top)
    return True


def cannot_exchange(path: str) -> StorageError:
    """What replacing a tree gets where it cannot be done in one step."""
    return StorageError(Kind.UNSUPPORTED, path, f"{_CANNOT}: remove it first, or publish under a new name")


def record_of(staging: Staging, manifest: Manifest) -> Record:
    """What is to be remembered of a staged tree."""
    return Record(
        digest=manifest.digest(),
        algorithm=manifest.algorithm,
        entries=manifest.entries,
        size=manifest.size,
        born=born(staging.held.top, TREE),
        real=staging.place.real,
        put=inventory_of(staging.fd, staging.place.path, staging.held.now()),
    )


class Placer:
    """Gives a staged tree its name; all of it under the caller's lock on that name and all below it.

    Sets `Staging.spent` as soon as anything has got its name.
    """

    def __init__(self, records: Records, config: StorageConfig) -> None:
        self._records = records
        self._config = config

    def place(
        self, staging: Staging, place: Granted, record: Record, replace: Replace, may_replace: MayReplace | None
    ) -> Placed:
        """Publish at `place`, which was judged under the lock.

        Raises:
            StorageError: as `judge` and `refuse_foreign`; UNSUPPORTED: no exchange here, or on another file system by
                now; those of `Merger.judge`.
            OSError: as the disk says.
        """
        there = lookup(place.parent, place.name)
        judge(place, there, replace)
        if there is not None and replace is Replace.MERGE:
            return self._merge(staging, place, there, record, may_replace)
        if there is not None:
            refuse_foreign(place, self._known(staging, place))
        dress_directory(staging.fd, place.parent, place.name, there, umask=self._config.umask)
        os.utime(staging.fd)
        was = b""
        try:
            if there is None:
                rename_new(staging.held.top, TREE, place.parent, place.name)
            else:
                was = self._exchange(staging.held, place)
        except OSError as error:
            if error.errno == errno.EXDEV:
                raise _elsewhere(staging, place) from error
            raise
        staging.spent = True
        old = lookup(staging.held.top, was) if was else None
        swapped = None if old is None else (old.st_dev, old.st_ino)
        return Placed(token(version(os.fstat(staging.fd))), swapped=swapped)

    def _known(self, staging: Staging, place: Granted) -> Inventory:
        """Which files of what stands at `place` may go: those that trees put there, or what stood when this began."""
        record = self._records.read(place.parent, place.name, whole=True)
        return staging.before if record is None else record.put

    def _exchange(self, held: Held, place: Granted) -> bytes:
        """Swap the tree in; the name of the old one in the staging directory."""
        try:
            rename_exchange(held.top, TREE, place.parent, place.name)
            return TREE
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
            if self._config.tree_replace is not TreeReplace.TWO_STEP:
                raise cannot_exchange(place.path) from error
            os.rename(place.name, WAS, src_dir_fd=place.parent, dst_dir_fd=held.top)
            try:
                rename_new(held.top, TREE, place.parent, place.name)
            except OSError:
                rename_new(held.top, WAS, place.parent, place.name)
                raise
            return WAS

    def _merge(
        self,
        staging: Staging,
        place: Granted,
        there: os.stat_result,
        record: Record,
        may_replace: MayReplace | None,
    ) -> Placed:
        may_overwrite = Right.OVERWRITE in place.rights
        top = os.open(place.name, LISTED, dir_fd=place.parent)
        try:
            merger = Merger(staging.fd, top, place.path, may_replace or (lambda _: may_overwrite))
            merger.judge()
            known = self._known(staging, place)
            put = inventory((found for found in files_of(top, place.path) if known.has(found)), record.put.made)
            merged = evolve(record, born=born(place.parent, place.name), put=put.joined(record.put))
            self._records.write((there.st_dev, there.st_ino), merged)
            staging.spent = True
            merger.merge()
            with suppress(PermissionError):  # its version is another one now, also when only what is deeper changed
                os.utime(proc(top))
            return Placed(token(version(os.fstat(top))), merged=True)
        finally:
            os.close(top)


def _elsewhere(staging: Staging, place: Granted) -> StorageError:
    if mount_of(staging.held.top) == mount_of(place.parent):  # a directory of a lower layer (overlayfs)
        return cannot_exchange(place.path)
    reason = "its directory is on another file system now than when the upload began: upload it again"
    return StorageError(Kind.UNSUPPORTED, place.path, reason)
