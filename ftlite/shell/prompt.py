"""What stands before the line that is typed: where one is, whether anybody can listen in, and how much runs. Pure."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from ftlite.protocol.text import printable

Fragments = list[tuple[str, str]]  #: (style class, text)

_LEAST = 24  #: columns that are left for typing where the prompt can be made shorter
_SHORTEST = 8  #: columns of a directory that say something


@frozen
class Where:
    """What a prompt tells.

    Attributes:
        server: user, host and port; "" when none is open.
        directory, home: absolute paths.
        secured, native: of the connection.
        running: jobs in the background.
    """

    server: str = ""
    directory: str = "/"
    home: str = "/"
    secured: bool = True
    native: bool = False
    running: int = 0


def fragments(where: Where, width: int, cells: Callable[[str], int] = len) -> Fragments:
    """The prompt, so long that `width` columns leave room to type: the directory loses its beginning, then the dialect
    and the user go. That the connection is in clear is said in any case.

    Args:
        cells: columns that a text takes.
    """
    room = max(width - _LEAST, _SHORTEST)
    server, directory = printable(where.server), printable(_seen_from_home(where))
    host = server.rpartition("@")[2]
    for name, dialect, most in ((server, True, None), (server, True, _SHORTEST * 2), (server, False, _SHORTEST),
                                (host, False, _SHORTEST)):  # fmt: skip
        found = _built(where, name, dialect, directory)
        used = sum(cells(text) for _, text in found)
        if used <= room:
            return found
        left = room - (used - cells(directory))
        if most is not None and left >= most:
            return _built(where, name, dialect, _tail(directory, left, cells))
    return _built(where, "", False, _tail(directory, _SHORTEST, cells))


def _built(where: Where, name: str, dialect: bool, directory: str) -> Fragments:
    parts: Fragments = []
    if where.server:
        if name:
            parts += [("class:host", name), ("", ":")]
        parts.append(("class:directory", directory))
        spoken = ("native " if where.native else "stock ") if dialect else ""
        if not where.secured:
            parts += [("class:facts", f" [{spoken}"), ("class:clear", "IN CLEAR"), ("class:facts", "]")]
        elif dialect:
            parts.append(("class:facts", f" [{spoken}tls]"))
    else:
        parts.append(("class:host", "ftlite"))
    if where.running:
        parts.append(("class:jobs", f" {where.running} job{'' if where.running == 1 else 's'}"))
    return [part for part in [*parts, ("", "> ")] if part[1]]


def _seen_from_home(where: Where) -> str:
    home = where.home.rstrip("/")
    if home and (where.directory == home or where.directory.startswith(f"{home}/")):
        return "~" + where.directory[len(home) :]
    return where.directory


def _tail(directory: str, room: int, cells: Callable[[str], int]) -> str:
    """The end of `directory`, with a mark where something was cut off."""
    if cells(directory) <= room:
        return directory
    kept = directory
    while kept and cells(kept) > room - 1:
        kept = kept[1:]
    return f"…{kept}"
