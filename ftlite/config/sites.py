"""sites.toml as a file: read whole, edited one table at a time, so that a person's comments and order stay.

An edit is made in the text and then read back: unless it says exactly what was meant, nothing is written. A file that
is not there holds no site, and costs one look.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ftlite.config.client import Site, site_from
from ftlite.config.errors import ConfigError
from ftlite.config.files import locked, write_whole

_HEADER = re.compile(r"[ \t]*\[[ \t]*(?P<name>[A-Za-z0-9_-]+|\"[^\"\\]*\"|'[^']*')[ \t]*\][ \t]*(?:#.*)?")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


class Sites:
    """The sites in the file `path`.

    Every method raises ConfigError (file, key, message) when the file cannot be read, written or understood, and when
    others may write to it: a site can name a command to run.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def all(self) -> dict[str, Site]:
        """Every site by name, in the order of the file."""
        tables = self._parsed(self._text())
        return {name: site_from(name, table, self.path) for name, table in tables.items()}

    def find(self, name: str) -> Site | None:
        """The site `name`; what is wrong with another one does not matter here."""
        tables = self._parsed(self._text())
        return site_from(name, tables[name], self.path) if name in tables else None

    def add(self, name: str, values: Mapping[str, Any], *, replace: bool = False) -> None:
        """Write down a site.

        Args:
            values: by key, as TOML would give them: ``{"address": "ops@build7:rel", "parallel": 4}``.
            replace: in the place of one of that name, whose other keys go.
        """
        site_from(name, values, self.path)
        with self._edit() as (before, tables):
            if name in tables and not replace:
                raise ConfigError(self.path, name, "is there already: remove it first, or choose another name")
            lines = [f"[{_key(name)}]\n", *(f"{key} = {_value(value)}\n" for key, value in values.items())]
            wanted = {**tables, name: dict(values)}
            if name in tables:
                self._replace(before, name, lines, wanted)
            else:
                gap = "" if not before or before.endswith("\n\n") else "\n" if before.endswith("\n") else "\n\n"
                self._write(before + gap + "".join(lines), wanted, name)

    def remove(self, name: str) -> None:
        """Forget the site `name`, which must exist. Comments between tables stay."""
        with self._edit() as (before, tables):
            self._must_exist(name, tables)
            self._replace(before, name, [], {key: table for key, table in tables.items() if key != name})

    def rename(self, old: str, new: str) -> None:
        """Give the site `old`, which must exist, the free name `new`."""
        with self._edit() as (before, tables):
            self._must_exist(old, tables)
            site_from(new, tables[old], self.path)
            if new in tables:
                raise ConfigError(self.path, new, "is there already: remove it first, or choose another name")
            wanted = {new if key == old else key: table for key, table in tables.items()}
            lines = before.splitlines(keepends=True)
            for number, line in enumerate(lines):
                if _names(line) == old:
                    start, end = _HEADER.match(line).span("name")  # type: ignore[union-attr]  # `_names` matched it
                    text = "".join([*lines[:number], line[:start] + _key(new) + line[end:], *lines[number + 1 :]])
                    if _says(text, wanted):
                        self._write(text, wanted, old)
                        return
            raise self._by_hand(old)

    def _text(self) -> str:
        try:
            with self.path.open(encoding="utf-8", newline="") as file:
                if os.fstat(file.fileno()).st_mode & stat.S_IWOTH:
                    raise ConfigError(self.path, "", f"can be written to by others: run chmod 600 {self.path}")
                return file.read()
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise ConfigError(self.path, "", f"cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise ConfigError(self.path, "", f"is no UTF-8: {error}") from error

    def _parsed(self, text: str) -> dict[str, Any]:
        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(self.path, "", f"is no TOML: {error}") from error

    def _must_exist(self, name: str, tables: Mapping[str, Any]) -> None:
        if name not in tables:
            raise ConfigError(self.path, name, f"is no site: there are {', '.join(tables) or 'none yet'}")

    @contextmanager
    def _edit(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The file's text and tables, with other editors kept out."""
        try:
            with locked(self.path):
                text = self._text()
                yield text, self._parsed(text)
        except OSError as error:
            raise ConfigError(self.path, "", f"cannot be written: {error.strerror}") from error

    def _replace(self, before: str, name: str, new: list[str], wanted: Mapping[str, Any]) -> None:
        """Put the lines `new` where the table `name` stands.

        What looks like a header may be a line of a longer string. So a table begins and ends where leaving it out
        leaves exactly the others.
        """
        lines = before.splitlines(keepends=True)
        starts = [number for number, line in enumerate(lines) if _names(line) == name]
        ends = [number for number, line in enumerate(lines) if line.lstrip(" \t").startswith("[")] + [len(lines)]
        for start in starts:
            for end in (end for end in ends if end > start):
                last = end
                # Comments before a table are about it, and not about the one above.
                while last > start + 1 and (not lines[last - 1].strip() or lines[last - 1].lstrip().startswith("#")):
                    last -= 1
                text = "".join([*lines[:start], *new, *lines[last:]])
                if _says(text, wanted):
                    self._write(text, wanted, name)
                    return
        raise self._by_hand(name)

    def _write(self, text: str, wanted: Mapping[str, Any], name: str) -> None:
        if not _says(text, wanted):
            raise self._by_hand(name)
        if any(0xD800 <= ord(char) < 0xE000 for char in text):
            raise ConfigError(self.path, name, "holds bytes that are no UTF-8, which TOML cannot carry")
        # A file that is a link (dotfiles kept elsewhere) stays one.
        write_whole(self.path.resolve(), text)

    def _by_hand(self, name: str) -> ConfigError:
        return ConfigError(self.path, name, f"is not written as a table of its own, [{name}]: edit the file by hand")


def _names(line: str) -> str | None:
    """The name of the table whose header `line` is, or looks like."""
    match = _HEADER.fullmatch(line.rstrip("\r\n"))
    return match["name"].strip("\"'") if match else None


def _says(text: str, wanted: Mapping[str, Any]) -> bool:
    try:
        return tomllib.loads(text) == wanted
    except tomllib.TOMLDecodeError:
        return False


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else f'"{name}"'


def _value(value: Any) -> str:
    """A value as TOML writes it (v1.0.0, String: what a basic string must escape)."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_value, value)) + "]"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda match: f"\\u{ord(match[0]):04x}", text) + '"'
