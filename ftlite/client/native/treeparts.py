"""Where a tree grows before it gets its name: a hidden directory beside the target. All calls block.

It stands beside the target so that one rename publishes it, and outlives a kill: the next download of the same tree
goes on with it. Its name holds a mark of what was asked of whom, a lock keeps two downloads of one target apart.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from attrs import define

from ftlite.client.errors import ClientError, Outcome, from_os_error
from ftlite.trees import Journal, clear
from ftlite.trees.swap import rename_exchange

_SUFFIX = ".ftlite-tree"
_NAME = 200  # bytes of the target's name kept in that of the directory, under the usual 255
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CLAIM = "replaced"


@define(eq=False)
class TreePart:
    """The staging directory of one download, held by its lock.

    Attributes:
        root_fd: the directory that the tree grows in.
        journal: what of it has arrived.
    """

    target: Path
    place: Path
    root_fd: int
    journal: Journal
    _fd: int
    _algorithm: str

    @classmethod
    def open(cls, target: Path, asked: str, algorithm: str) -> TreePart:
        """Open it, or make it. `asked` says what was asked of whom: another question is another tree.

        Raises:
            ClientError: what the disk says; EXISTS when another download holds it.
        """
        mark = hashlib.sha256(f"{asked}\0{algorithm}".encode("utf-8", "surrogateescape")).hexdigest()[:16]
        name = os.fsdecode(os.fsencode(target.name)[:_NAME])
        place = target.with_name(f".{name}.{mark}{_SUFFIX}")
        fd = root = -1
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):
                place.mkdir(0o700)
            within = os.open(place, _DIRECTORY)
            try:
                fd = os.open("journal", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=within)
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                with suppress(FileExistsError):
                    os.mkdir("tree", dir_fd=within)
                root = os.open("tree", _DIRECTORY, dir_fd=within)
            finally:
                os.close(within)
            journal = Journal.open(fd, root, algorithm=algorithm)
            assert journal is not None, "nobody told it to stop"
        except OSError as error:
            for each in (fd, root):
                if each >= 0:
                    os.close(each)
            if isinstance(error, BlockingIOError):
                raise ClientError(Outcome.EXISTS, f"{target}: another download to it is running") from None
            raise from_os_error(str(target), error) from error
        return cls(target, place, root, journal, fd, algorithm)

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

    def publish(self, *, replace: bool, merge: bool) -> None:
        """Give the tree its name: by one rename; with `merge`, file by file into what stands there.

        Raises:
            ClientError: EXISTS when something stands there that may not give way; what the disk says.
        """
        grown = self.place / "tree"
        try:
            if merge and self.target.is_dir():
                _merge(grown, self.target)
            elif replace and os.path.lexists(self.target):
                _swap(grown, self.target, self.place / _CLAIM)
            else:
                grown.rename(self.target)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EISDIR):
                raise taken(self.target) from error
            raise from_os_error(str(self.target), error) from error
        self.close(keep=False)

    def close(self, *, keep: bool) -> None:
        """Let go: kept for a resume when something stands in it. Twice is fine."""
        if self._fd < 0:
            return
        if not keep or not (self.journal.manifest.entries or self.journal.partial):
            shutil.rmtree(self.place, ignore_errors=True)
        os.close(self._fd)
        os.close(self.root_fd)
        self._fd = -1


def taken(target: Path) -> ClientError:
    """Something else stands there."""
    return ClientError(
        Outcome.EXISTS,
        f"{target} is there already, with other content",
        remedy="--replace puts the new tree in its place, --merge adds to it file by file",
    )


def _swap(grown: Path, target: Path, aside: Path) -> None:
    """Let both change places, in one step where the system can; what was there is left in `grown` or `aside`."""
    if not stat.S_ISDIR(target.lstat().st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(target))
    try:
        rename_exchange(-1, os.fsencode(grown.absolute()), -1, os.fsencode(target.absolute()))
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        target.rename(aside)
        grown.rename(target)


def _merge(grown: Path, target: Path) -> None:
    """Move every file and link to its name below `target`; directories are made where they are missing.

    What cannot be (a file where a directory comes, or the other way round) is found out before anything moves.
    """
    moves: list[tuple[Path, Path]] = []
    fresh: list[tuple[Path, Path]] = []
    for here, names, others in os.walk(grown):
        below = target / Path(here).relative_to(grown)
        links = [name for name in names if os.path.islink(os.path.join(here, name))]
        for name in [*others, *links]:
            if _is_directory(below / name):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(below / name))
            moves.append((Path(here, name), below / name))
        for name in set(names) - set(links):
            if not _is_directory(below / name):
                if os.path.lexists(below / name):
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(below / name))
                fresh.append((Path(here, name), below / name))
    for _, place in fresh:
        place.mkdir()
    for source, place in moves:
        source.replace(place)
    for source, place in reversed(fresh):
        held = source.stat()
        place.chmod(stat.S_IMODE(held.st_mode))


def _is_directory(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False
