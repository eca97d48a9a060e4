"""A small proxy for tests: HTTP CONNECT and SOCKS 5 on one port, told apart by the first byte."""

from __future__ import annotations

import base64
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio


class Relay:
    """Attributes:
    login: ``user:password`` that it wants; "" lets everybody in.
    asked: (host as it was asked for, port) of each connection.
    names: what it resolves names to.
    answer: what it says to every CONNECT instead of connecting (HTTP), or the reply code (SOCKS).
    drip: it sends its own words byte by byte, and those of the server right behind them.
    """

    def __init__(self, *, login: str = "", answer: bytes | int | None = None, drip: bool = False) -> None:
        self.login = login
        self.asked: list[tuple[str, int]] = []
        self.names: dict[str, str] = {}
        self.answer = answer
        self.drip = drip
        self.port = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Relay]:
        async with trio.open_nursery() as nursery:
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            self.port = listeners[0].socket.getsockname()[1]
            nursery.start_soon(trio.serve_listeners, self.serve, listeners)
            yield self
            nursery.cancel_scope.cancel()

    async def serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            try:
                first = await stream.receive_some(1)
                goes_on = await (self.socks(stream) if first == b"\5" else self.http(stream, first))
                if goes_on is not None:
                    await self.splice(stream, *goes_on)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass

    async def http(self, stream: trio.SocketStream, head: bytes) -> tuple[str, int, bytes] | None:
        while not head.endswith(b"\r\n\r\n"):
            head += await stream.receive_some(1)
        lines = head.decode().split("\r\n")
        verb, target, version = lines[0].split(" ")
        assert (verb, version) == ("CONNECT", "HTTP/1.1")
        assert f"Host: {target}" in lines or f"host: {target}" in lines
        host, _, port = target.rpartition(":")
        self.asked.append((host, int(port)))
        if self.login:
            wanted = base64.b64encode(self.login.encode()).decode()
            if not any(line.lower() == f"proxy-authorization: basic {wanted}".lower() for line in lines):
                await stream.send_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                return None
        if isinstance(self.answer, bytes):
            await stream.send_all(self.answer)
            return None
        return host.strip("[]"), int(port), b"HTTP/1.1 200 Connection established\r\nVia: 1.1 relay\r\n\r\n"

    async def socks(self, stream: trio.SocketStream) -> tuple[str, int, bytes] | None:
        methods = await self.take(stream, (await self.take(stream, 1))[0])
        method = 2 if self.login else 0
        if method not in methods:
            await stream.send_all(b"\5\xff")
            return None
        await self.send(stream, bytes([5, method]))
        if method:
            assert await self.take(stream, 1) == b"\1"
            user = await self.take(stream, (await self.take(stream, 1))[0])
            password = await self.take(stream, (await self.take(stream, 1))[0])
            right = user + b":" + password == self.login.encode()
            await stream.send_all(b"\1\0" if right else b"\1\1")
            if not right:
                return None
        version, command, _, kind = await self.take(stream, 4)
        assert (version, command) == (5, 1)
        length = {1: 4, 4: 16}.get(kind) or (await self.take(stream, 1))[0]
        raw = await self.take(stream, length)
        host = raw.decode() if kind == 3 else str(trio.socket.inet_ntop({1: 2, 4: 10}[kind], raw))
        (port,) = struct.unpack("!H", await self.take(stream, 2))
        self.asked.append((host, port))
        if isinstance(self.answer, int):
            await stream.send_all(bytes([5, self.answer, 0, 1]) + bytes(6))
            return None
        return host, port, b"\5\0\0\3\5relay\0\1"

    async def take(self, stream: trio.SocketStream, count: int) -> bytes:
        data = b""
        while len(data) < count:
            data += await stream.receive_some(count - len(data))
        return data

    async def send(self, stream: trio.SocketStream, data: bytes) -> None:
        for byte in data if self.drip else ():
            await stream.send_all(bytes([byte]))
            await trio.lowlevel.checkpoint()
        if not self.drip:
            await stream.send_all(data)

    async def splice(self, near: trio.SocketStream, host: str, port: int, answer: bytes) -> None:
        far = await trio.open_tcp_stream(self.names.get(host, host), port)
        async with far:
            if self.drip:
                await self.send(near, answer)
            else:  # as proxies do that are quick: what the server says first comes along with the proxy's own words
                with trio.move_on_after(0.05):
                    answer += await far.receive_some(4096)
                await near.send_all(answer)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.pump, near, far)
                nursery.start_soon(self.pump, far, near)

    async def pump(self, source: trio.SocketStream, sink: trio.SocketStream) -> None:
        try:
            while block := await source.receive_some(65536):
                await sink.send_all(block)
            await sink.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):  # the other pump may have closed it already
            await trio.aclose_forcefully(sink)
