"""The shell on a terminal: lines that are typed, and the keys that end or put aside what runs."""

from __future__ import annotations

import signal
import sys

import trio

from ftlite.cli import exits
from ftlite.shell.shell import Shell


class Terminal:
    """Reads lines until the end of input or `exit`."""

    sums_up = False

    def __init__(self) -> None:
        self.stopped = 0

    async def run(self, shell: Shell) -> int:
        """Read and run lines; the exit code."""
        code = exits.OK
        while shell.leaving is None:
            line = await trio.to_thread.run_sync(_read, self._prompt(shell), abandon_on_cancel=True)
            if line is None:
                break
            if line.strip():
                code = await shell.run(line)
        return shell.leaving if shell.leaving is not None else code

    def _prompt(self, shell: Shell) -> str:
        where = f"{shell.site.name}:{shell.site.cwd}" if shell.site is not None else "ftlite"
        return f"{where}> "

    async def signals(
        self, shell: Shell, scope: trio.CancelScope, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """SIGINT ends what runs before one's eyes, SIGTSTP puts it aside, SIGTERM ends the shell."""
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGTSTP) as signals:
            task_status.started()
            async for number in signals:
                if number == signal.SIGINT:
                    shell.interrupt()
                elif number == signal.SIGTSTP:
                    shell.suspend()
                else:
                    self.stopped = 128 + number
                    scope.cancel()


def _read(prompt: str) -> str | None:
    sys.stderr.write(prompt)
    sys.stderr.flush()
    return sys.stdin.readline() or None
