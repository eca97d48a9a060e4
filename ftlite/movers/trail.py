"""A digest made beside a move: a worker reads the file again, from the page cache, as far as it is valid, or takes what
the move has still in memory.

So the thread that moves the bytes does not hash, and a prefix that was there before is hashed while the rest comes. The
worker goes back when it has caught up, or after a tenth of a second if others may wait for it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol

import trio

from ftlite.movers.errors import DiskFault, Kind, MoverError
from ftlite.movers.flow import block_buffer
from ftlite.movers.loans import Loans

MARK = 16 << 20  #: bytes between two marks
_GRAIN = 1 << 20  # bytes to have before a worker is sent: many times what the hop costs
_SLICE = 0.1  # seconds
_LINGER = 0.005  # seconds that a worker waits for more before it goes back


class Digester(Protocol):
    """What `hashlib` makes; `hexdigest` may be asked at any time and more be fed after it."""

    def update(self, data: Any, /) -> object: ...

    def hexdigest(self) -> str: ...


class Trail:
    """Hashes a file up to where `reach` says that it is valid. Used in an ``async with`` block, whose end stops it.

    The worker stops within a block of bytes; nothing is left running. When hashing fails the block is cancelled and
    ends with that failure: a DiskFault, MoverError CHANGED (the file is shorter than it was said to be), or what
    `on_mark` raised.

    Args:
        fd: the file, open for reading; its own position is neither used nor moved.
        hasher: fed with the bytes from `start` on; it has seen those before.
        limiter: the workers to use; None: trio's default ones.
        every: bytes between marks.
        on_mark: called in the worker at each offset that is a multiple of `every`, with the digest up to it.

    Attributes:
        at: so far it is hashed.
        loans: blocks that need not be read again.
    """

    def __init__(
        self,
        fd: int,
        hasher: Digester,
        *,
        start: int = 0,
        limiter: trio.CapacityLimiter | None = None,
        every: int = MARK,
        on_mark: Callable[[int, str], None] | None = None,
    ) -> None:
        self.at = start
        self.loans = Loans()
        self._fd = fd
        self._hasher = hasher
        self._limiter = limiter
        self._every = every
        self._on_mark = on_mark
        self._reached = start
        self._end: int | None = None
        self._stopped = False
        self._failure: Exception | None = None
        self._changed = threading.Condition()  # the worker waits on it for more
        self._asleep = False  # the task waits for `_wake`
        self._wake = trio.Event()
        self._news = trio.Event()

    async def __aenter__(self) -> Trail:
        self._token = trio.lowlevel.current_trio_token()
        self._manager = trio.open_nursery()
        self._nursery = await self._manager.__aenter__()
        self._nursery.start_soon(self._run)
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stopped = True
        with self._changed:
            self._changed.notify()
        self._nursery.cancel_scope.cancel()
        try:
            # The block's own failure is not the nursery's: it goes on as it is, and not in a group.
            await self._manager.__aexit__(None, None, None)
        except BaseExceptionGroup as group:  # cancellations, of us and of what is around us
            if error is None and self._failure is None:
                raise group.exceptions[0] from None
        if self._failure is not None and (error is None or isinstance(error, trio.Cancelled)):
            raise self._failure

    def reach(self, offset: int) -> None:
        """The file is valid up to `offset`. May be called in any thread."""
        with self._changed:
            self._reached = offset
            self._changed.notify()
            wake = self._asleep and self._due()
            if wake:
                self._asleep = False
        if wake:
            self._token.run_sync_soon(self._wake.set)

    async def digest(self, end: int) -> str:
        """Wait until the file is hashed up to `end`, up to which it is valid, and give the digest so far in hex."""
        self._end = end
        self.reach(end)
        while self.at < end:
            self._news = trio.Event()
            await self._news.wait()
        return self._hasher.hexdigest()

    def _due(self) -> bool:
        """Whether a worker is worth its hop."""
        lag = self._reached - self.at
        return lag >= _GRAIN or (lag > 0 and self._end is not None)

    async def _run(self) -> None:
        while True:
            with self._changed:
                due = self._due()
                if not due:
                    self._asleep = True
                    self._wake = trio.Event()
            if not due:
                await self._wake.wait()
                continue
            try:
                await trio.to_thread.run_sync(self._work, limiter=self._limiter)
            except OSError as error:
                self._failure = DiskFault(error)
            except Exception as error:
                self._failure = error
            if self._failure is not None:
                self._nursery.cancel_scope.cancel()
                return
            self._news.set()

    def _work(self) -> None:
        """One hop: hash what is there, and what comes meanwhile."""
        until = time.monotonic() + _SLICE
        self.loans.begin(self.at)
        try:
            while time.monotonic() < until and self._more():
                most = self._reached - self.at
                if self._on_mark is not None:
                    most = min(most, self._every - self.at % self._every)
                at = self.at + self._hash(most)
                if self._on_mark is not None and at % self._every == 0:
                    self._on_mark(at, self._hasher.hexdigest())
                self.at = at  # not before: who waits for it may make a mark too
        finally:
            self.loans.end()

    def _more(self) -> bool:
        """Whether there is something to hash; waits for it a little unless the end is known."""
        if self._reached <= self.at and self._end is None:
            with self._changed:
                self._changed.wait_for(lambda: self._reached > self.at or self._end or self._stopped, _LINGER)
        return self._reached > self.at and not self._stopped

    def _hash(self, most: int) -> int:
        lent = self.loans.at(self.at)
        data = lent[:most] if lent is not None else self._read(most)
        if not data:
            raise MoverError(Kind.CHANGED, "the file became shorter while it was hashed")
        self._hasher.update(data)
        return len(data)

    def _read(self, most: int) -> memoryview:
        buffer = block_buffer()[:most]
        if hasattr(os, "preadv"):
            return buffer[: os.preadv(self._fd, [buffer], self.at)]
        return memoryview(os.pread(self._fd, len(buffer), self.at))
