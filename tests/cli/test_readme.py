"""The scene of the README: one host pushes, another waits and pulls, by the page's own lines."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.cli.conftest import Served

PAGE = (Path(__file__).parents[2] / "README.md").read_text()
SCENE = re.search(r"^## A CI job.*?```sh\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)


def script(place: Path, at: Served, commit: str, part: str, make: str) -> subprocess.Popen[str]:
    """Begin the lines of `part` in a directory of their own; `make` is what stands for make there."""
    place.mkdir()
    text = part.replace("ftp://ci@depot:2121/", at.url()).replace("10m", "60s")
    ours = f'ftlite() {{ {shlex.quote(sys.executable)} -m ftlite "$@"; }}; make() {{ {make}; }}; COMMIT={commit}\n'
    command = ["bash", "-c", ours + text]
    return subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.parametrize(("make", "code"), [("mkdir dist && echo built > dist/app", 0), ("false", 11)])
def test_one_host_pushes_and_another_waits_and_pulls(at: Served, tmp_path: Path, make: str, code: int) -> None:
    assert SCENE is not None
    builds, tests = SCENE[1].split("# on the host that tests")
    commit = uuid.uuid4().hex
    waiting = script(tmp_path / "tests", at, commit, f"#{tests}", "test -f dist/app")
    pushing = script(tmp_path / "builds", at, commit, builds, make)
    said = pushing.communicate(timeout=100)[0]
    assert pushing.returncode == 0, said
    said = waiting.communicate(timeout=100)[0]
    assert waiting.returncode == code, said
    built = tmp_path / "tests" / "dist" / "app"
    assert built.exists() == (code == 0)
