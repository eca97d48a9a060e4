"""What a case is, and the list of all of them."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conformance.wire import Target

    Check = Callable[[Target], str | None]


class Level(enum.Enum):
    """How strongly the clause is worded, today's words standing in for those of RFCs older than RFC 2119."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"


class Status(enum.Enum):
    PASS = "pass"
    FAIL = "fail"
    SKIP = "skip"
    INFO = "info"  #: a MAY that the server does not do, or a fact worth knowing


class Failed(Exception):
    """The server broke the clause; the text says what it did."""


class Skipped(Exception):
    """The clause cannot be judged here; the text says why."""


@dataclass(frozen=True)
class Case:
    """One judgement. `check` returns None or a remark, or raises Failed or Skipped.

    `says` is the sentence on what is asked of the server; `means` the one on what its failure means for a user.
    """

    name: str
    clause: str
    level: Level
    says: str
    means: str
    check: Check

    @property
    def chapter(self) -> str:
        """The file that it stands in, such as "ch01_login"."""
        return self.check.__module__.rpartition(".")[2]

    def matches(self, wanted: str) -> bool:
        """Whether `--only` means this case: its name, its chapter, its clause, or the clause's beginning."""
        plain = wanted.lower().removeprefix("rfc").strip()
        clause = self.clause.lower().removeprefix("rfc").strip()
        return (
            wanted in (self.name, self.chapter) or clause == plain or clause.startswith((plain + ".", plain + " "))
        )  # fmt: skip


CASES: list[Case] = []


def case(name: str, clause: str, level: Level, says: str, means: str) -> Callable[[Check], Check]:
    """Registers the decorated check. `name` is unique and stays, since lists of deviations use it."""

    def register(check: Check) -> Check:
        if any(known.name == name for known in CASES):
            raise ValueError(f"two cases are named {name}")
        CASES.append(Case(name, clause, level, says, means, check))
        return check

    return register


def all_cases() -> list[Case]:
    """Every case of every chapter, in the order of the files and the cases in them."""
    chapters = import_module("conformance.chapters")
    for module in sorted(found.name for found in iter_modules(chapters.__path__)):
        import_module(f"conformance.chapters.{module}")
    return CASES
