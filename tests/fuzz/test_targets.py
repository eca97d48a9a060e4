"""Every fuzz target, for a bounded while with a fixed seed; and the fuzzer, on a target that is broken on purpose."""

from __future__ import annotations

from itertools import islice

import pytest

from ftlite.protocol.verbs import parse_command
from tests.fuzz import __main__ as command
from tests.fuzz import targets
from tests.fuzz.mutate import inputs
from tests.fuzz.targets import TARGETS, Target

ROUNDS = 1500


@pytest.mark.parametrize("name", TARGETS)
def test_target(name: str) -> None:
    target = TARGETS[name]
    for data in islice(inputs(target.seeds, 959), ROUNDS):
        try:
            target.run(data)
        except Exception as error:
            pytest.fail(f"{data!r}: {type(error).__name__}: {error}")


@pytest.mark.parametrize("name", ["verbs", "dialogue"])
def test_seeds_are_commands(name: str) -> None:
    """Seeds that are refused at the door would leave the inside untouched."""
    for line in b"\n".join(TARGETS[name].seeds).removeprefix(b"!").replace(b"\n!", b"\n").split(b"\n"):
        if b"HTTP" not in line:
            parse_command(line)


def test_the_same_seed_gives_the_same_inputs() -> None:
    seeds = (b"USER a\r\n", b"PASS b\r\n")
    assert list(islice(inputs(seeds, 1), 50)) == list(islice(inputs(seeds, 1), 50))
    assert list(islice(inputs(seeds, 1), 50)) != list(islice(inputs(seeds, 2), 50))


def test_the_search_finds_what_is_broken(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(data: bytes) -> None:
        assert b"\xff" not in data

    monkeypatch.setattr(targets, "TARGETS", {"broken": Target(broken, (b"harmless",))})
    with pytest.raises(AssertionError):
        command.blind("broken", seconds=60.0, seed=959)
    assert "broken: input b" in capsys.readouterr().err


def test_the_search_ends_in_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.blind("ascii", seconds=0.0, seed=1) == 0
    assert "ascii: 0 inputs" in capsys.readouterr().out
