"""--include and --exclude: globs over paths relative to the tree, with '/' between components.

A glob without '/' is matched against the last component at any depth, one with '/' against the whole relative path;
``*`` and ``?`` stop at '/', ``**`` does not. One that ends in '/' matches directories only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

Wanted = Callable[[str, bool], bool]


def wanted(include: Sequence[str], exclude: Sequence[str]) -> Wanted | None:
    """The filter ``(relative path, is_directory) -> bool``; None when everything is wanted.

    An excluded directory is not entered. When there is an `include`, a file must match one; directories need not.
    """
    if not include and not exclude:
        return None
    included = [_Glob(text) for text in include]
    excluded = [_Glob(text) for text in exclude]

    def decide(path: str, is_directory: bool) -> bool:
        if any(glob.matches(path, is_directory) for glob in excluded):
            return False
        return is_directory or not included or any(glob.matches(path, False) for glob in included)

    return decide


class _Glob:
    def __init__(self, text: str) -> None:
        self._directories_only = text.endswith("/")
        body = text.rstrip("/")
        self._whole = "/" in body
        self._pattern = re.compile(_translate(body.removeprefix("/")), re.DOTALL)

    def matches(self, path: str, is_directory: bool) -> bool:
        if self._directories_only and not is_directory:
            return False
        return self._pattern.fullmatch(path if self._whole else path.rsplit("/", 1)[-1]) is not None


_PIECE = re.compile(
    r"(?P<deep>\*\*/)|(?P<all>\*\*)|(?P<some>\*)|(?P<one>\?)|\[(?P<not>[!^]?)(?P<set>.[^\]]*)\]|(?P<char>.)", re.DOTALL
)
_RANGE = re.compile(r"(.)-(.)|(.)", re.DOTALL)


def _translate(glob: str) -> str:
    """The regular expression of `glob`; a bracket that never closes means itself, as in the shell."""
    return "".join(_piece(match) for match in _PIECE.finditer(glob))


def _piece(match: re.Match[str]) -> str:
    if match["deep"]:
        return "(?:.*/)?"
    if match["all"]:
        return ".*"
    if match["some"]:
        return "[^/]*"
    if match["one"]:
        return "[^/]"
    if match["char"]:
        return re.escape(match["char"])
    inside = "".join(_members(part) for part in _RANGE.finditer(match["set"]))
    if match["not"]:
        return f"(?!/)[^{inside}]" if inside else "[^/]"
    return f"(?!/)[{inside}]" if inside else "(?!)"


def _members(part: re.Match[str]) -> str:
    """One character, or a range; a range that runs backwards holds nothing, as for fnmatch."""
    low, high, alone = part.groups()
    if alone is not None:
        return _escape(alone)
    return f"{_escape(low)}-{_escape(high)}" if low <= high else ""


def _escape(char: str) -> str:
    return char if char.isalnum() else f"\\U{ord(char):08x}"
