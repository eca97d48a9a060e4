"""Directories as the user may see them: entries with the facts that depend on rights (RFC 3659 s.7.5.5)."""

from __future__ import annotations

import time

from attrs import evolve

from ftlite.config.rights import Right
from ftlite.gate.gate import Gate
from ftlite.protocol.entries import Entry, perm_letters
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
