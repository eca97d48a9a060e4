"""What goes to stdout and stderr, and the exit code that many outcomes make."""

from __future__ import annotations

import base64
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftlite.cli.voice import Voice, _json_field
from ftlite.client import ClientError, Outcome
from ftlite.protocol.text import decode, encode


def error(outcome: Outcome) -> ClientError:
    return ClientError(outcome, "x failed")


@pytest.mark.parametrize(
    ("done", "outcomes", "code"),
    [
        (1, [], 0),
        (0, [], 0),
        (0, [Outcome.NOT_FOUND], 3),
        (0, [Outcome.NOT_FOUND, Outcome.NOT_FOUND], 3),
        (0, [Outcome.NOT_FOUND, Outcome.DENIED], 8),
        (0, [Outcome.LOGIN, Outcome.DENIED], 4),
        (1, [Outcome.NOT_FOUND], 8),
    ],
)
def test_exit_code_of_many(done: int, outcomes: list[Outcome], code: int) -> None:
    voice = Voice("get")
    for _ in range(done):
        voice.succeeded()
    for outcome in outcomes:
        voice.failed(error(outcome))
    assert voice.close() == code


def test_a_signal_outweighs_all() -> None:
    voice = Voice("get")
    voice.succeeded()
    voice.failed(error(Outcome.NOT_FOUND))
    voice.stopped(130)
    assert voice.close() == 130


def test_summary_is_the_last_line_and_counts(capsys: pytest.CaptureFixture[str]) -> None:
    voice = Voice("get", json_lines=True)
    voice.succeeded(moved=3, verified="digest")
    voice.succeeded(moved=4, verified="size")
    voice.failed(error(Outcome.TIMEOUT), path="x")
    voice.close()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == {"event": "error", "outcome": "timeout", "exit": 6, "message": "x failed", "path": "x"}
    assert lines[-1].pop("seconds") >= 0
    assert lines[-1] == {
        "event": "summary", "command": "get", "ok": False, "exit": 8, "done": 2, "failed": 1, "bytes": 7,
        "verified": "size",
    }  # fmt: skip


def test_quiet_leaves_errors(capsys: pytest.CaptureFixture[str]) -> None:
    voice = Voice("get", quiet=True, verbose=1)
    voice.say("a")
    voice.detail("b")
    voice.warn("c")
    voice.failed(error(Outcome.OTHER))
    assert capsys.readouterr() == ("", "ftlite get: x failed\n")


def test_people_see_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    Voice("get").say("a\x1b[2Jb\u202ec\udcff")
    assert capsys.readouterr().err == "a\\x1b[2Jb\\u202ec\\xff\n"


def test_a_pipe_gets_the_exact_bytes(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    Voice("ls").line(decode(b"gr\xf6\xdfe"))
    assert capfdbinary.readouterr().out == b"gr\xf6\xdfe\n"


def test_a_terminal_gets_printable_names(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    Voice("ls").line(decode(b"gr\xf6\xdfe\x1b"))
    assert capsys.readouterr().out == "gr\\xf6\\xdfe\\x1b\n"


@given(st.binary())
def test_json_is_ascii_and_loses_no_byte(name: bytes) -> None:
    record = json.dumps(_json_field("path", decode(name)))
    assert record.isascii()
    back = json.loads(record)
    exact = base64.b64decode(back["path_b64"]) if "path_b64" in back else encode(back["path"])
    assert exact == name
