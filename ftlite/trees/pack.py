"""A directory to one tar stream, in blocks for a worker to send: many small files make one block, a big one many.

The digest is made of the octets that are sent. A file that is shorter or longer than its header says, or whose time
moved while it was read, ends the packing with CHANGED: a stream is never padded to look whole.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from ftlite.trees.compress import Compressor, compressor
from ftlite.trees.entry import FILE, Position, TreeEntry
from ftlite.trees.errors import Kind, TreeError
from ftlite.trees.header import BLOCK, END, ZEROS, encode, padding
from ftlite.trees.manifest import Hasher, Manifest, maker
from ftlite.trees.walk import Judge, Walk

_BUFFER = 1 << 18
_NOTHING = memoryview(b"")


class Packer:
    """The stream of one tree. Blocks; used by one worker at a time; `close` it in the end.

    Attributes:
        manifest: of what was read so far, the skipped entries included.
        sent: octets that `read` returned.
    """

    def __init__(
        self,
        root_fd: int,
        *,
        wanted: Judge | None = None,
        may: Judge | None = None,
        algorithm: str = "sha256",
        skip: Position | None = None,
        comp: str | None = None,
    ) -> None:
        """
        Args:
            root_fd: of the tree; stays the caller's.
            wanted: which entries; the others are left out, and not counted.
            may: which entries the asker may have; the others are left out and counted.
            algorithm: one of manifest.ALGORITHMS.
            skip: `entries` and `inside` that the other end has: these are read and hashed, not sent.
            comp: one of compress.COMPRESSIONS.

        Raises:
            KeyError: an algorithm or compression that is not here.
        """
        self.manifest = Manifest(algorithm)
        self.sent = 0
        self._hasher = maker(algorithm)
        self._compressor: Compressor | None = compressor(comp) if comp else None
        self._walk = Walk(root_fd, wanted=wanted, may=may)
        self._entries = iter(self._walk)
        self._skip = skip or Position()
        self._prefix: Position | None = None
        self._file: _Source | None = None
        self._next: tuple[TreeEntry, int] | None = None
        self._pending = _NOTHING  # octets of the stream that come before what is read next
        self._made = _NOTHING  # compressed, not yet returned
        self._flushed = False
        self._ended = False
        self._buffers = (bytearray(), bytearray())

    @property
    def entries(self) -> int:
        """Complete entries so far, the skipped ones included."""
        return self.manifest.entries

    @property
    def left_out(self) -> list[str]:
        """Names that did not come along though they are there; the first thousand, `left` counts all."""
        return self._walk.left_out.names

    @property
    def left(self) -> int:
        return self._walk.left_out.count

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        if self._next is not None and self._next[1] >= 0:
            os.close(self._next[1])
        self._file = self._next = None
        self._ended = True
        self._walk.close()

    # what is skipped

    def advance(self, most: int = 64 << 20) -> Position | None:
        """Read about `most` octets of what is skipped; its Position once all of it is read, None before.

        The Position is what this tree really has: with fewer entries than `skip` says, or nothing inside, when it has
        no more; then the other end has another tree. The stream begins after that Position.
        """
        while self._prefix is None and most > 0:
            if self._file is not None:
                taken = self._file.read(self._buffer(_BUFFER))
                most -= taken + BLOCK
                if self._file.read_so_far == self._file.until:
                    self._skipped_one()
            else:
                most -= BLOCK
                self._skip_next()
        return self._prefix

    def prefix(self) -> Position:
        """`advance` until it is done."""
        while True:
            position = self.advance()
            if position is not None:
                return position

    def _skip_next(self) -> None:
        found = next(self._entries, None)
        inside = self._skip.inside
        if self.manifest.entries < self._skip.entries and found is not None:
            entry, fd = found
            if entry.kind is not FILE:
                self.manifest.add(entry)
            else:
                self._file = _Source(entry, fd, self._hasher(), entry.size)
                if not entry.size:
                    self._skipped_one()
        elif found is not None and inside and found[1] >= 0 and found[0].size > inside:
            self._file = _Source(*found, self._hasher(), inside)
        else:
            self._next = found
            self._prefix = Position(self.manifest.entries, self.manifest.digest())

    def _skipped_one(self) -> None:
        file = self._file
        assert file is not None
        if file.until == file.entry.size:
            self.manifest.add(file.entry, file.finish())
            self._file = None
        else:
            file.offset, file.until = file.until, file.entry.size
            self._prefix = Position(
                self.manifest.entries, self.manifest.digest(), file.offset, file.hasher.copy().hexdigest()
            )
            self._pending = memoryview(encode(file.entry, offset=file.offset))

    # the stream

    def read(self, most: int) -> bytes | memoryview:
        """The next octets, at most `most`; empty at the end. They stay as they are until the next call but one.

        Raises:
            TreeError: CHANGED; the stream cannot go on after it.
            OSError: of the disk.
        """
        self.prefix()
        block = self._compressed(most) if self._compressor is not None else self._plain(most)
        self.sent += len(block)
        return block

    def _buffer(self, size: int) -> memoryview:
        self._buffers = self._buffers[::-1]
        if len(self._buffers[0]) < size:
            self._buffers = (bytearray(size), self._buffers[1])
        return memoryview(self._buffers[0])[:size]

    def _plain(self, most: int) -> memoryview:
        view = self._buffer(most)
        return view[: self._fill(view)]

    def _compressed(self, most: int) -> memoryview:
        """Compress until there is something to send; what is more than `most` waits."""
        assert self._compressor is not None
        while not self._made:
            view = self._buffer(_BUFFER)
            filled = self._fill(view)
            if filled:
                self._made = memoryview(self._compressor.compress(view[:filled]))
            elif self._flushed:
                return _NOTHING
            else:
                self._flushed = True
                self._made = memoryview(self._compressor.flush())
        block, self._made = self._made[:most], self._made[most:]
        return block

    def _fill(self, view: memoryview) -> int:
        """Put as much of the stream into `view` as fits; how much."""
        at, end = 0, len(view)
        while at < end:
            if self._pending:
                size = min(len(self._pending), end - at)
                view[at : at + size] = self._pending[:size]
                self._pending = self._pending[size:]
                at += size
            elif self._file is not None:
                at += self._file.read(view[at:])
                if self._file.read_so_far == self._file.entry.size:
                    self._complete(self._file)
            elif self._ended:
                break
            else:
                at = self._begin(view, at, end)
                if self._next is not None:
                    break
        return at

    def _begin(self, view: memoryview, at: int, end: int) -> int:
        """Entries with all their content, while they fit before `end`; the new `at`.

        One that only fits into a view of its own stays the next one; of one that fits into none, the header.
        """
        found, self._next = self._next or next(self._entries, None), None
        while found is not None:
            entry, fd = found
            head = encode(entry)
            whole = len(head) + entry.size + padding(entry.size)
            if whole > end - at:
                break
            view[at : at + len(head)] = head
            if fd >= 0:
                self._whole(entry, fd, view[at + len(head) : at + whole])
            else:
                self.manifest.add(entry)
            at += whole
            found = next(self._entries, None)
        else:
            self._ended = True
            self._pending = memoryview(END)
            return at
        if at and whole <= end:
            self._next = found
        else:
            self._pending = memoryview(head)
            if fd >= 0:
                self._file = _Source(entry, fd, self._hasher(), entry.size)
            else:
                self.manifest.add(entry)
        return at

    def _whole(self, entry: TreeEntry, fd: int, view: memoryview) -> None:
        """A file that there is room for, with its padding, in as few steps as there can be."""
        size = entry.size
        content = view[:size]
        got = 0
        try:
            while got < size:
                more = os.readv(fd, (content[got:],))
                if not more:
                    raise _changed(entry)
                got += more
            status = os.fstat(fd)
        finally:
            os.close(fd)
        if status.st_size != size or status.st_mtime_ns != entry.modify_ns:
            raise _changed(entry)
        self.manifest.add(entry, self._hasher(content).hexdigest())
        if size < len(view):
            view[size:] = ZEROS[: len(view) - size]

    def _complete(self, file: _Source) -> None:
        self.manifest.add(file.entry, file.finish())
        self._file = None
        self._pending = memoryview(ZEROS)[: padding(file.entry.size - file.offset)]


class _Source:
    """One open file on its way, hashed as it is read."""

    __slots__ = ("entry", "fd", "hasher", "offset", "read_so_far", "until")

    def __init__(self, entry: TreeEntry, fd: int, hasher: Hasher, until: int) -> None:
        self.entry = entry
        self.fd = fd
        self.hasher = hasher
        self.until = until
        self.offset = 0  # where the stream begins
        self.read_so_far = 0

    def read(self, view: memoryview) -> int:
        """Read up to `until`; how much. TreeError (CHANGED) where the file ends before."""
        size = min(len(view), self.until - self.read_so_far, _BUFFER)
        if not size:
            return 0
        got = os.readv(self.fd, [view[:size]])
        if not got:
            raise _changed(self.entry)
        self.hasher.update(view[:got])
        self.read_so_far += got
        return got

    def finish(self) -> str:
        """Close it, and its digest; TreeError (CHANGED) when it is no longer what its header said."""
        status = os.fstat(self.fd)
        self.close()
        if status.st_size != self.entry.size or status.st_mtime_ns != self.entry.modify_ns:
            raise _changed(self.entry)
        return self.hasher.hexdigest()

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1


def _changed(entry: TreeEntry) -> TreeError:
    return TreeError(Kind.CHANGED, entry.path, "changed while it was read")


def measure(
    root_fd: int, *, wanted: Judge | None = None, algorithm: str = "sha256", stop: Callable[[], bool] | None = None
) -> Manifest | None:
    """The manifest of a tree that is not sent; None when `stop`, asked every few megabytes, said so.

    Raises as Packer.read does.
    """
    packer = Packer(root_fd, wanted=wanted, algorithm=algorithm, skip=Position(entries=1 << 62))
    try:
        while stop is None or not stop():
            if packer.advance(8 << 20) is not None:
                return packer.manifest
        return None
    finally:
        packer.close()
