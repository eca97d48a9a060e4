"""What can be wrong with a line."""

from __future__ import annotations


class BadLine(ValueError):
    """The line cannot be understood; the text says what is wrong and where."""


class Unfinished(BadLine):
    """The line ends within quotes or behind a backslash: more is to come."""
