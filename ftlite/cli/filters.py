"""--include and --exclude as the filter that a tree is walked with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ftlite.protocol.native.patterns import Filter

Wanted = Callable[[str, bool], bool]


def wanted(include: Sequence[str], exclude: Sequence[str]) -> Wanted | None:
    """The filter ``(relative path, is_directory) -> bool``; None when everything is wanted."""
    return Filter(include, exclude) or None
