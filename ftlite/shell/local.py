"""``lls``, ``lmkdir``, ``more``, ``edit``: commands that work here, with programs that are here."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import click
import trio

from ftlite.cli import places, report
from ftlite.cli.digests import hash_file
from ftlite.cli.exits import CliError
from ftlite.cli.flags import client_flags
from ftlite.cli.options import Options
from ftlite.cli.session import Done, Session, address_of, addresses_of, perform, voice_for
from ftlite.cli.targets import base_name, wanting_a_file
from ftlite.cli.voice import Voice
from ftlite.client import Client
from ftlite.client.errors import ClientError, Outcome
from ftlite.shell.inside import RAW, Words, action, client_of, standing
from ftlite.shell.shell import Shell
from ftlite.shell.words import quote


@click.command(context_settings=RAW)
@click.argument("words", nargs=-1, type=Words, metavar="[ARGUMENT]...")
def lls(words: tuple[str, ...]) -> Done:
    """List a local directory: the system's ls, with all that it can do."""
    place = standing()

    async def work(shell: Shell, voice: Voice) -> None:
        names = [name for one in words for name in ([one] if one.startswith("-") else place.locals([one]))]
        line = " ".join(["ls", *(one if one.startswith("-") else quote(one) for one in names)])
        if place.out is None:
            await shell.program(line)
            return
        done = await trio.run_process(["/bin/sh", "-c", line], capture_stdout=True, check=False)
        voice.data(done.stdout)
        if done.returncode:
            raise CliError("OTHER", f"ls ended with {done.returncode}")

    return action("lls", work)


@click.command()
@click.argument("local", nargs=-1, required=True)
@click.option("-p", "--parents", is_flag=True, help="Make what leads there too.")
def lmkdir(local: tuple[str, ...], parents: bool) -> Done:
    """Make local directories."""
    place = standing()

    async def work(shell: Shell, voice: Voice) -> None:
        for name in local:
            path = place.local(name)
            await trio.to_thread.run_sync(lambda path=path: path.mkdir(parents=parents, exist_ok=parents))  # type: ignore[misc]

    return action("lmkdir", work)


@click.command()
@click.argument("address", nargs=-1, required=True)
@client_flags()
def more(options: Options, address: tuple[str, ...]) -> Done:
    """Show the files at ADDRESS page by page, through $PAGER, or less where it is."""
    if options.json:
        raise click.UsageError("--json does not go with more: stdout carries the files; use get --json")
    sources = addresses_of(address)
    shell = standing().shell
    voice = voice_for("more", options)

    async def all_of(session: Session, write: Callable[[memoryview], object]) -> None:
        async for source in session.each(sources):
            client = await session.client(source)
            await session.attempt(_show(voice, client, source.path, write), path=source.path)

    async def work(session: Session) -> None:
        if not voice.out.isatty():
            await all_of(session, voice.data)
            return
        pager = places.pager() or ("less" if shutil.which("less") else "more")
        with suppress(BrokenPipeError):  # whoever reads has seen enough
            async with shell.through(pager) as outlet:
                await all_of(session, outlet.write)

    return perform(options, voice, sources, work)


async def _show(voice: Voice, client: Client, path: str, write: Callable[[memoryview], object]) -> None:
    async with wanting_a_file(client, path, "more shows files"):
        result = await client.get_stream(path, write)
    report.transferred(voice, result, path=path, loud=False)


@click.command()
@click.argument("address")
def edit(address: str) -> Done:
    """Edit the file at ADDRESS with $VISUAL or $EDITOR, and put it back when it was changed.

    A file that somebody else has changed meanwhile is not overwritten: yours is kept here, and it is said where.
    """
    source = address_of(address)

    async def work(shell: Shell, voice: Voice) -> None:
        if not voice.out.isatty():
            raise CliError("USAGE", "edit needs a terminal")
        name = base_name(source.path)
        if not name:
            raise CliError("USAGE", f"{source.path} names no file")
        client = await client_of(shell, voice)
        place = Path(await trio.to_thread.run_sync(tempfile.mkdtemp, None, "ftlite-edit-"))
        keep = False
        try:
            keep = await _edited(shell, voice, client, source.path, place / name)
        except BaseException:
            keep = (place / name).exists()
            if keep:
                voice.warn(f"what you wrote is in {place / name}")
            raise
        finally:
            if not keep:
                with trio.CancelScope(shield=True):  # a handful of files of our own
                    await trio.to_thread.run_sync(lambda: shutil.rmtree(place, ignore_errors=True))

    return action("edit", work)


async def _edited(shell: Shell, voice: Voice, client: Client, path: str, local: Path) -> bool:
    """Have `path` edited as `local`, and put it back. Whether `local` must be kept."""
    before = None
    try:
        await client.get(path, local)
        before = await trio.to_thread.run_sync(hash_file, local, "sha256")
    except ClientError as error:
        if error.outcome is not Outcome.NOT_FOUND:
            raise
    editor = places.editor()
    code = await shell.program(f"{editor} {quote(str(local))}")
    if code:
        raise CliError("OTHER", f"{editor} ended with {code}; {path} was not changed")
    if not await trio.to_thread.run_sync(os.path.exists, local):
        return False
    after = await trio.to_thread.run_sync(hash_file, local, "sha256")
    if after == before:
        voice.say(f"{path}: not changed")
        return False
    if before is not None and await _remote_digest(client, path, local.with_name(f".{local.name}.now")) != before:
        raise CliError("EXISTS", f"{path} was changed by somebody else meanwhile; compare, and put yours by hand")
    result = await client.put(local, path, if_absent=before is None, preserve=False)
    voice.succeeded(moved=result.moved, verified=result.verified.value)
    voice.say(f"{path}: put back; verified: {result.verified.value}")
    return False


async def _remote_digest(client: Client, path: str, spare: Path) -> str:
    """The digest of what stands at `path` now; fetched as `spare` where the server states none."""
    from ftlite.client import Unsupported

    try:
        return await client.hash(path)
    except Unsupported:
        await client.get(path, spare)
        return await trio.to_thread.run_sync(hash_file, spare, "sha256")
    except ClientError as error:
        if error.outcome is Outcome.NOT_FOUND:
            return ""
        raise


