"""How a session runs its tagged commands: each in a task and a cancel scope of its own, within bounds.

They are taken as soon as they are read, whatever the untagged commands before them wait for.
"""

from __future__ import annotations

import trio
from attrs import frozen

from ftlite.movers.errors import DiskFault, MoverError
from ftlite.net.errors import NetError
from ftlite.protocol.errors import ProtocolError
from ftlite.protocol.native.answers import Refusal, Working, refuse
from ftlite.protocol.native.requests import AbortRequest, DoneRequest, Request
from ftlite.protocol.native.tags import MOVES, Event, Moves
from ftlite.protocol.replies import Reply, reply
from ftlite.protocol.text import join
from ftlite.server.refusals import Known, Unwilling, for_tag
from ftlite.server.rows import tag_row
from ftlite.server.session import Session
from ftlite.server.tagged import Tagged, TagRow
from ftlite.storage.errors import StorageError
from ftlite.trees.errors import TreeError


@frozen
class Aborting:
    """An ABOR of a tag, to be answered in the order of the untagged commands, when the tag has ended."""

    tagged: Tagged | None

    async def answer(self) -> Reply:
        """Wait for the end of the tag and say so."""
        if self.tagged is None:
            return reply(225, "There is no such transfer.")
        await self.tagged.done.wait()
        return reply(226, "Aborted.")


class Tagging:
    """Runs the tagged commands of `session`.

    Attributes:
        nursery: where; set before the first command is read.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._dismissed = False
        self.nursery: trio.Nursery

    async def take(self, request: Request) -> Aborting | None:
        """Begin what `request` asks for, or refuse it; an `Aborting` is to be answered in its turn."""
        running = self._session.tagged.get(request.tag or 0)
        if isinstance(request, AbortRequest):
            if running is not None:
                running.abort()
            return Aborting(running)
        if isinstance(request, DoneRequest):
            if running is not None:  # else the tag has ended, and its final reply was the answer
                running.note_done(request)
            return None
        await self._begin(request)
        return None

    async def refuse(self, tag: int, code: int, text: str, *, done: bool) -> None:
        """Answer a tagged command that cannot be read; a DONE (`done`) of that kind is the end of its tag."""
        answer = refuse(tag, "unsupported" if code == 504 else "bad-fact", text)
        running = self._session.tagged.get(tag)
        if done and running is not None:
            running.abort(answer)
            return
        native = self._session.native
        if not done and native is not None and native.take(tag):
            native.close(tag)
        await self._session.say("refused", answer.to_reply())

    async def _begin(self, request: Request) -> None:
        native, row = self._session.native, tag_row(request)
        assert native is not None, "a tagged command outside of native mode"
        assert request.tag is not None
        if not native.take(request.tag):
            text = "A tag is used once, and counts up."
            await self._session.say(row.verb, refuse(request.tag, "bad-tag", text).to_reply())
            return
        if (full := self._full(row)) is not None:
            native.close(request.tag)
            await self._session.say(row.verb, refuse(request.tag, "too-many", full).to_reply())
            return
        path = join(self._session.cwd, getattr(request, "path", None) or ".")
        slot = native.open(request.tag, down=MOVES[type(request)] is Moves.DOWN) if row.data else None
        if slot is None:
            native.close(request.tag)
        tagged = Tagged(self._session, native, request, row, path, slot)
        self._session.tagged[request.tag] = tagged
        self.nursery.start_soon(self._run, tagged)

    def _full(self, row: TagRow) -> str | None:
        """Why no more tags of the kind of `row` may run, in words."""
        if self._dismissed:
            return "The server is going down."
        limits = self._session.services.config.limits
        most = limits.transfers if row.data else limits.waits
        if sum(tagged.row.data == row.data for tagged in self._session.tagged.values()) < most:
            return None
        return f"{most} of these run already."

    async def _run(self, tagged: Tagged) -> None:
        try:
            answer = refuse(tagged.tag, "aborted", "Aborted.").to_reply()
            with tagged.scope:
                answer = await self._answer(tagged)
            if tagged.scope.cancelled_caught and tagged.verdict is not None:
                answer = tagged.verdict.to_reply()
            tagged.state.step(Event.REFUSAL if answer.code >= 400 else Event.SUCCESS)
            await tagged.say(*tagged.held, answer)
        finally:
            del self._session.tagged[tagged.tag]
            tagged.native.close(tagged.tag)
            tagged.done.set()
            self._session.tag_ended()

    async def _answer(self, tagged: Tagged) -> Reply:
        """Run the handler; whatever it raises of the known kinds becomes the tag's end."""
        try:
            return await tagged.row.handler(tagged)
        except (Unwilling, StorageError, ProtocolError, MoverError, DiskFault, NetError, TreeError) as error:
            return self._refusal(tagged, error).to_reply()

    def _refusal(self, tagged: Tagged, error: Known) -> Refusal:
        refusal = for_tag(error, tagged.tag, tagged.path, names_new=tagged.row.names_new)
        event = "storage.error" if isinstance(error, StorageError) else "transfer.broken"
        self._session.event(
            event, tag=tagged.tag, verb=tagged.row.verb, path=tagged.path, kind=refusal.kind, reason=str(error)
        )
        return refusal

    def keep_time(self, now: float) -> None:
        """Tell the clients of tags that work without bytes that they go on, and close spares that nobody came for."""
        if self._session.native is not None:
            self._session.native.keep_time(now)
        for tagged in self._session.tagged.values():
            if (stage := tagged.stage_due(now)) is not None:
                self.nursery.start_soon(self._say_working, tagged, stage)

    async def _say_working(self, tagged: Tagged, stage: str) -> None:
        if tagged.stage == stage:
            await tagged.say(Working(tagged.tag, stage).to_reply())

    async def dismiss(self) -> None:
        """Take no more tags, and wait for those that run; what only waits is told to ask again later."""
        self._dismissed = True
        for tagged in list(self._session.tagged.values()):
            if tagged.row.waits:
                tagged.abort(refuse(tagged.tag, "timeout", "The server is going down."))
        for tagged in list(self._session.tagged.values()):
            await tagged.done.wait()
