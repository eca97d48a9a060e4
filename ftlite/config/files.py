"""Small files that several processes edit: replaced whole, so that a reader needs no lock; editors take one.

OSError comes out as it is; the caller knows what to call the file.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path


@contextlib.contextmanager
def locked(path: Path, made: Callable[[int], None] = lambda fd: None) -> Iterator[None]:
    """Keep other editors of `path` out; its directory is made (0700) when it is not there. Blocks.

    The lock is a file of its own beside it, since `path` is another inode after each edit; `made` sees its descriptor.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        made(lock)
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def write_whole(path: Path, text: str, made: Callable[[int], None] = lambda fd: None) -> None:
    """Put `text` (surrogateescape) in the place of `path`: written beside it with mode 0600, synced, renamed.

    `made` sees the descriptor of the new file before it gets its name.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # 0600 whatever the umask
    try:
        with open(handle, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(text)
            file.flush()
            made(handle)
            os.fsync(file.fileno())
        os.rename(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
