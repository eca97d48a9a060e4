"""Switching the native dialect on (s.2): the line of FEAT that offers it, and the reply to OPTS that grants it."""

from __future__ import annotations

import re
from typing import Any, Final

from attrs import Attribute, field, frozen

from ftlite.protocol.errors import BadFacts, BadReply
from ftlite.protocol.native import lines, values
from ftlite.protocol.native.values import Codec, Fact, Rows
from ftlite.protocol.replies import Reply, reply

VERSION: Final = "1"
_HEAD: Final = f"FTLITE {VERSION}"
_ID: Final = re.compile(r"[0-9a-f]{16}")
_KEY: Final = re.compile(r"[0-9a-f]{32}")


def _names(text: str) -> tuple[str, ...]:
    return tuple(values.NAME.read(name) for name in text.split(",") if name)


_NAMES: Final = Codec(_names, lambda names: ",".join(map(values.NAME.write, names)))
_OFFER: Final = Rows(
    Fact("max", "max", values.NUMBER),
    Fact("hash", "hashes", _NAMES),
    Fact("comp", "comps", _NAMES),
    Fact("spares", "spares", values.NUMBER),
)


@frozen
class Offer:
    """What FEAT says: transfers at once, digests and compressions by name (the preferred one first), spares at once."""

    max: int = 1
    hashes: tuple[str, ...] = ("sha256",)
    comps: tuple[str, ...] = ()
    spares: int = 0

    def feature(self) -> str:
        """The line of FEAT, without the space at its start."""
        return f"{_HEAD} {values.join(values.write(_OFFER, self))}"

    @classmethod
    def parse(cls, line: str) -> Offer:
        """What a line of FEAT offers, "FTLITE 1 max=16;...". Raises BadFacts, for another version of it too."""
        head, _, rest = line[: len(_HEAD)].upper(), "", line[len(_HEAD) :]
        if head != _HEAD or (rest and not rest.startswith(" ")):
            raise BadFacts(f"{line[:80]!r} does not offer {_HEAD}")
        return cls(**values.read(_OFFER, values.split(rest.strip())[0]))


def _hexadecimal(pattern: re.Pattern[str], what: str) -> Any:
    def check(_instance: Any, _attribute: Attribute[str], value: str) -> None:
        if not pattern.fullmatch(value):
            raise BadFacts(f"that is not {what}, in lower-case hexadecimal")  # never the value: it may be the key

    return check


@frozen
class Grant:
    """What the server gave this session: an id, and the key that proves data connections. The key is in no repr.

    Raises BadFacts for an id that is not 16, or a key that is not 32 lower-case hexadecimal digits.
    """

    id: str = field(validator=_hexadecimal(_ID, "an id of 8 octets"))
    key: str = field(validator=_hexadecimal(_KEY, "a key of 16 octets"), repr=False)
    max: int
    spares: int

    def proof(self, tag: int) -> str:
        """What proves the data connection of `tag`."""
        return lines.proof(bytes.fromhex(self.key), self.id, tag)

    def to_reply(self) -> Reply:
        """The reply to OPTS FTLITE 1."""
        facts = [("id", self.id), ("key", self.key), ("max", str(self.max)), ("spares", str(self.spares))]
        return reply(200, f"{_HEAD} {values.join(facts)}")

    @classmethod
    def parse(cls, answer: Reply) -> Grant:
        """What a reply to OPTS FTLITE 1 grants. Raises BadReply, whose text does not hold the key."""
        if answer.code != 200 or not answer.first.upper().startswith(f"{_HEAD} "):
            raise BadReply(f"{answer.code} is no reply that grants {_HEAD}")
        try:
            facts, _ = values.split(answer.first[len(_HEAD) + 1 :].strip())
            most, spares = (values.NUMBER.read(facts.get(name, "0")) for name in ("max", "spares"))
            return cls(facts.get("id", ""), facts.get("key", ""), max(1, most), spares)
        except BadFacts as error:
            raise BadReply("the reply that grants FTLITE 1 cannot be read") from error
