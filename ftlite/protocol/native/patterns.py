"""Which paths of a tree are wanted: globs relative to the tree, with '/' between components, and as facts (s.5).

A glob without '/' is matched against the last component at any depth, one with '/' against the whole relative path;
``*`` and ``?`` stop at '/', ``**`` does not. One that ends in '/' matches directories only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from ftlite.protocol.errors import BadFacts
from ftlite.protocol.native.globs import Glob
from ftlite.protocol.text import decode, encode, printable

_PLAIN: Final = "._*?/-"
MOST: Final = 64  #: patterns in one fact: each is matched against each name
_ENCODED: Final = re.compile(r"(?:[0-9A-Za-z._*?/-]|%[0-9A-Fa-f]{2})+")


class Filter:
    """Says of a path in a tree whether it is wanted: not excluded, and, for a file, included when anything is.

    A directory that is not wanted is not entered. Directories need not match an `include`.
    """

    def __init__(self, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        self.include = tuple(include)
        self.exclude = tuple(exclude)
        self._included = [Pattern(text) for text in include]
        self._excluded = [Pattern(text) for text in exclude]

    def __bool__(self) -> bool:
        """Whether it leaves anything out at all."""
        return bool(self.include or self.exclude)

    def __call__(self, path: str, is_directory: bool) -> bool:
        """Whether `path` ("a/b", relative to the tree) is wanted."""
        if any(each.matches(path, is_directory) for each in self._excluded):
            return False
        return is_directory or not self._included or any(each.matches(path, False) for each in self._included)


def format_patterns(patterns: Sequence[str]) -> str:
    """The value of an include or exclude fact. Raises BadFacts for an empty pattern, which the fact cannot hold."""
    if not all(patterns):
        raise BadFacts("an empty pattern cannot be sent")
    return ",".join(quote(encode(pattern), safe=_PLAIN).replace("~", "%7E") for pattern in patterns)


def parse_patterns(text: str) -> tuple[str, ...]:
    """The patterns in the value of an include or exclude fact; none in an empty one. Raises BadFacts."""
    if not text:
        return ()
    parts = text.split(",")
    if len(parts) > MOST:
        raise BadFacts(f"more than {MOST} patterns")
    for part in parts:
        if not _ENCODED.fullmatch(part):
            raise BadFacts(f"'{printable(part[:80])}' is not a percent-encoded pattern")
    return tuple(decode(unquote_to_bytes(part)) for part in parts)


class Pattern:
    """One of the globs above."""

    def __init__(self, text: str) -> None:
        self._directories_only = text.endswith("/")
        body = text.rstrip("/")
        self._whole = "/" in body
        self._glob = Glob(body.removeprefix("/"))

    def matches(self, path: str, is_directory: bool) -> bool:
        """Whether it means `path`."""
        if self._directories_only and not is_directory:
            return False
        return self._glob.matches(path if self._whole else path.rsplit("/", 1)[-1])
