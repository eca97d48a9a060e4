"""A small FTP server over loopback whose every answer a test can change. It shares no code with ftlite's server."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio


class Gone(Exception):
    """The script ends this control connection."""


class FakeServer:
    """One instance for all connections of a test. Subclass it and override ``do_VERB`` to misbehave.

    Attributes:
        files: absolute path -> content.
        heard: every command line, in order, over all connections.
    """

    greeting = "220 fake"
    feat: tuple[str, ...] = (
        "EPSV",
        "MLST type*;size*;modify*;UNIX.mode*;",
        "REST STREAM",
        "SIZE",
        "MDTM",
        "MFMT",
        "UTF8",
    )

    def __init__(self, files: dict[str, bytes] | None = None, context: ssl.SSLContext | None = None) -> None:
        self.files = dict(files or {})
        self.directories = {"/"}
        self.heard: list[str] = []
        self.context = context
        self.connections = 0
        self.port = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[FakeServer]:
        async with trio.open_nursery() as nursery:
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            self.port = listeners[0].socket.getsockname()[1]
            nursery.start_soon(trio.serve_listeners, self.serve, listeners)
            yield self
            nursery.cancel_scope.cancel()

    async def serve(self, stream: trio.abc.Stream) -> None:
        self.connections += 1
        session = Conversation(self, stream)
        try:
            await session.talk()
        except (Gone, trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            await trio.aclose_forcefully(session.stream)
            if session.listener is not None:
                await session.listener.aclose()


class Conversation:
    """One control connection."""

    def __init__(self, server: FakeServer, stream: trio.abc.Stream) -> None:
        self.server = server
        self.stream = stream
        self.buffer = b""
        self.listener: trio.SocketListener | None = None
        self.restart = 0
        self.protected = False
        self.cwd = "/"
        self.greeted = False

    async def say(self, text: str) -> None:
        await self.stream.send_all(text.encode("utf-8", "surrogateescape") + b"\r\n")

    async def talk(self) -> None:
        if not self.greeted:
            await self.say(self.server.greeting)
        while True:
            while b"\r\n" not in self.buffer:
                data = await self.stream.receive_some(4096)
                if not data:
                    return
                self.buffer += data
            line, _, self.buffer = self.buffer.partition(b"\r\n")
            text = line.decode("utf-8", "surrogateescape")
            self.server.heard.append(text)
            verb, _, argument = text.partition(" ")
            handler: Callable[..., object] | None = getattr(self.server, f"do_{verb.upper()}", None)
            if handler is not None:
                await handler(self, argument)  # type: ignore[misc]
                continue
            own = getattr(self, f"do_{verb.upper()}", None)
            if own is None:
                await self.say(f"500 {verb} not understood")
            else:
                await own(argument)

    def path(self, argument: str) -> str:
        if not argument:
            return self.cwd
        return argument if argument.startswith("/") else f"{self.cwd.rstrip('/')}/{argument}"

    async def data(self) -> trio.abc.Stream:
        assert self.listener is not None
        listener, self.listener = self.listener, None
        stream: trio.abc.Stream = await listener.accept()
        await listener.aclose()
        if self.protected:
            assert self.server.context is not None
            stream = trio.SSLStream(stream, self.server.context, server_side=True)
            await stream.do_handshake()
        return stream

    async def send_data(self, content: bytes) -> None:
        """150, the bytes, a clean end."""
        await self.say("150 here it comes")
        stream = await self.data()
        await stream.send_all(content)
        await stream.aclose()

    async def do_AUTH(self, _: str) -> None:
        if self.server.context is None:
            await self.say("502 no TLS")
            return
        await self.say("234 go on")
        self.stream = trio.SSLStream(self.stream, self.server.context, server_side=True)

    async def do_USER(self, _: str) -> None:
        await self.say("331 password")

    async def do_PASS(self, _: str) -> None:
        await self.say("230 in")

    async def do_PBSZ(self, _: str) -> None:
        await self.say("200 ok")

    async def do_PROT(self, argument: str) -> None:
        self.protected = argument == "P"
        await self.say("200 ok")

    async def do_FEAT(self, _: str) -> None:
        await self.say("211-Features:\r\n" + "".join(f" {line}\r\n" for line in self.server.feat) + "211 End")

    async def do_OPTS(self, _: str) -> None:
        await self.say("200 ok")

    do_TYPE = do_NOOP = do_MFMT = do_OPTS

    async def do_SITE(self, _: str) -> None:
        await self.say("504 no")

    async def do_PWD(self, _: str) -> None:
        await self.say(f'257 "{self.cwd}" here')

    async def do_CWD(self, argument: str) -> None:
        path = self.path(argument).rstrip("/") or "/"
        if path not in self.server.directories:
            await self.say("550 No such directory.")
            return
        self.cwd = path
        await self.say("250 ok")

    async def do_QUIT(self, _: str) -> None:
        await self.say("221 bye")
        raise Gone

    async def do_ABOR(self, _: str) -> None:
        await self.say("225 nothing to abort")

    async def do_EPSV(self, _: str) -> None:
        self.listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
        await self.say(f"229 Entering (|||{self.listener.socket.getsockname()[1]}|)")

    async def do_REST(self, argument: str) -> None:
        self.restart = int(argument)
        await self.say("350 go on")

    async def do_SIZE(self, argument: str) -> None:
        content = self.server.files.get(self.path(argument))
        await self.say("550 No such file." if content is None else f"213 {len(content)}")

    async def do_MDTM(self, argument: str) -> None:
        await self.say("213 20240102030405" if self.path(argument) in self.server.files else "550 No such file.")

    def fact(self, name: str, path: str) -> str:
        if path in self.server.directories:
            return f"type=dir;modify=20240102030405; {name}"
        return f"type=file;size={len(self.server.files[path])};modify=20240102030405;UNIX.mode=0640; {name}"

    async def do_MLST(self, argument: str) -> None:
        path = self.path(argument)
        if path not in self.server.files and path not in self.server.directories:
            await self.say("550 No such file.")
            return
        await self.say(f"250-Facts\r\n {self.fact(argument or '/', path)}\r\n250 End")

    def children(self, path: str) -> dict[str, str]:
        base = path.rstrip("/") + "/"
        names = {
            one[len(base) :]: one for one in [*self.server.files, *self.server.directories] if one.startswith(base)
        }
        return {name: whole for name, whole in sorted(names.items()) if name and "/" not in name}

    async def do_MLSD(self, argument: str) -> None:
        path = self.path(argument).rstrip("/") or "/"
        if path not in self.server.directories:
            await self.say("550 No such directory.")
            return
        lines = [self.fact(name, whole) for name, whole in self.children(path).items()]
        await self.send_data("".join(f"{line}\r\n" for line in lines).encode("utf-8", "surrogateescape"))
        await self.say("226 done")

    async def do_RETR(self, argument: str) -> None:
        content = self.server.files.get(self.path(argument))
        offset, self.restart = self.restart, 0
        if content is None:
            await self.say("550 No such file.")
            return
        await self.send_data(content[offset:])
        await self.say("226 done")

    async def receive_data(self) -> bytes:
        await self.say("150 give")
        stream, content = await self.data(), b""
        while block := await stream.receive_some(65536):
            content += block
        await stream.aclose()
        return content

    async def do_STOR(self, argument: str) -> None:
        offset, self.restart = self.restart, 0
        content = await self.receive_data()
        path = self.path(argument)
        self.server.files[path] = self.server.files.get(path, b"")[:offset] + content
        await self.say("226 done")

    async def do_MKD(self, argument: str) -> None:
        path = self.path(argument).rstrip("/")
        if path in self.server.directories:
            await self.say("550 File exists.")
        elif (path.rpartition("/")[0] or "/") not in self.server.directories:
            await self.say("550 No such file or directory.")
        else:
            self.server.directories.add(path)
            await self.say(f'257 "{path}" made')

    async def do_DELE(self, argument: str) -> None:
        gone = self.server.files.pop(self.path(argument), None)
        await self.say("550 No such file." if gone is None else "250 gone")

    async def do_RMD(self, argument: str) -> None:
        self.server.directories.discard(self.path(argument))
        await self.say("250 gone")

    async def do_RNFR(self, argument: str) -> None:
        self.renamed = self.path(argument)
        await self.say("350 and to" if self.renamed in self.server.files else "550 No such file.")

    async def do_RNTO(self, argument: str) -> None:
        self.server.files[self.path(argument)] = self.server.files.pop(self.renamed)
        await self.say("250 done")
