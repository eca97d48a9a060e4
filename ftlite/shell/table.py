"""The words of a shell: the commands of the command line, what only a shell has, and other names for both.

One table serves dispatch, `help`, completion and the man page; a row is that of `ftlite.cli.COMMANDS`.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping

import click

from ftlite.cli import COMMANDS
from ftlite.cli.exits import CliError

#: Of the command line, not for a shell: they serve, or are the shell.
ARGV_ONLY = frozenset({"serve", "user", "shell", "batch"})

#: name -> (one line for people, module, name of the click command in it)
SHELL_ONLY: dict[str, tuple[str, str, str]] = {
    "open": ("Go to a server", "ftlite.shell.going", "open_"),
    "close": ("Leave the server", "ftlite.shell.going", "close"),
    "cd": ("Go to a directory; 'cd -' back to the one before", "ftlite.shell.going", "cd"),
    "cdup": ("Go to the directory above", "ftlite.shell.going", "cdup"),
    "pwd": ("Say where one stands", "ftlite.shell.going", "pwd"),
    "lcd": ("Go to a local directory", "ftlite.shell.going", "lcd"),
    "lpwd": ("Say which local directory one is in", "ftlite.shell.going", "lpwd"),
    "lls": ("List a local directory, by ls", "ftlite.shell.local", "lls"),
    "lmkdir": ("Make local directories", "ftlite.shell.local", "lmkdir"),
    "more": ("Show files page by page", "ftlite.shell.local", "more"),
    "edit": ("Edit a file that is on the server", "ftlite.shell.local", "edit"),
    "jobs": ("List what runs and what is queued", "ftlite.shell.running", "jobs"),
    "fg": ("Wait for a job before one's eyes", "ftlite.shell.running", "fg"),
    "wait": ("Wait for jobs, or until something is published", "ftlite.shell.running", "wait"),
    "kill": ("End jobs", "ftlite.shell.running", "kill"),
    "queue": ("Run a command when those queued before it are done", "ftlite.shell.running", "queue"),
    "quote": ("Send a command to the server as it is", "ftlite.shell.talking", "quote"),
    "site": ("Send a SITE command", "ftlite.shell.talking", "site"),
    "status": ("Say what the connection is like", "ftlite.shell.talking", "status"),
    "set": ("Set a flag for all commands that follow", "ftlite.shell.settings", "set_"),
    "unset": ("Give a flag its default back", "ftlite.shell.settings", "unset"),
    "debug": ("Show where unexpected errors come from", "ftlite.shell.settings", "debug"),
    "alias": ("Give a command line a short name", "ftlite.shell.settings", "alias"),
    "unalias": ("Forget such a name", "ftlite.shell.settings", "unalias"),
    "history": ("List what was typed", "ftlite.shell.settings", "history"),
    "help": ("Explain commands", "ftlite.shell.helping", "help_"),
    "exit": ("Leave the shell", "ftlite.shell.going", "exit_"),
}

#: Other names, for hands that know other clients.
ALIASES: dict[str, str] = {
    "dir": "ls -l",
    "nlist": "ls",
    "less": "more",
    "reget": "get --continue",
    "reput": "put --continue",
    "delete": "rm",
    "rename": "mv",
    "bye": "exit",
    "quit": "exit",
    "?": "help",
}


def rows() -> Mapping[str, tuple[str, str, str]]:
    """Every command of a shell."""
    return {**{name: row for name, row in COMMANDS.items() if name not in ARGV_ONLY}, **SHELL_ONLY}


def find(name: str) -> click.Command:
    """The command called `name`. CliError USAGE, with the near miss, when there is none."""
    row = rows().get(name)
    if row is None:
        near = difflib.get_close_matches(name, [*rows(), *ALIASES], n=1)
        hint = f"did you mean '{near[0]}'?" if near else "'help' lists them"
        raise CliError("USAGE", f"{name!r} is not a command; {hint}")
    command: click.Command = getattr(importlib.import_module(row[1]), row[2])
    return command
