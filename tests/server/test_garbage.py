"""Full collections wait until few sessions stand, and are made then."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest
import trio

from ftlite.server import garbage


@pytest.fixture(autouse=True)
def _collector() -> Iterator[None]:
    """Tests leave the collector as it was."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


class _Cycle:
    """Garbage that no reference count frees."""

    def __init__(self) -> None:
        self.itself = self


async def test_full_collections_wait_for_few_sessions(autojump_clock: trio.testing.MockClock) -> None:
    garbage.settle()
    assert gc.get_freeze_count() > 1000
    assert gc.get_threshold()[2] > 10
    sessions = 5000
    async with trio.open_nursery() as nursery:
        nursery.start_soon(garbage.collect, lambda: sessions)
        cycle = _Cycle()
        lost = weakref.ref(cycle)
        for _ in range(2 * garbage._SOON):
            gc.collect(1)  # it grows old, and collections of the middle generation are counted
        del cycle
        await trio.sleep(60)
        assert lost() is not None
        sessions = 3
        await trio.sleep(60)
        assert lost() is None
        nursery.cancel_scope.cancel()
