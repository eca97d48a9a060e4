"""How many descriptors this process has open, when what earlier tests dropped is gone."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PATIENCE = 10.0


def descriptors() -> int:
    """Open descriptors; garbage that still holds some is collected first."""
    gc.collect()
    for place in ("/proc/self/fd", "/dev/fd"):
        if Path(place).is_dir():
            return len(os.listdir(place))
    raise AssertionError("this system does not tell its descriptors")


@contextmanager
def no_descriptor_leaks() -> Iterator[None]:
    """No more descriptors are open after the block than before, as soon as other threads (relays) are through."""
    before = descriptors()
    yield
    until = time.monotonic() + _PATIENCE
    while descriptors() > before and time.monotonic() < until:
        time.sleep(0.02)
    assert descriptors() <= before
