"""Merging a tree into a directory: each file gets its name by a rename of its own, what is not there yet comes whole.

All that can be refused is refused before anything is moved.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ftlite.storage.errors import Kind, StorageError
from ftlite.storage.syscalls import LISTED, lookup, mount_of, names_in

#: (path within the tree) -> may what stands there be replaced?
MayReplace = Callable[[str], bool]


class Merger:
    """Merges the directory `source` into `target` (descriptors, readable, on one mount).

    Nobody else may change names in either: the caller holds the lock on the target's name with all below it.

    Args:
        path: virtual, of the target, for errors.
        may_replace: asked for each file or link that would be replaced.
    """

    def __init__(self, source: int, target: int, path: str, may_replace: MayReplace) -> None:
        self._source = source
        self._target = target
        self._path = path
        self._may_replace = may_replace

    def judge(self) -> None:
        """Find what cannot be merged.

        Raises:
            StorageError: EXISTS: a file where a directory would be, or the other way round; NOT_PLAIN: a device or the
                like; DENIED: `may_replace` said no; UNSUPPORTED: below what is there something is mounted.
        """
        self._judge(self._source, self._target, b"", mount_of(self._source))

    def merge(self) -> None:
        """Move everything; directories that are there stay as they are, and so does what is left of `source`.

        Raises:
            OSError, in the middle, if the disk or another account gets in the way: what was moved until then stays.
        """
        self._merge(self._source, self._target)

    def _judge(self, source: int, target: int, prefix: bytes, mount: tuple[int, int]) -> None:
        if mount_of(target) != mount:
            reason = "something is mounted there, and no rename leads into it"
            raise StorageError(Kind.UNSUPPORTED, self._named(prefix.rstrip(b"/")), reason)
        for name in names_in(source):
            there = lookup(target, name)
            if there is None:
                continue
            path = prefix + name
            ours = stat.S_ISDIR(os.stat(name, dir_fd=source, follow_symlinks=False).st_mode)
            if ours != stat.S_ISDIR(there.st_mode):
                what = "not a directory" if ours else "a directory"
                raise StorageError(Kind.EXISTS, self._named(path), f"exists, and is {what}")
            if ours:
                with _both(source, target, name) as (inner, beside):
                    self._judge(inner, beside, path + b"/", mount)
            elif not stat.S_ISREG(there.st_mode) and not stat.S_ISLNK(there.st_mode):
                raise StorageError(Kind.NOT_PLAIN, self._named(path), "is neither a file nor a link")
            elif not self._may_replace(os.fsdecode(path)):
                reason = "exists, and there is no right to overwrite here"
                raise StorageError(Kind.DENIED, self._named(path), reason)

    def _merge(self, source: int, target: int) -> None:
        for name in names_in(source):
            ours = os.stat(name, dir_fd=source, follow_symlinks=False)
            if stat.S_ISDIR(ours.st_mode) and lookup(target, name) is not None:
                with _both(source, target, name) as (inner, beside):
                    self._merge(inner, beside)
            else:
                os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)

    def _named(self, path: bytes) -> str:
        return f"{self._path.rstrip('/')}/{os.fsdecode(path)}" if path else self._path


@contextmanager
def _both(source: int, target: int, name: bytes) -> Iterator[tuple[int, int]]:
    """Descriptors of a directory that two directories have by the same name."""
    ours = os.open(name, LISTED, dir_fd=source)
    try:
        theirs = os.open(name, LISTED, dir_fd=target)
        try:
            yield ours, theirs
        finally:
            os.close(theirs)
    finally:
        os.close(ours)
