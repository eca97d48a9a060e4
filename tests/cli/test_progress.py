"""Bars: what they know of a transfer whose size grows while it is under way."""

from __future__ import annotations

from ftlite.cli.progress import Bars


def test_without_a_terminal_there_is_nothing_to_tell() -> None:
    with Bars(False) as bars:
        assert bars.track("file") is None


def test_a_tree_that_is_still_being_walked_has_a_speed() -> None:
    with Bars(True) as bars:
        step = bars.track("tree")
        assert step is not None
        for files in range(1, 20):
            step(files * 10, files * (10 if files == 10 else 20))  # once all that is known is done
        (bar,) = bars._progress.tasks
        assert (bar.completed, bar.total) == (190, 380)
        assert bar.speed
        assert not bar.finished


def test_a_stream_has_no_total() -> None:
    with Bars(True) as bars:
        step = bars.track("-")
        assert step is not None
        step(1, None)
        step(2, None)
        (bar,) = bars._progress.tasks
        assert (bar.completed, bar.total, bar.finished) == (2, None, False)
