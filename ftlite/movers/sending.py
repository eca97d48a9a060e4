"""A file onto a wire. `choose` picks the way:

    up to 64 KiB, cached        read and sent on the loop, no thread
    clear, nothing to compute   os.sendfile in worker slices
    TLS, a digest or TYPE A     blocks read, hashed, converted and sent in worker slices

os.sendfile reports trouble of either side in one errno: those of a broken connection (`_CONNECTION`) are the wire's,
all others the disk's.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from contextlib import suppress

from ftlite.movers.cached import read_cached
from ftlite.movers.errors import DiskFault, Kind, MoverError
from ftlite.movers.flow import BLOCK, SMALL, Flow, Turn, block_buffer, drive
from ftlite.movers.memory import push
from ftlite.net.errors import from_broken
from ftlite.net.wire import Wire

_CONNECTION = {
    errno.EPIPE, errno.ECONNRESET, errno.ECONNABORTED, errno.ENOTCONN, errno.ETIMEDOUT, errno.ESHUTDOWN,
    errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.ENETRESET, errno.EHOSTDOWN, errno.ENOBUFS,
}  # fmt: skip
_NO_SENDFILE = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
_SENDFILE_MOST = 8 << 20


async def send_file(wire: Wire, fd: int, offset: int, count: int | None, flow: Flow) -> int:
    """Send `count` bytes of the file `fd` from `offset` on; None: up to the end that it has now.

    The wire stays open: `Wire.finish` says the end. The file's own position is neither used nor moved.

    Returns:
        Payload bytes sent (after conversion, where there is one).

    Raises:
        MoverError: STALLED, LOST, or CHANGED when the file ends before `count` bytes.
        DiskFault: the file cannot be read.
    """
    if count is None:
        count = await _rest(fd, offset)
    if 0 <= count <= SMALL:
        data = read_cached(fd, offset, count)
        if data is not None:
            return await push(wire, _prepared(data, flow), flow)
    return await drive(wire, flow, choose(wire, fd, offset, count, flow), sending=True)


def choose(wire: Wire, fd: int, offset: int, count: int, flow: Flow) -> Turn:
    """The way for a transfer that is not tried on the loop (see the top of this file)."""
    if wire.tls or flow.hasher is not None or flow.convert is not None or not hasattr(os, "sendfile"):
        return Blocks(wire, _Reader(fd, offset, count, flow).next)
    return _Sendfile(wire, fd, offset, count, flow)


async def _rest(fd: int, offset: int) -> int:
    try:
        return max(0, os.fstat(fd).st_size - offset)
    except OSError as error:
        raise DiskFault(error) from error


def _prepared(data: bytes, flow: Flow) -> bytes:
    if flow.hasher is not None:
        flow.hasher.update(data)
    return data if flow.convert is None else flow.convert.feed(data) + flow.convert.finish()


class _Sendfile:
    """The kernel carries the bytes."""

    def __init__(self, wire: Wire, fd: int, offset: int, count: int, flow: Flow) -> None:
        self._wire = wire
        self._fd = fd
        self._offset = offset
        self._left = count
        self._flow = flow
        self._blocks: Blocks | None = None
        self._corked = False

    def _cork(self, on: bool) -> None:
        """Hold back a segment that is not full: a third more MiB/s, since the kernel pushes after every 16 pages else.

        Not with a pace, whose small portions would each wait 200 ms for the next; and not while the peer is waited for:
        where a segment is larger than its window (on loopback), that would be 200 ms, too.
        """
        if on is self._corked or not hasattr(socket, "TCP_CORK"):
            return
        self._corked = on
        with suppress(OSError):  # not TCP (tests), or gone: the next call says so
            self._wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, on)

    def __call__(self, most: int) -> int | None:
        if self._blocks is not None:
            return self._blocks(most)
        if self._left == 0:
            self._cork(False)
            return 0
        self._cork(self._flow.pace is None)
        try:
            sent = os.sendfile(
                self._wire.socket.fileno(), self._fd, self._offset, min(self._left, most, _SENDFILE_MOST)
            )
        except BlockingIOError:
            self._cork(False)
            return None
        except OSError as error:
            if error.errno in _NO_SENDFILE:
                self._cork(False)
                self._blocks = Blocks(self._wire, _Reader(self._fd, self._offset, self._left, self._flow).next)
                return self._blocks(most)
            if error.errno in _CONNECTION:
                raise from_broken(error, "the data connection") from error
            raise
        if sent == 0:
            raise _shrank()
        self._offset += sent
        self._left -= sent
        return sent


class _Reader:
    """The file's end of it: position, digest, conversion. Blocks are read into the worker's buffer."""

    def __init__(self, fd: int, offset: int, count: int, flow: Flow) -> None:
        self._fd = fd
        self._offset = offset
        self._left = count
        self._flow = flow
        self._converted = flow.convert is None

    def next(self, most: int) -> bytes | memoryview:
        """The next block as it goes onto the wire, made of up to `most` bytes; empty at the end."""
        convert = self._flow.convert
        while self._left:
            data = self._read(min(max(most, 1), self._left, BLOCK))
            if not data:
                raise _shrank()
            self._offset += len(data)
            self._left -= len(data)
            if self._flow.hasher is not None:
                self._flow.hasher.update(data)
            if convert is None:
                return data
            if converted := convert.feed(data):
                return converted
        if self._converted or convert is None:
            return b""
        self._converted = True
        return convert.finish()

    def _read(self, most: int) -> bytes | memoryview:
        if not hasattr(os, "preadv"):
            return os.pread(self._fd, most, self._offset)
        buffer = block_buffer()[:most]
        return buffer[: os.preadv(self._fd, [buffer], self._offset)]


class Blocks:
    """Blocks through memory: one is asked for when the one before is wholly sent.

    They may lie in the worker's buffer, which is lent for one turn; what a slow peer leaves over is copied out.

    Args:
        ask: gives a block of about so many bytes, valid until it is asked again; empty at the end.
    """

    def __init__(self, wire: Wire, ask: Callable[[int], bytes | memoryview]) -> None:
        self._wire = wire
        self._ask = ask
        self._over = b""

    def __call__(self, most: int) -> int | None:
        block = self._over or self._ask(most)
        if not block:
            return 0
        rest, total = memoryview(block), 0
        while rest and (sent := self._wire.send(rest)) is not None:
            rest = rest[sent:]
            total += sent
        self._over = bytes(rest)
        return total or None


def _shrank() -> MoverError:
    return MoverError(Kind.CHANGED, "the file became shorter while it was sent")
