"""Peers that cut, reset, stall or crawl, and cancelled tasks: one named error, no thread held, nothing leaked."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trio.testing

from ftlite.movers import Flow, Kind, MoverError, receive_bytes, receive_file, receive_some, send_bytes, send_file
from ftlite.net.wire import Wire
from tests.descriptors import no_descriptor_leaks
from tests.movers.support import force, noise, opened
from tests.net.support import BUFFERED, sockets, wires

both = pytest.mark.parametrize("tls", [False, True, BUFFERED], ids=["clear", "tls", "buffered"])
ways = pytest.mark.parametrize("way", ["native", "portable"])
BIG = 40_000_000  # more than all buffers between two processes hold


async def say(wire: Wire, data: bytes) -> None:
    await send_bytes(wire, data, Flow())


@ways
@both
async def test_cut_at_any_offset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: bool | str, way: str) -> None:
    """Under TLS a bare end is TRUNCATED; what came before it is in the file, for a resume."""
    force(way, monkeypatch.delattr)
    chance = random.Random(11)
    for size in (0, 1, 65536, *(chance.randrange(2_000_000) for _ in range(6))):
        data = noise(size)
        target = tmp_path / f"{size}"
        near, far = await wires(tmp_path, tls)
        with trio.fail_after(60), opened(target) as fd:
            async with trio.open_nursery() as nursery:

                async def cut(wire: Wire = near, data: bytes = data) -> None:
                    await say(wire, data)
                    socket.socket.shutdown(wire.socket, socket.SHUT_WR)

                nursery.start_soon(cut)
                if tls:
                    with pytest.raises(MoverError) as caught:
                        await receive_file(far, fd, 0, Flow())
                    assert caught.value.kind is Kind.TRUNCATED
                else:
                    assert await receive_file(far, fd, 0, Flow()) == size
        assert target.read_bytes() == data
        near.abort()
        far.abort()


@ways
@both
async def test_reset_at_any_offset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: bool | str, way: str) -> None:
    force(way, monkeypatch.delattr)
    chance = random.Random(12)
    for size in (1, 65536, *(chance.randrange(2_000_000) for _ in range(6))):
        data = noise(size)
        target = tmp_path / f"{size}"
        near, far = await wires(tmp_path, tls)
        flow = Flow()
        with trio.fail_after(60), opened(target) as fd:
            async with trio.open_nursery() as nursery:

                async def reset(wire: Wire = near, data: bytes = data) -> None:
                    await say(wire, data)
                    wire.abort()

                nursery.start_soon(reset)
                with pytest.raises(MoverError) as caught:
                    await receive_file(far, fd, 0, flow)
        assert caught.value.kind in {Kind.LOST, Kind.TRUNCATED}
        written = target.read_bytes()
        assert data.startswith(written)
        assert flow.moved <= len(written)
        far.abort()


@ways
@both
async def test_reader_that_resets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: bool | str, way: str) -> None:
    force(way, monkeypatch.delattr)
    (tmp_path / "source").write_bytes(bytes(BIG))
    with trio.fail_after(60), opened(tmp_path / "source") as fd:
        near, far = await wires(tmp_path, tls)
        async with trio.open_nursery() as nursery:

            async def read_a_bit() -> None:
                await receive_some(far, Flow())
                far.abort()

            nursery.start_soon(read_a_bit)
            with pytest.raises(MoverError) as caught:
                await send_file(near, fd, 0, None, Flow())
        assert caught.value.kind is Kind.LOST
        near.abort()


@ways
@both
async def test_reader_that_stalls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: bool | str, way: str) -> None:
    force(way, monkeypatch.delattr)
    (tmp_path / "source").write_bytes(bytes(BIG))
    with trio.fail_after(60), no_descriptor_leaks():
        near, far = await wires(tmp_path, tls, small=True)
        with opened(tmp_path / "source") as fd:
            flow = Flow(stall=0.05)
            with pytest.raises(MoverError) as caught:
                await send_file(near, fd, 0, None, flow)
            assert caught.value.kind is Kind.STALLED
            assert flow.moved < BIG
        near.abort()
        far.abort()


@both
@pytest.mark.parametrize("head", [0, 10, 65536, 70_000])
async def test_writer_that_stalls(tmp_path: Path, tls: bool | str, head: int) -> None:
    data = noise(head)
    with trio.fail_after(60):
        near, far = await wires(tmp_path, tls)
        await say(near, data)
        with opened(tmp_path / "target") as fd:
            with pytest.raises(MoverError) as caught:
                await receive_file(far, fd, 0, Flow(stall=0.05))
        assert caught.value.kind is Kind.STALLED
        assert (tmp_path / "target").read_bytes() == data
        near.abort()
        far.abort()


@both
def test_every_byte_moves_the_stall_deadline(tmp_path: Path, tls: bool | str) -> None:
    """A peer that says a little well within the deadline, for far longer than the deadline, is slow and not stalled."""
    clock = trio.testing.MockClock()

    async def main() -> None:
        near, far = await wires(tmp_path, tls)
        heard = trio.Event()

        def on_moved(_moved: int) -> None:
            nonlocal heard
            heard.set()
            heard = trio.Event()

        async with trio.open_nursery() as nursery:

            async def crawl() -> None:
                for _ in range(20):
                    waiting = heard
                    await say(near, b"x")
                    await waiting.wait()
                    clock.jump(50)
                await near.finish()

            nursery.start_soon(crawl)
            with opened(tmp_path / "target") as fd:
                assert await receive_file(far, fd, 0, Flow(stall=60, on_moved=on_moved)) == 20
            far.abort()

    trio.run(main, clock=clock)


@ways
@both
async def test_cancelled_in_the_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: bool | str, way: str
) -> None:
    force(way, monkeypatch.delattr)
    (tmp_path / "source").write_bytes(bytes(BIG))
    limiter = trio.CapacityLimiter(4)
    with trio.fail_after(60):
        near, far = await wires(tmp_path, tls)
        near.abort()
        far.abort()
        with no_descriptor_leaks():
            for stop_after in (1, 100_000, 1_000_000, 10_000_000):
                near, far = await wires(tmp_path, tls)
                with opened(tmp_path / "source") as source, opened(tmp_path / "target") as target:
                    async with trio.open_nursery() as nursery:

                        def stop(moved: int, nursery: trio.Nursery = nursery, least: int = stop_after) -> None:
                            if moved >= least:
                                nursery.cancel_scope.cancel()

                        nursery.start_soon(send_file, near, source, 0, None, Flow(limiter=limiter))
                        nursery.start_soon(receive_file, far, target, 0, Flow(limiter=limiter, on_moved=stop))
                near.abort()
                far.abort()
    assert limiter.borrowed_tokens == 0


@both
async def test_aborted_by_another_task(tmp_path: Path, tls: bool | str) -> None:
    """As a session does that ends while its transfer runs; the mover learns it, whatever it was doing."""
    with trio.fail_after(60), opened(tmp_path / "source") as source, opened(Path(os.devnull)) as target:
        os.ftruncate(source, 50 * BIG)
        for least in (1, 1_000_000):
            near, far = await wires(tmp_path, tls)
            failed: list[Kind] = []

            async def send(wire: Wire = near, failed: list[Kind] = failed) -> None:
                with pytest.raises(MoverError) as caught:
                    await send_file(wire, source, 0, None, Flow())
                failed.append(caught.value.kind)

            def abort(moved: int, wire: Wire = near, least: int = least) -> None:
                if moved >= least:
                    wire.abort()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(send)
                with pytest.raises(MoverError):
                    await receive_file(far, target, 0, Flow(on_moved=abort))
            assert failed == [Kind.LOST]
            far.abort()


@both
async def test_slow_readers_hold_no_thread(tmp_path: Path, tls: bool | str) -> None:
    """Many of them stall for good; then no worker is taken, and a fast reader gets all of its file through one."""
    (tmp_path / "source").write_bytes(bytes(BIG))
    limiter = trio.CapacityLimiter(1)
    slow: list[tuple[Wire, Wire]] = []
    with trio.fail_after(110), opened(tmp_path / "source") as source, opened(tmp_path / "target") as target:
        async with trio.open_nursery() as nursery:
            for _ in range(50):
                slow.append(await wires(tmp_path, tls, small=True))
                nursery.start_soon(send_file, slow[-1][0], source, 0, None, Flow(limiter=limiter))
            while limiter.borrowed_tokens or limiter.statistics().tasks_waiting:
                await trio.testing.wait_all_tasks_blocked()
            near, far = await wires(tmp_path, tls)
            async with trio.open_nursery() as fast:

                async def send() -> None:
                    await send_file(near, source, 0, None, Flow(limiter=limiter))
                    await near.finish()

                fast.start_soon(send)
                assert await receive_file(far, target, 0, Flow()) == BIG
                await far.finish()
            nursery.cancel_scope.cancel()
        assert limiter.borrowed_tokens == 0
        for ends in slow:
            for wire in ends:
                wire.abort()


@both
async def test_slow_writers_hold_no_thread(tmp_path: Path, tls: bool | str) -> None:
    limiter = trio.CapacityLimiter(1)
    slow: list[tuple[Wire, Wire]] = []
    targets: list[int] = []
    with trio.fail_after(110):
        async with trio.open_nursery() as nursery:
            for number in range(20):
                near, far = await wires(tmp_path, tls)
                targets.append(os.open(tmp_path / f"{number}", os.O_RDWR | os.O_CREAT, 0o600))
                nursery.start_soon(receive_file, far, targets[-1], 0, Flow(limiter=limiter))
                await say(near, bytes(100_000))
                slow.append((near, far))
            while sum(os.fstat(fd).st_size for fd in targets) < 20 * 100_000 or limiter.borrowed_tokens:
                await trio.testing.wait_all_tasks_blocked()
            assert limiter.statistics().tasks_waiting == 0
            nursery.cancel_scope.cancel()
        for ends in slow:
            for wire in ends:
                wire.abort()
        for fd in targets:
            os.close(fd)


async def test_small_file_from_the_cache_takes_no_thread(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"small")
    nobody = trio.CapacityLimiter(1)
    with trio.fail_after(20), opened(tmp_path / "source") as source:
        if not hasattr(os, "RWF_NOWAIT"):
            pytest.skip("this system cannot try to read")
        try:
            os.preadv(source, [bytearray(5)], 0, os.RWF_NOWAIT)
        except OSError:
            pytest.skip("this file system cannot try to read")
        near, far = (Wire(end) for end in sockets())
        await nobody.acquire_on_behalf_of("the test")
        assert await send_file(near, source, 0, None, Flow(limiter=nobody)) == 5
        near.abort()
        far.abort()


@both
async def test_listing_there_and_back(tmp_path: Path, tls: bool | str) -> None:
    lines = [b"line %d\r\n" % number for number in range(20_000)]

    async def produce() -> AsyncIterator[bytes]:
        for line in lines:
            yield line

    for data in (b"".join(lines), produce()):
        near, far = await wires(tmp_path, tls)
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:

                async def send(wire: Wire = near, data: bytes | AsyncIterator[bytes] = data) -> None:
                    assert await send_bytes(wire, data, Flow()) == sum(map(len, lines))
                    await wire.finish()

                nursery.start_soon(send)
                assert await receive_bytes(far, Flow(), 10**7) == b"".join(lines)
                await far.finish()


async def test_a_peer_that_takes_all_at_once_does_not_have_the_loop_for_itself() -> None:
    near, far = (Wire(end) for end in sockets())
    near.send = len  # type: ignore[method-assign, assignment]  # as fast as no socket is
    turns = 0

    async def somebody() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(somebody)
        await send_bytes(near, bytes(10 * 65536), Flow())
        nursery.cancel_scope.cancel()
    assert turns >= 5
    near.abort()
    far.abort()


@both
async def test_listing_that_is_too_long_or_cut(tmp_path: Path, tls: bool | str) -> None:
    with trio.fail_after(30):
        near, far = await wires(tmp_path, tls)
        await say(near, b"x" * 101)
        with pytest.raises(MoverError) as caught:
            await receive_bytes(far, Flow(), 100)
        assert caught.value.kind is Kind.TOO_LONG
        near.abort()
        with pytest.raises(MoverError) as caught:
            await receive_bytes(far, Flow(), 100)
        assert caught.value.kind in {Kind.LOST, Kind.TRUNCATED}
        with pytest.raises(MoverError) as caught:
            await say(near, b"more")
        assert caught.value.kind is Kind.LOST
        far.abort()
