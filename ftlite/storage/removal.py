"""Removing whole directories, whatever is in them: nothing is followed, no mount is entered, any depth will do.

A directory below is first moved up beside the others and emptied there, so two descriptors are enough for any depth,
and the kernel itself refuses what must not go: a mount point can be neither moved nor removed.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress

from ftlite.storage.syscalls import LISTED, pin, proc

_ALL = 0o700


def empty(top: int, *, but: bytes = b"") -> bool:
    """Remove all that is in a directory, except the name `but`; whether all of it went.

    Args:
        top: its descriptor, readable. Nobody else may make names there meanwhile: what is below passes through it.
    """
    above = secrets.token_hex(4).encode()
    count = 0
    while True:
        went = stayed = 0
        with os.scandir(top) as found:
            for item in found:
                name = os.fsencode(item.name)
                if name == but:
                    continue
                count += 1
                if _gone(top, item, b"%s-%d" % (above, count)):
                    went += 1
                else:
                    stayed += 1
        if not went:
            return not stayed


def remove(parent: int, name: bytes, *, last: bytes = b"") -> bool:
    """Remove a directory with all that is in it, the name `last` after everything else; whether it went."""
    with suppress(OSError):
        top = _open(parent, name)
        try:
            if not empty(top, but=last):
                return False
            if last:
                with suppress(FileNotFoundError):
                    os.unlink(last, dir_fd=top)
        finally:
            os.close(top)
        os.rmdir(name, dir_fd=parent)
        return True
    return False


def _gone(top: int, item: os.DirEntry[str], above: bytes) -> bool:
    """Remove a name in `top`, or at least something of what is in it; False: it is busy, immutable, another's."""
    name = os.fsencode(item.name)
    try:
        if item.is_dir(follow_symlinks=False):
            return _flatten(top, name, above)
        os.unlink(name, dir_fd=top)
    except OSError:
        return False
    return True


def _flatten(top: int, name: bytes, above: bytes) -> bool:
    """Remove a directory in `top`; those in it move up, under names that begin with `above`. Whether anything went."""
    went = False
    fd = _open(top, name)
    try:
        with os.scandir(fd) as found:
            for number, item in enumerate(found):
                with suppress(OSError):
                    inner = os.fsencode(item.name)
                    if item.is_dir(follow_symlinks=False):
                        _make_ours(fd, inner)  # or it could not be told of its new parent
                        os.rename(inner, b"%s-%d" % (above, number), src_dir_fd=fd, dst_dir_fd=top)
                    else:
                        os.unlink(inner, dir_fd=fd)
                    went = True
    finally:
        os.close(fd)
    with suppress(OSError):  # a big directory may show more at the next look
        os.rmdir(name, dir_fd=top)
        went = True
    return went


def _open(parent: int, name: bytes) -> int:
    _make_ours(parent, name)
    return os.open(name, LISTED, dir_fd=parent)


def _make_ours(parent: int, name: bytes) -> None:
    """Let us list and change a directory of our own that arrived without these rights."""
    fd = pin(parent, name)
    try:
        mode = os.fstat(fd).st_mode
        if stat.S_ISDIR(mode) and mode & _ALL != _ALL:
            with suppress(OSError):
                os.chmod(proc(fd), stat.S_IMODE(mode) | _ALL)
    finally:
        os.close(fd)
