"""The shell itself: it knows where one stands, runs lines, and keeps what runs. Typed, scripted or from a file alike.

A line becomes statements (words.py); a statement becomes a job, in a task and a cancel scope of its own; a job runs a
row of the table (table.py) or, behind ``!``, a program. The shell waits for a job unless it is in the background.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from itertools import takewhile
from typing import Any

import click
import trio
from attrs import evolve

from ftlite.cli import exits
from ftlite.cli.exits import CliError
from ftlite.cli.options import Options
from ftlite.cli.run import parse_command
from ftlite.cli.servers import Servers
from ftlite.cli.session import Action, carry_out
from ftlite.cli.sites import resolve, sites
from ftlite.cli.tally import Tally
from ftlite.cli.voice import Voice
from ftlite.client.address import Address, parse_address
from ftlite.client.errors import ClientError
from ftlite.shell import programs, table
from ftlite.shell.errors import BadLine
from ftlite.shell.jobs import Job, Jobs
from ftlite.shell.memory import Directories
from ftlite.shell.outlets import Outlet, into_file, output
from ftlite.shell.place import Here, Site, server_name
from ftlite.shell.words import Statement, When, parse, quote, split

_QUEUED = 1  #: queued jobs that run at once, unless one says otherwise


class Shell:
    """What stands while lines are run.

    Attributes:
        site: the server that is open; None: none is.
        base: what flags are that are not set: typed at the start, from the environment or config.toml.
        settings: flags for every command, by the names of `Options`; those typed when a site was opened come first.
        aliases: name -> line.
        jobs: what runs.
        totals: of everything that was moved.
        sums_up: there is one summary for all lines, which whoever runs them writes.
        leaving: the exit code with which `exit` asked to leave; None: it did not.
        lines: what was typed, oldest first, for `history`.
        local_before: where ``lcd -`` leads.
        directories: where one stood on each server, where that is remembered.
        reads_stdin: the commands come from there, so it is for nobody else.
    """

    def __init__(
        self,
        servers: Servers,
        nursery: trio.Nursery,
        options: Options,
        settings: Mapping[str, Any],
        *,
        sums_up: bool = False,
    ) -> None:
        self.servers = servers
        self.site: Site | None = None
        self.settings = dict(settings)
        self.base = options
        self.aliases: dict[str, str] = {}
        self.jobs = Jobs(_QUEUED)
        self.totals = Tally()
        self.sums_up = sums_up
        self.leaving: int | None = None
        self.lines: Callable[[], list[str]] = list
        self.local_before: str | None = None
        self.directories: Directories | None = None
        self.reads_stdin = False
        self.foreground: Job | None = None
        self._nursery = nursery
        servers.in_use = self._connections
        servers.on_reopened = self._reopened

    # what words mean

    def address(self, word: str) -> Address:
        """The address that `word` is, a site's name included. ClientError USAGE, ConfigError."""
        return resolve(parse_address(word))

    def is_site(self, word: str) -> bool:
        """Whether `word` begins with the name of a bookmark, and a colon."""
        name, colon, _ = word.partition(":")
        return bool(colon) and sites().find(name) is not None

    def last_directory(self, address: Address) -> str | None:
        """Where one stood last time on the server of `address`."""
        return self.directories.of(server_name(address)) if self.directories is not None else None

    def remember(self) -> None:
        """Keep where one stands, for `last_directory`."""
        if self.site is not None and self.directories is not None:
            self.directories.note(server_name(self.site.address), self.site.cwd)

    async def arrived(self, voice: Voice) -> None:
        """Say where one is, now that a server is open."""
        assert self.site is not None
        if not self.sums_up:
            dialect = "native" if self.site.native else "stock"
            safety = "encrypted" if self.site.secured else "in clear"
            before = self.site.previous
            hint = f"; 'cd -' leads to {before}" if before not in (self.site.cwd, self.site.home) else ""
            voice.say(f"{self.site.name}: {dialect}, {safety}; in {self.site.cwd}{hint}")

    # running

    async def run(self, text: str, *, stops: bool = False, batch: bool = False) -> int:
        """Run all of `text`; the exit code of the last command, or of the one that it stopped at.

        Args:
            stops: the first failure ends it, but for one that ``||`` stands behind.
            batch: ``-`` and ``@`` before a command mean something.
        """
        try:
            statements = parse(text, batch=batch)
        except BadLine as error:
            return self.complain(CliError("USAGE", str(error)))
        code = 0
        for index, statement in enumerate(statements):
            if (statement.when is When.AND and code) or (statement.when is When.OR and not code):
                continue
            code = await self._one(statement)
            if self.leaving is not None:
                return self.leaving
            if code and stops and not _rescued(statements[index + 1 :]):
                break
        return code

    async def _one(self, statement: Statement) -> int:
        job = Job(statement.text)
        if statement.background:
            self.jobs.to_background(job)
        self._nursery.start_soon(self._job, job, statement, Here(self))
        if statement.background:
            self.say(f"[{job.number}] {job.text}")
            return 0
        code = await self.watch(job)
        return 0 if statement.ignore and code not in (exits.INTERRUPTED, exits.TERMINATED) else code

    async def watch(self, job: Job) -> int:
        """Wait for `job` before everybody's eyes, until it has ended or is sent to the background (0 then)."""
        before, self.foreground = self.foreground, job
        job.background = trio.Event()
        try:
            async with trio.open_nursery() as nursery:
                for event in (job.done, job.background):
                    nursery.start_soon(_first, event, nursery.cancel_scope)
        except BaseException:
            job.scope.cancel()
            raise
        finally:
            self.foreground = before
        if job.code is None:
            self.say(f"[{job.number}] {job.text}: goes on in the background; 'fg' waits for it")
            return 0
        self.jobs.forget(job)
        return job.code

    def enqueue(self, place: Here, words: list[str]) -> None:
        """Run the command `words`, given at `place`, in the background when its turn comes."""
        job = Job(" ".join(quote(word) for word in words), waiting=True)
        self.jobs.to_background(job)
        statement = Statement(job.text, tuple(words), background=True)  # type: ignore[arg-type]
        self._nursery.start_soon(self._job, job, statement, place)
        self.say(f"[{job.number}] {job.text}: queued")

    def interrupt(self) -> bool:
        """Ctrl-C: end what runs before everybody's eyes, unless it sees to that itself. Whether anything does."""
        job = self.foreground
        if job is None:
            return False
        if not job.hands_over:
            (job.producing or job.scope).cancel()
        return True

    def suspend(self) -> None:
        """Ctrl-Z: let it go on in the background."""
        job = self.foreground
        if job is not None and not job.hands_over and job.producing is None:
            if job.voice is not None:
                job.voice.foreground = False
                if job.voice.hide_bars is not None:
                    job.voice.hide_bars()
            self.jobs.to_background(job)

    async def _job(self, job: Job, statement: Statement, here: Here) -> None:
        """The task of a job that was given `here`. Whatever fails in it is told, and becomes its exit code."""
        code = exits.CODES["OTHER"]
        try:
            with job.scope:
                async with self._turn(job):
                    code = await self._statement(job, statement, here)
            if job.scope.cancelled_caught:
                code = exits.INTERRUPTED
                if not job.background.is_set():
                    self.say(f"{job.text}: interrupted")
        except Exception as error:
            code = self.complain(error)
        finally:
            self.jobs.ended(job, code)
            if job.background.is_set() and not self.sums_up:
                self.say(f"[{job.number}] {job.text}: {job.state}")

    @asynccontextmanager
    async def _turn(self, job: Job) -> AsyncIterator[None]:
        """For a job that is queued: when it may run."""
        if not job.waiting:
            yield
            return
        async with self.jobs.queue:
            job.waiting = False
            yield

    async def _statement(self, job: Job, statement: Statement, here: Here) -> int:
        if statement.outside is not None:
            return await self.outside(statement.outside, job)
        words = self._expanded(list(statement.words))
        async with self._streams(statement, here) as (out, stdin, codes):
            here = here.with_streams(
                out=output(out) if out is not None else None,
                stdin=stdin,
                remarks=not statement.silent,
                foreground=not job.background.is_set(),
            )
            with self._producing(job, statement, codes):
                try:
                    codes.append(await self.command(job, here, words))
                except BrokenPipeError:
                    if out is None:
                        raise
                    codes.append(exits.OK)  # whoever reads the output has enough
        return codes[0] or codes[-1]

    @contextmanager
    def _producing(self, job: Job, statement: Statement, codes: list[int]) -> Iterator[None]:
        """Before everybody's eyes a program behind ``|`` may have the terminal, as a pager has: Ctrl-C ends what it
        reads, as it has heard of it itself, and from then on it has the keyboard."""
        if statement.pipe is None or job.background.is_set():
            yield
            return
        with trio.CancelScope() as job.producing:
            yield
        if job.producing.cancelled_caught:
            codes.append(exits.INTERRUPTED)
        job.producing, job.hands_over = None, True

    async def command(self, job: Job, here: Here, words: list[str]) -> int:
        """Run the one command that `words` are."""
        if "--help" in words[1:]:  # click would print it past the streams that the line asks for
            words = ["help", words[0]]
        name = words[0]
        command = table.find(name)
        parse_words = partial(parse_command, command, name, words[1:], here)
        done = await trio.to_thread.run_sync(parse_words, abandon_on_cancel=True)
        if not isinstance(done, Action):
            return done if isinstance(done, int) else exits.OK
        job.voice, job.connections = done.voice, done.options.parallel
        try:
            return await carry_out(done, self.servers)
        finally:
            self.totals.absorb(done.voice.tally)

    def _expanded(self, words: list[Any]) -> list[Any]:
        """The words, with what an alias at their beginning stands for in its place."""
        seen: set[str] = set()
        while words and words[0] not in seen:
            seen.add(words[0])
            line = self.aliases.get(words[0]) or table.ALIASES.get(words[0])
            if line is None:
                break
            words = [*split(line), *words[1:]]
        return words

    @asynccontextmanager
    async def _streams(
        self, statement: Statement, here: Here
    ) -> AsyncIterator[tuple[Outlet | None, Any, list[int]]]:
        """What the command writes to and reads from, where that is not the shell's; a list that takes its exit code,
        and that of the program behind it."""
        stdin = None
        if statement.source is not None:
            source = partial(open, here.local(statement.source), "rb")
            stdin = await trio.to_thread.run_sync(source, abandon_on_cancel=True)  # a pipe may never be opened
        try:
            if statement.pipe is not None:
                async with programs.fed(statement.pipe) as (outlet, codes):
                    yield outlet, stdin, codes
            elif statement.target is not None:
                async with into_file(here.local(statement.target), append=statement.append) as (outlet, codes):
                    yield outlet, stdin, codes
            else:
                yield None, stdin, []
        finally:
            if stdin is not None:
                stdin.close()

    @asynccontextmanager
    async def through(self, command: str) -> AsyncIterator[Outlet]:
        """A program that has the terminal, and reads what is written. CliError as `program`."""
        job = self._with_terminal(command)
        job.hands_over = True
        try:
            async with programs.fed(command) as (outlet, _):
                yield outlet
        finally:
            job.hands_over = False

    async def program(self, command: str) -> int:
        """Run a program of sh that has the terminal; its exit code. CliError USAGE from the background."""
        return await self.outside(command, self._with_terminal(command))

    def _with_terminal(self, command: str) -> Job:
        if self.foreground is None:
            raise CliError("USAGE", f"{command} needs the terminal, and cannot run in the background")
        return self.foreground

    async def outside(self, command: str, job: Job) -> int:
        """Run a program of sh with the shell's own streams and keyboard; its exit code."""
        job.hands_over = True
        try:
            return await programs.run(command, keyboard=not self.reads_stdin)
        finally:
            job.hands_over = False

    def _connections(self) -> int:
        """How many connections may be in use at once by what runs."""
        running = [*self.jobs.background(), *([self.foreground] if self.foreground is not None else [])]
        return sum(job.connections for job in running)

    def _reopened(self, error: ClientError) -> None:
        if not self.sums_up:
            self.say(f"{error.message}; connected again")

    # saying

    def say(self, text: str) -> None:
        """A line for people, unless they want quiet."""
        Voice("shell", quiet=bool(self.settings.get("quiet"))).say(text)

    def complain(self, error: BaseException) -> int:
        """Tell what went wrong outside of any command's own telling; its exit code."""
        if isinstance(error, click.ClickException):
            message = error.format_message()
            context = getattr(error, "ctx", None)
            hint = f"; see 'help {context.info_name}'" if context is not None else ""
            error = CliError("USAGE", f"{message.rstrip('.')}{hint}")
        voice = self._voice()
        voice.failed(error)
        self.totals.absorb(voice.tally)
        return voice.close()

    def stopped(self, code: int) -> None:
        """Tell that a signal ended all of it; `code` is 130 or 143."""
        voice = self._voice()
        voice.stopped(code)
        self.totals.absorb(voice.tally)

    def _voice(self) -> Voice:
        return Voice("shell", json_lines=self.options.json, sums_up=False)

    @property
    def options(self) -> Options:
        """What the settings come to."""
        held = {**self.settings, **(self.site.settings if self.site else {}), "max_time": None}
        return evolve(self.base, **held, settled=self.base.settled | held.keys())


def _rescued(following: Sequence[Statement]) -> bool:
    """Whether one of the statements that depend on what failed just now is for that case."""
    depending = takewhile(lambda statement: statement.when is not When.ALWAYS, following)
    return any(statement.when is When.OR for statement in depending)


async def _first(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()
