"""What all sessions of one server share, and the ways from the event loop to the disk and back."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import trio
from attrs import define, field

from ftlite.config.models import ServerConfig, User
from ftlite.gate.accounts import Keeper
from ftlite.movers import Pace
from ftlite.net.passive import PassivePool
from ftlite.net.tls import ServerTls
from ftlite.server.census import Census
from ftlite.server.log import EventLog
from ftlite.server.waiting import Waiting
from ftlite.storage.local import LocalStore

if TYPE_CHECKING:
    from ftlite.server.native import NativeSession
    from ftlite.server.tagged import Tagged

T = TypeVar("T")
_MOST_LISTED = 256 << 20  # octets of listings that wait for their clients, of all sessions


@define(eq=False)
class Services:
    """One of these a server; every session holds it."""

    config: ServerConfig
    log: EventLog
    store: LocalStore
    keeper: Keeper
    passive: PassivePool
    tls: ServerTls | None
    census: Census
    waiting: Waiting
    disk: trio.CapacityLimiter
    hashes: trio.CapacityLimiter
    beside: trio.CapacityLimiter  #: digests made beside a transfer
    draining: bool = False
    idle_digests: Callable[[User, str], None] | None = None  #: told of each upload, where the policy is to hash all
    natives: dict[str, NativeSession] = field(factory=dict)  #: by id
    uploads: dict[object, Tagged] = field(factory=dict)  #: native ones that run; `ftlite.server.uploads` knows the keys
    old_trees: trio.Event = field(factory=trio.Event)  #: set when a tree was replaced: the old one is to be removed
    _listed: int = 0
    _numbers: itertools.count[int] = field(factory=lambda: itertools.count(1))
    _shares: dict[tuple[str, int], trio.CapacityLimiter] = field(factory=dict)
    _paces: dict[tuple[str, str, int], Pace] = field(factory=dict)

    def next_number(self) -> int:
        """A number for a session, unique in the life of this server."""
        return next(self._numbers)

    async def on_disk(self, work: Callable[[], T], user: User | None = None) -> T:
        """Run blocking `work` in a worker thread and give back what it returns or raises; `user` waits for a share."""
        if user is None:
            return await trio.to_thread.run_sync(work, limiter=self.disk)
        async with self.share(user, self.disk):
            return await trio.to_thread.run_sync(work, limiter=self.disk)

    def share(self, user: User, whole: trio.CapacityLimiter) -> trio.CapacityLimiter:
        """Half of `whole`, which is all that one user gets: the sessions of the others always find some left."""
        half = trio.CapacityLimiter(max(1, int(whole.total_tokens) // 2))
        return self._shares.setdefault((user.name, id(whole)), half)

    @contextmanager
    def listed(self, size: int) -> Iterator[bool]:
        """While the block runs, a listing of `size` octets is in memory for its client.

        False: others hold so much that this one has to be refused. Clients may be slow on purpose, and have many tags.
        """
        if self._listed and self._listed + size > _MOST_LISTED:
            yield False
            return
        self._listed += size
        try:
            yield True
        finally:
            self._listed -= size

    def pace(self, user: User | None, direction: str) -> Pace | None:
        """A speed limit for a session of `user`, "down" or "up": its own under the user's, if there are any."""
        limits, down = self.config.limits, direction == "down"
        own = limits.rate_down if down else limits.rate_up
        shared = 0 if user is None else user.rate_down if down else user.rate_up
        parent = None
        if user is not None and shared:
            parent = self._paces.setdefault((user.name, direction, shared), Pace(shared))
        return Pace(own, parent) if own else parent
