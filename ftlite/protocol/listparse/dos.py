"""Lines of DOS and IIS: "11-22-26  10:15AM       <DIR>          name"."""

from __future__ import annotations

import re
from typing import Final

from ftlite.protocol.entries import Entry, Kind
from ftlite.protocol.listparse.dates import full_year, moment_ns
from ftlite.protocol.listparse.mlsx import DOTS

_LINE: Final = re.compile(
    r"(\d\d)[-/](\d\d)[-/](\d{4}|\d\d) +(\d{1,2}):(\d\d) ?([AaPp][Mm])? +"
    r"(?:<(DIR|JUNCTION|SYMLINKD?)>( +)|([\d.,]{1,25}) )(.+)",
    re.ASCII | re.DOTALL,
)
_FILLING: Final = {"DIR": 10, "JUNCTION": 5, "SYMLINK": 6, "SYMLINKD": 5}


def parse_dos(line: str, _now_ns: int) -> Entry | None:
    """A line of IIS in its DOS style, years in two or four digits, with or without AM and PM. Months come first."""
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    month, day, year, hour, minute, half, word, blanks, digits, name = match.groups()
    at = int(hour)
    if half:
        at = at % 12 + (12 if half.upper() == "PM" else 0)
    modify_ns = moment_ns(full_year(year), int(month), int(day), (at, int(minute), 0))
    if digits is not None:
        plain = digits.replace(",", "").replace(".", "")
        return Entry(name, Kind.FILE, int(plain) if plain and len(plain) < 20 else None, modify_ns)
    # The name starts in a fixed column, so what is beyond the filling is its own.
    name = blanks[_FILLING[word] :] + name
    if word == "DIR":
        return Entry(name, DOTS.get(name, Kind.DIR), modify_ns=modify_ns)
    name, bracket, target = name.partition(" [")
    return Entry(name, Kind.LINK, modify_ns=modify_ns, target=target.removesuffix("]") if bracket else None)
