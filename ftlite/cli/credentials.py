"""Where a password comes from; never from argv, where others can read it.

In order: --password-file, --password-command, FTLITE_PASSWORD, .netrc, the desktop's keyring where --keyring asks for
it, and a hidden question when somebody sits there.
"""

from __future__ import annotations

import contextlib
import netrc
import os
import select
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from attrs import field, frozen

from ftlite.cli import places
from ftlite.cli.exits import CliError
from ftlite.cli.options import PASSWORD, Options
from ftlite.cli.voice import somebody_types


@frozen
class Login:
    """Who to log in as; all None means anonymous. `source` says in words where the password came from."""

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    account: str | None = field(default=None, repr=False)
    source: str = field(default="", eq=False)


def find_login(
    options: Options, user: str | None, host: str, warn: Callable[[str], None], *, may_ask: bool = True
) -> Login:
    """The login for `host`, as `user` if the address named one. May run a command or, if it `may_ask`, do so on the
    terminal.

    Raises:
        CliError: a source that was asked for gives nothing; a password without a user; LOGIN where nobody may be asked.
    """
    password, source = given_password(options)
    entry = _from_netrc(options.netrc_file, user, host, warn) if password is None or user is None else None
    if user is None and entry is None and password is not None:
        raise CliError("USAGE", f"there is a password but no user for {host}; name one in the address: USER@{host}")
    name = user if user is not None else entry.user if entry else None
    if password is None and entry is not None:
        return entry
    if password is None and name is not None and options.keyring:
        from ftlite.cli import keyring

        password, source = keyring.find(name, host), "the keyring"
    if password is None and name is not None and name not in ("anonymous", "ftp"):
        if not may_ask:
            raise CliError("LOGIN", f"{name}@{host}: the password is not known, and is not asked for in the background")
        password, source = ask_password(f"Password for {name}@{host}: "), "the terminal"
    return Login(name, password, source=source if password is not None else "")


def given_password(options: Options) -> tuple[str | None, str]:
    """The password of --password-file, --password-command or FTLITE_PASSWORD, if there is one, and which it was."""
    if options.password_file is not None:
        return password_from_file(options.password_file), f"--password-file {options.password_file}"
    if options.password_command is not None:
        return _from_command(options.password_command), "--password-command"
    return os.environ.get(PASSWORD), PASSWORD


def password_from_file(path: Path) -> str:
    """The first line of `path`. Raises `CliError` when that cannot be read or is empty."""
    try:
        with path.open(encoding="utf-8", errors="surrogateescape") as stream:
            password = stream.readline(4096).rstrip("\r\n")
    except OSError as error:
        outcome = "NOT_FOUND" if isinstance(error, FileNotFoundError) else "OTHER"
        raise CliError(outcome, f"--password-file {path}: {(error.strerror or 'cannot be read').lower()}") from None
    if not password:
        raise CliError("USAGE", f"--password-file {path}: the first line is empty; write the password there")
    return password


def _from_command(command: str) -> str:
    done = subprocess.run(command, shell=True, stdout=subprocess.PIPE, check=False)  # noqa: S602  a person's own line
    password = done.stdout.decode(errors="surrogateescape").partition("\n")[0].rstrip("\r")
    if done.returncode or not password:
        why = f"ended with status {done.returncode}" if done.returncode else "printed nothing"
        raise CliError("LOGIN", f"--password-command {why}; it must print the password and end with status 0")
    return password


def ask_password(prompt: str) -> str | None:
    """Ask without echo when a terminal is there; None when nobody can answer.

    In a worker of a loop it ends soon after whoever waits for it was cancelled, with trio.Cancelled, and leaves the
    terminal as it was.
    """
    if not somebody_types():
        return None
    import termios

    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    hidden = [*before[:3], before[3] & ~termios.ECHO, *before[4:]]
    try:
        termios.tcsetattr(fd, termios.TCSAFLUSH, hidden)  # before it asks: who answers at once must not be shown
        sys.stderr.write(prompt)
        sys.stderr.flush()
        line = _line(fd)
    finally:
        termios.tcsetattr(fd, termios.TCSAFLUSH, before)
        sys.stderr.write("\n")  # the prompt's line has no end yet
        sys.stderr.flush()
    return line.removesuffix("\n").removesuffix("\r") if line else None


def _line(fd: int) -> str:
    """What is typed up to Enter, which is all that the terminal hands out; "" at the end of input."""
    while not select.select([fd], [], [], 0.1)[0]:
        trio = sys.modules.get("trio")  # not imported for this
        if trio is not None:
            with contextlib.suppress(RuntimeError):  # no loop waits for us
                trio.from_thread.check_cancelled()
    return os.read(fd, 4096).decode("utf-8", "surrogateescape")


def _from_netrc(path: Path | None, user: str | None, host: str, warn: Callable[[str], None]) -> Login | None:
    file = path if path is not None else places.netrc_file()
    try:
        mode = file.stat().st_mode
        entries = netrc.netrc(os.fspath(file))
    except netrc.NetrcParseError as error:
        raise CliError("USAGE", f"{file}, line {error.lineno}: {error.msg}; mend it or name another with --netrc-file") from None  # noqa: E501
    except OSError as error:
        if path is None:
            return None
        raise CliError("NOT_FOUND", f"--netrc-file {file}: {(error.strerror or 'cannot be read').lower()}") from None
    found = entries.authenticators(host)
    if found is None or (user is not None and found[0] != user):
        return None
    login, account, password = found
    if password and mode & (stat.S_IRWXG | stat.S_IRWXO):
        with contextlib.suppress(ValueError):
            file = Path("~") / file.relative_to(Path.home())
        warn(f"others can read the passwords in {file}; run: chmod 600 {file}")
    return Login(login or user, password or None, account or None, source=str(file) if password else "")
