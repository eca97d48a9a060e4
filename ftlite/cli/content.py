"""``ftlite cat`` and ``ftlite hash``: the contents of files, and what they amount to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import click
from attrs import define

from ftlite.cli import report
from ftlite.cli.digests import ALGORITHMS, checksum_line
from ftlite.cli.exits import CliError
from ftlite.cli.flags import client_flags, flag
from ftlite.cli.options import Options
from ftlite.cli.session import Done, Session, addresses_of, perform, perform_each, voice_for
from ftlite.cli.streams import to_stdout
from ftlite.cli.targets import below, is_directory, wanting_a_file
from ftlite.protocol.entries import Kind

if TYPE_CHECKING:
    import trio

    from ftlite.client import Client
    from ftlite.client.address import Address


@click.command()
@click.argument("address", nargs=-1, required=True)
@client_flags("limit_rate", "require", "digest")
def cat(options: Options, address: tuple[str, ...]) -> Done:
    """Write the files at ADDRESS to stdout, one after the other. The exit code tells whether all came whole."""
    if options.json:
        raise click.UsageError("--json does not go with cat: stdout carries the files; use get --json")
    sources = addresses_of(address)
    voice = voice_for("cat", options)

    async def one(session: Session, source: Address) -> None:
        client = await session.client(source)
        async with wanting_a_file(client, source.path, "cat writes files"):
            result = await to_stdout(client, source.path, voice)
        report.transferred(voice, result, path=source.path, loud=False)

    return perform_each(options, voice, sources, one)


@click.command("hash")
@click.argument("address", nargs=-1, required=True)
@flag("FTLITE", "-a", "--algorithm", type=click.Choice(ALGORITHMS), default="sha256", show_default=True)
@client_flags("recursive", "parallel", "limit_rate")
def hash_(options: Options, address: tuple[str, ...], algorithm: str) -> Done:
    """Print the digest of the files at ADDRESS, as sha256sum does and as its -c reads, in the order of the listing.

    The server computes it where it can; a file on any other server is fetched, and hashed here.
    """
    sources = addresses_of(address)
    voice = voice_for("hash", options)

    async def work(session: Session) -> None:
        async for source in session.each(sources):
            client = await session.client(source)
            await _hash_all(session, client, _files(client, source.path, options.recursive), algorithm)

    return perform(options, voice, sources, work)


async def _files(client: Client, path: str, recursive: bool) -> AsyncIterator[tuple[str, Kind]]:
    if not recursive:
        yield path, Kind.FILE
        return
    async for relative, entry in client.walk(path):
        if not is_directory(entry):
            yield below(path, relative), entry.kind


@define(eq=False)
class _Hash:
    """The digest of one file, here when `known` is set: in hex and by whom it was made, or why there is none.

    `path` is None when the walk itself failed; `link`: where it leads may be nowhere, or a directory.
    """

    path: str | None
    known: trio.Event
    link: bool = False
    digest: str = ""
    by: str = "server"
    error: Exception | None = None


async def _hash_all(session: Session, client: Client, paths: AsyncIterator[tuple[str, Kind]], algorithm: str) -> None:
    """Hash as many at once as -P says, and tell of them in the order of `paths`."""
    import trio

    from ftlite.client import ClientError
    from ftlite.client.nursery import open_plain_nursery

    free = trio.Semaphore(session.options.parallel)
    send, receive = trio.open_memory_channel[_Hash](2 * session.options.parallel)

    async def work(one: _Hash) -> None:
        try:
            await _hash_one(session, client, one, algorithm)
        except (ClientError, CliError) as error:
            one.error = error
        finally:
            free.release()
            one.known.set()

    async def walk() -> None:
        async with send:
            try:
                async for path, kind in paths:
                    if kind is Kind.OTHER:
                        report.left_out(session.voice, path)
                        continue
                    await free.acquire()
                    one = _Hash(path, trio.Event(), link=kind is Kind.LINK)
                    nursery.start_soon(work, one)
                    await send.send(one)
            except ClientError as error:  # what was found before is told first
                await send.send(_Hash(None, trio.Event(), error=error))

    async with open_plain_nursery() as nursery:
        nursery.start_soon(walk)
        async for one in receive:
            if one.path is None:
                assert one.error is not None
                raise one.error
            await one.known.wait()
            await session.attempt(_tell_hash(session, one, algorithm), path=one.path)


async def _hash_one(session: Session, client: Client, one: _Hash, algorithm: str) -> None:
    from ftlite.client import Unsupported
    from ftlite.client.digests import hasher

    assert one.path is not None
    try:
        async with wanting_a_file(client, one.path, "-r hashes all below it"):
            one.digest = await client.hash(one.path, algorithm)
    except Unsupported:
        session.voice.detail(
            f"{one.path}: the server makes no {algorithm} digest; fetching the file to hash it here"
        )
        state = hasher(algorithm)
        await client.get_stream(one.path, state.update)
        one.digest, one.by = state.hexdigest(), "client"


async def _tell_hash(session: Session, one: _Hash, algorithm: str) -> None:
    voice = session.voice
    assert one.path is not None
    if one.error is not None:
        if one.link and (isinstance(one.error, CliError) or getattr(one.error, "reply", None) is not None):
            report.left_out(voice, one.path)
            return
        raise one.error
    if voice.json:
        voice.event("hash", path=one.path, algorithm=algorithm, digest=one.digest, by=one.by)
    else:
        voice.line(checksum_line(one.digest, one.path))
    voice.succeeded()
