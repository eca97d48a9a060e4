"""What runs: one job a command, before everybody's eyes or in the background, queued or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import trio
from attrs import define, field

from ftlite.cli import exits
from ftlite.cli.exits import CliError

if TYPE_CHECKING:
    from ftlite.cli.voice import Voice

_REMEMBERED = 20  #: jobs that ended, for `jobs` and `wait`


@define(eq=False)
class Job:
    """One command that was given.

    Attributes:
        text: as it was written.
        scope: cancelling it ends the job.
        done: it has ended, with `code`.
        number: 0 until it is first sent to the background: what is waited for needs no name.
        background: nobody waits for it; set also when it is sent there (Ctrl-Z).
        hands_over: a program has the terminal, and gets what is typed.
        producing: what a program behind ``|`` reads is being made; cancelling it leaves the program alone.
        waiting: it is queued and has not begun.
        voice: who speaks for it, once its words are understood.
        connections: how many it may use at once.
    """

    text: str
    number: int = 0
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    done: trio.Event = field(factory=trio.Event)
    background: trio.Event = field(factory=trio.Event)
    code: int | None = None
    hands_over: bool = False
    producing: trio.CancelScope | None = None
    waiting: bool = False
    voice: Voice | None = None
    connections: int = 1

    def look_on(self) -> None:
        """Somebody looks on again: bars may be drawn."""
        if self.voice is not None:
            self.voice.foreground = True
            if self.voice.show_bars is not None and self.voice.shows_progress:
                self.voice.show_bars()

    @property
    def state(self) -> str:
        """For people, in a word or two."""
        if self.code is not None:
            known = {exits.OK: "done", exits.INTERRUPTED: "interrupted"}
            return known.get(self.code, f"failed ({self.code})")
        return "queued" if self.waiting else "running"


class Jobs:
    """A shell's jobs that are, or were, in the background. `limit` of those that are queued run at once."""

    def __init__(self, limit: int) -> None:
        self._jobs: dict[int, Job] = {}
        self._next = 1
        self.unwaited: list[Job] = []  #: what failed in the background, and nobody has waited for
        self.queue = trio.CapacityLimiter(limit)
        self.changed: Callable[[], None] = lambda: None  #: told when a job goes to the background, or ends

    def to_background(self, job: Job) -> None:
        """Nobody waits for `job` any more: it gets a number, unless it has one. They begin again when nothing runs."""
        if not job.number:
            if not self.background():
                self._next = 1
            job.number = self._next
            self._next += 1
        self._jobs.pop(job.number, None)
        self._jobs[job.number] = job
        job.background.set()
        self.changed()

    def ended(self, job: Job, code: int) -> None:
        """It is over."""
        job.code = code
        job.done.set()
        if job.background.is_set() and code:
            self.unwaited.append(job)
        over = [one for one in self._jobs.values() if one.code is not None]
        for old in over[:-_REMEMBERED]:
            del self._jobs[old.number]
        self.changed()

    def forget(self, job: Job) -> None:
        """It was waited for and need not be listed."""
        if self._jobs.get(job.number) is job:
            del self._jobs[job.number]

    def background(self) -> list[Job]:
        """Those that have not ended and that nobody waits for, oldest first."""
        return [job for job in self._jobs.values() if job.code is None and job.background.is_set()]

    def __iter__(self) -> Iterator[Job]:
        return iter(list(self._jobs.values()))

    def find(self, word: str | None) -> Job:
        """The job that ``%2``, ``2``, or nothing (the newest in the background) means. CliError NOT_FOUND."""
        if word is None:
            running = self.background()
            if not running:
                raise CliError("NOT_FOUND", "no job runs in the background")
            return running[-1]
        number = word.removeprefix("%")
        job = self._jobs.get(int(number)) if number.isascii() and number.isdigit() else None
        if job is None:
            raise CliError("NOT_FOUND", f"there is no job {word}; 'jobs' lists them")
        return job
