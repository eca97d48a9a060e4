"""A terminal to drive a shell in: a pty with a process on one end, and on the other what a person would see (pyte)."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

import pyte

PATIENCE = 40.0  # seconds for what is to be seen; a machine under load is slow
KEYS = {"tab": "\t", "enter": "\r", "right": "\x1b[C", "up": "\x1b[A", "ctrl-c": "\x03", "ctrl-d": "\x04",
        "ctrl-l": "\x0c", "ctrl-r": "\x12", "ctrl-u": "\x15", "ctrl-z": "\x1a", "esc": "\x1b"}  # fmt: skip


class _Screen(pyte.HistoryScreen):
    """A screen that answers when it is asked where its cursor is."""

    def __init__(self, columns: int, lines: int, answer: Callable[[bytes], None]) -> None:
        super().__init__(columns, lines, history=5000, ratio=0.5)
        self._answer = answer

    def write_process_input(self, data: str) -> None:
        self._answer(data.encode())


class Terminal:
    """Runs a command in a terminal of its own. A context manager, which ends it."""

    def __init__(
        self, command: list[str], cwd: Path, env: Mapping[str, str], columns: int = 100, lines: int = 24
    ) -> None:
        self._master, slave = pty.openpty()
        self._resize(columns, lines)
        self._screen = _Screen(columns, lines, self._send)
        self._stream = pyte.ByteStream(self._screen)
        self.raw = b""
        self.process = subprocess.Popen(
            command, cwd=cwd, env={**env, "TERM": env.get("TERM", "xterm")}, stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True, preexec_fn=_take_terminal,
        )  # fmt: skip
        os.close(slave)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self._master)

    def _send(self, data: bytes) -> None:
        os.write(self._master, data)

    def _resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def resize(self, columns: int, lines: int = 24) -> None:
        """As a person who pulls at the window's edge."""
        self._screen.resize(lines, columns)
        self._resize(columns, lines)

    def type(self, text: str) -> None:
        """Keys, as they come from a keyboard."""
        self._send(text.encode())

    def press(self, *keys: str) -> None:
        """Keys by their names (KEYS)."""
        for key in keys:
            self.type(KEYS[key])

    def line(self, text: str) -> None:
        """At a prompt: clear the screen, type `text`, wait until it is seen, and press Enter."""
        self.press("ctrl-l")
        self.wait(lambda: self._screen.cursor.y == 0 and self.last.endswith(">"), "a prompt at the top")
        self.type(text)
        tail = text[-20:].replace(" ", "")
        self.wait(lambda: tail in re.sub(r"\s", "", self.text), f"{text!r} as it is typed")
        self.press("enter")

    @property
    def rows(self) -> list[str]:
        """What is on the screen, without blanks at the ends."""
        return [row.rstrip() for row in self._screen.display]

    @property
    def text(self) -> str:
        """The screen as one text, without the empty rows below."""
        return "\n".join(self.rows).rstrip()

    @property
    def all(self) -> str:
        """What was seen: also what has gone above the upper edge."""
        above = ["".join(row[column].data for column in range(self._screen.columns)).rstrip()
                 for row in self._screen.history.top]  # fmt: skip
        return "\n".join([*above, *self.rows]).rstrip()

    @property
    def last(self) -> str:
        """The row that the cursor is in."""
        return self.rows[self._screen.cursor.y]

    def cell(self, row: int, column: int) -> pyte.screens.Char:
        """What is at a place, with its colours."""
        return self._screen.buffer[row][column]

    def see(self, pattern: str, *, where: str = "text", within: float = PATIENCE) -> re.Match[str]:
        """Wait until `pattern` is on the screen (`where`: or in ``last`` or ``all``)."""
        return self.wait(lambda: re.search(pattern, getattr(self, where), re.MULTILINE), f"{pattern!r}", within)

    def gone(self, pattern: str) -> None:
        """Wait until `pattern` is not on the screen."""
        self.wait(lambda: not re.search(pattern, self.text, re.MULTILINE), f"no {pattern!r}")

    def wait(self, condition: Callable[[], object], what: str, within: float = PATIENCE) -> object:
        """Take what comes until `condition` holds."""
        deadline = time.monotonic() + within
        while not (found := condition()):
            if not self._take(max(0.0, min(0.25, deadline - time.monotonic()))) and time.monotonic() >= deadline:
                raise AssertionError(f"waited for {what}; the screen was:\n{self.all}")
        return found

    def prompt(self, pattern: str = r">$") -> None:
        """Wait for a prompt where the cursor is."""
        self.see(pattern, where="last")

    def ends(self) -> int:
        """Wait until the process ends; its exit code."""
        self.wait(lambda: self.process.poll() is not None, "the end")
        assert self.process.returncode is not None
        while self._take(0.05):
            pass
        return self.process.returncode

    def _take(self, patience: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], patience)
        if not ready:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # nobody is at the other end any more
            time.sleep(min(patience, 0.02))
            return False
        self.raw += data
        self._stream.feed(data)
        return bool(data)


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def ftlite(*arguments: str) -> list[str]:
    """The command line of this project."""
    return [sys.executable, "-m", "ftlite", *arguments]
