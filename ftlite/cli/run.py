"""Runs one click command and turns whatever comes out of it into an exit code and at most one sentence."""

from __future__ import annotations

import gc
import importlib
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import click

from ftlite.cli import exits
from ftlite.protocol.text import printable


class Terminated(BaseException):
    """SIGTERM came. A BaseException, so that nothing on the way out takes it for a failure of its own."""


def run(name: str, module: str, attribute: str, arguments: Sequence[str]) -> int:
    """Load the command `attribute` of `module` and run it with `arguments`; the exit code (docs/cli.md)."""
    program = f"ftlite {name}"
    before = _on_terminate(_raise_terminated)
    try:
        command: click.Command = getattr(importlib.import_module(module), attribute)
        done = parse_command(command, program, arguments)
        if type(done).__name__ == "Action":  # by its name, for its module is not imported before a command needs it
            from ftlite.cli.session import run_action

            done = run_action(done)
        sys.stdout.flush()
        return done if isinstance(done, int) else exits.OK
    except click.exceptions.Abort:
        return exits.INTERRUPTED
    except click.ClickException as error:
        return _usage(program, error)
    except (BrokenPipeError, SystemExit):  # click makes a SystemExit of a broken pipe, and of nothing else here
        return leave_pipe()
    except Terminated:
        return exits.TERMINATED
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except BaseException as error:  # the last stop before a traceback
        told = exits.tell(error)
        complain(program, told.sentence)
        if _asked_for_traceback(arguments):
            traceback.print_exception(error)
        return told.code
    finally:
        _on_terminate(before)


def started() -> None:
    """All is imported that is going to be: collect garbage again, and only in what is made from here on."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def parse_command(command: click.Command, name: str, arguments: Sequence[str], place: object = None) -> Any:
    """What `arguments` make of `command`, given at `place` (see surroundings.py): an exit code, or what is to be done.

    Raises:
        click.ClickException: they are wrong.
    """
    return command.main(args=list(arguments), prog_name=name, standalone_mode=False, obj=place)


def _asked_for_traceback(arguments: Sequence[str]) -> bool:
    """-v twice, read by eye: what went wrong may have done so before click read it."""
    return sum(len(word) - 1 for word in arguments if re.fullmatch("-v+", word)) + arguments.count("--verbose") >= 2


def complain(program: str, sentence: str) -> None:
    """Say what is wrong, on stderr."""
    exits.aside(f"{program}: {sentence}")


def leave_pipe() -> int:
    """Whoever read our stdout is gone: say nothing, and keep Python from saying it at exit either."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
    except (OSError, ValueError):  # stdout is no real file: nothing to keep quiet
        pass
    return exits.CODES["OTHER"]


def _usage(program: str, error: click.ClickException) -> int:
    if isinstance(error, click.UsageError) and error.ctx is not None:
        program = error.ctx.command_path
    message = error.format_message().rstrip()
    if isinstance(error, click.UsageError) and "\n" in message:  # a group without a command: its whole help
        click.echo(message, err=True)
        return exits.USAGE
    complain(program, f"{printable(message).rstrip('.')}; see '{program} --help'")
    return exits.USAGE


def _raise_terminated(_number: int, _frame: FrameType | None) -> None:
    raise Terminated


def _on_terminate(handler: Any) -> Callable[..., Any] | int | None:
    """Set what SIGTERM does and give what it did; nothing, where signals are not ours to set (not the main thread)."""
    try:
        return signal.signal(signal.SIGTERM, handler)
    except ValueError:
        return None
