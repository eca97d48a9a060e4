"""``open``, ``close``, ``cd``, ``cdup``, ``pwd``, ``lcd``, ``lpwd``, ``exit``: where one stands, there and here."""

from __future__ import annotations

import os
from typing import Any

import click
import trio
from attrs import evolve

from ftlite.cli.exits import CliError
from ftlite.cli.flags import client_flags, typed_flags
from ftlite.cli.options import Options
from ftlite.cli.session import Done, Session, perform, voice_for
from ftlite.cli.targets import is_directory
from ftlite.cli.voice import Voice
from ftlite.client import Client
from ftlite.client.address import Address
from ftlite.client.errors import ClientError, Outcome, from_reply
from ftlite.client.session import Session as ClientSession
from ftlite.protocol.errors import ProtocolError
from ftlite.protocol.text import unquote_path
from ftlite.shell.inside import action, client_of, open_site, standing
from ftlite.shell.place import Site
from ftlite.shell.shell import Shell


async def enter(shell: Shell, session: Session, address: Address, settings: dict[str, Any]) -> None:
    """Make `address` the place where `shell` stands; where it stood before stays if that fails. ClientError."""
    client = await session.client(address)
    home = await client.run(_working_directory)
    base = evolve(address, path=home)
    site = Site(base, home, home, shell.last_directory(base) or home, client.secured, client.native, settings)
    if address.path:
        site.cwd = await directory(client, site.path(address.path))
    shell.site = site


async def _working_directory(session: ClientSession) -> str:
    """RFC 959 PWD. A server that says nothing that can be read is taken to begin at the root."""
    answer = await session.ask("PWD")
    if not answer.completed:
        return "/"
    try:
        path = unquote_path(answer.first)
    except ProtocolError:
        return "/"
    return path if path.startswith("/") else f"/{path}"


async def directory(client: Client, path: str) -> str:
    """`path`, when a directory stands there, as the server calls it where only going there tells. ClientError."""
    plain = path.rstrip("/") or "/"
    if client.native or client.features.has("MLST"):
        if not is_directory(await client.stat(plain)):
            raise ClientError(Outcome.USAGE, f"{plain} is no directory")
        return plain

    async def go(session: ClientSession) -> str:
        async with session.inside(plain):
            answer = await session.ask("PWD")
            if not answer.completed:
                raise from_reply(plain, "PWD", answer)
            try:
                return unquote_path(answer.first)
            except ProtocolError:
                return plain

    return await client.run(go)


@click.command("open")
@click.argument("address")
@client_flags("parallel", "limit_rate", "require", "digest")
def open_(options: Options, address: str) -> Done:
    """Go to the server at ADDRESS, and to the directory that it names.

    The flags hold for all commands until another server is opened.
    """
    shell = standing().shell
    target = shell.address(address)
    settings = typed_flags(options)
    voice = voice_for("open", options)

    async def work(session: Session) -> None:
        await enter(shell, session, target, settings)
        await shell.arrived(voice)

    return perform(options, voice, [target], work)


@click.command()
def close() -> Done:
    """Leave the server. What runs there goes on."""

    async def work(shell: Shell, voice: Voice) -> None:
        shell.remember()
        open_site(shell)
        shell.site = None

    return action("close", work)


@click.command()
@click.argument("directory_", metavar="[DIRECTORY]", required=False)
def cd(directory_: str | None) -> Done:
    """Go to DIRECTORY; without one, to the login directory; 'cd -' to the one before."""
    place = standing()

    async def work(shell: Shell, voice: Voice) -> None:
        site = open_site(shell)
        if directory_ == "-":
            path = site.previous
        elif directory_ is None:
            path = site.home
        else:
            path = place.address(directory_).path
        there = await directory(await client_of(shell, voice), path)
        site.previous, site.cwd = site.cwd, there
        shell.remember()
        if directory_ == "-":
            voice.line(there)

    return action("cd", work)


@click.command()
def cdup() -> Done:
    """Go to the directory above."""

    async def work(shell: Shell, voice: Voice) -> None:
        site = open_site(shell)
        there = await directory(await client_of(shell, voice), site.path(".."))
        site.previous, site.cwd = site.cwd, there
        shell.remember()

    return action("cdup", work)


@click.command()
@click.option("-a", "--address", "whole", is_flag=True, help="As an address, for the command line.")
def pwd(whole: bool) -> Done:
    """Say which directory of the server one stands in."""

    async def work(shell: Shell, voice: Voice) -> None:
        site = open_site(shell)
        voice.line(str(evolve(site.address, path=site.cwd)) if whole else site.cwd)

    return action("pwd", work)


@click.command()
@click.argument("directory_", metavar="[DIRECTORY]", required=False)
def lcd(directory_: str | None) -> Done:
    """Go to the local DIRECTORY; without one, home; 'lcd -' to the one before."""
    place = standing()

    async def work(shell: Shell, voice: Voice) -> None:
        here = os.getcwd()
        if directory_ == "-":
            if shell.local_before is None:
                raise CliError("USAGE", "there is no local directory before this one")
            path = shell.local_before
        else:
            path = str(place.local(directory_ or "~"))
        await trio.to_thread.run_sync(os.chdir, path)
        shell.local_before = here
        if directory_ == "-":
            voice.line(path)

    return action("lcd", work)


@click.command()
def lpwd() -> Done:
    """Say which local directory one is in."""

    async def work(shell: Shell, voice: Voice) -> None:
        voice.line(os.getcwd())

    return action("lpwd", work)


@click.command("exit")
@click.argument("code", type=click.IntRange(0, 255), default=0, metavar="[CODE]")
def exit_(code: int) -> Done:
    """Leave the shell, with exit code CODE. What runs in the background is waited for in a script; on a terminal
    it is ended, after a question."""

    async def work(shell: Shell, voice: Voice) -> None:
        shell.leaving = code

    return action("exit", work)


