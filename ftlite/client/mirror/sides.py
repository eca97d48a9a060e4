"""The two kinds of side that a mirror has: a directory here, and one on a server. One face for both.

Paths are relative to the side's own directory. What the disk or the server refuses is a ClientError.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol

import trio
from attrs import evolve

from ftlite.client import digests, listing
from ftlite.client.client import Client
from ftlite.client.errors import ClientError, Outcome, Unsupported, from_os_error
from ftlite.client.mirror.model import Item, Links, Listing, Wanted
from ftlite.client.mirror.scan import scan_local, scan_remote
from ftlite.client.native.files import digest_of
from ftlite.client.session import Session
from ftlite.client.uploads import open_source
from ftlite.protocol.errors import BadFacts

#: What files are compared by, the best first. blake3 is asked of nobody who was not told to have it.
ALGORITHMS = ("sha256", "sha512", "crc32", "md5")


class Side(Protocol):
    """A directory that is mirrored from or to."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    async def scan(self, wanted: Wanted | None, links: Links | None) -> Listing:
        """All below it. `links` says what becomes of links in a source; None: they are links, as in a target.

        Raises:
            ClientError: the directory itself cannot be listed. One that is not there is an empty listing of a target,
                and NOT_FOUND for a source.
        """
        ...

    async def algorithms(self) -> tuple[str, ...]:
        """The digests that it makes without moving a file."""
        ...

    async def digest(self, path: str, size: int | None, algorithm: str) -> str:
        """The digest of a file, in hex; where it makes none, the file is fetched."""
        ...

    async def exact(self, path: str, item: Item) -> Item:
        """`item` with size and time as exactly as the side can tell."""
        ...

    async def keeps_times(self, path: str | None = None) -> bool:
        """Whether files can be given their times; `path` is one to try it on, where nothing else tells."""
        ...

    async def make(self, path: str, item: Item) -> None:
        """Make the directory; no error when it is there."""
        ...

    async def remove(self, path: str) -> None:
        """Remove what is no directory."""
        ...

    async def remove_directory(self, path: str) -> None:
        """Remove an empty directory."""
        ...

    async def remove_link(self, path: str) -> bool:
        """Remove what was listed as a directory if it is a link to one; whether it was."""
        ...

    async def touch(self, path: str, modify_ns: int) -> None:
        """Give it its time."""
        ...

    async def link(self, path: str, item: Item) -> None:
        """Make a symbolic link, in the place of another if there is one."""
        ...


class LocalSide:
    """A directory here. `root` may be a link; below it none is followed but what `Links` says."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def name(self) -> str:
        return str(self.root)

    async def scan(self, wanted: Wanted | None, links: Links | None) -> Listing:
        return await scan_local(self.root, wanted, links)

    async def algorithms(self) -> tuple[str, ...]:
        return ALGORITHMS

    async def digest(self, path: str, size: int | None, algorithm: str) -> str:
        fd, held = await trio.to_thread.run_sync(open_source, self.root / path)
        try:
            return await digest_of(fd, held.st_size, algorithm, str(self.root / path))
        finally:
            os.close(fd)

    async def exact(self, path: str, item: Item) -> Item:
        return item

    async def keeps_times(self, path: str | None = None) -> bool:
        return True

    async def make(self, path: str, item: Item) -> None:
        if not path:  # it may be a link to a directory
            await self._do(path, partial(self.root.mkdir, parents=True, exist_ok=True))
        else:
            await self._do(path, partial(_make_directory, self.root / path, item.mode))

    async def remove(self, path: str) -> None:
        await self._do(path, partial(os.unlink, self.root / path))

    async def remove_directory(self, path: str) -> None:
        await self._do(path, partial(os.rmdir, self.root / path))

    async def remove_link(self, path: str) -> bool:
        return False  # links are told here

    async def touch(self, path: str, modify_ns: int) -> None:
        await self._do(
            path, partial(os.utime, self.root / path, ns=(modify_ns, modify_ns), follow_symlinks=False)
        )

    async def link(self, path: str, item: Item) -> None:
        await self._do(path, partial(_make_link, self.root, path, item.target or ""))

    async def _do(self, path: str, work: Callable[[], object]) -> None:
        def guarded() -> None:
            try:
                work()
            except OSError as error:
                raise from_os_error(str(self.root / path), error) from error

        await trio.to_thread.run_sync(guarded)


def _make_directory(path: Path, mode: int | None) -> None:
    """A link in its place would lead out of the target."""
    if path.is_symlink() or not path.is_dir():
        path.mkdir((mode & 0o777 | 0o700) if mode is not None else 0o777)


def _make_link(root: Path, path: str, target: str) -> None:
    from ftlite.trees.errors import TreeError  # links are rare
    from ftlite.trees.safety import check_link

    try:
        winding = check_link(os.fsencode(path), os.fsencode(target))
    except TreeError as error:
        raise ClientError(Outcome.DENIED, f"{path}: {error.reason}", remedy="leave it out by --exclude") from error
    if winding:  # what it means depends on other links, of which some may come later
        raise ClientError(Outcome.DENIED, f"{path}: a link with '..' after a name", remedy="leave it out by --exclude")
    place = root / path
    # A name that no mirror takes for its own; short, for a name may be as long as names may be.
    beside = place.with_name(f".{hashlib.sha256(os.fsencode(place.name)).hexdigest()[:32]}.ftlite-version")
    with suppress(FileNotFoundError):
        beside.unlink()
    beside.symlink_to(target)
    beside.replace(place)


class RemoteSide:
    """A directory on a server.

    Args:
        root: as in an address: "" is the login directory.
        width: listings at once.
    """

    def __init__(self, client: Client, root: str, width: int) -> None:
        self.client = client
        self.root = root
        self.width = width
        self._keeps_times: bool | None = None
        self._trying = trio.Lock()

    @property
    def name(self) -> str:
        return self.root or "the login directory"

    def at(self, path: str) -> str:
        """The server's path of `path`."""
        return posixpath.join(self.root, path) if path else self.root

    async def scan(self, wanted: Wanted | None, links: Links | None) -> Listing:
        return await scan_remote(self.client, self.root, wanted, links, self.width)

    async def algorithms(self) -> tuple[str, ...]:
        return await self.client.run(_algorithms)

    async def digest(self, path: str, size: int | None, algorithm: str) -> str:
        try:
            return await self.client.hash(self.at(path), algorithm)
        except Unsupported:
            hasher = digests.hasher(algorithm)
            async with self.client.download(self.at(path)) as blocks:
                async for block in blocks:
                    hasher.update(block)
            return hasher.hexdigest()

    async def exact(self, path: str, item: Item) -> Item:
        if not item.coarse_ns and item.size is not None:
            return item
        known = await self.client.run(lambda session: listing.facts(session, self.at(path)))
        size = item.size if known.size is None else known.size
        if known.modify_ns is None:
            return evolve(item, size=size)
        return evolve(item, size=size, modify_ns=known.modify_ns, coarse_ns=0)

    async def keeps_times(self, path: str | None = None) -> bool:
        features = self.client.features
        if features.has("MFMT"):
            return True
        if not features.has("MDTM"):
            return False
        async with self._trying:
            if self._keeps_times is None and path is not None:
                self._keeps_times = await self.client.run(lambda session: _takes_its_own_time(session, self.at(path)))
        return self._keeps_times is not False

    async def make(self, path: str, item: Item) -> None:
        await self.client.mkdir(self.at(path), parents=True)

    async def remove(self, path: str) -> None:
        await self.client.remove(self.at(path))

    async def remove_directory(self, path: str) -> None:
        await self.client.rmdir(self.at(path))

    async def remove_link(self, path: str) -> bool:
        return await self.client.remove_link(self.at(path))

    async def touch(self, path: str, modify_ns: int) -> None:
        await self.client.set_modified(self.at(path), modify_ns)

    async def link(self, path: str, item: Item) -> None:
        if self.client.native:  # it would have gone with a tree
            raise ClientError(
                Outcome.DENIED,
                f"{path}: the link was not made: it leads out of the directory, or its tree was refused",
                remedy="leave it out by --exclude, or all links by --links skip",
            )
        raise Unsupported(f"{path}: links travel to a native server only, and from a directory here")


async def _algorithms(session: Session) -> tuple[str, ...]:
    return tuple(name for name in ALGORITHMS if digests.offers(session, name))


async def _takes_its_own_time(session: Session, path: str) -> bool:
    """Whether the longer MDTM sets times: tried with the time that the file has already."""
    answer = await session.ask("MDTM", path)
    if answer.code != 213:
        return False
    with suppress(BadFacts):
        answer = await session.ask("MDTM", f"{answer.first.strip().partition('.')[0]} {path}")
    return answer.completed
