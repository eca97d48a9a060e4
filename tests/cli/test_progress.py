"""Bars: what they know of a transfer whose size grows while it is under way."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from ftlite.cli.progress import Bars
from ftlite.cli.voice import Voice


def test_without_bars_it_is_known_what_moves() -> None:
    voice = Voice("get")
    with Bars(voice, False) as bars:
        bars.track("file")(1, 2)
        assert voice.under_way == {"file": (1, 2)}
    assert not voice.under_way


def test_bars_may_be_taken_away_while_it_moves() -> None:
    voice = Voice("get")
    with Bars(voice, True) as bars:
        step = bars.track("file")
        assert voice.hide_bars is not None
        voice.hide_bars()
        step(2, 2)
        assert voice.under_way == {"file": (2, 2)}
        assert voice.hide_bars is None


def test_a_heartbeat_says_what_moves(capfd: pytest.CaptureFixture[str]) -> None:
    voice = Voice("get", json_lines=True)
    with Bars(voice, False) as bars:
        bars.track("file")(5_000, 10_000)
        voice.heartbeat()
    out, err = capfd.readouterr()
    assert err == "ftlite get: file: 5.0 kB of 10.0 kB so far\n"
    assert json.loads(out) == {"event": "progress", "name": "file", "bytes": 5_000, "total": 10_000}


def test_a_tree_that_is_still_being_walked_has_a_speed() -> None:
    with Bars(Voice("get"), True) as bars:
        step = bars.track("tree")
        for files in range(1, 20):
            step(files * 10, files * (10 if files == 10 else 20))  # once all that is known is done
        (bar,) = bars._progress.tasks
        assert (bar.completed, bar.total) == (190, 380)
        assert bar.speed
        assert not bar.finished


def test_a_stream_has_no_total() -> None:
    with Bars(Voice("get"), True) as bars:
        step = bars.track("-")
        step(1, None)
        step(2, None)
        (bar,) = bars._progress.tasks
        assert (bar.completed, bar.total, bar.finished) == (2, None, False)


def test_a_name_has_more_room_than_its_bar() -> None:
    with Bars(Voice("get"), True) as bars:
        step = bars.track("artifacts.tar.gz")
        step(1_000_000, 600_000_000)
        step(123_400_000, 600_000_000)
        for width, name in ((76, "artifacts.tar.gz "), (46, "arti")):
            console = Console(width=width, file=io.StringIO())
            console.print(bars._progress.get_renderable())
            (line,) = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
            assert line.startswith(name)
            assert "123.4/600.0 MB" in line
