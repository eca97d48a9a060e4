"""What commands that only a shell has are made with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import click

from ftlite.cli.exits import CliError
from ftlite.cli.session import Action, Session, perform, voice_for
from ftlite.cli.surroundings import here
from ftlite.cli.voice import Voice
from ftlite.client import Client
from ftlite.shell.place import Here, Site
from ftlite.shell.shell import Shell


def standing() -> Here:
    """The surroundings of the command that is being parsed."""
    place = here()
    assert isinstance(place, Here)
    return place


def action(name: str, work: Callable[[Shell, Voice], Awaitable[None]]) -> Action:
    """The last line of a command: `work` is to be done in its shell."""
    shell = standing().shell

    async def inside(session: Session) -> None:
        await work(shell, session.voice)

    options = shell.options
    return perform(options, voice_for(name, options), [], inside)


def open_site(shell: Shell) -> Site:
    """The site that is open. CliError USAGE when none is."""
    if shell.site is None:
        raise CliError("USAGE", "no server is open; 'open ADDRESS' goes to one")
    return shell.site


async def client_of(shell: Shell, voice: Voice) -> Client:
    """The client of the site that is open, connected again if need be. CliError, ClientError."""
    address, options = open_site(shell).address, shell.options
    await shell.servers.know(address, options, voice)  # not known yet under terms that were set since
    return await shell.servers.client(address, options, voice)


#: For commands that take words as they are, flags and all.
RAW: dict[str, Any] = {"ignore_unknown_options": True, "allow_interspersed_args": False}

Words = click.UNPROCESSED
