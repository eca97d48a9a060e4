"""How many descriptors this process has open, when what earlier tests dropped is gone."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def descriptors() -> int:
    """Open descriptors; garbage that still holds some is collected first."""
    gc.collect()
    for place in ("/proc/self/fd", "/dev/fd"):
        if Path(place).is_dir():
            return len(os.listdir(place))
    raise AssertionError("this system does not tell its descriptors")


@contextmanager
def no_descriptor_leaks() -> Iterator[None]:
    """No more descriptors are open after the block than before."""
    before = descriptors()
    yield
    assert descriptors() <= before
