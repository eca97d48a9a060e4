"""One glob against one path, in a time that no glob and no path can stretch.

A glob is a row of pieces: one character each, or a run (``*``, ``**``, ``**/``). As a regular expression it is fast,
but with several runs an unlucky path takes for ever, and globs come from whoever is at the other end. So where that
could hurt, the pieces are walked as an automaton whose states are the bits of a number: much slower than the expression
at its best, and never slower than that.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import Final

#: Steps that a regular expression may take at worst: about a millisecond.
_STEPS: Final = 100_000
_MOST_CACHED: Final = 1000  # characters

# The runs, as regular expressions.
_SOME: Final = "[^/]*"
_ALL: Final = ".*"
_DEEP: Final = "(?:.*/)?"
_RUNS: Final = frozenset({_SOME, _ALL, _DEEP})
#: Two runs in a row that are the same as one.
_MERGED: Final = {
    (_SOME, _SOME): _SOME,
    (_SOME, _ALL): _ALL,
    (_ALL, _SOME): _ALL,
    (_ALL, _ALL): _ALL,
    (_ALL, _DEEP): _ALL,
    (_DEEP, _ALL): _ALL,
    (_DEEP, _DEEP): _DEEP,
    (_DEEP, _SOME): _ALL,
}

_PIECE: Final = re.compile(
    r"(?P<deep>\*\*/)|(?P<all>\*\*)|(?P<some>\*)|(?P<one>\?)|\[(?P<not>[!^]?)(?P<set>.[^\]]*)\]|(?P<char>.)", re.DOTALL
)
_RANGE: Final = re.compile(r"(.)-(.)|(.)", re.DOTALL)


class Glob:
    """A glob without an opinion of what it is matched against: ``*``, ``?`` and sets stop at '/', ``**`` does not."""

    def __init__(self, text: str) -> None:
        self._pieces = _pieces(text)
        self._runs = sum(piece in _RUNS for piece in self._pieces)

    def matches(self, path: str) -> bool:
        """Whether all of `path` is what the glob says."""
        if self._runs < 2 or len(path) ** self._runs <= _STEPS:
            return self._expression.fullmatch(path) is not None
        return self._automaton.matches(path)

    @cached_property
    def _expression(self) -> re.Pattern[str]:
        return re.compile("".join(self._pieces), re.DOTALL)

    @cached_property
    def _automaton(self) -> Automaton:
        return Automaton(self._pieces)


class Automaton:
    """The pieces as states: bit n of a number says that all pieces before the n-th may have been matched so far."""

    def __init__(self, pieces: list[str]) -> None:
        self._letters: dict[str, int] = {}  # this character, then the next state
        self._singles: list[tuple[int, re.Pattern[str]]] = []  # a character of a kind, then the next state
        self._loops: list[tuple[int, bool]] = []  # any character and the same state; whether '/' is one too
        self._slashes = 0  # a '/' leads on
        self._skips = self._double_skips = 0  # what may match nothing
        at = 1
        for piece in pieces:
            if piece == _DEEP:  # two states: none of it, or anything up to a '/'
                self._skips |= at
                self._double_skips |= at
                at <<= 1
                self._slashes |= at
                self._loops.append((at, True))
            elif piece in _RUNS:
                self._skips |= at
                self._loops.append((at, piece == _ALL))
            elif len(piece.removeprefix("\\")) == 1:  # escaped or not
                self._letters[piece[-1]] = self._letters.get(piece[-1], 0) | at
            else:
                self._singles.append((at, re.compile(piece, re.DOTALL)))
            at <<= 1
        self._last = at
        self._moves: dict[str, tuple[int, int]] = {}

    def matches(self, path: str) -> bool:
        """Whether all of `path` leads to the last state."""
        states = self._skipped(1)
        for char in path:
            forward, stay = self._moves.get(char) or self._of(char)
            states = self._skipped(((states & forward) << 1) | (states & stay))
            if not states:
                return False
        return bool(states & self._last)

    def _skipped(self, states: int) -> int:
        """With all states that nothing at all leads to; runs are merged, so that these are few steps."""
        while True:
            more = states | ((states & self._skips) << 1) | ((states & self._double_skips) << 2)
            if more == states:
                return states
            states = more

    def _of(self, char: str) -> tuple[int, int]:
        """The states that `char` leads on from, and those that it stays in."""
        forward = self._letters.get(char, 0) | (self._slashes if char == "/" else 0)
        for state, single in self._singles:
            if single.fullmatch(char):
                forward |= state
        stay = 0
        for state, slashes in self._loops:
            if slashes or char != "/":
                stay |= state
        if len(self._moves) >= _MOST_CACHED:
            self._moves.clear()
        self._moves[char] = forward, stay
        return forward, stay


def _pieces(glob: str) -> list[str]:
    """The regular expression of each piece of `glob`; a bracket that never closes means itself, as in the shell."""
    pieces: list[str] = []
    for match in _PIECE.finditer(glob):
        piece = _piece(match)
        while pieces and (merged := _MERGED.get((pieces[-1], piece))) is not None:
            pieces.pop()
            piece = merged
        pieces.append(piece)
    return pieces


def _piece(match: re.Match[str]) -> str:
    if match["deep"]:
        return _DEEP
    if match["all"]:
        return _ALL
    if match["some"]:
        return _SOME
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
