"""The only writer of a client command: data and JSON on stdout, people's text on stderr, one tally of what happened.

On a terminal names are escaped; in a pipe they are the exact bytes, as data is. JSON is ASCII; a name that is no UTF-8
stands there with U+FFFD in place of the odd bytes, and its bytes as ``<key>_b64`` beside it.
"""

from __future__ import annotations

import base64
import json
import sys
import traceback
from collections.abc import Callable
from typing import Any, BinaryIO, TextIO

from ftlite.cli import exits
from ftlite.cli.tally import Tally
from ftlite.protocol.text import encode, printable


class Voice:
    """Speaks for one command.

    Args:
        command: its name, as in ``get``.
        quiet: nothing on stderr but errors.
        verbose: 1: a line for each file; 2: tracebacks for errors nobody foresaw.
        json_lines: events on stdout, and a summary as the last one.
        out, stdin: instead of the process's; `out` is a text stream over a binary one, as stdout is.
        foreground: somebody looks on: bars may be drawn.
        sums_up: the last event is a summary; else whoever runs several commands writes one for all.
    """

    def __init__(
        self,
        command: str,
        *,
        quiet: bool = False,
        verbose: int = 0,
        json_lines: bool = False,
        out: TextIO | None = None,
        stdin: BinaryIO | None = None,
        foreground: bool = True,
        sums_up: bool = True,
    ) -> None:
        self.command = command
        self.foreground = foreground
        self._out = out
        self.stdin = stdin
        self.sums_up = sums_up
        self.quiet = quiet
        self.verbose = verbose
        self.json = json_lines
        self.tally = Tally()
        self.hide_bars: Callable[[], None] | None = None  #: takes the bars off the terminal, while there are any
        self.show_bars: Callable[[], None] | None = None  #: puts them there, while something moves
        self.under_way: dict[str, tuple[int, int | None]] = {}  #: what moves now: bytes so far, and in total

    @property
    def out(self) -> TextIO:
        """Where data and events go."""
        return self._out if self._out is not None else sys.stdout

    @property
    def shows_progress(self) -> bool:
        """Whether bars are wanted: a terminal is there to draw on, and nobody asked for silence."""
        return self.foreground and sys.stderr.isatty() and not self.quiet

    def heartbeat(self) -> None:
        """A line on what moves, for logs; nothing where bars show it."""
        if self.shows_progress:
            return
        for name, (done, total) in self.under_way.items():
            import humanize

            whole = f" of {humanize.naturalsize(total)}" if total is not None else ""
            self.say(f"ftlite {self.command}: {name}: {humanize.naturalsize(done)}{whole} so far")
            self.event("progress", name=name, bytes=done, total=total)

    # What people read, on stderr.
    def say(self, text: str) -> None:
        """A line for people, unless they want quiet."""
        if not self.quiet:
            exits.aside(printable(text))

    def detail(self, text: str) -> None:
        """A line for people who asked for more."""
        if self.verbose:
            self.say(text)

    def warn(self, text: str) -> None:
        """Something that did not fail and should be known."""
        self.say(f"ftlite {self.command}: {text}")
        if self.json:
            self.event("warning", message=printable(text))

    # What was asked for, on stdout.
    def line(self, text: str) -> None:
        """One line of data; exact in a pipe, escaped on a terminal, an event where JSON is wanted."""
        if self.json:
            self.event("text", text=text)
        elif self.out.isatty():
            self.out.write(printable(text) + "\n")
        else:
            self.data(encode(text) + b"\n")

    def data(self, block: bytes | bytearray | memoryview) -> None:
        """Bytes as they are. Blocks when the reader is slow: call it from a worker for more than a line."""
        self.out.flush()
        self.out.buffer.write(block)
        self.out.buffer.flush()

    def event(self, name: str, /, **fields: Any) -> None:
        """One JSON line, where JSON is wanted; fields that are None are left out."""
        if self.json:
            record: dict[str, Any] = {"event": name}
            for key, value in fields.items():
                if value is not None:
                    record.update(_json_field(key, value))
            self.out.write(json.dumps(record) + "\n")
            self.out.flush()

    # What became of it.
    def succeeded(self, count: int = 1, *, moved: int = 0, verified: str | None = None) -> None:
        """Count one thing done, or so many."""
        self.tally.succeeded(count, moved, verified)

    def failed(self, error: BaseException, **fields: Any) -> None:
        """Count one failure and tell it, to people or as an ``error`` event; `fields` go into the event."""
        self._failed(exits.tell(error), **fields)
        if self.verbose >= 2:
            traceback.print_exception(error)

    def stopped(self, code: int) -> None:
        """A signal ended the command; `code` is 130 or 143."""
        word = "interrupted" if code == exits.INTERRUPTED else "terminated"
        self._failed(exits.Told(word, word, code))

    def _failed(self, told: exits.Told, **fields: Any) -> None:
        self.tally.failures.append((told, str(fields.get("path") or fields.get("local") or "")))
        exits.aside(printable(f"ftlite {self.command}: {told.sentence}"))
        self.event("error", outcome=told.outcome, exit=told.code, message=told.sentence, **fields)

    def close(self) -> int:
        """Say the sum, where there is more to say than was said; the exit code of it all."""
        if self.sums_up:
            self.sum_up(self.tally, self.tally.code)
        return self.tally.code

    def sum_up(self, tally: Tally, code: int) -> None:
        """The last words on what `tally` counted, to people where several files moved, and as the last event. `code`
        is the exit code that it comes to."""
        if tally.files > 1 and not tally.told:
            self.say(f"ftlite {self.command}: {tally.sentence}")
        elif tally.failures and tally.done + len(tally.failures) > 1:
            self.say(f"ftlite {self.command}: {tally.failed}")
        self.event(
            "summary", command=self.command, ok=code in (exits.OK, exits.UNCHANGED), exit=code,
            done=tally.done, failed=len(tally.failures), bytes=tally.moved, verified=tally.verified,
            seconds=round(tally.seconds, 3),
        )  # fmt: skip


def _json_field(key: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, str):
        return {key: value}
    exact = encode(value)
    shown = exact.decode("utf-8", "replace")
    if shown == value:
        return {key: value}
    return {key: shown, f"{key}_b64": base64.b64encode(exact).decode("ascii")}


def somebody_types() -> bool:
    """Whether stdin is a terminal. It may be closed, as cron and daemons start programs, and then it is none."""
    try:
        return sys.stdin is not None and sys.stdin.isatty()
    except ValueError:  # closed since
        return False
