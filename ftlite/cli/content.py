"""``ftlite cat`` and ``ftlite hash``: the contents of files, and what they amount to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import click

from ftlite.cli import report
from ftlite.cli.digests import ALGORITHMS, checksum_line
from ftlite.cli.flags import Options, client_flags, flag
from ftlite.cli.session import Session, address_of, perform, voice_for
from ftlite.cli.streams import to_stdout
from ftlite.cli.targets import below, is_directory, wanting_a_file

if TYPE_CHECKING:
    from ftlite.client import Client
    from ftlite.client.address import Address


@click.command()
@click.argument("address", nargs=-1, required=True)
@client_flags("limit_rate", "require")
def cat(options: Options, address: tuple[str, ...]) -> int:
    """Write the files at ADDRESS to stdout, one after the other. The exit code tells whether all came whole."""
    if options.json:
        raise click.UsageError("--json does not go with cat: stdout carries the files; use get --json")
    sources = [address_of(text) for text in address]
    voice = voice_for("cat", options)

    async def one(session: Session, source: Address) -> None:
        client = await session.client(source)
        async with wanting_a_file(client, source.path, "cat writes files"):
            result = await to_stdout(client, source.path, voice)
        report.transferred(voice, result, path=source.path, loud=False)

    async def work(session: Session) -> None:
        for source in sources:
            await session.attempt(one(session, source), path=source.path)

    return perform(options, voice, sources, work)


@click.command("hash")
@click.argument("address", nargs=-1, required=True)
@flag("FTLITE", "-a", "--algorithm", type=click.Choice(ALGORITHMS), default="sha256", show_default=True)
@client_flags("recursive", "limit_rate")
def hash_(options: Options, address: tuple[str, ...], algorithm: str) -> int:
    """Print the digest of the files at ADDRESS, as sha256sum does and as its -c reads.

    The server computes it where it can; a file on any other server is fetched, and hashed here.
    """
    sources = [address_of(text) for text in address]
    voice = voice_for("hash", options)

    async def work(session: Session) -> None:
        for source in sources:
            client = await session.client(source)
            async for path in _files(client, source.path, options.recursive):
                await session.attempt(_hash_one(session, client, path, algorithm), path=path)

    return perform(options, voice, sources, work)


async def _files(client: Client, path: str, recursive: bool) -> AsyncIterator[str]:
    if not recursive:
        yield path
        return
    async for relative, entry in client.walk(path):
        if not is_directory(entry):
            yield below(path, relative)


async def _hash_one(session: Session, client: Client, path: str, algorithm: str) -> None:
    from ftlite.client import Unsupported
    from ftlite.client.digests import hasher

    voice = session.voice
    try:
        async with wanting_a_file(client, path, "-r hashes all below it"):
            digest, where = await client.hash(path, algorithm), "server"
    except Unsupported:
        voice.detail(f"{path}: the server makes no {algorithm} digest; fetching the file to hash it here")
        state = hasher(algorithm)
        async with client.download(path) as download:
            async for block in download:
                state.update(block)
        digest, where = state.hexdigest(), "client"
    voice.succeeded()
    if voice.json:
        voice.event("hash", path=path, algorithm=algorithm, digest=digest, by=where)
    else:
        voice.line(checksum_line(digest, path))
