"""Directories as the user may see them: entries with the facts that depend on rights (RFC 3659 s.7.5.5), and listings.

A listing is made whole, in a worker, before any of it is sent.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Protocol

from attrs import evolve, frozen

from ftlite.config.rights import Right
from ftlite.gate.gate import Gate
from ftlite.protocol.entries import Entry, Kind, perm_letters
from ftlite.protocol.listings import list_line, mlsx_line, nlst
from ftlite.protocol.text import encode
from ftlite.storage import errors
from ftlite.storage.errors import StorageError
from ftlite.storage.granted import Granted
from ftlite.storage.local import LocalStore


def now_ns() -> int:
    """The wall clock, for listings that leave the year out."""
    return time.time_ns()


def permitted(gate: Gate, entry: Entry, path: str) -> Entry:
    """`entry` with its perm fact, as the rules at `path` say."""
    rights = gate.rights(path)
    letters = perm_letters(
        entry.kind,
        get=Right.GET in rights,
        put=Right.PUT in rights,
        overwrite=Right.OVERWRITE in rights,
        delete=Right.DELETE in rights,
        rename=Right.RENAME in rights,
        mkdir=Right.MKDIR in rights,
        rmdir=Right.RMDIR in rights,
        listing=Right.LIST in rights,
    )
    return evolve(entry, perm=letters)


def in_directory(gate: Gate, store: LocalStore, place: Granted, most: int) -> list[Entry]:
    """The entries of a directory that the user may see: one whose own rule gives no LIST is left out. Blocks."""
    base = place.path.rstrip("/")
    entries = store.scan(place, most)
    if gate.covers(place.path, Right.LIST):
        return entries
    return [entry for entry in entries if Right.LIST in gate.rights(f"{base}/{entry.name}")]


@frozen
class Lister:
    """Makes listings for one user.

    Attributes:
        facts: for MLSD, as OPTS MLST chose them.
        most: entries that a listing may have.
    """

    gate: Gate
    store: LocalStore
    facts: tuple[str, ...]
    most: int

    def listing(self, verb: str, place: Granted, given: str) -> bytes:
        """What LIST, NLST or MLSD (`verb`) sends of `place`, named as `given` by the client ("" for none). Blocks.

        Raises:
            StorageError: NOT_DIRECTORY (MLSD), TOO_LARGE, or what the disk says.
        """
        entry = self.store.stat(place)
        inside = entry.kind is Kind.DIR
        entries = in_directory(self.gate, self.store, place, self.most) if inside else [entry]
        lines = _WRITERS[verb](self, place, entries, inside, given)
        return b"".join(encode(line) + b"\r\n" for line in lines)

    def _list(self, _place: Granted, entries: Iterable[Entry], _inside: bool, _given: str) -> Iterable[str]:
        """LIST: as ls -l says it; of a file, its one line."""
        now = now_ns()
        return [list_line(entry, now) for entry in entries]

    def _names(self, _place: Granted, entries: Iterable[Entry], inside: bool, given: str) -> Iterable[str]:
        """NLST: names, led by the path as given, so that each can be asked for as it stands (RFC 1123 s.4.1.2.7)."""
        prefix = f"{given.rstrip('/')}/" if given not in ("", ".") else ""
        return [nlst(entry, prefix) for entry in entries] if inside else [given]

    def _machine(self, place: Granted, entries: Iterable[Entry], inside: bool, _given: str) -> Iterable[str]:
        """MLSD: facts of each name; of a directory only (RFC 3659 s.7.2.1)."""
        if not inside:
            raise StorageError(errors.Kind.NOT_DIRECTORY, place.path, "is not a directory")
        base = place.path.rstrip("/")
        if "perm" in self.facts:
            entries = (permitted(self.gate, entry, f"{base}/{entry.name}") for entry in entries)
        return [mlsx_line(entry, self.facts) for entry in entries]


class _Writer(Protocol):
    def __call__(
        self, lister: Lister, place: Granted, entries: Iterable[Entry], inside: bool, given: str, /
    ) -> Iterable[str]: ...


_WRITERS: Mapping[str, _Writer] = {"LIST": Lister._list, "NLST": Lister._names, "MLSD": Lister._machine}
