"""``ftlite shell`` and ``ftlite batch``: a shell on a terminal, from a string, from stdin or from a file."""

from __future__ import annotations

import io
import sys
from typing import TextIO

import click

from ftlite.cli.flags import client_flags, typed_flags
from ftlite.cli.options import Options
from ftlite.cli.session import voice_for
from ftlite.cli.voice import somebody_types

_FLAGS = ("parallel", "limit_rate", "require", "digest")


@click.command()
@click.argument("address", required=False)
@click.option("-c", "commands", metavar="CMDS", help="Run these, and end: 'cd rel; get *.whl'.")
@client_flags(*_FLAGS)
def shell(options: Options, address: str | None, commands: str | None) -> int:
    """Open a shell on the server at ADDRESS. 'help' in it tells what there is.

    With -c, or when stdin is no terminal, the commands given there are run, and the first failure ends it with the
    exit code of the command that failed; '-' before a command lets it fail, '@' silences it.

    Flags hold for every command of the shell, unless the command says otherwise.
    """
    from ftlite.shell.standing import Script, run_shell

    settings = typed_flags(options)
    voice = voice_for("shell", options)
    if commands is None and somebody_types():
        from ftlite.shell.terminal import Terminal

        return run_shell(voice, Terminal(), address, options, settings)
    if commands is None:
        return run_shell(voice, Script(_stdin(), "stdin", options.max_time), address, options, settings)
    return run_shell(voice, Script(commands, "-c", options.max_time), address, options, settings)


@click.command()
@click.argument("file")
@click.argument("address")
@client_flags(*_FLAGS)
def batch(options: Options, file: str, address: str) -> int:
    """Run the commands in FILE, one a line, on the server at ADDRESS; '-' is stdin.

    '#' begins a comment; '-' before a command lets it fail, '@' silences it. The first failure ends the batch with the
    exit code of the command that failed. With --json each event is a line, and the last one sums up.
    """
    from ftlite.shell.standing import Script, run_shell

    voice = voice_for("batch", options)
    settings = typed_flags(options)
    if file == "-":
        return run_shell(voice, Script(_stdin(), "stdin", options.max_time), address, options, settings)
    try:
        stream = open(file, encoding="utf-8", errors="surrogateescape")  # noqa: SIM115  closed below
    except OSError as error:
        voice.failed(error)
        return voice.close()
    with stream:
        return run_shell(voice, Script(stream, file, options.max_time), address, options, settings)


def _stdin() -> TextIO:
    """stdin, in which names that are no UTF-8 keep their bytes, as in a file of commands; nothing, if it is closed."""
    if sys.stdin is None:
        return io.StringIO()
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")
    return sys.stdin
