"""``ftlite user``: the accounts in a server's state directory."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import evolve

from ftlite.cli import places
from ftlite.cli.credentials import ask_password, password_from_file
from ftlite.cli.exits import CliError
from ftlite.cli.flags import FILE, flag
from ftlite.cli.options import PASSWORD
from ftlite.protocol.text import printable

if TYPE_CHECKING:
    from ftlite.config.accounts import Accounts
    from ftlite.config.models import Rule

_server = functools.partial(flag, "FTLITE_SERVE")
_client = functools.partial(flag, "FTLITE")


def _where(function: Callable[..., Any]) -> Callable[..., Any]:
    """--state-dir and --config, in the server's words; the command gets `accounts`."""

    @functools.wraps(function)
    def found(state_dir: Path | None, config: Path | None, **given: Any) -> Any:
        return function(_accounts(state_dir, config), **given)

    directory = click.Path(path_type=Path)
    named = _server("--config", type=FILE, metavar="FILE", help="The server's TOML file, if that names the directory.")
    placed = _server("--state-dir", type=directory, metavar="DIR", help="The server's state directory.")
    return placed(named(found))


def _password_flags(function: Callable[..., Any]) -> Callable[..., Any]:
    read = _client("--password-file", type=FILE, metavar="FILE", help="Read the password from its first line.")
    made = click.option("--generate", is_flag=True, help="Make up a password and print it.")
    return read(made(function))


@click.group()
def user() -> None:
    """Manage the accounts that a server keeps in its state directory.

    A running server takes changes up at SIGHUP.
    """


@user.command()
@click.argument("name")
@click.option("--root", default=".", metavar="DIR", help="Directory below the served one that is all the user sees.")
@click.option("--home", default="/", metavar="PATH", help="Where sessions start, within that.")
@click.option("--allow", multiple=True, metavar="PATH=RIGHTS", help="Rights at and below PATH, as in '/=read' or "
              "'/in=list put'; the longest path that fits decides. Repeatable; all rights unless given.")  # fmt: skip
@_password_flags
@_where
def add(
    accounts: Accounts,
    name: str,
    root: str,
    home: str,
    allow: tuple[str, ...],
    password_file: Path | None,
    generate: bool,
) -> None:
    """Add the account NAME."""
    from ftlite.config.models import Rule, User
    from ftlite.gate.passwords import hash_password

    _check_name(name)
    rules = tuple(_rule(text) for text in allow) or (Rule(),)
    try:
        account = User(name=name, root=root, home=home, rules=rules)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if name in accounts.load():
        raise CliError("EXISTS", f"there is an account {name!r} already; 'ftlite user passwd' changes its password")
    password = _password(name, password_file, generate)
    accounts.add(evolve(account, password=hash_password(password)))
    _done(f"added {name}")


@user.command()
@click.argument("name")
@_password_flags
@_where
def passwd(accounts: Accounts, name: str, password_file: Path | None, generate: bool) -> None:
    """Give the account NAME another password."""
    from ftlite.gate.passwords import hash_password

    _must_exist(accounts, name)
    accounts.set_password(name, hash_password(_password(name, password_file, generate)))
    _done(f"changed the password of {name}")


@user.command()
@click.argument("name")
@_where
def rm(accounts: Accounts, name: str) -> None:
    """Remove the account NAME. Its files stay."""
    _must_exist(accounts, name)
    accounts.remove(name)
    _done(f"removed {name}")


@user.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@_where
def ls(accounts: Accounts, as_json: bool) -> None:
    """List the accounts with their directories and rights."""
    from ftlite.config.rights import format_rights

    for account in accounts.list():
        rules = {rule.path: format_rights(rule.allow) for rule in account.rules}
        if as_json:
            facts = {"name": account.name, "root": account.root, "home": account.home, "rules": rules}
            sys.stdout.write(json.dumps({"event": "account", **facts}) + "\n")
        else:
            shown = ", ".join(f"{path}={words}" for path, words in rules.items())
            sys.stdout.write(printable(f"{account.name}  root={account.root}  home={account.home}  {shown}") + "\n")
    if as_json:
        sys.stdout.write(json.dumps({"event": "summary", "command": "user ls", "ok": True, "exit": 0}) + "\n")


def _accounts(state_dir: Path | None, config: Path | None) -> Accounts:
    from ftlite.cli.serve import with_state_dir
    from ftlite.config.accounts import Accounts
    from ftlite.config.load import load_server

    # The root is the server's affair: any will do to read the rest of its file.
    found = with_state_dir(functools.partial(load_server, config, root=Path("/")), state_dir)
    return Accounts(places.accounts_file(found.state_dir))


def _check_name(name: str) -> None:
    if not name or len(name) > 64 or not name.isprintable() or name != name.strip():
        raise click.UsageError(f"{printable(name)!r} is no account name; use at most 64 printable characters")


def _must_exist(accounts: Accounts, name: str) -> None:
    if name not in accounts.load():
        raise CliError("NOT_FOUND", f"there is no account {name!r} in {accounts.path}; 'ftlite user ls' lists them")


def _rule(text: str) -> Rule:
    from ftlite.config.models import Rule
    from ftlite.config.rights import parse_rights

    path, equals, words = text.partition("=")
    if not equals or not path.startswith("/"):
        raise click.UsageError(f"--allow {text!r}: write PATH=RIGHTS with an absolute path, as in '/in=list put'")
    try:
        return Rule(path.rstrip("/") or "/", parse_rights(words))
    except ValueError as error:
        raise click.UsageError(f"--allow {text!r}: {error}") from None


def _password(name: str, file: Path | None, generate: bool) -> str:
    """The new password: from a file, made up, from FTLITE_PASSWORD, or typed twice."""
    if file is not None:
        return password_from_file(file)
    if generate:
        from ftlite.cli.serve import random_password

        password = random_password()
        sys.stdout.write(password + "\n")
        return password
    if os.environ.get(PASSWORD):
        return os.environ[PASSWORD]
    typed = ask_password(f"New password for {printable(name)}: ")
    if not typed:
        raise click.UsageError("no password was given; use --password-file, --generate or FTLITE_PASSWORD")
    if ask_password("The same again: ") != typed:
        raise click.UsageError("the two passwords differ; nothing was changed")
    return typed


def _done(text: str) -> None:
    click.echo(f"{printable(text)}; a running server takes it up at SIGHUP", err=True)
