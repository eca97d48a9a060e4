"""A nursery whose failures come out as what they are: no exception group reaches the user of the library."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio


@asynccontextmanager
async def open_plain_nursery() -> AsyncIterator[trio.Nursery]:
    """`trio.open_nursery`, but one exception comes out: the first that is no cancellation."""
    error: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            yield nursery
    except BaseExceptionGroup as group:
        # One level only: a group within is one that the user's own code raised, and his to get.
        error = next((one for one in group.exceptions if not isinstance(one, trio.Cancelled)), group.exceptions[0])
    if error is not None:
        raise error
