from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftlite.shell import memory
from ftlite.shell.memory import Directories, Lines, is_secret


@pytest.mark.parametrize(
    "line",
    [
        " get mine", "open ftp://ann:s3cret@build7/", "open ann:s3cret@build7:rel", "open 'ftp://ann:s3cret@build7'",
        "quote PASS s3cret", "quote pass s3cret", "ls; quote ACCT x", "site PASS x", "quote 'PASS' s3cret",
        "quote PASS 's3cret", "get x --password-command 'pass show x'", "get x --password-command=y",
        "set password-command 'pass show x'", "!curl -u ann:s3cret@host x", "!PASSWORD=x make", "!API_KEY=x make",
        "!deploy --token x", "get a && open ftp://a:b@c",
    ],
)  # fmt: skip
def test_a_secret_is_forgotten(line: str, tmp_path: Path) -> None:
    lines = Lines(tmp_path / "history")
    assert is_secret(line)
    assert not lines.add(line)
    assert lines.all() == []
    assert not (tmp_path / "history").exists()


@pytest.mark.parametrize(
    "line",
    ["get password.txt", "cat secret-plan.pdf other", "open ftp://ann@build7/rel", "open build7:rel", "quote STAT",
     "quote MDTM /a", "set tls optional", "ls 12:30", "get a:b", "get 'un", "passwd"],
)  # fmt: skip
def test_what_only_looks_like_one_is_kept(line: str) -> None:
    assert not is_secret(line)


def test_lines_come_back_and_others_cannot_read_them(tmp_path: Path) -> None:
    path = tmp_path / "state" / "history"
    lines = Lines(path)
    for line in ("ls", "get 'a\nb'", "get 'a\nb'", "cat a\\ b", "get \udcff", "ls"):
        lines.add(line)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = Lines(path)
    again.load()
    assert again.all() == lines.all() == ["ls", "get 'a\nb'", "cat a\\ b", "get \udcff", "ls"]


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.write_text("ls\n")
    path.chmod(0o644)
    Lines(path).load()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_LINES", 10)
    path = tmp_path / "history"
    lines = Lines(path)
    for number in range(95):
        lines.add(f"get {number}")
        assert len(path.read_text().splitlines()) <= 21
    assert path.read_text().splitlines()[-1] == "get 94"
    again = Lines(path)
    again.load()
    assert len(again.all()) == 10


def test_where_nothing_can_be_written_nothing_fails(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    lines = Lines(tmp_path / "state" / "history")
    lines.load()
    assert lines.add("ls")
    assert lines.all() == ["ls"]
    assert lines.fault is not None


@given(st.lists(st.text(st.characters(exclude_characters="\r"), max_size=20), max_size=5))
def test_any_line_survives(tmp_path_factory: pytest.TempPathFactory, typed: list[str]) -> None:
    path = tmp_path_factory.mktemp("lines") / "history"
    lines = Lines(path)
    for line in typed:
        lines.add(line)
    again = Lines(path)
    again.load()
    assert again.all() == lines.all()


def test_directories_by_server(tmp_path: Path) -> None:
    path = tmp_path / "directories"
    here, other = Directories(path), Directories(path)
    here.load()
    assert here.of("ann@build7") is None
    here.note("ann@build7", "/rel/a b\n")
    other.note("bob@build7:2121", "/")
    assert here.of("ann@build7") == "/rel/a b\n"
    here.save()
    other.save()
    again = Directories(path)
    again.load()
    assert (again.of("ann@build7"), again.of("bob@build7:2121")) == ("/rel/a b\n", "/")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_last_servers_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_PLACES", 3)
    held = Directories(tmp_path / "directories")
    for number in range(6):
        held.note(f"host{number}", "/x")
        held.save()
    again = Directories(tmp_path / "directories")
    again.load()
    assert [again.of(f"host{number}") for number in range(6)] == [None, None, None, "/x", "/x", "/x"]
