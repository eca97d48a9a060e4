"""``ftlite find`` and ``ftlite du``: whole trees, looked at and not moved."""

from __future__ import annotations

import fnmatch
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import click

from ftlite.cli.flags import client_flags, duration
from ftlite.cli.look import entry_facts
from ftlite.cli.options import Options
from ftlite.cli.session import Done, Session, addresses_of, perform, voice_for
from ftlite.cli.surroundings import here
from ftlite.cli.targets import below, is_directory
from ftlite.cli.voice import Voice
from ftlite.config.units import parse_size
from ftlite.protocol.entries import Entry, Kind

if TYPE_CHECKING:
    from ftlite.client import Client
    from ftlite.client.address import Address

_KINDS = {"f": Kind.FILE, "d": Kind.DIR, "l": Kind.LINK}
Judge = Callable[[str, Entry], bool]


def bound(value: str) -> tuple[str, int]:
    """A size that is at least (``+10M``), at most (``-10M``) or exactly so; anything else is a usage error."""
    sign = value[0] if value[:1] in ("+", "-") else "="
    try:
        return sign, parse_size(value.lstrip("+-"))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _judges(
    name: tuple[str, ...], kind: str | None, size: tuple[str, int] | None, newer: float | None, older: float | None
) -> list[Judge]:
    """What must hold for an entry to be told."""
    judges: list[Judge] = []
    if name:
        judges.append(lambda path, _: any(fnmatch.fnmatchcase(PurePosixPath(path).name, glob) for glob in name))
    if kind is not None:
        judges.append(lambda _, entry: entry.kind is _KINDS[kind])
    if size is not None:
        sign, least = size
        judges.append(
            lambda _, entry: entry.size is not None
            and not is_directory(entry)
            and (entry.size >= least if sign == "+" else entry.size <= least if sign == "-" else entry.size == least)
        )
    now = time.time()
    if newer is not None:
        judges.append(lambda _, entry: entry.modify_ns is not None and entry.modify_ns / 1e9 >= now - newer)
    if older is not None:
        judges.append(lambda _, entry: entry.modify_ns is not None and entry.modify_ns / 1e9 <= now - older)
    return judges


async def _tree(client: Client, path: str) -> AsyncIterator[tuple[str, Entry]]:
    """As `Client.walk`; a file, which has nothing below it, comes itself, as "". ClientError."""
    from ftlite.client import ClientError

    begun = False
    try:
        async for found in client.walk(path):
            begun = True
            yield found
    except ClientError as error:
        if begun or not path:
            raise
        try:
            entry = await client.stat(path)
        except ClientError:
            raise error from None
        if is_directory(entry):
            raise
        yield "", entry


def _each_tree(
    options: Options,
    voice: Voice,
    words: Sequence[str],
    one: Callable[[Session, Address, str], Awaitable[None]],
) -> Done:
    """`perform_each`, where `one` is also told how people see the path of what `words` came to."""
    sources = addresses_of(words)
    seen = here().seen

    async def work(session: Session) -> None:
        for word, source in zip(words or (".",), sources, strict=True):
            async for found in session.each([source]):
                await session.attempt(one(session, found, seen(word, found.path)), path=found.path)

    return perform(options, voice, sources, work)


@click.command()
@click.argument("address", nargs=-1)
@click.option("--name", multiple=True, metavar="GLOB", help="Whose last component matches. Repeatable.")
@click.option("--type", "kind", type=click.Choice(list(_KINDS)), help="Files, directories, or links.")
@click.option("--size", type=bound, metavar="[+-]SIZE", help="Files of at least (+10M) or at most (-10M) so much.")
@click.option("--newer", type=duration, metavar="TIME", help="Changed within TIME, as in 24h.")
@click.option("--older", type=duration, metavar="TIME", help="Not changed within TIME.")
@click.option("-0", "--null", "null", is_flag=True, help="End each name with NUL instead of a line end.")
@client_flags()
def find(
    options: Options,
    address: tuple[str, ...],
    name: tuple[str, ...],
    kind: str | None,
    size: tuple[str, int] | None,
    newer: float | None,
    older: float | None,
    null: bool,
) -> Done:
    """List everything below ADDRESS for which all of the conditions hold; a file, if they hold for it."""
    voice = voice_for("find", options)
    judges = _judges(name, kind, size, newer, older)

    async def one(session: Session, source: Address, seen: str) -> None:
        client = await session.client(source)
        async for inner, entry in _tree(client, source.path):
            path = below(source.path, inner) if inner else source.path
            shown = below(seen, inner) if inner else seen
            if not all(judge(path, entry) for judge in judges):
                continue
            voice.succeeded()
            if voice.json:
                voice.event("entry", **entry_facts(entry, path))
            elif null:
                voice.data(shown.encode(errors="surrogateescape") + b"\0")
            else:
                voice.line(shown)

    return _each_tree(options, voice, address, one)


@click.command()
@click.argument("address", nargs=-1)
@click.option("-s", "--summarize", is_flag=True, help="One line for each ADDRESS.")
@click.option("-h", "human", is_flag=True, help="Sizes in human words.")
@client_flags()
def du(options: Options, address: tuple[str, ...], summarize: bool, human: bool) -> Done:
    """Sum up the sizes of the files below ADDRESS: bytes of content, directory by directory, the whole last."""
    voice = voice_for("du", options)

    def tell(path: str, name: str, size: int, files: int) -> None:
        voice.succeeded()
        if voice.json:
            voice.event("usage", path=path, size=size, files=files)
            return
        shown = str(size)
        if human:
            import humanize

            shown = humanize.naturalsize(size)
        voice.line(f"{shown}\t{name}")

    async def one(session: Session, source: Address, seen: str) -> None:
        client = await session.client(source)
        sizes: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        sizes[""] = [0, 0]
        async for inner, entry in _tree(client, source.path):
            if not inner:
                sizes[""] = [entry.size or 0, 1]
            elif is_directory(entry):
                sizes[inner] = sizes[inner]
            elif entry.kind is Kind.FILE:
                for parent in PurePosixPath(inner).parents:
                    held = sizes["" if str(parent) == "." else str(parent)]
                    held[0] += entry.size or 0
                    held[1] += 1
        for inner in sorted(sizes, key=lambda path: (path.split("/") if path else []), reverse=True):
            if not inner or not summarize:
                path, name = (below(top, inner) if inner else top or "." for top in (source.path, seen))
                tell(path, name, *sizes[inner])

    return _each_tree(options, voice, address, one)
