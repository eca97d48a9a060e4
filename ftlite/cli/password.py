"""``ftlite password``: passwords in the keyring of the desktop, for ``--keyring``."""

from __future__ import annotations

import sys

import click

from ftlite.cli import keyring
from ftlite.cli.credentials import ask_password
from ftlite.cli.exits import CliError
from ftlite.protocol.text import printable


@click.group()
def password() -> None:
    """Keep passwords in the desktop's keyring (pip install 'ftlite[keyring]'), where --keyring finds them.

    To use it always, write 'keyring = true' for a site in sites.toml, or for all in config.toml.
    """


@password.command(name="set")
@click.argument("address")
def set_(address: str) -> int:
    """Keep the password for USER@HOST in ADDRESS. It is asked for, or read from standard input."""
    user, host = _account(address)
    if sys.stdin.isatty():
        typed = ask_password(f"Password for {printable(user)}@{host}: ")
    else:
        typed = sys.stdin.readline(4096).rstrip("\r\n")
    if not typed:
        raise CliError("USAGE", "no password was given; type it, or write it to standard input")
    keyring.keep(user, host, typed)
    click.echo(printable(f"the keyring holds the password for {user}@{host}; --keyring looks there"), err=True)
    return 0


@password.command()
@click.argument("address")
def rm(address: str) -> int:
    """Remove the password for USER@HOST in ADDRESS."""
    user, host = _account(address)
    keyring.forget(user, host)
    click.echo(printable(f"the keyring holds no password for {user}@{host} any more"), err=True)
    return 0


def _account(text: str) -> tuple[str, str]:
    from ftlite.cli.session import address_of

    address = address_of(text)
    if address.user is None:
        raise CliError("USAGE", f"{text} names no user; write USER@{address.host}")
    return address.user, address.host
