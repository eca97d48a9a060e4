"""Lines of VMS: "NAME.TXT;3   4/6  22-NOV-2026 10:15 [OWNER] (RWED,RWED,RE,)", a long name on a line of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from ftlite.protocol.entries import Entry, Kind
from ftlite.protocol.listparse.dates import moment_ns, month_number

_ALONE: Final = re.compile(r"\S+;\d{1,5}\s*", re.ASCII)
_LINE: Final = re.compile(
    r"([^\s;]+);(\d{1,5})\s+(?:\d+(?:/\d+)?K?B?\s+)?(\d{1,2})-([A-Za-z]{3})-(\d{4})"
    r"(?:\s+(\d{1,2}):(\d\d)(?::(\d\d)(?:\.\d\d)?)?)?(?:\s+\[([^\]]*)\])?(?:\s+\(([^)]*)\))?\s*",
    re.ASCII,
)


def join_vms(lines: Iterable[str]) -> Iterator[str]:
    """`lines`, a name with its version that stands alone being joined with the indented line after it."""
    alone = ""
    for line in lines:
        if alone:
            if line[:1] in (" ", "\t") and line.strip():
                yield f"{alone.rstrip()} {line.lstrip()}"
                alone = ""
                continue
            yield alone
            alone = ""
        if _ALONE.fullmatch(line):
            alone = line
        else:
            yield line
    if alone:
        yield alone


def parse_vms(line: str, _now_ns: int) -> Entry | None:
    """A VMS line. The version is taken off the name, ".DIR" marks a directory; sizes are in blocks: none is given."""
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    name, _version, day, month, year, hour, minute, second, owner, _protection = match.groups()
    number = month_number(month)
    at = (int(hour or 0), int(minute or 0), int(second or 0))
    modify_ns = moment_ns(int(year), number, int(day), at) if number else None
    directory = name.upper().endswith(".DIR")
    if directory:
        name = name[:-4]
        if not name:
            return None
    group, _, person = (owner or "").rpartition(",")
    return Entry(
        name,
        Kind.DIR if directory else Kind.FILE,
        modify_ns=modify_ns,
        owner=person.strip() or None,
        group=group.strip() or None,
    )
