"""``ftlite rm``, ``mkdir`` and ``mv``: names come and go, contents stay where they are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from ftlite.cli import report
from ftlite.cli.exits import CliError
from ftlite.cli.flags import client_flags, flag
from ftlite.cli.options import Options
from ftlite.cli.session import Done, Session, address_of, addresses_of, perform, perform_each, voice_for
from ftlite.cli.surroundings import Pattern, here
from ftlite.cli.targets import base_name, below, is_directory

if TYPE_CHECKING:
    from ftlite.client import Client
    from ftlite.client.address import Address


@click.command()
@click.argument("address", nargs=-1, required=True)
@client_flags("recursive", "dry_run")
def rm(options: Options, address: tuple[str, ...]) -> Done:
    """Remove the files at ADDRESS, with -r directories and all below them."""
    sources = addresses_of(address)
    voice = voice_for("rm", options)
    for source in sources:
        if not isinstance(source, Pattern) and not base_name(source.path):
            raise click.UsageError(f"{source} names no file or directory that can be removed; write its path")

    async def work(session: Session) -> None:
        async for source in session.each(sources):
            await session.attempt(_remove(session, await session.client(source), source.path), path=source.path)

    return perform(options, voice, sources, work)


async def _remove(session: Session, client: Client, path: str) -> None:
    voice, options = session.voice, session.options
    if options.dry_run:
        await _would_remove(session, client, path)
        return
    if not options.recursive:
        await _remove_file(client, path)
    elif is_directory(await client.stat(path)):
        done = await client.remove_tree(path, on_file=lambda item: report.removed(voice, path, item))
        if done.error is not None:
            return  # each failure was told by its name
    else:
        await client.remove(path)
    voice.succeeded()
    voice.event("removed", path=path)
    voice.detail(f"removed {path}")


async def _would_remove(session: Session, client: Client, path: str) -> None:
    names = [path]
    if is_directory(await client.stat(path)):
        if not session.options.recursive:
            raise CliError("USAGE", f"{path} is a directory; -r removes it with all below it")
        names += [below(path, relative) async for relative, _ in client.walk(path)]
    for name in reversed(names):
        session.voice.say(f"would remove {name}")
        session.voice.event("would-remove", path=name)


async def _remove_file(client: Client, path: str) -> None:
    """Remove a file; when that is refused because it is a directory, say what helps."""
    from ftlite.client import ClientError

    try:
        await client.remove(path)
    except ClientError as error:
        try:
            found = await client.stat(path)
        except ClientError:
            raise error from None
        if is_directory(found):
            raise CliError("USAGE", f"{path} is a directory; -r removes it with all below it") from error
        raise


@click.command()
@click.argument("address", nargs=-1, required=True)
@client_flags()
def rmdir(options: Options, address: tuple[str, ...]) -> Done:
    """Remove the empty directories at ADDRESS."""
    sources = addresses_of(address)
    voice = voice_for("rmdir", options)

    async def one(session: Session, source: Address) -> None:
        client = await session.client(source)
        await client.rmdir(source.path)
        voice.succeeded()
        voice.event("removed", path=source.path)
        voice.detail(f"removed {source.path}")

    return perform_each(options, voice, sources, one)


@click.command()
@click.argument("address", nargs=-1, required=True)
@flag("FTLITE", "-p", "--parents", is_flag=True, help="Make what leads there too; no error when it is there already.")
@client_flags()
def mkdir(options: Options, address: tuple[str, ...], parents: bool) -> Done:
    """Make the directories at ADDRESS."""
    sources = addresses_of(address)
    voice = voice_for("mkdir", options)

    async def one(session: Session, source: Address) -> None:
        client = await session.client(source)
        await client.mkdir(source.path, parents=parents)
        voice.succeeded()
        voice.event("made", path=source.path)
        voice.detail(f"made {source.path}")

    return perform_each(options, voice, sources, one)


@click.command()
@click.argument("address")
@click.argument("new")
@client_flags()
def mv(options: Options, address: str, new: str) -> Done:
    """Rename what is at ADDRESS to NEW, on the same server.

    NEW is a path there, relative to the login directory (in a shell, to where one stands) unless it begins with '/', or
    an address of the same server. When NEW is a directory, it receives the name.
    """
    source = address_of(address)
    target = _same_server(source, new)
    voice = voice_for("mv", options)
    if not base_name(source.path):
        raise click.UsageError(f"{source} names no file or directory that can be renamed; write its path")

    async def work(session: Session) -> None:
        from ftlite.client import ClientError, Outcome

        client = await session.client(source)
        path = target.rstrip("/") or target
        try:
            if is_directory(await client.stat(path)):
                path = below(path, base_name(source.path))
        except ClientError as error:
            if error.outcome is not Outcome.NOT_FOUND or new.endswith("/"):
                raise
        await client.rename(source.path, path)
        voice.succeeded()
        voice.event("renamed", path=source.path, to=path)
        voice.detail(f"renamed {source.path} to {path}")

    return perform(options, voice, [source], work)


_ADDRESS = re.compile(r"[A-Za-z]+://|\[|[^/]*@|[^/:]*:")


def _same_server(source: Address, new: str) -> str:
    """The path that `new` means on the server of `source`."""
    if not here().stands and not _ADDRESS.match(new):
        return new
    target = address_of(new)
    if (target.host.lower(), target.port, target.user) != (source.host.lower(), source.port, source.user):
        raise click.UsageError(f"{new} is on another server than {source}; get and put move files between servers")
    return target.path
