"""A relay that is far away: `python -m benchmarks.relay HOST PORT MILLISECONDS` stands for a round trip of so long.

It answers a dial at once, as anything on loopback does, so what a real dial would take (one round trip, and half of one
until the server has the first octets) is added to what the client sends first. It prints its port.
"""

from __future__ import annotations

import math
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import trio

from tests.peers.servers import REPOSITORY

_BLOCK = 256 * 1024
_WINDOW = 256  # blocks on their way in one direction


_Lane = tuple[trio.MemorySendChannel[tuple[float, bytes]], trio.MemoryReceiveChannel[tuple[float, bytes]]]


async def _take(source: trio.SocketStream, lane: _Lane, one_way: float, not_before: float) -> None:
    """Stamp what comes with the time at which it is due; the last thing is the end, b""."""
    data = b"first"
    while data:
        data = bytes(await source.receive_some(_BLOCK))
        await lane[0].send((max(trio.current_time(), not_before) + one_way, data))


async def _deliver(lane: _Lane, sink: trio.SocketStream) -> None:
    while True:
        due, data = await lane[1].receive()
        await trio.sleep_until(due)
        if not data:
            await sink.send_eof()
            return
        await sink.send_all(data)


async def _pair(near: trio.SocketStream, host: str, port: int, trip: float) -> None:
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
                    inner.start_soon(_take, far, back, trip / 2, -math.inf)
                    inner.start_soon(_deliver, back, near)
            nursery.cancel_scope.cancel()
    except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
        pass


async def _serve(host: str, port: int, trip: float) -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    print(listeners[0].socket.getsockname()[1], flush=True)
    await trio.serve_listeners(lambda near: _pair(near, host, port, trip), listeners)


@contextmanager
def far_away(host: str, port: int, milliseconds: float) -> Iterator[int]:
    """The port, on 127.0.0.1, of a relay in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.relay", host, str(port), str(milliseconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=REPOSITORY, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


if __name__ == "__main__":
    trio.run(_serve, sys.argv[1], int(sys.argv[2]), float(sys.argv[3]) / 1000)
