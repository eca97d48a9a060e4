"""A real `ftlite serve` for the commands to talk to, and a home directory of its own for each test."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from attrs import frozen

from ftlite.cli import main
from ftlite.cli.events import EVENTS, event_schema


@frozen
class Served:
    """A running server: what it said, and where its files are."""

    process: subprocess.Popen[str]
    root: Path
    state: Path
    log: Path
    lines: list[str]

    @property
    def port(self) -> int:
        line = next(line for line in self.lines if line.startswith("listening on "))
        return int(line.split()[2].rpartition(":")[2])

    def fact(self, name: str) -> str | None:
        rows = [line.split() for line in self.lines]
        return next((words[1] for words in rows if len(words) > 1 and words[0] == name), None)

    def url(self, path: str = "") -> str:
        return f"ftp://ftlite@127.0.0.1:{self.port}/{path}"

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=60)


def _ours(name: str) -> bool:
    return name.startswith(("FTLITE_", "XDG_", "LISTEN_")) or name.lower().endswith("_proxy")


def clean_environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not _ours(name)}
    return {**kept, "HOME": str(home), "XDG_STATE_HOME": str(home / "state")}


def start(home: Path, *arguments: str, root: Path | None = None, **settings: object) -> Served:
    """Start `ftlite serve` on a free port and wait until it says where it listens."""
    served = root if root is not None else home / "served"
    served.mkdir(parents=True, exist_ok=True)
    usual = ["--listen", "127.0.0.1:0", "--allow-root"]
    command = [sys.executable, "-m", "ftlite", "serve", str(served), *usual, *arguments]
    log = home / "server.log"
    environment = {**clean_environment(home), **settings.pop("env", {})}  # type: ignore[dict-item]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=log.open("w"), text=True, env=environment, **settings  # type: ignore[call-overload]
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if lines[-1].split()[:2] == ["ftlite", "ftlite"] or line.startswith("{"):
            break
    else:
        pytest.fail(f"the server ended at once: {log.read_text()}")
    return Served(process, served, home / "state" / "ftlite", log, lines)


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with TLS and the account of its first start, shared by the tests of this folder."""
    server = start(tmp_path_factory.mktemp("server"))
    yield server
    assert server.stop() == 0


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that holds nothing, an environment without our variables, and the working directory in between."""
    place = tmp_path / "home"
    place.mkdir()
    for name in list(os.environ):
        if name.startswith(("FTLITE_", "XDG_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.delenv("NETRC", raising=False)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return place


@frozen
class Said:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str


def hold_events(text: str) -> None:
    """Every event among the lines of `text` is one that docs/json.md has."""
    for line in text.splitlines():
        if line.startswith('{"event"'):
            event = json.loads(line)
            assert event["event"] in EVENTS, line
            jsonschema.validate(event, event_schema(event["event"]))


class Ftlite:
    """Runs commands in this process and gives what they said."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture

    def __call__(self, *arguments: str) -> Said:
        self._capture.readouterr()
        code = main(arguments)
        said = self._capture.readouterr()
        hold_events(said.out)
        return Said(code, said.out, said.err)


@pytest.fixture
def ftlite(home: Path, capfd: pytest.CaptureFixture[str]) -> Ftlite:
    return Ftlite(capfd)


@pytest.fixture
def at(served: Served, home: Path, monkeypatch: pytest.MonkeyPatch) -> Served:
    """The shared server, with its password and pin in the environment."""
    monkeypatch.setenv("FTLITE_PASSWORD", served.fact("password") or "")
    monkeypatch.setenv("FTLITE_PIN", served.fact("pin") or "")
    return served


@pytest.fixture
def unused_port() -> Iterator[int]:
    """A port that is bound, so that nobody else gets it, and on which nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]
