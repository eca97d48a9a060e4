"""The names that completion offers: of commands, jobs, settings, sites, and of what is in directories, there and here.

Listings of the server are kept for some seconds. Whoever asks waits a moment at most: what takes longer goes on, and is
there for the next who asks; meanwhile an older listing serves.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import trio
from attrs import define, evolve, field

from ftlite.cli.exits import CliError
from ftlite.cli.sites import sites
from ftlite.cli.targets import is_directory
from ftlite.cli.voice import Voice
from ftlite.client.errors import ClientError
from ftlite.config.errors import ConfigError
from ftlite.protocol.entries import Kind as EntryKind
from ftlite.shell import completion
from ftlite.shell.completion import Kind, Name, Wanted
from ftlite.shell.settings import flags
from ftlite.shell.shell import Shell

PATIENCE = 0.7  #: seconds that a key may wait
_FRESH = 10.0  #: seconds for which a listing is taken as it is
_OLD = 300.0  #: seconds after which it is better to offer nothing
_KEPT = 64  #: listings
_MOST = 20_000  #: names of one directory that are looked through


@define(eq=False)
class _Listing:
    """What was in a directory, and when; `coming` while somebody looks again."""

    names: list[Name] = field(factory=list)
    at: float = -_OLD
    coming: trio.Event | None = None


class Names:
    """What can stand in a line of `shell`. To be used in its loop.

    Args:
        nursery: where looking goes on when nobody waits for it any more.
    """

    def __init__(self, shell: Shell, nursery: trio.Nursery) -> None:
        self._shell = shell
        self._nursery = nursery
        self._listings: dict[tuple[str, str], _Listing] = {}

    def begin(self, work: Callable[[], Awaitable[None]]) -> None:
        """Have `work` done, unless the shell is ending."""
        with suppress(RuntimeError):
            self._nursery.start_soon(work)

    def changed(self) -> None:
        """Something was done, so that names may have come and gone: what was listed is old."""
        for listing in self._listings.values():
            listing.at = min(listing.at, trio.current_time() - _FRESH)

    async def of(self, want: Wanted) -> list[Name]:
        """All names of the kind that is wanted, as far as they are known within a moment."""
        if want.names:
            return list(want.names)
        if want.kind in (Kind.REMOTE, Kind.REMOTE_DIRECTORY):
            site = self._shell.site
            if site is None or "://" in want.above or self._shell.is_site(want.above):
                return []
            directory = site.path(want.above or ".").rstrip("/") or "/"
            return await self._listed((site.name, directory), lambda: self._remote(directory))
        if want.kind in (Kind.LOCAL, Kind.LOCAL_DIRECTORY):
            path = os.path.join(os.getcwd(), want.above)
            look = partial(trio.to_thread.run_sync, _local, want.above, abandon_on_cancel=True)
            return await self._listed(("", path), look)
        return self._known(want.kind)

    def _known(self, kind: Kind) -> list[Name]:
        if kind is Kind.COMMAND:
            return completion.commands(self._shell.aliases)
        if kind is Kind.JOB:
            running = [job for job in self._shell.jobs if job is not self._shell.foreground]
            return [Name(f"%{job.number}", told=job.text) for job in running]
        if kind is Kind.SETTING:
            return [Name(flag, told=option.help or "") for flag, option in flags().items()]
        if kind is Kind.ALIAS:
            return [Name(short, told=line) for short, line in self._shell.aliases.items()]
        if kind is Kind.SITE:
            return _sites()
        return []

    async def _listed(self, key: tuple[str, str], look: Callable[[], Awaitable[list[Name]]]) -> list[Name]:
        listing = self._listings.get(key)
        if listing is None:
            listing = self._listings[key] = _Listing()
            self._forget_some()
        if listing.coming is None and trio.current_time() - listing.at >= _FRESH:
            listing.coming = trio.Event()
            self._nursery.start_soon(self._look, listing, listing.coming, look)
        if listing.coming is not None:
            with trio.move_on_after(PATIENCE):
                await listing.coming.wait()
        return listing.names if trio.current_time() - listing.at < _OLD else []

    async def _look(
        self, listing: _Listing, done: trio.Event, look: Callable[[], Awaitable[list[Name]]]
    ) -> None:
        """Fill `listing`. That a directory cannot be listed is told to who lists it, not to who completes."""
        began = trio.current_time()
        try:
            listing.names = await look()
            listing.at = began
        except (ClientError, CliError, ConfigError, OSError):
            listing.names, listing.at = [], began
        finally:
            listing.coming = None
            done.set()

    async def _remote(self, directory: str) -> list[Name]:
        site = self._shell.site
        if site is None:
            return []
        silent = Voice("shell", quiet=True, sums_up=False)
        client = self._shell.servers.standing(site.address, evolve(self._shell.options, retries=0), silent)
        entries = await client.list(directory) if client is not None else []
        return [
            Name(entry.name, is_directory(entry) or (entry.kind is EntryKind.LINK and entry.size is None))
            for entry in entries[:_MOST]
            if entry.kind not in (EntryKind.CDIR, EntryKind.PDIR)
        ]

    def _forget_some(self) -> None:
        over = [key for key, listing in self._listings.items() if listing.coming is None]
        for key in over[: max(0, len(self._listings) - _KEPT)]:
            del self._listings[key]


def _local(above: str) -> list[Name]:
    names = []
    with os.scandir(os.path.expanduser(above) or ".") as entries:
        for entry in entries:
            names.append(Name(entry.name, entry.is_dir()))
            if len(names) >= _MOST:
                break
    return names


def _sites() -> list[Name]:
    try:
        return [Name(f"{name}:", told=site.address) for name, site in sites().all().items()]
    except ConfigError:
        return []
