"""``ftlite ls`` and ``ftlite stat``: what a server says of names."""

from __future__ import annotations

import stat as modes
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from ftlite.cli.flags import client_flags
from ftlite.cli.options import Options
from ftlite.cli.session import Done, Session, addresses_of, perform, perform_each, voice_for
from ftlite.cli.targets import below, is_directory
from ftlite.protocol.entries import Entry, Kind

if TYPE_CHECKING:
    from ftlite.client import Client
    from ftlite.client.address import Address

_TYPES = {Kind.FILE: modes.S_IFREG, Kind.LINK: modes.S_IFLNK, Kind.OTHER: modes.S_IFCHR}


@click.command()
@click.argument("address", nargs=-1)
@click.option("-l", "long", is_flag=True, help="Modes, owners, sizes and times too.")
@click.option("-h", "human", is_flag=True, help="With -l: sizes and times in human words.")
@client_flags("recursive")
def ls(options: Options, address: tuple[str, ...], long: bool, human: bool) -> Done:
    """List the directory at ADDRESS, or the file itself when it is one."""
    sources = addresses_of(address)
    voice = voice_for("ls", options)

    async def work(session: Session) -> None:
        async for source in session.each(sources):
            await session.attempt(_list(session, source, long or human, human), path=source.path)

    return perform(options, voice, sources, work)


async def _list(session: Session, source: Address, long: bool, human: bool) -> None:
    voice = session.voice
    client = await session.client(source)
    rows = []
    async for path, entry in _entries(client, source.path, session.options.recursive):
        if long and not voice.json:
            rows.append(_long(entry, path or entry.name, human))
            continue
        if voice.json:
            voice.event("entry", **entry_facts(entry, below(source.path, path) if path else source.path))
        else:
            slash = "/" if is_directory(entry) and voice.out.isatty() else ""
            voice.line(f"{path or entry.name}{slash}")
        voice.succeeded()  # once it is told, which may fail
    for line in _aligned(rows):
        voice.line(line)
        voice.succeeded()


async def _entries(client: Client, path: str, recursive: bool) -> AsyncIterator[tuple[str, Entry]]:
    """Entries with their path relative to `path`; "" for a file that was asked for by its name."""
    if recursive:
        async for relative, entry in client.walk(path):
            yield relative, entry
        return
    from ftlite.client import ClientError, Outcome

    try:
        listed = await client.list(path)
    except ClientError as error:
        if error.outcome not in (Outcome.NOT_FOUND, Outcome.DENIED, Outcome.OTHER, Outcome.PROTOCOL) or not path:
            raise
        try:
            entry = await client.stat(path)
        except ClientError:
            raise error from None
        if is_directory(entry):
            raise
        yield "", entry
        return
    for entry in sorted(listed, key=lambda entry: entry.name):
        if entry.kind not in (Kind.CDIR, Kind.PDIR):
            yield entry.name, entry


@click.command()
@click.argument("address", nargs=-1, required=True)
@client_flags()
def stat(options: Options, address: tuple[str, ...]) -> Done:
    """Show kind, size, time and mode of the name at ADDRESS, as far as the server tells them."""
    sources = addresses_of(address)
    voice = voice_for("stat", options)

    async def show(session: Session, source: Address) -> None:
        client = await session.client(source)
        entry = await client.stat(source.path)
        facts = entry_facts(entry, source.path or entry.name)
        if voice.json:
            voice.event("entry", **facts)
        else:
            for key, value in facts.items():
                if value is not None and value != "":
                    voice.line(f"{key + ':':<8} {value}")
        voice.succeeded()

    return perform_each(options, voice, sources, show)


def entry_facts(entry: Entry, path: str) -> dict[str, str | int | None]:
    """What --json says of an entry: times in UTC, modes in octal."""
    return {
        "path": path,
        "kind": "dir" if is_directory(entry) else entry.kind.value,
        "size": entry.size if not is_directory(entry) else None,
        "modify": utc(entry.modify_ns) if entry.modify_ns is not None else None,
        "mode": f"{entry.mode:04o}" if entry.mode is not None else None,
        "owner": entry.owner,
        "group": entry.group,
        "perm": entry.perm,
        "target": entry.target,
    }


def utc(moment_ns: int) -> str:
    """A time in UTC, by ISO 8601, to the millisecond where it has a fraction."""
    seconds, rest = divmod(moment_ns, 1_000_000_000)
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{rest // 1_000_000:03d}Z" if rest else f"{whole}Z"


def _long(entry: Entry, name: str, human: bool) -> tuple[str, ...]:
    mode = "?" * 10
    if entry.mode is not None:
        mode = modes.filemode(_TYPES.get(entry.kind, modes.S_IFDIR) | entry.mode)
    elif is_directory(entry):
        mode = "d" + "?" * 9
    arrow = f" -> {entry.target}" if entry.target else ""
    return (mode, entry.owner or "-", entry.group or "-", _size(entry, human), _when(entry, human), name + arrow)


def _size(entry: Entry, human: bool) -> str:
    if entry.size is None or is_directory(entry):
        return "-"
    if human:
        import humanize

        return humanize.naturalsize(entry.size)
    return str(entry.size)


def _when(entry: Entry, human: bool) -> str:
    if entry.modify_ns is None:
        return "-"
    seconds = entry.modify_ns / 1e9
    if human:
        import humanize

        return humanize.naturaltime(time.time() - seconds)
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Columns of equal width, sizes to the right, the name as it is."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        " ".join(cell.rjust(width) if index == 3 else cell.ljust(width) for index, (cell, width) in
                 enumerate(zip(row[:-1], widths[:-1], strict=True))) + " " + row[-1]
        for row in rows
    ]  # fmt: skip
