"""The program: what it takes, what it tells, how it exits."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from conformance.__main__ import main
from conformance.client.recipes import check, load, shipped

_TINY = f"{sys.executable} -S -E {Path(__file__).with_name('tiny_client.py')}"
_ARGUMENTS = "get {host} {port} {user} {password} {path} {local} {patience} -"


def test_a_command_after_two_hyphens_fetches(capsys: pytest.CaptureFixture[str]) -> None:
    command = f"{_TINY} {_ARGUMENTS}".split()
    assert main(["client", "--only", "retr-125", "--", *command]) == 0
    assert "1 pass; 0 MUST broken" in capsys.readouterr().out


def test_a_broken_must_is_exit_1_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = tmp_path / "told.json"
    given = ["client", "--get", f"{_TINY} exact-codes {_ARGUMENTS}", "--only", "retr-125", "--json", str(told)]
    assert main(given) == 1
    [result] = json.loads(told.read_text())
    assert (result["status"], result["level"], result["exit"]) == ("fail", "MUST", 1)
    assert "1 MUST broken" in capsys.readouterr().out


def test_a_listed_deviation_is_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = tmp_path / "listed"
    listed.write_text("# known\nretr-125: old servers are not our business\n")
    given = ["client", "--get", f"{_TINY} exact-codes {_ARGUMENTS}", "--only", "retr-125", "--deviations", str(listed)]
    assert main(given) == 0
    assert "accepted: old servers" in capsys.readouterr().out
    listed.write_text("no-such-case: because\n")
    assert main(given) == 2


def test_a_client_that_cannot_do_the_plain_thing_passes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    main(["client", "--get", "false", "--only", "retr-550"])
    assert "skip MUST   retr-550" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "exit_code"),
    [
        ([], 2),
        (["--recipe", "no such recipe"], 2),
        (["--get", "x {nonsense}"], 2),
        (["--get", "no-such-program-here {url}"], 3),
        (["--get", "true {url}", "--only", "no such case"], 2),
    ],
)
def test_wrong_use(given: list[str], exit_code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["client", *given]) == exit_code
    assert capsys.readouterr().err


def test_shipped_recipes() -> None:
    names = {recipe.name for recipe in shipped()}
    assert names == {"curl", "ftlite", "ftplib", "lftp", "ncftp", "rclone", "tnftp", "wget"}
    with pytest.raises(ValueError, match="placeholder"):
        check("{no_such}")
    assert load("curl").clear
