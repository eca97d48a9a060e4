"""What follows a verb: one small parser for each kind of argument. It gives a value, or BadArgument with its code.

501 is for what breaks the grammar, 504 for what the grammar allows and nobody here does (RFC 959 s.4.2.1). A path is
everything behind the one space that follows the verb, spaces of its own included.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from ftlite.protocol.addresses import parse_eprt, parse_port
from ftlite.protocol.errors import BadAddress, BadArgument, BadFacts
from ftlite.protocol.facts import Facts, parse_facts, parse_time
from ftlite.protocol.text import ends_a_line, printable


class TransferType(enum.StrEnum):
    """How bytes travel (RFC 959 s.3.1.1): text with CRLF line ends, or as they are."""

    ASCII = "A"
    IMAGE = "I"


class Argument(enum.Enum):
    """Kinds of argument; the comment gives the type of the parsed value."""

    NONE = enum.auto()  #: None
    TEXT = enum.auto()  #: str, not empty
    OPTIONAL_TEXT = enum.auto()  #: str | None
    SECRET = enum.auto()  #: str, possibly empty
    PATH = enum.auto()  #: str, not empty
    OPTIONAL_PATH = enum.auto()  #: str | None
    LISTING = enum.auto()  #: str | None: a path without the options of ls before it
    ALLOCATION = enum.auto()  #: int, bytes (RFC 959 s.4.1.3 ALLO)
    OFFSET = enum.auto()  #: int, bytes (RFC 3659 s.5.3)
    BUFFER = enum.auto()  #: int, bytes (RFC 2228 s.3 PBSZ)
    PORT = enum.auto()  #: (host, port)
    EPRT = enum.auto()  #: (host, port)
    EPSV = enum.auto()  #: None, 1 or 2 for the network protocol, or "ALL" (RFC 2428 s.3, s.4)
    TYPE = enum.auto()  #: TransferType
    MODE = enum.auto()  #: "S"
    STRUCTURE = enum.auto()  #: "F"
    MAYBE_TIMED_PATH = enum.auto()  #: (ns since the epoch | None, path): MDTM asking, or setting as some clients do
    TIMED_PATH = enum.auto()  #: (ns since the epoch, path)
    FACTS_PATH = enum.auto()  #: (Facts, path)
    MODE_PATH = enum.auto()  #: (permission bits, path): SITE CHMOD
    UTIME = enum.auto()  #: (ns since the epoch, path): SITE UTIME in both its forms
    OPTION = enum.auto()  #: (verb in capitals, the rest, possibly empty) (RFC 2389 s.4)
    LEVEL = enum.auto()  #: "C" or "P" (RFC 2228 s.3 PROT)
    MECHANISM = enum.auto()  #: "TLS" (RFC 4217 s.17)
    SITE = enum.auto()  #: the Command behind SITE
    WAIT = enum.auto()  #: a WaitRequest without a tag (docs/protocol.md s.8)
    TAGGED = enum.auto()  #: a request of native mode, which is not for parsers here; anything in stock


MOST: Final = 2**63 - 1  #: the largest number taken: what file systems count with

_TYPES: Final = {
    "A": TransferType.ASCII,
    "A N": TransferType.ASCII,
    "A T": TransferType.ASCII,  # files here do not tell the two apart (RFC 1123 s.4.1.2.2)
    "I": TransferType.IMAGE,
    "L 8": TransferType.IMAGE,
}
_NUMBER: Final = re.compile(r"[0-9]{1,19}")
_LS_OPTIONS: Final = re.compile(r"(?:-[A-Za-z0-9]+(?: |$))+")
_STAMPED: Final = re.compile(r"([0-9]{14}(?:\.[0-9]+)?) (.+)")
_UTIME_SHORT: Final = re.compile(r"([0-9]{12}|[0-9]{14}) (.+)")
_UTIME_LONG: Final = re.compile(r"(.+) ([0-9]{14}) ([0-9]{14}) ([0-9]{14}) UTC")
_CHMOD: Final = re.compile(r"([0-7]{3,4}) (.+)")


def parse_argument(kind: Argument, text: str) -> Any:
    """The value of `text`, an argument as sent ("" when there is none). Raises `BadArgument` and nothing else."""
    if ends_a_line(text):
        raise BadArgument("An argument holds no CR, LF or NUL.")
    try:
        return _PARSERS[kind](text)
    except BadAddress as error:
        raise BadArgument(f"{printable(str(error))}.", error.code) from error
    except BadFacts as error:
        raise BadArgument(f"{printable(str(error))}.") from error


def _quoted(text: str) -> str:
    return f"'{printable(text[:60])}'"


def _none(text: str) -> None:
    if text:
        raise BadArgument(f"{_quoted(text)} is one argument too many.")


def _text(text: str) -> str:
    if not text:
        raise BadArgument("An argument is missing.")
    return text


def _optional(text: str) -> str | None:
    return text or None


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text) or int(text) > MOST:
        raise BadArgument(f"{_quoted(text)} is not a number of bytes.")
    return int(text)


def _listing(text: str) -> str | None:
    options = _LS_OPTIONS.match(text)
    return (text[options.end() :] if options else text) or None


def _allocation(text: str) -> int:
    size, record, most = text.partition(" R ")
    if record:
        _number(most)
    return _number(size)


def _buffer(text: str) -> int:
    size = _number(text)
    if size >= 2**32:
        raise BadArgument("A protection buffer has less than 2^32 bytes.")
    return size


def _epsv(text: str) -> int | str | None:
    if not text or text.upper() == "ALL":
        return text.upper() or None
    if _number(text) not in (1, 2):
        raise BadArgument("That network protocol is not known, use (1,2)", 522)
    return int(text)


def _type(text: str) -> TransferType:
    known = _TYPES.get(" ".join(_text(text).upper().split()))
    if known is None:
        raise BadArgument(f"There is TYPE A (N or T), I and L 8, not {_quoted(text)}.", 504)
    return known


def _only(letter: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if _text(text).upper() != letter:
            raise BadArgument(f"There is only {letter} here, not {_quoted(text)}.", 504)
        return letter

    return parse


def _level(text: str) -> str:
    level = _text(text).upper()
    if level in ("S", "E"):
        raise BadArgument("TLS protects data as P or not at all, as C.", 536)
    if level not in ("C", "P"):
        raise BadArgument(f"{_quoted(text)} is no protection level.", 504)
    return level


def _mechanism(text: str) -> str:
    if _text(text).upper() not in ("TLS", "TLS-C", "SSL"):
        raise BadArgument(f"There is AUTH TLS, not {_quoted(text)}.", 504)
    return "TLS"


def _maybe_timed_path(text: str) -> tuple[int | None, str]:
    stamped = _STAMPED.fullmatch(_text(text))
    if stamped is not None:
        try:
            return parse_time(stamped[1]), stamped[2]
        except BadFacts:
            pass  # digits that name no time are the beginning of a name
    return None, text


def _timed_path(text: str) -> tuple[int, str]:
    stamp, _, path = text.partition(" ")
    return parse_time(stamp), _text(path)


def _facts_path(text: str) -> tuple[Facts, str]:
    facts, path = parse_facts(text)
    if not facts:
        raise BadArgument("No fact is given.")
    return facts, _text(path)


def _mode_path(text: str) -> tuple[int, str]:
    match = _CHMOD.fullmatch(text)
    if match is None:
        raise BadArgument(f"{_quoted(text)} is not an octal mode and a path.")
    return int(match[1], 8), match[2]


def _utime(text: str) -> tuple[int, str]:
    if (long := _UTIME_LONG.fullmatch(text)) is not None:
        return parse_time(long[3]), long[1]  # access, modify, create
    if (short := _UTIME_SHORT.fullmatch(text)) is not None:
        return parse_time(short[1].ljust(14, "0")), short[2]
    raise BadArgument("SITE UTIME takes YYYYMMDDHHMMSS and a path.")


def _option(text: str) -> tuple[str, str]:
    name, _, rest = _text(text).partition(" ")
    return _text(name).upper(), rest


_PARSERS: Final[Mapping[Argument, Callable[[str], Any]]] = {
    Argument.NONE: _none,
    Argument.TEXT: _text,
    Argument.OPTIONAL_TEXT: _optional,
    Argument.SECRET: str,
    Argument.PATH: _text,
    Argument.OPTIONAL_PATH: _optional,
    Argument.LISTING: _listing,
    Argument.ALLOCATION: _allocation,
    Argument.OFFSET: _number,
    Argument.BUFFER: _buffer,
    Argument.PORT: parse_port,
    Argument.EPRT: parse_eprt,
    Argument.EPSV: _epsv,
    Argument.TYPE: _type,
    Argument.MODE: _only("S"),
    Argument.STRUCTURE: _only("F"),
    Argument.MAYBE_TIMED_PATH: _maybe_timed_path,
    Argument.TIMED_PATH: _timed_path,
    Argument.FACTS_PATH: _facts_path,
    Argument.MODE_PATH: _mode_path,
    Argument.UTIME: _utime,
    Argument.OPTION: _option,
    Argument.LEVEL: _level,
    Argument.MECHANISM: _mechanism,
    Argument.SITE: _text,
    Argument.WAIT: _text,
    Argument.TAGGED: str,
}
