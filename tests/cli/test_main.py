"""The table of commands: quick help, known names, and one sentence for everything else."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import click
import pytest

from ftlite import __version__
from ftlite.cli import COMMANDS
from tests.cli.conftest import Ftlite, Served

SLOW = {"trio", "attr", "attrs", "rich", "humanize", "cryptography", "click", "ssl", "argon2"}


def imported_by(*arguments: str) -> set[str]:
    code = "import sys; from ftlite.cli import main; main(sys.argv[1:]); print(' '.join(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stderr.split()}


def test_help_imports_nothing_worth_waiting_for() -> None:
    assert not imported_by("--help") & SLOW


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_does_without_the_loop(command: str) -> None:
    assert not imported_by(command, "--help") & {"trio", "rich", "humanize", "cryptography", "ssl", "argon2"}


INTERACTIVE = {"asyncio", "prompt_toolkit"}


def test_a_file_is_fetched_without_what_only_people_at_terminals_need(at: Served, home: Path) -> None:
    (at.root / "quick").write_text("x")
    assert not imported_by("get", at.url("quick"), "fetched") & {*INTERACTIVE, "rich"}
    assert Path("fetched").read_text() == "x"


def test_scripts_do_without_the_terminal(at: Served, home: Path) -> None:
    Path("commands").write_text("pwd\nls\n")
    for arguments in (("shell", at.url(), "-c", "pwd; ls"), ("batch", "commands", at.url())):
        imported = imported_by(*arguments)
        assert "trio" in imported
        assert not imported & INTERACTIVE


@pytest.mark.parametrize("command", COMMANDS)
def test_every_row_leads_to_a_command(command: str, ftlite: Ftlite) -> None:
    _, module, attribute = COMMANDS[command]
    assert isinstance(getattr(importlib.import_module(module), attribute), click.Command)
    said = ftlite(command, "--help")
    assert said.code == 0
    assert said.out.startswith(f"Usage: ftlite {command} ")


def test_help_names_every_command(ftlite: Ftlite) -> None:
    said = ftlite("--help")
    assert said.code == 0
    assert all(f"\n  {name} " in said.out for name in COMMANDS)
    assert said.err == ""


def test_version(ftlite: Ftlite) -> None:
    assert ftlite("--version").out == f"ftlite {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "no command given"),
        (("gte", "a:b"), "did you mean 'get'?"),
        (("build7.example.org",), "ftlite shell build7.example.org"),
        (("frobnicate",), "choose one of serve"),
        (("bad\x1b[31m",), r"bad\\x1b[31m"),
        (("get",), "Missing argument 'ADDRESS'"),
        (("get", "--port", "0", "a:b"), "--port"),
        (("get", "--port", "x", "a:b"), "--port"),
        (("get", "--frob", "a:b"), "--frob"),
        (("get", "--stall-timeout", "soon", "a:b"), "'soon' is no duration"),
        (("get", "--stall-timeout", "0", "a:b"), "no time to wait"),
        (("get", "--limit-rate", "fast", "a:b"), "'fast' is no size"),
        (("get", "ftp://u:secret@host/x"), "holds a password"),
        (("get", "http://host/x"), "unknown scheme"),
        (("get", "a:b", "-", "--json"), "--json does not go with '-'"),
        (("get", "a:b", "-", "-c"), "--continue does not go with '-'"),
        (("get", "a:b", "-", "-r"), "-r does not go with '-'"),
        (("cat", "a:b", "--json"), "--json does not go with cat"),
        (("put", "-", "a:"), "stdin has no name"),
        (("put", "-", "a:b/"), "stdin has no name"),
        (("put", "-", "x", "a:b"), "'-' stands alone"),
        (("put", "--expect", "sha256:12", "x", "a:b"), "64 hex digits"),
        (("put", ".", "a:b"), "is a directory; -r"),
        (("put", "/dev/null", "a:b"), "neither a file nor a directory"),
        (("rm", "a:"), "no file or directory that can be removed"),
        (("rm", "-r", "a:/"), "no file or directory that can be removed"),
        (("rm", "-r", "a:x/.."), "no file or directory that can be removed"),
        (("mv", "a:", "b"), "no file or directory that can be renamed"),
        (("mv", "a:x", "b:x"), "another server"),
        (("hash", "-a", "rot13", "a:b"), "rot13"),
        (("user", "frob"), "No such command 'frob'"),
        (("serve", "--allow-root"), "root: is missing"),
    ],
)
def test_usage_errors_are_one_sentence_and_code_2(ftlite: Ftlite, arguments: tuple[str, ...], words: str) -> None:
    said = ftlite(*arguments)
    assert said.code == 2
    assert words in said.err
    assert "secret" not in said.err
    assert "Traceback" not in said.err
    assert said.err.strip().splitlines()[-1].startswith("ftlite")
    assert said.out == ""


def test_an_unforeseen_error_is_a_sentence_and_a_traceback_only_when_asked_for(
    ftlite: Ftlite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("ftlite.cli.look.addresses_of", broken)
    quiet = ftlite("ls", "a:b")
    assert (quiet.code, quiet.err.count("\n")) == (1, 1)
    assert "unexpected RuntimeError: boom" in quiet.err
    assert "Traceback" in ftlite("ls", "-v", "-v", "a:b").err
    assert "Traceback" in ftlite("ls", "-vv", "a:b").err


def test_help_into_a_closed_pipe_says_nothing() -> None:
    for arguments in ("--help", "get --help"):
        command = f"{sys.executable} -m ftlite {arguments} | true"
        done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
        assert done.stderr == ""


def test_what_does_not_fit_onto_standard_output_is_said_in_a_sentence() -> None:
    for argument in ("--help", "--version"):
        with open("/dev/full", "wb") as full:
            command = [sys.executable, "-m", "ftlite", argument]
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
        assert (done.returncode, done.stderr) == (10, "ftlite: standard output: no space left on device\n")


def test_a_closed_standard_output_fails_only_what_writes_there() -> None:
    ftlite = f"{sys.executable} -m ftlite"
    for command, code, says in (
        ("--version >&-", 1, "ftlite: standard output: bad file descriptor\n"),
        ("trust ls >&-", 0, ""),
        ("--version 2>&-", 0, ""),
    ):
        shell = ["/bin/sh", "-c", f"{ftlite} {command}"]
        done = subprocess.run(shell, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stderr) == (code, says), command


def test_garbage_is_collected_again_once_a_command_has_started() -> None:
    code = (
        "import gc; gc.disable(); from ftlite.cli.run import started; started();"
        "assert gc.isenabled() and gc.get_freeze_count()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_process_ends_with_all_that_was_said_and_its_code() -> None:
    words = [sys.executable, "-m", "ftlite"]
    done = subprocess.run([*words, "get", "--nonsense"], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "--nonsense" in done.stderr) == (2, True)
    done = subprocess.run([*words, "put", "--help"], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout.endswith("\n"), done.stderr) == (0, True, "")
    assert done.stdout.startswith("Usage: ftlite put ")
