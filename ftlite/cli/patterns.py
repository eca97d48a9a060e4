"""Names on a server that a pattern stands for: ``*``, ``?``, ``[a-z]`` within a name, ``**`` any number of directories.

As in sh a leading dot is matched by a dot only, and ``[*]`` is a star and nothing else.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from attrs import evolve

from ftlite.cli.exits import CliError
from ftlite.cli.targets import below, is_directory
from ftlite.protocol.entries import Entry, Kind

if TYPE_CHECKING:
    from ftlite.client import Client
    from ftlite.client.address import Address

_MAGIC = re.compile(r"[*?]|\[(?![*?[]\])")
_LITERAL = re.compile(r"\[([*?[])\]")


def has_magic(text: str) -> bool:
    """Whether `text` can match anything but itself; ``[*]`` cannot."""
    return _MAGIC.search(_LITERAL.sub("", text)) is not None


def escape(text: str) -> str:
    """The pattern that matches `text` alone."""
    return re.sub(r"([*?[])", r"[\1]", text)


def unescape(pattern: str) -> str:
    """What a pattern without magic matches."""
    return _LITERAL.sub(r"\1", pattern)


async def matches(client: Client, at: Address) -> AsyncIterator[Address]:
    """The addresses of the names that ``at.path`` matches, sorted directory by directory. With a '/' at its end it
    matches directories alone.

    Raises:
        CliError: NOT_FOUND: there are none.
        ClientError: as `Client.list` raises it, but a directory that cannot be listed matches nothing below it.
    """
    found = False
    directories = at.path.endswith("/")
    async for path, entry in _expand(client, "/" if at.path.startswith("/") else "", at.path.strip("/").split("/")):
        if not directories or is_directory(entry):
            found = True
            yield evolve(at, path=path)
    if not found:
        raise CliError("NOT_FOUND", f"{unescape(at.path)}: no name matches; quote it if it is a name of its own")


async def _expand(client: Client, base: str, parts: list[str]) -> AsyncIterator[tuple[str, Entry]]:
    from ftlite.client import ClientError, Outcome

    part, rest = parts[0], parts[1:]
    if not has_magic(part):
        literal = below(base, unescape(part))
        if not rest:
            entry = await _found(client, literal)
            if entry is not None:
                yield literal, entry
        else:
            async for match in _expand(client, literal, rest):
                yield match
        return
    if part == "**" and rest:
        async for match in _expand(client, base, rest):
            yield match
    try:
        entries = await client.list(base)
    except ClientError as error:
        if error.outcome in (Outcome.NOT_FOUND, Outcome.DENIED, Outcome.OTHER):
            return
        raise
    for entry in sorted(entries, key=lambda entry: entry.name):
        if entry.kind in (Kind.CDIR, Kind.PDIR) or not _fits(entry.name, part):
            continue
        inner = below(base, entry.name)
        if part == "**":
            if is_directory(entry):
                async for match in _expand(client, inner, parts):
                    yield match
            if not rest:
                yield inner, entry
        elif not rest:
            yield inner, entry
        elif is_directory(entry) or entry.kind is Kind.LINK:
            async for match in _expand(client, inner, rest):
                yield match


def _fits(name: str, part: str) -> bool:
    if name.startswith(".") and not part.startswith("."):
        return False
    return part == "**" or fnmatch.fnmatchcase(name, part)


async def _found(client: Client, path: str) -> Entry | None:
    from ftlite.client import ClientError, Outcome

    try:
        return await client.stat(path)
    except ClientError as error:
        if error.outcome in (Outcome.NOT_FOUND, Outcome.DENIED, Outcome.OTHER):
            return None
        raise
