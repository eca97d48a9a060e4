"""The shell in a real terminal, on a real server: what a person sees and which keys do what."""

from __future__ import annotations

import os
import re
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Served, clean_environment, start
from tests.shell.driver import Terminal, ftlite

BIG = 6_000_000


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with names that are hard to type and to show."""
    home = tmp_path_factory.mktemp("server")
    root = home / "served"
    for directory in ("rel/1.4", "rel/1.5", "日本語"):
        (root / directory).mkdir(parents=True)
    (root / "rel/1.4/app one.whl").write_text("first\n")
    (root / "rel/1.4/app two.whl").write_text("second\n")
    (root / "日本語/übung.txt").write_text("ä\n")
    (root / "evil\x1b[31m.txt").write_text("red\n")
    (root / "big.iso").write_bytes(os.urandom(BIG))
    server = start(home)
    yield server
    assert server.stop() == 0


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def environment(served: Served, home: Path, **more: str) -> dict[str, str]:
    secrets = {"FTLITE_PASSWORD": served.fact("password") or "", "FTLITE_PIN": served.fact("pin") or ""}
    return {**clean_environment(home), "LANG": "C.UTF-8", **secrets, **more}


def shell(served: Served, home: Path, path: str = "", columns: int = 100, lines: int = 24, **more: str) -> Terminal:
    return Terminal(ftlite(served.url(path)), home, environment(served, home, **more), columns, lines)


def test_completion_of_commands_flags_and_names(served: Served, home: Path) -> None:
    with shell(served, home) as terminal:
        terminal.prompt(r":/ \[native tls\]>$")
        terminal.type("mk")
        terminal.press("tab")
        terminal.see("> mkdir$", where="last")
        terminal.press("ctrl-u")
        terminal.type("get --req")
        terminal.press("tab")
        terminal.see("> get --require$", where="last")
        terminal.press("tab")
        terminal.see(r"digest\s+none\s+size")
        terminal.press("ctrl-c")
        terminal.prompt()
        terminal.type("get rel/1.4/a")
        terminal.press("tab")
        terminal.see(r"get rel/1\.4/app\\$")
        terminal.see(r"app one\.whl\s+app two\.whl")
        terminal.type("t")
        terminal.press("tab")
        terminal.see(r"get rel/1\.4/app\\ two\.whl$", where="last")
        terminal.press("enter")
        terminal.see("verified: digest")
        terminal.prompt()
        assert (home / "app two.whl").read_text() == "second\n"
        terminal.type("cat 日")  # what a person types begins wide, and is shown wide
        terminal.press("tab")
        terminal.see("cat 日 ?本 ?語 ?/")
        terminal.press("tab")
        terminal.see("cat 日 ?本 ?語 ?/übung.txt")
        terminal.press("enter")
        terminal.see("^ä$")
        terminal.prompt()
        terminal.prompt()
        terminal.line("ls")
        terminal.see(r"^evil\\x1b\[31m\.txt$")
        terminal.line("put app\\ two.whl x > nowhere/x")
        terminal.see("nowhere")
        terminal.prompt()
        terminal.line("exit 3")
        assert terminal.ends() == 3


def test_history_is_suggested_searched_and_keeps_no_secret(served: Served, home: Path) -> None:
    with shell(served, home) as terminal:
        terminal.prompt()
        terminal.line("ls -l rel")
        terminal.see("1.5")
        terminal.prompt()
        terminal.line(" pwd")
        terminal.prompt()
        terminal.line("quote PASS tellno1")
        terminal.see("not sent by quote")
        terminal.prompt()
        terminal.line("cd rel/1.4")
        terminal.prompt(r":/rel/1\.4 ")
        terminal.press("ctrl-d")
        assert terminal.ends() == 0
    kept = home / "state" / "ftlite" / "history"
    assert kept.read_text() == "ls -l rel\ncd rel/1.4\n"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    with shell(served, home) as terminal:
        terminal.see(r"'cd -' leads to /rel/1\.4$")
        terminal.prompt()
        terminal.type("ls")
        terminal.see("> ls -l rel$", where="last")  # the rest is a suggestion
        terminal.press("right", "enter")
        terminal.see("1.5")
        terminal.prompt()
        terminal.press("ctrl-r")
        terminal.type("1.4")
        terminal.see(r"cd rel/1\.4")
        terminal.press("enter", "enter")
        terminal.prompt(r":/rel/1\.4 ")
        terminal.line("cd -")
        terminal.prompt(r":/ ")
        terminal.line("history 2")
        terminal.see(r"^ +\d+  history 2$")
        terminal.prompt()
        terminal.press("ctrl-d")
        assert terminal.ends() == 0


def test_jobs_and_the_keys_for_them(served: Served, home: Path) -> None:
    with shell(served, home) as terminal:
        terminal.prompt()
        terminal.line("get big.iso one.iso --limit-rate 1M")
        terminal.see(r"^big\.iso .*/6\.0 MB.*s")  # the bar
        terminal.press("ctrl-z")
        terminal.see(r"^\[1\] get big\.iso one\.iso .*background")
        terminal.prompt(r"1 job>$")
        terminal.line("get big.iso two.iso --limit-rate 100k &")
        terminal.prompt(r"2 jobs>$")
        terminal.line("jobs")
        terminal.see(r"^\[1\] running +get big.*of 6\.0 MB")
        terminal.see(r"^\[2\] running +get big")
        terminal.prompt()
        terminal.type("echo half a line")
        terminal.see(r"^\[1\] .*: done$")  # above what is being typed, which stays
        terminal.see("1 job> echo half a line$", where="last")
        assert (home / "one.iso").stat().st_size == BIG
        terminal.press("ctrl-c")
        terminal.prompt("1 job>$")
        terminal.line("fg %2")
        terminal.see("^get big.iso two.iso")
        terminal.see(r"^big\.iso +\S.*/6\.0 MB")  # the bar is there again
        terminal.press("ctrl-c")
        terminal.see("two.iso .*: interrupted")
        terminal.prompt(r"tls\]>$")
        assert not (home / "two.iso").exists()
        terminal.line("get big.iso three.iso --limit-rate 100k")
        terminal.see(r"^big\.iso .*/6\.0 MB")
        terminal.press("ctrl-c")
        terminal.see(r"three\.iso .*: interrupted")
        terminal.prompt()
        terminal.line("get big.iso four.iso --limit-rate 100k &")
        terminal.prompt("1 job>$")
        terminal.press("ctrl-d")
        terminal.see("a job runs in the background; once more ends it")
        terminal.line("kill %1")
        terminal.see(r"^\[1\] get big\.iso four\.iso .*: interrupted$")
        terminal.prompt(r"tls\]>$")
        terminal.line("!sleep 0.01; exit 5")
        terminal.prompt()
        terminal.press("ctrl-d")
        assert terminal.ends() == 5


def test_a_second_farewell_ends_what_runs(served: Served, home: Path) -> None:
    with shell(served, home, TERM="dumb") as terminal:  # where nothing can be drawn it is the same shell
        terminal.prompt()
        terminal.type("get big.iso --limit-rate 50k &\r")
        terminal.see("1 job>$", where="last")
        terminal.type("exit\r")
        terminal.see("once more ends it")
        terminal.prompt()
        terminal.type("exit 7\r")
        assert terminal.ends() == 7
        assert b"\x1b" not in terminal.raw
    assert not (home / "big.iso").exists()


def test_the_size_changes_and_lines_go_on(served: Served, home: Path) -> None:
    with shell(served, home, "rel/1.4", NO_COLOR="1") as terminal:
        terminal.prompt(r"ftlite@127\.0\.0\.1:\d+:/rel/1\.4 \[native tls\]>$")
        terminal.type("ls 'app")
        terminal.resize(48)
        terminal.see(r"^(?!.*native).*> ls 'app$", where="last")
        terminal.resize(110)
        terminal.see("native tls.*ls 'app", where="last")
        terminal.press("enter")  # the quotation is open
        terminal.see("^ *> *$", where="last")
        terminal.press("ctrl-c")
        terminal.prompt(r"tls\]>$")
        terminal.type("\x1b[200~ls\npwd\x1b[201~")  # pasted
        terminal.see("pwd$", where="last")
        terminal.press("enter")
        terminal.see("app two.whl\n/rel/1.4$")
        terminal.prompt()
        assert not re.search(rb"\x1b\[[0-9;]*3[0-9][;m]", terminal.raw)
        terminal.press("ctrl-d")
        assert terminal.ends() == 0


@pytest.mark.parametrize("dialect", ["native", "stock"])
def test_it_connects_again_where_it_was(tmp_path: Path, home: Path, dialect: str) -> None:
    server = start(tmp_path / "server-home")
    (server.root / "inner").mkdir()
    (server.root / "inner/x").write_text("x\n")
    port = str(server.port)
    env = {**clean_environment(home), "LANG": "C.UTF-8"}
    words = [server.url("inner"), "--pin", server.fact("pin") or "", "--dialect", dialect]
    with Terminal(ftlite(*words), home, env) as terminal:
        terminal.see("Password for ftlite@127.0.0.1:$")
        terminal.type((server.fact("password") or "") + "\r")
        terminal.prompt("/inner ")
        assert (server.fact("password") or "") not in terminal.all
        server.stop()
        again = start(tmp_path / "server-home", "--listen", f"127.0.0.1:{port}")
        try:
            terminal.line("ls")
            terminal.see("^x$")
            terminal.see("down; .*connected")
            terminal.prompt("/inner ")
            assert "Password" not in terminal.text
            terminal.process.terminate()
            assert terminal.ends() == 143
        finally:
            assert again.stop() == 0


def test_a_question_can_be_broken_off(served: Served, home: Path) -> None:
    env = {**clean_environment(home), "LANG": "C.UTF-8"}
    with Terminal(ftlite("shell"), home, env, columns=160) as terminal:
        terminal.prompt("^ftlite>$")
        # Ctrl-C makes the system drop what is on its way to the screen: the question must be there to its end.
        terminal.line(f"open {served.url()} --pin {served.fact('pin')}")
        terminal.see("^Password for .*:$", where="last")
        terminal.press("ctrl-c")
        terminal.see("interrupted$")
        terminal.prompt("^ftlite>$")
        terminal.line(f"open {served.url()}")
        terminal.see("^Password for .*:$", where="last")
        terminal.type((served.fact("password") or "") + "\r")
        terminal.see(r"^Trust it from now on\? .*:$", where="last")
        terminal.press("ctrl-c")
        terminal.see("interrupted$")
        terminal.prompt("^ftlite>$")
        terminal.line("pwd")
        terminal.see("no server is open")
        terminal.prompt("^ftlite>$")
        terminal.press("ctrl-d")
        assert terminal.ends() == 2


def test_a_program_behind_a_pipe_has_the_keyboard(served: Served, home: Path) -> None:
    with shell(served, home, columns=140) as terminal:
        terminal.prompt()
        ask = "read y </dev/tty || read y </dev/tty"
        terminal.line(f"ls | (trap 'echo heard' INT; cat >/dev/null; echo ready; {ask}; echo got $y)")
        terminal.see("^ready$")
        terminal.press("ctrl-c")
        terminal.see("^(.C)?heard$")
        terminal.type("what was typed\r")
        terminal.see("^got what was typed$")
        terminal.prompt()
        terminal.process.send_signal(signal.SIGHUP)
        assert terminal.ends() == 143


def test_a_history_that_cannot_be_kept_is_told_once(home: Path) -> None:
    (home / "state").write_text("a file")
    with Terminal(ftlite("shell"), home, {**clean_environment(home), "LANG": "C.UTF-8"}, 200) as terminal:
        terminal.prompt()
        terminal.line("lpwd")
        terminal.see("history: .*; what is typed is not kept")
        terminal.prompt()
        terminal.line("lpwd")
        terminal.see(f"^{home}$")
        terminal.prompt()
        assert "kept" not in terminal.text
        terminal.press("ctrl-d")
        assert terminal.ends() == 0


def test_where_nothing_answers_there_is_no_shell(home: Path, unused_port: int) -> None:
    env = clean_environment(home)
    with Terminal(ftlite(f"ftp://127.0.0.1:{unused_port}/"), home, env) as terminal:
        assert terminal.ends() == 5
        assert "nobody listens" in terminal.all
        assert ">" not in terminal.all
