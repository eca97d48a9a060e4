"""Writing listings: one entry, one line, without its CRLF. A line function never fails and never makes two lines.

A name with CR, LF or NUL can stand on a disk but in no command, so no client can ask for it. It is listed all the
same, each such character shown as U+FFFD: a client that mirrors the directory then learns, by the refusal it gets,
that it does not have everything, where a missing line would let it believe so.
"""

from __future__ import annotations

import stat
from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from ftlite.protocol.entries import Entry, Kind
from ftlite.protocol.errors import BadFacts
from ftlite.protocol.facts import format_time

#: Facts that `mlsx_line` can write, spelled and ordered as in FEAT (RFC 3659 s.7.8).
MLSX_FACTS: Final = ("type", "size", "modify", "perm", "unique", "UNIX.mode", "UNIX.owner", "UNIX.group")

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EPOCH: Final = datetime(1970, 1, 1)
_HALF_YEAR: Final = timedelta(days=183)
_SECOND: Final = 1_000_000_000
_FORMATS: Final = {
    Kind.FILE: (stat.S_IFREG, 0o644),
    Kind.DIR: (stat.S_IFDIR, 0o755),
    Kind.CDIR: (stat.S_IFDIR, 0o755),
    Kind.PDIR: (stat.S_IFDIR, 0o755),
    Kind.LINK: (stat.S_IFLNK, 0o777),
    Kind.OTHER: (stat.S_IFIFO, 0o644),
}
_TYPES: Final = {
    Kind.FILE: "file",
    Kind.DIR: "dir",
    Kind.CDIR: "cdir",
    Kind.PDIR: "pdir",
    Kind.LINK: "OS.unix=symlink",
    Kind.OTHER: "OS.unix=other",
}
_SHOWN: Final = str.maketrans({"\r": "\ufffd", "\n": "\ufffd", "\0": "\ufffd"})


def choose_facts(names: Iterable[str]) -> tuple[str, ...]:
    """Those of `MLSX_FACTS` that are among `names`, whatever their case: what OPTS MLST sets (RFC 3659 s.7.9)."""
    wanted = {name.lower() for name in names}
    return tuple(fact for fact in MLSX_FACTS if fact.lower() in wanted)


def mlst_feature(chosen: Collection[str]) -> str:
    """The FEAT line of MLST, each fact that is on marked with a star (RFC 3659 s.7.8)."""
    return "MLST " + "".join(f"{fact}{'*' if fact in chosen else ''};" for fact in MLSX_FACTS)


def mlsx_line(entry: Entry, facts: Collection[str] = MLSX_FACTS) -> str:
    """The line of `entry` in MLSD and MLST (RFC 3659 s.7.2), with those of `facts` (of `MLSX_FACTS`) that it has.

    A fact whose value the grammar cannot hold is left out, and so is the size of what is no plain file. Where a link
    points is told when the entry has a target.
    """
    parts = []
    if "type" in facts:
        kind = _TYPES[entry.kind]
        if entry.target is not None and entry.kind is Kind.LINK and _clean(entry.target):
            kind = f"OS.unix=slink:{entry.target}"
        parts.append(f"type={kind};")
    if entry.size is not None and "size" in facts and entry.kind is Kind.FILE:
        parts.append(f"size={entry.size};")
    if entry.modify_ns is not None and "modify" in facts:
        with suppress(BadFacts):
            parts.append(f"modify={format_time(entry.modify_ns)};")
    if entry.perm is not None and "perm" in facts:
        parts.append(f"perm={entry.perm};")
    if entry.unique is not None and "unique" in facts and _clean(entry.unique):
        parts.append(f"unique={entry.unique};")
    if entry.mode is not None and "UNIX.mode" in facts:
        parts.append(f"UNIX.mode={entry.mode & 0o7777:04o};")
    if entry.owner and "UNIX.owner" in facts and _clean(entry.owner):
        parts.append(f"UNIX.owner={entry.owner};")
    if entry.group and "UNIX.group" in facts and _clean(entry.group):
        parts.append(f"UNIX.group={entry.group};")
    return f"{''.join(parts)} {_shown(entry.name)}"


def list_line(entry: Entry, now_ns: int) -> str:
    """The line of `entry` as ``ls -l`` writes it in the C locale, times in UTC.

    The time of day stands there for the half year before `now_ns` (nanoseconds since the epoch), else the year. What
    the entry does not say is written as people expect it: usual mode, owner and group ``ftp``, size 0.
    """
    form, usual = _FORMATS[entry.kind]
    mode = stat.filemode(form | (usual if entry.mode is None else entry.mode & 0o7777))
    when = _when((entry.modify_ns or 0) // _SECOND // 60, now_ns // _SECOND // 60)
    arrow = f" -> {_shown(entry.target)}" if entry.kind is Kind.LINK and entry.target is not None else ""
    owner, group = _column(entry.owner), _column(entry.group)
    return f"{mode}   1 {owner:<8} {group:<8} {entry.size or 0:>12} {when} {_shown(entry.name)}{arrow}"


def nlst(entry: Entry, prefix: str = "") -> str:
    """The line of `entry` in NLST: `prefix` ("" or, for a directory that was named, "its/path/") and the name."""
    return _shown(prefix + entry.name)


def _clean(value: str) -> bool:
    """Whether a fact can hold `value` (RFC 3659 s.7.2)."""
    return not (" " in value or ";" in value or "\n" in value or "\r" in value or "\0" in value)


def _shown(name: str) -> str:
    return name.translate(_SHOWN) if "\n" in name or "\r" in name or "\0" in name else name


def _column(name: str | None) -> str:
    """`name` as one column: blanks in it would shift all that follows."""
    return "_".join(_shown(name).split()) or "ftp" if name else "ftp"


@lru_cache(maxsize=4096)
def _when(minute: int, now: int) -> str:
    """The date columns for a moment, both in minutes since the epoch; what no calendar has is shown as the epoch."""
    try:
        moment = _EPOCH + timedelta(minutes=minute)
    except OverflowError:
        moment = _EPOCH
    head = f"{_MONTHS[moment.month - 1]} {moment.day:>2}"
    if timedelta(0) <= timedelta(minutes=now) - (moment - _EPOCH) < _HALF_YEAR:
        return f"{head} {moment.hour:02}:{moment.minute:02}"
    return f"{head}  {moment.year:04}"
