"""Tagged commands over a control connection: many at once, each heard by itself.

`Running` is one such command. Its clock is its own: what the server says of other tags is no sign that this one moves.
A command that is given up is ended by ABOR, which touches no other; the session is closed only when not even that can
be sent, or when the server does not answer it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress

import trio
from attrs import define, field

from ftlite.client.control import Control, Pending
from ftlite.client.errors import ClientError, Outcome, from_refusal
from ftlite.client.success import cut_off
from ftlite.protocol.errors import ProtocolError
from ftlite.protocol.native.answers import Answer, Begun, Refusal, Told
from ftlite.protocol.native.feature import Grant, Offer
from ftlite.protocol.native.requests import AbortRequest, Request, format_request
from ftlite.protocol.replies import Reply

Make = Callable[[int], Request]  #: what to ask for, under a tag that is chosen when it goes out
_ABORT = 1.0  # seconds for ABOR to be sent; a person who pressed Ctrl-C waits for it
_PROBE = 5.0  # seconds for its answer, when it is asked to find out whether anybody is there


@define(eq=False)
class Running(Pending):
    """A tagged command on its way, and what the server has said of it so far.

    Attributes:
        tag: its number.
        thing: what it is about, for messages.
        begun: what the 150 stated; None before, and for commands that move nothing.
        answer: what ended it.
    """

    tag: int = 0
    thing: str = ""
    stall: float = 60.0
    begun: Begun | None = None
    answer: Answer | None = None
    _aborted: bool = False
    _heard: float = field(factory=trio.current_time)
    _news: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)

    @property
    def failed(self) -> bool:
        """Refused, ended without having begun, or never to be answered."""
        return self.over and (self.final is None or self.final.code >= 400 or self.begun is None)

    @property
    def over(self) -> bool:
        """Nothing more will be said of it."""
        return self.final is not None or self.control.broken is not None

    def take(self, reply: Reply, final: bool, said: Answer | None = None) -> None:
        """A reply came. One that says only that work goes on is a sign of life and no more."""
        self._heard = trio.current_time()
        if isinstance(said, Begun):
            self.begun = said
        if final:
            self.answer, self.final = said, reply
            self.control.silence(self.tag)
        if self.failed:
            self.fail()
        self._news.unpark_all()

    def fail(self) -> None:
        """Tell whoever waits, here or elsewhere."""
        super().fail()
        self._news.unpark_all()

    async def started(self) -> None:
        """Wait for the 150, or the final reply when that comes first. ClientError as `done`."""
        await self._until(lambda: self.begun is not None or self.final is not None)

    async def done(self) -> Reply:
        """The final reply, whatever its code.

        Raises:
            ClientError: PARTIAL when the control connection ended; TIMEOUT when nothing was said of this tag for too
                long; else what broke the connection.
        """
        await self._until(lambda: self.final is not None)
        assert self.final is not None
        return self.final

    async def _until(self, condition: Callable[[], bool]) -> None:
        self._heard = trio.current_time()
        while not condition():
            if self.over:
                raise self.lost()
            with trio.move_on_at(self._heard + self.stall) as clock:
                await self._news.park()
            if clock.cancelled_caught and not condition() and not self.over:
                raise await self._silence()

    async def _silence(self) -> ClientError:
        """Nothing was said of this tag for too long. ABOR finds out whether the server is there at all."""
        self._aborted, self.on_failure = True, None
        with trio.move_on_after(min(self.stall, _PROBE)) as clock:
            with suppress(ClientError):  # it is gone, which is known from now on
                await self.control.ask(*format_request(AbortRequest(self.tag)))
        error = ClientError(
            Outcome.TIMEOUT,
            f"{self.thing}: the server said nothing of it for {self.stall:g} s",
            remedy="raise --stall-timeout if the server is only slow",
            transient=True,
        )
        if clock.cancelled_caught:
            self.control.fail(error)
            await self.control.close()
        return error

    @property
    def given_up(self) -> bool:
        """It was ended by our ABOR, and by nothing else."""
        return self._aborted and isinstance(self.answer, Refusal) and self.answer.kind == "aborted"

    def lost(self) -> ClientError:
        """Why there will be no final reply."""
        assert self.control.broken is not None
        return cut_off(self.thing, self.control.broken)

    def refusal(self) -> ClientError | None:
        """What a refusal means; None while there is none."""
        if self.final is None or not isinstance(self.answer, Refusal):
            return None
        said = Reply(self.final.code, (self.answer.text,))
        return from_refusal(self.thing, self.name, self.answer.kind, said)

    async def abort(self) -> None:
        """End it, whatever it is at; 1 s at most. Its last words are still taken, for who waits for them by `done`."""
        if self.over or self._aborted:
            return
        self._aborted = True
        with trio.CancelScope(shield=True):
            with trio.move_on_after(_ABORT) as clock:
                with suppress(ClientError):  # the connection is broken, and says so from now on
                    await self.control.send(*format_request(AbortRequest(self.tag)))
            if clock.cancelled_caught:
                await self.control.close()


class Native:
    """The native dialect of one session.

    Attributes:
        offer: what the server's FEAT says of it.
        grant: id and key for data connections, and the limits of this session.
        rtt: seconds that a question and its answer took.
        plain: trees are not compressed: what they hold would be taken for a bomb.
    """

    def __init__(self, control: Control, offer: Offer, grant: Grant, *, rtt: float, stall: float) -> None:
        self.control = control
        self.offer = offer
        self.grant = grant
        self.rtt = rtt
        self.plain = False
        self._stall = stall
        self._tags = itertools.count(1)

    @property
    def most(self) -> int:
        """Transfers at once."""
        return max(1, self.grant.max)

    def next_tag(self) -> int:
        """A number that was not used before."""
        return next(self._tags)

    async def begin(self, make: Make, thing: str, tag: int | None = None) -> Running:
        """Send what `make` makes of `tag` (None: the next one); its replies come to what is returned.

        Raises:
            ClientError: USAGE for a path that cannot travel, or what broke the connection.
        """
        tag = self.next_tag() if tag is None else tag
        try:
            name, argument = format_request(make(tag))
        except ProtocolError as error:
            raise ClientError(Outcome.USAGE, f"{thing}: {error}") from error
        running = Running(self.control, name, tag=tag, thing=thing, stall=self._stall)
        await self.control.send_tagged(tag, name, argument, running)
        return running

    async def ask(self, make: Make, thing: str) -> Told:
        """A question without a data connection (HASH, WAIT). A question that is given up is ended there too.

        Raises:
            ClientError: the refusal, or why no answer came.
        """
        running = await self.begin(make, thing)
        try:
            reply = await running.done()
        except BaseException:
            await running.abort()
            self.control.silence(running.tag)
            raise
        refusal = running.refusal()
        if refusal is not None:
            raise refusal
        if not isinstance(running.answer, Told):
            raise ClientError(Outcome.PROTOCOL, f"{thing}: {reply.first!r} is no answer to {running.name}")
        return running.answer


def switch_on(control: Control, thing: str, offer: Offer, answer: Reply, *, rtt: float, stall: float) -> Native:
    """Speak native from now on: `answer` is that to OPTS FTLITE 1 (docs/protocol.md s.2).

    Raises:
        ClientError: PROTOCOL, when it grants nothing that can be read.
    """
    try:
        grant = Grant.parse(answer)
    except ProtocolError as error:
        raise ClientError(Outcome.PROTOCOL, f"{thing}: {error}", reply=answer) from error
    control.speak_native()
    return Native(control, offer, grant, rtt=rtt, stall=stall)
