"""``ftlite trust``: the servers whose keys are remembered, and how to forget one."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from ftlite.cli import places
from ftlite.cli.exits import CliError
from ftlite.protocol.text import printable

if TYPE_CHECKING:
    from ftlite.client.known import Known, KnownServers


@click.group(invoke_without_command=True)
@click.pass_context
def trust(context: click.Context) -> None:
    """Look after the keys of servers that were met before. Without a command: list them."""
    if context.invoked_subcommand is None:
        context.invoke(ls)


@trust.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, the last one a summary.")
def ls(as_json: bool = False) -> int:
    """List servers: by what they are trusted, since when, and whether they speak native."""
    servers = _known().servers()
    width = max((len(known.name) for known in servers), default=0)
    for known in servers:
        if as_json:
            sys.stdout.write(json.dumps({"event": "server", **_facts(known)}) + "\n")
        else:
            facts = [known.word, f"since={known.since}" if known.since else "", "native" if known.native else ""]
            sys.stdout.write(printable(f"{known.name:<{width}}  {' '.join(filter(None, facts))}") + "\n")
    if as_json:
        sys.stdout.write(json.dumps({"event": "summary", "command": "trust ls", "ok": True, "exit": 0}) + "\n")
    return 0


@trust.command()
@click.argument("server")
@click.argument("pin")
def add(server: str, pin: str) -> int:
    """Trust SERVER by the key PIN (sha256//...), which its owner told."""
    from ftlite.client.errors import ClientError
    from ftlite.client.trust import parse_pin

    try:
        word = parse_pin(pin)
    except ClientError as error:
        raise click.UsageError(str(error)) from None
    name = _name(server)
    _known().record(name, word)
    return _done(f"{name} is trusted by {word}")


@trust.command()
@click.argument("server")
def rm(server: str) -> int:
    """Forget SERVER: HOST:PORT as 'ls' shows it, HOST for all its ports, an address, or the name of a site."""
    known = _known()
    names = {each.name for each in known.servers()}
    host = server.lower().rstrip(".")
    found = [name for name in names if name == host or name.rpartition(":")[0] in (host, f"[{host}]")]
    if not found:
        found = [name for name in (_name(server),) if name in names]
    if not found:
        raise CliError("NOT_FOUND", f"{server} is not in {known.path}; 'ftlite trust ls' lists who is")
    for name in found:
        known.forget(name)
        _done(f"{name} is forgotten; its key is asked for again")
    return 0


def _known() -> KnownServers:
    from ftlite.client.known import KnownServers

    return KnownServers(places.known_servers())


def _name(server: str) -> str:
    """What known_servers calls the server of an address, a site, or HOST:PORT."""
    from ftlite.cli.session import address_of
    from ftlite.client.known import server_name

    host, colon, port = server.rpartition(":")
    if colon and "/" not in server and port.isascii() and port.isdigit() and "@" not in server:
        return server_name(host.removeprefix("[").removesuffix("]"), int(port))
    address = address_of(server)
    site = getattr(address, "site", None)
    return server_name(address.host, site.port if site is not None and site.port else address.effective_port)


def _facts(known: Known) -> dict[str, object]:
    facts: dict[str, object] = {"server": known.name, "trusted_by": known.word, "native": known.native}
    return facts if known.since is None else {**facts, "since": known.since}


def _done(text: str) -> int:
    click.echo(printable(text), err=True)
    return 0
