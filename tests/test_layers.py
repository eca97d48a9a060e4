"""The house stands: imports go one way, pure floors stay pure, and heavy libraries are imported where they are used."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ftlite

HOUSE = Path(ftlite.__file__).parent
FLOORS = ("protocol", "trees", "config", "storage", "gate", "net", "movers", "server", "client", "cli", "shell")
STRANGERS = {("client", "server"), ("client", "gate"), ("client", "storage"), ("movers", "storage"), ("net", "storage")}
PURE_IMPORTS = {"trio", "socket", "ssl", "os", "time", "select", "threading", "pathlib", "asyncio", "io"}
HEAVY = {
    "cryptography", "argon2", "rich", "sqlite3", "humanize", "prompt_toolkit", "backports", "compression", "blake3"
}  # fmt: skip


def files(floor: str) -> list[Path]:
    return sorted((HOUSE / floor).rglob("*.py"))


def imports(path: Path, *, top_level: bool = False) -> Iterator[tuple[str, int]]:
    """Modules that `path` imports, with the line; imports for type checkers do not count."""
    tree = ast.parse(path.read_text())
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in tree.body if top_level else ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}:{node.lineno} relative import"
            yield node.module, node.lineno
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


@pytest.mark.parametrize("floor", FLOORS)
def test_imports_go_down(floor: str) -> None:
    wrong = [
        f"{path.relative_to(HOUSE)}:{line} imports {module}"
        for path in files(floor)
        for module, line in imports(path)
        if module.startswith("ftlite.")
        and (other := module.split(".")[1]) in FLOORS
        and (FLOORS.index(other) > FLOORS.index(floor) or (floor, other) in STRANGERS)
    ]
    assert not wrong


def test_the_protocol_is_pure() -> None:
    wrong = [
        f"{path.relative_to(HOUSE)}:{line} imports {module}"
        for path in files("protocol")
        for module, line in imports(path)
        if module.split(".")[0] in PURE_IMPORTS
    ]
    assert not wrong


def test_heavy_libraries_are_imported_where_they_are_used() -> None:
    wrong = [
        f"{path.relative_to(HOUSE)}:{line} imports {module}"
        for path in HOUSE.rglob("*.py")
        for module, line in imports(path, top_level=True)
        if module.split(".")[0] in HEAVY
    ]
    assert not wrong


def test_nothing_is_for_asyncio_only() -> None:
    wrong = [str(path) for path in HOUSE.rglob("*.py") for module, _ in imports(path) if module.startswith("asyncio")]
    assert not wrong


def test_only_the_command_line_reads_the_environment() -> None:
    wrong = [
        str(path.relative_to(HOUSE))
        for path in HOUSE.rglob("*.py")
        if path.parent.name != "cli" and ("os.environ" in path.read_text() or "getenv" in path.read_text())
    ]
    assert not wrong


def test_importing_the_package_imports_no_trio() -> None:
    script = "import sys, ftlite; sys.exit('trio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_every_file_states_its_rule() -> None:
    wrong = [
        str(path.relative_to(HOUSE))
        for path in HOUSE.rglob("*.py")
        if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert not wrong
