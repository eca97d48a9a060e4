"""Digests made beside a move: always of the whole file, never of what is not there yet, and nothing is left running."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import pytest
import trio
import trio.testing

from ftlite.movers import DiskFault, Flow, Kind, MoverError, Trail, receive_hashed, send_bytes, send_hashed
from tests.movers.support import force, noise, opened
from tests.net.support import wires

both = pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
ways = pytest.mark.parametrize("way", ["native", "portable"])
MIB = 1 << 20


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@both
@ways
@pytest.mark.parametrize(
    ("size", "offset"),
    [(0, 0), (1, 0), (65536, 0), (65537, 0), (MIB + 1, 0), (9_500_001, 0), (9_500_001, 5_000_000), (70_000, 69_999),
     (9, 9)],
)  # fmt: skip
@pytest.mark.parametrize("known", [False, True], ids=["prefix-to-hash", "prefix-hashed"])
async def test_both_ends_have_the_digest_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: bool, way: str, size: int, offset: int, known: bool
) -> None:
    force(way, monkeypatch.delattr)
    data = noise(size)
    (tmp_path / "source").write_bytes(data)
    (tmp_path / "target").write_bytes(data[:offset])
    near, far = await wires(tmp_path, tls)
    start = offset if known else 0
    seen: list[int] = []
    down = Flow(on_moved=seen.append)
    with trio.fail_after(60), opened(tmp_path / "source") as source, opened(tmp_path / "target") as target:
        async with trio.open_nursery() as nursery:

            async def send() -> None:
                hasher = hashlib.sha256(data[:start])
                assert await send_hashed(near, source, offset, size, hasher, down, start=start) == (
                    size - offset,
                    sha(data),
                )
                await near.finish()

            nursery.start_soon(send)
            hasher = hashlib.sha256(data[:start])
            moved, same = await receive_hashed(far, target, offset, hasher, Flow(), start=start)
            await far.finish()
    assert same is hasher
    assert (moved, same.hexdigest()) == (size - offset, sha(data))
    assert (tmp_path / "target").read_bytes() == data
    assert seen[-1:] == ([size - offset] if size > offset else [])
    assert down.on_moved == seen.append
    assert down.hasher is None


@both
async def test_marks_are_the_digests_of_what_stands(tmp_path: Path, tls: bool) -> None:
    data = noise(5 * MIB + 12)
    near, far = await wires(tmp_path, tls)
    marks: dict[int, str] = {}
    with trio.fail_after(60), opened(tmp_path / "target") as target:

        def mark(offset: int, digest: str) -> None:
            assert os.fstat(target).st_size >= offset
            marks[offset] = digest

        async with trio.open_nursery() as nursery:

            async def send() -> None:
                await send_bytes(near, data, Flow())
                await near.finish()

            nursery.start_soon(send)
            await receive_hashed(far, target, 0, hashlib.sha256(), Flow(), every=2 * MIB, on_mark=mark)
            await far.finish()
    assert marks == {offset: sha(data[:offset]) for offset in (2 * MIB, 4 * MIB)}


@both
@pytest.mark.parametrize("size", [10, 65536, 3_000_000])
@pytest.mark.parametrize("offset", [0, 100_000])
async def test_a_break_leaves_a_mark_for_all_that_came(tmp_path: Path, tls: bool, size: int, offset: int) -> None:
    data = noise(offset + size)
    (tmp_path / "target").write_bytes(data[:offset])
    near, far = await wires(tmp_path, tls)
    marks: dict[int, str] = {}
    flow = Flow()
    with trio.fail_after(60), opened(tmp_path / "target") as target:
        async with trio.open_nursery() as nursery:

            async def send() -> None:
                await send_bytes(near, data[offset:], Flow())
                while flow.moved < size:
                    await trio.sleep(0.001)
                near.abort()

            nursery.start_soon(send)
            with pytest.raises(MoverError) as caught:
                await receive_hashed(far, target, offset, hashlib.sha256(), flow, on_mark=marks.__setitem__)
    assert caught.value.kind in {Kind.LOST, Kind.TRUNCATED}
    assert marks == {offset + size: sha(data)}
    far.abort()


@both
async def test_a_slow_peers_file_is_not_read_long_before_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: bool
) -> None:
    monkeypatch.setattr("ftlite.movers.hashed._AHEAD", 3 * MIB)
    reached: list[int] = []
    real = Trail.reach

    def reach(self: Trail, offset: int) -> None:
        reached.append(offset)
        real(self, offset)

    monkeypatch.setattr(Trail, "reach", reach)
    near, far = await wires(tmp_path, tls, small=True)
    with trio.fail_after(60), opened(tmp_path / "source") as source:
        os.ftruncate(source, 100 * MIB)
        flow = Flow(stall=0.05)
        with pytest.raises(MoverError) as caught:
            await send_hashed(near, source, 0, 100 * MIB, hashlib.sha256(), flow)
        assert caught.value.kind is Kind.STALLED
    assert max(reached) == 3 * MIB + flow.moved
    near.abort()
    far.abort()


@both
@pytest.mark.parametrize("size", [1000, 10 * MIB])
async def test_source_shorter_than_told_is_changed(tmp_path: Path, tls: bool, size: int) -> None:
    (tmp_path / "source").write_bytes(bytes(size - 1))
    near, far = await wires(tmp_path, tls)
    with trio.fail_after(60), opened(tmp_path / "source") as source:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_drop, far)
            with pytest.raises(MoverError) as caught:
                await send_hashed(near, source, 0, size, hashlib.sha256(), Flow())
            assert caught.value.kind is Kind.CHANGED
            near.abort()


async def _drop(wire: object) -> None:
    from ftlite.movers import receive_bytes

    with pytest.raises(MoverError):
        await receive_bytes(wire, Flow(), 1 << 30)  # type: ignore[arg-type]


async def test_a_journal_that_fails_ends_the_upload_at_once(tmp_path: Path) -> None:
    for error, seen in ((OSError(28, "full"), DiskFault), (ValueError("journal"), ValueError)):

        def mark(_offset: int, _digest: str, error: Exception = error) -> None:
            raise error

        near, far = await wires(tmp_path, tls=False)
        with trio.fail_after(60), opened(tmp_path / "target") as target:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(send_bytes, near, bytes(3 * MIB), Flow())  # and then nothing, no end
                with pytest.raises(seen):
                    await receive_hashed(far, target, 0, hashlib.sha256(), Flow(stall=999), every=MIB, on_mark=mark)
                nursery.cancel_scope.cancel()
        near.abort()
        far.abort()


@both
async def test_cancelled_anywhere_leaves_nothing_running(tmp_path: Path, tls: bool) -> None:
    limiter, hashes = trio.CapacityLimiter(4), trio.CapacityLimiter(1)
    with trio.fail_after(60), opened(tmp_path / "source") as source:
        os.ftruncate(source, 60 * MIB)
        for least in (1, MIB, 20 * MIB):
            near, far = await wires(tmp_path, tls)
            with opened(tmp_path / "target") as target:
                async with trio.open_nursery() as nursery:

                    async def send(near=near) -> None:  # type: ignore[no-untyped-def]
                        flow = Flow(limiter=limiter)
                        await send_hashed(near, source, 0, 60 * MIB, hashlib.sha256(), flow, hashes=hashes)

                    def stop(moved: int, nursery: trio.Nursery = nursery, least: int = least) -> None:
                        if moved >= least:
                            nursery.cancel_scope.cancel()

                    nursery.start_soon(send)
                    flow = Flow(limiter=limiter, on_moved=stop)
                    await receive_hashed(far, target, 0, hashlib.sha256(), flow, hashes=hashes)
            near.abort()
            far.abort()
            assert hashes.borrowed_tokens == limiter.borrowed_tokens == 0


async def test_trail_never_reads_what_is_not_reached(tmp_path: Path) -> None:
    data = noise(4 * MIB)
    with trio.fail_after(30), opened(tmp_path / "file") as fd:
        async with Trail(fd, hashlib.sha256()) as trail:
            for end in (0, MIB, 2 * MIB, 4 * MIB):
                os.pwrite(fd, data[:end], 0)
                trail.reach(end)
                while trail.at < end:
                    await trio.sleep(0.001)
                assert trail.at == end
            assert await trail.digest(4 * MIB) == sha(data)


async def test_trail_of_an_idle_move_holds_no_worker(tmp_path: Path) -> None:
    hashes = trio.CapacityLimiter(1)
    (tmp_path / "file").write_bytes(bytes(3 * MIB))
    with trio.fail_after(30), opened(tmp_path / "file") as fd:
        async with Trail(fd, hashlib.sha256(), limiter=hashes) as idle:
            idle.reach(2 * MIB)
            while idle.at < 2 * MIB or hashes.borrowed_tokens:
                await trio.sleep(0.001)
            async with Trail(fd, hashlib.sha256(), limiter=hashes) as other:
                assert await other.digest(3 * MIB) == sha(bytes(3 * MIB))
            assert await idle.digest(3 * MIB) == sha(bytes(3 * MIB))


async def test_trail_tells_no_digest_while_a_mark_is_made(tmp_path: Path) -> None:
    """Who had it could make the mark of the same offset a second time, at the same time."""
    making, made = threading.Event(), threading.Event()

    def mark(_offset: int, _digest: str) -> None:
        making.set()
        assert made.wait(30)

    (tmp_path / "file").write_bytes(bytes(MIB))
    with trio.fail_after(30), opened(tmp_path / "file") as fd:
        async with Trail(fd, hashlib.sha256(), every=MIB, on_mark=mark) as trail:
            trail.reach(MIB)
            try:
                await trio.to_thread.run_sync(making.wait)
                with trio.move_on_after(0):
                    await trail.digest(MIB)
                    pytest.fail("the mark is not made yet")
            finally:
                made.set()
            assert await trail.digest(MIB) == sha(bytes(MIB))


async def test_trail_goes_on_from_a_prefix(tmp_path: Path) -> None:
    data = noise(200_000)
    (tmp_path / "file").write_bytes(data)
    with trio.fail_after(30), opened(tmp_path / "file") as fd:
        async with Trail(fd, hashlib.sha256(data[:70_000]), start=70_000) as trail:
            trail.reach(150_000)
            assert await trail.digest(200_000) == sha(data)


async def test_trail_tells_a_short_and_an_unreadable_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(10))
    with trio.fail_after(30):
        with opened(tmp_path / "file") as fd:
            with pytest.raises(MoverError) as changed:
                async with Trail(fd, hashlib.sha256()) as trail:
                    await trail.digest(11)
            assert changed.value.kind is Kind.CHANGED
        with opened(tmp_path / "file", os.O_WRONLY) as fd:
            with pytest.raises(DiskFault):
                async with Trail(fd, hashlib.sha256()) as trail:
                    trail.reach(2 * MIB)
                    await trio.sleep_forever()


async def test_trails_block_keeps_its_own_failure_and_cancellation(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(10))
    with trio.fail_after(30), opened(tmp_path / "file") as fd:
        with pytest.raises(ValueError, match="own"):
            async with Trail(fd, hashlib.sha256()):
                raise ValueError("own")
        with trio.CancelScope() as scope:
            async with Trail(fd, hashlib.sha256()):
                scope.cancel()
                await trio.sleep_forever()
        assert scope.cancelled_caught
        with trio.CancelScope() as scope:
            async with Trail(fd, hashlib.sha256()):
                scope.cancel()


async def test_trail_stops_within_a_block(tmp_path: Path) -> None:
    entered, release = threading.Event(), threading.Event()

    class Slow:
        blocks = 0

        def update(self, _data: object) -> None:
            self.blocks += 1
            entered.set()
            release.wait(60)

        def hexdigest(self) -> str:
            return ""

    hasher = Slow()
    with trio.fail_after(30), opened(tmp_path / "file") as fd:
        os.ftruncate(fd, 10 * MIB)
        async with Trail(fd, hasher) as trail:
            trail.reach(10 * MIB)
            await trio.to_thread.run_sync(entered.wait)
            trail._stopped = True  # as the end of the block says, which waits for the worker
            release.set()
    assert hasher.blocks == 1
