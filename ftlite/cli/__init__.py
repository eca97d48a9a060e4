"""The command line: argv and the environment in, exit codes and streams out.

`main` works from a table of strings, so that ``ftlite --help`` imports nothing worth waiting for; the module behind a
command is loaded when that command is asked for. A command is declared once, as a row here.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn, TextIO

from ftlite import __version__

#: name -> (one line for people, module, name of the click command in it)
COMMANDS: dict[str, tuple[str, str, str]] = {
    "serve": ("Serve a directory", "ftlite.cli.serve", "serve"),
    "user": ("Manage the accounts of a server: add, passwd, rm, ls", "ftlite.cli.user", "user"),
    "shell": ("Open a shell on a server, or run commands there with -c", "ftlite.shell.commands", "shell"),
    "batch": ("Run the commands in a file on a server", "ftlite.shell.commands", "batch"),
    "get": ("Fetch a file, or a directory with -r", "ftlite.cli.get", "get"),
    "mget": ("Fetch several, each under its own name", "ftlite.cli.get", "mget"),
    "put": ("Send files, or a directory with -r", "ftlite.cli.put", "put"),
    "mirror": ("Make one directory like another, here or on servers", "ftlite.cli.mirror", "mirror"),
    "mput": ("Send several, each under its own name", "ftlite.cli.put", "mput"),
    "ls": ("List a directory", "ftlite.cli.look", "ls"),
    "stat": ("Show what the server knows of a name", "ftlite.cli.look", "stat"),
    "cat": ("Write files to standard output", "ftlite.cli.content", "cat"),
    "hash": ("Print digests, in the form that sha256sum -c reads", "ftlite.cli.content", "hash_"),
    "wait": ("Wait until something is published under a name", "ftlite.cli.wait", "wait"),
    "rm": ("Remove files, or directories with -r", "ftlite.cli.names", "rm"),
    "mkdir": ("Make directories", "ftlite.cli.names", "mkdir"),
    "rmdir": ("Remove empty directories", "ftlite.cli.names", "rmdir"),
    "mv": ("Rename a file or a directory", "ftlite.cli.names", "mv"),
    "doctor": ("Why a connection fails or is slow, step by step", "ftlite.cli.doctor", "doctor"),
    "bookmark": ("Give servers names: ls, add, rm, mv", "ftlite.cli.bookmark", "bookmark"),
    "trust": ("The keys of servers met before: ls, add, rm", "ftlite.cli.trust", "trust"),
    "password": ("Passwords in the desktop's keyring: set, rm", "ftlite.cli.password", "password"),
    "chmod": ("Change permissions", "ftlite.cli.facts", "chmod"),
    "touch": ("Set times; make empty files", "ftlite.cli.facts", "touch"),
    "find": ("List what is below a directory, by name, kind, size or age", "ftlite.cli.seek", "find"),
    "du": ("Sum up sizes", "ftlite.cli.seek", "du"),
}

_USAGE = 2


def help_text() -> str:
    """What ``ftlite --help`` prints."""
    width = max(map(len, COMMANDS))
    rows = "\n".join(f"  {name:<{width}}  {line}" for name, (line, _, _) in COMMANDS.items())
    return f"""Usage: ftlite COMMAND [OPTIONS] ...
       ftlite ADDRESS               a shell there

File transfer that is verified, atomic and resumable, and still speaks FTP to everyone.

Commands:
{rows}

Addresses:
  ftp://[user@]host[:port]/path     ftpes:// TLS is required; ftps:// TLS from the first byte
  [user@]host:path                  a leading '/' makes the path absolute; '-' is stdin or stdout
  [user@]site:path                  a name of yours: see 'ftlite bookmark --help'

'ftlite COMMAND --help' tells all about a command, 'ftlite --version' which ftlite this is.
"""


def entry() -> NoReturn:
    """`main` as a process of its own, without what takes a fifth of a short command.

    That is to look for garbage while modules are imported, which stay (until `run.started`), and to take the
    interpreter apart in the end.
    """
    gc.disable()
    _fill_in_streams()
    code = main()
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # closed, or nobody reads it: `main` has said so
            stream.flush()
    os._exit(code)


def _fill_in_streams() -> None:
    """Who closed stdout or stderr gets no connection of ours in its place. What is written to the first then fails,
    and a command that has nothing to write there does not; the second is not missed."""
    if sys.stdout is None:
        sys.stdout = _stand_in(1, os.O_RDONLY)
    if sys.stderr is None:
        sys.stderr = _stand_in(2, os.O_WRONLY)


def _stand_in(number: int, flags: int) -> TextIO:
    fd = os.open(os.devnull, flags)
    if fd != number:
        os.dup2(fd, number)
        os.close(fd)
    return open(number, "w", closefd=False, errors="backslashreplace")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code (docs/cli.md); never raises, never prints a traceback unless asked."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    name = arguments[0] if arguments else None
    if name in ("--help", "-h", "help"):
        return _print(help_text())
    if name == "--version":
        return _print(f"ftlite {__version__}\n")
    if name not in COMMANDS and name is not None and (_is_address(name) or _is_site(name)):
        arguments, name = ["shell", *arguments], "shell"
    if name not in COMMANDS:
        sys.stderr.write(_no_command(name))
        return _USAGE
    from ftlite.cli.run import run

    _, module, attribute = COMMANDS[name]
    return run(name, module, attribute, arguments[1:])


def _print(text: str) -> int:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        from ftlite.cli.run import leave_pipe

        return leave_pipe()
    except OSError as error:
        from ftlite.cli.exits import tell
        from ftlite.cli.run import complain, leave_pipe

        error.filename = "standard output"
        told = tell(error)
        complain("ftlite", told.sentence)
        leave_pipe()  # what could not be written is not tried once more
        return told.code
    return 0


def _is_address(word: str) -> bool:
    """Whether somebody who wrote this instead of a command wants a shell there."""
    return not word.startswith("-") and (":" in word or "@" in word)


def _is_site(word: str) -> bool:
    """Whether `word` is the name of a site. A sites.toml that cannot be used is told of by who opens it."""
    from ftlite.cli.places import sites_file

    if word.startswith("-") or not sites_file().exists():
        return False
    from ftlite.config.errors import ConfigError
    from ftlite.config.sites import Sites

    try:
        return Sites(sites_file()).find(word) is not None
    except ConfigError:
        return False


def _no_command(name: str | None) -> str:
    """The sentence for somebody who named no command, or one that we do not have."""
    if name is None:
        return f"{help_text()}\nftlite: no command given; choose one of {', '.join(COMMANDS)}\n"
    import difflib

    from ftlite.protocol.text import printable

    near = difflib.get_close_matches(name, COMMANDS, n=1)
    if near:
        hint = f"did you mean '{near[0]}'?"
    elif "." in name:
        hint = f"for a shell on a server of that name, write 'ftlite shell {printable(name)}'"
    else:
        hint = f"choose one of {', '.join(COMMANDS)}"
    return f"ftlite: {printable(name)!r} is not a command; {hint}\n"
