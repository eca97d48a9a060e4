"""The shell on a terminal: lines that are typed, and the keys that end or put aside what runs."""

from __future__ import annotations

import os
import signal
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import trio

from ftlite.cli import exits, places
from ftlite.client.nursery import open_plain_nursery
from ftlite.shell import prompt
from ftlite.shell.above import Above, stream
from ftlite.shell.keyboard import Interrupted, Keyboard
from ftlite.shell.memory import Directories, Lines
from ftlite.shell.names import Names
from ftlite.shell.plain import Plain
from ftlite.shell.shell import Shell


class Terminal:
    """Reads lines until the end of input or `exit`."""

    sums_up = False

    def __init__(self) -> None:
        self.stopped = 0
        self._keyboard: Keyboard | Plain | None = None
        self._interrupted: object | None = None
        self._told = False
        self._marked = False  #: a program heard of Ctrl-C, and the cursor may be behind the mark of that
        self._lines = Lines(places.history_file())
        self._directories = Directories(places.directories_file())
        self._modes = _modes()

    async def furnish(self, shell: Shell) -> None:
        """Give `shell` what was remembered."""
        await trio.to_thread.run_sync(self._load)
        shell.lines = self._lines.all
        shell.directories = self._directories

    def _load(self) -> None:
        self._lines.load()
        self._directories.load()

    async def run(self, shell: Shell) -> int:
        """Read and run lines; the exit code."""
        above = Above()
        streams = sys.stdout, sys.stderr
        out = streams[0] if streams[0].isatty() else streams[1]
        try:
            async with trio.open_nursery() as nursery:
                names = Names(shell, nursery)

                def message(width: int, cells: Callable[[str], int]) -> prompt.Fragments:
                    return prompt.fragments(_where(shell), width, cells)

                if places.dumb_terminal() or not out.isatty():
                    self._keyboard = Plain(self._lines, message, out)
                else:
                    self._keyboard = Keyboard(
                        shell, names, self._lines, above, message, out, coloured=places.colours()
                    )
                shell.jobs.changed = self._keyboard.redraw
                sys.stdout, sys.stderr = stream(above, streams[0]), stream(above, streams[1])
                try:
                    return await self._all(shell, names, self._keyboard)
                finally:
                    self._keyboard.close()
                    self._keyboard = None
                    nursery.cancel_scope.cancel()
        finally:
            sys.stdout, sys.stderr = streams
            await self._save()

    async def _all(self, shell: Shell, names: Names, keyboard: Keyboard | Plain) -> int:
        code, warned = exits.OK, False
        while True:
            try:
                line = await self._read(keyboard)
            except Interrupted:
                warned = False
                continue
            if line is not None and not line.strip():
                continue
            if line is not None:
                self._tell_of_history(shell)
                self._marked = False
                code = await shell.run(line)
                names.changed()
                if self._marked and code == exits.INTERRUPTED:
                    sys.stderr.write("\n")
            if self.stopped:
                return self.stopped
            if line is not None and shell.leaving is None:
                warned = False
                continue
            left = shell.jobs.background()
            if warned or not left:
                return shell.leaving if shell.leaving is not None else code
            shell.leaving, warned = None, True
            them = "it" if len(left) == 1 else "them"
            shell.say(f"{_count(len(left))} in the background; once more ends {them}, 'jobs' lists, 'wait' waits")

    def _tell_of_history(self, shell: Shell) -> None:
        """Once, if what is typed is not kept."""
        fault, self._lines.fault = self._lines.fault, None
        if fault is not None and not self._told:
            self._told = True
            shell.say(f"{self._lines.path}: {(fault.strerror or str(fault)).lower()}; what is typed is not kept")

    async def _read(self, keyboard: Keyboard | Plain) -> str | None:
        """A line, in a worker that is told when nobody wants it any more. Interrupted."""
        read = trio.Event()
        async with open_plain_nursery() as nursery:
            nursery.start_soon(_leave_when_cancelled, keyboard, read)
            try:
                return await trio.to_thread.run_sync(self._from_keyboard, keyboard)
            finally:
                read.set()

    def _from_keyboard(self, keyboard: Keyboard | Plain) -> str | None:
        """In the worker: put the terminal right, whatever ran before, and read."""
        self._directories.save()
        _restore(self._modes)
        return keyboard.read()

    async def _save(self) -> None:
        with trio.CancelScope(shield=True):  # a small file
            await trio.to_thread.run_sync(self._directories.save)
            await trio.to_thread.run_sync(_restore, self._modes)

    async def signals(
        self, shell: Shell, scope: trio.CancelScope, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """SIGINT ends what runs before one's eyes, SIGTSTP puts it aside; SIGTERM, and a terminal that is gone, end the
        shell."""
        caught = (signal.SIGINT, signal.SIGTERM, signal.SIGTSTP, signal.SIGHUP, signal.SIGWINCH)
        with trio.open_signal_receiver(*caught) as signals:
            task_status.started()
            async for number in signals:
                if number == signal.SIGINT:
                    self._interrupt(shell)
                elif number == signal.SIGTSTP:
                    shell.suspend()
                elif number == signal.SIGWINCH:
                    if self._keyboard is not None:
                        self._keyboard.resized()
                else:
                    if number == signal.SIGHUP:
                        _mute()
                    self.stopped = exits.TERMINATED
                    scope.cancel()

    def _interrupt(self, shell: Shell) -> None:
        """Once ends what runs; what does not end at that is told of, and then left behind."""
        job = shell.foreground
        if job is None or job.hands_over or not job.scope.cancel_called:
            if not shell.interrupt() and self._keyboard is not None:
                self._keyboard.interrupt()
            self._interrupted = None
            self._marked = job is not None and job.hands_over
        elif self._interrupted is not job:
            self._interrupted = job
            shell.say(f"{job.text}: is being ended; Ctrl-C once more leaves it behind, Ctrl-\\ ends ftlite at once")
        else:
            shell.suspend()


async def _leave_when_cancelled(keyboard: Keyboard | Plain, read: trio.Event) -> None:
    try:
        await read.wait()
    except trio.Cancelled:
        keyboard.leave()
        raise


def _where(shell: Shell) -> prompt.Where:
    running = len(shell.jobs.background())
    site = shell.site
    if site is None:
        return prompt.Where(running=running)
    return prompt.Where(site.name, site.cwd, site.home, site.secured, site.native, running)


def _count(number: int) -> str:
    return f"{number} jobs run" if number > 1 else "a job runs"


def _modes() -> list[Any] | None:
    try:
        return termios.tcgetattr(sys.__stdin__.fileno())  # type: ignore[union-attr]
    except (OSError, ValueError, AttributeError, termios.error):
        return None


def _restore(modes: list[Any] | None) -> None:
    """Give the terminal the modes that it had, whatever a program may have left."""
    if modes is not None:
        with suppress(OSError, ValueError, termios.error):
            termios.tcsetattr(sys.__stdin__.fileno(), termios.TCSADRAIN, modes)  # type: ignore[union-attr]


def _mute() -> None:
    """The terminal is gone: what is still said must not fail."""
    null = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(null, descriptor)
    os.close(null)
