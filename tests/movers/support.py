"""Files, flows and peers for mover tests."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ftlite.movers import receiving, sending


@contextmanager
def opened(path: Path, flags: int = os.O_RDWR | os.O_CREAT) -> Iterator[int]:
    fd = os.open(path, flags, 0o600)
    try:
        yield fd
    finally:
        os.close(fd)


def noise(size: int, seed: int = 7) -> bytes:
    return random.Random(seed).randbytes(size)


#: How each way is forced: the names of what is taken away from `os`, so that the portable way must do.
FORCE: dict[str, tuple[str, ...]] = {"native": (), "portable": ("sendfile", "splice", "RWF_NOWAIT", "preadv")}


def force(way: str, delattr_: Callable[..., None]) -> None:
    """Take the system's special calls away (what macOS lacks and more), for the `portable` way."""
    for name in FORCE[way]:
        for module in (sending, receiving):
            delattr_(module.os, name, raising=False)
