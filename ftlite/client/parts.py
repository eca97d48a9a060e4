"""Where a download grows before it gets its name: a hidden part beside the target. All calls block.

It stands beside the target so that the rename stays within one file system. Its name holds a mark made of what the
server states of the file (size and time), so a part is continued only while the file is still the same, after a
kill -9 too, when nothing could be written down any more. A lock on it keeps two downloads of one target apart.

A native server names versions of its files. Such a part has one name for all versions, so that it is found before the
server was asked, and the version that it is of stands beside it as a link that leads nowhere: made and read in one
step, never half written. It is made before the first byte comes and goes away before the part gets its name.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import stat
from contextlib import suppress
from pathlib import Path

from attrs import define

from ftlite.client.errors import ClientError, Outcome, from_os_error

SUFFIX = ".ftlite-part"
_VERSION = ".ftlite-version"
_IS_VERSION = re.compile(r"[0-9A-Za-z._-]{1,64}")
_RANGES = ".ftlite-ranges"
_HOLES = (-1, None)  # what a part with holes says in place of a size and a time
LEAST_IN_RANGES = 64 << 20  #: octets; what is shorter comes in one stream
_NAME = 200  # bytes of the target's name kept in the part's, under the usual 255


def part_path(target: Path, size: int | None, modify_ns: int | None) -> Path:
    """``.NAME.MARK.ftlite-part`` beside `target`."""
    mark = hashlib.sha256(f"{target.name}\0{size}\0{modify_ns}".encode("utf-8", "surrogateescape")).hexdigest()[:8]
    name = os.fsdecode(os.fsencode(target.name)[:_NAME])
    return target.with_name(f".{name}.{mark}{SUFFIX}")


def journal_path(part: Path) -> Path:
    """Where it is said what of a part with holes is there: a link that leads nowhere."""
    return part.with_name(part.name.removesuffix(SUFFIX) + _RANGES)


@define(eq=False)
class DownloadPart:
    """An open, locked part.

    Attributes:
        offset: bytes that stand in it already, where new ones go.
        version: what a native server calls the file that they are of; None: nobody knows.
    """

    target: Path
    path: Path
    fd: int
    offset: int
    version: str | None = None

    @classmethod
    def open(cls, target: Path, size: int | None, modify_ns: int | None, *, resume: bool) -> DownloadPart:
        """Open the part of `target`; with `resume` what stands in it is kept, when `modify_ns` vouches for it.

        A size alone does not: another version of a file may have the same.

        Raises:
            ClientError: what the disk says; EXISTS when another download holds it, or `target` is a directory.
        """
        return cls._open(target, part_path(target, size, modify_ns), size, keep=resume and modify_ns is not None)

    @classmethod
    def open_versioned(cls, target: Path) -> DownloadPart:
        """Open the part of `target` for a native download: what stands in it is kept when its version is known.

        Raises:
            ClientError: as `open`.
        """
        path = part_path(target, None, None)
        part = cls._open(target, path, None, keep=True)
        with suppress(OSError):
            part.version = os.readlink(part._versioned)
        if part.version is None or not _IS_VERSION.fullmatch(part.version):
            try:
                part.begin_anew()
            except BaseException:
                part.release()
                raise
        return part

    @classmethod
    def open_with_holes(cls, target: Path) -> DownloadPart:
        """Open the part of `target` for a download in several streams: what of it is content, others know.

        Raises:
            ClientError: as `open`.
        """
        return cls._open(target, part_path(target, *_HOLES), None, keep=True)

    @classmethod
    def _open(cls, target: Path, path: Path, size: int | None, *, keep: bool) -> DownloadPart:
        try:
            held = os.stat(target).st_mode
        except OSError:
            held = stat.S_IFREG
        if stat.S_ISDIR(held):
            raise ClientError(Outcome.EXISTS, f"{target} is a directory", remedy="name a file to write to")
        if not stat.S_ISREG(held):
            raise ClientError(
                Outcome.EXISTS, f"{target} is no plain file, and a rename would replace it", remedy="use - and a pipe"
            )
        try:
            # 0777 so that the umask shows in what the part gets; `publish` takes the execute bits away again.
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o777)
        except OSError as error:
            raise from_os_error(str(target), error) from error
        try:
            offset = cls._offset(fd, target, size, keep=keep)
        except BaseException:
            os.close(fd)
            raise
        return cls(target, path, fd, offset)

    @staticmethod
    def _offset(fd: int, target: Path, size: int | None, *, keep: bool) -> int:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = os.fstat(fd)
            if not stat.S_ISREG(held.st_mode):
                raise ClientError(Outcome.EXISTS, f"{target}: what stands where its part should be is no plain file")
            if keep and (size is None or held.st_size <= size):
                return held.st_size
            os.ftruncate(fd, 0)
        except BlockingIOError:
            raise ClientError(Outcome.EXISTS, f"{target}: another download to it is running") from None
        except OSError as error:
            raise from_os_error(str(target), error) from error
        return 0

    def begin_anew(self) -> None:
        """Drop what stands in it."""
        try:
            if self.offset:
                os.ftruncate(self.fd, 0)
            if self.version is not None:
                os.unlink(self._versioned)
        except OSError as error:
            raise from_os_error(str(self.target), error) from error
        self.offset, self.version = 0, None

    def note(self, version: str) -> None:
        """What comes is of this `version`. Where that cannot be written down, a resume begins anew, that is all."""
        if version == self.version:
            return
        if self.version is not None:
            self.begin_anew()
        with suppress(OSError):
            os.symlink(version, self._versioned)
            self.version = version

    @property
    def _versioned(self) -> Path:
        return self.path.with_name(self.path.name.removesuffix(SUFFIX) + _VERSION)

    def publish(self, *, modify_ns: int | None, mode: int | None) -> None:
        """Give the part its name. Times and mode are set first, so a reader never sees the file without them.

        Args:
            modify_ns: modification time; None: now.
            mode: permission bits, masked by the umask; None: those of the file it replaces, else as any new file.
        """
        try:
            allowed = stat.S_IMODE(os.fstat(self.fd).st_mode)
            if mode is not None:
                os.fchmod(self.fd, mode & 0o777 & allowed)
            else:
                os.fchmod(self.fd, self._mode_of_target(0o666 & allowed))
            if modify_ns is not None:
                with suppress(OSError, OverflowError):  # a time that this file system cannot hold is not kept
                    os.utime(self.fd, ns=(modify_ns, modify_ns))
            if self.version is not None:
                os.unlink(self._versioned)
                self.version = None
            self.path.replace(self.target)
        except OSError as error:
            raise from_os_error(str(self.target), error) from error
        self._sweep()

    def _sweep(self) -> None:
        """Remove what a download in several streams left here: there is nothing to go on with any more."""
        with suppress(OSError):
            holes = part_path(self.target, *_HOLES)
            if os.fstat(self.fd).st_size >= LEAST_IN_RANGES and holes != self.path:
                journal_path(holes).unlink(missing_ok=True)
                holes.unlink(missing_ok=True)

    def _mode_of_target(self, default: int) -> int:
        try:
            held = self.target.lstat()
        except OSError:
            return default
        return stat.S_IMODE(held.st_mode) & 0o777 if stat.S_ISREG(held.st_mode) else default

    def close(self, *, keep: bool) -> None:
        """Let go after a failure: kept for a resume when there is something in it, else removed."""
        with suppress(OSError):
            if not keep or os.fstat(self.fd).st_size == 0:
                self.path.unlink(missing_ok=True)
                if self.version is not None:
                    self._versioned.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Close the descriptor, and the lock with it."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
