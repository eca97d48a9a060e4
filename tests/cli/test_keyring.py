"""The desktop's keyring: asked where somebody says so, after netrc, and never loaded otherwise."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import keyring
import pytest

from ftlite.cli.credentials import find_login
from ftlite.cli.exits import CliError
from ftlite.cli.options import Options
from tests.cli.conftest import Ftlite, Served
from tests.cli.memory_keyring import Kept


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TEST_KEYRING", str(tmp_path / "ring"))
    before = keyring.get_keyring()
    keyring.set_keyring(Kept())
    yield tmp_path / "ring"
    keyring.set_keyring(before)


def test_a_password_is_kept_found_and_removed(
    served: Served, ftlite: Ftlite, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = served.fact("password") or ""
    monkeypatch.setenv("FTLITE_PIN", served.fact("pin") or "")
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{secret}\nmore\n"))
    said = ftlite("password", "set", served.url())
    assert said.code == 0, said.err
    assert secret not in said.err + said.out
    assert json.loads(kept.read_text()) == {"ftlite ftp://127.0.0.1": secret}
    assert ftlite("ls", served.url()).code == 4  # not asked for
    assert ftlite("ls", "--keyring", served.url()).code == 0
    assert ftlite("password", "rm", served.url()).code == 0
    assert ftlite("password", "rm", served.url()).code == 3


def test_netrc_goes_before_it(home: Path, kept: Path) -> None:
    Kept().set_password("ftp://host", "bob", "from-keyring")
    assert find_login(Options(keyring=True), "bob", "host", print).password == "from-keyring"
    (home / ".netrc").write_text("machine host login bob password from-netrc")
    (home / ".netrc").chmod(0o600)
    assert find_login(Options(keyring=True), "bob", "host", print).password == "from-netrc"


def test_what_is_missing_is_said(ftlite: Ftlite, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ftlite("password", "set", "host:").code == 2  # no user
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert ftlite("password", "set", "bob@host:").code == 2
    monkeypatch.setenv("TEST_KEYRING", str(kept.parent / "locked"))
    with pytest.raises(CliError, match="is it unlocked"):
        find_login(Options(keyring=True), "bob", "host", print)
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(CliError, match="pip install"):
        find_login(Options(keyring=True), "bob", "host", print)
