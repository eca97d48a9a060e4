"""Facts of the native dialect and the values in them (s.2, s.4). One row says how a fact becomes an attribute and back.

Facts here are stricter than those of RFC 3659 in `protocol.facts`: each ends in ``;``, and the tag comes first. Names
that nobody asks for are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from attrs import frozen

from ftlite.protocol.arguments import MOST
from ftlite.protocol.errors import BadFacts
from ftlite.protocol.facts import format_time, parse_time
from ftlite.protocol.text import printable

MOST_TAG: Final = 2**31 - 1  #: tags go from 1 to this
ALGORITHMS: Final = ("sha256", "blake3")  #: digests that a fact can be named by (s.4)

_LINE: Final = re.compile(r"((?:[A-Za-z0-9.-]+=[^\0- ;\x7f]*;)*)(?: ([^\r\n\0]*))?")
_UNSENDABLE: Final = re.compile(r"[\r\n\0]")
_TAG: Final = re.compile(r"tag=([0-9]{1,10});", re.IGNORECASE)
_NUMBER: Final = re.compile(r"[0-9]{1,19}")
_MODE: Final = re.compile(r"[0-7]{1,4}")
_TIME: Final = re.compile(r"[0-9]{14}(?:\.[0-9]{1,9})?")
_VERSION: Final = re.compile(r"[0-9A-Za-z._-]{1,64}")
_NAME: Final = re.compile(r"[0-9A-Za-z.-]{1,32}")
_WORD: Final = re.compile(r"[A-Za-z]{1,32}")
_HEX: Final = re.compile(r"[0-9a-f]{64}")


@frozen
class Digests:
    """Digests of one content, 64 lower-case hexadecimal digits each; None where none is stated.

    A peer may state more than it has to, so the reader asks for the one that the command chose.
    """

    sha256: str | None = None
    blake3: str | None = None

    def get(self, algorithm: str) -> str | None:
        """The digest by this algorithm, a name of `ALGORITHMS` or any other, which has none."""
        return {"sha256": self.sha256, "blake3": self.blake3}.get(algorithm)

    @classmethod
    def of(cls, algorithm: str, digest: str) -> Digests:
        """One digest. Raises KeyError for an algorithm that no fact is named by."""
        return cls(**{{name: name for name in ALGORITHMS}[algorithm]: digest})

    def __bool__(self) -> bool:
        return self.sha256 is not None or self.blake3 is not None


NO_DIGESTS: Final = Digests()


@frozen
class Codec:
    """How the value of one kind of fact is read (BadFacts) and written (BadFacts)."""

    read: Callable[[str], Any]
    write: Callable[[Any], str]


@frozen
class Fact:
    """One row: the fact `name` fills `attribute`; `needed`: without it the line is bad."""

    name: str
    attribute: str
    codec: Codec
    needed: bool = False


class Rows:
    """The facts that a line may state, in the order in which they are written."""

    def __init__(self, *rows: Fact) -> None:
        self.rows: Final = rows
        self.by_name: Final = {row.name: row for row in rows}
        self.needed: Final = tuple(row.name for row in rows if row.needed)


def begins_tagged(text: str) -> bool:
    """Whether `text` begins as a tagged argument or reply does; names have no case (s.2)."""
    return text[:4].lower() == "tag="


def read_tag(text: str) -> int | None:
    """The tag that `text` begins with, None when it cannot be read (s.4: ``tag=`` 1*10DIGIT ``;``, 1 to 2147483647)."""
    match = _TAG.match(text)
    return int(match[1]) if match is not None and 1 <= int(match[1]) <= MOST_TAG else None


def split(text: str) -> tuple[dict[str, str], str | None]:
    """Facts by lower-case name, and what stands behind the space; None where there is nothing.

    Raises BadFacts (without a tag): not the grammar of s.2, a fact given twice with two values, or CR, LF, NUL.
    """
    match = _LINE.fullmatch(text)
    if match is None:
        raise BadFacts(f"'{printable(text[:80])}' does not begin with facts, name=value;")
    facts: dict[str, str] = {}
    for each in match[1].split(";")[:-1]:
        name, _, value = each.partition("=")
        name = name.lower()
        if facts.setdefault(name, value) != value:
            raise BadFacts(f"the fact {name[:80]} is given twice, and differs")
    return facts, match[2] or None


def join(facts: Iterable[tuple[str, str]], rest: str | None = None) -> str:
    """The text that `split` reads back, of facts as codecs write them.

    Raises BadFacts for a `rest` that is empty or has CR, LF or NUL.
    """
    text = "".join([f"{name}={value};" for name, value in facts])
    if rest is None:
        return text
    if not rest or _UNSENDABLE.search(rest):
        raise BadFacts(f"'{printable(rest[:80])}' cannot be sent behind facts")
    return f"{text} {rest}"


def read(rows: Rows, facts: Mapping[str, str]) -> dict[str, Any]:
    """Attributes made of `facts` by `rows`; those of absent facts are left out. Raises BadFacts."""
    values: dict[str, Any] = {}
    digests: dict[str, str] = {}
    for name, text in facts.items():
        row = rows.by_name.get(name)
        if row is None:
            continue
        try:
            value = row.codec.read(text)
        except BadFacts as error:
            raise BadFacts(f"{name}: {error}", code=error.code) from error
        if row.attribute == "digests":
            digests[name] = value
        else:
            values[row.attribute] = value
    for name in rows.needed:
        if name not in facts:
            raise BadFacts(f"the fact {name} is missing")
    if digests:
        values["digests"] = Digests(**digests)
    return values


def write(rows: Rows, value: Any) -> list[tuple[str, str]]:
    """The facts that say `value`: one for each attribute that is not None, False or empty. Raises BadFacts."""
    facts = []
    for row in rows.rows:
        held = getattr(value, row.attribute)
        if row.attribute == "digests":
            held = held.get(row.name)
        if held is not None and held is not False and held not in ((), ""):
            facts.append((row.name, row.codec.write(held)))
    return facts


# --- kinds of value ---------------------------------------------------------------------------------------------------


def _matching(pattern: re.Pattern[str], text: str, what: str) -> str:
    if not pattern.fullmatch(text):
        raise BadFacts(f"'{printable(text[:80])}' is not {what}")
    return text


def _number(text: str) -> int:
    value = int(_matching(_NUMBER, text, "a number"))
    if value > MOST:
        raise BadFacts(f"{text} is more than 2^63-1")
    return value


def _write_number(value: int) -> str:
    if not 0 <= value <= MOST:
        raise BadFacts(f"{value} is not a number from 0 to 2^63-1")
    return str(value)


def _mode(text: str) -> int:
    value = int(_matching(_MODE, text, "a mode in octal"), 8)
    if value > 0o777:
        raise BadFacts(f"{text} is more than 0777")
    return value


def _write_mode(value: int) -> str:
    if not 0 <= value <= 0o777:
        raise BadFacts(f"{value:#o} is not a mode from 0 to 0777")
    return f"{value:04o}"


def _literal(word: str) -> Callable[[str], bool]:
    def read(text: str) -> bool:
        if text.lower() != word:
            raise BadFacts(f"there is only {word}, not '{printable(text[:80])}'")
        return True

    return read


def _text(pattern: re.Pattern[str], what: str, *, lower: bool = False) -> Codec:
    def read(text: str) -> str:
        return _matching(pattern, text.lower() if lower else text, what)

    return Codec(read, lambda value: _matching(pattern, value, what))


NUMBER: Final = Codec(_number, _write_number)
MODE: Final = Codec(_mode, _write_mode)
TIME: Final = Codec(
    lambda text: parse_time(_matching(_TIME, text, "a time, YYYYMMDDHHMMSS")), lambda ns: format_time(ns, fraction=True)
)
VERSION: Final = _text(_VERSION, "a version")
NAME: Final = _text(_NAME, "a name", lower=True)
WORD: Final = _text(_WORD, "a word", lower=True)
HEX: Final = _text(_HEX, "a digest of 64 lower-case hexadecimal digits")
YES: Final = Codec(_literal("1"), lambda _: "1")
ABSENT: Final = Codec(_literal("absent"), lambda _: "absent")

#: The rows of a digest, for every line that may state one.
DIGESTS: Final = tuple(Fact(name, "digests", HEX) for name in ALGORITHMS)
