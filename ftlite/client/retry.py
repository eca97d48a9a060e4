"""Trying again: only what can heal, a few times, with growing pauses that differ between clients."""

from __future__ import annotations

import math
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from ftlite.client.errors import ClientError

T = TypeVar("T")
_FIRST = 0.5  # seconds
_MOST = 30.0
_DOUBLINGS = 10  # beyond all pauses that grow


def pause(attempt: int, roll: float) -> float:
    """Seconds to wait before attempt number `attempt` (1 is the first repetition); `roll` in 0..1 is the jitter."""
    return float(min(_MOST, _FIRST * 2 ** min(attempt - 1, _DOUBLINGS)) * (0.5 + roll))


async def retrying(
    operation: Callable[[int], Awaitable[T]],
    *,
    retries: int,
    notice: Callable[[str], None] | None = None,
    until: float = -math.inf,
) -> T:
    """Run ``operation(attempt)``, attempt counting from 0, until it succeeds or fails for good.

    Args:
        until: before that (trio's clock) there is no end of repetitions, if any are wanted at all.

    Raises:
        ClientError: of the last attempt, when it is not transient or `retries` repetitions did not help.
    """
    attempt = 0
    while True:
        try:
            return await operation(attempt)
        except ClientError as error:
            left = until - trio.current_time() if retries else -math.inf
            if not error.transient or (attempt >= retries and left <= 0):
                raise
            attempt += 1
            seconds = pause(attempt, random.random())  # noqa: S311 - not a secret
            count = f"{attempt} of {retries}"
            if attempt > retries:
                seconds, count = min(seconds, left), f"for {left:.0f} s more"
            if notice is not None:
                notice(f"{error.message}; trying again in {seconds:.1f} s ({count})")
        await trio.sleep(seconds)
