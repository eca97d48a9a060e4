"""EPLF, "Easily Parsed LIST Format": "+i2049.77,m1795342500,r,s280,<TAB>name"."""

from __future__ import annotations

import re
from typing import Final

from ftlite.protocol.entries import Entry, Kind
from ftlite.protocol.listparse.mlsx import DOTS, number

_SECOND: Final = 1_000_000_000
_MODE: Final = re.compile(r"[0-7]{1,4}", re.ASCII)


def parse_eplf(line: str, _now_ns: int) -> Entry | None:
    """An EPLF line: "/" is a directory, "r" can be retrieved, "s" bytes, "m" seconds since 1970, "up" a mode."""
    if line[:1] != "+":
        return None
    head, tab, name = line[1:].partition("\t")
    if not tab or not name:
        return None
    kind, size, modify_ns, mode, unique = Kind.OTHER, None, None, None, None
    for fact in head.split(","):
        if fact == "/":
            kind = Kind.DIR
        elif fact == "r" and kind is not Kind.DIR:
            kind = Kind.FILE
        elif fact[:1] == "s":
            size = number(fact[1:])
        elif fact[:1] == "m":
            seconds = number(fact[1:])
            modify_ns = None if seconds is None else seconds * _SECOND
        elif fact[:2] == "up" and _MODE.fullmatch(fact[2:]):
            mode = int(fact[2:], 8)
        elif fact[:1] == "i":
            unique = fact[1:]
    if kind is Kind.DIR:
        kind = DOTS.get(name, kind)
    return Entry(name, kind, size, modify_ns, mode, unique=unique)
