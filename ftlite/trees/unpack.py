"""A tar stream to a directory: each entry is judged before anything of it is written, and nothing goes through a link.

The directory is empty in the beginning (or holds what a Journal says) and nobody else's: the unpacker makes each name
anew, so a name that is there already came twice. The caller publishes it, after `finish`, or removes it.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from ftlite.trees.chain import Chain
from ftlite.trees.compress import Decompressor, decompressor
from ftlite.trees.entry import DIR, FILE, HARD, LINK, TreeEntry, TreeLimits
from ftlite.trees.errors import Kind, TreeError
from ftlite.trees.header import padding
from ftlite.trees.journal import Journal
from ftlite.trees.manifest import Hasher, Manifest, maker
from ftlite.trees.reader import Header, HeaderReader
from ftlite.trees.safety import check_link, check_path, follow
from ftlite.trees.walk import Judge, open_parent, read_link_at, text

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CONTINUE = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_BLOCK = 1 << 20
_MOST_WINDING = 10_000  # links whose target must be followed: they are kept until the end
_MOST_OVERHEAD = 16 << 20  # octets by which compression may be longer than what it unpacks to
_RECENT = 4096  # files whose digest is at least remembered for hard links; an older one is read again


class Unpacker:
    """Takes the stream in blocks of any size. Blocks; used by one worker at a time; `close` it in the end.

    Attributes:
        manifest: of what is complete, with what a journal counted before.
        received: octets that `write` took.
    """

    def __init__(
        self,
        root_fd: int,
        *,
        limits: TreeLimits | None = None,
        algorithm: str = "sha256",
        allowed: Judge | None = None,
        umask: int = 0o022,
        comp: str | None = None,
        journal: Journal | None = None,
    ) -> None:
        """
        Args:
            root_fd: where it goes; stays the caller's.
            algorithm: one of manifest.ALGORITHMS; a journal brings its own.
            allowed: may an entry (path, is it a directory) be made here? False is DENIED.
            umask: taken from the modes. The owner can always list and enter a directory (0o500).
            comp: one of compress.COMPRESSIONS.
            journal: counts what is complete; the stream goes on after its position.

        Raises:
            KeyError: an algorithm or compression that is not here.
        """
        self.manifest = journal.manifest if journal is not None else Manifest(algorithm)
        self.received = 0
        self._root = root_fd
        self._limits = limits or TreeLimits()
        self._allowed = allowed
        self._umask = umask
        self._journal = journal
        self._hasher = maker(self.manifest.algorithm)
        self._decompressor: Decompressor | None = decompressor(comp) if comp else None
        self._reader = HeaderReader()
        self._chain = Chain(root_fd)
        self._file: _Target | None = None
        self._padding = 0
        self._octets = 0  # that came of what was received
        self._last = journal.last if journal is not None else b""
        self._begun = False
        self._winding = list(journal.winding) if journal is not None else []
        self._recent: dict[bytes, tuple[TreeEntry, str]] = {}
        self._less_recent: dict[bytes, tuple[TreeEntry, str]] = {}
        self._exact: set[int] = set()  # modes that the system makes as they were asked for

    @property
    def entries(self) -> int:
        """Complete entries, those that a journal counted before included."""
        return self.manifest.entries

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next octets. After an error only `close` is left.

        Raises:
            TreeError: UNSAFE, MALFORMED, TOO_MUCH or DENIED.
            OSError: of the disk.
        """
        self.received += len(data)
        if self._decompressor is None:
            self._take(memoryview(data))
            return
        for piece in self._decompressor.feed(data):
            self._take(memoryview(piece))
        if self.received - self._octets > _MOST_OVERHEAD:
            raise TreeError(Kind.TOO_MUCH, "", "a compression that makes more of less, and may do so for ever")

    def finish(self) -> None:
        """The stream has ended: give the directories their modes and times, judge the links that need all entries.

        Raises:
            TreeError: MALFORMED: it ended in the middle; UNSAFE: a link that leads out through another.
            OSError: of the disk.
        """
        if not self._reader.ended or (self._decompressor is not None and not self._decompressor.ended):
            path = self._file.entry.path if self._file is not None else ""
            raise TreeError(Kind.MALFORMED, path, "the archive ends in the middle")
        self._drop_partial()
        for path, target in self._winding:
            follow(path, target, lambda at: read_link_at(self._root, at))
        self._chain.leave()
        if self._journal is not None:
            self._journal.flush()

    def close(self) -> None:
        """Give the descriptors back; what is complete is in the journal. Raises OSError when that cannot be written."""
        if self._file is not None:
            os.close(self._file.fd)
            self._file = None
        self._chain.close()
        if self._journal is not None:
            self._journal.flush()

    def _take(self, view: memoryview) -> None:
        self._grow(len(view))
        reader = self._reader
        at, end = 0, len(view)
        while at < end:
            if self._file is not None:
                piece = view[at : at + self._file.left]
                self._file.write(piece)
                at += len(piece)
                if not self._file.left:
                    self._complete(self._file)
            elif self._padding:
                size = min(self._padding, end - at)
                self._padding -= size
                at += size
            else:
                at = reader.read(view, at)
                if reader.header is not None:
                    at = self._begin(reader.header, view, at)

    def _grow(self, octets: int) -> None:
        """So much more came of what is on the wire: by unpacking, or by a hard link."""
        self._octets += octets
        if self._octets - self._limits.free > self._limits.ratio * self.received:
            raise TreeError(Kind.TOO_MUCH, "", f"more than {self._limits.ratio} octets for each octet on the wire")

    # one entry

    def _begin(self, header: Header, view: memoryview, at: int) -> int:
        """Make the entry, with its content where all of that is in `view`; where what was not taken begins."""
        entry = header.entry
        self._judge(entry)
        if not self._begun:
            self._begun = True
            if header.offset:
                self._go_on(header)
                return at
            self._drop_partial()
        if header.offset:
            raise TreeError(Kind.MALFORMED, entry.path, "goes on inside a file that does not stand here")
        try:
            parent, name = self._chain.enter(entry.path)
            self._in_order(entry.path, parent, name)
            if entry.kind is FILE:
                whole = entry.size + padding(entry.size)
                if whole <= len(view) - at:
                    self._make_whole(entry, parent, name, view[at : at + entry.size])
                    return at + whole
                self._make_file(entry, parent, name)
            elif entry.kind is DIR:
                self._make_directory(entry, parent, name)
            elif entry.kind is LINK:
                self._make_link(entry, parent, name)
            else:
                self._make_hard(entry, parent, name)
        except FileExistsError as error:
            raise TreeError(Kind.UNSAFE, entry.path, "a name that came before") from error
        except OSError as error:
            if error.errno in (errno.ENAMETOOLONG, errno.EILSEQ):  # the archive's fault, not the disk's
                raise TreeError(Kind.TOO_MUCH, entry.path, "a name that this file system does not take") from error
            raise
        return at

    def _in_order(self, path: bytes, parent: int, name: bytes) -> None:
        """Refuse what comes behind an entry that it belongs before: a walk would make another digest of the tree."""
        order = path.replace(b"/", b"\0")
        if order < self._last:
            with suppress(FileNotFoundError):
                os.stat(name, dir_fd=parent, follow_symlinks=False)
                raise FileExistsError
            raise TreeError(Kind.MALFORMED, path, "out of order: names come in the order of their octets")
        self._last = order

    def _judge(self, entry: TreeEntry) -> None:
        """All that can be said of an entry before the disk is asked."""
        path, limits = entry.path, self._limits
        if len(path) > limits.path or path.count(b"/") >= limits.depth:
            raise TreeError(Kind.TOO_MUCH, path[:200], "a path that is too long or too deep")
        check_path(path)
        if self.manifest.entries >= limits.entries:
            raise TreeError(Kind.TOO_MUCH, path, f"more than {limits.entries} entries")
        self._room(entry)
        if entry.kind is LINK:
            if len(entry.target) > limits.path:
                raise TreeError(Kind.TOO_MUCH, path, "the target of a link is too long")
            if check_link(path, entry.target):
                self._winding.append((path, entry.target))
                if len(self._winding) > _MOST_WINDING:
                    raise TreeError(Kind.TOO_MUCH, path, "too many links with '..' after a name")
        elif entry.kind is HARD:
            check_path(entry.target)
        if self._allowed is not None and not self._allowed(text(path), entry.kind is DIR):
            raise TreeError(Kind.DENIED, path, "not allowed here")

    def _room(self, entry: TreeEntry) -> None:
        if self.manifest.size + entry.size > self._limits.size:
            raise TreeError(Kind.TOO_MUCH, entry.path, f"more than {self._limits.size} octets of content")

    def _make_whole(self, entry: TreeEntry, parent: int, name: bytes, content: memoryview) -> None:
        """A file of which all is here, in as few steps as there can be."""
        mode = entry.mode & ~self._umask
        fd = os.open(name, _CREATE, mode, dir_fd=parent)
        try:
            if mode not in self._exact:
                self._set_mode(fd, mode)
            rest = content
            while rest:
                rest = rest[os.write(fd, rest) :]
            os.utime(fd, ns=(entry.modify_ns, entry.modify_ns))
        finally:
            os.close(fd)
        self._remember(entry, self._hasher(content).hexdigest())

    def _make_file(self, entry: TreeEntry, parent: int, name: bytes) -> None:
        mode = entry.mode & ~self._umask
        fd = os.open(name, _CREATE, mode, dir_fd=parent)
        self._file = _Target(entry, fd, self._hasher(), entry.size)
        if mode not in self._exact:
            self._set_mode(fd, mode)
        if self._journal is not None:
            self._journal.begin(entry)

    def _set_mode(self, fd: int, mode: int) -> None:
        """See that a new file has the mode that it was made with."""
        if stat.S_IMODE(os.fstat(fd).st_mode) == mode:
            self._exact.add(mode)
        else:  # the umask of the process, or an ACL
            os.fchmod(fd, mode)

    def _go_on(self, header: Header) -> None:
        """The rest of the file that the journal knows a part of."""
        partial = self._journal.partial if self._journal is not None else None
        entry = header.entry
        stated = (entry.path, entry.size, header.offset)
        if (
            self._journal is None
            or partial is None
            or stated != (partial.entry.path, partial.entry.size, partial.inside)
        ):
            raise TreeError(Kind.MALFORMED, entry.path, "goes on inside a file that does not stand here")
        parent, name = self._chain.enter(entry.path)
        self._last = entry.path.replace(b"/", b"\0")
        fd = os.open(name, _CONTINUE, dir_fd=parent)
        self._file = _Target(entry, fd, partial.hasher.copy(), header.left)
        self._journal.partial = None  # its record stays: the part still grows
        os.fchmod(fd, entry.mode & ~self._umask)
        os.lseek(fd, header.offset, os.SEEK_SET)

    def _drop_partial(self) -> None:
        """The part of a file that the stream does not go on with."""
        partial = self._journal.partial if self._journal is not None else None
        if self._journal is not None and partial is not None:
            parent, name = self._chain.enter(partial.entry.path)
            os.unlink(name, dir_fd=parent)
            self._journal.drop()

    def _make_directory(self, entry: TreeEntry, parent: int, name: bytes) -> None:
        entry = entry._replace(mode=entry.mode & ~self._umask | 0o500)
        os.mkdir(name, 0o700, dir_fd=parent)
        self._chain.made(name, entry.path, entry.mode, entry.modify_ns)
        self._count(entry)

    def _make_link(self, entry: TreeEntry, parent: int, name: bytes) -> None:
        os.symlink(entry.target, name, dir_fd=parent)
        os.utime(name, ns=(entry.modify_ns, entry.modify_ns), dir_fd=parent, follow_symlinks=False)
        self._count(entry)

    def _make_hard(self, entry: TreeEntry, parent: int, name: bytes) -> None:
        """A second name of an earlier file; for the manifest a file like the first."""
        recent = self._recent.get(entry.target) or self._less_recent.get(entry.target)
        first, digest = recent or self._read_again(entry)
        meant = first._replace(path=entry.path)
        self._room(meant)
        self._grow(meant.size)
        elsewhere, earlier = open_parent(self._root, entry.target)
        try:
            os.link(earlier, name, src_dir_fd=elsewhere, dst_dir_fd=parent, follow_symlinks=False)
        finally:
            os.close(elsewhere)
        self._count(meant, digest)

    def _read_again(self, entry: TreeEntry) -> tuple[TreeEntry, str]:
        try:
            parent, name = open_parent(self._root, entry.target)
            try:
                fd = os.open(name, _READ, dir_fd=parent)
            finally:
                os.close(parent)
        except OSError as error:
            raise TreeError(Kind.UNSAFE, entry.path, "a hard link to what is no earlier file of the tree") from error
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(fd)
            raise TreeError(Kind.UNSAFE, entry.path, "a hard link to what is no earlier file of the tree")
        with open(fd, "rb", buffering=0) as file:
            size = status.st_size
            self._room(entry._replace(size=size))  # before it is read
            hasher = self._hasher()
            while block := file.read(_BLOCK):
                hasher.update(block)
        first = TreeEntry(entry.target, FILE, stat.S_IMODE(status.st_mode) & 0o777, status.st_mtime_ns, size)
        return first, hasher.hexdigest()

    def _complete(self, file: _Target) -> None:
        entry = file.entry
        self._file = None
        try:
            os.utime(file.fd, ns=(entry.modify_ns, entry.modify_ns))
        finally:
            os.close(file.fd)
        self._padding = file.padding
        self._remember(entry, file.hasher.hexdigest())

    def _remember(self, entry: TreeEntry, digest: str) -> None:
        """Count a file, which hard links may name later on."""
        self._recent[entry.path] = (entry, digest)
        if len(self._recent) >= _RECENT:
            self._less_recent, self._recent = self._recent, {}
        self._count(entry, digest)

    def _count(self, entry: TreeEntry, digest: str = "") -> None:
        self.manifest.add(entry, digest)
        if self._journal is not None:
            self._journal.add(entry, digest)


class _Target:
    """One file that grows, hashed as it is written."""

    __slots__ = ("entry", "fd", "hasher", "left", "padding")

    def __init__(self, entry: TreeEntry, fd: int, hasher: Hasher, left: int) -> None:
        self.entry = entry
        self.fd = fd
        self.hasher = hasher
        self.left = left
        self.padding = padding(left)

    def write(self, piece: memoryview) -> None:
        self.hasher.update(piece)
        self.left -= len(piece)
        while piece:
            piece = piece[os.write(self.fd, piece) :]
