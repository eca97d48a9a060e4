"""A wire into a file. `choose` picks the way:

    the first 64 KiB                          gathered on the loop, written in one hop (all there is of a small file)
    clear, nothing to compute, os.splice      socket to pipe to file in worker slices
    TLS, a digest, TYPE A or no os.splice     blocks received, hashed, converted and written in worker slices; lent to
                                              who hashes beside it

What came before a failure is written all the same: an upload may be resumed from it.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Protocol

import trio

from ftlite.movers.errors import DiskFault, MoverError
from ftlite.movers.flow import SMALL, Flow, Turn, block_buffer, drive
from ftlite.movers.loans import Loans
from ftlite.movers.memory import receive_once
from ftlite.net.errors import from_broken
from ftlite.net.wire import Wire

_PIPE = 1 << 20


def widen(fd: int) -> None:
    """Give a pipe room for 1 MiB, where `fd` is one and the system lets us: it costs far fewer turns than 64 KiB do."""
    with suppress(OSError, AttributeError):  # the limit on pipe memory of unprivileged users; macOS cannot
        if fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ) < _PIPE:
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE)


async def receive_file(wire: Wire, fd: int, offset: int | None, flow: Flow) -> int:
    """Write what comes until the clean end to the file `fd` from `offset` on; None: where the file stands (a stream).

    What came before a failure is in the file too, for a resume; only a cancellation may leave 64 KiB of it out.

    Returns:
        Payload bytes received (before conversion, where there is one).

    Raises:
        MoverError: STALLED, LOST, TRUNCATED.
        DiskFault: the file cannot be written.
    """
    sink = Sink(fd, offset, flow)
    gathered, ended = await receive_head(wire, sink, flow)
    return gathered if ended else gathered + await receive_rest(wire, sink, flow)


async def receive_head(wire: Wire, sink: Sink, flow: Flow) -> tuple[int, bool]:
    """Write the first SMALL bytes; how many came, and whether the clean end did. Raises as `receive_file`."""
    head, ended, failure = await _gather(wire, flow)
    if head or ended:
        try:
            await trio.to_thread.run_sync(partial(sink.write, head, last=ended), limiter=flow.limiter)
        except OSError as error:
            raise DiskFault(error) from error
    if failure is not None:
        raise failure
    return len(head), ended


async def receive_rest(wire: Wire, sink: Sink, flow: Flow) -> int:
    """Write what comes behind the head; how much it was. Raises as `receive_file`."""
    return await drive(wire, flow, choose(wire, sink, flow), sending=False)


def choose(wire: Wire, sink: Sink, flow: Flow) -> Turn:
    """The way for what does not fit into the first gathering (see the top of this file)."""
    computing = sink.hasher is not None or sink.loans is not None or flow.convert is not None
    if wire.tls or computing or not hasattr(os, "splice"):
        return Blocks(wire, sink, sink.room)
    return _Splice(wire, sink)


async def _gather(wire: Wire, flow: Flow) -> tuple[memoryview, bool, MoverError | None]:
    """Up to SMALL bytes, whether the clean end came behind them, and what went wrong instead."""
    buffer = memoryview(bytearray(SMALL))
    have = 0
    try:
        while have < SMALL:
            allowed = await flow.allowed(SMALL - have)
            while (got := receive_once(wire, buffer[have : have + allowed])) is None:
                await flow.wait(wire.readable)
            flow.unused(allowed - got)
            flow.advance(got)
            have += got
            if got == 0:
                return buffer[:have], True, None
    except MoverError as error:
        return buffer[:have], False, error
    return buffer, False, None


class Sink:
    """The file's end of it: digest, conversion, position.

    Attributes:
        offset: up to here the file is written; None for a stream.
        hasher: fed with what is written, as `flow.hasher` says at first.
        on_written: called in the worker with each new `offset`.
        loans: where blocks are lent before they are written; then there is nothing to convert.
    """

    def __init__(self, fd: int, offset: int | None, flow: Flow) -> None:
        self.fd = fd
        self.offset = offset
        self.hasher = flow.hasher
        self.on_written: Callable[[int], None] | None = None
        self.loans: Loans | None = None
        self._flow = flow

    def room(self) -> memoryview:
        """Where the next block goes; the worker's own buffer unless somebody wants it beyond `write`."""
        if self.loans is None or self.offset is None:
            return block_buffer()
        room = self.loans.room(self.offset)
        return block_buffer() if room is None else room

    def advance(self, count: int) -> None:
        """`count` more bytes are in the file."""
        if self.offset is not None:
            self.offset += count
            if self.on_written is not None:
                self.on_written(self.offset)

    def write(self, data: bytes | memoryview, *, last: bool = False) -> None:
        """Write all of `data`, and at the `last` what the conversion kept back."""
        convert = self._flow.convert
        if convert is not None:
            data = convert.feed(bytes(data)) + (convert.finish() if last else b"")
        if self.hasher is not None and data:
            self.hasher.update(data)
        rest = memoryview(data)
        if self.loans is not None and self.offset is not None:
            self.loans.lend(self.offset, rest)
        while rest:
            if self.offset is None:
                rest = rest[os.write(self.fd, rest) :]
            else:
                count = os.pwrite(self.fd, rest, self.offset)
                self.advance(count)
                rest = rest[count:]


class Writes(Protocol):
    """Takes all of a block, which is valid for this call only; `last`: none comes behind it."""

    def write(self, data: bytes | memoryview, *, last: bool = False) -> None: ...


class Blocks:
    """Blocks through memory. The buffer is the worker's and used for one turn: a slow peer holds none.

    Args:
        room: gives a buffer for each turn.

    Attributes:
        ended: the clean end came, and `sink` knows.
    """

    def __init__(self, wire: Wire, sink: Writes, room: Callable[[], memoryview] = block_buffer) -> None:
        self._wire = wire
        self._sink = sink
        self._room = room
        self.ended = False

    def __call__(self, most: int) -> int | None:
        if self.ended:
            return 0
        buffer = self._room()[:most]
        have = 0
        try:
            while have < len(buffer):
                got = self._wire.recv_into(buffer[have:])
                if got is None:
                    break
                if got == 0:
                    self.ended = True
                    break
                have += got
        finally:
            # On an error too: what came before it may be resumed from.
            if have or self.ended:
                self._sink.write(buffer[:have], last=self.ended)
        return have or (0 if self.ended else None)


class _Splice:
    """Pages move from the socket through a pipe into the file without a visit to our memory.

    The pipe is made for each turn and empty at its end: making it costs 4 us, and a slow peer holds no descriptor.
    """

    def __init__(self, wire: Wire, sink: Sink) -> None:
        self._wire = wire
        self._sink = sink

    def __call__(self, most: int) -> int | None:
        try:
            out, into = os.pipe()
        except OSError:  # no descriptor is free, and a transfer that runs need not break for it
            return Blocks(self._wire, self._sink)(most)
        try:
            widen(into)
            got = self._fill(into, min(most, _PIPE))
            if got:
                self._drain(out, got)
            return got
        finally:
            os.close(out)
            os.close(into)

    def _fill(self, into: int, most: int) -> int | None:
        try:
            return os.splice(self._wire.socket.fileno(), into, most)
        except BlockingIOError:
            return None
        except OSError as error:
            raise from_broken(error, "the data connection") from error

    def _drain(self, out: int, left: int) -> None:
        sink = self._sink
        while left:
            try:
                count = os.splice(out, sink.fd, left, offset_dst=sink.offset)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                data = os.read(out, left)  # append-only files and some file systems take no splice
                sink.write(data)
                left -= len(data)
                continue
            sink.advance(count)
            left -= count
