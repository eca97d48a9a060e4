"""Lines of IBM's hosts: OS/400, data sets and members of MVS. Dates there follow a local habit, so few are read."""

from __future__ import annotations

import re
from typing import Final

from ftlite.protocol.entries import Entry, Kind
from ftlite.protocol.listparse.dates import moment_ns

_OS400: Final = re.compile(
    r"(\S+) +(?:(\d{1,19}) +\d\d[/.-]\d\d[/.-]\d\d(?:\d\d)? +\d\d[:.]\d\d[:.]\d\d +)?\*([A-Z0-9]+) +(\S.*)",
    re.ASCII | re.DOTALL,
)
_OS400_DIRS: Final = ("DIR", "DDIR", "FLR", "LIB", "FILE")
_MVS: Final = re.compile(
    r"\S{1,6} +\S{1,7} +(?:\d{4}/\d\d/\d\d|\*\*NONE\*\*) +"
    r"\d{1,5} +\d{1,7} +[A-Z?]{1,4} +\d{1,7} +\d{1,7} +(PS|PO|PO-E|DA|VS) +(\S+)",
    re.ASCII,
)
_MEMBER: Final = re.compile(
    r" ?([A-Z$#@][A-Z0-9$#@]{0,7}) +\d\d\.\d\d +\d{4}/\d\d/\d\d +"
    r"(\d{4})/(\d\d)/(\d\d) +(\d\d):(\d\d)(?: +\d{1,7}){3} +\S+ *",
    re.ASCII,
)


def parse_os400(line: str, _now_ns: int) -> Entry | None:
    """An OS/400 line, "OWNER 280 22/11/26 10:15:30 *STMF name". No time is read: the order of its date varies."""
    match = _OS400.fullmatch(line)
    if match is None:
        return None
    owner, size, what, name = match.groups()
    directory = what in _OS400_DIRS
    return Entry(
        name.rstrip("/ ") or name,
        Kind.DIR if directory else Kind.FILE,
        int(size) if size and not directory and what == "STMF" else None,
        owner=owner,
    )


def parse_mvs(line: str, _now_ns: int) -> Entry | None:
    """A data set of MVS; a partitioned one (PO) is a directory. Sizes are in tracks, the date is of the last use."""
    match = _MVS.fullmatch(line)
    if match is None:
        return None
    organisation, name = match.groups()
    return Entry(name, Kind.DIR if organisation.startswith("PO") else Kind.FILE)


def parse_mvs_member(line: str, _now_ns: int) -> Entry | None:
    """A member of a data set: " NAME  01.05 2026/11/01 2026/11/22 10:15  20 20 0 USER"; sizes are in records."""
    match = _MEMBER.fullmatch(line)
    if match is None:
        return None
    name, year, month, day, hour, minute = match.groups()
    modify_ns = moment_ns(int(year), int(month), int(day), (int(hour), int(minute), 0))
    return Entry(name, Kind.FILE, modify_ns=modify_ns)
