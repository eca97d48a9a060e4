"""Reading listings. MLSx has a grammar; LIST has none, so an ordered list of small parsers is asked, line by line.

A form is a function ``(line, now_ns) -> Entry | None``; it takes a line only when it is sure, so the order decides
little, but it does decide. Names come out as the server sent them: `safe_name` judges them before a local path is made.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable

from ftlite.protocol.entries import Entry
from ftlite.protocol.errors import BadListing
from ftlite.protocol.listparse.mlsx import parse_mlst, parse_mlsx
from ftlite.protocol.text import decode

__all__ = ["forms", "listing_lines", "parse_list", "parse_mlst", "parse_mlsx", "parse_nlst", "safe_name"]


@functools.cache
def forms() -> tuple[Callable[[str, int], Entry | None], ...]:
    """Every form of a LIST line that we read, to be asked in this order. Few servers need them, so they come late."""
    from ftlite.protocol.listparse.dos import parse_dos
    from ftlite.protocol.listparse.eplf import parse_eplf
    from ftlite.protocol.listparse.hosts import parse_mvs, parse_mvs_member, parse_os400
    from ftlite.protocol.listparse.unix import parse_netware, parse_unix
    from ftlite.protocol.listparse.vms import parse_vms

    return (
        parse_unix,
        parse_eplf,
        parse_dos,
        parse_netware,
        parse_vms,
        parse_os400,
        parse_mvs,
        parse_mvs_member,
    )


def listing_lines(data: bytes) -> list[str]:
    """The lines in the bytes of a data connection, each without its CRLF or LF; undecodable bytes survive.

    No other character ends a line: names may hold what `str.splitlines` takes for line ends.
    """
    lines = decode(data).split("\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def parse_list(lines: Iterable[str], now_ns: int) -> list[Entry]:
    """The entries of a LIST reply, in its order; of several with one name (versions on VMS) the first.

    ``.`` and ``..`` are marked CDIR and PDIR. Lines that no form takes are passed over. Times are read as UTC and hold
    to the minute or the day that was written; where the year is missing it is the latest one that puts the time no
    more than a day after `now_ns` (nanoseconds since the epoch).

    Raises:
        BadListing: there are lines, and no form takes a single one.
    """
    from ftlite.protocol.listparse.vms import join_vms

    found: dict[str, Entry] = {}
    unknown = ""
    for line in join_vms(lines):
        entry = _ask(line, now_ns)
        if entry is not None:
            found.setdefault(entry.name, entry)
        elif not unknown and not _says_nothing(line):
            unknown = line
    if unknown and not found:
        raise BadListing(f"the server's listing has a form that is not known; it begins with {unknown[:100]!r}")
    return list(found.values())


def parse_nlst(lines: Iterable[str], asked: str = "") -> list[str]:
    """The names in an NLST reply, without ``.``, ``..``, blank lines and repetitions.

    Servers differ in whether a name stands alone or behind the directory that was `asked` for; both give the name.
    """
    prefixes = [prefix for prefix in (f"{asked.rstrip('/')}/" if asked else "", "./") if prefix]
    names: dict[str, None] = {}
    for line in lines:
        name = line
        for prefix in prefixes:
            name = name.removeprefix(prefix)
        if name not in ("", ".", ".."):
            names[name] = None
    return list(names)


def safe_name(name: str) -> str:
    """`name`, when it can be one name inside a local directory; for every name out of a listing, before it is used.

    That keeps a hostile server inside the directory as far as names go. What names cannot do is the client's part:
    create files below a descriptor of that directory without following links, and make no link from a listing.

    Raises:
        BadListing: the name is empty, ``.`` or ``..``, or holds ``/`` or NUL.
    """
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise BadListing(f"the server lists the name {name[:100]!r}, which cannot be a name inside a directory")
    return name


def _ask(line: str, now_ns: int) -> Entry | None:
    for form in forms():
        entry = form(line, now_ns)
        if entry is not None:
            return entry
    return None


def _says_nothing(line: str) -> bool:
    """Whether `line` is blank, a heading or a sum, which is all that the listing of an empty directory may have."""
    words = line.split()
    if len(words) < 2:
        return not words
    if len(words) == 2 and words[0].isalpha() and words[1].replace(".", "").rstrip("kKMGT").isdigit():
        return True  # "total 8", in any language
    return words[0] in ("Directory", "Volume", "Grand") or words[:2] in (["Total", "of"], ["Name", "VV.MM"])
