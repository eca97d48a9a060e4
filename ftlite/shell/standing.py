"""A shell with all that it stands on, and the ways commands come to it: a script here, a terminal in terminal.py."""

from __future__ import annotations

import io
import os
import signal
import sys
from typing import Any, Protocol, TextIO

import trio

from ftlite.cli import exits
from ftlite.cli.exits import CliError
from ftlite.cli.options import Options
from ftlite.cli.run import started
from ftlite.cli.servers import Logins, Servers
from ftlite.cli.tally import Tally
from ftlite.cli.voice import Voice
from ftlite.client.nursery import open_plain_nursery
from ftlite.shell.errors import BadLine, Unfinished
from ftlite.shell.running import wait_for_jobs
from ftlite.shell.shell import Shell
from ftlite.shell.words import parse, quote

_LONGEST = 1 << 20  #: characters of a line in a batch file


class Way(Protocol):
    """How commands come to a shell."""

    sums_up: bool  #: a summary of all of them is the last thing to be said
    stopped: int  #: 128 and the number of the signal that ended it, or 0

    async def furnish(self, shell: Shell) -> None:
        """Give `shell` what it stands with before anything runs."""

    async def run(self, shell: Shell) -> int:
        """Run commands until they end; the exit code."""

    async def signals(
        self, shell: Shell, scope: trio.CancelScope, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Listen to signals until cancelled. Cancelling `scope` ends the shell."""


def run_shell(voice: Voice, way: Way, address: str | None, options: Options, settings: dict[str, Any]) -> int:
    """Run a shell in a loop of its own; the exit code, and a summary where the way gives one."""
    tally = Tally()
    try:
        started()
        code = trio.run(_stand, voice, way, address, options, settings, tally)
    except Exception as error:
        if all(isinstance(leaf, BrokenPipeError) for leaf in exits.leaves(error)):
            raise BrokenPipeError from error
        voice.failed(error)
        tally.absorb(voice.tally)
        code = voice.tally.code
    if way.sums_up:
        voice.sum_up(tally, code)
    return code


async def _stand(
    voice: Voice, way: Way, address: str | None, options: Options, settings: dict[str, Any], tally: Tally
) -> int:
    """A shell with all that it stands on, which ends when `way` does. `voice` speaks JSON then, if that is what was
    set last."""
    code = exits.OK
    async with Servers(Logins()) as servers, open_plain_nursery() as nursery:
        shell = Shell(servers, nursery, options, settings, sums_up=way.sums_up)
        shell.totals = tally
        with trio.CancelScope() as scope:
            await way.furnish(shell)
            await nursery.start(way.signals, shell, scope)
            if address is not None:
                code = await shell.run(f"open {quote(address)}")
            if code == exits.OK:
                code = await way.run(shell)
        if scope.cancelled_caught:
            code = way.stopped or exits.INTERRUPTED
            shell.stopped(code)
        voice.json |= shell.options.json
        shell.remember()
        nursery.cancel_scope.cancel()
    return code


class Script:
    """Commands from a file, a stream or a string. The first failure ends them; what runs in the background is waited
    for, and its failure counts."""

    sums_up = True

    def __init__(self, source: TextIO | str, name: str, max_time: float | None) -> None:
        self.stopped = 0
        self._source = io.StringIO(source) if isinstance(source, str) else source
        self._name = name
        self._limit = max_time if max_time is not None else float("inf")

    async def furnish(self, shell: Shell) -> None:
        """Nothing is remembered from one script to the next."""
        shell.reads_stdin = self._source is sys.stdin

    async def run(self, shell: Shell) -> int:
        """Run them all; the exit code."""
        with trio.move_on_after(self._limit) as clock:
            code = await self._lines(shell)
            failed = await wait_for_jobs(shell)
            return code or next((job.code for job in failed if job.code), exits.OK)
        assert clock.cancelled_caught
        return shell.complain(CliError("TIMEOUT", f"{self._name}: not done within {self._limit:g} s; raise --max-time"))

    async def _lines(self, shell: Shell) -> int:
        text, number = "", 0
        while True:
            line = await trio.to_thread.run_sync(self._source.readline, _LONGEST, abandon_on_cancel=True)
            number += 1
            text += line
            if len(text) >= _LONGEST:
                return shell.complain(CliError("USAGE", f"{self._name}, line {number}: it is too long"))
            if line and _goes_on(text):
                continue
            if text.strip():
                code = await shell.run(text, stops=True, batch=True)
                if code or shell.leaving is not None:
                    if code and self._name != "-c":
                        shell.say(f"{self._name}, line {number}: stopped there, exit code {code}")
                    return code
            text = ""
            if not line:
                return exits.OK

    async def signals(
        self, shell: Shell, scope: trio.CancelScope, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """SIGINT and SIGTERM end all of it; a second one at once."""
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            task_status.started()
            async for number in signals:
                if self.stopped:
                    os._exit(128 + number)
                self.stopped = 128 + number
                scope.cancel()


def _goes_on(text: str) -> bool:
    try:
        parse(text.rstrip("\n"), batch=True)
    except Unfinished:
        return True
    except BadLine:
        return False
    return False
