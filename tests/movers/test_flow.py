"""When a slice ends although its peer keeps up: what nobody wants any more, and what others wait for."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import trio

from ftlite.movers import Flow, MoverError
from ftlite.movers import flow as slices
from ftlite.movers.flow import drive
from tests.net.support import wires


class Turns:
    """A peer that takes a byte whenever it is asked, for ever; at its third turn `deed` runs on the loop."""

    def __init__(self, deed: Callable[[], object]) -> None:
        self.count = 0
        self._deed = deed

    def __call__(self, most: int) -> int:
        self.count += 1
        if self.count == 3:
            trio.from_thread.run_sync(self._deed)
        return 1


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> None:
    """No slice ends by time."""
    monkeypatch.setattr(slices, "_ALONE", 1e9)


@pytest.mark.usefixtures("endless")
async def test_cancellation_waits_for_one_turn(tmp_path: Path) -> None:
    near, far = await wires(tmp_path, False)
    scope, flow = trio.CancelScope(), Flow()
    turns = Turns(scope.cancel)
    with trio.fail_after(30), scope:
        await drive(near, flow, turns, sending=True)
    assert scope.cancelled_caught
    assert turns.count == 3
    assert flow.moved == 3, "what moved before is counted"
    near.abort()
    far.abort()


@pytest.mark.usefixtures("endless")
async def test_an_interrupt_loses_no_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the program has no handler of its own, Ctrl-C comes to the main task's worker as KeyboardInterrupt."""

    def interrupt() -> None:
        if turns.count >= 3:
            raise KeyboardInterrupt

    near, far = await wires(tmp_path, False)
    flow, turns = Flow(), Turns(lambda: None)
    monkeypatch.setattr(trio.from_thread, "check_cancelled", interrupt)
    with trio.fail_after(30), pytest.raises(KeyboardInterrupt):
        await drive(near, flow, turns, sending=True)
    assert flow.moved == 3
    near.abort()
    far.abort()


@pytest.mark.usefixtures("endless")
async def test_abort_waits_for_one_turn(tmp_path: Path) -> None:
    near, far = await wires(tmp_path, False)
    turns = Turns(near.abort)
    with trio.fail_after(30), pytest.raises(MoverError):
        await drive(near, Flow(), turns, sending=True)
    assert turns.count == 3
    far.abort()


@pytest.mark.usefixtures("endless")
async def test_who_waits_for_a_thread_gets_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "_SLICE", 0.0)
    near, far = await wires(tmp_path, False)
    limiter = trio.CapacityLimiter(1)
    turns = Turns(lambda: None)
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(drive, near, Flow(limiter=limiter), turns, sending=True))
            while turns.count < 3:
                await trio.lowlevel.checkpoint()
            await trio.to_thread.run_sync(lambda: None, limiter=limiter)
            nursery.cancel_scope.cancel()
    near.abort()
    far.abort()


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no niceness of their own here")
@pytest.mark.parametrize("aside", [False, True])
async def test_who_moves_bytes_aside_lets_the_loop_go_first(tmp_path: Path, aside: bool) -> None:
    seen: list[int] = []

    def turn(most: int) -> int:
        seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return 0

    near, far = await wires(tmp_path, False)
    await drive(near, Flow(aside=aside), turn, sending=True)
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert seen == [min(19, own + 10)] if aside else seen[0] >= own
    near.abort()
    far.abort()
