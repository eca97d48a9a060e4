"""A client and a server of the native dialect without sockets: both keep to their tables, and between them are lists.

Every line, every octet of content and every end waits in a list until somebody takes it, so that a test can choose any
order. Nothing here decides when anything happens.
"""

from __future__ import annotations

import hashlib
from collections import deque

from attrs import define, field

from ftlite.protocol.lines import LineSplitter
from ftlite.protocol.native.answers import Answer, Begun, Moved, Refusal, Told, Working, refuse
from ftlite.protocol.native.requests import ENDS_NATIVE, AbortRequest, DoneRequest, Request
from ftlite.protocol.native.tags import MOVES, ClientTag, Event, Moves, ServerTag, State, Tags
from ftlite.protocol.native.values import Digests
from ftlite.protocol.pairing import ClientDialogue
from ftlite.protocol.replies import Reply, reply
from ftlite.protocol.states import ServerDialogue
from ftlite.protocol.verbs import Command, parse_command


def digest(data: bytes) -> Digests:
    return Digests(hashlib.sha256(data).hexdigest())


@define
class Data:
    """A data connection: what is on its way to the end that reads."""

    content: bytearray = field(factory=bytearray)
    finished: bool = False  #: the writer has ended it
    lost: bool = False
    joined: bool = False  #: the server has it

    @property
    def news(self) -> bool:
        """Whether who reads has something to find."""
        return bool(self.content) or self.finished or self.lost


@define
class Link:
    """All that is between the two ends."""

    up: deque[bytes] = field(factory=deque)
    down: deque[bytes] = field(factory=deque)
    data: dict[int, Data] = field(factory=dict)


@define
class Sending:
    """A command as its client sees it."""

    request: Request
    tag: ClientTag
    content: bytearray = field(factory=bytearray)  # sent or received
    begun: Begun | None = None
    final: Moved | Told | Refusal | None = None
    lost: bool = False
    honest: bool = True  # what DONE stated was so

    @property
    def succeeded(self) -> bool:
        """What the client tells its user (s.4)."""
        if isinstance(self.final, Moved) and self.tag.moves is Moves.DOWN:
            return self.tag.state is State.ENDED and not self.lost and self.final.digests == digest(bytes(self.content))
        return self.final is not None and not isinstance(self.final, Refusal)


@define
class Serving:
    """A command as the server sees it."""

    tag: ServerTag = field(factory=ServerTag)
    request: Request | None = None
    content: bytearray = field(factory=bytearray)
    stated: DoneRequest | None = None
    final: Moved | Told | Refusal | None = None
    at_end: bytes = b""  # the content when the final reply went out


class Client:
    """One end."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.dialogue = ClientDialogue()
        self.dialogue.receive(b"220 hi\r\n")
        assert self.dialogue.next() is not None
        self.dialogue.native = True
        self.commands: dict[int, Sending] = {}
        self.heard: list[str] = []  # untagged commands that were answered

    def dial(self, tag: int) -> None:
        self.link.data[tag] = Data()

    def ask(self, request: Request) -> None:
        assert request.tag is not None
        self.link.up.append(self.dialogue.send_tagged(request))
        self.commands[request.tag] = Sending(request, ClientTag(MOVES[type(request)]))

    def plain(self, name: str, argument: str = "") -> None:
        self.link.up.append(self.dialogue.send(name, argument))

    def abort(self, tag: int) -> None:
        self.link.up.append(self.dialogue.send_tagged(AbortRequest(tag)))

    def say(self, tag: int, octets: bytes) -> None:
        self.commands[tag].content += octets
        self.link.data[tag].content += octets

    def end(self, tag: int) -> None:
        self.commands[tag].tag.step(Event.END)
        self.link.data[tag].finished = True

    def done(self, tag: int, honest: bool) -> None:
        command = self.commands[tag]
        command.tag.step(Event.DONE)
        command.honest = honest
        content = bytes(command.content)
        stated = DoneRequest(tag, len(content), digest(content if honest else content + b"?"))
        self.link.up.append(self.dialogue.send_tagged(stated))

    def read(self, tag: int) -> None:
        """Take what a download has brought, and see its end or its loss."""
        command, data = self.commands[tag], self.link.data[tag]
        if data.lost:
            command.lost = True
            command.tag.step(Event.LOST)
        elif data.content:
            command.content += data.content
            data.content.clear()
        elif data.finished:
            command.tag.step(Event.END)

    def notice(self, tag: int) -> None:
        """See that the connection of an upload is lost."""
        self.commands[tag].lost = True
        self.commands[tag].tag.step(Event.LOST)

    def hear(self) -> None:
        """Take the next reply."""
        self.dialogue.receive(self.link.down.popleft())
        while (answer := self.dialogue.next()) is not None:
            if answer.tag is None:
                assert answer.command is not None
                self.heard.append(answer.command)
                continue
            command = self.commands[answer.tag]
            assert command.final is None, "a tag was answered twice"
            self._take(command, answer.said)

    def _take(self, command: Sending, said: Answer | None) -> None:
        match said:
            case Begun():
                command.tag.step(Event.BEGUN)
                command.begun = said
            case Working():
                command.tag.step(Event.STAGE)
            case Refusal():
                command.tag.step(Event.REFUSAL)
                command.final = said
            case Moved() | Told():
                command.tag.step(Event.SUCCESS)
                command.final = said
            case None:
                raise AssertionError("a reply with a tag says something")


class Server:
    """The other end."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.splitter = LineSplitter(4096, telnet=True)
        self.dialogue = ServerDialogue()
        for line, code in ((b"USER a", 230), (b"OPTS FTLITE 1", 200)):
            self.dialogue.answered(parse_command(line), reply(code, "x"))
        self.tags = Tags()
        self.running: set[int] = set()
        self.commands: dict[int, Serving] = {}
        self.closed: set[int] = set()  # data connections that were turned away

    # --- control ---

    def take(self) -> None:
        """Read the next line and do what it says, at once."""
        self.splitter.feed(self.link.up.popleft())
        line = self.splitter.next()
        assert line is not None
        command = parse_command(line, native=self.dialogue.native)
        refusal = self.dialogue.admit(command)
        if refusal is not None:
            self._answer(command, refusal)
        elif isinstance(command.request, AbortRequest):
            self._abort(command, command.request.tag)
        elif isinstance(command.request, DoneRequest):
            self._state(command.request)
        elif command.tag is not None:
            self._begin(command, command.tag)
        else:
            self._answer(command, reply(331 if command.name == "USER" else 200, "x"))

    def _begin(self, command: Command, tag: int) -> None:
        request = command.request
        if not self.tags.take(tag):
            self._send(refuse(tag, "bad-tag").to_reply())
            return
        self.running.add(tag)
        serving = self.commands.setdefault(tag, Serving())
        if serving.tag.state is State.ENDED:  # its spare was given up
            self.commands[tag] = serving = Serving()
            serving.tag.command(MOVES[type(request)])
            self.finish(tag, refuse(tag, "no-data"))
            return
        serving.request = request
        serving.tag.command(MOVES[type(request)])
        if serving.tag.moves is not Moves.NOTHING:
            self._send(Begun(tag, "x", 0).to_reply())

    def _state(self, stated: DoneRequest) -> None:
        serving = self.commands[stated.tag]
        if not serving.tag.late(Event.DONE):
            serving.tag.step(Event.DONE)
            serving.stated = stated

    def _abort(self, command: Command, tag: int) -> None:
        runs = tag in self.running
        if runs:
            self.finish(tag, refuse(tag, "aborted"))
        self._answer(command, reply(226 if runs else 225, "x"))

    def _answer(self, command: Command, answer: Reply) -> None:
        if command.verb.name in ENDS_NATIVE:
            for tag in list(self.commands):
                if tag in self.running:
                    self.finish(tag, refuse(tag, "aborted"))
        self.dialogue.answered(command, answer)
        self._send(answer)

    def _send(self, answer: Reply) -> None:
        self.link.down.append(answer.encode())

    def stage(self, tag: int) -> None:
        self._send(Working(tag, "hash").to_reply())

    def finish(self, tag: int, final: Moved | Told | Refusal) -> None:
        """The final reply; nothing of the tag is left then."""
        serving = self.commands[tag]
        serving.tag.step(Event.REFUSAL if isinstance(final, Refusal) else Event.SUCCESS)
        assert tag in self.running, "a tag was answered twice"
        self.running.remove(tag)
        serving.final, serving.at_end = final, bytes(serving.content)
        self._send(final.to_reply())
        data = self.link.data.get(tag)
        if data is not None and data.joined and not data.finished:
            data.lost = True  # closed in the middle

    def judge(self, tag: int) -> None:
        """Say what the tag came to (s.4): an upload only when all that was stated is so."""
        serving = self.commands[tag]
        content = bytes(serving.content)
        if serving.tag.lost:
            self.finish(tag, refuse(tag, "lost"))
        elif serving.tag.moves is Moves.NOTHING:
            self.finish(tag, Told(tag, "x", size=0, digests=digest(b"")))
        elif serving.tag.moves is Moves.UP and (
            serving.stated is None or serving.stated.moved != len(content) or serving.stated.digests != digest(content)
        ):
            self.finish(tag, refuse(tag, "integrity"))
        else:
            self.finish(tag, Moved(tag, "x", len(content), size=len(content), digests=digest(content)))

    # --- data ---

    def join(self, tag: int) -> None:
        """A data connection has proven itself."""
        serving = self.commands.setdefault(tag, Serving())
        data = self.link.data[tag]
        data.joined = True
        if serving.tag.late(Event.DATA) or serving.tag.moves is Moves.NOTHING:
            self.closed.add(tag)
            data.lost = True
        else:
            serving.tag.step(Event.DATA)

    def say(self, tag: int, octets: bytes) -> None:
        self.commands[tag].content += octets
        self.link.data[tag].content += octets

    def end(self, tag: int) -> None:
        self.commands[tag].tag.step(Event.END)
        self.link.data[tag].finished = True

    def read(self, tag: int) -> None:
        """Take what an upload has brought, and see its end or its loss."""
        serving, data = self.commands[tag], self.link.data[tag]
        if data.lost:
            serving.tag.step(Event.LOST)
        elif data.content:
            serving.content += data.content
            data.content.clear()
        elif data.finished:
            serving.tag.step(Event.END)
