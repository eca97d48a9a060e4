"""Bars on a terminal, drawn by rich on stderr; nowhere else anything at all. rich honours NO_COLOR."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any

from ftlite.protocol.text import printable

Step = Callable[[int, "int | None"], None]


class Bars:
    """A context manager under which `track` gives progress callbacks. With `shown` false they do nothing."""

    def __init__(self, shown: bool) -> None:
        self._shown = shown
        self._progress: Any = None

    def __enter__(self) -> Bars:
        if self._shown:
            self._progress = _make()
            self._progress.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def track(self, name: str) -> Step | None:
        """A callback ``(bytes done, bytes in total or None)`` that moves a bar called `name`; None without bars."""
        progress = self._progress
        if progress is None:
            return None
        task = progress.add_task(printable(name), total=None)
        (bar,) = (one for one in progress.tasks if one.id == task)

        def step(done: int, total: int | None) -> None:
            if total != bar.total:  # that of a tree grows as it is walked; `update` would forget the speed then
                bar.total, bar.finished_time, bar.finished_speed = total, None, None
            progress.update(task, completed=done)

        return step


def _make() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.table import Column

    return Progress(
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr),
        redirect_stdout=False,  # data and JSON go there, whatever is drawn here
        transient=True,  # the sentence at the end says it all
        expand=True,
    )
