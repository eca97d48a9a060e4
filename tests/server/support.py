"""A server in the test's own task, on loopback or over memory streams, and a plain client that trusts nothing of ours.

`Talker` reads replies with a few lines of its own: a mistake in our reply writer cannot hide in our reply reader.
"""

from __future__ import annotations

import io
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import argon2
import trio
from attrs import define, evolve

from ftlite.config.models import Endpoint, Limits, ServerConfig, TlsConfig, TlsMode, User
from ftlite.net.tls import ServerTls
from ftlite.net.wire import Wire
from ftlite.server import EventLog, Server

PASSWORD = "correct horse"
CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


def ann(**changes: Any) -> User:
    """The usual user of these tests."""
    return User(**{"name": "ann", "password": CHEAP, **changes})


def config_for(root: Path, *, limits: dict[str, Any] | None = None, **changes: Any) -> ServerConfig:
    """A configuration for `root`: clear text, one user, no delay after wrong passwords."""
    values: dict[str, Any] = {
        "root": root,
        "state_dir": root.parent / "state",
        "listen": (Endpoint("127.0.0.1", 0),),
        "users": (ann(),),
        "tls": TlsConfig(mode=TlsMode.OFF),
        "limits": evolve(Limits(failure_delay=0.0), **(limits or {})),
    }
    return ServerConfig(**{**values, **changes})


class Talker:
    """Says lines, hears replies."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self._held = b""

    async def line(self) -> str:
        while b"\n" not in self._held:
            data = await self.stream.receive_some()
            if not data:
                raise EOFError(self._held)
            self._held += data
        line, _, self._held = self._held.partition(b"\n")
        assert line.endswith(b"\r"), line
        return line[:-1].decode("utf-8", "surrogateescape")

    async def hear(self) -> tuple[int, str]:
        """One reply: its code and all its lines."""
        lines = [await self.line()]
        while not (lines[-1][:3] == lines[0][:3] and lines[-1][3:4] == " "):
            assert lines[0][3:4] == "-", lines
            lines.append(await self.line())
        return int(lines[0][:3]), "\n".join(lines)

    async def send(self, text: str | bytes) -> None:
        data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        await self.stream.send_all(data + b"\r\n")

    async def say(self, text: str | bytes) -> int:
        """Send a line; the code of the reply."""
        return (await self.ask(text))[0]

    async def ask(self, text: str | bytes) -> tuple[int, str]:
        await self.send(text)
        return await self.hear()

    async def expect_end(self) -> None:
        """The server closes, and says nothing more; then this end does, for which the server waits a while."""
        try:
            data = await self.stream.receive_some()
        except trio.BrokenResourceError:
            return
        finally:
            await trio.aclose_forcefully(self.stream)
        assert (self._held, data) == (b"", b"")

    async def log_in(self, user: str = "ann", password: str = PASSWORD) -> None:
        assert await self.say(f"USER {user}") == 331
        assert await self.say(f"PASS {password}") == 230

    async def encrypt(self, context: ssl.SSLContext) -> None:
        """AUTH TLS, then PBSZ and PROT P."""
        assert await self.say("AUTH TLS") == 234
        self.stream = trio.SSLStream(self.stream, context, server_hostname="localhost")
        await self.stream.do_handshake()
        assert await self.say("PBSZ 0") == 200
        assert await self.say("PROT P") == 200


@define
class Box:
    """A running server and what a test wants to know of it."""

    server: Server
    config: ServerConfig
    root: Path
    log: io.StringIO
    port: int

    async def connect(self) -> Talker:
        """A new control connection, greeted."""
        talker = Talker(await trio.open_tcp_stream("127.0.0.1", self.port))
        assert (await talker.hear())[0] == 220
        return talker

    async def ann(self) -> Talker:
        """A logged-in control connection."""
        talker = await self.connect()
        await talker.log_in()
        return talker


@asynccontextmanager
async def serving(root: Path, *, pair: ServerTls | None = None, **changes: Any) -> AsyncIterator[Box]:
    """A server on a port of its own, ended when the block is."""
    config = config_for(root, **changes)
    log = io.StringIO()
    events = EventLog(log, commands=True)
    server = Server(config, events, pair)
    async with trio.open_nursery() as nursery:
        endpoints = await nursery.start(server.run)
        try:
            yield Box(server, config, root, log, endpoints[0].port)
        finally:
            nursery.cancel_scope.cancel()
    events.close()


def served_pair(server: Server) -> tuple[Callable[[], Awaitable[None]], trio.SocketStream]:
    """A connection within this process: what serves it, and the client's end.

    Bytes on it arrive at once, so a clock that jumps when nothing is left to do cannot overtake them.
    """
    ours, theirs = socket.socketpair()
    serve = partial(server.serve, Wire(theirs), peer="127.0.0.1", local="127.0.0.1")
    ours.setblocking(False)
    return serve, trio.SocketStream(trio.socket.from_stdlib_socket(ours))


@asynccontextmanager
async def session(root: Path, *, pair: ServerTls | None = None, **changes: Any) -> AsyncIterator[Talker]:
    """One session on a connection within this process, for tests that move the clock."""
    server = Server(config_for(root, **changes), EventLog(None), pair)
    serve, stream = served_pair(server)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.keep_time)
        nursery.start_soon(serve)
        yield Talker(stream)
        nursery.cancel_scope.cancel()


async def open_data(talker: Talker) -> socket.socket:
    """EPSV, and a blocking socket connected to where it points (used from worker threads)."""
    code, text = await talker.ask("EPSV")
    assert code == 229
    return await trio.to_thread.run_sync(socket.create_connection, ("127.0.0.1", int(text.split("|")[3])))


def read_all(sock: socket.socket) -> bytes:
    """Everything until the end, then close."""
    with sock:
        sock.settimeout(30)
        data = bytearray()
        while block := sock.recv(65536):
            data += block
        return bytes(data)


def write_all(sock: socket.socket, data: bytes) -> None:
    """Send everything, then close."""
    with sock:
        sock.settimeout(30)
        sock.sendall(data)


async def fetch(talker: Talker, command: str) -> tuple[int, bytes]:
    """A download or listing: the final code and the bytes."""
    sock = await open_data(talker)
    code = await talker.say(command)
    if code != 150:
        sock.close()
        return code, b""
    data = await trio.to_thread.run_sync(read_all, sock)
    return (await talker.hear())[0], data


async def store(talker: Talker, command: str, data: bytes) -> int:
    """An upload: the final code."""
    sock = await open_data(talker)
    code = await talker.say(command)
    if code != 150:
        sock.close()
        return code
    await trio.to_thread.run_sync(write_all, sock, data)
    return (await talker.hear())[0]
