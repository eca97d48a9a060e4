"""``ftlite bookmark``: the sites of a person, servers with names."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ftlite.cli import places
from ftlite.cli.exits import CliError
from ftlite.protocol.text import printable

if TYPE_CHECKING:
    from ftlite.config.sites import Sites


@click.group(invoke_without_command=True)
@click.pass_context
def bookmark(context: click.Context) -> None:
    """Give servers names: 'build7:' is then an address, wherever one is asked for.

    Without a command: list them. They stand in sites.toml, where every flag can be set for one of them.
    """
    if context.invoked_subcommand is None:
        context.invoke(ls)


@bookmark.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, the last one a summary.")
def ls(as_json: bool = False) -> int:
    """List the names, and what they stand for."""
    sites = _sites().all()
    width = max(map(len, sites), default=0)
    for name, site in sites.items():
        if as_json:
            sys.stdout.write(json.dumps({"event": "site", "name": name, "address": site.address}) + "\n")
        else:
            flags = " ".join(_shown(key, value) for key, value in site.given().items())
            local = f"  local: {site.local}" if site.local is not None else ""
            sys.stdout.write(printable(f"{name:<{width}}  {site.address}{local}{f'  {flags}' if flags else ''}") + "\n")
    _summary("ls", as_json)
    if not sites and not as_json:
        click.echo("no sites yet; 'ftlite bookmark add NAME ADDRESS' makes one", err=True)
    return 0


@bookmark.command()
@click.argument("name")
@click.argument("address")
@click.option("--local", type=click.Path(path_type=Path), metavar="DIR", help="The directory here that goes with it.")
@click.option("--replace", "over", is_flag=True, help="In the place of the one that has the name.")
def add(name: str, address: str, local: Path | None, over: bool) -> int:
    """Let NAME stand for ADDRESS: a server, with the directory that paths start from."""
    from ftlite.client.address import parse_address
    from ftlite.client.errors import ClientError

    try:
        parse_address(address)  # a password in it is refused, and not repeated
    except ClientError as error:
        raise click.UsageError(str(error)) from None
    values: dict[str, Any] = {"address": address}
    if local is not None:
        values["local"] = str(local.absolute())
    sites = _sites()
    if name in sites.all() and not over:
        raise CliError("EXISTS", f"there is a site {name!r} already; --replace puts this one in its place")
    sites.add(name, values, replace=over)
    return _done(f"{name}: is {address} now; flags for it can be set in {sites.path}")


@bookmark.command()
@click.argument("name")
def rm(name: str) -> int:
    """Forget the site NAME."""
    sites = _known(name)
    sites.remove(name)
    return _done(f"{name} is forgotten")


@bookmark.command()
@click.argument("name")
@click.argument("new")
def mv(name: str, new: str) -> int:
    """Give the site NAME the name NEW."""
    sites = _known(name)
    if new in sites.all():
        raise CliError("EXISTS", f"there is a site {new!r} already; 'ftlite bookmark rm {new}' forgets it")
    sites.rename(name, new)
    return _done(f"{name} is {new} now")


def _sites() -> Sites:
    from ftlite.config.sites import Sites

    return Sites(places.sites_file())


def _known(name: str) -> Sites:
    sites = _sites()
    if name not in sites.all():
        raise CliError("NOT_FOUND", f"there is no site {name!r} in {sites.path}; 'ftlite bookmark ls' lists them")
    return sites


def _shown(key: str, value: object) -> str:
    flag = f"--{key.replace('_', '-')}"
    return flag if value is True else f"{flag}={value}"


def _done(text: str) -> int:
    click.echo(printable(text), err=True)
    return 0


def _summary(command: str, as_json: bool) -> None:
    if as_json:
        summary = {"event": "summary", "command": f"bookmark {command}", "ok": True, "exit": 0}
        sys.stdout.write(json.dumps(summary) + "\n")
