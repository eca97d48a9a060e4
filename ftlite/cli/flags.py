"""Every flag of the client commands, declared once, with its environment variable.

A flag ``--stall-timeout`` is also ``FTLITE_STALL_TIMEOUT`` (for `serve`: ``FTLITE_SERVE_...``); what is typed wins.
Behind both come a site and config.toml (`ftlite.cli.defaults`). Flags that take more than one value take them from the
environment separated by spaces.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from attrs import fields
from click.core import ParameterSource

from ftlite.cli.defaults import with_config
from ftlite.cli.options import Options
from ftlite.cli.surroundings import here
from ftlite.config.units import parse_duration, parse_rate

_GIVEN = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(dir_okay=False, path_type=Path)


def duration(value: Any) -> float:
    """Seconds above 0 out of 90, 90s or 5m; what is none of them is a usage error."""
    try:
        seconds = parse_duration(value) if isinstance(value, str) else float(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if seconds <= 0:
        raise click.BadParameter(f"{value!r} is no time to wait: give more than 0, as in 90s or 5m")
    return seconds


def rate(value: Any) -> int:
    """Bytes per second out of 4096, 10M or 10MiB/s; 0 is no limit."""
    try:
        return parse_rate(value) if isinstance(value, str) else int(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def flag(prefix: str, *names: str, **settings: Any) -> Callable[[F], F]:
    """`click.option`, also settable as ``<prefix>_<LONGEST NAME>`` in the environment."""
    long = max((name.split("/")[0] for name in names if name.startswith("--")), key=len)
    variable = f"{prefix}_{long.removeprefix('--').replace('-', '_').upper()}"
    return click.option(*names, envvar=variable, **settings)


_client = functools.partial(flag, "FTLITE")


def _without_password(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """A proxy's password may come from the environment, not from argv, where others can read it."""
    typed = context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
    if value is not None and typed and re.search(r"^(?:[^/@]*//)?[^/]*:[^/]*@", value):
        raise click.BadParameter("holds a password, which others can read in the process list; set FTLITE_PROXY")
    return value


#: Flags that every client command has, in the order of --help.
_COMMON = (
    _client("-q", "--quiet", is_flag=True, help="Say nothing but errors."),
    _client("-v", "--verbose", count=True, help="Say more; twice: show where an unexpected error came from."),
    _client("--json", is_flag=True, help="One JSON object a line on stdout, the last one a summary."),
    _client("--port", type=click.IntRange(1, 65535), metavar="N", help="Port, instead of the address's."),
    _client("--tls", type=click.Choice(["off", "optional", "required"]), default="required", show_default=True,
            help="Encrypt the connection. 'off' sends passwords and files in clear."),
    _client("--cacert", type=FILE, metavar="FILE", help="Trust the certificate authorities in this PEM file."),
    _client("--pin", metavar="sha256//...", help="Trust exactly this public key; 'ftlite serve' prints it."),
    _client("--accept-new", is_flag=True, help="Remember the key of a server that is met for the first time."),
    _client("--password-file", type=FILE, metavar="FILE", help="Read the password from the first line of FILE."),
    _client("--password-command", metavar="CMD", help="Take the password from the first line that CMD prints."),
    _client("--netrc-file", type=FILE, metavar="FILE", help="Instead of ~/.netrc."),
    _client("--keyring", is_flag=True, help="Look into the desktop's keyring too; 'ftlite password set' writes there."),
    _client("--proxy", metavar="URL", callback=_without_password, help="Go through this proxy, or 'none'."),
    _client("--connect-timeout", type=duration, metavar="TIME", default=15.0,
            help="To connect and log in; 15s unless given."),
    _client("--stall-timeout", type=duration, metavar="TIME", default=60.0,
            help="With no byte moving; 60s unless given."),
    _client("--max-time", type=duration, metavar="TIME", help="For everything together."),
    _client("--dialect", type=click.Choice(["stock", "native"]), default=None,
            help="Speak this one. By default native, where the server offers it."),
    _client("--retries", type=click.IntRange(0), default=3, show_default=True, metavar="N",
            help="Tries after the first, for what trying again can heal."),
)

#: Flags that a command asks for by the name of their field.
_EXTRA: dict[str, Callable[[Any], Any]] = {
    "recursive": _client("-r", "--recursive", is_flag=True, help="A directory and all below it."),
    "dry_run": _client("-n", "--dry-run", is_flag=True, help="Say what would be done; change nothing."),
    "resume": _client("-c", "--continue", "resume", is_flag=True, help="Go on where a cut transfer stopped."),
    "parallel": _client("-P", "--parallel", type=click.IntRange(1, 64), default=1, show_default=True, metavar="N",
                        help="Transfers at once: with -r, or streams of one large file (get)."),
    "include": _client("--include", multiple=True, metavar="GLOB", help="With -r: only files that match. Repeatable."),
    "exclude": _client("--exclude", multiple=True, metavar="GLOB",
                       help="With -r: leave out files and directories that match. Repeatable."),
    "files_from": _client("--files-from", type=FILE, metavar="FILE",
                          help="With -r, and of a mirror: only the paths in FILE, one a line, relative to the tree."),
    "from0": _client("--from0", is_flag=True, help="The paths of --files-from end in NUL."),
    "limit_rate": _client("--limit-rate", type=rate, default=0, metavar="RATE", help="Bytes per second, such as 2M."),
    "digest": _client("--digest", type=click.Choice(["sha256", "blake3"]), default="sha256", show_default=True,
                      help="What native transfers are verified by."),
    "require": _client("--require", type=click.Choice(["digest", "size", "none"]), default=None,
                       help="Fail unless at least this much was verified. By default size, where the server tells it."),
}

#: What chooses among the names of a tree.
CHOOSING = ("include", "exclude", "files_from", "from0")
TRANSFER = ("recursive", "dry_run", "resume", "parallel", *CHOOSING, "limit_rate", "require", "digest")


def client_flags(*extra: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare the common flags, and those named in `extra`; the command gets them as its first argument, `Options`."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        names = [field.name for field in fields(Options)]

        @functools.wraps(function)
        def gathered(**given: Any) -> Any:
            place = here().settings
            source = click.get_current_context().get_parameter_source
            declared = [name for name in names if name in given]
            flags = {name: place[name] if name in place and not _typed(name) else given[name] for name in declared}
            settled = frozenset(name for name in declared if name in place or source(name) in _GIVEN)
            rest = {name: value for name, value in given.items() if name not in flags}
            return function(with_config(Options(**flags, settled=settled), declared), **rest)

        decorated: Callable[..., Any] = gathered
        for declare in reversed([*(_EXTRA[name] for name in extra), *_COMMON]):
            decorated = declare(decorated)
        return decorated

    return decorate


def _typed(name: str) -> bool:
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def typed_flags(options: Options) -> dict[str, Any]:
    """Of the command that is being parsed, the options that were typed, by their fields."""
    return {field.name: getattr(options, field.name) for field in fields(Options) if _typed(field.name)}


def every_extra() -> tuple[str, ...]:
    """The names of all flags that a command may ask for."""
    return tuple(_EXTRA)
