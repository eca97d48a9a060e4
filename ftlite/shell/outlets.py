"""Where the output of a command goes when it is not the terminal: into a program, or into a local file that gets its
name when the command went well. Whoever reads slowly keeps a thread waiting, and never the loop.
"""

from __future__ import annotations

import errno
import io
import os
import tempfile
import threading
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TextIO, cast

import trio

from ftlite.protocol.text import encode

_HELD = 1 << 20  #: bytes that may wait before a worker that writes more has to


class Outlet(io.RawIOBase):
    """A writer in front of a descriptor that may block, and which it owns.

    In the loop a write is taken at once, since what is said there is held in memory anyway; in a worker it waits while
    much is held.

    Raises:
        OSError: (write) what writing said before, of `name`; BrokenPipeError when the reader is gone.
    """

    def __init__(self, descriptor: int, name: str | None = None) -> None:
        super().__init__()
        self._name = name
        self._descriptor = descriptor
        self._loop = threading.get_ident()
        self._held: deque[bytes] = deque()
        self._size = 0
        self._ended = False
        self._error: OSError | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._drain, name="output", daemon=True)
        self._thread.start()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        block = bytes(cast(bytes, data))
        with self._changed:
            if threading.get_ident() != self._loop:
                self._changed.wait_for(lambda: self._size < _HELD or self._error is not None)
            if self._error is not None:
                raise self._error
            self._held.append(block)
            self._size += len(block)
            self._changed.notify_all()
        return len(block)

    def _drain(self) -> None:
        try:
            self._write_all()
        finally:
            os.close(self._descriptor)

    def _write_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._held or self._ended)
                if not self._held:
                    return
                block = self._held[0]
            try:
                view = memoryview(block)
                while view:
                    view = view[os.write(self._descriptor, view) :]
            except OSError as error:
                error.filename = self._name
                with self._changed:
                    self._error = error
                    self._held.clear()
                    self._size = 0
                    self._changed.notify_all()
                return
            with self._changed:
                self._held.popleft()
                self._size -= len(block)
                self._changed.notify_all()

    def end(self) -> None:
        """Nothing more comes. Does not wait for what is held."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def finish(self) -> None:
        """Wait until everything is written, and close the descriptor. Blocks. A reader that is gone had enough.

        Raises:
            OSError: it could not be written.
        """
        self.end()
        self._thread.join()
        if self._error is not None and not isinstance(self._error, BrokenPipeError):
            raise self._error


class Output:
    """What stands for stdout over an `Outlet`."""

    def __init__(self, buffer: Outlet) -> None:
        self.buffer = buffer

    def write(self, text: str) -> int:
        """Text as data."""
        return self.buffer.write(encode(text))

    def flush(self) -> None:
        """Nothing is held back here."""

    def isatty(self) -> bool:
        """It is none, so names are exact and nothing is coloured."""
        return False

    def fileno(self) -> int:
        """There is none to be had."""
        raise OSError("no descriptor")


def output(outlet: Outlet) -> TextIO:
    """`outlet` with the face of stdout."""
    return cast(TextIO, Output(outlet))


@asynccontextmanager
async def into_file(path: Path, *, append: bool) -> AsyncIterator[tuple[Outlet, list[int]]]:
    """Output into `path`. What is written gets the name when the scope ends and the list, to which the caller adds an
    exit code, holds nothing but 0; else what stood there stays. With `append` it is added to what stands there.

    Raises:
        OSError: it cannot be written, with its name.
    """
    codes: list[int] = []
    try:
        straight = await trio.to_thread.run_sync(_takes_what_comes, path)
        if straight:  # a pipe waits for its other end, maybe for ever
            descriptor, hidden = await trio.to_thread.run_sync(_open, path, abandon_on_cancel=True), ""
        else:
            descriptor, hidden = await trio.to_thread.run_sync(_append_to if append else _beside, path)
    except OSError as error:
        error.filename = str(path)  # not that of what was to become it
        raise
    outlet = Outlet(descriptor, str(path))
    try:
        yield outlet, codes
        try:
            await trio.to_thread.run_sync(outlet.finish, abandon_on_cancel=straight)
        except OSError:
            if not any(codes):  # else the command has told it
                raise
        if hidden and not any(codes):
            await trio.to_thread.run_sync(_publish, hidden, path)
            hidden = ""
    finally:
        outlet.end()
        with trio.CancelScope(shield=not straight):  # a close and an unlink
            with suppress(OSError):
                await trio.to_thread.run_sync(outlet.finish, abandon_on_cancel=straight)
            if hidden:
                with suppress(OSError):
                    await trio.to_thread.run_sync(os.unlink, hidden)


def _takes_what_comes(path: Path) -> bool:
    """Whether it is a device or a pipe."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CLOEXEC)


def _append_to(path: Path) -> tuple[int, str]:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666), ""


def _beside(path: Path) -> tuple[int, str]:
    """A descriptor to write to, and the hidden name that it has."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    descriptor, hidden = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".part", dir=path.parent)
    umask = os.umask(0o077)
    os.umask(umask)
    os.fchmod(descriptor, path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~umask)
    return descriptor, hidden


def _publish(hidden: str, path: Path) -> None:
    try:
        os.replace(hidden, path.resolve() if path.is_symlink() else path)
    except OSError as error:
        error.filename = str(path)  # not the hidden one
        raise
