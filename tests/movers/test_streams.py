"""Blocking sources and sinks on a wire: what was read is what is written, and a stuck end holds up nobody."""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import trio
import trio.testing

from ftlite.movers import (
    DiskFault,
    Flow,
    Kind,
    MoverError,
    receive_bytes,
    receive_into,
    receive_some,
    send_bytes,
    send_from,
    widen,
)  # fmt: skip
from ftlite.net.wire import Wire
from tests.descriptors import no_descriptor_leaks
from tests.movers.support import noise
from tests.net.support import BUFFERED, wires

both = pytest.mark.parametrize("tls", [False, True, BUFFERED], ids=["clear", "tls", "buffered"])
kinds = pytest.mark.parametrize("patient", [False, True], ids=["slices", "patient"])


def source(data: bytes, piece: int = 100_000) -> Callable[[int], bytes | memoryview]:
    """Gives `data` in views on one buffer, which the next read overwrites, as a packer does."""
    rest = memoryview(data)
    buffer = bytearray(piece)

    def read(most: int) -> memoryview:
        nonlocal rest
        count = min(most, piece, len(rest))
        buffer[:] = b"?" * piece
        buffer[:count], rest = rest[:count], rest[count:]
        return memoryview(buffer)[:count]

    return read


async def through(
    near: Wire, far: Wire, read: Callable[[int], bytes | memoryview], write: Callable[[memoryview], object],
    *, patient: bool, down: Flow | None = None, up: Flow | None = None,
) -> tuple[int, int]:  # fmt: skip
    counts: dict[str, int] = {}

    async def send() -> None:
        counts["sent"] = await send_from(near, read, down or Flow(), patient=patient)
        await near.finish()

    async def receive() -> None:
        counts["received"] = await receive_into(far, write, up or Flow(), patient=patient)
        await far.finish()

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            nursery.start_soon(receive)
    return counts["sent"], counts["received"]


@both
@kinds
@pytest.mark.parametrize("size", [0, 1, 65536, 100_001, 9_000_001])
async def test_stream_arrives_whole(tmp_path: Path, tls: bool | str, patient: bool, size: int) -> None:
    data = noise(size)
    got = bytearray()
    near, far = await wires(tmp_path, tls)
    down, up = Flow(hasher=hashlib.sha256()), Flow(hasher=hashlib.sha256())
    assert await through(near, far, source(data), got.extend, patient=patient, down=down, up=up) == (size, size)
    assert got == data
    assert (down.moved, up.moved) == (size, size)
    for flow in (down, up):
        assert flow.hasher.hexdigest() == hashlib.sha256(data).hexdigest()  # type: ignore[union-attr]


@both
@kinds
async def test_leftover_survives_a_slow_peer(tmp_path: Path, tls: bool | str, patient: bool) -> None:
    """The socket blocks in the middle of a view that the next read overwrites."""
    data = noise(300_000)
    near, far = await wires(tmp_path, tls, small=True)
    got = bytearray()
    await through(near, far, source(data, 7000), got.extend, patient=patient)
    assert got == data


@kinds
async def test_source_that_fails_is_the_disks_or_its_own(tmp_path: Path, patient: bool) -> None:
    for error, seen in ((OSError(5, "broken"), DiskFault), (ValueError("a tree's word"), ValueError)):

        def read(_most: int, error: Exception = error) -> bytes:
            raise error

        near, far = await wires(tmp_path, tls=False)
        with trio.fail_after(20), pytest.raises(seen):
            await send_from(near, read, Flow(), patient=patient)
        near.abort()
        far.abort()


@kinds
async def test_sink_that_fails_is_told_while_the_peer_is_silent(tmp_path: Path, patient: bool) -> None:
    """`ftlite get - | head`: nothing more comes, and still it ends."""
    for error, seen in ((BrokenPipeError(32, "Broken pipe"), DiskFault), (ValueError("unsafe"), ValueError)):

        def write(_block: memoryview, error: Exception = error) -> None:
            raise error

        near, far = await wires(tmp_path, tls=False)
        near.send(b"something")
        with trio.fail_after(20), pytest.raises(seen):
            await receive_into(far, write, Flow(), patient=patient)
        near.abort()
        far.abort()


@both
@kinds
async def test_what_came_before_a_cut_is_written_and_told_as_a_cut(
    tmp_path: Path, tls: bool | str, patient: bool
) -> None:
    near, far = await wires(tmp_path, tls)
    got = bytearray()
    near.send(b"half")
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:

            async def cut() -> None:
                while bytes(got) != b"half":
                    await trio.sleep(0.001)
                near.abort()

            nursery.start_soon(cut)
            with pytest.raises(MoverError) as caught:
                await receive_into(far, got.extend, Flow(), patient=patient)
    assert caught.value.kind in {Kind.LOST, Kind.TRUNCATED}
    far.abort()


@kinds
async def test_peer_that_stalls(tmp_path: Path, patient: bool) -> None:
    near, far = await wires(tmp_path, tls=False, small=True)
    with trio.fail_after(20):
        with pytest.raises(MoverError) as caught:
            await receive_into(far, bytes, Flow(stall=0.02), patient=patient)
        assert caught.value.kind is Kind.STALLED
        with pytest.raises(MoverError) as caught:
            await send_from(near, lambda most: bytes(most), Flow(stall=0.02), patient=patient)
        assert caught.value.kind is Kind.STALLED
    near.abort()
    far.abort()


@both
async def test_a_sink_that_blocks_for_ever_is_left_behind(tmp_path: Path, tls: bool | str) -> None:
    near, far = await wires(tmp_path, tls)
    entered, release, left = threading.Event(), threading.Event(), threading.Event()
    calls: list[int] = []

    def write(block: memoryview) -> None:
        calls.append(len(block))
        entered.set()
        release.wait(60)
        left.set()

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send_bytes, near, bytes(40_000_000), Flow())
            flow = Flow()

            async def cancel_when_full() -> None:
                await trio.to_thread.run_sync(entered.wait)
                while flow.moved < 2 << 20:
                    await trio.sleep(0.001)
                nursery.cancel_scope.cancel()

            nursery.start_soon(cancel_when_full)
            await receive_into(far, write, flow, patient=True)
        assert not left.is_set()
        assert flow.moved < 10_000_000
        near.abort()
        far.abort()
        release.set()
        await trio.to_thread.run_sync(left.wait)
    await trio.testing.wait_all_tasks_blocked()
    assert len(calls) == 1  # what else lay on the belt is nobody's any more


@both
async def test_a_source_that_blocks_for_ever_is_left_behind(tmp_path: Path, tls: bool | str) -> None:
    near, far = await wires(tmp_path, tls)
    out, into = os.pipe()
    begun, reads = threading.Semaphore(0), list[bytes]()

    def read(most: int) -> bytes:
        begun.release()
        block = os.read(out, most)
        reads.append(block)
        return block

    with trio.fail_after(30):
        os.write(into, b"typed")
        async with trio.open_nursery() as nursery:

            async def hear() -> None:
                assert await receive_some(far, Flow()) == b"typed"  # at once, and not when a block is full
                for _ in range(2):
                    assert await trio.to_thread.run_sync(begun.acquire, True, 30)
                nursery.cancel_scope.cancel()  # while the second read waits

            nursery.start_soon(hear)
            await send_from(near, read, Flow(), patient=True)
        near.abort()
        os.write(into, b"late")
        while len(reads) < 2:
            await trio.sleep(0.001)
        os.close(into)
        with pytest.raises(MoverError):
            await receive_bytes(far, Flow(), 100)
    far.abort()
    os.close(out)


async def test_a_source_far_ahead_waits_for_the_wire(tmp_path: Path) -> None:
    near, far = await wires(tmp_path, tls=False, small=True)
    given = 0

    def read(most: int) -> bytes:
        nonlocal given
        given += most
        return bytes(most)

    with trio.fail_after(30), no_descriptor_leaks():
        with pytest.raises(MoverError):
            await send_from(near, read, Flow(stall=0.1), patient=True)
    assert given < 16 << 20
    near.abort()
    far.abort()


def test_a_pipe_is_widened_and_nothing_else_minds(tmp_path: Path) -> None:
    out, into = os.pipe()
    widen(into)
    if hasattr(fcntl, "F_GETPIPE_SZ"):
        assert fcntl.fcntl(out, fcntl.F_GETPIPE_SZ) >= 65536  # 1 MiB unless the system's limit is reached
        with suppress(OSError):  # more than the system lets us have
            fcntl.fcntl(out, fcntl.F_SETPIPE_SZ, 2 << 20)
        size = fcntl.fcntl(out, fcntl.F_GETPIPE_SZ)
        widen(into)
        assert fcntl.fcntl(out, fcntl.F_GETPIPE_SZ) >= size  # never narrowed
    os.close(into)
    widen(into)
    os.close(out)
    with (tmp_path / "file").open("wb") as file:
        widen(file.fileno())
