"""The clauses that a server can keep or break, each RFC in a file of its own with a table named CLAUSES.

A clause that no case judges says why nothing on the wire shows it. Adding a file here adds its table.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules

from conformance.registry import Case


@dataclass(frozen=True)
class Clause:
    """`number` is as cases write it, such as "RFC 959 s.4.1.3 STOU"; `about` what it asks, in our words.

    `untested` says why no case judges it, or which part of it none judges; "" when nothing is left out.
    """

    number: str
    about: str
    untested: str = ""


def all_clauses() -> list[Clause]:
    """Every clause, RFC after RFC in the order of the files."""
    found: list[Clause] = []
    for module in sorted(module.name for module in iter_modules(__path__)):
        found += import_module(f"{__name__}.{module}").CLAUSES
    return found


def cases_of(clause: Clause, cases: list[Case]) -> list[Case]:
    """The cases that judge just this clause."""
    return [case for case in cases if case.clause == clause.number]
