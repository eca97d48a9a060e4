"""A wire into a blocking sink, and a blocking source onto a wire: trees, stdin, stdout.

    a sink or source of the disk's        called in the worker slices that use the wire
    one that may block for ever (a pipe)  has a thread of its own, and a belt of 2 MiB between it and the slices

Nobody waits for such a thread when the transfer is cancelled or broken: it may hang in its call for good. It only knows
the belt, so what it does afterwards touches neither wire nor file of ours.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import trio

from ftlite.movers.errors import DiskFault
from ftlite.movers.flow import SMALL, Flow, drive
from ftlite.movers.memory import push
from ftlite.movers.receiving import Blocks as Receiving
from ftlite.movers.sending import Blocks as Sending
from ftlite.net.wire import Wire

Read = Callable[[int], bytes | memoryview]
Write = Callable[[memoryview], object]

_HELD = 2 << 20  # bytes on the belt: what keeps both ends busy over a few thread hops
_AT_ONCE = 256 * 1024  # bytes that a patient source is asked for


async def send_from(wire: Wire, read: Read, flow: Flow, *, patient: bool = False) -> int:
    """Send what `read(most)` gives until it gives nothing. `flow.convert` is not for streams.

    Args:
        read: blocks; runs in a worker. What it gives need only be valid until it is called again.
        patient: it may block for ever, and is left to itself on cancellation.

    Returns:
        Bytes sent.

    Raises:
        MoverError: STALLED or LOST.
        DiskFault: `read` raised an OSError. Whatever else it raises comes out as it is.
    """
    if not patient:
        return await drive(wire, flow, Sending(wire, _hashed_read(read, flow)), sending=True)
    belt = _Belt()
    return await belt.serve(partial(_read_ahead, _hashed_read(read, flow), belt), partial(_send, wire, belt, flow))


async def receive_into(wire: Wire, write: Write, flow: Flow, *, patient: bool = False) -> int:
    """Give `write(block)` all that comes until the clean end. `flow.convert` is not for streams.

    Args:
        write: blocks; runs in a worker and takes the whole block, which is valid for this call only.
        patient: it may block for ever, and is left to itself on cancellation.

    Returns:
        Bytes received, all of which `write` has taken.

    Raises:
        MoverError: STALLED, LOST, TRUNCATED; without `patient`, `write` has had what came before it.
        DiskFault: `write` raised an OSError. Whatever else it raises comes out as it is.
    """
    write = _hashed_write(write, flow)
    if not patient:
        return await drive(wire, flow, Receiving(wire, _Into(write)), sending=False)
    belt = _Belt()
    return await belt.serve(partial(_write_behind, write, belt), partial(_receive, wire, belt, flow))


class _Belt:
    """Blocks on their way between a patient thread and the slices, at most `_HELD` bytes and a block."""

    def __init__(self) -> None:
        self._blocks: deque[bytes] = deque()
        self._held = 0
        self._ended = False  # nothing is put any more
        self._emptied = False  # and the patient sink has taken and done with all of it
        self._left = False  # nobody is at the other end any more
        self._failure: BaseException | None = None
        self._changed = threading.Condition()
        self._token = trio.lowlevel.current_trio_token()
        self._scope = trio.CancelScope()
        self._news: trio.Event | None = None

    # ---- either end, in a thread

    def put(self, block: bytes) -> None:
        """Put it down, whether there is room or not."""
        with self._changed:
            self._blocks.append(block)
            self._held += len(block)
            self._tell()

    def end(self) -> None:
        """That was all."""
        with self._changed:
            self._ended = True
            self._tell()

    # ---- the patient thread

    def room(self) -> bool:
        """Wait for room; False: nobody takes anything any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._held < _HELD or self._left)
            return not self._left

    def take(self) -> bytes:
        """Wait for something and take all of it as one block; empty at the end, or when nobody cares any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._blocks or self._ended or self._left)
            if self._left:
                return b""
            block = b"".join(self._blocks)  # a write of 2 MiB lets go of the interpreter for longer than it costs
            self._blocks.clear()
            self._held = 0
            self._tell()
        return block

    def emptied(self) -> None:
        """All was taken, and what it was taken for is done."""
        with self._changed:
            self._emptied = True
            self._tell()

    def _tell(self) -> None:
        """Wake whoever waits at the other end; the lock is held."""
        self._changed.notify_all()
        if self._news is not None:
            news, self._news = self._news, None
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(news.set)

    # ---- the loop

    @property
    def full(self) -> bool:
        return self._held >= _HELD

    async def _until(self, ready: Callable[[], bool]) -> None:
        while True:
            with self._changed:
                if ready():
                    return
                news = self._news = trio.Event()
            await news.wait()

    async def taken(self) -> list[bytes]:
        """Wait for blocks and take all of them; none at the end."""
        await self._until(lambda: bool(self._blocks) or self._ended)
        with self._changed:
            blocks, self._held = list(self._blocks), 0
            self._blocks.clear()
            self._changed.notify_all()
        return blocks

    async def has_room(self) -> None:
        """Wait for room."""
        await self._until(lambda: self._held < _HELD)

    async def is_emptied(self) -> None:
        """Wait until the patient sink has done with everything."""
        await self._until(lambda: self._emptied)

    async def serve(self, work: Callable[[], None], move: Callable[[], Awaitable[int]]) -> int:
        """Run `work` in a thread of its own beside `move`, which is cancelled when it fails."""

        def patiently() -> None:
            try:
                work()
            except BaseException as error:
                self._failure = DiskFault(error) if isinstance(error, OSError) else error
                with suppress(trio.RunFinishedError):
                    self._token.run_sync_soon(self._scope.cancel)

        trio.lowlevel.start_thread_soon(patiently, lambda _outcome: None, name="ftlite patient")
        moved = 0
        try:
            with self._scope:
                moved = await move()
        finally:
            with self._changed:
                self._left = True
                self._changed.notify_all()
        if self._failure is not None:
            raise self._failure
        return moved


def _hashed_read(read: Read, flow: Flow) -> Read:
    """`read` in pieces of a block at most, which the flow's hasher sees in the worker."""
    hasher = flow.hasher

    def ask(most: int) -> bytes | memoryview:
        block = read(min(most, _AT_ONCE))
        if hasher is not None:
            hasher.update(block)
        return block

    return ask


def _hashed_write(write: Write, flow: Flow) -> Write:
    hasher = flow.hasher
    if hasher is None:
        return write

    def give(block: memoryview) -> None:
        hasher.update(block)
        write(block)

    return give


class _Into:
    """A sink of the disk's, as the receiving slices want it."""

    def __init__(self, write: Callable[[memoryview], object]) -> None:
        self._write = write

    def write(self, data: bytes | memoryview, *, last: bool = False) -> None:
        if data:
            self._write(memoryview(data))


class _Onto:
    """The belt, as the receiving slices want it."""

    def __init__(self, belt: _Belt) -> None:
        self._belt = belt

    def write(self, data: bytes | memoryview, *, last: bool = False) -> None:
        if data:
            self._belt.put(bytes(data))


class _Pieces:
    """Blocks in memory, cut as the sending slices ask for them."""

    def __init__(self, blocks: list[bytes]) -> None:
        self._blocks = iter(blocks)
        self._rest = memoryview(b"")

    def ask(self, most: int) -> memoryview:
        if not self._rest:
            self._rest = memoryview(next(self._blocks, b""))
        piece, self._rest = self._rest[:most], self._rest[most:]
        return piece


def _read_ahead(read: Read, belt: _Belt) -> None:
    """The patient source's thread."""
    while belt.room() and (block := read(_AT_ONCE)):
        belt.put(bytes(block))
    belt.end()


async def _send(wire: Wire, belt: _Belt, flow: Flow) -> int:
    total = 0
    while blocks := await belt.taken():
        if sum(map(len, blocks)) <= SMALL:  # somebody types: that needs no worker
            for block in blocks:
                total += await push(wire, block, flow)
        else:
            total += await drive(wire, flow, Sending(wire, _Pieces(blocks).ask), sending=True)
    return total


def _write_behind(write: Write, belt: _Belt) -> None:
    """The patient sink's thread."""
    while block := belt.take():
        write(memoryview(block))
    belt.emptied()


async def _receive(wire: Wire, belt: _Belt, flow: Flow) -> int:
    total = 0
    way = Receiving(wire, _Onto(belt))
    while not way.ended:
        await belt.has_room()
        total += await drive(wire, flow, lambda most: 0 if belt.full else way(most), sending=False)
    belt.end()
    await belt.is_emptied()
    return total
