"""How one transfer is to be moved, and the loop that moves it in slices.

A slice runs in a worker thread on the non-blocking socket and goes on while the peer keeps up: 20 ms where others wait
for a thread, a quarter of a second where nobody does. When the socket would block, the thread goes back and the task
waits on the loop. So a slow peer costs a task and never a thread, cancellation and `Wire.abort` wait for one turn at
most, and the stall deadline moves with every slice that moved a byte.
"""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

import trio
from attrs import define, frozen

from ftlite.movers.errors import DiskFault, Kind, MoverError, from_net
from ftlite.movers.pace import Pace
from ftlite.net.errors import NetError
from ftlite.net.wire import Wire

BLOCK = 128 * 1024  #: bytes read, hashed, encrypted or written at a time
SMALL = 64 * 1024  #: up to here a transfer is tried on the loop
_SLICE = 0.020  # seconds; a thread hop costs about a hundredth of it in CPU
_ALONE = 0.250  # seconds; a hop lets the peer run dry, which costs a fast one 5 % at one in 20 ms
_SLICE_BYTES = 4 << 30
_POLL_MS = 2
_NICE = 10  # by so much: a NOOP beside eight transfers on two processors is there in half of the time


_mine = threading.local()


def block_buffer() -> memoryview:
    """BLOCK bytes that belong to this thread, to be used within one turn: making them anew costs more than a hop."""
    if not hasattr(_mine, "buffer"):
        _mine.buffer = memoryview(bytearray(BLOCK))
    buffer: memoryview = _mine.buffer
    return buffer


class Converter(Protocol):
    """TYPE A in one direction (`ftlite.protocol.ascii`)."""

    def feed(self, data: bytes | memoryview, /) -> bytes: ...

    def finish(self) -> bytes: ...


class Hasher(Protocol):
    """What `hashlib` makes."""

    def update(self, data: Any, /) -> object: ...


@define(eq=False)
class Flow:
    """One transfer's terms, and how far it is.

    Attributes:
        stall: seconds that may pass without a byte while the peer is waited for; waiting for `pace` does not count.
        pace: speed limit, shared by giving the same one to several flows.
        limiter: the worker threads to use; None: trio's default ones.
        convert: TYPE A conversion, fresh for each transfer.
        hasher: fed with the bytes as they stand in the file.
        on_moved: called on the loop with `moved` each time that it has risen.
        aside: the threads that move bytes give precedence to the loop: for a server, where many sessions wait for it.
        moved: payload bytes that went over the wire so far.
    """

    stall: float = 60.0
    pace: Pace | None = None
    limiter: trio.CapacityLimiter | None = None
    convert: Converter | None = None
    hasher: Hasher | None = None
    on_moved: Callable[[int], None] | None = None
    aside: bool = False
    moved: int = 0

    def advance(self, count: int) -> None:
        """`count` more bytes went over the wire."""
        if count:
            self.moved += count
            if self.on_moved is not None:
                self.on_moved(self.moved)

    async def allowed(self, want: int) -> int:
        """How many of `want` bytes may move now; waits for the pace."""
        return want if self.pace is None else await self.pace.take(want)

    def unused(self, count: int) -> None:
        """`count` allowed bytes did not move."""
        if count and self.pace is not None:
            self.pace.give_back(count)

    async def wait(self, ready: Callable[[], Awaitable[None]]) -> None:
        """Wait for the peer (`Wire.readable` or `Wire.writable`). Raises MoverError STALLED, LOST."""
        with trio.move_on_after(self.stall):
            try:
                await ready()
            except NetError as error:
                raise from_net(error) from error
            return
        raise MoverError(Kind.STALLED, f"no byte moved for {self.stall:g} seconds")


#: One step of a way, in a worker: moves up to so many bytes; None: the socket would block; 0: the way is at its end.
Turn = Callable[[int], int | None]


@frozen
class _Slice:
    moved: int
    ended: bool = False
    blocked: bool = False
    error: BaseException | None = None


async def drive(wire: Wire, flow: Flow, turn: Turn, *, sending: bool) -> int:
    """Run `turn` in slices until it returns 0; returns the bytes moved.

    Raises:
        MoverError: STALLED, LOST, TRUNCATED, or what `turn` raised.
        DiskFault: what `turn` raised.
    """
    event, ready = (select.POLLOUT, wire.writable) if sending else (select.POLLIN, wire.readable)
    limiter = flow.limiter or trio.to_thread.current_default_thread_limiter()
    work = partial(_slice, turn, wire, event, limiter, aside=flow.aside)
    total = 0
    while True:
        allowed = await flow.allowed(_SLICE_BYTES)
        try:
            with wire.lent():
                done = await trio.to_thread.run_sync(work, allowed, limiter=limiter)
        except NetError as error:
            raise from_net(error) from error
        total += done.moved
        flow.unused(allowed - done.moved)
        flow.advance(done.moved)
        if done.error is not None:
            raise done.error
        if done.ended:
            return total
        if done.blocked:
            await flow.wait(ready)


def _slice(turn: Turn, wire: Wire, event: int, limiter: trio.CapacityLimiter, most: int, *, aside: bool) -> _Slice:
    """As many turns as fit into one slice. What moved before an error or a cancellation is kept beside it."""
    if aside:
        _step_aside()
    moved = since = 0
    began = time.monotonic()
    try:
        while moved < most:
            count = turn(most - moved)
            if count is None:
                # A peer that took a block just now will be ready again sooner than a thread hop takes.
                if since < BLOCK or not _soon(wire, event):
                    return _Slice(moved, blocked=True)
                since = 0
            elif count == 0:
                return _Slice(moved, ended=True)
            else:
                moved += count
                since += count
            if _over(time.monotonic() - began, wire, limiter):
                break
    except NetError as error:
        failure = from_net(error)
        failure.__cause__ = error
        return _Slice(moved, error=failure)
    except OSError as error:
        return _Slice(moved, error=DiskFault(error))
    except (MoverError, DiskFault, KeyboardInterrupt) as error:  # Ctrl-C comes by `check_cancelled`, and goes on
        return _Slice(moved, error=error)
    return _Slice(moved)


def _step_aside() -> None:
    """Let the loop's thread run first where both could, from now on. On Linux, where niceness is a thread's own."""
    if sys.platform == "linux" and not hasattr(_mine, "aside"):
        _mine.aside = True
        thread = threading.get_native_id()
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + _NICE))


def _over(elapsed: float, wire: Wire, limiter: trio.CapacityLimiter) -> bool:
    """Whether the slice is at its end: by time, or because nobody wants its bytes any more."""
    if elapsed > _SLICE and (elapsed > _ALONE or limiter.available_tokens < 1):
        return True
    if wire.closed:
        return True
    try:
        trio.from_thread.check_cancelled()
    except trio.Cancelled:
        return True  # the task meets its cancellation at its next step, with what moved counted
    return False


def _soon(wire: Wire, event: int) -> bool:
    poll = select.poll()
    poll.register(wire.socket.fileno(), event)
    return bool(poll.poll(_POLL_MS))
