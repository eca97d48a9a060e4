"""What a session is: who the client is, what it has set, and what is open in its name. Handlers work on this.

How commands come in and replies go out, in which order and under which clocks, is `ftlite.server.conversation`.
"""

from __future__ import annotations

import ssl
from collections import deque
from typing import TYPE_CHECKING

import trio
from attrs import define, field

from ftlite.config.models import TlsMode, User
from ftlite.gate.gate import Gate
from ftlite.movers import Pace
from ftlite.net.passive import Reservation
from ftlite.net.wire import Wire
from ftlite.protocol.listings import MLSX_FACTS
from ftlite.protocol.native.answers import untagged
from ftlite.protocol.replies import Reply, reply
from ftlite.protocol.states import ServerDialogue
from ftlite.protocol.verbs import Command
from ftlite.server.channel import Channel
from ftlite.server.native import NativeSession, Protection
from ftlite.server.refusals import Refused
from ftlite.server.services import Services

if TYPE_CHECKING:
    from ftlite.server.tagged import Tagged

_ENDING = 8  # data connections of answered transfers whose end may still be looked for
_LINGER = 2.0  # seconds until it is not looked for any more


@define(eq=False)
class Job:
    """A command that takes its time: what it is, how far it got, how to stop it."""

    command: Command
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    done: trio.Event = field(factory=trio.Event)
    moved: int = 0

    def give_up_waiting(self) -> None:
        """End it if it does nothing but wait."""
        if self.command.verb.name == "WAIT":
            self.scope.cancel()


@define
class Options:
    """What OPTS has set."""

    hash_algorithm: str = "SHA-256"
    facts: tuple[str, ...] = MLSX_FACTS


class Session:
    """One control connection, from greeting to goodbye.

    Args:
        services: what the server's sessions share.
        wire: the connection, in clear.
        peer: the client's address, as text.
        local: our address on this connection, as text; passive listeners and active dials use it.
        implicit: TLS comes before the greeting.
    """

    def __init__(self, services: Services, wire: Wire, *, peer: str, local: str, implicit: bool = False) -> None:
        limits, tls = services.config.limits, services.config.tls
        self.services = services
        self.peer = peer
        self.local = local
        self.id = f"s{services.next_number()}"
        self.channel = Channel(wire, line_limit=limits.line, reply_deadline=limits.reply)
        self.dialogue = ServerDialogue(tls_required=tls.mode is TlsMode.REQUIRED, secured=implicit)
        self.user: User | None = None
        self.gate: Gate | None = None
        self.cwd = "/"
        self.context: ssl.SSLContext | None = None
        self.reservation: Reservation | None = None
        self.options = Options()
        self.job: Job | None = None
        self.native: NativeSession | None = None  #: while native mode is on
        self.tagged: dict[int, Tagged] = {}  #: the tags that run
        self.active_at = trio.current_time()  #: when a command or a tag last ended; it is idle since
        self.closing = False  #: no command is read any more
        self.failures = 0  #: logins refused
        self._transfers = 0
        self._paces: dict[str, Pace | None] = {}
        self._ending: deque[tuple[Wire, float]] = deque()
        self._ends_are_new = False

    async def answer(self, command: Command, *answers: Reply) -> None:
        """Send the replies to `command`, final or preliminary, in one packet, and move the dialogue on."""
        if self.native is not None:
            answers = tuple(untagged(answer) for answer in answers)
        for answer in answers:
            self.dialogue.answered(command, answer)
            if self.services.log.commands:
                self.event("command", line=command.shown, code=answer.code)
        await self.channel.send(*answers)

    async def say(self, verb: str, *replies: Reply) -> None:
        """Send replies that belong to a tag: at any time, in whole lines."""
        if self.services.log.commands:
            for each in replies:
                self.event("tag", verb=verb, reply=f"{each.code} {each.first}")
        await self.channel.send(*replies)

    def event(self, name: str, **fields: str | int | float | bool | None) -> None:
        """Log an event of this session."""
        self.services.log.event(name, session=self.id, user=self.user.name if self.user else None, **fields)

    def transfer_done(self, direction: str, path: str, moved: int, seconds: float) -> None:
        """Log a transfer ("get" or "put") that is complete, under a number of its own."""
        self._transfers += 1
        self.event(
            "transfer.done",
            transfer=f"{self.id}.{self._transfers}",
            direction=direction,
            path=path,
            bytes=moved,
            seconds=round(seconds, 3),
        )

    def note_progress(self, moved: int) -> None:
        """The running job has moved so many bytes; STAT tells."""
        if self.job is not None:
            self.job.moved = moved

    async def make_context(self) -> None:
        """Make the TLS context of this session, off the loop. Raises `Refused` (502) when TLS is off here."""
        tls = self.services.tls
        if tls is None:
            raise Refused(reply(502, "TLS is not offered here."))
        self.context = await self.services.on_disk(tls.session_context)

    async def secure(self) -> None:
        """Shake hands with the context that `make_context` made. Raises NetError; the caller sets the deadline."""
        assert self.context is not None
        assert self.services.tls is not None
        await self.channel.secure(self.context)
        self.services.tls.no_more_tickets(self.context)
        if not self.dialogue.secured:
            self.dialogue.secure()
        version, cipher = self.channel.describe_tls()
        self.event("session.tls", version=version, cipher=cipher)

    def pace(self, direction: str) -> Pace | None:
        """The speed limit of its transfers, "down" or "up", if there is any.

        It lasts as long as the login: were each transfer to begin with the burst of a new one, small files would go
        unlimited.
        """
        if direction not in self._paces:
            self._paces[direction] = self.services.pace(self.user, direction)
        return self._paces[direction]

    async def begin_native(self) -> NativeSession:
        """Turn native mode on (docs/protocol.md s.2); where it was on before, what it had ends."""
        assert self.user is not None, "native mode comes after the login"
        await self.end_native()
        strict = self.user.require_close_notify
        strict = self.services.config.tls.require_close_notify if strict is None else strict
        context = self.context if self.dialogue.protection == "P" else None
        self.native = NativeSession(self.services, Protection(context, strict), self.event)
        return self.native

    async def end_native(self) -> None:
        """Turn native mode off: what runs is cancelled, and has given its last reply when this returns."""
        if self.native is None:
            return
        self.native.end()
        self.native = None
        for tagged in list(self.tagged.values()):
            tagged.abort()
        for tagged in list(self.tagged.values()):
            await tagged.done.wait()

    def tag_ended(self) -> None:
        """A tag has given its last reply."""
        self.active_at = trio.current_time()

    @property
    def busy(self) -> bool:
        """Whether anything runs: a job or a tag."""
        return self.job is not None or bool(self.tagged)

    def log_in(self, user: User, gate: Gate) -> None:
        """The client is `user` from now on, and sees what `gate` shows."""
        self.user, self.gate, self.cwd = user, gate, user.home
        self.event("session.login", peer=self.peer)

    def log_out(self) -> None:
        """Forget the user and what was open in its name, of which nothing runs any more; also at the session's end."""
        if self.native is not None:
            self.native.end()
            self.native = None
        if self.user is not None:
            self.services.census.log_out(self.user.name)
        if self.gate is not None:
            self.gate.close()
        self.user, self.gate, self.cwd = None, None, "/"
        self.options = Options()
        self._paces.clear()
        self.free_port()

    def free_port(self) -> None:
        """Give a reserved passive port back."""
        if self.reservation is not None:
            self.reservation.close()
            self.reservation = None

    def endings_full(self) -> bool:
        """Whether too many ends are looked for already for `end_later` to take another."""
        most = _ENDING if self.native is None else _ENDING + self.services.config.limits.transfers
        if len(self._ending) >= most:
            self._look(give_up=False)
        return len(self._ending) >= most

    def end_later(self, wire: Wire) -> None:
        """Our end is told on `wire`; look for the client's when the next command comes.

        By then it is nearly always there, and nobody has waited.
        """
        self._ending.append((wire, trio.current_time() + _LINGER))
        self._ends_are_new = True

    def look_for_ends(self, *, give_up: bool = False) -> None:
        """Close the data connections whose end has come, or was waited for long enough.

        The first look after `end_later` comes before the client has read anything, and is left out.
        """
        if self._ends_are_new and not give_up:
            self._ends_are_new = False
        elif self._ending:
            self._look(give_up)

    def _look(self, give_up: bool) -> None:
        now = trio.current_time()
        for _ in range(len(self._ending)):
            wire, until = self._ending.popleft()
            if not wire.try_finish(give_up=give_up or now >= until):
                self._ending.append((wire, until))
