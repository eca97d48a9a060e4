"""Names: made, moved, removed, dated. Whoever changes what a name means holds that name (`locks`), and tells of it.

Nothing here follows a link in the last component, and no directory is ever replaced.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from ftlite.config.models import Durability, StorageConfig
from ftlite.storage.acl import default_acl
from ftlite.storage.errors import Kind, StorageError
from ftlite.storage.granted import Granted
from ftlite.storage.grouped import GroupSync
from ftlite.storage.locks import Locks
from ftlite.storage.news import Change, News
from ftlite.storage.parts import Parts
from ftlite.storage.syscalls import DIRECTORY, lookup, names_in, pin, proc, rename_new, token, told, version


class Names:
    """Changes names below one root. Thread-safe."""

    def __init__(self, parts: Parts, locks: Locks, news: News, group: GroupSync, config: StorageConfig) -> None:
        self._parts = parts
        self._locks = locks
        self._news = news
        self._group = group
        self._config = config

    def mkdir(self, place: Granted) -> None:
        """Make a directory, 0777 & ~umask, or as the parent's default ACL says.

        Raises:
            StorageError: EXISTS, NOT_FOUND (no such parent), DENIED, NO_ROOM.
        """
        with told(place.path):
            inherits = default_acl(place.parent) is not None
            mode = 0o777 if inherits else 0o777 & ~self._config.umask
            with self._locks.hold(place):
                os.mkdir(place.name, mode, dir_fd=place.parent)
                if not inherits:  # whatever the process's own umask took away
                    self._chmod(place, mode)
            self._done(place, Change.MKDIR)

    def rmdir(self, place: Granted) -> None:
        """Remove an empty directory; idle parts that nobody sees do not keep it.

        Raises:
            StorageError: NOT_EMPTY, NOT_DIRECTORY, NOT_FOUND, DENIED (the root), BUSY (a mount point).
        """
        _not_root(place)
        with self._locks.hold(place), told(place.path):
            try:
                os.rmdir(place.name, dir_fd=place.parent)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                self._clear(place)
                os.rmdir(place.name, dir_fd=place.parent)
        self._news.tell(place, Change.UNLINK)

    def unlink(self, place: Granted) -> None:
        """Remove a file, link or special file, and what its owner has there of an unfinished upload, or that alone.

        Raises:
            StorageError: IS_DIRECTORY, NOT_FOUND, DENIED.
        """
        with self._locks.hold(place), told(place.path):
            try:
                os.unlink(place.name, dir_fd=place.parent)
            except FileNotFoundError:
                if not self._parts.forget(place):
                    raise
            else:
                self._parts.forget(place)
        self._news.tell(place, Change.UNLINK)

    def rename(self, source: Granted, target: Granted, *, replace: bool) -> None:
        """Give what stands at `source` the name `target`, at once. A file replaces a file if `replace`.

        Raises:
            StorageError: EXISTS (anything without `replace`, a directory always), NOT_FOUND, DENIED (the root),
                BUSY (a mount point), UNSUPPORTED (another file system), BAD_NAME (a directory into itself).
        """
        _not_root(source)
        _not_root(target)
        with self._locks.hold(source, target, whole=True):
            with told(source.path):
                moved = os.stat(source.name, dir_fd=source.parent, follow_symlinks=False)
            with told(target.path):
                there = lookup(target.parent, target.name)
                if there is not None and os.path.samestat(moved, there) and _same_name(source, target):
                    return
                if there is not None and (not replace or stat.S_ISDIR(there.st_mode) or stat.S_ISDIR(moved.st_mode)):
                    raise StorageError(Kind.EXISTS, target.path, "already exists")
                self._move(source, target, replace=there is not None, directory=stat.S_ISDIR(moved.st_mode))
        with told(target.path):
            try:
                self._done(target, Change.RENAME)
            finally:
                self._done(source, Change.UNLINK)

    def set_times(self, place: Granted, modify_ns: int) -> None:
        """Set the time of last modification (ns since the epoch), of a link itself if it is one.

        Raises:
            StorageError: NOT_FOUND, DENIED, BAD_NAME (a time that the file system cannot hold).
        """
        with told(place.path):
            facts = os.stat(place.name, dir_fd=place.parent, follow_symlinks=False)
            with keepable(place):
                times = (facts.st_atime_ns, modify_ns)
                os.utime(place.name, ns=times, dir_fd=place.parent, follow_symlinks=False)

    def set_mode(self, place: Granted, mode: int) -> None:
        """Set permission bits, masked to 0777 & ~umask; a directory keeps its setgid and sticky bits.

        Raises:
            StorageError: NOT_FOUND, DENIED, NOT_PLAIN (a link).
        """
        with told(place.path):
            self._chmod(place, mode & 0o777 & ~self._config.umask)

    def apply(self, place: Granted, modify_ns: int | None, mode: int | None, expected: str | None) -> str:
        """Give a plain file these, where they differ; its token then. See `LocalStore.apply`."""
        with told(place.path):
            fd = pin(place.parent, place.name)
            try:
                facts = os.fstat(fd)
                if not stat.S_ISREG(facts.st_mode):
                    raise StorageError(Kind.NOT_PLAIN, place.path, "is not a plain file")
                if expected not in (None, token(version(facts))):
                    raise StorageError(Kind.BUSY, place.path, "it changed meanwhile: try again")
                if mode is not None and stat.S_IMODE(facts.st_mode) != (wanted := mode & 0o777 & ~self._config.umask):
                    os.chmod(proc(fd), wanted)
                if modify_ns is not None and facts.st_mtime_ns != modify_ns:
                    with keepable(place):
                        os.utime(proc(fd), ns=(facts.st_atime_ns, modify_ns))
                now = token(version(os.fstat(fd)))
            finally:
                os.close(fd)
        self._news.tell(place, Change.PUBLISH)
        return now

    def _chmod(self, place: Granted, mode: int) -> None:
        fd = pin(place.parent, place.name)
        try:
            now = os.fstat(fd).st_mode
            if stat.S_ISLNK(now):
                raise StorageError(Kind.NOT_PLAIN, place.path, "is a link, and links have no mode")
            kept = now & (stat.S_ISGID | stat.S_ISVTX) if stat.S_ISDIR(now) else 0
            os.chmod(proc(fd), mode | kept)
        finally:
            os.close(fd)

    def _clear(self, place: Granted) -> None:
        fd = os.open(place.name, DIRECTORY, dir_fd=place.parent)
        try:
            self._parts.clear(fd)
        finally:
            os.close(fd)

    def _move(self, source: Granted, target: Granted, *, replace: bool, directory: bool) -> None:
        try:
            if replace:
                os.rename(source.name, target.name, src_dir_fd=source.parent, dst_dir_fd=target.parent)
                _drop_other_name(source, target)
            else:
                rename_new(source.parent, source.name, target.parent, target.name)
        except OSError as error:
            if error.errno == errno.EXDEV:
                reason = "is on another file system: a rename cannot carry it there"
                raise StorageError(Kind.UNSUPPORTED, target.path, reason) from error
            if error.errno == errno.EINVAL and directory:
                raise StorageError(Kind.BAD_NAME, target.path, "is inside of what would be moved there") from error
            raise

    def _done(self, place: Granted, change: Change) -> None:
        """Make a change durable, if that was promised, and tell of it in any case: it has happened."""
        try:
            if self._config.durability is Durability.FSYNC:
                self._group.sync(place.parent)
        finally:
            self._news.tell(place, change)


@contextmanager
def keepable(place: Granted) -> Iterator[None]:
    """Refuse (BAD_NAME) a time that Python or the file system cannot hold."""
    try:
        yield
    except OverflowError as error:
        raise StorageError(Kind.BAD_NAME, place.path, "a time that cannot be kept") from error


def _same_name(one: Granted, other: Granted) -> bool:
    return one.name == other.name and os.path.samestat(os.fstat(one.parent), os.fstat(other.parent))


def _drop_other_name(source: Granted, target: Granted) -> None:
    """Between two names of one file rename(2) does nothing and says it did: remove the old one, as mv(1) does.

    Where case does not count, both may be one name; so each is looked for among the names as they are written.
    """
    left = lookup(source.parent, source.name)
    there = lookup(target.parent, target.name)
    if left is None or there is None or left.st_nlink < 2 or not os.path.samestat(left, there):
        return
    if source.name in names_in(source.parent) and target.name in names_in(target.parent):
        os.unlink(source.name, dir_fd=source.parent)


def _not_root(place: Granted) -> None:
    if place.name == b".":
        raise StorageError(Kind.DENIED, place.path, "is the root, which stays what it is")
