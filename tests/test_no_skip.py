"""FTLITE_NO_SKIP bites: a skipped interop test fails the run, whatever way it was skipped; others may be skipped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_CASES = {
    "interop/test_body.py": "import pytest\n\ndef test_x():\n    pytest.skip('no peer')\n",
    "interop/test_mark.py": "import pytest\n\n@pytest.mark.skipif(True, reason='no peer')\ndef test_x():\n    pass\n",
    "interop/test_module.py": "import pytest\npytest.skip('no peer', allow_module_level=True)\n",
    "test_marked.py": "import pytest\n\n@pytest.mark.interop\ndef test_x():\n    pytest.skip('no peer')\n",
}


def run(place: Path, name: str, text: str, no_skip: str) -> int:
    (place / name).parent.mkdir(parents=True, exist_ok=True)
    (place / name).write_text(text)
    (place / "conftest.py").write_text(Path(__file__).with_name("conftest.py").read_text())
    (place / "pytest.ini").write_text("[pytest]\nmarkers = interop\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", name]
    environment = {**os.environ, "FTLITE_NO_SKIP": no_skip}
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, check=False).returncode


@pytest.mark.parametrize("name", _CASES)
def test_a_skipped_peer_fails_where_skipping_is_forbidden(tmp_path: Path, name: str) -> None:
    assert run(tmp_path, name, _CASES[name], "1") in (1, 2)  # a test failed, or the collection did
    assert run(tmp_path, name, _CASES[name], "") in (0, 5)  # 5: nothing was left to run


def test_other_tests_may_be_skipped(tmp_path: Path) -> None:
    assert run(tmp_path, "test_other.py", _CASES["interop/test_body.py"], "1") == 0
