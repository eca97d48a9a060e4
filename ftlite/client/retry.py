"""Trying again: only what can heal, a few times, with growing pauses that differ between clients."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from ftlite.client.errors import ClientError

T = TypeVar("T")
_FIRST = 0.5  # seconds
_MOST = 30.0


def pause(attempt: int, roll: float) -> float:
    """Seconds to wait before attempt number `attempt` (1 is the first repetition); `roll` in 0..1 is the jitter."""
    return float(min(_MOST, _FIRST * 2 ** (attempt - 1)) * (0.5 + roll))


async def retrying(
    operation: Callable[[int], Awaitable[T]], *, retries: int, notice: Callable[[str], None] | None = None
) -> T:
    """Run ``operation(attempt)``, attempt counting from 0, until it succeeds or fails for good.

    Raises:
        ClientError: of the last attempt, when it is not transient or `retries` repetitions did not help.
    """
    attempt = 0
    while True:
        try:
            return await operation(attempt)
        except ClientError as error:
            if not error.transient or attempt >= retries:
                raise
            attempt += 1
            seconds = pause(attempt, random.random())  # noqa: S311 - not a secret
            if notice is not None:
                notice(f"{error.message}; trying again in {seconds:.1f} s ({attempt} of {retries})")
        await trio.sleep(seconds)
