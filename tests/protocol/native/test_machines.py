"""A client and a server, with everything between them in any order: both come to the same end of every tag.

Hypothesis chooses who does what next: commands, lines taken, connections that join early or late or never, content, its
end, DONE true and false, aborts, losses, timeouts, and the end of native mode. Whatever it chooses: no tag is answered
twice, nothing happens to a tag that has ended, and a client that says it went well has the server's word and the bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ftlite.protocol.native.answers import Refusal, refuse
from ftlite.protocol.native.requests import GetRequest, HashRequest, PutRequest
from ftlite.protocol.native.tags import Moves, State
from tests.protocol.native.wire import Client, Link, Sending, Server, Serving

MOST = 6  # tags in one run
REQUESTS = {"GET": GetRequest, "PUT": PutRequest, "HASH": HashRequest}
picks = st.integers(0, MOST * 4)


class Machines(RuleBasedStateMachine):
    """The rules are what can happen next."""

    def __init__(self) -> None:
        super().__init__()
        self.link = Link()
        self.client, self.server = Client(self.link), Server(self.link)
        self.highest = 0
        self.leaving = False  # native mode is about to end: nothing with a tag may be sent
        self.said = 0  # untagged commands
        self.patient: int | None = 0  # which of its moves comes first in the end, before deadlines pass; None: no move
        self.honest = True  # in DONE

    def new_tag(self) -> int:
        self.highest += 1
        return self.highest

    def one(self, pick: int, tags: Iterable[int]) -> int | None:
        """One of `tags`, if there are any."""
        some = sorted(tags)
        return some[pick % len(some)] if some else None

    def sending(self, wanted: Callable[[int, Sending], bool]) -> list[int]:
        return [tag for tag, command in self.client.commands.items() if wanted(tag, command)]

    def serving(self, wanted: Callable[[int, Serving], bool]) -> list[int]:
        return [tag for tag, command in self.server.commands.items() if wanted(tag, command)]

    def moving(self, moves: Moves, *states: State) -> list[int]:
        """Tags whose content the server may see to."""
        return self.serving(lambda _, command: command.tag.moves is moves and command.tag.state in states)

    @initialize(
        kinds=st.lists(st.sampled_from(sorted(REQUESTS)), max_size=4),
        patient=st.sampled_from([None, 0, -1]),
        honest=st.sampled_from([True, True, False]),
    )
    def begin(self, kinds: list[str], patient: int | None, honest: bool) -> None:
        self.patient, self.honest = patient, honest
        for kind in kinds:
            self.client.ask(REQUESTS[kind](self.new_tag(), "x"))

    # --- the client ---

    @rule(pick=picks, spare=st.booleans())
    def dial(self, pick: int, spare: bool) -> None:
        waiting = self.sending(
            lambda tag, command: tag not in self.link.data and command.tag.moves is not Moves.NOTHING
        )
        if spare and self.highest < MOST:
            self.client.dial(self.new_tag())
        elif (tag := self.one(pick, waiting)) is not None:
            self.client.dial(tag)

    @rule(pick=picks, kind=st.sampled_from(sorted(REQUESTS)), spare=st.booleans())
    def ask(self, pick: int, kind: str, spare: bool) -> None:
        spares = set(self.link.data) - set(self.client.commands)
        tag = self.one(pick, spares) if spare else None
        if tag is None and self.highest < MOST:
            tag = self.new_tag()
        if tag is not None and not self.leaving:
            self.client.ask(REQUESTS[kind](tag, "x"))

    @rule(pick=picks, really=st.integers(0, 3))
    def abort(self, pick: int, really: int) -> None:
        tag = self.one(pick, self.client.commands)
        if tag is not None and not self.leaving and not really:
            self.client.abort(tag)
            self.said += 1

    @rule()
    def ask_without_tag(self) -> None:
        self.client.plain("NOOP")
        self.said += 1

    @rule(really=st.integers(0, 9))
    def leave(self, really: int) -> None:
        if not really and not self.leaving:
            self.client.plain("USER", "b")
            self.said += 1
            self.leaving = True

    @rule(pick=picks, octets=st.binary(min_size=1, max_size=3))
    def upload(self, pick: int, octets: bytes) -> None:
        tag = self.one(pick, self.uploading(State.MOVING))
        if tag is not None:
            self.client.say(tag, octets)

    @rule(pick=picks)
    def end_upload(self, pick: int) -> None:
        tag = self.one(pick, self.uploading(State.MOVING, State.STATED))
        if tag is not None:
            self.client.end(tag)

    @rule(pick=picks, honest=st.booleans())
    def state(self, pick: int, honest: bool) -> None:
        tag = self.one(pick, self.uploading(State.MOVING, State.ENDING))
        if tag is not None and not self.leaving:
            self.client.done(tag, honest)

    @rule(pick=picks)
    def notice(self, pick: int) -> None:
        lost = [tag for tag in self.uploading(State.MOVING, State.ENDING, State.STATED) if self.link.data[tag].lost]
        tag = self.one(pick, lost)
        if tag is not None:
            self.client.notice(tag)

    def uploading(self, *states: State) -> list[int]:
        return self.sending(
            lambda tag, command: command.tag.moves is Moves.UP and command.tag.state in states and tag in self.link.data
        )

    @rule(pick=picks)
    def download(self, pick: int) -> None:
        tag = self.one(pick, self.downloading())
        if tag is not None:
            self.client.read(tag)

    def downloading(self) -> list[int]:
        states = (State.MOVING, State.STATED)
        return self.sending(
            lambda tag, command: (
                command.tag.moves is Moves.DOWN and command.tag.state in states and tag in self.link.data
            )
        )

    @rule()
    def hear(self) -> None:
        if self.link.down:
            self.client.hear()

    # --- the server ---

    @rule()
    def take(self) -> None:
        if self.link.up:
            self.server.take()

    @rule(pick=picks)
    def join(self, pick: int) -> None:
        tag = self.one(pick, [tag for tag, data in self.link.data.items() if not data.joined])
        if tag is not None:
            self.server.join(tag)

    @rule(pick=picks, octets=st.binary(min_size=1, max_size=3))
    def send(self, pick: int, octets: bytes) -> None:
        tag = self.one(pick, self.moving(Moves.DOWN, State.MOVING))
        if tag is not None:
            self.server.say(tag, octets)

    @rule(pick=picks)
    def end_download(self, pick: int) -> None:
        tag = self.one(pick, self.moving(Moves.DOWN, State.MOVING))
        if tag is not None:
            self.server.end(tag)

    @rule(pick=picks)
    def receive(self, pick: int) -> None:
        tag = self.one(pick, self.moving(Moves.UP, State.MOVING, State.STATED))
        if tag is not None:
            self.server.read(tag)

    @rule(pick=picks)
    def find_lost(self, pick: int) -> None:
        """The server writes into a connection that is gone, or looks at a spare that is."""
        states = (State.EARLY, State.MOVING)
        tag = self.one(pick, self.serving(lambda _, command: command.tag.state in states))
        if tag is not None and self.link.data[tag].lost:
            self.server.read(tag)

    @rule(pick=picks)
    def work(self, pick: int) -> None:
        tag = self.one(pick, self.running())
        if tag is not None:
            self.server.stage(tag)

    @rule(pick=picks)
    def judge(self, pick: int) -> None:
        states = (State.SEALING, State.WORKING)
        tag = self.one(pick, self.serving(lambda _, command: command.tag.state in states))
        if tag is not None:
            self.server.judge(tag)

    @rule(pick=picks, really=st.integers(0, 5))
    def give_up(self, pick: int, really: int) -> None:
        """A deadline passes."""
        tag = self.one(pick, self.running())
        if tag is not None and not really:
            self.server.finish(tag, refuse(tag, "stalled"))

    def running(self) -> list[int]:
        return self.serving(lambda tag, _: tag in self.server.running)

    # --- the wire ---

    @rule(pick=picks)
    def lose(self, pick: int) -> None:
        tag = self.one(pick, [tag for tag, data in self.link.data.items() if not data.lost])
        if tag is not None:
            self.link.data[tag].lost = True

    # --- all at once ---

    @rule(choices=st.lists(picks, min_size=1, max_size=30))
    def go_on(self, choices: list[int]) -> None:
        """What both ends would do by themselves, in some order: else few tags would ever get far."""
        for choice in choices:
            moves = self.natural()
            if moves:
                moves[choice % len(moves)]()

    def natural(self, *, talk: bool = True) -> list[Callable[[], None]]:
        moves: list[Callable[[], None]] = []
        moves += [self.take] * bool(self.link.up) + [self.hear] * bool(self.link.down)
        begun = self.sending(lambda tag, command: command.tag.moves is not Moves.NOTHING and tag not in self.link.data)
        moves += [partial(self.client.dial, tag) for tag in begun]
        moves += [partial(self.server.join, tag) for tag, data in self.link.data.items() if not data.joined]
        if talk:
            moves += [partial(self.client.say, tag, b"up") for tag in self.uploading(State.MOVING)]
            moves += [partial(self.server.say, tag, b"down") for tag in self.moving(Moves.DOWN, State.MOVING)]
        moves += [partial(self.client.end, tag) for tag in self.uploading(State.MOVING, State.STATED)]
        if not self.leaving:
            due = self.uploading(State.MOVING, State.ENDING)
            moves += [partial(self.client.done, tag, self.honest) for tag in due]
        readable = [tag for tag in self.downloading() if self.link.data[tag].news]
        moves += [partial(self.client.read, tag) for tag in readable]
        moves += [partial(self.server.end, tag) for tag in self.moving(Moves.DOWN, State.MOVING)]
        readable = [tag for tag in self.moving(Moves.UP, State.MOVING, State.STATED) if self.link.data[tag].news]
        moves += [partial(self.server.read, tag) for tag in readable]
        ripe = self.serving(lambda _, command: command.tag.state in (State.SEALING, State.WORKING))
        return moves + [partial(self.server.judge, tag) for tag in ripe]

    # --- what always holds ---

    @invariant()
    def success_is_true(self) -> None:
        for tag, command in self.client.commands.items():
            if not command.succeeded:
                continue
            serving = self.server.commands[tag]
            assert serving.final == command.final
            assert command.honest
            if command.tag.moves is not Moves.NOTHING:
                assert serving.at_end == bytes(command.content)

    @invariant()
    def nothing_happens_after_the_end(self) -> None:
        for tag, serving in self.server.commands.items():
            if serving.final is not None:
                assert serving.tag.state is State.ENDED
                assert serving.at_end == bytes(serving.content)
                assert tag not in self.server.running

    def teardown(self) -> None:
        """Let all that is on its way arrive, and time pass for what still waits."""
        while self.patient is not None and (moves := self.natural(talk=False)):
            moves[self.patient]()
            self.success_is_true()
        self.flush()
        for tag in self.running():
            self.server.finish(tag, refuse(tag, "stalled"))
        self.flush()
        for tag in self.downloading():
            while self.link.data[tag].news and self.client.commands[tag].tag.state is State.STATED:
                self.client.read(tag)
        assert self.client.dialogue.running == ()
        assert self.client.dialogue.outstanding == ()
        assert len(self.client.heard) == self.said
        assert self.client.dialogue.native is self.server.dialogue.native is not self.leaving
        for tag, command in self.client.commands.items():
            final = self.server.commands[tag].final
            assert command.final == final
            assert command.succeeded == (not isinstance(final, Refusal) and not self.broke(command))

    def broke(self, command: Sending) -> bool:
        """A download that the server has sent whole may yet be lost on its way."""
        return command.lost and command.tag.moves is Moves.DOWN

    def flush(self) -> None:
        while self.link.up or self.link.down:
            self.take()
            self.hear()


TestMachines = Machines.TestCase
TestMachines.settings = settings(
    max_examples=120, stateful_step_count=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
