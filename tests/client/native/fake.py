"""A small native server over loopback whose every step a test can change. It shares no code with ftlite's server."""

from __future__ import annotations

import hashlib
import hmac
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from attrs import define, field

from ftlite import connect
from tests.client.fake import Conversation, FakeServer, Gone

KEY = "00112233445566778899aabbccddeeff"
MODIFY = "20240102030405.123456789"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def version(content: bytes) -> str:
    return f"v{digest(content)[:8]}"


def proof(id: str, tag: int) -> str:
    return hmac.new(bytes.fromhex(KEY), f"{id}.{tag:010}".encode(), "sha256").hexdigest()


class Talk(Conversation):
    """A control connection on which several tasks speak."""

    def __init__(self, server: FakeServer, stream: trio.abc.Stream) -> None:
        super().__init__(server, stream)
        self.speaking = trio.Lock()

    async def say(self, text: str) -> None:
        async with self.speaking:
            await super().say(text)


@define(eq=False)
class Tag:
    """A command on its way."""

    talk: Talk
    verb: str
    number: int
    facts: dict[str, str]
    path: str
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    done: dict[str, str] = field(factory=dict)
    stated: trio.Event = field(factory=trio.Event)
    ended: bool = False

    async def say(self, code: int, facts: str = "", text: str | None = None) -> None:
        self.ended = self.ended or code != 150
        await self.talk.say(f"{code} tag={self.number};{facts} {self.path if text is None else text}".rstrip())


class NativeServer(FakeServer):
    """Subclass it, or set its attributes, to misbehave.

    Attributes:
        parts: path -> what stands of an unfinished upload.
        failed: paths whose producer gave up.
        opened: tags whose data connection came, in their order.
        running, most: transfers now, and at most.
        greetings: the greeting of data connections, in the pieces that it is sent in; empty: none.
        resumed: whether TLS sessions were resumed on data connections.
    """

    feat = (*FakeServer.feat, "FTLITE 1 max=16;hash=sha256;spares=2;")
    granted = "max=16;spares=2;"
    greetings: tuple[bytes, ...] = (b"220 fake\r\n",)
    implicit = False

    def __init__(self, files: dict[str, bytes] | None = None, context: ssl.SSLContext | None = None) -> None:
        super().__init__(files, context)
        self.id = "0123456789abcdef"
        self.parts: dict[str, bytes] = {}
        self.failed: set[str] = set()
        self.opened: list[int] = []
        self.busy = self.most = 0
        self.resumed: list[bool] = []
        self.tags: dict[int, Tag] = {}
        self.streams: dict[int, trio.abc.Stream] = {}
        self.over: dict[int, trio.Event] = {}
        self.aborted: set[int] = set()
        self.arrived = trio.lowlevel.ParkingLot()
        self.asked: list[Tag] = []
        self.talks: list[Talk] = []
        self.changed: dict[str, tuple[str, str]] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[NativeServer]:
        async with super().running(), trio.open_nursery() as self.nursery:
            yield self
            self.nursery.cancel_scope.cancel()

    # ---- connections

    async def serve(self, stream: trio.abc.Stream) -> None:
        try:
            if self.greetings and not self.implicit:
                for piece in self.greetings:
                    await stream.send_all(piece)
                    await trio.lowlevel.checkpoint()
            line = b""
            while not line.endswith(b"\n"):
                octet = await stream.receive_some(1)
                if not octet:
                    return
                line += octet
            if line.startswith(b"DATA "):
                await self.enter(stream, line)
                return
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
        self.connections += 1
        talk = Talk(self, stream)
        talk.buffer, talk.greeted = line, True
        self.talks.append(talk)
        try:
            await talk.talk()
        except (Gone, trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            for tag in self.tags.values():
                tag.scope.cancel()
            await trio.aclose_forcefully(talk.stream)

    async def enter(self, stream: trio.abc.Stream, line: bytes) -> None:
        """A data connection."""
        words = line.split()
        assert words[0] == b"DATA"
        id, _, tag10 = words[1].partition(b".")
        assert len(tag10) == 10
        if id.decode() != self.id:
            return
        tag = int(tag10)
        if self.context is None:
            assert words[2].decode() == proof(self.id, tag)
        else:
            assert len(words) == 2
            secure = trio.SSLStream(stream, self.context, server_side=True)
            await secure.do_handshake()
            inside = b""
            while not inside.endswith(b"\n"):
                inside += await secure.receive_some(72 - len(inside))
            assert inside == f"PROOF {proof(self.id, tag)}\r\n".encode()
            self.resumed.append(bool(secure.session_reused))
            stream = secure
        self.opened.append(tag)
        if tag in self.aborted:  # it was given up before its connection came
            return
        self.over[tag] = trio.Event()
        await self.take(tag, stream)
        await self.over[tag].wait()  # the stream is closed when this returns

    async def take(self, tag: int, stream: trio.abc.Stream) -> None:
        """A proven data connection."""
        self.streams[tag] = stream
        self.arrived.unpark_all()

    async def data(self, tag: Tag) -> trio.abc.Stream:
        while tag.number not in self.streams:
            await self.arrived.park()
        return self.streams.pop(tag.number)

    async def end(self, stream: trio.abc.Stream) -> None:
        """Our end, then the other's."""
        if isinstance(stream, trio.SSLStream):
            await stream.aclose()
            return
        assert isinstance(stream, trio.SocketStream)
        await stream.send_eof()
        with trio.move_on_after(2):
            while await stream.receive_some(65536):
                pass
        await stream.aclose()

    # ---- commands

    async def do_OPTS(self, talk: Conversation, argument: str) -> None:
        if argument == "FTLITE 1":
            self.id = f"{int(self.id, 16) + 1:016x}"
            self.streams.clear()
            for over in self.over.values():
                over.set()
            await talk.say(f"200 FTLITE 1 id={self.id};key={KEY};{self.granted}")
        else:
            await talk.do_OPTS(argument)

    async def tagged(self, talk: Conversation, verb: str, argument: str) -> None:
        assert isinstance(talk, Talk)
        text, _, path = argument.partition(" ")
        facts = dict(fact.split("=", 1) for fact in text.split(";") if fact)
        tag = Tag(talk, verb, int(facts.pop("tag")), facts, talk.path(path))
        tag.path = path
        if verb == "DONE":
            running = self.tags.get(tag.number)
            if running is not None:
                running.done = facts
                running.stated.set()
            return
        assert tag.number not in self.tags
        self.tags[tag.number] = tag
        self.asked.append(tag)
        self.nursery.start_soon(self.run, tag)

    async def do_GET(self, talk: Conversation, argument: str) -> None:
        await self.tagged(talk, "GET", argument)

    async def do_PUT(self, talk: Conversation, argument: str) -> None:
        await self.tagged(talk, "PUT", argument)

    async def do_DONE(self, talk: Conversation, argument: str) -> None:
        await self.tagged(talk, "DONE", argument)

    async def do_HASH(self, talk: Conversation, argument: str) -> None:
        await self.tagged(talk, "HASH", argument)

    async def do_WAIT(self, talk: Conversation, argument: str) -> None:
        await self.tagged(talk, "WAIT", argument)

    async def do_MLSD(self, talk: Conversation, argument: str) -> None:
        await self.tagged(talk, "MLSD", argument)

    async def do_ABOR(self, talk: Conversation, argument: str) -> None:
        if not argument:
            await talk.do_ABOR(argument)
            return
        number = int(argument.removeprefix("tag=").rstrip(";"))
        self.aborted.add(number)
        tag = self.tags.get(number)
        if tag is None or tag.ended:
            await talk.say("225 no such transfer")
            return
        tag.scope.cancel()
        await tag.say(426, "kind=aborted;", "ended")
        await talk.say("226 aborted")

    async def do_APPE(self, talk: Conversation, argument: str) -> None:
        self.files[talk.path(argument)] += await talk.receive_data()
        await talk.say("226 done")

    async def run(self, tag: Tag) -> None:
        self.busy += 1
        self.most = max(self.most, self.busy)
        try:
            with tag.scope:
                await getattr(self, tag.verb.lower())(tag)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            self.busy -= 1
            self.tags.pop(tag.number, None)
            self.streams.pop(tag.number, None)
            if tag.number in self.over:
                self.over[tag.number].set()

    def find(self, path: str) -> bytes | None:
        return self.files.get(path if path.startswith("/") else f"/{path}")

    async def get(self, tag: Tag) -> None:
        content = self.find(tag.path)
        if content is None:
            await tag.say(550, "kind=not-found;", f"{tag.path}: no such file")
            return
        offset = int(tag.facts.get("offset", 0))
        if offset > len(content) or tag.facts.get("if", version(content)) != version(content):
            offset = 0
        await self.begin_get(tag, content, offset)
        await self.send(tag, await self.data(tag), content[offset:])
        await self.confirm_get(tag, content, offset)

    async def begin_get(self, tag: Tag, content: bytes, offset: int) -> None:
        facts = f"offset={offset};size={len(content)};modify={MODIFY};mode=0640;version={version(content)};"
        await tag.say(150, facts)

    async def send(self, tag: Tag, stream: trio.abc.Stream, content: bytes) -> None:
        try:
            await stream.send_all(content)
            await self.end(stream)
        finally:
            await trio.aclose_forcefully(stream)

    async def confirm_get(self, tag: Tag, content: bytes, offset: int) -> None:
        await tag.say(226, f"bytes={len(content) - offset};size={len(content)};sha256={digest(content)};")

    async def put(self, tag: Tag) -> None:
        path = tag.path if tag.path.startswith("/") else f"/{tag.path}"
        if "failed" in tag.facts:
            self.failed.add(path)
            await tag.say(226, "failed=1;")
            return
        there = self.files.get(path)
        if there is not None and tag.facts.get("if") == "absent":
            await tag.say(553, "kind=exists;", "it is there already")
            return
        if there is not None and tag.facts.get("sha256") == digest(there):
            await tag.say(226, f"bytes=0;size={len(there)};sha256={digest(there)};same=1;version={version(there)};")
            return
        if "fresh" in tag.facts:
            self.parts.pop(path, None)
        await self.receive(tag, path)

    async def receive(self, tag: Tag, path: str) -> None:
        part = self.parts.get(path, b"") if "size" in tag.facts else b""
        there = self.files.get(path)
        stands = "stands=1;" if there is not None and str(len(there)) == tag.facts.get("size") else ""
        told = f"sha256={digest(part)};" if part else ""
        await tag.say(150, f"offset={len(part)};{told}{stands}")
        stream = await self.data(tag)
        content = part
        try:
            while block := await stream.receive_some(65536):
                content += block
                self.parts[path] = content
            await self.end(stream)
        finally:
            await trio.aclose_forcefully(stream)
        await tag.stated.wait()
        await self.publish(tag, path, content, len(content) - len(part))

    async def publish(self, tag: Tag, path: str, content: bytes, moved: int) -> None:
        self.parts.pop(path, None)
        if (tag.done["bytes"], tag.done["sha256"]) != (str(moved), digest(content)):
            await tag.say(451, "kind=integrity;", "count or digest differ")
            return
        self.files[path] = content
        self.changed[path] = (tag.facts.get("modify", ""), tag.facts.get("mode", ""))
        self.failed.discard(path)
        self.arrived.unpark_all()
        facts = f"bytes={moved};size={len(content)};sha256={digest(content)};version={version(content)};"
        await tag.say(226, facts)

    async def mlsd(self, tag: Tag) -> None:
        path = tag.talk.path(tag.path).rstrip("/") or "/"
        if path not in self.directories:
            await tag.say(550, "kind=not-found;", "no such directory")
            return
        lines = [tag.talk.fact(name, whole) for name, whole in tag.talk.children(path).items()]
        content = "".join(f"{line}\r\n" for line in lines).encode("utf-8", "surrogateescape")
        await tag.say(150)
        await self.send(tag, await self.data(tag), content)
        await tag.say(226, f"bytes={len(content)};sha256={digest(content)};")

    async def hash(self, tag: Tag) -> None:
        content = self.find(tag.path)
        if content is None:
            await tag.say(550, "kind=not-found;", "no such file")
        else:
            await tag.say(213, f"size={len(content)};sha256={digest(content)};version={version(content)};")

    async def wait(self, tag: Tag) -> None:
        path = tag.path if tag.path.startswith("/") else f"/{tag.path}"
        with trio.move_on_after(int(tag.facts["timeout"])):
            while path not in self.files or version(self.files[path]) == tag.facts.get("since"):
                if path in self.failed:
                    await tag.say(550, "kind=failed;", "the producer gave up")
                    return
                await self.arrived.park()
            content = self.files[path]
            facts = f"type=file;size={len(content)};modify={MODIFY};version={version(content)};"
            await tag.say(213, facts)
            return
        await tag.say(450, "kind=timeout;", "not in time")


def native(server: FakeServer, **more: Any) -> Any:
    """A client of `server`, in clear and native unless `more` says otherwise."""
    settings = {"password": "p", "tls": "off", "retries": 0, "dialect": "native", "stall_timeout": 20.0}
    return connect(f"ftp://ann@127.0.0.1:{server.port}/", **{**settings, **more})
