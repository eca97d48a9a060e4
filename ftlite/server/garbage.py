"""When the garbage collector walks everything: when few sessions stand, so that it is over soon.

A full collection walks all that sessions hold, and nothing else happens meanwhile: 40 ms of the loop's time at 2,000
sessions, where no step of it should take 10 (measured by benchmarks/watchdog.py). What goes by reference count, and
that is nearly everything here, needs no collection at all. So full ones are made rare, and are made up for as soon as
a crowd has left. What may wait for one is bounded: some 350,000 objects, or 60 MiB.
"""

from __future__ import annotations

import gc
from collections.abc import Callable

import trio

_SELDOM = 50  #: collections of the middle generation, 7,000 objects each, between two full ones; Python's own is 10
_SOON = 5  #: of them, when it costs little
_FEW = 200  #: sessions, whose objects are walked in 5 ms
_EVERY = 4.0


def settle() -> None:
    """What exists now lives as long as the server: collections need not walk it any more."""
    gc.collect()
    gc.freeze()
    first, second, _ = gc.get_threshold()
    gc.set_threshold(first, second, _SELDOM)


async def collect(sessions: Callable[[], int]) -> None:
    """A task of the server: full collections while few `sessions` stand."""
    while True:
        await trio.sleep(_EVERY)
        if sessions() <= _FEW and gc.get_count()[2] >= _SOON:
            gc.collect()
