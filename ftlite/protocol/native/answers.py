"""Replies of the native dialect as values, both ways (s.4, s.5).

`parse_answer` reads a `Reply` that begins with a tag, `to_reply` of a value writes one. 213 and refusals have a form
without a tag too, which is what WAIT gets through plain verbs (s.8).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from attrs import evolve, frozen

from ftlite.protocol.errors import BadFacts, BadReply
from ftlite.protocol.native import values
from ftlite.protocol.native.values import DIGESTS, NO_DIGESTS, Codec, Digests, Fact, Rows
from ftlite.protocol.replies import Reply, reply
from ftlite.protocol.text import printable

T = TypeVar("T")


@frozen
class Begun:
    """150: the transfer begins. What is not stated is None.

    Attributes:
        path: as the server writes it.
        offset: octets of the file before the first one that travels.
        size: octets of the whole file (GET).
        digests: of the first `offset` octets (PUT), or of the first `entries` entries (PUT of a tree).
        stands: a file of that size has the name already.
        tree: it is a tree; the rest is for trees.
        entries: entries before the first one that travels.
        inside: octets of the next file that stand; `head` is their digest, by the algorithm of the command.
        comp: how the stream is compressed.
    """

    tag: int
    path: str | None = None
    offset: int | None = None
    size: int | None = None
    modify_ns: int | None = None
    mode: int | None = None
    version: str | None = None
    digests: Digests = NO_DIGESTS
    stands: bool = False
    tree: bool = False
    entries: int | None = None
    inside: int | None = None
    head: str | None = None
    comp: str | None = None

    def to_reply(self) -> Reply:
        """The reply that says so."""
        return _reply(150, self.tag, values.write(FACTS[Begun], self), self.path)


@frozen
class Working:
    """150 with a stage: no bytes move, and it goes on."""

    tag: int
    stage: str
    text: str | None = None

    def to_reply(self) -> Reply:
        """The reply that says so."""
        return _reply(150, self.tag, values.write(FACTS[Working], self), self.text)


@frozen
class Moved:
    """226: it is done. What is not stated is None.

    Attributes:
        moved: octets of the data connection.
        size: octets of the whole file, or of the content of all files of a tree.
        digests: of the whole.
        version: of what has the name now (PUT).
        same: it stood already; nothing moved.
        merged: the tree was merged, file by file.
        failed: it was marked as failed (PUT with failed=1).
        entries: of the tree; `left`: entries that were left out.
    """

    tag: int
    path: str | None = None
    moved: int | None = None
    entries: int | None = None
    size: int | None = None
    digests: Digests = NO_DIGESTS
    same: bool = False
    merged: bool = False
    failed: bool = False
    left: int | None = None
    version: str | None = None

    def to_reply(self) -> Reply:
        """The reply that says so."""
        return _reply(226, self.tag, values.write(FACTS[Moved], self), self.path)


@frozen
class Told:
    """213: what HASH or WAIT was asked for. `tag` is None in the plain form of WAIT; `type_` is "file" or "dir"."""

    tag: int | None
    path: str | None = None
    type_: str | None = None
    size: int | None = None
    modify_ns: int | None = None
    version: str | None = None
    digests: Digests = NO_DIGESTS

    def to_reply(self) -> Reply:
        """The reply that says so."""
        return _reply(213, self.tag, values.write(FACTS[Told], self), self.path)


@frozen
class Refusal:
    """4xx or 5xx: it is not done. `kind` is one of `KINDS`, or a word that we do not know; `text` is for people."""

    tag: int | None
    code: int
    kind: str
    text: str = ""

    def to_reply(self) -> Reply:
        """The reply that says so."""
        return _reply(self.code, self.tag, values.write(FACTS[Refusal], self), self.text or None)


Answer = Begun | Working | Moved | Told | Refusal

#: Kind of a refusal -> its code, and the one where a name was to be made (s.4; RFC 959 s.5.4 for 553).
KINDS: Final[Mapping[str, tuple[int, int]]] = {
    "no-data": (425, 425),
    "aborted": (426, 426),
    "lost": (426, 426),
    "truncated": (426, 426),
    "stalled": (426, 426),
    "busy": (450, 450),
    "too-many": (450, 450),
    "timeout": (450, 450),
    "integrity": (451, 451),
    "changed": (451, 451),
    "fault": (451, 451),
    "no-room": (452, 452),
    "quota": (552, 552),
    "too-large": (552, 552),
    "bad-fact": (501, 501),
    "bad-tag": (503, 503),
    "unsupported": (504, 553),
    "not-found": (550, 553),
    "denied": (550, 553),
    "outside": (550, 553),
    "bad-name": (550, 553),
    "exists": (550, 553),
    "is-directory": (550, 553),
    "not-directory": (550, 553),
    "not-plain": (550, 553),
    "not-empty": (550, 550),
    "read-only": (550, 553),
    "failed": (550, 550),
    "foreign": (553, 553),
    "too-much": (552, 552),
    "unsafe": (553, 553),
    "malformed": (553, 553),
    "bad-offset": (554, 554),
}

_TREE: Final = Codec(lambda text: text.lower() == "tree", lambda _: "tree")
_PATH_VERSION: Final = Fact("version", "version", values.VERSION)
_SIZE: Final = Fact("size", "size", values.NUMBER)
_MODIFY: Final = Fact("modify", "modify_ns", values.TIME)
_ENTRIES: Final = Fact("entries", "entries", values.NUMBER)

#: What each answer may state, in the order in which it is written.
FACTS: Final[Mapping[type[Any], Rows]] = {
    Begun: Rows(
        Fact("type", "tree", _TREE),
        Fact("offset", "offset", values.NUMBER),
        _ENTRIES,
        _SIZE,
        _MODIFY,
        Fact("mode", "mode", values.MODE),
        *DIGESTS,
        Fact("inside", "inside", values.NUMBER),
        Fact("head", "head", values.HEX),
        Fact("comp", "comp", values.NAME),
        Fact("stands", "stands", values.YES),
        _PATH_VERSION,
    ),
    Working: Rows(
        Fact("stage", "stage", values.WORD, needed=True),
    ),
    Moved: Rows(
        Fact("bytes", "moved", values.NUMBER),
        _ENTRIES,
        _SIZE,
        *DIGESTS,
        Fact("same", "same", values.YES),
        Fact("merged", "merged", values.YES),
        Fact("failed", "failed", values.YES),
        Fact("left", "left", values.NUMBER),
        _PATH_VERSION,
    ),
    Told: Rows(Fact("type", "type_", values.WORD), _SIZE, _MODIFY, _PATH_VERSION, *DIGESTS),
    Refusal: Rows(
        Fact("kind", "kind", values.NAME),
    ),
}


def refuse(tag: int | None, kind: str, text: str = "", *, names_new: bool = False) -> Refusal:
    """The refusal of this `kind`, a key of `KINDS`, with its code; `names_new` where a name was to be made."""
    return Refusal(tag, KINDS[kind][names_new], kind, text)


def parse_answer(answer: Reply) -> Answer:
    """What a tagged reply says. Raises BadReply for one without a tag, and for facts that cannot be read."""
    tag = values.read_tag(answer.first)
    if tag is None or len(answer.lines) > 1:
        raise BadReply(f"{answer.code} {printable(answer.first[:80])} is no reply with a tag")
    try:
        facts, text = values.split(answer.first)
        if answer.code >= 400:
            return Refusal(tag, answer.code, **{"kind": "", **values.read(FACTS[Refusal], facts)}, text=text or "")
        made = _made(answer, facts)
        said = values.read(FACTS[made], facts)
        said["text" if made is Working else "path"] = text
        value: Answer = made(tag=tag, **said)
    except BadFacts as error:
        raise BadReply(f"{answer.code} {printable(answer.first[:80])}: {error}") from error
    return value


def untagged(answer: Reply) -> Reply:
    """`answer`, made sure not to be taken for that of a tag (s.2): a space comes before what would be."""
    if not values.begins_tagged(answer.first):
        return answer
    return evolve(answer, lines=(f" {answer.first}", *answer.lines[1:]))


def _made(answer: Reply, facts: Mapping[str, str]) -> type[Any]:
    made = {150: Working if "stage" in facts else Begun, 226: Moved, 213: Told}.get(answer.code)
    if made is None:
        raise BadFacts("no reply of the native dialect has that code")
    return made


def _reply(code: int, tag: int | None, facts: list[tuple[str, str]], text: str | None) -> Reply:
    named = facts if tag is None else [("tag", str(tag)), *facts]
    return reply(code, values.join(named, text.translate(_FORBIDDEN) if text else None))


_FORBIDDEN: Final = str.maketrans(dict.fromkeys("\r\n\0", "?"))
