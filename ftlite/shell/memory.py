"""What shells remember from one time to the next: the lines that were typed, and where one stood. Both files are 0600
and bounded. A line with a secret in it, or with a blank before it, is not remembered at all.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from ftlite.config.files import locked, write_whole
from ftlite.protocol.errors import BadArgument
from ftlite.protocol.text import decode, encode, printable
from ftlite.protocol.verbs import VERBS
from ftlite.shell.errors import BadLine
from ftlite.shell.words import parse

_LINES = 5000  #: kept when the file is cut; it may grow to twice as many
_LONGEST = 10_000  #: characters of a line that is worth keeping
_PLACES = 500

#: ``user:password@`` as it stands before a host.
_IN_ADDRESS = re.compile(r"(://|^|\s|=|['\"])[^\s/@:'\"]*:[^\s/@]+@[^\s/@]")
#: Flags, settings and variables that hold a secret or a command that gives one.
_BY_NAME = re.compile(r"(?i)(^|[\s;&|!])(set\s+|--?)?[\w-]*(passw|secret|token|api.?key)[\w-]*(=|\s+\S)")


def is_secret(line: str) -> bool:
    """Whether `line` is to be forgotten: it begins with a blank, or may hold a password."""
    if line[:1].isspace() or _IN_ADDRESS.search(line):
        return True
    for match in _BY_NAME.finditer(line):
        if match[2] is not None or match[4] == "=":
            return True
    try:
        statements = parse(line)
    except BadLine:
        return re.search(r"(?i)\b(quote|site)\s+(pass|acct)\b", line) is not None
    return any(_sends_secret(statement.words) for statement in statements)


def _sends_secret(words: Sequence[str]) -> bool:
    """``quote PASS ...``, and whatever else logs mask."""
    names = [word for word in words if not word.startswith("-")]
    row = VERBS.get(names[1].upper()) if len(names) > 1 and names[0] in ("quote", "site") else None
    return row is not None and row.masked


class Lines:
    """What was typed, oldest first. `load` and `add` block; `add` is for one thread at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: list[str] = []
        self._written = 0
        self.fault: OSError | None = None  #: why the file does not hold what was typed

    def load(self) -> None:
        """Read what earlier shells kept. Without a file, or where it cannot be read, there is nothing."""
        try:
            with open(self.path, "rb") as file:
                if os.fstat(file.fileno()).st_mode & 0o077:
                    os.fchmod(file.fileno(), 0o600)
                self._lines = [_read(line) for line in file.read().splitlines() if line]
        except FileNotFoundError:
            pass
        except OSError as error:
            self.fault = error
        self._written = len(self._lines)
        del self._lines[:-_LINES]

    def all(self) -> list[str]:
        """All of them, oldest first."""
        return list(self._lines)

    def add(self, line: str) -> bool:
        """Remember `line`, unless it is to be forgotten or was the last one. Whether it is."""
        line = line.rstrip()
        if not line or is_secret(line) or len(line) > _LONGEST or (self._lines and self._lines[-1] == line):
            return False
        try:
            encode(line)
        except BadArgument:  # half of a character, which stands for no byte
            return False
        self._lines.append(line)
        try:
            with locked(self.path):
                if self._written >= 2 * _LINES:
                    write_whole(self.path, "".join(f"{_written(one)}\n" for one in self._lines[-_LINES:]))
                    self._written = min(len(self._lines), _LINES)
                else:
                    self._append(line)
        except OSError as error:
            self.fault = error
        return True

    def _append(self, line: str) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self.path, flags, 0o600)
        try:
            os.write(descriptor, encode(f"{_written(line)}\n"))
        finally:
            os.close(descriptor)
        self._written += 1


def _written(line: str) -> str:
    return line.replace("\\", "\\\\").replace("\n", "\\n")


def _read(line: bytes) -> str:
    return re.sub(r"\\(.)", lambda match: "\n" if match[1] == "n" else match[1], decode(line))


class Directories:
    """Where one stood last on each server, by its name. `load` and `save` block."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: dict[str, str] = {}
        self._new: dict[str, str] = {}

    def load(self) -> None:
        """Read what earlier shells kept."""
        self._held = self._on_disk()

    def _on_disk(self) -> dict[str, str]:
        try:
            rows = [decode(line).split(" ", 1) for line in self._path.read_bytes().splitlines()]
        except OSError:
            return {}
        return {row[0]: _read(encode(row[1])) for row in rows if len(row) == 2}

    def of(self, server: str) -> str | None:
        """Where one stood, as an absolute path."""
        return self._new.get(server, self._held.get(server))

    def note(self, server: str, path: str) -> None:
        """One stands there now; `save` keeps it."""
        if self.of(server) != path and " " not in server:
            self._new[server] = path

    def save(self) -> None:
        """Write what is new. Where that cannot be done, it is only forgotten sooner."""
        new, self._new = self._new, {}
        if not new:
            return
        with contextlib.suppress(OSError):
            with locked(self._path):
                rows = self._on_disk()
                for server in new:
                    rows.pop(server, None)
                self._held = dict([*rows.items(), *new.items()][-_PLACES:])
                text = "".join(f"{printable(server)} {_written(path)}\n" for server, path in self._held.items())
                write_whole(self._path, text)
