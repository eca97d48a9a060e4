"""The token bucket, on a clock of the test's own."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlite.movers import Pace


async def test_rate_holds_over_time(autojump_clock: trio.testing.MockClock) -> None:
    pace = Pace(1000)
    start, moved = trio.current_time(), 0
    while moved < 10_000:
        moved += await pace.take(10_000)
    assert trio.current_time() - start == pytest.approx(10, rel=0.01)


@given(rate=st.integers(1, 10**10), wants=st.lists(st.integers(1, 10**9), min_size=1, max_size=20))
@settings(deadline=None, max_examples=60)
def test_grants_stay_within_what_was_wanted_and_the_rate(rate: int, wants: list[int]) -> None:
    async def main() -> None:
        pace = Pace(rate)
        start, moved = trio.current_time(), 0
        for want in wants:
            grant = await pace.take(want)
            assert 1 <= grant <= want
            moved += grant
        elapsed = trio.current_time() - start
        assert moved <= elapsed * rate * 1.001 + max(1, rate * 0.05) + 1

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


async def test_sharers_get_alike(autojump_clock: trio.testing.MockClock) -> None:
    pace = Pace(100_000)
    moved = [0, 0, 0, 0]

    async def move(number: int, want: int) -> None:
        while True:
            moved[number] += await pace.take(want)

    with trio.move_on_after(10):
        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(move, number, 10**9)
    assert sum(moved) == pytest.approx(1_000_000, rel=0.02)
    assert max(moved) < 1.1 * min(moved)


async def test_parent_holds_too(autojump_clock: trio.testing.MockClock) -> None:
    user = Pace(1000)
    sessions = [Pace(800, user), Pace(100, user)]
    moved = [0, 0]

    async def move(number: int) -> None:
        while True:
            moved[number] += await sessions[number].take(10**6)

    with trio.move_on_after(100):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(move, 0)
            nursery.start_soon(move, 1)
    assert moved[0] == pytest.approx(80_000, rel=0.03)
    assert moved[1] == pytest.approx(10_000, rel=0.03)


async def test_what_is_given_back_may_be_taken_again(autojump_clock: trio.testing.MockClock) -> None:
    user = Pace(1000)
    pace = Pace(1000, user)
    start = trio.current_time()
    for _ in range(100):
        pace.give_back(await pace.take(50))
    assert trio.current_time() == start
    for _ in range(100):
        await pace.take(50)
    assert trio.current_time() - start == pytest.approx(4.95, rel=0.01)


async def test_idle_time_saves_up_no_more_than_a_burst(autojump_clock: trio.testing.MockClock) -> None:
    pace = Pace(1000)
    await pace.take(1)
    await trio.sleep(1000)
    start, moved = trio.current_time(), 0
    while moved < 1000:
        moved += await pace.take(1000)
    assert trio.current_time() - start == pytest.approx(0.95, rel=0.01)


async def test_cancelled_turn_frees_the_next(autojump_clock: trio.testing.MockClock) -> None:
    pace = Pace(10)
    with trio.move_on_after(0.05):
        for _ in range(10):
            await pace.take(10)
    with trio.fail_after(1):
        assert await pace.take(10) == 1


@pytest.mark.parametrize("rate", [0, -5])
def test_no_pace_is_no_pace(rate: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Pace(rate)
