"""What a case for clients is, and the list of all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules

from conformance.client.record import Deed, Seen
from conformance.client.script import CONTENT, Script
from conformance.registry import Level

#: None or a remark; raises Failed or Skipped.
Judge = Callable[[Seen], "str | None"]


@dataclass(frozen=True)
class ClientCase:
    """One judgement. `path` is relative to the login directory; `content` is what PUT sends and GET should bring."""

    name: str
    clause: str
    level: Level
    deed: Deed
    judge: Judge
    script: Script
    says: str
    path: str = "file.bin"
    content: bytes = CONTENT
    before: bytes | None = None  #: what stands under the local name beforehand
    prelude: Script | None = None  #: RESUME, TRUST: the server while the first command runs

    @property
    def tls(self) -> bool:
        """Whether the client is told to insist on TLS."""
        return self.script.tls or self.name.startswith("tls-")

    def matches(self, wanted: str) -> bool:
        """Whether `--only` means this case: its name, its clause, or a part of the clause from the left."""
        plain = wanted.lower().removeprefix("rfc").strip()
        clause = self.clause.lower().removeprefix("rfc").strip()
        return wanted == self.name or clause == plain or clause.startswith((plain + ".", plain + " "))


CASES: list[ClientCase] = []


def case(
    name: str,
    clause: str,
    level: Level,
    deed: Deed,
    judge: Judge,
    script: Script,
    says: str,
    *,
    path: str = "",
    content: bytes = CONTENT,
    before: bytes | None = None,
    prelude: Script | None = None,
) -> None:
    """Registers a case. `name` is unique and stays, since people quote it. `says`: what happens, and what a failure
    means to a user."""
    if any(known.name == name for known in CASES):
        raise ValueError(f"two cases are named {name}")
    path = path or {Deed.PUT: "up.bin", Deed.LIST: "", Deed.TREE: "tree"}.get(deed, "file.bin")
    CASES.append(ClientCase(name, clause, level, deed, judge, script, says, path, content, before, prelude))


def all_cases() -> list[ClientCase]:
    """Every case of every chapter, in the order of the files and the cases in them."""
    chapters = import_module("conformance.client.chapters")
    for module in sorted(found.name for found in iter_modules(chapters.__path__)):
        import_module(f"conformance.client.chapters.{module}")
    return CASES
