"""What has arrived, one record an entry, so that an unpacking goes on after kill -9 (docs/protocol.md s.5 "Going on").

Records are written behind the entries, in batches: one that is torn is not there, and what no record tells of is
removed from the staging directory and comes again. Only a prefix in the protocol's order counts: "the first K entries"
means nothing for another. After a restart of the machine a record proves no content (the disk may have lost it), so the
files are read again.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterator

from attrs import define, frozen

from ftlite.trees.entry import FILE, LINK, EntryKind, Position, TreeEntry
from ftlite.trees.manifest import Hasher, Manifest, maker
from ftlite.trees.safety import check_link
from ftlite.trees.sweep import Stopped, Sweep, hash_file

#: A file longer than this goes on inside.
LEAST_INSIDE = 8 << 20

_FRAME = struct.Struct(">II")  # length and CRC-32 of the body
_MOST_BODY = 1 << 16
_BATCH_RECORDS = 256
_BATCH_OCTETS = 4 << 20  # of content: what a kill takes away of what has arrived
_BEGUN, _DROPPED = b"P", b"N"
_LETTERS = {kind: kind.value.encode() for kind in EntryKind}
_KINDS = {letter: kind for kind, letter in _LETTERS.items()}


@frozen
class Partial:
    """The file that the stream was in.

    Attributes:
        inside: octets that stand of it, from the first on.
        hasher: of these octets.
    """

    entry: TreeEntry
    inside: int
    hasher: Hasher


@define
class _Found:
    """What the records of a journal came to."""

    manifest: Manifest
    end: int  # of the last record that counts
    last: bytes = b""
    begun: TreeEntry | None = None


class Journal:
    """The journal of one staging directory. Made by `open`.

    Attributes:
        position: what stood when it was opened, for the 150.
        manifest: of these entries; an Unpacker goes on with it.
        partial: the file that may go on inside.
        last: the path of the last entry, in the form that sorts (for the order).
        winding: the links among these entries that must still be followed in the end.
    """

    def __init__(self, fd: int, root_fd: int, algorithm: str, stop: Callable[[], bool] | None) -> None:
        self.winding: list[tuple[bytes, bytes]] = []
        self.partial: Partial | None = None
        self._fd = fd
        self._held: list[bytes] = []
        self._unwritten = 0  # octets of content that no record tells of yet
        head = b"ftlite tree 1 %b " % algorithm.encode()
        boot = _boot()
        found = self._recover(head, boot, root_fd, Manifest(algorithm), stop)
        self.manifest = found.manifest
        self.last = found.last
        self._end = found.end
        line = head + boot + b"\n"
        if not self._end:
            self._end = len(line)
        os.ftruncate(fd, self._end)
        _write(fd, line, 0)  # of the same length in each start of a machine, and what stood was read again
        part = self.partial
        if part is None:
            self.position = Position(self.manifest.entries, self.manifest.digest())
        else:
            self.position = Position(
                self.manifest.entries, self.manifest.digest(), part.inside, part.hasher.copy().hexdigest()
            )
            self._write_record(_BEGUN, part.entry, "")
            self.flush()

    @classmethod
    def open(
        cls, fd: int, root_fd: int, *, algorithm: str = "sha256", stop: Callable[[], bool] | None = None
    ) -> Journal | None:
        """Read a journal and bring the staging directory to what it says; an empty one begins afresh.

        Args:
            fd: of the journal, for reading and writing; stays the caller's. It lies outside of the staging directory.
            root_fd: of the staging directory, which nobody else writes to: what does not count in it is removed.
            algorithm: a journal of another one does not count.
            stop: asked now and then.

        Returns:
            None when `stop` said so.

        Raises:
            OSError: of the disk.
        """
        try:
            return cls(fd, root_fd, algorithm, stop)
        except Stopped:
            return None

    # reading

    def _recover(
        self, head: bytes, boot: bytes, root_fd: int, manifest: Manifest, stop: Callable[[], bool] | None
    ) -> _Found:
        found = _Found(manifest, 0)
        make = maker(manifest.algorithm)
        with open(self._fd, "rb", closefd=False) as file:
            file.seek(0)
            first = file.readline(256)
            same_start = first == head + boot + b"\n"
            sweep = Sweep(root_fd, None if same_start else make, stop)
            try:
                if first.startswith(head) and len(first) == len(head) + len(boot) + 1:
                    found.end = len(first)
                    self._count(_records(file.read, found.end), sweep, found)
                part = sweep.keep(found.begun) if found.begun is not None else None
                if part is not None and found.begun is not None:
                    inside, fd = part
                    with open(fd, "rb", buffering=0) as content:
                        hasher = hash_file(content, make(), inside, stop)
                    self.partial = Partial(found.begun, inside, hasher)
                sweep.finish()
            finally:
                sweep.close()
        return found

    def _count(self, records: Iterator[tuple[bytes, TreeEntry, str, int]], sweep: Sweep, found: _Found) -> None:
        for letter, entry, digest, end in records:
            found.begun = entry if letter == _BEGUN else None
            if letter in (_BEGUN, _DROPPED):
                continue
            if not sweep.stands(entry, digest):
                return
            if entry.kind is LINK and check_link(entry.path, entry.target):
                self.winding.append((entry.path, entry.target))
            found.manifest.add(entry, digest)
            found.last = entry.path.replace(b"/", b"\0")
            found.end = end

    # writing

    def add(self, entry: TreeEntry, digest: str) -> None:
        """An entry is complete. A directory's mode and time are those that it will have in the end."""
        self._write_record(_LETTERS[entry.kind], entry, digest)
        self._unwritten += entry.size
        if len(self._held) >= _BATCH_RECORDS or self._unwritten >= _BATCH_OCTETS:
            self.flush()

    def begin(self, entry: TreeEntry) -> None:
        """The content of a file begins to grow under its name."""
        if entry.size > LEAST_INSIDE:
            self._write_record(_BEGUN, entry, "")
            self.flush()

    def drop(self) -> None:
        """The partial file does not go on."""
        if self.partial is not None:
            self._write_record(_DROPPED, self.partial.entry, "")
            self.partial = None
            self.flush()

    def flush(self) -> None:
        """Write what is held. Raises OSError."""
        if self._held:
            data = b"".join(self._held)
            _write(self._fd, data, self._end)
            self._end += len(data)
            self._held.clear()
            self._unwritten = 0

    def _write_record(self, letter: bytes, entry: TreeEntry, digest: str) -> None:
        path, _, mode, modify, size, target = entry
        body = b"%b\0%o\0%d\0%d\0%b\0%b\0%b" % (letter, mode, modify, size, digest.encode(), path, target)
        self._held.append(_FRAME.pack(len(body), zlib.crc32(body)) + body)


def _records(read: Callable[[int], bytes], end: int) -> Iterator[tuple[bytes, TreeEntry, str, int]]:
    """Letter, entry, digest and the offset behind it, until the first that is torn."""
    while len(frame := read(_FRAME.size)) == _FRAME.size:
        length, checksum = _FRAME.unpack(frame)
        body = read(length) if length <= _MOST_BODY else b""
        if len(body) != length or zlib.crc32(body) != checksum:
            return
        end += _FRAME.size + length
        letter, mode, modify, size, digest, path, target = body.split(b"\0")
        kind = _KINDS.get(letter, FILE)
        yield letter, TreeEntry(path, kind, int(mode, 8), int(modify), int(size), target), digest.decode(), end


def _write(fd: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, at)
        at += written
        view = view[written:]


def _boot() -> bytes:
    """What names this start of the machine; another one each time where the system does not tell."""
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            return file.read(36).ljust(36, b"-")
    except OSError:
        return os.urandom(18).hex().encode()
