"""What is lent is what stands in the file, nothing is held longer than it is wanted, and nobody waits for long."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from ftlite.movers import Flow, Trail, loans, receive_hashed, send_file
from ftlite.movers.loans import MOST, ROOM, Loans
from tests.movers.support import noise, opened
from tests.net.support import wires

CONTENT = os.urandom(64 * 1024)


def write(to: Loans, content: bytes, at: int, count: int) -> bool:
    """Take part in a write of so many octets of `content`; whether they were lent."""
    room = to.room(at)
    if room is None:
        return False
    data = room[:count]
    data[:] = content[at : at + count]
    to.lend(at, data)
    return True


@pytest.fixture(scope="module")
def impatient() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loans, "_PATIENCE", 0)
        yield


def test_nothing_is_lent_unless_somebody_takes_it() -> None:
    lent = Loans()
    assert lent.room(0) is None
    lent.begin(0)
    room = lent.room(0)
    assert room is not None
    assert len(room) == ROOM
    lent.end()
    lent.lend(0, room[:10])  # what was given before counts for nothing
    lent.begin(0)
    assert lent.at(0) is None
    assert lent.room(0) is not room


def test_only_what_lies_in_the_room_is_lent() -> None:
    lent = Loans()
    lent.begin(0)
    lent.room(0)
    lent.lend(0, memoryview(bytearray(b"of another")))
    assert lent.at(0) is None


def test_a_block_stays_until_what_is_behind_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loans, "_PATIENCE", 0)
    lent = Loans()
    lent.begin(0)
    for number in range(MOST):
        assert write(lent, CONTENT, number * 1000, 1000)
    assert not write(lent, CONTENT, MOST * 1000, 1000), "no more than that many"
    data = lent.at(500)
    assert data == CONTENT[500:1000]
    assert not write(lent, CONTENT, MOST * 1000, 1000), "it may be being hashed"
    assert lent.at(1000) == CONTENT[1000:2000]
    assert write(lent, CONTENT, MOST * 1000, 1000), "into the room of the first"
    assert lent.at(MOST * 1000) == CONTENT[MOST * 1000 :][:1000]


def test_who_writes_waits_for_a_worker_that_is_near_and_for_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    class Condition(threading.Condition):
        def wait(self, timeout: float | None = None) -> bool:
            waited.append(timeout or 0)
            return False

    monkeypatch.setattr(threading, "Condition", Condition)
    lent = Loans()
    lent.begin(0)
    for number in range(MOST):
        assert write(lent, CONTENT, number, 1)
    assert not waited
    assert lent.room(MOST) is None
    assert waited
    assert max(waited) <= 0.01
    waited.clear()
    assert lent.room(100 << 20) is None
    assert not waited
    lent.end()
    lent.begin(0)
    assert lent.room(100 << 20) is None, "far ahead, it would be forgotten before its turn"
    assert not waited


@pytest.mark.usefixtures("impatient")
@given(st.lists(st.tuples(st.sampled_from("wrbe"), st.integers(1, 5000)), max_size=60))
def test_what_is_lent_is_what_was_written_there(steps: list[tuple[str, int]]) -> None:
    lent, written, hashed = Loans(), 0, 0
    for step, count in steps:
        if step == "w" and written + count <= len(CONTENT):
            write(lent, CONTENT, written, count)
            written += count
        elif step == "r" and hashed < written:
            data = lent.at(hashed)
            taken = min(count, written - hashed) if data is None else len(data[: min(count, written - hashed)])
            if data is not None:
                assert data[:taken] == CONTENT[hashed : hashed + taken]
            hashed += taken
        elif step == "b":
            lent.begin(hashed)
        elif step == "e":
            lent.end()


class Held:
    """A hasher whose first update waits to be released."""

    def __init__(self) -> None:
        self._hasher = hashlib.sha256()
        self.begun, self.released = threading.Event(), threading.Event()

    def update(self, data: Any, /) -> None:
        self.begun.set()
        assert self.released.wait(30)
        self._hasher.update(data)

    def hexdigest(self) -> str:
        return self._hasher.hexdigest()


async def test_a_trail_takes_what_is_lent_and_reads_the_rest(tmp_path: Path) -> None:
    first, second, third = noise(1 << 20), CONTENT[:40_000], CONTENT[40_000:]
    (tmp_path / "f").write_bytes(first + bytes(len(second)) + third)
    hasher = Held()
    with trio.fail_after(60), opened(tmp_path / "f") as fd:
        async with Trail(fd, hasher) as trail:
            trail.reach(len(first))
            assert await trio.to_thread.run_sync(hasher.begun.wait, 30)
            assert write(trail.loans, bytes(len(first)) + second, len(first), len(second)), "while the worker runs"
            hasher.released.set()
            assert await trail.digest(len(first + second + third)) == hashlib.sha256(first + second + third).hexdigest()
        assert trail.loans.room(0) is None


@pytest.mark.parametrize("patience", [0, 0.01])
@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
async def test_whoever_is_faster_the_digest_is_of_what_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: bool, patience: float
) -> None:
    monkeypatch.setattr(loans, "_PATIENCE", patience)
    data = noise(24 << 20)
    (tmp_path / "source").write_bytes(data)
    near, far = await wires(tmp_path, tls)
    with trio.fail_after(60), opened(tmp_path / "source") as source, opened(tmp_path / "target") as target:
        async with trio.open_nursery() as nursery:

            async def send() -> None:
                await send_file(near, source, 0, len(data), Flow())
                await near.finish()

            nursery.start_soon(send)
            moved, hasher = await receive_hashed(far, target, 0, hashlib.sha256(), Flow())
            await far.finish()
    assert (moved, hasher.hexdigest()) == (len(data), hashlib.sha256(data).hexdigest())
    assert (tmp_path / "target").read_bytes() == data
