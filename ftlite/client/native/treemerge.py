"""A tree that has arrived goes into a directory that is there: name by name, each in one step. Blocks.

What is a directory on both sides stays, and receives; a directory that is new takes its name whole, with all below it.
A file and a directory under one name is found out before anything moves. Nothing goes through a link that stands there.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ftlite.client.errors import ClientError, Outcome


def merge_into(grown: Path, target: Path) -> None:
    """Move all that is in `grown` below `target`.

    Raises:
        ClientError: EXISTS: the two do not go together; nothing was moved.
        OSError: of the disk; what was moved by then stays so.
    """
    _check(grown, target)
    _move(grown, target)


def is_directory(path: Path) -> bool:
    """Whether a real directory stands there."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def _check(here: Path, there: Path) -> None:
    for name in sorted(os.listdir(here)):
        source, place = here / name, there / name
        if not os.path.lexists(place):
            continue
        if is_directory(source) != is_directory(place):
            comes, stands = ("a directory", "none") if is_directory(source) else ("none", "a directory")
            message = f"{place}: what comes is {comes} and what stands there is {stands}; nothing was merged"
            raise ClientError(Outcome.EXISTS, message, remedy="--replace puts the new tree in the place of the old one")
        if is_directory(source):
            _check(source, place)


def _move(here: Path, there: Path) -> None:
    here.chmod(0o700)  # names are taken out of it; it is thrown away in the end
    for name in sorted(os.listdir(here)):
        source, place = here / name, there / name
        if not is_directory(source):
            source.replace(place)
        elif is_directory(place):
            _move(source, place)
        else:
            mode = stat.S_IMODE(source.lstat().st_mode)
            source.chmod(mode | 0o700)  # a directory that may not be written to cannot move either
            source.rename(place)
            place.chmod(mode)
