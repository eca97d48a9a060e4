"""``ftlite get``: a file, a directory with -r, or a stream to stdout."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ftlite.cli import report
from ftlite.cli.exits import CliError
from ftlite.cli.filters import meant
from ftlite.cli.flags import TRANSFER, client_flags, duration, flag
from ftlite.cli.options import Options
from ftlite.cli.progress import Bars
from ftlite.cli.session import Done, Session, addresses_of, perform, perform_each, voice_for
from ftlite.cli.streams import to_stdout
from ftlite.cli.surroundings import here
from ftlite.cli.targets import STDIO, base_name, below, is_directory, local_target, wanting_a_file

if TYPE_CHECKING:
    from ftlite.client import Client
    from ftlite.client.address import Address


@click.command()
@click.argument("address")
@click.argument("local", required=False)
@client_flags(*TRANSFER)
@flag("FTLITE", "--wait", type=duration, metavar="TIME", help="Wait so long for it to be published, if it is not there "
      "(exit 6 when it does not come, 11 when its producer failed).")  # fmt: skip
@flag("FTLITE", "--merge", is_flag=True, help="With -r: get into a directory that is there already, file by file.")
@flag("FTLITE", "--replace", is_flag=True, help="With -r: put the tree in the place of the one that is there, in one "
      "step. From native servers only.")  # fmt: skip
def get(
    options: Options, address: str, local: str | None, wait: float | None, merge: bool, replace: bool
) -> Done:
    """Fetch the file at ADDRESS to LOCAL, by default under its own name into the working directory.

    LOCAL may be a directory, which receives the file, or '-' for stdout. With -r, a directory that is not there yet
    becomes the tree, and one that is there receives it under its own name. A native server sends the tree as one
    transfer, and it gets its name when it is whole; where another tree has that name, nothing changes (exit 9) unless
    --replace or --merge is given.

    A file grows in a hidden part beside its name and gets the name when it is whole and verified.
    """
    if merge and replace:
        raise click.UsageError("--merge and --replace exclude each other")
    (asked,) = addresses_of([address])
    place = here().local(local or ".")
    voice = voice_for("get", options)
    names: dict[str, Address] = {}
    if local == STDIO:
        _check_stream(options)

    async def one(session: Session, source: Address) -> None:
        client = await session.client(source)
        if wait is not None:
            await client.wait(source.path, wait, any_directory=options.recursive)
        if local == STDIO:
            async with wanting_a_file(client, source.path, "-r fetches it with all below it, into a directory"):
                result = await to_stdout(client, source.path, voice)
            report.transferred(voice, result, path=source.path, loud=False)
            return
        _own_name(names, source)
        await _get_one(session, client, source, place, replace=replace, merge=merge)

    async def work(session: Session) -> None:
        found = [source async for source in session.each([asked])]
        if len(found) > 1 and local != STDIO and not place.is_dir():
            raise CliError("USAGE", f"{place} is no directory, so it cannot receive the {len(found)} that match")
        for source in found:
            await session.attempt(one(session, source), path=source.path)

    return perform(options, voice, [asked], work)


@click.command()
@click.argument("address", nargs=-1, required=True)
@flag("FTLITE", "-O", "--into", metavar="DIR", default=".", help="The local directory that receives them.")
@client_flags(*TRANSFER)
def mget(options: Options, address: tuple[str, ...], into: str) -> Done:
    """Fetch everything at the ADDRESSes, each under its own name, into the working directory."""
    sources = addresses_of(address)
    place = here().local(into)
    names: dict[str, Address] = {}
    voice = voice_for("mget", options)
    if not place.is_dir():
        raise click.UsageError(f"--into {into}: there is no such directory; make it first")

    async def one(session: Session, source: Address) -> None:
        _own_name(names, source)
        client = await session.client(source)
        await _get_one(session, client, source, place, replace=False, merge=False)

    return perform_each(options, voice, sources, one)


def _own_name(names: dict[str, Address], source: Address) -> None:
    """Note in `names` that `source` is fetched under its own name. CliError EXISTS when another one was before."""
    other = names.setdefault(base_name(source.path), source)
    if other != source:
        raise CliError("EXISTS", f"{source.path}: {other.path} has the same name; fetch one of them under another name")


def _check_stream(options: Options) -> None:
    for given, name in ((options.json, "--json"), (options.recursive, "-r"), (options.resume, "--continue")):
        if given:
            raise click.UsageError(f"{name} does not go with '-': stdout carries the file; name a file instead")


async def _get_one(
    session: Session, client: Client, source: Address, place: Path, *, replace: bool, merge: bool
) -> None:
    if session.options.recursive and (not base_name(source.path) or is_directory(await client.stat(source.path))):
        target = local_target(place, base_name(source.path) or source.host)
        await _get_tree(session, client, source, target, replace=replace, merge=merge)
    else:
        await _get_file(session, client, source.path, place)


async def _get_file(session: Session, client: Client, path: str, place: Path) -> None:
    voice, options = session.voice, session.options
    name = base_name(path)
    if not name or path.endswith("/"):
        what = f"{path} is a directory" if path else "the address names no file"
        raise CliError("USAGE", f"{what}; -r fetches {'it' if path else 'the login directory'} with all below it")
    target = local_target(place, name)
    if options.dry_run:
        found = await client.stat(path)
        voice.say(f"would get {path} ({report.size(found.size or 0)}) to {target}")
        voice.event("would-get", path=path, local=str(target), size=found.size)
        return
    with Bars(voice) as bars:
        async with wanting_a_file(client, path, "-r fetches it with all below it"):
            result = await client.get(
                path, target, resume=options.resume, progress=bars.track(name), streams=options.parallel
            )
    report.transferred(voice, result, path=path, loud=True)


async def _get_tree(
    session: Session, client: Client, source: Address, target: Path, *, replace: bool, merge: bool
) -> None:
    import trio

    voice, options = session.voice, session.options
    keep, chosen = await trio.to_thread.run_sync(meant, options)
    if options.dry_run:
        async for path, entry in client.walk(source.path):
            if keep is None or keep(path, is_directory(entry)):
                voice.say(f"would get {below(source.path, path)} to {target / path}")
                voice.event("would-get", path=below(source.path, path), local=str(target / path), size=entry.size)
        report.missing(voice, chosen)
        return
    started = time.monotonic()
    whole = client.takes_whole(source.path, keep)
    with Bars(voice) as bars:
        done = await client.get_tree(
            source.path,
            target,
            resume=options.resume,
            wanted=keep,
            on_file=report.teller(voice, source.path, whole=whole),
            progress=bars.track(base_name(source.path) or source.host),
            replace=replace,
            merge=merge,
        )
    report.missing(voice, chosen)
    report.tree(voice, str(target), done, time.monotonic() - started)
