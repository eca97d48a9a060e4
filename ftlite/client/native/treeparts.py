"""Where a tree grows before it gets its name: a hidden directory beside the target. All calls block.

It stands beside the target so that one rename publishes it, and outlives a kill: the next download of the same tree
goes on with it. Its name holds a mark of what was asked of whom, a lock keeps two downloads of one target apart.

In it are `journal`, `tree`, and between the two steps of a swap that cannot be one the tree that gives way, `replaced`.
A kill between these steps is the one moment when the target is not there; `find_place`, which every download begins
with, gives it back. Before the places are exchanged the journal is emptied: what is in `tree` afterwards is the old
tree, of which it would tell nothing but lies.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import SpooledTemporaryFile

from attrs import define

from ftlite.client.errors import ClientError, Outcome, from_os_error
from ftlite.client.native.treemerge import is_directory, merge_into
from ftlite.protocol.replies import Reply
from ftlite.trees import EntryKind, Journal, Walk, clear
from ftlite.trees.swap import rename_exchange
from ftlite.trees.sweep import remove

_SUFFIX = ".ftlite-tree"
_NAME = 200  # bytes of the target's name kept in that of the directory, under the usual 255
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_JOURNAL = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
_TREE, _ASIDE = "tree", "replaced"
_TRIES = 8  # openings of a directory that others make and remove meanwhile
_SPOOLED = 1 << 20


class Named:
    """The files of a tree, written down: (path relative to it, octets of content). `close` it."""

    def __init__(self, root_fd: int) -> None:
        self._file = SpooledTemporaryFile(_SPOOLED)  # noqa: SIM115 - closed by `close`
        try:
            for entry, fd in Walk(root_fd):
                if fd >= 0:
                    os.close(fd)
                if entry.kind is EntryKind.FILE:
                    self._file.write(b"%d %b\n" % (entry.size, entry.path))
            self._file.seek(0)
        except BaseException:
            self._file.close()
            raise

    def __iter__(self) -> Iterator[tuple[bytes, int]]:
        for line in self._file:
            size, _, path = line[:-1].partition(b" ")
            yield path, int(size)

    def close(self) -> None:
        self._file.close()


@define(eq=False)
class TreePart:
    """The staging directory of one download, held by its lock.

    Attributes:
        root_fd: the directory that the tree grows in.
        journal: what of it has arrived.
        umask: what is taken from the modes of what is made here, as from those of every new directory.
    """

    target: Path
    place: Path
    root_fd: int
    journal: Journal
    umask: int
    _fd: int
    _algorithm: str
    _made: list[Path]

    @classmethod
    def open(
        cls, target: Path, asked: str, algorithm: str, stop: Callable[[], bool] = lambda: False
    ) -> TreePart | None:
        """Open it, or make it. `asked` says what was asked of whom: another question is another tree.

        Args:
            target: as `find_place` gave it.
            stop: asked now and then; what stands may have to be read again.

        Returns:
            None when `stop` said so.

        Raises:
            ClientError: what the disk says; EXISTS when another download holds it.
        """
        place = _place(target, asked, algorithm)
        fds: list[int] = []
        try:
            made = _make_parents(target.parent)
            fd = _claim(target, place)
            fds.append(fd)
            if os.path.lexists(place / _ASIDE):  # and `find_place` could not give it back
                raise ClientError(
                    Outcome.EXISTS, f"{place / _ASIDE} is the tree that stood at {target} before a swap was cut short",
                    remedy="move it to where it is wanted, or remove it",
                )  # fmt: skip
            with suppress(FileExistsError):
                (place / _TREE).mkdir()
            root = os.open(place / _TREE, _DIRECTORY)
            fds.append(root)
            umask = 0o777 & ~stat.S_IMODE(os.fstat(root).st_mode)
            journal = Journal.open(fd, root, algorithm=algorithm, stop=stop)
            if journal is not None:
                fds.clear()
                return cls(target, place, root, journal, umask, fd, algorithm, made)
            return None
        except BlockingIOError:
            raise ClientError(Outcome.EXISTS, f"{target}: another download to it is running") from None
        except OSError as error:
            raise from_os_error(str(target), error) from error
        finally:
            for each in fds:
                os.close(each)

    def begin_anew(self) -> None:
        """Drop what stands in it. Raises ClientError."""
        try:
            clear(self.root_fd)
            os.ftruncate(self._fd, 0)
            journal = Journal.open(self._fd, self.root_fd, algorithm=self._algorithm)
        except OSError as error:
            raise from_os_error(str(self.target), error) from error
        assert journal is not None, "nobody told it to stop"
        self.journal = journal

    def publish(self, *, replace: bool, merge: bool, name: bool = False) -> Named | None:
        """Give the tree its name: by one rename; with `merge`, name by name into what stands there.

        Returns:
            With `name`, the files that were merged; else None.

        Raises:
            ClientError: EXISTS when something stands there that may not give way; what the disk says.
        """
        grown, named = self.place / _TREE, None
        try:
            if merge and is_directory(self.target):
                named = Named(self.root_fd) if name else None
                merge_into(grown, self.target)
            elif replace and os.path.lexists(self.target):
                self._swap(grown)
            else:
                grown.rename(self.target)
        except BaseException as error:
            if named is not None:
                named.close()
            if not isinstance(error, OSError):
                raise
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EISDIR):
                raise taken(self.target, remedy=not replace) from error
            raise from_os_error(str(self.target), error) from error
        self.close(keep=False)
        return named

    def _swap(self, grown: Path) -> None:
        """Let both change places, in one step where the system can."""
        if not is_directory(self.target):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(self.target))
        os.ftruncate(self._fd, 0)
        try:
            rename_exchange(-1, os.fsencode(grown.absolute()), -1, os.fsencode(self.target.absolute()))
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EXDEV):
                raise
            aside = self.place / _ASIDE
            self.target.rename(aside)
            try:
                grown.rename(self.target)
            except OSError:
                aside.rename(self.target)
                raise

    def close(self, *, keep: bool) -> None:
        """Let go: kept for a resume when something stands in it. Twice is fine."""
        if self._fd < 0:
            return
        if not keep or not (self.journal.manifest.entries or self.journal.partial):
            _discard(self.place)
        os.close(self._fd)
        os.close(self.root_fd)
        self._fd = -1
        for directory in self._made:  # the deepest first; those in which something stands stay
            with suppress(OSError):
                directory.rmdir()


def taken(target: Path | str, *, remedy: bool = True, reply: Reply | None = None) -> ClientError:
    """Something else stands there; `reply` is the server's, where it is said of a name there."""
    return ClientError(
        Outcome.EXISTS,
        f"{target} is there already, with other content",
        remedy="--replace puts the new tree in its place, --merge adds to it file by file" if remedy else "",
        reply=reply,
    )


def find_place(local: Path) -> Path:
    """Where a tree called `local` is to be: the name itself, or where it leads when it is a link.

    What a killed download left there in the middle of a swap is brought to an end.

    Raises:
        ClientError: USAGE for a directory without a name.
        OSError: the tree that was there before a swap was cut short cannot be given back.
    """
    target = Path(os.path.realpath(local)) if local.is_symlink() or local.name in ("", "..") else local
    if not target.name:
        raise ClientError(Outcome.USAGE, f"{local}: a tree cannot take the place of the root directory")
    mark = re.compile(re.escape(_stem(target)) + r"\.[0-9a-f]{16}" + re.escape(_SUFFIX))
    names: list[str] = []
    with suppress(OSError):  # then there is nothing
        names = os.listdir(target.parent)
    for name in names:
        if mark.fullmatch(name):
            _bring_to_an_end(target, target.with_name(name))
    return target


def _bring_to_an_end(target: Path, place: Path) -> None:
    """Give back what was moved aside when nothing took its name; remove a staging directory that has served."""
    try:
        fd = _lock(place, _JOURNAL)
    except (OSError, ClientError):  # another download is at it, or it is somebody else's
        return
    if fd is None:
        return
    try:
        grown = os.path.lexists(place / _TREE)
        if grown and os.path.lexists(place / _ASIDE):
            if os.path.lexists(target):  # by another hand: whose tree it is, nobody can tell
                return
            (place / _ASIDE).rename(target)
        elif grown and os.fstat(fd).st_size:
            return  # something to go on with
        _discard(place)
    finally:
        os.close(fd)


def _stem(target: Path) -> str:
    """The beginning of the names of its staging directories; a long name is cut, and told apart by its digest."""
    name = os.fsencode(target.name)
    if len(name) > _NAME:
        name = name[: _NAME - 17] + b"." + hashlib.sha256(name).hexdigest()[:16].encode()
    return os.fsdecode(b"." + name)


def _place(target: Path, asked: str, algorithm: str) -> Path:
    mark = hashlib.sha256(f"{asked}\0{algorithm}".encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return target.with_name(f"{_stem(target)}.{mark}{_SUFFIX}")


def _make_parents(directory: Path) -> list[Path]:
    """Make `directory`; what had to be made for that, the deepest first."""
    made = []
    missing = directory
    while not missing.exists() and missing.name:
        made.append(missing)
        missing = missing.parent
    directory.mkdir(parents=True, exist_ok=True)
    return made


def _claim(target: Path, place: Path) -> int:
    """Make the staging directory where it is not there; its locked journal. Raises BlockingIOError when it is held."""
    for _ in range(_TRIES):
        with suppress(FileExistsError):
            place.mkdir(0o700)
        fd = _lock(place, _JOURNAL | os.O_CREAT)
        if fd is not None:
            return fd
    raise ClientError(Outcome.EXISTS, f"{target}: other downloads to it begin and end all the time")


def _lock(place: Path, flags: int) -> int | None:
    """The locked journal of a staging directory; None: that is not there, or no longer.

    Raises:
        BlockingIOError: somebody holds it.
        ClientError: EXISTS: it is not ours: what others put there is not to be trusted.
    """
    within = fd = -1
    try:
        within = os.open(place, _DIRECTORY)
        held = os.fstat(within)
        if held.st_uid != os.geteuid() or held.st_mode & 0o022:
            raise ClientError(Outcome.EXISTS, f"{place} is in the way: it is not this account's alone")
        fd = os.open("journal", flags, 0o600, dir_fd=within)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(fd).st_nlink == 0:  # removed while we came
            return None
        locked, fd = fd, -1
        return locked
    except FileNotFoundError:
        return None
    finally:
        for each in (within, fd):
            if each >= 0:
                os.close(each)


def _discard(place: Path) -> None:
    """Remove a staging directory; its lock goes last, so that what a kill leaves of it is found."""
    with suppress(OSError):
        above = os.open(place, _DIRECTORY)
        try:
            for name in (_TREE, _ASIDE, "journal"):
                with suppress(FileNotFoundError):
                    remove(above, name.encode())
        finally:
            os.close(above)
        place.rmdir()
