"""Files over real sockets, clear and TLS, by every way: what was sent is what arrives, to the byte."""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path

import pytest
import trio
import trio.testing

from ftlite.movers import DiskFault, Flow, Kind, MoverError, Pace, receive_file, send_file, sending
from ftlite.net.wire import Wire
from ftlite.protocol.ascii import FromWire, ToWire
from tests.descriptors import no_descriptor_leaks
from tests.movers.support import force, noise, opened
from tests.net.support import BUFFERED, wires

both = pytest.mark.parametrize("tls", [False, True, BUFFERED], ids=["clear", "tls", "buffered"])
ways = pytest.mark.parametrize("way", ["native", "portable"])
SIZES = [0, 1, 4096, 65535, 65536, 65537, 262144, 1_000_003, 9_500_001]


async def carry(
    near: Wire, far: Wire, source: int, target: int, *, offset: int = 0, count: int | None = None,
    down: Flow | None = None, up: Flow | None = None, into: int | None = 0,
) -> tuple[int, int]:  # fmt: skip
    """Send from `source` at `near`, receive at `far` into `target`; what both sides returned."""
    results: dict[str, int] = {}

    async def send() -> None:
        results["sent"] = await send_file(near, source, offset, count, down or Flow())
        assert await near.finish()

    async def receive() -> None:
        results["received"] = await receive_file(far, target, into, up or Flow())
        assert await far.finish()

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            nursery.start_soon(receive)
    return results["sent"], results["received"]


@both
@ways
@pytest.mark.parametrize("size", SIZES)
async def test_whole_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: bool | str, way: str, size: int
) -> None:
    force(way, monkeypatch.delattr)
    data = noise(size)
    (tmp_path / "source").write_bytes(data)
    near, far = await wires(tmp_path, tls)
    down, up = Flow(), Flow()
    with opened(tmp_path / "source") as source, opened(tmp_path / "target") as target:
        assert await carry(near, far, source, target, down=down, up=up) == (size, size)
        assert os.lseek(source, 0, os.SEEK_CUR) == os.lseek(target, 0, os.SEEK_CUR) == 0
    assert (tmp_path / "target").read_bytes() == data
    assert (down.moved, up.moved) == (size, size)
    assert near.closed
    assert far.closed


@both
@ways
async def test_range_into_the_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: bool | str, way: str
) -> None:
    force(way, monkeypatch.delattr)
    data = noise(800_000)
    (tmp_path / "source").write_bytes(data)
    (tmp_path / "target").write_bytes(b"head")
    for offset, count in ((100, 300_000), (1, 10), (799_999, 1)):
        near, far = await wires(tmp_path, tls)
        with opened(tmp_path / "source") as source, opened(tmp_path / "target") as target:
            assert await carry(near, far, source, target, offset=offset, count=count, into=4) == (count, count)
            os.ftruncate(target, 4 + count)
        assert (tmp_path / "target").read_bytes() == b"head" + data[offset : offset + count]


async def test_offset_behind_the_end_sends_nothing(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"short")
    near, far = await wires(tmp_path, tls=False)
    with opened(tmp_path / "source") as source, opened(tmp_path / "target") as target:
        assert await carry(near, far, source, target, offset=99) == (0, 0)


@both
@pytest.mark.parametrize("size", [3, 70_000, 3_000_000])
async def test_digest_on_both_sides(tmp_path: Path, tls: bool | str, size: int) -> None:
    data = noise(size)
    (tmp_path / "source").write_bytes(data)
    near, far = await wires(tmp_path, tls)
    down, up = Flow(hasher=hashlib.sha256()), Flow(hasher=hashlib.sha256())
    with opened(tmp_path / "source") as source, opened(tmp_path / "target") as target:
        await carry(near, far, source, target, down=down, up=up)
    for flow in (down, up):
        assert flow.hasher.hexdigest() == hashlib.sha256(data).hexdigest()  # type: ignore[union-attr]


@both
@pytest.mark.parametrize("size", [100, 3_000_000])
async def test_text_is_converted_there_and_back(tmp_path: Path, tls: bool | str, size: int) -> None:
    lines = b"".join(b"line %d\n" % number for number in range(size // 8))
    (tmp_path / "source").write_bytes(lines)
    near, far = await wires(tmp_path, tls)
    down = Flow(convert=ToWire(), hasher=hashlib.sha256())
    up = Flow(convert=FromWire(), hasher=hashlib.sha256())
    with opened(tmp_path / "source") as source, opened(tmp_path / "target") as target:
        sent, received = await carry(near, far, source, target, down=down, up=up)
    assert sent == received == len(lines) + lines.count(b"\n")
    assert (tmp_path / "target").read_bytes() == lines
    for flow in (down, up):  # the digest is of the file, not of what the line saw
        assert flow.hasher.hexdigest() == hashlib.sha256(lines).hexdigest()  # type: ignore[union-attr]


@both
async def test_lone_cr_at_the_end_is_kept(tmp_path: Path, tls: bool | str) -> None:
    (tmp_path / "source").write_bytes(b"x\r")
    near, far = await wires(tmp_path, tls)
    with opened(tmp_path / "source") as source, opened(tmp_path / "target") as target:
        await carry(near, far, source, target, up=Flow(convert=FromWire()))
    assert (tmp_path / "target").read_bytes() == b"x\r"


async def test_stream_without_positions(tmp_path: Path) -> None:
    """A pipe as the target, as standard output may be."""
    data = noise(500_000)
    (tmp_path / "source").write_bytes(data)
    near, far = await wires(tmp_path, tls=False)
    out, into = os.pipe()
    got: list[bytes] = []

    def read() -> None:
        with os.fdopen(out, "rb") as file:
            got.append(file.read())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.to_thread.run_sync, read)
        with opened(tmp_path / "source") as source:
            await carry(near, far, source, into, into=None)
        os.close(into)
    assert got == [data]


async def test_target_that_takes_no_splice(tmp_path: Path) -> None:
    data = noise(900_000)
    (tmp_path / "source").write_bytes(data)
    near, far = await wires(tmp_path, tls=False)
    with opened(tmp_path / "source") as source:
        with opened(tmp_path / "target", os.O_WRONLY | os.O_CREAT | os.O_APPEND) as target:
            await carry(near, far, source, target)
    assert (tmp_path / "target").read_bytes() == data


async def test_source_that_takes_no_sendfile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> int:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "sendfile", refuse)
    data = noise(900_000)
    (tmp_path / "source").write_bytes(data)
    near, far = await wires(tmp_path, tls=False)
    with opened(tmp_path / "source") as source, opened(tmp_path / "target") as target:
        await carry(near, far, source, target)
    assert (tmp_path / "target").read_bytes() == data


async def test_no_descriptor_for_a_pipe_is_no_reason_to_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> tuple[int, int]:
        raise OSError(24, "Too many open files")

    data = noise(900_000)
    (tmp_path / "source").write_bytes(data)
    near, far = await wires(tmp_path, tls=False)
    with opened(tmp_path / "source") as source, opened(tmp_path / "target") as target:
        monkeypatch.setattr(os, "pipe", refuse)
        await carry(near, far, source, target)
    assert (tmp_path / "target").read_bytes() == data


@both
async def test_progress_rises_to_the_whole(tmp_path: Path, tls: bool | str) -> None:
    (tmp_path / "source").write_bytes(noise(2_000_000))
    near, far = await wires(tmp_path, tls)
    down: list[int] = []
    up: list[int] = []
    with opened(tmp_path / "source") as source, opened(tmp_path / "target") as target:
        await carry(near, far, source, target, down=Flow(on_moved=down.append), up=Flow(on_moved=up.append))
    for seen in (down, up):
        assert seen == sorted(set(seen))
        assert seen[-1] == 2_000_000


@both
async def test_pace_is_asked_for_every_byte(tmp_path: Path, tls: bool | str) -> None:
    class Counting(Pace):
        taken = 0

        async def take(self, want: int) -> int:
            grant = await super().take(min(want, 50_000))
            self.taken += grant
            return grant

        def give_back(self, unused: int) -> None:
            self.taken -= unused
            super().give_back(unused)

    (tmp_path / "source").write_bytes(noise(1_000_000))
    near, far = await wires(tmp_path, tls)
    down, up = Counting(10**9), Counting(10**9)
    with opened(tmp_path / "source") as source, opened(tmp_path / "target") as target:
        await carry(near, far, source, target, down=Flow(pace=down), up=Flow(pace=up))
    assert down.taken == up.taken == 1_000_000


@both
@ways
async def test_source_that_shrinks_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: bool | str, way: str
) -> None:
    force(way, monkeypatch.delattr)
    (tmp_path / "source").write_bytes(noise(1000))
    for promised in (2000, 1_000_000):
        near, far = await wires(tmp_path, tls)
        with trio.fail_after(30), opened(tmp_path / "source") as source:
            with pytest.raises(MoverError) as caught:
                await send_file(near, source, 0, promised, Flow())
        assert caught.value.kind is Kind.CHANGED
        near.abort()
        far.abort()


@both
@ways
async def test_unreadable_source_is_the_disks_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: bool | str, way: str
) -> None:
    force(way, monkeypatch.delattr)
    for count in (10, 1_000_000):
        near, far = await wires(tmp_path, tls)
        with trio.fail_after(30), opened(tmp_path / "x", os.O_WRONLY | os.O_CREAT) as source:
            with pytest.raises(DiskFault) as caught:
                await send_file(near, source, 0, count, Flow())
        assert caught.value.error.errno == 9
        near.abort()
        far.abort()


@both
@ways
@pytest.mark.parametrize("size", [10, 1_000_000])
async def test_unwritable_target_is_the_disks_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: bool | str, way: str, size: int
) -> None:
    force(way, monkeypatch.delattr)
    (tmp_path / "source").write_bytes(noise(size))
    with trio.fail_after(30), no_descriptor_leaks():
        near, far = await wires(tmp_path, tls)
        async with trio.open_nursery() as nursery:

            async def send() -> None:
                with opened(tmp_path / "source") as source:
                    await send_file(near, source, 0, None, Flow())
                await near.finish()

            nursery.start_soon(send)
            with opened(tmp_path / "target", os.O_RDONLY | os.O_CREAT) as target:
                with pytest.raises(DiskFault) as caught:
                    await receive_file(far, target, 0, Flow())
            assert caught.value.error.errno == 9
            nursery.cancel_scope.cancel()
        near.abort()
        far.abort()


async def test_full_disk_is_the_disks_fault(tmp_path: Path) -> None:
    near, far = await wires(tmp_path, tls=False)
    near.send(b"x" * 1000)
    with trio.fail_after(30), opened(Path("/dev/full"), os.O_WRONLY) as target:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(near.finish)
            with pytest.raises(DiskFault) as caught:
                await receive_file(far, target, None, Flow())
            far.abort()
    assert caught.value.error.errno == 28


@pytest.mark.skipif(not hasattr(socket, "TCP_CORK"), reason="this system corks nothing")
@pytest.mark.parametrize("paced", [False, True])
async def test_segments_are_filled_while_bytes_move_and_never_kept_while_one_waits(tmp_path: Path, paced: bool) -> None:
    """Kept back behind a window that is smaller than a segment, a part of one would wait for 200 ms."""
    (tmp_path / "source").write_bytes(noise(20_000_000))
    near, far = await wires(tmp_path, False)
    flow = Flow(pace=Pace(10**9) if paced else None)

    def corked() -> bool:
        return bool(near.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_CORK))

    with opened(tmp_path / "source", os.O_RDONLY) as fd:
        turn = sending.choose(near, fd, 0, 20_000_000, flow)
        assert turn(100_000) == 100_000
        assert corked() is not paced
        moved = 100_000
        while (sent := turn(20_000_000)) != 0:
            if sent is None:
                assert not corked()
                while far.recv_into(bytearray(1 << 20)) is not None:
                    pass
                await near.writable()
            else:
                moved += sent
    assert moved == 20_000_000
    assert not corked()
    near.abort()
    far.abort()
