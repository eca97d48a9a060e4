"""How a file gets from one kind of side to another, and what may travel as trees there."""

from __future__ import annotations

import os
from contextlib import closing, suppress
from pathlib import Path
from typing import Protocol

import trio
from attrs import define, evolve, field, frozen

from ftlite.client.digests import best_algorithm
from ftlite.client.errors import ClientError, Outcome
from ftlite.client.mirror.compare import Compared
from ftlite.client.mirror.model import Item, parents
from ftlite.client.mirror.parcels import Parcel, to_fetch, to_send
from ftlite.client.mirror.plan import Act, Action
from ftlite.client.mirror.relay import relay
from ftlite.client.mirror.sides import LocalSide, RemoteSide
from ftlite.client.session import Session
from ftlite.client.terms import Progress, Transferred
from ftlite.client.tree import TreeFile
from ftlite.protocol.entries import Entry, Kind

_WORTH_RESUMING = 1 << 20  #: octets; what is shorter is sent sooner than asked about


class Meter(Protocol):
    """Gives the progress of one file."""

    def of(self, path: str) -> Progress | None: ...


@frozen
class Carried:
    """What of a parcel came along: each file with its result, and links. The rest of it was left out."""

    files: dict[str, Transferred]
    links: set[str]

    def has(self, action: Action) -> bool:
        """Whether `action` was done. A directory is there, or what is in it says why not."""
        if action.act is Act.COPY:
            return action.path in self.files
        return action.act is not Act.LINK or action.path in self.links


class Copier(Protocol):
    """Copies from one side to the other.

    Attributes:
        parcels: what is to go as trees.
    """

    parcels: list[Parcel]

    async def copy(self, path: str, item: Item) -> Transferred:
        """Copy one file. Raises ClientError."""
        ...

    async def tree(self, parcel: Parcel) -> Carried:
        """Carry a parcel. Raises ClientError: nothing of it came along."""
        ...


def copier(compared: Compared, meter: Meter, *, on_trust: bool) -> Copier:
    """The one for these two sides. Raises ClientError USAGE when both are here."""
    source, target = compared.source, compared.target
    if isinstance(source, RemoteSide) and isinstance(target, LocalSide):
        return _Fetching(compared, meter, source, target)
    if isinstance(source, LocalSide) and isinstance(target, RemoteSide):
        return _Sending(compared, meter, source, target, on_trust)
    if isinstance(source, RemoteSide) and isinstance(target, RemoteSide):
        return _Relaying(meter, source, target)
    raise ClientError(Outcome.USAGE, f"{source.name} and {target.name} are both here", remedy="use cp or rsync")


@define(eq=False)
class _Fetching:
    compared: Compared
    meter: Meter
    source: RemoteSide
    target: LocalSide
    parcels: list[Parcel] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        client = self.source.client
        if client.native:  # which has no tree of the login directory to give, but of what is in it
            whole = not self.compared.theirs.exists and client.takes_whole(self.source.root)
            self.parcels = to_fetch(self.compared.plan, self.compared.ours, whole=whole)

    async def copy(self, path: str, item: Item) -> Transferred:
        client = self.source.client
        known = None
        if not item.coarse_ns and item.size is not None and item.modify_ns is not None and not item.linked:
            known = Entry(path, Kind.FILE, item.size, item.modify_ns, item.mode)
        terms = evolve(
            client.terms, resume=True, entry=known, mode=item.mode, progress=self.meter.of(path)
        )
        result = await client.fetch(self.source.at(path), self.target.root / path, terms)
        if item.coarse_ns and item.modify_ns is not None and not client.features.has("MDTM"):
            await self.target.touch(path, item.modify_ns)  # as exactly as the server tells it
        return result

    async def tree(self, parcel: Parcel) -> Carried:
        local = self.target.root / parcel.top if parcel.top else self.target.root
        told = _Told(parcel)
        await self.source.client.get_tree(
            self.source.at(parcel.top), local, on_file=told.hear, progress=self.meter.of(f"{parcel.top}/")
        )
        links = [action for action in parcel.actions if action.act is Act.LINK]
        stand = await trio.to_thread.run_sync(_links_here, self.target.root, links) if links else set()
        return Carried(told.results, stand)  # a server counts what it leaves out, and does not name it


@define(eq=False)
class _Sending:
    compared: Compared
    meter: Meter
    source: LocalSide
    target: RemoteSide
    on_trust: bool
    parcels: list[Parcel] = field(factory=list)
    proves: bool | None = None

    def __attrs_post_init__(self) -> None:
        client = self.target.client
        if client.native:
            self.parcels = to_send(self.compared.plan, named=client.takes_whole(self.target.root))

    async def copy(self, path: str, item: Item) -> Transferred:
        client = self.target.client
        terms = evolve(client.terms, resume=await self._resumes(path, item), progress=self.meter.of(path))
        return await client.send(self.source.root / path, self.target.at(path), terms)

    async def _resumes(self, path: str, item: Item) -> bool:
        """Whether what stands there may be the beginning of this file, and it can be found out, or is to be trusted."""
        if self.target.client.native or (item.size or 0) <= _WORTH_RESUMING:
            return False  # a native upload goes on by itself
        held = self.compared.theirs.items.get(path)
        if held is not None and (held.size is None or held.size >= (item.size or 0)):
            return False
        if self.proves is None:
            self.proves = await self.target.client.run(_proves)
        return self.proves or (self.on_trust and held is not None and not held.is_older(item))

    async def tree(self, parcel: Parcel) -> Carried:
        told = _Told(parcel)
        chosen = _Chosen.of(parcel)
        local = self.source.root / parcel.top if parcel.top else self.source.root
        report = await self.target.client.put_tree(
            local, self.target.at(parcel.top), wanted=chosen.wants, on_file=told.hear,
            progress=self.meter.of(f"{parcel.top}/"), merge=True,
        )  # fmt: skip
        for path in report.skipped:
            told.results.pop(parcel.whole(path), None)
        links = {action.path for action in parcel.actions if action.act is Act.LINK}
        if links and (report.skipped or report.left):
            links &= await trio.to_thread.run_sync(_links_that_travel, local, parcel, chosen)
        return Carried(told.results, links)


async def _proves(session: Session) -> bool:
    return best_algorithm(session) is not None


@define(eq=False)
class _Told:
    """Takes what a tree transfer tells of its files."""

    parcel: Parcel
    results: dict[str, Transferred] = field(factory=dict)

    def hear(self, file: TreeFile) -> None:
        if file.result is not None:
            self.results[self.parcel.whole(file.path)] = file.result


@frozen
class _Chosen:
    """The files of a parcel, as the filter of a walk through its top."""

    files: frozenset[str]
    directories: frozenset[str]

    @classmethod
    def of(cls, parcel: Parcel) -> _Chosen:
        skip = len(parcel.top) + 1 if parcel.top else 0
        paths = [action.path[skip:] for action in parcel.actions if action.path != parcel.top]
        made = {action.path[skip:] for action in parcel.actions if action.act is Act.MAKE}
        above = {directory for path in paths for directory in parents(path)}
        return cls(frozenset(paths) - made, frozenset(made | above))

    def wants(self, path: str, directory: bool) -> bool:
        return path in (self.directories if directory else self.files)


def _links_here(root: Path, actions: list[Action]) -> set[str]:
    """Those of these links that stand in `root`. Blocks."""
    found = set()
    for action in actions:
        with suppress(OSError):
            if action.item is not None and os.readlink(root / action.path) == action.item.target:
                found.add(action.path)
    return found


def _links_that_travel(local: Path, parcel: Parcel, chosen: _Chosen) -> set[str]:
    """The links of a parcel that a walk of it does not leave out; of those that it does it names a few only. Blocks."""
    from ftlite.trees.entry import LINK  # links that are left out are rare
    from ftlite.trees.errors import TreeError
    from ftlite.trees.walk import DIRECTORY_FLAGS, Walk

    found: set[str] = set()
    root = os.open(local, DIRECTORY_FLAGS)
    try:
        with suppress(OSError, TreeError), closing(Walk(root, wanted=chosen.wants)) as walk:
            for entry, fd in walk:
                if fd >= 0:
                    os.close(fd)
                if entry.kind is LINK:
                    found.add(parcel.whole(os.fsdecode(entry.path)))
    finally:
        os.close(root)
    return found


@define(eq=False)
class _Relaying:
    meter: Meter
    source: RemoteSide
    target: RemoteSide
    parcels: list[Parcel] = field(factory=list)

    async def copy(self, path: str, item: Item) -> Transferred:
        return await relay(
            self.source.client, self.source.at(path), self.target.client, self.target.at(path), item,
            self.meter.of(path),
        )  # fmt: skip

    async def tree(self, parcel: Parcel) -> Carried:
        raise AssertionError("nothing goes as a tree between two servers")
