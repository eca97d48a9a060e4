"""Where a command is given: what its words mean there, and where its output goes.

The same commands serve argv, the shell, ``-c`` and batch files. On argv a word for something remote is an address, and
exact; in a shell it may be a path from where one stands, or a pattern. Commands ask here and need not know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

import click
from attrs import frozen

if TYPE_CHECKING:
    from ftlite.client.address import Address


@frozen
class Pattern:
    """Words that stand for every name that they match: `at` has the pattern as its path, with what is literal escaped
    as ``[*]``."""

    at: Address


class Surroundings:
    """Those of argv. The shell has its own, on top of this."""

    stands: bool = False  #: on a server and in a directory there, which is meant where a command names none
    #: Options that hold for every command here unless it says otherwise; they outweigh the environment.
    settings: Mapping[str, Any] = {}
    out: TextIO | None = None  #: None: what is stdout when it is written to
    stdin: BinaryIO | None = None  #: None: the process's
    remarks: bool = True  #: whether what people read goes to stderr
    foreground: bool = True  #: whether bars may be drawn and questions asked
    sums_up: bool = True  #: whether each command ends with its own JSON summary

    def address(self, word: str) -> Address:
        """What `word` names, exactly; a site's name is an address too. ClientError USAGE, ConfigError."""
        from ftlite.cli.sites import resolve
        from ftlite.client.address import parse_address

        return resolve(parse_address(word))

    def addresses(self, words: Sequence[str]) -> list[Address | Pattern]:
        """What the `words` name, patterns among them where there are patterns. ClientError USAGE."""
        return [self.address(word) for word in words]

    def seen(self, word: str, path: str) -> str:
        """How `path`, which the argument `word` came to, is shown to whoever gave it."""
        return path

    def local(self, word: str) -> Path:
        """The local file or directory that `word` means."""
        return Path(word)

    def locals(self, words: Sequence[str]) -> list[str]:
        """The local names that `words` mean; ``-`` stays itself. CliError NOT_FOUND for a pattern without a match."""
        return list(words)


_ARGV = Surroundings()


def here() -> Surroundings:
    """Those of the command that is being parsed."""
    context = click.get_current_context(silent=True)
    return (context.find_object(Surroundings) if context is not None else None) or _ARGV


def addresses_of(words: Sequence[str]) -> list[Address | Pattern]:
    """What `words` name on servers, or where one stands if there are none; what is wrong is a usage error."""
    if not words:
        if not here().stands:
            raise click.UsageError("Missing argument 'ADDRESS...'.")
        words = ["."]
    from ftlite.client.errors import ClientError

    try:
        return here().addresses(words)
    except ClientError as error:
        raise click.UsageError(str(error)) from None


def address_of(word: str) -> Address:
    """The one thing that `word` names on a server; what is wrong with it is a usage error."""
    from ftlite.client.errors import ClientError

    try:
        return here().address(word)
    except ClientError as error:
        raise click.UsageError(str(error)) from None
