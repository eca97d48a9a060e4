"""Sessions to one server, leased one task at a time, opened as needed, replaced when broken."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio

from ftlite.client.errors import ClientError, Outcome
from ftlite.client.session import Session

Opener = Callable[[], Awaitable[Session]]


class Pool:
    """At most `most` sessions at once. Idle ones are used before new ones are opened.

    A server that refuses one more session while others stand lowers `most` for good, so that work goes on over what
    it does allow.
    """

    def __init__(self, opener: Opener, most: int) -> None:
        self.most = most
        self._opener = opener
        self._idle: list[Session] = []
        self._live: set[Session] = set()
        self._slots = trio.Semaphore(most)
        self._holders: list[trio.lowlevel.Task] = []

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[Session]:
        """A working session, this task's alone until the scope ends.

        Raises:
            ClientError: USAGE when this task holds the last session itself and would wait for ever; else why no
                session could be opened.
        """
        task = trio.lowlevel.current_task()
        session = await self._take(task)
        self._holders.append(task)
        try:
            yield session
        finally:
            self._holders.remove(task)
            try:
                await self._put_back(session)
            finally:
                self._slots.release()

    async def _take(self, task: trio.lowlevel.Task) -> Session:
        while True:
            if self._slots.value == 0 and task in self._holders:
                raise ClientError(
                    Outcome.USAGE,
                    "a transfer of this task holds the connection",
                    remedy="end it first, or connect with more connections",
                )
            await self._slots.acquire()
            try:
                return await self._reuse() or await self._open()
            except ClientError as error:
                if not self._may_shrink(error):
                    self._slots.release()
                    raise
                self.most -= 1  # the slot is not given back
            except BaseException:
                self._slots.release()
                raise

    async def _reuse(self) -> Session | None:
        while self._idle:
            session = self._idle.pop()
            if session.broken is None:
                return session
            self._live.discard(session)
            await session.control.close()
        return None

    async def _open(self) -> Session:
        session = await self._opener()
        self._live.add(session)
        return session

    def _may_shrink(self, error: ClientError) -> bool:
        """Others stand, and the server answered that one more is too many (421, or 530 as some say it)."""
        others = any(session.broken is None for session in self._live)
        return others and self.most > 1 and error.reply is not None and error.reply.code in (421, 530)

    async def _put_back(self, session: Session) -> None:
        if session.broken is None:
            self._idle.append(session)
        else:
            self._live.discard(session)
            await session.control.close()  # what broke it did not always close our end

    async def close(self) -> None:
        """Say goodbye on every idle session, close the others."""
        async with trio.open_nursery() as nursery:
            for session in list(self._live):
                nursery.start_soon(session.quit if session in self._idle else session.control.close)
        self._live.clear()
        self._idle.clear()

    async def abandon(self) -> None:
        """Close every session at once, without farewell."""
        live, self._live = self._live, set()
        self._idle.clear()
        with trio.CancelScope(shield=True):  # closing does not wait
            for session in live:
                await session.control.close()
