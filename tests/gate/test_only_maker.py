"""Nobody but the gate makes a `Granted` or a `Foreseen`: what storage accepts has been judged."""

from __future__ import annotations

import ast
from pathlib import Path

import ftlite

TOP = Path(ftlite.__file__).parent
MADE = ("Granted", "Foreseen")


def makers(source: str) -> list[str]:
    """What in `source` could make one of MADE: calls by any spelling, copies, other names and subclasses."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            if _named(node.func):
                found.append("call")
            if any(_named(argument) for argument in node.args) and not _asks_only(node.func):
                found.append("passed on")
        if isinstance(node, ast.ClassDef) and any(_named(base) for base in node.bases):
            found.append("subclass")
        if isinstance(node, (ast.Assign, ast.AnnAssign, ast.NamedExpr)) and node.value and _named(node.value):
            found.append("other name")
        if isinstance(node, ast.alias) and node.name in MADE and node.asname:
            found.append("other name")
    return found


def _named(node: ast.expr) -> bool:
    return (isinstance(node, ast.Name) and node.id in MADE) or (isinstance(node, ast.Attribute) and node.attr in MADE)


def _asks_only(function: ast.expr) -> bool:
    return isinstance(function, ast.Name) and function.id in ("isinstance", "issubclass")


def test_the_gate_alone() -> None:
    found = {str(path.relative_to(TOP)): makers(path.read_text()) for path in TOP.rglob("*.py")}
    assert {path: kinds for path, kinds in found.items() if kinds} == {"gate/gate.py": ["call", "call"]}


def test_every_spelling_is_seen() -> None:
    assert makers("Granted(1, b'a')") == ["call"]
    assert makers("Foreseen('/a', Right.ALL, b'a')") == ["call"]
    assert makers("granted.Granted(1, b'a')") == ["call"]
    assert makers("functools.partial(Granted, 1)") == ["passed on"]
    assert makers("from x import Granted as G") == ["other name"]
    assert makers("make = Granted") == ["other name"]
    assert makers("class Mine(Granted): ...") == ["subclass"]
    assert makers("def read(place: Granted) -> Granted: return isinstance(place, Granted)") == []
