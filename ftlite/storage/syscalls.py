"""What the kernel offers and Python does not: one thin function each, by descriptor, raising OSError as `os` would.

Nothing here knows of parts or places. Every function works on descriptors opened with O_PATH as well.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ftlite.storage.errors import from_os_error

_LIBC = ctypes.CDLL(None, use_errno=True)
_RENAME_NOREPLACE = 1
_STATX_BTIME = 0x800
_AT_SYMLINK_NOFOLLOW = 0x100
_STATX_SIZE = 256  # the whole structure (linux/stat.h); the time of birth stands at octet 80
_SYS_OPENAT2 = 437  # the same number on every architecture: it came after they were unified
_RESOLVE_CACHED = 0x20

DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
LISTED = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC  #: a directory to be read, too
Version = tuple[int, int, int, int, int]


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_HOW_CACHED = _OpenHow(os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, 0, _RESOLVE_CACHED)
_PIN_CACHED = (ctypes.byref(_HOW_CACHED), ctypes.sizeof(_HOW_CACHED))  # made once: it costs more than the call


@contextmanager
def told(path: str) -> Iterator[None]:
    """Turn an OSError of the block into the `StorageError` that names `path` (virtual)."""
    try:
        yield
    except OSError as error:
        raise from_os_error(error, path) from error


def proc(fd: int) -> str:
    """A path that stands for whatever `fd` is open on, without resolving its name again."""
    return f"/proc/self/fd/{fd}"


def pin(parent: int, name: bytes) -> int:
    """Hold what `name` is now, without opening it: no device is touched, no FIFO waited for, no link followed."""
    return os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)


def pin_cached(parent: int, name: bytes) -> int:
    """As `pin`, from the kernel's caches alone.

    Raises:
        BlockingIOError: the disk would have to be asked, or this kernel (before 5.12) or sandbox cannot say.
    """
    fd: int = _LIBC.syscall(_SYS_OPENAT2, parent, ctypes.c_char_p(name), *_PIN_CACHED)
    if fd >= 0:
        return fd
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.EPERM, errno.E2BIG):
        number = errno.EAGAIN
    raise OSError(number, os.strerror(number))


def lookup(parent: int, name: bytes) -> os.stat_result | None:
    """lstat of `name`, or None when nothing has that name."""
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None


def version(facts: os.stat_result) -> Version:
    """Device, inode, size (bytes), mtime and ctime (ns): what differs when a file's content may differ."""
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


def token(facts: Version) -> str:
    """A version as one word (32 hexadecimal digits) that tells nothing of the disk."""
    return hashlib.sha256("{}:{}:{}:{}:{}".format(*facts).encode()).hexdigest()[:32]


def mount_of(fd: int) -> tuple[int, int]:
    """Device and mount of a directory; rename works where both agree (bind mounts and subvolumes need both)."""
    with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as facts:
        for line in facts:
            if line.startswith("mnt_id:"):
                return os.fstat(fd).st_dev, int(line.split()[1])
    return os.fstat(fd).st_dev, -1


def rename_new(source: int, old: bytes, target: int, new: bytes) -> None:
    """Rename, but never onto something: atomically FileExistsError.

    Where the file system cannot (EINVAL), link and unlink do it for all but directories; a directory can replace
    nothing but an empty directory, so there a look beforehand has to do.
    """
    if hasattr(_LIBC, "renameat2"):
        done = _LIBC.renameat2(source, ctypes.c_char_p(old), target, ctypes.c_char_p(new), _RENAME_NOREPLACE)
        if done == 0:
            return
        number = ctypes.get_errno()
        if number not in (errno.ENOSYS, errno.EINVAL):
            raise OSError(number, os.strerror(number))
    try:
        os.link(old, new, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
    except PermissionError:
        if lookup(target, new) is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        os.rename(old, new, src_dir_fd=source, dst_dir_fd=target)
    else:
        os.unlink(old, dir_fd=source)


def born(parent: int, name: bytes) -> int:
    """When what `name` is came to be, ns since the epoch: an inode's number is given again, its birth is not.

    0 where the file system does not tell. A link is not followed.
    """
    if not hasattr(_LIBC, "statx"):
        return 0
    facts = ctypes.create_string_buffer(_STATX_SIZE)
    if _LIBC.statx(parent, ctypes.c_char_p(name), _AT_SYMLINK_NOFOLLOW, _STATX_BTIME, facts):
        number = ctypes.get_errno()
        if number in (errno.ENOSYS, errno.EPERM):  # an old kernel, a sandbox that does not know the call
            return 0
        raise OSError(number, os.strerror(number))
    (known,) = struct.unpack_from("=I", facts, 0)
    if not known & _STATX_BTIME:
        return 0
    seconds, fraction = struct.unpack_from("=qI", facts, 80)
    return int(seconds) * 1_000_000_000 + int(fraction)


def sync_filesystem(fd: int) -> None:
    """Make all that was written to the file system of `fd` survive a loss of power; O_PATH will not do."""
    if not hasattr(_LIBC, "syncfs"):
        os.sync()
    elif _LIBC.syncfs(fd):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def sync_directory(fd: int) -> None:
    """Make the names in a directory survive a loss of power; a directory we may not read takes its whole disk along."""
    try:
        readable = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=fd)
    except PermissionError:
        os.sync()
        return
    try:
        os.fsync(readable)
    finally:
        os.close(readable)


def names_in(fd: int) -> list[bytes]:
    """The names in a directory, through a description of its own (threads would share a position); [] if unreadable."""
    try:
        readable = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=fd)
    except PermissionError:
        return []
    try:
        return [os.fsencode(name) for name in os.listdir(readable)]
    finally:
        os.close(readable)


def copy_bytes(source: int, target: int, count: int) -> int:
    """Copy the first `count` bytes between files, sharing their blocks where the file system can; bytes copied.

    Fewer than `count` only when the source ends before.
    """
    done = 0
    with suppress(OSError):  # other kernels and file systems refuse in many ways; the plain copy finds out what is real
        while done < count and (step := os.copy_file_range(source, target, count - done, done, done)):
            done += step
    while done < count and (block := os.pread(source, min(1 << 20, count - done), done)):
        done += os.pwrite(target, block, done)
    return done
