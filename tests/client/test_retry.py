"""Trying again: so many times, or as long as there is time, and never what cannot heal."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from ftlite.client import ClientError, Outcome
from ftlite.client.retry import pause, retrying


async def attempts(
    *, retries: int, seconds: float | None = None, transient: bool = True, heals: int = 1 << 30
) -> tuple[int, float, list[str]]:
    """How many were made of what fails until the one that `heals`, how long they took, and what was said."""
    made, said = 0, list[str]()
    began = trio.current_time()

    async def operation(number: int) -> None:
        nonlocal made
        assert number == made
        made += 1
        if number < heals:
            raise ClientError(Outcome.CONNECT, "nobody there", transient=transient)

    try:
        if seconds is None:
            await retrying(operation, retries=retries, notice=said.append)
        else:
            await retrying(operation, retries=retries, notice=said.append, until=began + seconds)
    except ClientError:
        assert made <= heals
    return made, trio.current_time() - began, said


async def test_so_many_times(autojump_clock: trio.testing.MockClock) -> None:
    assert (await attempts(retries=3))[0] == 4
    assert (await attempts(retries=3, heals=2))[0] == 3
    assert (await attempts(retries=0))[0] == 1
    assert (await attempts(retries=3, transient=False))[0] == 1


async def test_as_long_as_there_is_time(autojump_clock: trio.testing.MockClock) -> None:
    made, took, said = await attempts(retries=2, seconds=86_400)
    assert took == pytest.approx(86_400)
    assert 86_400 / 45 < made < 86_400 / 15 + 10
    assert "(2 of 2)" in said[1]
    assert "s more)" in said[2]
    assert (await attempts(retries=2, seconds=600, heals=9))[0] == 10
    assert (await attempts(retries=3, seconds=0.01))[0] == 4, "no fewer than without it"
    assert (await attempts(retries=0, seconds=600))[0] == 1
    assert (await attempts(retries=3, seconds=600, transient=False))[0] == 1


@pytest.mark.parametrize("roll", [0.0, 1.0])
def test_pauses_grow_to_a_bound(roll: float) -> None:
    pauses = [pause(attempt, roll) for attempt in (1, 2, 3, 20, 5000)]
    assert pauses == [each * (0.5 + roll) for each in (0.5, 1.0, 2.0, 30.0, 30.0)]
