"""A client's control connection: every reply gets the command that it answers. The tables are the rule.

`SENT` says which commands nothing may follow before their reply, `HEARD` what a reply makes possible. All other
commands may be pipelined; replies come in the order of the commands (RFC 959 s.5.4). In native mode (docs/protocol.md)
replies that carry a tag come at any time, beside that order.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Mapping
from typing import Final

from attrs import frozen

from ftlite.protocol.errors import BadReply, OutOfStep
from ftlite.protocol.native import answers
from ftlite.protocol.native.requests import (
    ENDS_NATIVE,
    AbortRequest,
    DoneRequest,
    Request,
    format_request,
    parse_request,
)
from ftlite.protocol.native.tags import MOVES, ClientTag, Event, Tags
from ftlite.protocol.native.values import begins_tagged
from ftlite.protocol.replies import Reply, ReplyReader
from ftlite.protocol.text import printable
from ftlite.protocol.verbs import format_command, shown


class Phase(enum.Enum):
    """What a client is at; it may send in READY only."""

    GREETING = "waits for the greeting"
    READY = "may send"
    SWITCHING = "waits for the reply to AUTH"
    SECURING = "must start TLS"
    RESTARTING = "waits for the reply to REIN"
    LEAVING = "waits for the reply to QUIT"
    GONE = "is done"


#: Verb -> the phase after sending it. Nothing may follow these verbs before their reply; all others may be pipelined.
SENT: Final[Mapping[str, Phase]] = {"AUTH": Phase.SWITCHING, "REIN": Phase.RESTARTING, "QUIT": Phase.LEAVING}

#: What the greeting answers: no command, but it takes its turn like one (RFC 959 s.5.4: 220, or 120 first).
GREETING: Final = "greeting"

#: Phase -> (what was answered, first digit of its final reply) -> the next phase; anything else leaves it. 421 leads to
#: GONE from everywhere.
HEARD: Final[Mapping[Phase, Mapping[tuple[str, int], Phase]]] = {
    Phase.GREETING: {(GREETING, 2): Phase.READY, (GREETING, 4): Phase.GONE, (GREETING, 5): Phase.GONE},
    Phase.READY: {},
    Phase.SWITCHING: {
        ("AUTH", 2): Phase.SECURING,
        ("AUTH", 3): Phase.READY,
        ("AUTH", 4): Phase.READY,
        ("AUTH", 5): Phase.READY,
    },
    Phase.SECURING: {},
    Phase.RESTARTING: {("REIN", 2): Phase.READY, ("REIN", 4): Phase.READY, ("REIN", 5): Phase.READY},
    Phase.LEAVING: {("QUIT", 2): Phase.GONE, ("QUIT", 4): Phase.GONE, ("QUIT", 5): Phase.GONE},
    Phase.GONE: {},
}


@frozen
class Answer:
    """A reply with the command it belongs to. Every command gets one final answer.

    Attributes:
        command: the verb as sent, in capitals; `GREETING` for the greeting; None for a 421 that nobody asked for.
        reply: the reply.
        final: no further reply to this command follows (a 1xx is not final).
        shown: the command for logs, secrets masked.
        tag: of a tagged command, whose replies come in no order with those of others; None for all others.
        said: what a reply with a tag says.
    """

    command: str | None
    reply: Reply
    final: bool
    shown: str = ""
    tag: int | None = None
    said: answers.Answer | None = None


@frozen
class _Sent:
    name: str
    shown: str
    abort: bool = False  # an ABOR sent while something ran: some servers answer it together with that


@frozen
class _Tagged:
    name: str
    shown: str
    state: ClientTag


class ClientDialogue:
    """Commands out, replies in, paired in order; several commands may be on their way (pipelining).

    An ABOR during a transfer gets two replies by RFC 959 s.4.1.3: 426 or 226 for the transfer, 225 or 226 for itself.
    Servers that send one of them only leave the ABOR open; a caller who is not sure sends NOOP behind it, whose reply
    closes both (the ABOR's answer is then the transfer's reply once more), and the dialogue is in step again.

    Attributes:
        phase: what may be sent.
        native: the native dialect is on. To be set when OPTS FTLITE 1 was granted; the reply to a verb that ends native
            mode clears it. Tags that run then keep their place until they are answered.
    """

    def __init__(self, reader: ReplyReader | None = None) -> None:
        self.phase = Phase.GREETING
        self._reader = ReplyReader() if reader is None else reader
        self._sent = deque([_Sent(GREETING, GREETING)])
        self._last: Reply | None = None
        self._held: Reply | None = None  # to be given out again: it answers the command behind an ABOR
        self.native = False
        self._tagged: dict[int, _Tagged] = {}
        self._tags = Tags()

    @property
    def running(self) -> tuple[int, ...]:
        """Tags that have not had their final reply, oldest first."""
        return tuple(self._tagged)

    @property
    def outstanding(self) -> tuple[str, ...]:
        """What has not had its final answer, oldest first: verbs, and `GREETING`."""
        return tuple(sent.name for sent in self._sent)

    @property
    def pending(self) -> bytes:
        """What was received and not given out as an answer; empty when all was."""
        return self._reader.pending if self._held is None else self._held.encode() + self._reader.pending

    def send(self, name: str, argument: str = "") -> bytes:
        """The bytes to send for this command; in native mode one whose argument begins with a tag is a tagged one.

        Raises `OutOfStep` when no command may go now, `BadArgument` when the command cannot be written, `BadFacts`
        when a tagged one makes no sense.
        """
        name = name.upper()
        if self.phase is not Phase.READY:
            raise OutOfStep(f"{name} cannot be sent: the session {self.phase.value}")
        line = format_command(name, argument)
        request = parse_request(name, argument) if self.native else None
        if request is not None:
            self._send_tagged(name, argument, request)
            return line
        self._sent.append(_Sent(name, shown(name, argument), abort=name == "ABOR" and bool(self._sent)))
        self.phase = SENT.get(name, Phase.READY)
        return line

    def send_tagged(self, request: Request) -> bytes:
        """The bytes to send for this request. Raises as `send`."""
        return self.send(*format_request(request))

    def _send_tagged(self, name: str, argument: str, request: Request) -> None:
        tag = request.tag
        assert tag is not None, "a request that was parsed behind a tag"
        if any(sent.name in ENDS_NATIVE for sent in self._sent):
            raise OutOfStep(f"{name} cannot be sent: native mode is about to end")
        if isinstance(request, AbortRequest):  # its reply comes in its turn, whatever becomes of the tag
            self._sent.append(_Sent(name, shown(name, argument)))
        elif isinstance(request, DoneRequest):
            if (running := self._tagged.get(tag)) is not None:  # else it is answered already, and DONE says nothing new
                running.state.step(Event.DONE)
        elif not self._tags.take(tag):
            raise OutOfStep(f"tag {tag} was used before")
        else:
            self._tagged[tag] = _Tagged(name, shown(name, argument), ClientTag(MOVES[type(request)]))

    def receive(self, data: bytes | bytearray | memoryview) -> None:
        """Take what arrived."""
        self._reader.feed(data)

    def telnet(self) -> bytes:
        """What Telnet owes the server, to be sent now; nearly always empty."""
        return self._reader.answers()

    def secure(self) -> None:
        """TLS starts now, after the 234. Raises `BadReply` when the server said more in clear after it."""
        if self.phase is not Phase.SECURING:
            raise OutOfStep(f"TLS cannot start: the session {self.phase.value}")
        if self.pending:
            raise BadReply("the server went on in clear after its reply to AUTH")
        self.phase = Phase.READY

    def next(self) -> Answer | None:
        """The next reply and what it answers, or None while it is incomplete.

        Raises `BadReply` (or `LineTooLong`) for bytes that are no reply, and for a reply that nobody asked for; the
        session cannot go on after that.
        """
        reply, self._held = self._held or self._reader.next(), None
        if reply is None:
            return None
        if (self.native or self._tagged) and begins_tagged(reply.first):
            return self._next_tagged(reply)
        if not self._sent:
            if reply.code != 421:
                raise BadReply(f"a reply to nothing: {reply.code} {printable(reply.first[:80])}")
            self.phase = Phase.GONE
            return Answer(None, reply, final=True)
        sent = self._sent[0]
        if sent.abort and len(self._sent) > 1 and self._last is not None and not _answers_abort(reply):
            reply, self._held = self._last, reply
        if not reply.preliminary:
            self._sent.popleft()
            self.phase = HEARD[self.phase].get((sent.name, reply.code // 100), self.phase)
            if sent.name in ENDS_NATIVE:
                self.native = False
        if reply.code == 421:
            self.phase = Phase.GONE
        self._last = reply
        return Answer(sent.name, reply, not reply.preliminary, sent.shown)

    def _next_tagged(self, reply: Reply) -> Answer:
        said = answers.parse_answer(reply)
        tag = said.tag
        running = self._tagged.get(tag) if tag is not None else None
        if tag is None or running is None:
            raise BadReply(f"a reply to a tag that does not run: {reply.code} {printable(reply.first[:80])}")
        try:
            running.state.step(_heard(said))
        except OutOfStep as error:
            raise BadReply(f"{reply.code} {printable(reply.first[:80])} out of step: {error}") from error
        if running.state.answered:
            del self._tagged[tag]
        return Answer(running.name, reply, running.state.answered, running.shown, tag, said)


def _heard(said: answers.Answer) -> Event:
    match said:
        case answers.Begun():
            return Event.BEGUN
        case answers.Working():
            return Event.STAGE
        case answers.Refusal():
            return Event.REFUSAL
    return Event.SUCCESS


def _answers_abort(reply: Reply) -> bool:
    """Whether a reply can be that to ABOR: 225 or 226, or any refusal (RFC 959 s.5.4)."""
    return reply.code in (225, 226) or reply.code >= 400
