"""MLSD and MLST lines (RFC 3659 s.7). The form is strict; a value that makes no sense is as good as none.

One odd value must not cost a whole listing, so a size or a time that cannot be read is None, and whoever needs it asks
again or does without.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ftlite.protocol.entries import Entry, Kind
from ftlite.protocol.errors import BadFacts
from ftlite.protocol.facts import parse_time, split_facts

_KINDS: Final = {"file": Kind.FILE, "dir": Kind.DIR, "cdir": Kind.CDIR, "pdir": Kind.PDIR}
#: What a directory is that goes by one of these names, whatever the server calls it.
DOTS: Final = {".": Kind.CDIR, "..": Kind.PDIR}
_LINKS: Final = ("os.unix=slink", "os.unix=symlink")


def parse_mlsx(line: str) -> Entry:
    """The entry of one MLSD line (or of the one line of MLST, its leading space taken off: `parse_mlst`).

    Without a type fact it is a FILE. Names of owner and group are taken before numbers. Raises BadFacts: the line has
    no space, no name, or facts that break the grammar.
    """
    facts, name = split_facts(line)
    if not name:
        raise BadFacts(f"{line[:80]!r} has no name")
    get = facts.get
    kind, target = _kind(get("type", "file"))
    if kind is Kind.DIR:
        kind = DOTS.get(name, kind)
    modify = get("modify")
    return Entry(
        name,
        kind,
        number(get("size")),
        None if modify is None else _time(modify),
        _mode(get("unix.mode")),
        get("unix.ownername") or get("unix.owner") or get("unix.uid"),
        get("unix.groupname") or get("unix.group") or get("unix.gid"),
        get("unique"),
        get("perm"),
        target,
    )


def parse_mlst(lines: Sequence[str]) -> Entry:
    """The entry in the lines of a 250 reply to MLST: the one between the first and the last (RFC 3659 s.7.2).

    Its leading space is part of the reply and not of the entry; servers that leave it out are read too. Raises
    BadFacts.
    """
    if len(lines) < 3:
        raise BadFacts("the reply to MLST has no line with facts in it")
    line = lines[1]
    return parse_mlsx(line[1:] if line[:1] == " " else line)


def number(text: str | None) -> int | None:
    """A count of bytes, or None for what is none (as "-1"), or is beyond any file."""
    return int(text) if text and len(text) < 20 and text.isascii() and text.isdigit() else None


def _kind(value: str) -> tuple[Kind, str | None]:
    lower = value.lower()
    kind = _KINDS.get(lower)
    if kind is not None:
        return kind, None
    kind_of_link, _, target = value.partition(":")
    if kind_of_link.lower() in _LINKS:
        return Kind.LINK, target or None
    return Kind.OTHER, None


def _time(value: str) -> int | None:
    try:
        return parse_time(value)
    except BadFacts:
        return None


def _mode(value: str | None) -> int | None:
    if not value or len(value) > 7 or not value.isascii() or not value.isdigit() or "8" in value or "9" in value:
        return None
    return int(value, 8) & 0o7777
