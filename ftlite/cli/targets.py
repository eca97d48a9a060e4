"""What a name turns into at the other end; lexical but for asking whether a local directory is there."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ftlite.cli.exits import CliError
from ftlite.protocol.entries import Entry, Kind

if TYPE_CHECKING:
    from ftlite.client import Client

STDIO = "-"


_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|(?:[^/:@]*@)?(?:\[[^\]/]*\]|[^/:\[]+):")


def is_address(text: str) -> bool:
    """Whether `text`, where a local path could stand too, is ``scheme://...`` or ``[user@]host:...``; with a slash
    before the colon, as in ``./a:b``, it is a path."""
    return _ADDRESS.match(text) is not None


def base_name(path: str) -> str:
    """The last component of a remote path; "" when there is none to take: the login directory, the root, ``..``."""
    name = path.rstrip("/").rpartition("/")[2]
    return "" if name in (".", "..") else name


def below(path: str, name: str) -> str:
    """`name` in the remote directory `path`; "" is the login directory."""
    return f"{path.rstrip('/')}/{name}" if path else name


def local_target(local: Path, name: str) -> Path:
    """Where something called `name` goes: into `local` when that is a directory, else `local` itself."""
    return local / name if local.is_dir() else local


def is_directory(entry: Entry) -> bool:
    """Whether `entry` is a directory, under whatever name a listing gave it."""
    return entry.kind in (Kind.DIR, Kind.CDIR, Kind.PDIR)


@asynccontextmanager
async def wanting_a_file(client: Client, path: str, remedy: str) -> AsyncIterator[None]:
    """What is refused within this because `path` is a directory becomes a `CliError` that says so, and `remedy`."""
    from ftlite.client import ClientError, Outcome

    try:
        yield
    except ClientError as error:
        if error.outcome in (Outcome.NOT_FOUND, Outcome.DENIED, Outcome.OTHER, Outcome.USAGE):
            with suppress(ClientError):
                if is_directory(await client.stat(path)):
                    what = path or "the login directory"
                    raise CliError("USAGE", f"{what} is a directory; {remedy}") from error
        raise
