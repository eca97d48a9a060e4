"""Who waits for which name (WAIT, docs/protocol.md s.4): storage tells of a change, and those whom it may concern look.

What changed is known by its last name only: users have roots of their own and links lead anywhere, so a waiter is woken
by the name of any directory on its way, too, and finds out for itself. A look now and again finds the rest.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import trio
from attrs import define, field

from ftlite.protocol.text import encode
from ftlite.storage.local import LocalStore
from ftlite.storage.news import Change


@define(eq=False)
class Waiter:
    """Somebody who waits; `news` is set when it is time to look."""

    news: trio.Event = field(factory=trio.Event)

    def begin_to_look(self) -> None:
        """What happens from now on is news."""
        if self.news.is_set():
            self.news = trio.Event()


class Waiting:
    """All who wait on one store. `_hear` runs in worker threads, all else on the event loop."""

    def __init__(self, store: LocalStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._waiters: dict[bytes, set[Waiter]] = {}
        self._heard: set[bytes] = set()
        self._token: trio.lowlevel.TrioToken | None = None

    @contextmanager
    def waiter(self, path: str) -> Iterator[Waiter]:
        """One who waits for the absolute virtual `path` while the block runs."""
        if self._token is None:
            self._token = trio.lowlevel.current_trio_token()
            self._store.listen(self._hear)
        waiter, names = Waiter(), set(encode(path).split(b"/")) - {b""}
        with self._lock:
            for name in names:
                self._waiters.setdefault(name, set()).add(waiter)
        try:
            yield waiter
        finally:
            with self._lock:
                for name in names:
                    self._waiters[name].discard(waiter)
                    if not self._waiters[name]:
                        del self._waiters[name]

    def _hear(self, path: bytes, change: Change) -> None:
        name = path.rpartition(b"/")[2]
        with self._lock:
            if change is Change.UNLINK or name not in self._waiters or self._token is None:
                return
            self._heard.add(name)
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._wake, idempotent=True)

    def _wake(self) -> None:
        with self._lock:
            heard, self._heard = self._heard, set()
            concerned = {waiter for name in heard for waiter in self._waiters.get(name, ())}
        for waiter in concerned:
            waiter.news.set()
