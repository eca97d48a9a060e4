"""Every fuzz target, for a bounded while with a fixed seed; what broke one before; and the search itself."""

from __future__ import annotations

import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import pytest

from ftlite.protocol.verbs import parse_command
from tests.fuzz import __main__ as command
from tests.fuzz import catalogue
from tests.fuzz.catalogue import ALL, CRASH, kept
from tests.fuzz.mutate import inputs
from tests.fuzz.target import Target


@pytest.mark.parametrize("name", ALL)
def test_target(name: str) -> None:
    target = ALL[name]
    for data in islice(inputs(target.seeds, 959), target.rounds):
        _try(target, data)


@pytest.mark.parametrize("name", ALL)
def test_what_broke_it_once(name: str) -> None:
    for data in kept(name, CRASH):
        _try(ALL[name], data)


@pytest.mark.parametrize("name", [name for name, target in ALL.items() if target.rounds > 100])
def test_what_the_search_has_kept(name: str) -> None:
    for data in kept(name):
        _try(ALL[name], data)


def _try(target: Target, data: bytes) -> None:
    try:
        target.run(data)
    except Exception as error:
        pytest.fail(f"{data!r}: {type(error).__name__}: {error}")


@pytest.mark.parametrize("name", ["verbs", "dialogue"])
def test_seeds_are_commands(name: str) -> None:
    """Seeds that are refused at the door would leave the inside untouched."""
    for line in b"\n".join(ALL[name].seeds).removeprefix(b"!").replace(b"\n!", b"\n").split(b"\n"):
        if b"HTTP" not in line:
            parse_command(line)


def test_the_same_seed_gives_the_same_inputs() -> None:
    seeds = (b"USER a\r\n", b"PASS b\r\n")
    assert list(islice(inputs(seeds, 1), 50)) == list(islice(inputs(seeds, 1), 50))
    assert list(islice(inputs(seeds, 1), 50)) != list(islice(inputs(seeds, 2), 50))


def test_the_search_finds_and_keeps_what_is_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def broken(data: bytes) -> None:
        assert b"\xff" not in data

    monkeypatch.setattr(catalogue, "ALL", {"broken": Target(broken, (b"harmless",))})
    monkeypatch.setattr(catalogue, "CORPUS", tmp_path)
    with pytest.raises(AssertionError):
        command.blind("broken", seconds=60.0, seed=959)
    assert "broken: input b" in capsys.readouterr().err
    (data,) = catalogue.kept("broken", CRASH)
    assert b"\xff" in data


def test_the_search_notices_what_hangs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(catalogue, "ALL", {"slow": Target(lambda data: time.sleep(60), (b"x",))})
    monkeypatch.setattr(catalogue, "CORPUS", tmp_path)
    monkeypatch.setattr(command, "_HANGS", 1)
    with pytest.raises(TimeoutError):
        command.blind("slow", seconds=60.0, seed=959)
    assert catalogue.kept("slow", CRASH) == [b"x"]


def test_the_guided_search_imports_ftlite_itself() -> None:
    """What was imported before atheris looks is not seen: the search would be blind and say nothing of it."""
    code = (
        "import sys, tests.fuzz.__main__ as command\n"
        "command.search = lambda *_: any(name.partition('.')[0] == 'ftlite' for name in sys.modules)\n"
        "sys.exit(command.main(['words', '--alone']))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=command.REPOSITORY, check=True)


def test_the_search_ends_in_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.blind("ascii", seconds=0.0, seed=1) == 0
    assert "ascii: 0 inputs" in capsys.readouterr().out
