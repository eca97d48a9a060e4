"""Asking about servers as ssh does, and looking after what was answered."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from ftlite.cli.asking import on_terminal, vouches
from ftlite.client.trust import UnknownServer
from tests.cli.conftest import Ftlite, Served, clean_environment

PIN = "sha256//" + "A" * 43 + "="
OTHER = "sha256//" + "B" * 43 + "="


@pytest.mark.parametrize(
    ("lines", "verdict", "words"),
    [
        (["yes\n"], True, "yes, no, or paste the key"),
        (["YES \n"], True, ""),
        (["no\n"], False, ""),
        (["y\n", "\n", "yes\n"], True, "Please type"),
        ([f"{PIN}\n"], True, ""),
        ([f"{OTHER}\n", "yes\n"], False, "That is not its key"),
        ([], False, ""),
    ],
)
async def test_answers(lines: list[str], verdict: bool, words: str) -> None:
    said: list[str] = []
    todo = iter(lines)

    async def read() -> str:
        return next(todo, "")

    assert await vouches(UnknownServer("h:21", PIN, "self-signed certificate"), read, said.append) is verdict
    text = "".join(said)
    for word in ("h:21", PIN, "self-signed certificate", words):
        assert word in text


def test_nobody_is_asked_without_a_terminal(served: Served, ftlite: Ftlite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FTLITE_PASSWORD", served.fact("password") or "")
    assert on_terminal() is None
    said = ftlite("ls", served.url())
    assert said.code == 5
    assert served.fact("pin") in said.err
    assert "--accept-new" in said.err


def on_a_terminal(served: Served, home: Path, *typed: str) -> tuple[int, str]:
    """`ftlite ls` in a terminal where somebody answers the question with `typed`: its exit code and what it showed."""
    environment = {**clean_environment(home), "FTLITE_PASSWORD": served.fact("password") or ""}
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "ftlite", "ls", served.url()]
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # Ctrl-C goes to whose terminal it is
    )  # fmt: skip
    os.close(theirs)
    shown, answers, deadline = b"", list(typed), time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            if not select.select([ours], [], [], 1)[0]:
                continue
            try:
                shown += os.read(ours, 4096)
            except OSError:  # the other side is closed
                break
            if answers and shown.rstrip().endswith((b"key):", b"(sha256//...):")):
                os.write(ours, answers.pop(0).encode())
        return process.wait(timeout=30), shown.decode()
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_a_person_is_asked_once(served: Served, tmp_path: Path) -> None:
    (served.root / "seen").touch()
    code, shown = on_a_terminal(served, tmp_path, "no\n")
    assert code == 5
    assert "not accepted" in shown
    code, shown = on_a_terminal(served, tmp_path, "what?\n", f"{served.fact('pin')}\n")
    assert code == 0, shown
    assert "seen" in shown
    assert "known_servers" in shown
    code, shown = on_a_terminal(served, tmp_path)
    assert code == 0
    assert "Its key" not in shown


def test_interrupting_the_question_ends_the_command(served: Served, tmp_path: Path) -> None:
    code, _ = on_a_terminal(served, tmp_path, "\x03")
    assert code == 130


def test_a_changed_key_says_all_that_ssh_says(at: Served, ftlite: Ftlite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FTLITE_PIN")
    name = f"127.0.0.1:{at.port}"
    assert ftlite("trust", "add", name, PIN).code == 0
    for more in ([], ["--accept-new"]):
        said = ftlite("ls", *more, at.url())
        assert said.code == 5
        for word in (PIN, at.fact("pin"), "HAS CHANGED", "since 20", "somebody stands in between", f"trust rm {name}"):
            assert word in said.err
    assert ftlite("trust", "rm", name).code == 0
    said = ftlite("ls", "--accept-new", at.url())
    assert said.code == 0
    assert "known_servers" in said.err  # it says that it recorded a key
    assert at.fact("pin") in said.err


def test_the_list_of_servers(ftlite: Ftlite, home: Path) -> None:
    for name in ("h:21", "h:2121", "other:21", "[::1]:21", "url:990"):
        assert ftlite("trust", "add", name, PIN).code == 0
    assert ftlite("trust", "add", "h:21", OTHER).code == 5  # what is there stays
    assert ftlite("trust", "add", "x:21", "sha256//short").code == 2
    first, *_, summary = [json.loads(line) for line in ftlite("trust", "ls", "--json").out.splitlines()]
    assert (first["server"], first["trusted_by"], first["native"]) == ("h:21", PIN, False)
    assert first["since"].startswith("20")
    assert summary["event"] == "summary"
    assert ftlite("trust", "rm", "H").code == 0
    assert ftlite("trust", "rm", "ftps://url/").code == 0
    assert ftlite("trust", "rm", "[::1]:21").code == 0
    assert [line.split()[0] for line in ftlite("trust").out.splitlines()] == ["other:21"]
    assert ftlite("trust", "rm", "h").code == 3
