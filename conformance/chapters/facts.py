"""The suite's own reader of facts, "type=file;size=1; name" (RFC 3659 s.7.2): strict, to find faults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from conformance.data import download
from conformance.place import Place, want_done
from conformance.registry import Failed, Skipped

_FACT = re.compile(rb"([A-Za-z0-9./_-]+(?:\.[A-Za-z0-9./_-]+)*)=([^;\r\n]*)")


@dataclass(frozen=True)
class Entry:
    """One entry. Names of facts are in lower case, values as sent."""

    facts: Mapping[str, str]
    name: bytes

    @property
    def type(self) -> str:
        return self.facts.get("type", "").lower()


def read_entry(line: bytes) -> Entry:
    """An entry of MLSD, or of MLST less the blank before it. Failed when it is none."""
    head, blank, name = line.partition(b" ")
    if not blank:
        raise Failed(f"{line!r} has no blank between facts and name")
    if head and not head.endswith(b";"):
        raise Failed(f"the facts of {line!r} do not end with a semicolon")
    facts: dict[str, str] = {}
    for each in head.split(b";")[:-1]:
        found = _FACT.fullmatch(each)
        if not found:
            raise Failed(f"{each!r} in {line!r} is no fact")
        fact = found[1].decode().lower()
        if fact in facts:
            raise Failed(f"{line!r} has the fact {fact} twice")
        facts[fact] = found[2].decode("utf-8", "surrogateescape")
    if not name:
        raise Failed(f"{line!r} has no name")
    return Entry(facts, name)


def mlsd(here: Place, argument: str | bytes = b"") -> list[Entry]:
    """The entries of a directory. Skipped without MLSD."""
    shown = argument.encode() if isinstance(argument, str) else argument
    outcome = download(here.wire, b" ".join([b"MLSD", shown]).rstrip(b" "))
    if outcome.last.code in (500, 502):
        raise Skipped("MLSD is not known here")
    want_done(outcome, "MLSD")
    if outcome.content and not outcome.content.endswith(b"\r\n"):
        raise Failed(f"the last line of MLSD does not end in CRLF: {outcome.content[-60:]!r}")
    return [read_entry(line) for line in outcome.content.split(b"\r\n")[:-1]]


def listed(here: Place, argument: str | bytes = b"") -> dict[bytes, Entry]:
    """The entries of MLSD by name, less those that stand for the directory and the one above."""
    return {entry.name: entry for entry in mlsd(here, argument) if entry.type not in ("cdir", "pdir")}


def mlst(here: Place, argument: str | bytes = b"") -> Entry:
    """The one entry of MLST. Skipped without MLST; Failed when the reply is not of its form (s.7.2)."""
    shown = argument.encode() if isinstance(argument, str) else argument
    reply = here.known(b" ".join([b"MLST", shown]).rstrip(b" "))
    if reply.code != 250:
        raise Failed(f"MLST is answered {reply.shown}")
    if len(reply.lines) != 3:
        raise Failed(f"MLST is answered in {len(reply.lines)} lines where three are due: {reply.shown}")
    line = reply.lines[1]
    if not line.startswith(b" "):
        raise Failed(f"the entry {line!r} has no blank before it")
    return read_entry(line[1:])
