"""Lines from a terminal that can only write line by line (TERM=dumb): as the system's own line editing gives them,
without completion. What is said meanwhile comes as it comes.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable
from typing import TextIO

from ftlite.protocol.text import decode
from ftlite.shell.memory import Lines
from ftlite.shell.prompt import Fragments
from ftlite.shell.words import unfinished


class Plain:
    """As `keyboard.Keyboard`. Ctrl-C at its prompt is the signal, and is told by `interrupt`."""

    def __init__(
        self, lines: Lines, message: Callable[[int, Callable[[str], int]], Fragments], out: TextIO
    ) -> None:
        self._lines = lines
        self._message = message
        self._out = out
        self._wake = os.pipe()
        self._left = False

    def read(self) -> str | None:
        """The next line; None at the end of input, or after `leave`."""
        text = ""
        while not self._left:
            prompt = "".join(part for _, part in self._message(80, len)) if not text else "> "
            self._out.write(prompt)
            self._out.flush()
            line = self._line()
            if line is None:
                return None
            if line == "":  # interrupted
                text = ""
                continue
            text += line
            if not unfinished(text.rstrip("\n")):
                text = text.rstrip("\n")
                self._lines.add(text)
                return text
        return None

    def _line(self) -> str | None:
        """One line with its end; "" after Ctrl-C; None at the end of input."""
        fd = sys.__stdin__.fileno() if sys.__stdin__ is not None else 0
        ready, _, _ = select.select([fd, self._wake[0]], [], [])
        if self._wake[0] in ready:
            os.read(self._wake[0], 100)
            self._out.write("\n")
            return None if self._left else ""
        data = os.read(fd, 65536)
        if not data:
            self._out.write("\n")
            return None
        return decode(data if data.endswith(b"\n") else data + b"\n")

    def interrupt(self) -> None:
        """The line that was begun is forgotten."""
        os.write(self._wake[1], b"i")

    def leave(self) -> None:
        """Whoever reads gets the end of input, now and from now on."""
        self._left = True
        os.write(self._wake[1], b"l")

    def resized(self) -> None:
        """Nothing can be drawn anew."""

    def redraw(self) -> None:
        """Nothing can be drawn anew."""

    def close(self) -> None:
        """It is not read from any more."""
        for end in self._wake:
            os.close(end)
