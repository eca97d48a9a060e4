"""stdout and stderr while somebody types: what is written then goes above the line that is being typed, whole lines
only; at other times it goes straight through.
"""

from __future__ import annotations

import io
import threading
from collections import deque
from collections.abc import Callable
from typing import BinaryIO, TextIO, cast

_HELD = 1 << 20  #: bytes that may wait before a worker that writes more has to


class Above:
    """Keeps what is written while a prompt stands, until it is drawn above it or the prompt is gone.

    The loop's own thread never waits; what is said there is held in memory anyway.
    """

    def __init__(self) -> None:
        self._loop = threading.get_ident()
        self._held: deque[tuple[BinaryIO, bytes]] = deque()
        self._size = 0
        self._call: Callable[[], None] | None = None
        self._called = False
        self._changed = threading.Condition()

    def begin(self, call: Callable[[], None]) -> None:
        """A prompt stands. `call`, from any thread, makes it call `draw` soon."""
        with self._changed:
            self._call = call
            if self._held:
                self._ask()

    def end(self) -> None:
        """The prompt is gone; what waits is written."""
        with self._changed:
            self._call = None
            self._write_out(partial_too=True)

    def draw(self) -> None:
        """Write what waits, now that the line that is being typed was taken away."""
        with self._changed:
            self._called = False
            self._write_out(partial_too=False)

    def write(self, stream: BinaryIO, data: bytes) -> None:
        """Take `data` for `stream`. OSError when it is written straight through."""
        with self._changed:
            if self._call is None:
                self._through(stream, data)
                return
            if threading.get_ident() != self._loop:
                self._changed.wait_for(lambda: self._size < _HELD or self._call is None)
            self._held.append((stream, data))
            self._size += len(data)
            if self._call is None:
                self._write_out(partial_too=True)
            elif b"\n" in data or self._size >= _HELD:
                self._ask()

    def _ask(self) -> None:
        if not self._called and self._call is not None:
            self._called = True
            self._call()

    def _write_out(self, *, partial_too: bool) -> None:
        """Up to the last line end, or all of it, or as much as there may be."""
        rest: list[tuple[BinaryIO, bytes]] = []
        if not partial_too and self._size < _HELD:
            while self._held and b"\n" not in self._held[-1][1]:
                rest.insert(0, self._held.pop())
            if self._held:
                stream, last = self._held.pop()
                whole, end, begun = last.rpartition(b"\n")
                self._held.append((stream, whole + end))
                if begun:
                    rest.insert(0, (stream, begun))
        try:
            while self._held:
                self._through(*self._held.popleft())
        finally:
            self._held = deque(rest)
            self._size = sum(len(data) for _, data in rest)
            self._changed.notify_all()

    @staticmethod
    def _through(stream: BinaryIO, data: bytes) -> None:
        stream.write(data)
        stream.flush()


class _Bytes(io.RawIOBase):
    def __init__(self, above: Above, behind: BinaryIO) -> None:
        super().__init__()
        self._above = above
        self._behind = behind

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        block = bytes(cast(bytes, data))
        self._above.write(self._behind, block)
        return len(block)


class Stream:
    """What stands for stdout or stderr: everything goes by way of `above`."""

    def __init__(self, above: Above, behind: TextIO) -> None:
        self._behind = behind
        self.buffer = _Bytes(above, behind.buffer)
        self.encoding = behind.encoding
        self.errors = "surrogateescape"

    def write(self, text: str) -> int:
        """Text, written at once."""
        self._behind.flush()
        self.buffer.write(text.encode(self.encoding, "backslashreplace"))
        return len(text)

    def flush(self) -> None:
        """Nothing is held back but by `above`."""

    def isatty(self) -> bool:
        """Whether what is behind it is a terminal."""
        return self._behind.isatty()

    def fileno(self) -> int:
        """Of what is behind it."""
        return self._behind.fileno()


def stream(above: Above, behind: TextIO) -> TextIO:
    """`behind`, by way of `above`."""
    return cast(TextIO, Stream(above, behind))
