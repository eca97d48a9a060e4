"""What moves, told: bars on a terminal, drawn by rich on stderr, and elsewhere what heartbeats and `jobs` say of it.
rich honours NO_COLOR."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any

from ftlite.cli.voice import Voice
from ftlite.protocol.text import printable

Step = Callable[[int, "int | None"], None]


class Bars:
    """A context manager under which `track` gives progress callbacks, which keep `voice.under_way` up to date.

    Args:
        shown: draw them; by default where `voice` shows progress.
    """

    def __init__(self, voice: Voice, shown: bool | None = None) -> None:
        self._voice = voice
        self._shown = voice.shows_progress if shown is None else shown
        self._progress: Any = None
        self._names: list[str] = []
        self._draws: dict[str, Step] = {}

    def __enter__(self) -> Bars:
        self._voice.show_bars = self._show
        if self._shown:
            self._show()
        return self

    def _show(self) -> None:
        """Draw from now on, whatever moves already."""
        if self._progress is not None:
            return
        self._progress = _make()
        self._progress.start()
        self._voice.hide_bars = self._hide
        for name in self._names:
            done, total = self._voice.under_way.get(name, (0, None))
            if total is None or done < total:
                self._draws[name] = self._bar(self._progress, name)

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._hide()
        self._voice.show_bars = None
        for name in self._names:
            self._voice.under_way.pop(name, None)

    def _hide(self) -> None:
        """Draw no more; what moves goes on."""
        progress, self._progress = self._progress, None
        if progress is not None:
            self._draws.clear()
            progress.stop()
            self._voice.hide_bars = None

    def track(self, name: str) -> Step:
        """A callback ``(bytes done, bytes in total or None)`` that moves a bar called `name`."""
        under_way = self._voice.under_way
        self._names.append(name)
        if self._progress is not None:
            self._draws[name] = self._bar(self._progress, name)

        def step(done: int, total: int | None) -> None:
            under_way[name] = (done, total)
            draw = self._draws.get(name)
            if draw is not None:
                draw(done, total)

        return step

    @staticmethod
    def _bar(progress: Any, name: str) -> Step:
        task = progress.add_task(printable(name), total=None)
        (bar,) = (one for one in progress.tasks if one.id == task)

        def draw(done: int, total: int | None) -> None:
            if total != bar.total:  # that of a tree grows as it is walked; `update` would forget the speed then
                bar.total, bar.finished_time, bar.finished_speed = total, None, None
            progress.update(task, completed=done)

        return draw


def _make() -> Any:
    from rich.console import Console, ConsoleDimensions
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.table import Column

    class Narrower(Console):
        """Leaves room for the mark that the terminal makes of Ctrl-C or Ctrl-Z: in the next row it would stay, and the
        bar above it too."""

        @property  # type: ignore[misc]  # nobody sets it
        def size(self) -> ConsoleDimensions:
            whole = super().size
            return ConsoleDimensions(max(whole.width - 4, 20), whole.height)

    return Progress(
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis", ratio=2)),
        BarColumn(bar_width=None, table_column=Column(ratio=1)),  # of the default width it leaves a name six letters
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Narrower(file=sys.stderr),
        redirect_stdout=False,  # data and JSON go there, whatever is drawn here
        transient=True,  # the sentence at the end says it all
        expand=True,
    )
