"""One line per event, as text or JSON, never written from the event loop and never with a secret.

`event` only remembers; `keep_writing` writes what has come together, ten times a second, in a worker, so that neither a
slow reader of our log nor a thread hop per line costs a session anything. What would wait beyond a bound is dropped and
counted in the next line. A command's line comes here as `Command.shown` only, secrets masked.
"""

from __future__ import annotations

import json
import time
from typing import TextIO

import trio

from ftlite.protocol.text import printable

Value = str | int | float | bool | None
_Event = tuple[float, str, dict[str, Value]]

_PAUSE = 0.1


class EventLog:
    """Writes events to `stream`. To be used from the event loop's thread.

    Args:
        stream: where lines go; None discards them all.
        json_lines: NDJSON instead of ``time event key=value`` text.
        commands: every command and the code that answers it are events too.
        most: lines that may wait to be written.
    """

    def __init__(
        self, stream: TextIO | None, *, json_lines: bool = False, commands: bool = False, most: int = 10_000
    ) -> None:
        self.commands = commands and stream is not None
        self._stream = stream
        self._format = _as_json if json_lines else _as_text
        self._most = most
        self._waiting: list[_Event] = []
        self._dropped = 0
        self._news: trio.Event | None = None

    def event(self, name: str, /, **fields: Value) -> None:
        """Record that `name` ("transfer.done") happened; fields that are None are left out. Never blocks."""
        if self._stream is None:
            return
        if len(self._waiting) >= self._most:
            self._dropped += 1
            return
        if self._dropped:
            fields["dropped_lines"], self._dropped = self._dropped, 0
        self._waiting.append((time.time(), name, fields))
        if self._news is not None:
            self._news.set()

    async def keep_writing(self) -> None:
        """Write what comes, until cancelled; a task of the server runs this."""
        while True:
            self._news = trio.Event()
            if not self._waiting:
                await self._news.wait()
            await trio.sleep(_PAUSE)
            batch, self._waiting = self._waiting, []
            # Given up when cancelled: the reader of the log may be stuck for good.
            await trio.to_thread.run_sync(self._write, batch, abandon_on_cancel=True)

    def close(self) -> None:
        """Write what still waits; blocks."""
        batch, self._waiting = self._waiting, []
        self._write(batch)

    def _write(self, batch: list[_Event]) -> None:
        if self._stream is None or not batch:
            return
        try:
            self._stream.write("".join(self._format(*event) + "\n" for event in batch))
            self._stream.flush()
        except (OSError, ValueError):  # the stream is gone; sessions go on without a log
            self._stream, self.commands = None, False


def _stamp(when: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(when)) + f".{int(when % 1 * 1000):03d}Z"


def _as_json(when: float, name: str, fields: dict[str, Value]) -> str:
    said = {key: value for key, value in fields.items() if value is not None}
    return json.dumps({"time": _stamp(when), "event": name, **said}, ensure_ascii=True)


def _as_text(when: float, name: str, fields: dict[str, Value]) -> str:
    said = (f"{key}={_quoted(value)}" for key, value in fields.items() if value is not None)
    return " ".join([_stamp(when), name, *said])


def _quoted(value: Value) -> str:
    # A backslash is doubled, so that none of a client's can take the quote behind it out of its place.
    text = printable(value.replace("\\", "\\\\")) if isinstance(value, str) else str(value)
    return '"' + text.replace('"', '\\"') + '"' if " " in text or '"' in text or not text else text
