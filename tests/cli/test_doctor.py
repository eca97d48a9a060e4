"""The command: what people and programs read of it, and its exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ftlite.client.doctor import STEPS
from tests.cli.conftest import Ftlite, Served


def steps(out: str) -> dict[str, dict[str, object]]:
    events = [json.loads(line) for line in out.splitlines()]
    assert events[-1]["event"] == "summary"
    return {event["step"]: event for event in events if event["event"] == "step"}


def test_our_own_server_is_well(at: Served, ftlite: Ftlite) -> None:
    (at.root / "doctor").mkdir()
    said = ftlite("doctor", "--json", "--write", at.url("doctor"))
    assert said.code == 0, said.err
    report = steps(said.out)
    assert list(report) == [step.name for step in STEPS]
    assert {event["verdict"] for event in report.values()} == {"ok"}, said.out
    assert report["dialect"]["facts"]["dialect"] == "native"  # type: ignore[index]
    assert report["login"]["facts"]["password_from"] == "FTLITE_PASSWORD"  # type: ignore[index]
    assert at.fact("password") not in said.out + said.err
    assert list((at.root / "doctor").iterdir()) == []


def test_people_read_lines(at: Served, ftlite: Ftlite) -> None:
    (at.root / "look").mkdir(exist_ok=True)
    said = ftlite("doctor", "--dialect", "stock", at.url("look"))
    assert said.code == 0
    assert "ok    login:" in said.out
    assert "-     transfer: no file there" in said.out
    assert "all is well" in said.err


def test_the_first_failure_is_the_exit_code(
    at: Served, ftlite: Ftlite, unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = ftlite("doctor", f"ftp://ftlite@127.0.0.1:{unused_port}/")
    assert said.code == 5
    assert "FAIL  port:" in said.out
    assert "certificate, login" in said.out  # not looked at, in one line
    said = ftlite("doctor", "--json", at.url("no/such/directory"))
    assert said.code == 3
    assert steps(said.out)["listing"]["outcome"] == "not-found"
    monkeypatch.setenv("FTLITE_PASSWORD", "wrong-s3cret")
    said = ftlite("doctor", "-vv", at.url())
    assert said.code == 4
    assert "s3cret" not in said.out + said.err
    monkeypatch.delenv("FTLITE_PIN")
    said = ftlite("doctor", at.url())
    assert said.code == 5
    assert f"ftlite trust add 127.0.0.1:{at.port} {at.fact('pin')}" in said.out


def test_a_site_is_looked_at_by_its_own_flags(served: Served, ftlite: Ftlite, home: Path) -> None:
    config = home / ".config" / "ftlite"
    config.mkdir(parents=True)
    (config / "pw").write_text(served.fact("password") or "")
    text = f'[b]\naddress = "{served.url()}"\npin = "{served.fact("pin")}"\npassword_file = "pw"\n'
    (config / "sites.toml").write_text(text)
    said = ftlite("doctor", "--json", "b:")
    assert said.code == 0, said.err
    assert "pw" in str(steps(said.out)["login"]["facts"])
