"""Trees: a directory that gets its name, or takes the place of another, in one step. One face for all of it.

A tree that was replaced is kept, hidden, until nobody reads it any more.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

from attrs import frozen

from ftlite.config.models import Durability, StorageConfig, TreeReplace
from ftlite.storage.digests import Digests, Stopped
from ftlite.storage.errors import Kind, StorageError
from ftlite.storage.granted import Granted
from ftlite.storage.grouped import GroupSync
from ftlite.storage.hidden import Hidden
from ftlite.storage.holders import Holders
from ftlite.storage.inventory import Inventory, inventory_of
from ftlite.storage.locks import Locks
from ftlite.storage.merging import MayReplace
from ftlite.storage.news import Change, News
from ftlite.storage.records import Key, Records
from ftlite.storage.staging import Held, Staging, Stagings
from ftlite.storage.syscalls import DIRECTORY, LISTED, lookup, sync_filesystem, told
from ftlite.storage.treepublish import (
    Placed,
    Placer,
    Replace,
    can_exchange,
    cannot_exchange,
    judge,
    record_of,
    refuse_foreign,
)
from ftlite.trees import ALGORITHMS, Judge, Manifest, TreeError, Walk

_MOST_OLD = 16  # swapped-out trees that wait for `bury` before a publish does it itself
_NAMES = {"sha256": "SHA-256", "blake3": "BLAKE3"}  # of ours in the words of `digests`


@frozen
class TreePublished:
    """What became of a tree.

    Attributes:
        version: token of what stands there now, as `LocalStore.version` tells it.
        merged: it went into a directory that was there, file by file.
    """

    version: str
    merged: bool


@frozen
class TreeFacts:
    """What a tree comes to: entries, octets of file content, digest of its manifest (hexadecimal)."""

    entries: int
    size: int
    digest: str


@frozen
class _Old:
    """A tree that was swapped out, in its locked staging directory."""

    held: Held
    key: Key


class Trees:
    """The trees of one store. Thread-safe; everything blocks.

    Attributes:
        stagings: where they grow.
    """

    def __init__(
        self, hidden: Hidden, locks: Locks, news: News, group: GroupSync, digests: Digests, config: StorageConfig
    ) -> None:
        self._locks = locks
        self._news = news
        self._group = group
        self._digests = digests
        self._config = config
        self.stagings = Stagings(hidden, config.part_age)
        self._records = Records(hidden)
        self._placer = Placer(self._records, config)
        self._holders = Holders()
        self._mutex = threading.Lock()
        self._old: list[_Old] = []
        self._exchanges: dict[int, bool] = {}  # by device

    def begin(
        self,
        place: Granted,
        *,
        fresh: bool,
        replace: Replace,
        algorithm: str = "sha256",
        size: int | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Staging:
        """See `LocalStore.begin_tree`."""
        if algorithm not in ALGORITHMS:
            raise StorageError(Kind.UNSUPPORTED, place.path, f"no digest named {algorithm} for trees")
        with told(place.path):
            there = lookup(place.parent, place.name)
            judge(place, there, replace)
            into = there is not None and replace is Replace.MERGE
            record = self._records.read(place.parent, place.name, whole=not into)
            if record is not None and not into:
                refuse_foreign(place, record.put)
            above = os.open(place.name if into else b".", DIRECTORY, dir_fd=place.parent)
            try:
                staging = self.stagings.begin(place, above, fresh=fresh, algorithm=algorithm, size=size, stop=stop)
            finally:
                os.close(above)
            try:
                if there is not None and record is None:
                    staging.before = self._stands(staging, place)
                if there is not None and replace is Replace.REPLACE and not self._can_replace(staging):
                    raise cannot_exchange(place.path)
            except BaseException:
                self.stagings.release(staging, keep=True)
                raise
            return staging

    def publish(
        self,
        staging: Staging,
        regrant: Callable[[], Granted],
        manifest: Manifest,
        *,
        replace: Replace,
        may_replace: MayReplace | None = None,
    ) -> TreePublished:
        """See `LocalStore.publish_tree`."""
        durable = self._config.native_durability is Durability.FSYNC
        held = staging.held
        with told(staging.place.path):
            record = record_of(staging, manifest)
            facts = os.fstat(staging.fd)
            key = facts.st_dev, facts.st_ino
            held.retire()
            try:
                self._records.write(key, record)
                if durable:
                    sync_filesystem(staging.fd)
                with self._locks.regrant(staging.place, regrant, whole=True) as place:
                    placed = self._placer.place(staging, place, record, replace, may_replace)
            except BaseException:
                if not staging.spent:
                    with suppress(OSError):
                        held.restore(staging.place)
                    self._records.remove(key)
                raise
            if placed.merged:
                self._records.remove(key)
            with place:
                self._settle(staging, place, placed, durable=durable)
        return TreePublished(placed.version, placed.merged)

    def release(self, staging: Staging, *, keep: bool) -> None:
        """See `LocalStore.release_tree`."""
        self.stagings.release(staging, keep=keep)

    def open(self, place: Granted) -> AbstractContextManager[int]:
        """See `LocalStore.open_tree`."""
        return self._holders.open(place)

    def digest(
        self, place: Granted, algorithm: str, stop: Callable[[], bool], *, wanted: Judge | None = None
    ) -> TreeFacts:
        """See `LocalStore.tree_digest`."""
        if algorithm not in ALGORITHMS:
            raise StorageError(Kind.UNSUPPORTED, place.path, f"no digest named {algorithm} for trees")
        manifest = Manifest(algorithm)
        try:
            with self._walking(place, wanted) as walk:
                for entry, fd in walk:
                    if fd < 0:
                        manifest.add(entry)
                        continue
                    try:
                        if stop():
                            raise Stopped
                        manifest.add(entry, self._digests.whole(fd, place.path, _NAMES[algorithm], stop))
                    finally:
                        os.close(fd)
        finally:
            self._digests.flush()
        return TreeFacts(manifest.entries, manifest.size, manifest.digest())

    def size(self, place: Granted) -> tuple[int, int]:
        """See `LocalStore.tree_size`."""
        entries = size = 0
        with self._walking(place, None) as walk:
            for entry, fd in walk:
                entries += 1
                size += entry.size
                if fd >= 0:
                    os.close(fd)
        return entries, size

    def is_tree(self, place: Granted) -> bool:
        """See `LocalStore.is_tree`."""
        with told(place.path):
            return self._records.read(place.parent, place.name) is not None

    def bury(self) -> int:
        """Remove the trees that were swapped out and that nobody reads any more; how many."""
        with self._mutex:
            waiting, self._old = self._old, []
        left = []
        for old in waiting:
            if not self._holders.doom(old.key):
                left.append(old)
                continue
            self._records.remove(old.key)
            if old.held.remove():
                self._holders.gone(old.key)
                old.held.close()
            else:
                left.append(old)
        with self._mutex:
            self._old += left
        return len(waiting) - len(left)

    def sweep(self, now: float) -> int:
        """Remove what nobody came back for, old trees, and records beyond all measure; how many stagings and trees."""
        buried = self.bury()
        with told("/"):
            self._records.sweep(now, self._config.part_age)
        return buried + self.stagings.sweep(now)

    def close(self) -> None:
        """Let go of trees that still wait for being removed; the next sweep of any store finds them."""
        with self._mutex:
            waiting, self._old = self._old, []
        for old in waiting:
            old.held.close()

    def _settle(self, staging: Staging, place: Granted, placed: Placed, *, durable: bool) -> None:
        """What is left to do after the rename: make it durable, tell of it, and tidy up."""
        try:
            if durable and placed.merged:
                sync_filesystem(staging.fd)
            elif durable:
                self._group.sync(place.parent)
        finally:
            held = staging.leave()
            if placed.swapped is None:
                held.remove()
                held.close()
            else:
                with self._mutex:
                    self._old.append(_Old(held, placed.swapped))
                    crowded = len(self._old) > _MOST_OLD
                if crowded:
                    self.bury()
            self._news.tell(place, Change.PUBLISH)

    def _stands(self, staging: Staging, place: Granted) -> Inventory:
        """What stands at `place` now, if it was not published as a tree: what its owner means to replace."""
        try:
            top = os.open(place.name, LISTED, dir_fd=place.parent)
        except (FileNotFoundError, NotADirectoryError):  # gone since it was judged
            return staging.before
        try:
            made = staging.held.now()
            return inventory_of(top, place.path, made)
        finally:
            os.close(top)

    def _can_replace(self, staging: Staging) -> bool:
        if self._config.tree_replace is TreeReplace.TWO_STEP:
            return True
        device = os.fstat(staging.fd).st_dev
        if device not in self._exchanges:
            self._exchanges[device] = can_exchange(staging.held)
        return self._exchanges[device]

    @contextmanager
    def _walking(self, place: Granted, wanted: Judge | None) -> Iterator[Walk]:
        """The entries of a tree, which is held meanwhile; its changing under our eyes is BUSY."""
        with told(place.path), self._holders.open(place) as fd:
            walk = Walk(fd, wanted=wanted)
            try:
                yield walk
            except TreeError as error:
                reason = "it changed while it was read: try again"
                raise StorageError(Kind.BUSY, f"{place.path}/{error.path}", reason) from error
            finally:
                walk.close()
