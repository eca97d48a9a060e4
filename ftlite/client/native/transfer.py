"""One native transfer: a tagged command, a data connection of its own, and what both say of the outcome.

The command goes out and the data connection is dialled at the same time. Whoever leaves the scope of a transfer early
has it ended by ABOR; the others of the session go on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import trio
from attrs import define, evolve

from ftlite.client.errors import ClientError, Outcome
from ftlite.client.native.dialogue import Make, Running
from ftlite.client.session import Session
from ftlite.client.success import Ending, Evidence, Verified, judge
from ftlite.client.transfer import Active
from ftlite.net.errors import NetError
from ftlite.protocol.native.answers import Begun, Moved
from ftlite.protocol.native.requests import DoneRequest, format_request
from ftlite.protocol.native.values import Digests

_REASON = 1.0  # seconds for what the server says by itself of a transfer whose data connection broke
_LAST_WORDS = 5.0  # seconds for what it says of one that was given up


@define(eq=False)
class Transfer(Active):
    """A native transfer that has begun. `pending` is its command."""

    @property
    def running(self) -> Running:
        """The command, with what the server has said of it."""
        assert isinstance(self.pending, Running)
        return self.pending

    @property
    def begun(self) -> Begun:
        """What the 150 stated."""
        assert self.running.begun is not None
        return self.running.begun

    async def settle(self) -> Evidence:
        """Wait for the final reply; what is known then, the server's count and digests not included.

        After a broken data connection the server's word for it is waited for a moment: it may tell more. Where the
        server has not noticed, ABOR ends the transfer there too, so that the next attempt finds its part free.
        """
        if self.ending is not Ending.CLEAN:
            if self.ending is not Ending.STALLED:
                with trio.move_on_after(_REASON):
                    await self._final()
                if not self.running.over:
                    await self.give_up()
            return self._evidence(silent=False)
        return self._evidence(silent=await self._final())

    async def _final(self) -> bool:
        """True: nothing was said for too long."""
        try:
            await self.pending.done()
        except ClientError as error:
            return error.outcome is Outcome.TIMEOUT
        return False

    def _evidence(self, *, silent: bool) -> Evidence:
        running, ending = self.running, self.ending or Ending.LOST
        self.settled = running.final is not None
        if silent:  # whatever was said of it since answers our own ABOR
            return Evidence(self.thing, self.command, self.moved, self.offset, ending, None, silent)
        refusal = running.refusal()
        if running.final is None and running.over:
            refusal = running.lost()
        elif ending is not Ending.STALLED and (running.final is None or running.given_up):
            message = f"{self.thing}: the data connection was lost after {self.moved} bytes"
            refusal = ClientError(Outcome.PARTIAL, message, transient=True)
        elif ending is Ending.CLEAN and self._short():
            # Cut in clear, where an end is like any other: what came is no less right for it.
            message = f"{self.thing}: the data connection ended too early, after {self.moved} bytes"
            refusal = ClientError(Outcome.PARTIAL, message, transient=True)
        return Evidence(
            self.thing, self.command, self.moved, self.offset, ending, running.final, refusal=refusal
        )

    def _short(self) -> bool:
        """Less came down than the server sent, and than was announced."""
        answer, size = self.running.answer, self.begun.size
        if self.command == "PUT" or not isinstance(answer, Moved) or answer.moved is None:
            return False
        return self.moved < answer.moved and (size is None or self.offset + self.moved < size)

    async def finish_reading(self) -> None:
        """The peer's end was read: say ours and close. How it takes that changes nothing."""
        with suppress(NetError):
            await self.wire.finish()

    async def conclude(self, algorithm: str, digest: str | None) -> Verified:
        """The verdict on what moved; `digest` is ours of the whole, None: only the count can be compared.

        Raises:
            ClientError: as `judge`.
        """
        if self.ending is Ending.CLEAN:
            await self.finish_reading()
        evidence = await self.settle()
        return judged(evidence, self.running, algorithm, digest)

    async def state(self, algorithm: str, digest: str, *, entries: int | None = None) -> None:
        """Everything was handed over: end the data connection and say what went over it (DONE)."""
        with self.moving():
            await self.wire.tell_end()
            self.ending = Ending.CLEAN
        if self.ending is Ending.CLEAN and not self.running.over:
            request = DoneRequest(self.running.tag, self.moved, Digests.of(algorithm, digest), entries)
            await self.session.control.send_tagged(self.running.tag, *format_request(request))

    async def confirmed(self, algorithm: str, digest: str) -> Verified:
        """Wait for the server's word on an upload, after `state`. Raises ClientError: as `judge`."""
        verified = judged(await self.settle(), self.running, algorithm, digest)
        self.wire.try_finish(give_up=True)  # the server has read all of it: nothing is left that a reset could destroy
        return verified

    async def give_up(self) -> None:
        """End it and wait for the server's word, so that its part is free for the next attempt."""
        self.wire.abort()
        await self.running.abort()
        with trio.move_on_after(_LAST_WORDS):
            with suppress(ClientError):  # what it broke on comes up with the next command
                await self.pending.done()


def judged(
    evidence: Evidence, running: Running, algorithm: str, digest: str | None, *, sized: bool = True
) -> Verified:
    """`judge`, with what the server states in its 226. Raises ClientError: as `judge`.

    `sized`: the stated size is that of what moved; that of a tree is of the content in it.
    """
    answer = running.answer
    if isinstance(answer, Moved):
        theirs = answer.digests.get(algorithm)
        evidence = evolve(
            evidence,
            stated=answer.size if sized else None,
            counted=answer.moved,
            ours=f"{algorithm}:{digest}" if digest is not None else None,
            theirs=f"{algorithm}:{theirs}" if theirs is not None else None,
            require=Verified.DIGEST if digest is not None else None,
        )
    verified = judge(evidence)
    if not isinstance(answer, Moved):
        raise ClientError(Outcome.PROTOCOL, f"{evidence.thing}: {evidence.final} does not say what was moved")
    return verified


async def begin(session: Session, make: Make, thing: str) -> Transfer | Running:
    """Send a command and dial its data connection, both at once.

    Returns:
        A `Transfer` when the server has said 150 and the connection stands; the command itself when it was answered
        2xx without any content (``same=1``).

    Raises:
        ClientError: the refusal, or CONNECT, TIMEOUT, TLS, PIN for a data connection that did not come about.
    """
    assert session.native is not None
    assert session.data is not None
    spare = session.data.take()
    tag, wire = (spare.tag, spare.wire) if spare is not None else (session.native.next_tag(), None)
    running: Running | None = None
    try:
        running = await session.native.begin(make, thing, tag)
        with trio.CancelScope() as scope:
            running.on_failure = scope.cancel
            if running.failed:  # it was quicker than we are
                scope.cancel()
            if wire is None:
                wire = await session.data.dial(tag, thing)
            await running.started()
        running.on_failure = None
        if running.begun is not None and not running.over:
            assert wire is not None
            return Transfer(session, running.name, thing, running.begun.offset or 0, running, wire)
        if running.final is None:
            raise running.lost()
        refusal = running.refusal()
        if refusal is not None:
            raise refusal
        if running.begun is not None and wire is not None:  # all of it was said before we looked
            return Transfer(session, running.name, thing, running.begun.offset or 0, running, wire)
        if wire is not None:
            wire.abort()
        return running
    except BaseException as error:
        if wire is not None:
            wire.abort()
        if running is None:
            raise
        running.on_failure = None
        await running.abort()
        if isinstance(error, ClientError):
            told = await _told(running, error)
            if running.begun is None and isinstance(running.answer, Moved):
                return running  # done without any content, so the server had no use for a data connection
            raise told from None
        raise
    finally:
        session.data.more()


async def _told(running: Running, error: ClientError) -> ClientError:
    """What the server says of a transfer that failed here tells more than our own end does."""
    with trio.move_on_after(_LAST_WORDS / 5):
        try:
            await running.done()
        except ClientError as lost:
            if running.control.broken is not None and error.outcome is Outcome.CONNECT:
                return lost
    refusal = running.refusal()
    if refusal is None or refusal.outcome is Outcome.PARTIAL:  # that is our own ABOR
        return error
    return refusal


@asynccontextmanager
async def transfer(session: Session, make: Make, thing: str) -> AsyncIterator[Transfer]:
    """Begin a command that moves something; the data connection lives exactly as long as this scope.

    Raises:
        ClientError: as `begin`; PROTOCOL when the server answers it without moving anything.
    """
    active = await begin(session, make, thing)
    if not isinstance(active, Transfer):
        raise ClientError(Outcome.PROTOCOL, f"{thing}: the server answered {active.name} with {active.final}")
    async with scope(active):
        yield active


@asynccontextmanager
async def scope(active: Transfer) -> AsyncIterator[Transfer]:
    """Whatever happens within, the data connection is closed and the command ended."""
    try:
        yield active
    finally:
        active.wire.abort()
        await active.running.abort()
        active.session.control.silence(active.running.tag)
