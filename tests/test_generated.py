"""What is made from tables is what is committed, and is what those read it for whom it is made."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from ftlite.cli import COMMANDS

ROOT = Path(__file__).parents[1]
MADE = runpy.run_path(str(ROOT / "scripts" / "generate.py"), run_name="generate")


def test_what_is_committed_is_what_is_made() -> None:
    files: Callable[[], dict[str, str]] = MADE["files"]
    made = files()
    stale = [name for name, content in made.items() if (ROOT / name).read_text(encoding="utf-8") != content]
    assert not stale, "run: make generated"
    pages = {f"packaging/man/{path.name}" for path in (ROOT / "packaging/man").iterdir()}
    assert pages <= made.keys()


def test_the_schema_is_one() -> None:
    schema = json.loads((ROOT / "docs/events.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate({"event": "failed", "path": "x", "path_b64": "eA=="}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"event": "failed", "path": "x", "more": 1}, schema)


def test_every_command_has_a_page_that_formats() -> None:
    for name in COMMANDS:
        page = ROOT / "packaging" / "man" / f"ftlite-{name}.1"
        assert page.exists()
        text = page.read_text()
        assert text.startswith(".TH")
        assert not re.search(r"^\.(?!TH|SH|SS|TP|PP|br|nf|fi)", text, flags=re.M)


def complete(shell: str, script: str) -> list[str]:
    done = subprocess.run([shutil.which(shell) or shell, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("ftlite mir", {"mirror"}),
        ("ftlite get --pa", {"--parallel", "--password-file", "--password-command"}),
        ("ftlite get --tls ", {"off", "optional", "required"}),
        ("ftlite user ", {"add", "passwd", "rm", "ls"}),
        ("ftlite user add --gen", {"--generate"}),
        ("ftlite buil", {"build7:"}),
        ("ftlite ls build", {"build7:"}),
    ],
)
def test_bash_completes(words: str, expected: set[str], tmp_path: Path) -> None:
    (tmp_path / "ftlite").mkdir()
    (tmp_path / "ftlite" / "sites.toml").write_text('[build7]\naddress = "a@b:"\n')
    parts = words.split(" ")
    told = " ".join(f"'{part}'" for part in parts)
    script = f"""
        export XDG_CONFIG_HOME={tmp_path}
        cd {tmp_path}
        . {ROOT}/packaging/completions/ftlite.bash
        COMP_WORDS=({told}); COMP_CWORD={len(parts) - 1}
        _ftlite; printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    assert set(complete("bash", script)) == expected
