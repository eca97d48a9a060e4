"""One command being answered: what its handler sees, and the ways it has to places on the disk.

A handler is ``async (Call) -> Reply``. It names no user, root or descriptor: `at` and `grant` take the path from the
command and the right from the verb's row, and the gate judges both.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from attrs import frozen

from ftlite.config.rights import Right
from ftlite.gate.gate import Gate
from ftlite.protocol.replies import Reply
from ftlite.protocol.text import join
from ftlite.protocol.verbs import Command
from ftlite.server.services import Services
from ftlite.server.session import Session
from ftlite.storage.errors import WouldBlock
from ftlite.storage.granted import Granted
from ftlite.storage.local import LocalStore

T = TypeVar("T")


#: A handler that answers without a wait, or gives no replies at all when it would have to wait.
AtOnce = Callable[["Call"], tuple[Reply, ...]]


@frozen
class Row:
    """How the server answers a verb: by whom, and with which right on the path it names.

    Attributes:
        handler: the coroutine that answers.
        right: what the user must hold at the resolved path.
        follow: a link in the last component is followed; verbs that remove or rename mean the link itself.
        job: it may take long: it runs beside the reader and ABOR ends it.
        at_once: tried first, on the event loop; the handler answers when this could not.
        names_new: it makes a name, so refusals of the name are 553 (RFC 959 s.5.4), not 550.
    """

    handler: Callable[[Call], Awaitable[Reply]]
    right: Right = Right.NONE
    follow: bool = True
    job: bool = False
    names_new: bool = False
    at_once: AtOnce | None = None


@frozen
class Call:
    """What a handler works with."""

    session: Session
    command: Command
    row: Row

    @property
    def services(self) -> Services:
        """What the server's sessions share."""
        return self.session.services

    @property
    def store(self) -> LocalStore:
        """Where bytes rest."""
        return self.session.services.store

    @property
    def gate(self) -> Gate:
        """The user's own; only a logged-in session gets as far as a handler that asks."""
        assert self.session.gate is not None, "a verb that needs a login ran without one"
        return self.session.gate

    def path(self, text: str | None = None) -> str:
        """The absolute virtual path of `text`, or of the command's argument."""
        return join(self.session.cwd, self.command.value or "." if text is None else text)

    def judge(self, path: str, *, nowait: bool = False) -> Granted:
        """Ask the gate for `path` with the row's right. Blocks unless `nowait`; raises StorageError or WouldBlock."""
        return self.gate.grant(path, self.row.right, follow=self.row.follow, nowait=nowait)

    async def at(self, operation: Callable[[Granted], T], path: str | None = None) -> T:
        """Run `operation` on the granted place of `path` (the argument's by default) in a worker."""
        where = self.path() if path is None else path

        def work() -> T:
            with self.judge(where) as place:
                return operation(place)

        return await self.on_disk(work)

    async def on_disk(self, work: Callable[[], T]) -> T:
        """Run blocking `work` in a worker, within the user's share of them."""
        return await self.services.on_disk(work, self.session.user)

    async def soon_at(self, operation: Callable[[Granted, bool], T]) -> T:
        """As `at`, but tried on the event loop first: ``operation(place, nowait)``; to a worker if it would block."""
        where = self.path()
        try:
            with self.judge(where, nowait=True) as place:
                return operation(place, True)
        except WouldBlock:
            return await self.at(lambda place: operation(place, False), where)
