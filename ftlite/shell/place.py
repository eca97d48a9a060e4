"""Where a shell stands: the server, the directory there, and what words mean from there."""

from __future__ import annotations

import glob
import os
import posixpath
from collections import ChainMap
from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from attrs import define, evolve, field

from ftlite.cli.exits import CliError
from ftlite.cli.patterns import escape, unescape
from ftlite.cli.surroundings import Pattern, Surroundings
from ftlite.client.address import Address
from ftlite.client.errors import ClientError, Outcome
from ftlite.shell.words import Word

if TYPE_CHECKING:
    from ftlite.shell.shell import Shell


@define(eq=False)
class Site:
    """A server that is open.

    Attributes:
        address: its path is the login directory's.
        cwd, previous: absolute paths; `previous` is where ``cd -`` leads.
        settings: flags that were typed when it was opened.
        secured, native: of its connection.
    """

    address: Address
    home: str
    cwd: str
    previous: str
    secured: bool
    native: bool
    settings: dict[str, Any] = field(factory=dict)

    @property
    def name(self) -> str:
        """For people: the name that it has in sites.toml, or user and host, and the port where it is an unusual one."""
        return getattr(self.address, "name", "") or server_name(self.address)

    def path(self, word: str) -> str:
        """The absolute path that `word` means from here; what names a directory by its form keeps a '/' at the end."""
        if word == "~" or word.startswith("~/"):
            word = posixpath.join(self.home, word[2:])
        path = posixpath.normpath(posixpath.join(self.cwd, word))
        path = "/" + path.lstrip("/")
        by_form = word.endswith("/") or posixpath.basename(word) in ("", ".", "..")
        return path + "/" if by_form and path != "/" else path


def server_name(address: Address) -> str:
    """User, host and port of `address`, as far as it says them."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    user = f"{address.user}@" if address.user is not None else ""
    port = f":{address.port}" if address.port is not None else ""
    return f"{user}{host}{port}"


class Here(Surroundings):
    """What a command that is given in `shell` sees."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        # Neither `cd` nor `lcd` may lead astray what was begun, or queued, before.
        self.site = evolve(shell.site) if shell.site is not None else None
        self.stands = shell.site is not None
        self.settings = ChainMap(dict(shell.site.settings) if shell.site else {}, dict(shell.settings))
        self.sums_up = not shell.sums_up
        self._directory = os.getcwd()

    def with_streams(
        self, *, out: TextIO | None, stdin: BinaryIO | None, remarks: bool, foreground: bool
    ) -> Here:
        """The same, with other streams; see `Surroundings`."""
        there = copy(self)
        there.out, there.stdin, there.remarks, there.foreground = out, stdin, remarks, foreground
        return there

    def address(self, word: str) -> Address:
        if isinstance(word, Word) and word.pattern is not None:
            raise ClientError(Outcome.USAGE, f"{word}: one name is wanted here", remedy="quote what is no pattern")
        return self._address(word)

    def _address(self, word: str) -> Address:
        if self._leads_elsewhere(word):
            return self.shell.address(word)
        assert self.site is not None
        return evolve(self.site.address, path=self.site.path(word))

    def _leads_elsewhere(self, word: str) -> bool:
        """Whether `word` is an address, and no path from where one stands."""
        return "://" in word or self.site is None or self.shell.is_site(word)

    def addresses(self, words: Sequence[str]) -> list[Address | Pattern]:
        found: list[Address | Pattern] = []
        for word in words:
            if isinstance(word, Word) and word.pattern is not None and self.site is not None and "://" not in word:
                where = evolve(self.site, cwd=escape(self.site.cwd), home=escape(self.site.home))
                found.append(Pattern(evolve(self.site.address, path=where.path(word.pattern))))
            else:
                found.append(self._address(word))
        return found

    def seen(self, word: str, path: str) -> str:
        if word.startswith(("/", "~/")) or word == "~" or self._leads_elsewhere(word):
            return path
        if isinstance(word, Word) and word.pattern is not None:
            assert self.site is not None
            return posixpath.relpath(path, self.site.cwd)
        return word

    def local(self, word: str) -> Path:
        if isinstance(word, Word) and word.pattern is not None:
            names = self.locals([word])
            if len(names) > 1:
                raise CliError("USAGE", f"{word}: one name is wanted here, and {len(names)} match")
            return Path(names[0])
        return Path(os.path.join(self._directory, os.path.expanduser(word) if word.startswith("~") else word))

    def locals(self, words: Sequence[str]) -> list[str]:
        found: list[str] = []
        for word in words:
            if word == "-":
                if self.stdin is None and self.shell.reads_stdin:
                    raise CliError("USAGE", "the commands come from stdin, so '-' needs '< FILE'")
                found.append(word)
            elif isinstance(word, Word) and word.pattern is not None:
                names = sorted(glob.glob(str(self.local(word.pattern)), recursive=True))
                if not names:
                    raise CliError("NOT_FOUND", f"{unescape(word.pattern)}: no name here matches")
                found += names
            else:
                found.append(str(self.local(word)))
        return found

