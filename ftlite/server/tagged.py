"""One tagged command being answered: what its handler sees (docs/protocol.md s.4 and s.6).

To tags what `ftlite.server.call` is to commands. A handler is ``async (Tagged) -> Reply`` and runs in a task with a
cancel scope of its own; what it raises of the known kinds becomes the tag's final reply.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import trio
from attrs import define, field, frozen

from ftlite.config.models import User
from ftlite.config.rights import Right
from ftlite.gate.gate import Gate
from ftlite.movers import Flow
from ftlite.net.wire import Wire
from ftlite.protocol.errors import OutOfStep
from ftlite.protocol.native.answers import Refusal
from ftlite.protocol.native.requests import DoneRequest
from ftlite.protocol.native.tags import MOVES, Event, ServerTag, State
from ftlite.protocol.replies import Reply
from ftlite.server.native import NativeSession, Slot
from ftlite.server.refusals import Unwilling
from ftlite.server.services import Services
from ftlite.server.session import Session
from ftlite.storage.errors import WouldBlock
from ftlite.storage.granted import Granted
from ftlite.storage.local import LocalStore

T = TypeVar("T")
_MOMENT = 0.05  # seconds
_FEW = 64 * 1024
_SAY_AGAIN = 10.0  # seconds between signs of life while no bytes move


@frozen
class TagRow:
    """How the server answers a kind of tagged command.

    Attributes:
        verb: for logs and STAT.
        handler: the coroutine that answers.
        right: what the user must hold at the resolved path.
        data: it has a data connection, and counts among the transfers; others have a bound of their own.
        waits: it only waits, and is given up where others would be waited for.
        names_new: it makes a name, so refusals of the name are 553 (RFC 959 s.5.4), not 550.
    """

    verb: str
    handler: Callable[[Tagged], Awaitable[Reply]]
    right: Right = Right.NONE
    data: bool = True
    waits: bool = False
    names_new: bool = False


@frozen
class _Raised:
    error: Exception


def _caught(work: Callable[[Callable[[], bool]], T], stop: Callable[[], bool]) -> T | _Raised:
    """What `work` returns or raises: an exception would leave a nursery in a group."""
    try:
        return work(stop)
    except Exception as error:
        return _Raised(error)


@define(eq=False)
class Tagged:
    """A running tag.

    Attributes:
        path: the absolute virtual path that the request names, from where the session stood when it came.
        slot: where its data connection comes, if it has one.
        moved: bytes of its data connection so far.
        moved_at: trio time when that last rose.
        stage: what it does while no bytes move; None: they do, or may.
        state: where it is in the table of s.6.
        stated: the client's DONE, once it is here.
        held: replies that leave together with the last one.
        verdict: what it ends with when it is cancelled, if not by ABOR.
        firm: it cannot be taken back any more (the name is being given).
    """

    session: Session
    native: NativeSession
    request: Any
    row: TagRow
    path: str
    slot: Slot | None
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    done: trio.Event = field(factory=trio.Event)
    begun_at: float = field(factory=trio.current_time)
    moved: int = 0
    moved_at: float = field(factory=trio.current_time)
    stage: str | None = None
    say_at: float = 0.0
    state: ServerTag = field(factory=ServerTag)
    stated: DoneRequest | None = None
    has_stated: trio.Event = field(factory=trio.Event)
    held: tuple[Reply, ...] = ()
    verdict: Refusal | None = None
    firm: bool = False

    def __attrs_post_init__(self) -> None:
        if self.slot is not None and self.slot.wire is not None:
            self.state.step(Event.DATA)
        self.state.command(MOVES[type(self.request)])

    @property
    def tag(self) -> int:
        """Its number."""
        number: int = self.request.tag
        return number

    @property
    def services(self) -> Services:
        """What the server's sessions share."""
        return self.session.services

    @property
    def store(self) -> LocalStore:
        """Where bytes rest."""
        return self.session.services.store

    @property
    def user(self) -> User:
        """Whose session it is: native mode ends with the login."""
        assert self.session.user is not None, "a tag outlived the login"
        return self.session.user

    @property
    def gate(self) -> Gate:
        """The user's own."""
        assert self.session.gate is not None, "a tag outlived the login"
        return self.session.gate

    def judge(self, right: Right | None = None, *, nowait: bool = False) -> Granted:
        """Ask the gate for the path, with the row's right by default. Raises StorageError or WouldBlock."""
        return self.gate.grant(self.path, self.row.right if right is None else right, nowait=nowait)

    async def on_disk(self, work: Callable[[], T]) -> T:
        """Run blocking `work` in a worker, within the user's share of them."""
        return await self.services.on_disk(work, self.session.user)

    async def stoppable(self, work: Callable[[Callable[[], bool]], T], limiter: trio.CapacityLimiter) -> T:
        """Run ``work(stop)`` in a worker; `stop` says when the tag was cancelled, and it ends soon then.

        It is waited for in any case, so nothing that it made gets lost: on cancellation `work` may have come to its
        end all the same.
        """
        stopped = threading.Event()

        async def watch() -> None:
            try:
                await trio.sleep_forever()
            finally:
                stopped.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            with trio.CancelScope(shield=True):
                outcome = await trio.to_thread.run_sync(_caught, work, stopped.is_set, limiter=limiter)
            nursery.cancel_scope.cancel()
        if isinstance(outcome, _Raised):
            raise outcome.error
        return outcome

    async def soon_at(self, operation: Callable[[Granted, bool], T]) -> T:
        """`operation(place, nowait)` on the event loop if the kernel has it all in its caches; else in a worker."""
        try:
            with self.judge(nowait=True) as place:
                return operation(place, True)
        except WouldBlock:
            return await self.on_disk(lambda: self._at(operation))

    def _at(self, operation: Callable[[Granted, bool], T]) -> T:
        with self.judge() as place:
            return operation(place, False)

    async def say(self, *replies: Reply) -> None:
        """Send replies of this tag."""
        await self.session.say(self.row.verb, *replies)

    async def join(self) -> Wire:
        """The data connection of this tag, waited for if need be.

        Raises:
            Unwilling: 425, none came that could prove itself.
        """
        slot = self.slot
        assert slot is not None, "a tag without data waits for a data connection"
        if slot.wire is None:
            with trio.move_on_after(self.services.config.limits.accept):
                await slot.came.wait()
        if slot.wire is None:
            raise Unwilling("no-data", "No data connection came in time.")
        if self.state.state in (State.OPEN, State.AWAITED):
            self.state.step(Event.DATA)
        self.moved_at = trio.current_time()
        return slot.wire

    async def join_soon(self) -> Wire | None:
        """The data connection, if it is here or comes within a moment: then a reply can wait for what follows it."""
        slot = self.slot
        assert slot is not None, "a tag without data waits for a data connection"
        if slot.wire is None:
            with trio.move_on_after(_MOMENT):
                await slot.came.wait()
        return None if slot.wire is None else await self.join()

    async def end(self, sent: int) -> None:
        """End the data connection; after few bytes, which the client surely takes, nobody waits until it has."""
        assert self.slot is not None
        assert self.slot.wire is not None
        wire = self.slot.wire
        if sent > _FEW or self.session.endings_full():
            await wire.finish()
        else:
            await wire.tell_end()
            self.end_later()

    def end_later(self) -> None:
        """Our end is told; the client's is looked for by the session, later."""
        assert self.slot is not None
        assert self.slot.wire is not None
        self.session.end_later(self.slot.wire)
        self.slot.wire = None

    def flow(self, direction: str) -> Flow:
        """The terms of its transfer, "down" or "up"."""
        return Flow(
            stall=self.services.config.limits.stall,
            pace=self.session.pace(direction),
            limiter=self.services.disk,
            on_moved=self.note_progress,
            aside=True,
        )

    def note_progress(self, moved: int) -> None:
        """So many bytes have moved."""
        self.moved = moved
        self.moved_at = trio.current_time()

    @contextmanager
    def working(self, stage: str) -> Iterator[None]:
        """While the block runs no bytes move, and the client is told now and again that it goes on."""
        self.say_at = trio.current_time() + _SAY_AGAIN
        self.stage = stage
        try:
            yield
        finally:
            self.stage = None

    def stage_due(self, now: float) -> str | None:
        """The stage that the client is to be told of now, if it is time; the next time is later then."""
        if self.stage is None or now < self.say_at:
            return None
        self.say_at = now + _SAY_AGAIN
        return self.stage

    def abort(self, verdict: Refusal | None = None) -> None:
        """End it, with `verdict` rather than 426; too late once it is firm, and then it answers what came of it."""
        if not self.firm:
            self.verdict = verdict
            self.scope.cancel()

    def note_done(self, done: DoneRequest) -> None:
        """The client has said what it sent. Where it makes no sense it is passed over; said twice, the first holds."""
        with suppress(OutOfStep):
            self.state.step(Event.DONE)
            if self.stated is None:
                self.stated = done
                self.has_stated.set()
