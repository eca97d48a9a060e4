"""Tagged commands as values, both ways (s.4, s.5): what `format_request` writes, `parse_request` reads back the same.

A request says what was asked for, in our types; whether the server offers it (`hash`, `comp`) is for the server to say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

from ftlite.protocol.arguments import Argument, parse_argument
from ftlite.protocol.errors import BadArgument, BadFacts
from ftlite.protocol.native import values
from ftlite.protocol.native.patterns import format_patterns, parse_patterns
from ftlite.protocol.native.values import ALGORITHMS, DIGESTS, NO_DIGESTS, Codec, Digests, Fact, Rows
from ftlite.protocol.text import printable

WAIT_DEFAULT: Final = 60  #: seconds that WAIT waits when it does not say
WAIT_MOST: Final = 86_400
WAIT_UNTAGGED_MOST: Final = 50  #: it holds what stands behind it, and proxies give up at about a minute (s.8)


@frozen
class GetRequest:
    """GET: a file from octet `offset` on, if `version` is None or the version that stands."""

    tag: int
    path: str
    offset: int = 0
    version: str | None = None
    hash: str = "sha256"


@frozen
class PutRequest:
    """PUT: a file to come; `size` None is a stream. `digests` is of the whole, where the client knows it beforehand."""

    tag: int
    path: str
    size: int | None = None
    modify_ns: int | None = None
    mode: int | None = None
    hash: str = "sha256"
    digests: Digests = NO_DIGESTS
    if_absent: bool = False
    fresh: bool = False


@frozen
class FailRequest:
    """PUT with ``failed=1``: the producer of `path` gave up."""

    tag: int
    path: str


@frozen
class GetTreeRequest:
    """GET with ``type=tree`` (s.5). `entries`, `digests` and `inside`, octets of the next file: what the client has."""

    tag: int
    path: str
    comp: str | None = None
    hash: str = "sha256"
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    entries: int | None = None
    digests: Digests = NO_DIGESTS
    inside: int | None = None


@frozen
class PutTreeRequest:
    """PUT with ``type=tree`` (s.5). `entries`, `size` (octets of content) and `digests` are of the whole tree."""

    tag: int
    path: str
    comp: str | None = None
    hash: str = "sha256"
    replace: bool = False
    merge: bool = False
    entries: int | None = None
    size: int | None = None
    digests: Digests = NO_DIGESTS
    fresh: bool = False


@frozen
class DoneRequest:
    """DONE: `moved` octets went over the data connection, the whole has `digests`; `entries` for a tree."""

    tag: int
    moved: int
    digests: Digests
    entries: int | None = None


@frozen
class ListRequest:
    """LIST, NLST or MLSD (`verb`) of `path`; None is the working directory."""

    tag: int
    verb: str
    path: str | None = None


@frozen
class HashRequest:
    """HASH: the digest of a file."""

    tag: int
    path: str
    hash: str = "sha256"


@frozen
class AbortRequest:
    """ABOR of a tag. It is answered without a tag, in the order of the untagged commands."""

    tag: int


@frozen
class WaitRequest:
    """WAIT for something under `path`, other than version `since`; `tag` is None in its plain form (s.8).

    `timeout` is in seconds, as asked for; `seconds` is what to wait.
    """

    tag: int | None
    path: str
    timeout: int | None = None
    since: str | None = None
    any_directory: bool = False

    @property
    def seconds(self) -> int:
        """How long to wait, the limits of s.4 and s.7 applied."""
        asked = WAIT_DEFAULT if self.timeout is None else self.timeout
        return min(asked, WAIT_UNTAGGED_MOST if self.tag is None else WAIT_MOST)


Request = (
    GetRequest
    | PutRequest
    | FailRequest
    | GetTreeRequest
    | PutTreeRequest
    | DoneRequest
    | ListRequest
    | HashRequest
    | AbortRequest
    | WaitRequest
)

_PATTERNS: Final = Codec(parse_patterns, format_patterns)
_HASH: Final = Fact("hash", "hash", values.NAME)
_COMP: Final = Fact("comp", "comp", values.NAME)
_FRESH: Final = Fact("fresh", "fresh", values.YES)
_SIZE: Final = Fact("size", "size", values.NUMBER)
_ENTRIES: Final = Fact("entries", "entries", values.NUMBER)
_WAIT: Final = Rows(
    Fact("timeout", "timeout", values.NUMBER),
    Fact("since", "since", values.VERSION),
    Fact("any", "any_directory", values.YES),
)

#: What each request may state, in the order in which it is written.
FACTS: Final[Mapping[type[Any], Rows]] = {
    GetRequest: Rows(Fact("offset", "offset", values.NUMBER), Fact("if", "version", values.VERSION), _HASH),
    PutRequest: Rows(
        _SIZE,
        Fact("modify", "modify_ns", values.TIME),
        Fact("mode", "mode", values.MODE),
        _HASH,
        *DIGESTS,
        Fact("if", "if_absent", values.ABSENT),
        _FRESH,
    ),
    FailRequest: Rows(),
    GetTreeRequest: Rows(
        _COMP,
        _HASH,
        Fact("include", "include", _PATTERNS),
        Fact("exclude", "exclude", _PATTERNS),
        _ENTRIES,
        *DIGESTS,
        Fact("inside", "inside", values.NUMBER),
    ),
    PutTreeRequest: Rows(
        _COMP,
        _HASH,
        Fact("replace", "replace", values.YES),
        Fact("merge", "merge", values.YES),
        _ENTRIES,
        _SIZE,
        *DIGESTS,
        _FRESH,
    ),
    DoneRequest: Rows(Fact("bytes", "moved", values.NUMBER, needed=True), _ENTRIES, *DIGESTS),
    ListRequest: Rows(),
    HashRequest: Rows(
        _HASH,
    ),
    AbortRequest: Rows(),
    WaitRequest: _WAIT,
}

#: Request -> its verb; a `ListRequest` has its own in `verb`.
VERB_OF: Final[Mapping[type[Any], str]] = {
    GetRequest: "GET",
    PutRequest: "PUT",
    FailRequest: "PUT",
    GetTreeRequest: "GET",
    PutTreeRequest: "PUT",
    DoneRequest: "DONE",
    HashRequest: "HASH",
    AbortRequest: "ABOR",
    WaitRequest: "WAIT",
}
_SINGLE: Final = {verb: made for made, verb in VERB_OF.items() if verb not in ("GET", "PUT")}
_LISTINGS: Final = frozenset({"LIST", "NLST", "MLSD"})
_PATHLESS: Final = (DoneRequest, AbortRequest, ListRequest)
#: Verbs that carry a tag always, and those that may (s.2).
ALWAYS_TAGGED: Final = frozenset({"GET", "PUT", "DONE"})
TAGGED: Final = ALWAYS_TAGGED | _LISTINGS | {"HASH", "WAIT", "ABOR"}
#: Verbs that end native mode, whatever they are answered (s.2).
ENDS_NATIVE: Final = frozenset({"USER", "REIN", "AUTH", "PROT"})

_PLAIN_WAIT: Final = re.compile(r"(?:timeout|since|any)=", re.IGNORECASE)


def parse_request(name: str, text: str) -> Request | None:
    """The request that verb `name` (in capitals) with argument `text` is; None where it carries no tag and need not.

    Raises BadFacts, with `tag` when that could be read, and `code` 501, or 504 for a type that nobody knows.
    """
    if name not in TAGGED:
        return None
    if not values.begins_tagged(text):
        if name in ALWAYS_TAGGED:
            raise BadFacts(f"{name} begins with a tag in native mode: tag=1;")
        return None
    tag = values.read_tag(text)
    try:
        if tag is None:
            raise BadFacts(f"a tag is a number from 1 to {values.MOST_TAG}, and ';'")
        facts, rest = values.split(text)
        return _build(name, tag, facts, rest)
    except BadFacts as error:
        raise BadFacts(str(error), tag=tag, code=error.code) from error


def parse_wait(text: str) -> WaitRequest:
    """The plain form of WAIT (s.8): facts, when it begins with one that WAIT has, and a path. Raises BadArgument."""
    if not _PLAIN_WAIT.match(text):
        return WaitRequest(None, text)
    try:
        facts, path = values.split(text)
        if path is None:
            raise BadFacts("a path is missing")
        return WaitRequest(None, path, **values.read(_WAIT, facts))
    except BadFacts as error:
        raise BadArgument(printable(f"WAIT: {error}.")) from error


def format_request(request: Request) -> tuple[str, str]:
    """The verb and the argument that say `request`. Raises BadFacts for what cannot be written."""
    name = request.verb if isinstance(request, ListRequest) else VERB_OF[type(request)]
    facts = [] if request.tag is None else [("tag", _written_tag(request.tag))]
    if isinstance(request, GetTreeRequest | PutTreeRequest):
        facts.append(("type", "tree"))
    elif isinstance(request, FailRequest):
        facts.append(("failed", "1"))
    stated = values.write(FACTS[type(request)], request)
    facts += [(fact, value) for fact, value in stated if (fact, value) not in _DEFAULTS]
    path = getattr(request, "path", None)
    if not facts and isinstance(path, str):  # WAIT in its plain form
        return name, plain_path(path)
    return name, values.join(facts, path)


#: Facts that need not be said.
_DEFAULTS: Final = frozenset({("hash", "sha256"), ("offset", "0")})


def plain_path(path: str) -> str:
    """`path` as the argument of an untagged command in native mode: not to be taken for facts (s.2)."""
    return f"./{path}" if values.begins_tagged(path) or _PLAIN_WAIT.match(path) else path


def _written_tag(tag: int) -> str:
    if not 1 <= tag <= values.MOST_TAG:
        raise BadFacts(f"{tag} is not a tag: 1 to {values.MOST_TAG}")
    return str(tag)


def _build(name: str, tag: int, facts: Mapping[str, str], path: str | None) -> Request:
    if name in _LISTINGS:
        return ListRequest(tag, name, _listed(name, path))
    made = _type(name, facts)
    found = values.read(FACTS[made], facts)
    if made in _PATHLESS:
        if path is not None:
            raise BadFacts(f"{name} takes no path")
    elif path is None:
        raise BadFacts("a path is missing")
    else:
        found["path"] = path
    if made is DoneRequest and "digests" not in found:
        raise BadFacts(f"a digest is missing: {' or '.join(ALGORITHMS)}")
    if found.get("replace") and found.get("merge"):
        raise BadFacts("replace and merge exclude each other")
    request: Request = made(tag=tag, **found)
    return request


def _type(name: str, facts: Mapping[str, str]) -> type[Any]:
    """Which request a verb with these facts is."""
    if name not in ("GET", "PUT"):
        return _SINGLE[name]
    if name == "PUT" and "failed" in facts:
        values.YES.read(facts["failed"])
        return FailRequest
    kind = facts.get("type", "file").lower()
    if kind not in ("file", "tree"):
        raise BadFacts(f"there is no type '{printable(kind[:80])}'", code=504)
    if kind == "tree":
        return GetTreeRequest if name == "GET" else PutTreeRequest
    return GetRequest if name == "GET" else PutRequest


def _listed(name: str, path: str | None) -> str | None:
    """The path of a listing, less the options of ls, as in stock."""
    kind = Argument.OPTIONAL_PATH if name == "MLSD" else Argument.LISTING
    listed: str | None = parse_argument(kind, path or "")
    return listed
