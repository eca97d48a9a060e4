"""Listing a whole tree: here in workers, there with several listings at once.

A directory that cannot be listed is noted and the rest goes on; what that means is the plan's to say.
"""

from __future__ import annotations

import os
import posixpath
import stat
import time
from functools import partial
from pathlib import Path

import trio
from attrs import define, evolve, field

from ftlite.client import listing
from ftlite.client.client import Client
from ftlite.client.errors import ClientError, Outcome, from_os_error
from ftlite.client.mirror.model import SECOND, Item, Links, Listing, Wanted
from ftlite.client.names import is_directory
from ftlite.client.nursery import open_plain_nursery
from ftlite.client.session import Session
from ftlite.client.tree import is_fatal
from ftlite.protocol.entries import Entry, Kind

#: What downloads leave beside their target (parts, treeparts, ranges): neither mirrored nor removed.
_OURS = (".ftlite-part", ".ftlite-version", ".ftlite-ranges", ".ftlite-tree")
_BATCH = 256  # directories read in one go in a worker
_DAY = 86_400 * SECOND
_RECENT = 150 * _DAY  # "ls" tells the hour of what is younger, and servers differ in how much


def is_ours(name: str) -> bool:
    """Whether a local name is one that ftlite itself uses while it works."""
    return name.startswith(".") and (name.endswith(_OURS) or name == ".ftlite" or name.startswith(".ftlite-"))


# ---- here


async def scan_local(root: Path, wanted: Wanted | None, links: Links | None) -> Listing:
    """See `Side.scan`."""
    scan = _LocalScan(root, wanted, links)
    while scan.todo:
        await trio.to_thread.run_sync(scan.advance)
    return scan.listing


@define(eq=False)
class _Place:
    """A directory still to be read; `above` are those that it is in, so that links cannot lead round in a circle."""

    path: str
    above: tuple[tuple[int, int], ...] = ()
    linked: bool = False


@define(eq=False)
class _LocalScan:
    root: Path
    wanted: Wanted | None
    links: Links | None
    listing: Listing = field(factory=Listing)
    todo: list[_Place] = field(factory=lambda: [_Place("")])

    def advance(self) -> None:
        """Read some directories. Blocks. Raises ClientError when the top cannot be read."""
        for _ in range(min(_BATCH, len(self.todo))):
            place = self.todo.pop()
            try:
                self._read(place)
            except OSError as error:
                missing = isinstance(error, FileNotFoundError) and not place.path
                if missing and self.links is None:
                    self.listing.exists = False
                    return
                failure = from_os_error(str(self.root / place.path), error)
                if not place.path:
                    raise failure from error
                self.listing.failures[place.path] = failure

    def _read(self, place: _Place) -> None:
        directory = self.root / place.path
        chain = place.above
        if self.links is Links.FOLLOW:
            held = directory.stat()
            chain = (*chain, (held.st_dev, held.st_ino))
        with os.scandir(directory) as found:
            for entry in found:
                path = f"{place.path}/{entry.name}" if place.path else entry.name
                try:
                    item = self._item(entry, chain, linked=place.linked)
                except FileNotFoundError:
                    continue  # it went away meanwhile
                except OSError as error:
                    self.listing.failures[path] = from_os_error(str(self.root / path), error)
                    continue
                directory_too = item.kind is Kind.DIR
                if is_ours(entry.name) or (self.wanted is not None and not self.wanted(path, directory_too)):
                    self.listing.protected.add(place.path)
                    continue
                self.listing.items[path] = item
                if directory_too:
                    self.todo.append(_Place(path, chain, item.linked))

    def _item(self, entry: os.DirEntry[str], chain: tuple[tuple[int, int], ...], *, linked: bool) -> Item:
        held = entry.stat(follow_symlinks=False)
        if not stat.S_ISLNK(held.st_mode):
            return _local_item(held, linked=linked)
        link = Item(Kind.LINK, modify_ns=held.st_mtime_ns, target=os.readlink(entry.path), linked=linked)
        if self.links not in (Links.FOLLOW, Links.FILES):
            return link
        try:
            held = entry.stat()
        except OSError:
            return link  # it leads nowhere
        item = _local_item(held, linked=True)
        circle = item.kind is Kind.DIR and (held.st_dev, held.st_ino) in chain
        return link if circle or (item.kind is not Kind.FILE and self.links is Links.FILES) else item


def _local_item(held: os.stat_result, *, linked: bool) -> Item:
    kind = Kind.OTHER
    if stat.S_ISREG(held.st_mode):
        kind = Kind.FILE
    elif stat.S_ISDIR(held.st_mode):
        kind = Kind.DIR
    size = held.st_size if kind is Kind.FILE else None
    return Item(kind, size, held.st_mtime_ns, stat.S_IMODE(held.st_mode), linked=linked)


# ---- there


async def scan_remote(
    client: Client, root: str, wanted: Wanted | None, links: Links | None, width: int
) -> Listing:
    """See `Side.scan`; `width` listings at once."""
    scan = _RemoteScan(client, root, wanted, links)
    try:
        await scan.read("", linked=False)
    except ClientError as error:
        if links is not None or error.outcome is not Outcome.NOT_FOUND:
            raise
        return Listing(exists=False)
    if scan.todo:
        async with open_plain_nursery() as nursery:
            for _ in range(max(1, width)):
                nursery.start_soon(scan.work)
    return scan.listing


@define(eq=False)
class _RemoteScan:
    client: Client
    root: str
    wanted: Wanted | None
    links: Links | None
    listing: Listing = field(factory=Listing)
    todo: list[tuple[str, bool]] = field(factory=list)
    reading: int = 0
    changed: trio.Event = field(factory=trio.Event)

    async def work(self) -> None:
        """Take directories, the last found first, until none is left and none can be found any more."""
        while True:
            while not self.todo:
                if not self.reading:
                    self._wake()
                    return
                await self.changed.wait()
            path, linked = self.todo.pop()
            self.reading += 1
            try:
                await self.read(path, linked=linked)
            except ClientError as error:
                if is_fatal(error):
                    raise
                self.listing.failures[path] = error
            finally:
                self.reading -= 1
                self._wake()

    def _wake(self) -> None:
        self.changed.set()
        self.changed = trio.Event()

    async def read(self, path: str, *, linked: bool) -> None:
        """List one directory. Raises ClientError."""
        there = posixpath.join(self.root, path) if path else self.root
        entries, exact = await self.client.run(partial(_listed, path=there))
        for entry in entries:
            try:
                inner = posixpath.join(path, listing.checked_name(there, entry.name))
            except ClientError as error:
                self.listing.failures[posixpath.join(path, entry.name)] = error
                continue
            item = _remote_item(entry, exact=exact, linked=linked)
            if item.kind is Kind.LINK and self.links in (Links.FOLLOW, Links.FILES):
                item = await self._followed(posixpath.join(self.root, inner), item)
            directory = item.kind is Kind.DIR
            if self.wanted is not None and not self.wanted(inner, directory):
                self.listing.protected.add(path)
            elif inner not in self.listing.items:
                self.listing.items[inner] = item
                if directory:
                    self.todo.append((inner, item.linked))

    async def _followed(self, there: str, link: Item) -> Item:
        """What a link of the source leads to; the link itself, when that does not travel. Below a link to a directory
        no second one is followed: nobody could tell that it leads round in a circle."""
        size, modify_ns = await self.client.run(partial(_size_and_time, path=there))
        if size is not None:
            return Item(Kind.FILE, size, modify_ns, linked=True)
        if self.links is Links.FOLLOW and not link.linked and await self.client.run(partial(is_directory, path=there)):
            return Item(Kind.DIR, linked=True)
        return link


async def _listed(session: Session, path: str) -> tuple[list[Entry], bool]:
    """The entries of a directory, and whether a machine's listing told them."""
    entries = await listing.list_directory(session, path)
    return entries, session.features.has("MLST") and not session.quirks.no_mlsd


async def _size_and_time(session: Session, path: str) -> tuple[int | None, int | None]:
    size = await listing.size_of(session, path)
    return size, await listing.modified(session, path) if size is not None else None


def _remote_item(entry: Entry, *, exact: bool, linked: bool) -> Item:
    item = Item(entry.kind, entry.size, entry.modify_ns, entry.mode, entry.target, linked=linked)
    if exact or entry.modify_ns is None:
        return item
    return evolve(item, coarse_ns=_coarseness(entry.modify_ns))


def _coarseness(modify_ns: int) -> int:
    """What "ls" left out of a time: seconds, or of what is old the hours too."""
    if modify_ns % _DAY == 0 and time.time_ns() - modify_ns > _RECENT:
        return _DAY
    return 60 * SECOND if modify_ns % (60 * SECOND) == 0 else 0
