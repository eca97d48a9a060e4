"""A relay that is far away: `python -m benchmarks.relay HOST PORT MILLISECONDS` stands for a round trip of so long.

It answers a dial at once, as anything on loopback does, so what a real dial would take (one round trip, and half of one
until the server has the first octets) is added to what the client sends first. It prints its port.

With a fifth word, WINDOW, a connection has so many octets under way at most, as a TCP window would have it.

The passive ports that a server names in clear (229) are as far away: the relay listens for them itself.
"""

from __future__ import annotations

import math
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import trio

from tests.peers.servers import REPOSITORY

_BLOCK = 256 * 1024
_REPLIES = 4096  # octets of replies that come at once, at most
_WINDOW = 256  # blocks on their way in one direction


_Lane = tuple[trio.MemorySendChannel[tuple[float, bytes]], trio.MemoryReceiveChannel[tuple[float, bytes]]]


async def _take(
    source: trio.SocketStream, lane: _Lane, one_way: float, not_before: float, passive: _Passive | None = None
) -> None:
    """Stamp what comes with the time at which it is due; the last thing is the end, b""."""
    data = b"first"
    while data:
        data = bytes(await source.receive_some(_BLOCK))
        if passive is not None:
            data = await passive.rewrite(data)
        await lane[0].send((max(trio.current_time(), not_before) + one_way, data))


async def _deliver(lane: _Lane, sink: trio.SocketStream) -> None:
    while True:
        due, data = await lane[1].receive()
        await trio.sleep_until(due)
        if not data:
            await sink.send_eof()
            return
        await sink.send_all(data)


class _Passive:
    """Puts ports of our own in the place of the passive ones that the server names."""

    def __init__(self, host: str, trip: float, nursery: trio.Nursery) -> None:
        self._host, self._trip, self._nursery = host, trip, nursery

    async def rewrite(self, data: bytes) -> bytes:
        if len(data) > _REPLIES:  # one port takes data, too
            return data
        found = re.search(rb"^229 .*\(\|\|\|(\d+)\|\)", data, re.MULTILINE)
        if found is None:
            return data
        listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
        self._nursery.start_soon(self._once, listener, int(found[1]))
        ours = str(listener.socket.getsockname()[1]).encode()
        return data[: found.start(1)] + ours + data[found.end(1) :]

    async def _once(self, listener: trio.SocketListener, port: int) -> None:
        async with listener:
            near = await listener.accept()
        await _pair(near, self._host, port, self._trip)


async def _control(near: trio.SocketStream, host: str, port: int, trip: float) -> None:
    async with trio.open_nursery() as nursery:
        await _pair(near, host, port, trip, _Passive(host, trip, nursery))
        nursery.cancel_scope.cancel()


async def _pair(near: trio.SocketStream, host: str, port: int, trip: float, passive: _Passive | None = None) -> None:
    there, back = (trio.open_memory_channel[tuple[float, bytes]](_WINDOW) for _ in range(2))
    try:
        async with near, trio.open_nursery() as nursery:
            nursery.start_soon(_take, near, there, trip / 2, trio.current_time() + trip)
            await trio.sleep(1.5 * trip)
            async with await trio.open_tcp_stream(host, port) as far:
                for stream in (near, far):
                    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                async with trio.open_nursery() as inner:
                    inner.start_soon(_deliver, there, far)
                    inner.start_soon(_take, far, back, trip / 2, -math.inf, passive)
                    inner.start_soon(_deliver, back, near)
            nursery.cancel_scope.cancel()
    except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
        pass


async def _serve(host: str, port: int, trip: float) -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    print(listeners[0].socket.getsockname()[1], flush=True)
    await trio.serve_listeners(lambda near: _control(near, host, port, trip), listeners)


@contextmanager
def far_away(host: str, port: int, milliseconds: float, *, window: int | None = None) -> Iterator[int]:
    """The port, on 127.0.0.1, of a relay in a process of its own; `window` in octets, None: no limit."""
    command = [sys.executable, "-m", "benchmarks.relay", host, str(port), str(milliseconds)]
    if window is not None:
        command.append(str(window))
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=REPOSITORY, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


if __name__ == "__main__":
    if len(sys.argv) > 4:  # word of what was taken needs the way back too: half a window is on the way there
        _BLOCK, _WINDOW = int(sys.argv[4]) // 16, 8
    trio.run(_serve, sys.argv[1], int(sys.argv[2]), float(sys.argv[3]) / 1000)
