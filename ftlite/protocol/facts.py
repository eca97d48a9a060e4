"""Facts, "type=file;size=1; name", and the time values in them. What is no fact is a BadFacts; unknown facts are kept.

Names of facts are compared without case and kept in lower case (RFC 3659 s.7.5: "case-insensitive"); values are kept
as sent. Facts end at the first space, so a value holds neither space nor ``;``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Final

from attrs import field, frozen

from ftlite.protocol.errors import BadFacts

_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_EPOCH: Final = datetime(1970, 1, 1)  # naive on purpose: all arithmetic here is UTC
_SECOND: Final = 1_000_000_000
_TIME: Final = re.compile(r"(\d{4}|191\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d+))?", re.ASCII)
_UNCLEAN: Final = re.compile(r"[; \r\n\0]")


def _lower_names(given: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in given.items()}


@frozen
class Facts(Mapping[str, str]):
    """Facts by name, in the order sent; look-up ignores the case of the name."""

    _values: Mapping[str, str] = field(converter=_lower_names)

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def split_facts(text: str) -> tuple[dict[str, str], str]:
    """`parse_facts` without the wrapping, for listings of many lines: facts by lower-case name, and the rest."""
    head, space, rest = text.partition(" ")
    if not space:
        raise BadFacts(f"{text[:80]!r} has no space between facts and name")
    values: dict[str, str] = {}
    if not head:
        return values, rest
    # The last ";" is often left out (RFC 3659 s.7.2 wants it), which loses nothing.
    for each in (head[:-1] if head[-1] == ";" else head).split(";"):
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise BadFacts(f"{each[:80]!r} is not a fact, name=value")
        name = name.lower()
        if values.setdefault(name, value) != value:
            raise BadFacts(f"the fact {name[:80]!r} is given twice, and differs")
    return values, rest


def parse_facts(text: str) -> tuple[Facts, str]:
    """The facts of "type=file;size=1; name" and what follows the first space, unchanged (RFC 3659 s.7.2).

    No facts at all is " name". Raises BadFacts: no space, a fact without "=" or name, one given twice with two values.
    """
    values, rest = split_facts(text)
    return Facts(values), rest


def format_facts(facts: Mapping[str, str], rest: str = "") -> str:
    """The text that `parse_facts` reads back. Raises BadFacts when a name or value cannot be written."""
    parts = []
    for name, value in facts.items():
        if not name or "=" in name or _UNCLEAN.search(name) or _UNCLEAN.search(value):
            raise BadFacts(f"the fact {name[:40]!r} with value {value[:80]!r} cannot be written")
        parts.append(f"{name}={value};")
    return f"{''.join(parts)} {rest}"


def parse_time(text: str) -> int:
    """Nanoseconds since the epoch of a time value, YYYYMMDDHHMMSS with an optional fraction, UTC (RFC 3659 s.2.3).

    A leap second counts as the second after it, as in POSIX; what is finer than a nanosecond is cut. A year written
    as "19" and the years since 1900 ("19126" for 2026, the mistake of servers that never met 2000) is read as meant.
    Raises BadFacts.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise BadFacts(f"{text[:80]!r} is not a time, YYYYMMDDHHMMSS")
    year, month, day, hour, minute, second, fraction = match.groups()
    years = int(year) if len(year) == 4 else 1900 + int(year[2:])
    try:
        days = date(years, int(month), int(day)).toordinal() - _EPOCH_DAY
    except ValueError:
        raise BadFacts(f"{text[:80]!r} names a day that no calendar has") from None
    if int(hour) > 23 or int(minute) > 59 or int(second) > 60:
        raise BadFacts(f"{text[:80]!r} names a time that no clock shows")
    seconds = ((days * 24 + int(hour)) * 60 + int(minute)) * 60 + int(second)
    return seconds * _SECOND + (int(fraction[:9].ljust(9, "0")) if fraction else 0)


def format_time(ns: int, *, fraction: bool = False) -> str:
    """The time value of `ns`, nanoseconds since the epoch, for years 1 to 9999 (RFC 3659 s.2.3).

    Whole seconds, rounded down, unless `fraction` is asked for: many clients read 14 digits and fail on more. Raises
    BadFacts for a time outside those years.
    """
    seconds, rest = divmod(ns, _SECOND)
    try:
        moment = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        raise BadFacts(f"{ns} nanoseconds since 1970 is not in the years 1 to 9999") from None
    text = f"{moment.year:04}{moment.month:02}{moment.day:02}{moment.hour:02}{moment.minute:02}{moment.second:02}"
    return f"{text}.{rest:09}".rstrip("0") if fraction and rest else text
