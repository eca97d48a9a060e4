"""Where a password comes from, in which order, and what is said when a source gives nothing."""

from __future__ import annotations

import os
import pty
import termios
from pathlib import Path

import pytest

from ftlite.cli import credentials
from ftlite.cli.credentials import Login, find_login
from ftlite.cli.exits import CliError
from ftlite.cli.options import Options
from tests.cli.conftest import Ftlite, Served


@pytest.fixture
def warnings() -> list[str]:
    return []


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_sources_in_their_order(home: Path, monkeypatch: pytest.MonkeyPatch, warnings: list[str]) -> None:
    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return "typed"

    monkeypatch.setattr(credentials, "ask_password", answer)
    assert find_login(Options(), "bob", "host", warnings.append).password == "typed"
    assert asked == ["Password for bob@host: "]
    write(home / ".netrc", "machine host login bob password from-netrc")
    assert find_login(Options(), "bob", "host", warnings.append).password == "from-netrc"
    monkeypatch.setenv("FTLITE_PASSWORD", "from-environment")
    assert find_login(Options(), "bob", "host", warnings.append).password == "from-environment"
    command = Options(password_command="printf 'from-command\\nmore'")
    assert find_login(command, "bob", "host", warnings.append).password == "from-command"
    file = Options(password_file=write(home / "pw", "from-file\r\nmore\n"), password_command="false")
    assert find_login(file, "bob", "host", warnings.append).password == "from-file"
    assert len(asked) == 1
    assert warnings == []


def test_a_password_is_never_shown() -> None:
    assert "secret" not in repr(Login("bob", "secret", "secret"))


def test_netrc_gives_user_and_account_too(home: Path, warnings: list[str]) -> None:
    write(home / ".netrc", "machine host login bob account acc password pw\ndefault login any password other\n")
    assert find_login(Options(), None, "host", warnings.append) == Login("bob", "pw", "acc")
    assert find_login(Options(), None, "elsewhere", warnings.append) == Login("any", "other")
    assert find_login(Options(), "eve", "host", warnings.append) == Login("eve", None)


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, True), (0o604, True)])
def test_netrc_that_others_can_read_is_warned_about(home: Path, warnings: list[str], mode: int, warned: bool) -> None:
    write(home / ".netrc", "machine host login bob password pw", mode)
    assert find_login(Options(), None, "host", warnings.append).password == "pw"
    assert [text.startswith("others can read the passwords in ~/.netrc") for text in warnings] == [True] * warned


def test_netrc_by_variable_and_by_flag(home: Path, monkeypatch: pytest.MonkeyPatch, warnings: list[str]) -> None:
    monkeypatch.setenv("NETRC", str(write(home / "a", "machine host login bob password a")))
    assert find_login(Options(), None, "host", warnings.append).password == "a"
    other = Options(netrc_file=write(home / "b", "machine host login bob password b"))
    assert find_login(other, None, "host", warnings.append).password == "b"


def test_nothing_known_is_anonymous_and_asks_nobody(home: Path, warnings: list[str]) -> None:
    assert find_login(Options(), None, "host", warnings.append) == Login()
    assert find_login(Options(), "anonymous", "host", warnings.append) == Login("anonymous", None)


@pytest.mark.parametrize(
    ("options", "user", "outcome", "words"),
    [
        (Options(password_file=Path("missing")), "bob", "NOT_FOUND", "missing: no such file"),
        (Options(password_file=Path("empty")), "bob", "USAGE", "first line is empty"),
        (Options(password_command="exit 3"), "bob", "LOGIN", "ended with status 3"),
        (Options(password_command="true"), "bob", "LOGIN", "printed nothing"),
        (Options(password_command="echo x"), None, "USAGE", "USER@host"),
        (Options(netrc_file=Path("missing")), "bob", "NOT_FOUND", "missing: no such file"),
        (Options(netrc_file=Path("broken")), "bob", "USAGE", "broken, line 1"),
    ],
)
def test_a_source_that_gives_nothing_is_named(
    home: Path, warnings: list[str], options: Options, user: str | None, outcome: str, words: str
) -> None:
    write(Path("empty"), "\n")
    write(Path("broken"), "machin host login bob password pw\n")
    with pytest.raises(CliError) as raised:
        find_login(options, user, "host", warnings.append)
    assert raised.value.outcome == outcome
    assert words in raised.value.message
    assert "pw" not in raised.value.message


@pytest.mark.parametrize(("typed", "answer"), [(b"s3cret\n", "s3cret"), (b"\n", ""), (b"\x04", None)])
def test_what_is_typed_is_not_shown(
    typed: bytes, answer: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    master, slave = pty.openpty()
    with os.fdopen(master, "r+b", buffering=0), os.fdopen(slave, "r") as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        before = termios.tcgetattr(slave)
        asked = _asked_and_answered(monkeypatch, master, typed)
        assert asked == answer
        assert termios.tcgetattr(slave) == before
    assert capsys.readouterr().err == "Password: \n"


def _asked_and_answered(monkeypatch: pytest.MonkeyPatch, master: int, typed: bytes) -> str | None:
    """Types when the question stands, as what was typed before it is thrown away."""
    real = credentials._line

    def line(fd: int) -> str:
        assert not termios.tcgetattr(fd)[3] & termios.ECHO
        os.write(master, typed)
        return real(fd)

    monkeypatch.setattr(credentials, "_line", line)
    return credentials.ask_password("Password: ")


def test_nothing_that_holds_a_password_shows_it(tmp_path: Path) -> None:
    from ftlite.client.connecting import make_target
    from ftlite.net.proxy import parse_proxy

    target = make_target("ftp://host/", user="u", password="s3cret", account="s3cret", proxy="http://u:s3cret@p:1")
    for thing in (target, target.proxy, parse_proxy("http://u:s3cret@p:1"), Options(proxy="http://u:s3cret@p:1")):
        assert "s3cret" not in repr(thing) + str(thing)


def test_no_child_sees_the_password(
    at: Served, ftlite: Ftlite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--password-command is the only child of a command: what it is told, and what is told of its failure."""
    secret = at.fact("password") or ""
    monkeypatch.delenv("FTLITE_PASSWORD")
    keeper = tmp_path / "keeper"
    notes = f"tr '\\0' ' ' </proc/$$/cmdline >{tmp_path}/argv\nenv >{tmp_path}/env\n"
    keeper.write_text(f"#!/bin/sh\n{notes}echo '{secret}'\n")
    keeper.chmod(0o700)
    said = ftlite("ls", "-vv", "--json", "--password-command", str(keeper), at.url())
    assert said.code == 0, said.err
    assert secret not in said.out + said.err + (tmp_path / "argv").read_text() + (tmp_path / "env").read_text()
    keeper.write_text(f"#!/bin/sh\necho '{secret}'\nexit 3\n")
    said = ftlite("ls", "-vv", "--json", "--password-command", str(keeper), at.url())
    assert said.code == 4
    assert secret not in said.out + said.err
