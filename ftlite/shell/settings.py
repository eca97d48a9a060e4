"""``set``, ``unset``, ``debug``, ``alias``, ``unalias``, ``history``: the shell's own habits."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import click
import trio

from ftlite.cli.exits import CliError
from ftlite.cli.flags import client_flags, every_extra
from ftlite.cli.options import Options
from ftlite.cli.run import parse_command
from ftlite.cli.session import Done
from ftlite.cli.surroundings import Surroundings
from ftlite.cli.voice import Voice
from ftlite.shell import table
from ftlite.shell.inside import RAW, Words, action
from ftlite.shell.shell import Shell
from ftlite.shell.words import parse, quote, spelled


@click.command()
@client_flags(*every_extra())
def _probe(options: Options) -> Options:
    """It has every flag, by which values are read and shown. Run without any, it tells what they are then."""
    return options


def _options(settings: Mapping[str, Any]) -> Options:
    """What the environment and config.toml make of all flags where `settings` are what was typed. ConfigError."""
    place = Surroundings()
    place.settings = settings
    options: Options = parse_command(_probe, "unset", [], place)
    return options


_ON_OFF = {"on": True, "yes": True, "true": True, "1": True, "off": False, "no": False, "false": False, "0": False}
#: What is said for each command, and would harm if it held for all.
_NEVER = frozenset({"recursive", "dry_run", "resume", "include", "exclude", "files_from", "from0"})


def flags() -> dict[str, click.Option]:
    """The flags that can be set, by their long names without dashes."""
    return {
        max(option.opts, key=len).removeprefix("--"): option
        for option in _probe.params
        if isinstance(option, click.Option) and option.name not in _NEVER and option.name != "help"
    }


def read_setting(name: str, value: str | None) -> tuple[str, Any]:
    """The field of `Options` and its value, for the flag `name`. CliError USAGE."""
    held = flags()
    option = held.get(name.removeprefix("--"))
    if option is None:
        near = difflib.get_close_matches(name, held, n=1)
        raise CliError("USAGE", f"there is no setting {name!r}; " + (f"did you mean '{near[0]}'?" if near else "'set' lists them"))  # noqa: E501
    assert option.name is not None
    if option.is_flag:
        word = (value if value is not None else "on").lower()
        if word not in _ON_OFF:
            raise CliError("USAGE", f"{name} is on or off, not {value!r}")
        return option.name, _ON_OFF[word]
    if value is None:
        raise CliError("USAGE", f"{name} needs a value; 'unset {name}' gives it its default back")
    try:
        read = int(value) if option.count else option.type_cast_value(click.Context(_probe), value)
    except (click.BadParameter, ValueError) as error:
        told = error.format_message() if isinstance(error, click.BadParameter) else f"{value!r} is no number"
        raise CliError("USAGE", f"{name}: {told}") from None
    return option.name, read


@click.command("set")
@click.argument("name", required=False)
@click.argument("value", required=False)
def set_(name: str | None, value: str | None) -> Done:
    """Set the flag NAME for all commands that follow, as if it were typed with each: 'set limit-rate 2M'.

    Without NAME, list what is set. What is typed with a command wins.
    """

    async def work(shell: Shell, voice: Voice) -> None:
        if name is None:
            held = {**shell.settings, **(shell.site.settings if shell.site else {})}
            for flag, option in flags().items():
                if option.name in held:
                    voice.line(f"{flag} {_shown(held[option.name])}")
            return
        field, read = read_setting(name, value)
        shell.settings[field] = read
        if shell.site is not None:
            shell.site.settings.pop(field, None)

    return action("set", work)


def _shown(value: Any) -> str:
    return {True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else quote(str(value))


@click.command()
@click.argument("name")
def unset(name: str) -> Done:
    """Give the flag NAME its default back, or what the environment says."""

    async def work(shell: Shell, voice: Voice) -> None:
        option = flags().get(name.removeprefix("--"))
        if option is None or option.name is None:
            raise CliError("USAGE", f"there is no setting {name!r}; 'set' lists what is set")
        left = {field: value for field, value in shell.settings.items() if field != option.name}
        shell.base = await trio.to_thread.run_sync(_options, left)
        shell.settings.pop(option.name, None)
        if shell.site is not None:
            shell.site.settings.pop(option.name, None)

    return action("unset", work)


@click.command()
@click.argument("state", type=click.Choice(["on", "off"]), default="on")
def debug(state: str) -> Done:
    """Show with each unexpected error where it came from, and more of what is done."""

    async def work(shell: Shell, voice: Voice) -> None:
        shell.settings["verbose"] = 2 if state == "on" else 0

    return action("debug", work)


@click.command(context_settings=RAW)
@click.argument("name", required=False)
@click.argument("line", nargs=-1, type=Words)
def alias(name: str | None, line: tuple[str, ...]) -> Done:
    """Let NAME stand for LINE: 'alias wheels get *.whl'. What is typed behind it follows. Without NAME, list them."""

    async def work(shell: Shell, voice: Voice) -> None:
        if name is None:
            for short, long in sorted({**table.ALIASES, **shell.aliases}.items()):
                voice.line(f"alias {short} {long}")
            return
        if not line:
            raise CliError("USAGE", f"say what {name} is to stand for; 'unalias {name}' forgets it")
        text = line[0] if len(line) == 1 else " ".join(spelled(word) for word in line)
        statements = parse(text)
        if len(statements) != 1 or not statements[0].words or statements[0].pipe or statements[0].target:
            raise CliError("USAGE", f"{name} can stand for the beginning of one command only, not for {text!r}")
        shell.aliases[name] = text

    return action("alias", work)


@click.command()
@click.argument("name")
def unalias(name: str) -> Done:
    """Forget the alias NAME."""

    async def work(shell: Shell, voice: Voice) -> None:
        if shell.aliases.pop(name, None) is None:
            raise CliError("NOT_FOUND", f"there is no alias {name!r} of yours; 'alias' lists them")

    return action("unalias", work)


@click.command()
@click.argument("count", type=click.IntRange(1), default=50, metavar="[COUNT]")
def history(count: int) -> Done:
    """List the last COUNT lines that were typed (50)."""

    async def work(shell: Shell, voice: Voice) -> None:
        lines = shell.lines()
        for number, text in list(enumerate(lines, 1))[-count:]:
            voice.line(f"{number:5}  {text}")

    return action("history", work)
