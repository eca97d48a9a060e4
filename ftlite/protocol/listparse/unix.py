"""Lines like those of ``ls -l``: kind and mode, then columns that vary, then size, date, one space and the name.

What varies is before the size, and the name may hold anything, so a line is read from its date: the first place where
a number is followed by a date. Left of it are links, owner and group, as many as there are; right of it, after one
space, is the name, with all its own spaces. NetWare's lines differ in their first column only.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from attrs import evolve

from ftlite.protocol.entries import Entry, Kind
from ftlite.protocol.listparse.dates import clock, latest_ns, moment_ns, month_number
from ftlite.protocol.listparse.mlsx import DOTS
from ftlite.protocol.text import decode, encode

_HEAD: Final = re.compile(r"([-dlbcpsDPn])([-rwxsStTlL]{9})[.+@]?(?=[\s\d])")
_NETWARE: Final = re.compile(r"([-dn]) ?\[[-RWCEAFMSrwceafms ]{8}\](?= )")
_WORD: Final = re.compile(r"\S+")
_SIZE: Final = re.compile(r"[\d,]{0,6}\d{1,19}", re.ASCII)
_DAY: Final = re.compile(r"(\d{1,2})[.,日일]?", re.ASCII)
_YEAR: Final = re.compile(r"\d{4}", re.ASCII)
_ZONE: Final = re.compile(r"([+-])(\d\d)(\d\d)", re.ASCII)
_ISO: Final = re.compile(r"(?:(\d{4})-)?(\d\d)-(\d\d)", re.ASCII)
_KINDS: Final = {"-": Kind.FILE, "d": Kind.DIR, "l": Kind.LINK}
_MOST_WORDS: Final = 16  #: beyond the widest line known before its name, so that no line takes long to refuse


class _Date(NamedTuple):
    words: int  #: how many words it takes
    ns: int | None


def parse_unix(line: str, now_ns: int) -> Entry | None:
    """A line of ``ls -l`` in its many forms: with or without links and group, devices, ACL marks, local dates."""
    head = _HEAD.match(line)
    if head is None:
        return None
    kind = _KINDS.get(head[1], Kind.OTHER)
    return _columns(line, head.end(), kind, _mode(head[2]), now_ns)


def parse_netware(line: str, now_ns: int) -> Entry | None:
    """A NetWare line: "d [RWCEAFMS] owner 512 Nov 20 10:15 name"; the rights in brackets are no mode."""
    head = _NETWARE.match(line)
    if head is None:
        return None
    entry = _columns(line, head.end(), _KINDS.get(head[1], Kind.FILE), None, now_ns)
    # Here the name is a column: blanks before it are filling.
    return entry and _named(entry, entry.name.lstrip(" "))


def _columns(line: str, start: int, kind: Kind, mode: int | None, now_ns: int) -> Entry | None:
    """The entry in a line whose first column ends at `start`."""
    words: list[str] = []
    ends: list[int] = []
    for word in _WORD.finditer(line, start):
        words.append(word[0])
        ends.append(word.end())
        if len(words) == _MOST_WORDS:
            break
    for at in range(1, len(words)):
        if _SIZE.fullmatch(words[at - 1]) is None:
            continue
        # GNU's short ISO style pads a date without a time of day, so what looks like one there is the name.
        padded = line.startswith("  ", ends[at])
        date = _date(words[at : at + 1] if padded and _ISO.fullmatch(words[at]) else words[at : at + 4], now_ns)
        if date is None:
            continue
        name = line[ends[at + date.words - 1] + 1 :]
        return _entry(words[:at], kind, mode, date.ns, name[1:] if date.words == 1 and padded else name)
    return None


def _entry(columns: list[str], kind: Kind, mode: int | None, modify_ns: int | None, name: str) -> Entry | None:
    """The entry whose `columns` stand between mode and date, the size last."""
    *who, last = columns
    if kind is Kind.OTHER and who and who[-1].endswith(","):
        who.pop()  # the major number of a device, the minor one being in the place of the size
    size = int(last.replace(",", "")) if kind is Kind.FILE else None
    if who[:1] == ["folder"] or _forks(who, size):
        who = []  # NetPresenz has no owners
    elif who and who[0].isdecimal():
        who = who[1:]  # the number of links
    target = None
    if kind is Kind.LINK:
        name, target = _link(name, last)
    owner, group = who[0] if who else None, " ".join(who[1:]) or None
    return _named(Entry(name, kind, size, modify_ns, mode, owner, group, target=target), name)


def _forks(who: list[str], size: int | None) -> bool:
    """Whether NetPresenz wrote the sizes of a file's two forks where others write links and owner."""
    return len(who) == 2 and all(map(_SIZE.fullmatch, who)) and sum(int(each.replace(",", "")) for each in who) == size


def _named(entry: Entry, name: str) -> Entry | None:
    """`entry` under `name`, as CDIR or PDIR when that is what it says; None without a name."""
    if not name:
        return None
    if entry.kind is Kind.DIR and name in DOTS:
        return evolve(entry, name=name, kind=DOTS[name])
    return entry if name == entry.name else evolve(entry, name=name)


def _link(text: str, size: str) -> tuple[str, str | None]:
    """Name and target of "name -> target". Both may hold the arrow: the size of a link is the length of its target."""
    raw = encode(text)
    cut = len(raw) - int(size) if size.isdecimal() else -1
    if cut > 4 and raw[cut - 4 : cut] == b" -> ":
        return decode(raw[: cut - 4]), decode(raw[cut:])
    name, arrow, target = text.partition(" -> ")
    return name, target if arrow else None


def _date(words: list[str], now_ns: int) -> _Date | None:
    """The date that `words` begin with, or None. A month in a language unknown to us leaves the time unknown."""
    first, second, third, fourth = [*words, "", "", ""][:4]
    if iso := _ISO.fullmatch(first):
        return _iso(iso, second, third, now_ns)
    word, day = first, _DAY.fullmatch(second)
    if day is None:
        word, day = second, _DAY.fullmatch(first)
    if day is None or not 1 <= int(day[1]) <= 31 or not word:
        return None
    month = month_number(word)
    if month is None and not word[0].isalpha():
        return None
    when = clock(third)
    if when is None:
        if _YEAR.fullmatch(third) is None:
            return None
        return _Date(3, month and moment_ns(int(third), month, int(day[1])))
    if third.count(":") == 2 and _YEAR.fullmatch(fourth):  # BSD's ls -lT
        return _Date(4, month and moment_ns(int(fourth), month, int(day[1]), when))
    return _Date(3, month and latest_ns(month, int(day[1]), when, now_ns))


def _iso(date: re.Match[str], second: str, third: str, now_ns: int) -> _Date | None:
    """The ISO forms of GNU ls: "2026-11-22", "2026-11-22 10:15", "11-22 10:15", and with seconds and zone."""
    time, _, fraction = second.partition(".")
    when = clock(time)
    if date[1] is None:
        return None if when is None else _Date(2, latest_ns(int(date[2]), int(date[3]), when, now_ns))
    day = (int(date[1]), int(date[2]), int(date[3]))
    if when is None:
        return _Date(1, moment_ns(*day))
    ns = moment_ns(*day, when)
    if time.count(":") != 2 or ns is None:
        return _Date(2, ns)
    if len(fraction) == 9 and fraction.isdecimal():
        ns += int(fraction)
    zone = _ZONE.fullmatch(third)
    if zone is None:
        return _Date(2, ns)
    east = (int(zone[2]) * 60 + int(zone[3])) * 60 * 1_000_000_000
    return _Date(3, ns - east if zone[1] == "+" else ns + east)


def _mode(letters: str) -> int:
    """Permission bits of "rwxr-xr-t"; ``l`` and ``L`` (mandatory locking) stand for set-group-id without execution."""
    mode = 0
    for place, letter in enumerate(letters):
        bit = 0o400 >> place
        if letter in "rwxst":
            mode |= bit
        if letter in "sStTlL":
            mode |= (0o4000, 0o2000, 0o1000)[place // 3]
    return mode
