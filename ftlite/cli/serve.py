"""``ftlite serve``: flags, environment and a file become one `ServerConfig`; the first start makes what is missing."""

from __future__ import annotations

import functools
import os
import re
import resource
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import evolve, frozen

from ftlite.cli import places
from ftlite.cli.credentials import ask_password, password_from_file
from ftlite.cli.exits import CliError
from ftlite.cli.flags import FILE, duration, flag
from ftlite.cli.run import started

if TYPE_CHECKING:
    from ftlite.config.models import Endpoint, ServerConfig, User
    from ftlite.net.tls import ServerTls

FIRST_ACCOUNT = "ftlite"
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # nothing that a person mistakes for its neighbour
_server = functools.partial(flag, "FTLITE_SERVE")


@click.command()
@click.argument("root", required=False, type=click.Path(path_type=Path))
@_server("--listen", multiple=True, metavar="HOST:PORT", help="Where to listen; [::]:2121 unless given. Repeatable.")
@_server("--implicit", multiple=True, metavar="HOST:PORT", help="Listen here too, with TLS from the first byte.")
@_server("--user", metavar="NAME", help="An account for this run alone, beside the ones that are kept.")
@_server("--password-file", type=FILE, metavar="FILE", help="Its password; also FTLITE_SERVE_PASSWORD, or asked for.")
@_server("--anonymous", is_flag=True, help="Anybody may read, under the name anonymous.")
@_server("--tls", type=click.Choice(["off", "optional", "required"]), help="Whether sessions are encrypted; required.")
@_server("--cert", type=FILE, metavar="FILE", help="PEM certificate chain, instead of a self-signed one.")
@_server("--key", type=FILE, metavar="FILE", help="PEM key of --cert.")
@_server("--config", type=FILE, metavar="FILE", help="TOML; what is given here wins over it.")
@_server("--state-dir", type=click.Path(path_type=Path), metavar="DIR", help="Where certificate and accounts are kept.")
@_server("--passive-ports", metavar="A-B", help="Ports for data connections, for a firewall to let through.")
@_server("--passive-address", metavar="IPV4", help="The address that PASV names, behind NAT.")
@_server("--drain", type=duration, metavar="TIME", help="How long SIGTERM lets transfers run; 30s.")
@_server("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Of stderr.")
@_server("--allow-root", is_flag=True, help="Run as root all the same.")
def serve(**given: Any) -> int:
    """Serve the directory ROOT.

    ROOT alone is enough: the first start makes a certificate and an account with a random password, keeps them in the
    state directory, and prints how to connect. SIGTERM lets transfers end, a second one does not; SIGHUP takes
    accounts and certificate afresh.
    """
    flags = _Flags(**given)
    if os.geteuid() == 0 and not flags.allow_root:
        raise CliError("USAGE", "this is root, and a file server needs no such power; run it as a user of its own, "
                       "or say --allow-root")  # fmt: skip
    config = _configuration(flags)
    _check_places(config)
    _raise_descriptor_limit()

    import trio

    from ftlite.cli.announce import Welcome
    from ftlite.cli.serving import Plan, serve_until_stopped
    from ftlite.cli.systemd import inherited_sockets
    from ftlite.server import EventLog

    passing = _passing_users(flags)
    users = functools.partial(_users, flags, passing)
    password = None
    if not users():
        password = _first_account(config)
    as_json = flags.log_format == "json"
    log = EventLog(sys.stderr, json_lines=as_json)
    try:
        tls = _tls(config)
        if tls is not None and tls.warning is not None:
            log.event("tls.warning", text=tls.warning)
        found = users()
        welcome = Welcome(_named(found), password, tls.pin if tls is not None else None)
        plan = Plan(evolve(config, users=tuple(found.values())), tls, users, welcome, inherited_sockets(), as_json)
        started()
        return trio.run(serve_until_stopped, plan, log)
    finally:
        log.close()


@frozen
class _Flags:
    """The flags as click gives them; None and empty where nothing was said."""

    root: Path | None
    listen: tuple[str, ...]
    implicit: tuple[str, ...]
    user: str | None
    password_file: Path | None
    anonymous: bool
    tls: str | None
    cert: Path | None
    key: Path | None
    config: Path | None
    state_dir: Path | None
    passive_ports: str | None
    passive_address: str | None
    drain: float | None
    log_format: str
    allow_root: bool


def _configuration(flags: _Flags) -> ServerConfig:
    """File, then flags over it. ConfigError and usage errors name what is wrong."""
    from ftlite.config.errors import ConfigError
    from ftlite.config.load import load_server
    from ftlite.config.models import TlsMode

    passive: dict[str, Any] = {"address": flags.passive_address}
    if flags.passive_ports is not None:
        passive["first"], passive["last"] = parse_ports(flags.passive_ports)
    load = functools.partial(
        load_server,
        flags.config,
        root=flags.root.absolute() if flags.root is not None else None,
        listen=tuple(parse_endpoint(text) for text in flags.listen) or None,
        tls={"mode": TlsMode(flags.tls) if flags.tls else None, "certificate": flags.cert, "key": flags.key},
        passive=passive,
        drain=flags.drain,
    )
    config = with_state_dir(load, flags.state_dir)
    implicit = tuple(parse_endpoint(text, implicit=True) for text in flags.implicit)
    if implicit and config.tls.mode is TlsMode.OFF:
        raise ConfigError(flags.config, "tls.mode", "must not be 'off' beside --implicit, which listens with TLS")
    return evolve(config, listen=config.listen + implicit)


def with_state_dir(load: functools.partial[ServerConfig], given: Path | None) -> ServerConfig:
    """`load` with the state directory given, else the file's, else the usual one."""
    from ftlite.config.errors import ConfigError

    try:
        return load(state_dir=given.absolute() if given is not None else None)
    except ConfigError as error:
        if error.key != "state_dir" or given is not None:
            raise
        return load(state_dir=places.server_state())


def parse_endpoint(text: str, *, implicit: bool = False) -> Endpoint:
    """``HOST:PORT``, ``[IPV6]:PORT``, ``:PORT`` or ``PORT``; a usage error for anything else."""
    from ftlite.config.models import Endpoint

    match = re.fullmatch(r"(?:(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^:\[\]]*)):)?(?P<port>[0-9]{1,5})", text)
    if match is None or int(match["port"]) > 65535:
        raise click.UsageError(f"{text!r} is no address to listen on; write HOST:PORT, with IPv6 as [::1]:2121")
    return Endpoint(match["v6"] or match["host"] or "::", int(match["port"]), implicit)


def parse_ports(text: str) -> tuple[int, int]:
    """``A-B``, or one port; a usage error for anything else."""
    match = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 0 < first <= last <= 65535:
        raise click.UsageError(f"{text!r} is no range of ports; write FIRST-LAST, as in 50000-50999")
    return first, last


def _check_places(config: ServerConfig) -> None:
    """The root must be there; the state directory must not lie where clients could read or replace it."""
    if not config.root.is_dir():
        outcome, cause = ("USAGE", "is no directory") if config.root.exists() else ("NOT_FOUND", "is not there")
        raise CliError(outcome, f"{config.root} {cause}; name a directory to serve")
    root, state = config.root.resolve(), config.state_dir.resolve()
    if state == root or root in state.parents:
        raise CliError("USAGE", f"the state directory {config.state_dir} lies in what is served, and it holds keys and "
                       "accounts; name one elsewhere with --state-dir")  # fmt: skip
    config.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)


def _raise_descriptor_limit() -> None:
    """Every session and transfer takes descriptors; the soft limit is there for programs that use select()."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _tls(config: ServerConfig) -> ServerTls | None:
    from ftlite.config.models import TlsMode
    from ftlite.net.tls import ServerTls, ensure_self_signed

    if config.tls.mode is TlsMode.OFF:
        return None
    certificate, key = config.tls.certificate, config.tls.key
    if certificate is None or key is None:
        certificate, key = ensure_self_signed(config.state_dir)
    return ServerTls(certificate, key, config.state_dir, config.tls.minimum)


def _passing_users(flags: _Flags) -> dict[str, User]:
    """The accounts that this run has and no file keeps."""
    from ftlite.config.models import User
    from ftlite.gate.passwords import hash_password

    users: dict[str, User] = {}
    if flags.anonymous:
        users["anonymous"] = User.for_anonymous()
    if flags.user is not None:
        password = os.environ.get("FTLITE_SERVE_PASSWORD")
        if flags.password_file is not None:
            password = password_from_file(flags.password_file)
        password = password or ask_password(f"Password for the account {flags.user}: ")
        if not password:
            raise click.UsageError(f"--user {flags.user} needs a password; name a file with --password-file")
        users[flags.user] = User(name=flags.user, password=hash_password(password))
    return users


def _users(flags: _Flags, passing: Mapping[str, User]) -> dict[str, User]:
    """All accounts as they are now: kept ones, the file's over them, this run's over both."""
    from ftlite.config.accounts import Accounts

    config = _configuration(flags)
    kept = Accounts(places.accounts_file(config.state_dir)).load()
    return {**kept, **{user.name: user for user in config.users}, **passing}


def _first_account(config: ServerConfig) -> str:
    """Keep one account with a random password, and give that password."""
    from ftlite.config.accounts import Accounts
    from ftlite.config.models import User
    from ftlite.gate.passwords import hash_password

    password = random_password()
    Accounts(places.accounts_file(config.state_dir)).add(User(name=FIRST_ACCOUNT, password=hash_password(password)))
    return password


def random_password() -> str:
    """100 bits, in four groups that can be read out loud."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(4))


def _named(users: Mapping[str, User]) -> str | None:
    """The account to show people: the one there is, or the one that is no stranger's."""
    names = [name for name, user in users.items() if not user.anonymous] or list(users)
    return names[0] if len(names) == 1 else None
