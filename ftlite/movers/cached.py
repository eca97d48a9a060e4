"""Bytes of a file that are at hand: read on the event loop, because nobody can be kept waiting by it.

The kernel says so (RWF_NOWAIT), or the file lies on a tmpfs of a machine without swap, where there is nothing to wait
for; tmpfs itself does not know RWF_NOWAIT.
"""

from __future__ import annotations

import ctypes
import errno
import os
from functools import lru_cache
from pathlib import Path

_TMPFS = 0x01021994  # linux/magic.h


def read_cached(fd: int, offset: int, count: int) -> bytes | None:
    """All `count` bytes from `offset` on, or None: a worker must go and fetch them, and learns what is wrong if so."""
    if count == 0:
        return b""
    if not hasattr(os, "RWF_NOWAIT"):
        return None
    buffer = bytearray(count)
    try:
        got = os.preadv(fd, [buffer], offset, os.RWF_NOWAIT)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP or not _in_memory(fd):
            return None
        got = os.preadv(fd, [buffer], offset)
    return bytes(buffer) if got == count else None


def _in_memory(fd: int) -> bool:
    return _is_tmpfs(os.fstat(fd).st_dev, fd) and not _has_swap()


_kinds: dict[int, bool] = {}


def _is_tmpfs(device: int, fd: int) -> bool:
    """Whether `fd` lies on a tmpfs; asked of the system once a device."""
    if device not in _kinds:
        facts = (ctypes.c_long * 32)()  # struct statfs is 15 longs at most; f_type is the first
        found = ctypes.CDLL(None).fstatfs(fd, ctypes.byref(facts))
        _kinds[device] = found == 0 and facts[0] == _TMPFS
    return _kinds[device]


@lru_cache(maxsize=1)
def _has_swap() -> bool:
    try:
        return len(Path("/proc/swaps").read_text().splitlines()) > 1
    except OSError:
        return True
