"""Every flag is also a variable of the environment, and what is typed wins."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ftlite.cli import COMMANDS
from ftlite.cli.flags import TRANSFER, client_flags
from ftlite.cli.options import Options

#: Flags that mean something only together with what is typed beside them.
TYPED_ONLY = {
    "allow", "as_json", "commands", "generate", "help", "home", "human", "kind", "local",
    "long", "moment", "name", "newer", "no_create", "null", "older", "over", "root", "size", "summarize", "write",
}  # fmt: skip


def flags() -> Iterator[tuple[str, click.Option]]:
    for name, (_, module, attribute) in COMMANDS.items():
        command = getattr(importlib.import_module(module), attribute)
        members = command.commands.values() if isinstance(command, click.Group) else [command]
        for member in members:
            for parameter in member.params:
                if isinstance(parameter, click.Option) and parameter.name not in TYPED_ONLY:
                    yield name, parameter


@pytest.mark.parametrize(("command", "option"), list(flags()), ids=lambda value: getattr(value, "name", value))
def test_every_flag_has_its_variable(command: str, option: click.Option) -> None:
    long = max(option.opts, key=len).removeprefix("--").replace("-", "_").upper()
    assert option.envvar in (f"FTLITE_{long}", f"FTLITE_SERVE_{long}")
    if command == "serve":
        assert option.envvar == f"FTLITE_SERVE_{long}"


@click.command()
@client_flags(*TRANSFER)
def probe(options: Options) -> int:
    click.echo(repr(options))
    return 0


def options(*arguments: str, **environment: str) -> str:
    result = CliRunner().invoke(probe, arguments, env={f"FTLITE_{name}": value for name, value in environment.items()})
    assert result.exit_code == 0, result.output
    return result.output


def test_without_flags_the_defaults_hold() -> None:
    assert options().strip() == repr(Options())


@pytest.mark.parametrize(
    ("typed", "variable", "value", "shown"),
    [
        (["-r"], "RECURSIVE", "1", "recursive=True"),
        (["-n"], "DRY_RUN", "true", "dry_run=True"),
        (["-c"], "CONTINUE", "yes", "resume=True"),
        (["-q"], "QUIET", "1", "quiet=True"),
        (["-vv"], "VERBOSE", "2", "verbose=2"),
        (["--json"], "JSON", "1", "json=True"),
        (["-P", "4"], "PARALLEL", "4", "parallel=4"),
        (["--port", "2121"], "PORT", "2121", "port=2121"),
        (["--limit-rate", "10M"], "LIMIT_RATE", "10M", "limit_rate=10000000"),
        (["--stall-timeout", "2m"], "STALL_TIMEOUT", "2m", "stall_timeout=120.0"),
        (["--max-time", "1h"], "MAX_TIME", "1h", "max_time=3600.0"),
        (["--retries", "0"], "RETRIES", "0", "retries=0"),
        (["--require", "digest"], "REQUIRE", "digest", "require='digest'"),
        (["--tls", "off"], "TLS", "off", "tls='off'"),
        (["--pin", "sha256//x"], "PIN", "sha256//x", "pin='sha256//x'"),
        (["--include", "*.a", "--include", "*.b"], "INCLUDE", "*.a *.b", "include=('*.a', '*.b')"),
    ],
)
def test_a_flag_and_its_variable_mean_the_same(typed: list[str], variable: str, value: str, shown: str) -> None:
    assert shown in options(*typed)
    assert options(*typed) == options(**{variable: value})


def test_what_is_typed_wins() -> None:
    assert "port=1" in options("--port", "1", PORT="2")


def test_a_variable_is_checked_as_a_flag_is() -> None:
    result = CliRunner().invoke(probe, [], env={"FTLITE_RETRIES": "many"})
    assert result.exit_code == 2
    assert "retries" in result.output


@pytest.mark.parametrize(("command", "option"), list(flags()), ids=lambda value: getattr(value, "name", value))
def test_every_flag_is_described(command: str, option: click.Option) -> None:
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    assert re.search(rf"{max(option.opts, key=len)}\b", page)
