"""Blocks of a file that are still in memory, lent by the thread that writes them to the worker that hashes beside it.

Reading them again from the page cache costs a quarter of what SHA-256 does, and the hash is what a verified transfer
waits for. Only as long as the worker runs is anything lent, and no more than MOST blocks, so a slow peer's transfer
holds no memory. The writer waits a little for a worker that is near, or it would soon be too far ahead to be read in
time; not for one that has a long prefix to hash first. All this saves time and no more: what is not lent stands in the
file.
"""

from __future__ import annotations

import threading
from collections import deque

ROOM = 512 * 1024  #: octets of a block: MOST of them fit into a core's second cache
MOST = 4
_NEAR = 64 << 20  # octets that the worker may be behind: it catches up in the time that a few waits take
_PATIENCE = 0.01  # seconds, in which a worker hashes twenty blocks


class Loans:
    """What is lent of one file. `room` and `lend` are for the thread that writes, the rest for the one that hashes."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open = False
        self._at = 0  # where the worker is
        self._lent: deque[tuple[int, memoryview]] = deque()  # offset and octets, in order
        self._free: list[memoryview] = []
        self._given: memoryview | None = None

    def room(self, offset: int) -> memoryview | None:
        """Where to put the block that will be written at `offset`, to lend it; None when nobody wants it."""
        with self._changed:
            if offset - self._at <= _NEAR:
                self._changed.wait_for(lambda: len(self._lent) < MOST or not self._open, _PATIENCE)
            if not self._open or offset - self._at > _NEAR or len(self._lent) == MOST:
                return None
            if self._given is None:
                self._given = self._free.pop() if self._free else memoryview(bytearray(ROOM))
            return self._given

    def lend(self, offset: int, data: memoryview) -> None:
        """`data` is about to be written at `offset` and stays as it is; a no-op unless it lies in the last `room`."""
        with self._changed:
            if self._given is not None and data.obj is self._given.obj:
                self._lent.append((offset, data))
                self._given = None

    def begin(self, offset: int) -> None:
        """A worker will take what is lent, from `offset` on."""
        with self._changed:
            self._open, self._at = True, offset

    def end(self) -> None:
        """It will not any more; all is given back."""
        with self._changed:
            self._open = False
            self._given = None
            self._lent.clear()
            self._free.clear()
            self._changed.notify_all()

    def at(self, offset: int) -> memoryview | None:
        """The octets from `offset` on, if they are lent; they stay until this is asked for what is behind them."""
        with self._changed:
            self._at = offset
            while self._lent and self._lent[0][0] + len(self._lent[0][1]) <= offset:
                _, data = self._lent.popleft()
                assert isinstance(data.obj, bytearray)
                self._free.append(memoryview(data.obj))
                self._changed.notify_all()
            if self._lent and self._lent[0][0] <= offset:
                begun, data = self._lent[0]
                return data[offset - begun :]
        return None
