"""Sessions to one server, leased one task at a time, opened as needed, replaced when broken.

A native session carries many transfers at once: there is one, which all tasks share, up to the server's `max`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio

from ftlite.client.errors import ClientError, Outcome
from ftlite.client.session import Session

Opener = Callable[[bool], Awaitable[Session]]  #: True: it must speak stock


class Pool:
    """At most `most` sessions at once. Idle ones are used before new ones are opened.

    A server that refuses one more session while others stand lowers `most` for good, so that work goes on over what
    it does allow.
    """

    def __init__(self, opener: Opener, most: int) -> None:
        self.most = most
        self._opener = opener
        self._refused = False
        self._idle: list[Session] = []
        self._live: set[Session] = set()
        self._slots = trio.Semaphore(most)
        self._holders: list[trio.lowlevel.Task] = []
        self._shared: Session | None = None
        self._lanes = trio.Semaphore(0)  # of the shared session
        self._width = 0
        self._opening = trio.Lock()
        self._lost: ClientError | None = None
        #: Told, with what broke it, when a session that the server or the way to it lost has been opened anew.
        self.on_reopened: Callable[[ClientError], None] = lambda error: None

    def widen(self, most: int) -> None:
        """Allow `most` sessions at once, if that is more than were allowed; not where the server refused some."""
        if self._refused:
            return
        for _ in range(most - self.most):
            self._slots.release()
        self.most = max(most, self.most)

    @asynccontextmanager
    async def lease(self, *, stock: bool = False) -> AsyncIterator[Session]:
        """A working session, this task's alone until the scope ends, unless it is native and shared.

        Args:
            stock: it must speak the stock dialect.

        Raises:
            ClientError: USAGE when this task holds the last session itself and would wait for ever; else why no
                session could be opened.
        """
        task = trio.lowlevel.current_task()
        session, slots = await self._take(task, stock)
        self._holders.append(task)
        try:
            yield session
        finally:
            self._holders.remove(task)
            try:
                if session is not self._shared and session.native is None:
                    await self._put_back(session)
            finally:
                slots.release()

    async def _take(self, task: trio.lowlevel.Task, stock: bool) -> tuple[Session, trio.Semaphore]:
        """A session, and what is to be released after its use."""
        while True:
            shared = self._shared is not None and not stock
            slots = self._lanes if shared else self._slots
            if slots.value == 0 and task in self._holders:
                raise ClientError(
                    Outcome.USAGE,
                    "a transfer of this task holds the connection",
                    remedy="end it first, or connect with more connections",
                )
            await slots.acquire()
            try:
                if not shared:
                    return await self._reuse() or await self._open(stock), slots
                session = await self._standing()
                if session is not None:
                    return session, slots
                slots.release()  # the server speaks stock now
            except ClientError as error:
                if shared or not self._may_shrink(error):
                    slots.release()
                    raise
                self.most -= 1  # the slot is not given back
                self._refused = True
            except BaseException:
                slots.release()
                raise

    async def _standing(self) -> Session | None:
        """The shared session, opened anew by the first who finds it broken; None when there is none any more."""
        async with self._opening:
            shared = self._shared
            if shared is None or shared.broken is None:
                return shared
            self._live.discard(shared)
            self._lost = shared.broken
            await shared.close()
            session = await self._open()
            if session.native is None:
                self._shared = None
                self._idle.append(session)
            return self._shared

    async def _reuse(self) -> Session | None:
        while self._idle:
            session = self._idle.pop()
            if session.broken is None:
                return session
            self._live.discard(session)
            self._lost = session.broken
            await session.close()
        return None

    async def _open(self, stock: bool = False) -> Session:
        session = await self._opener(stock)
        self._live.add(session)
        lost, self._lost = self._lost, None
        if lost is not None and lost.transient:  # what was closed here is no news
            self.on_reopened(lost)
        if session.native is not None:
            self._shared = session
            if session.native.most > self._width:
                for _ in range(session.native.most - self._width):
                    self._lanes.release()
                self._width = session.native.most
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
            self._lost = session.broken
            await session.close()  # what broke it did not always close our end

    async def close(self) -> None:
        """Say goodbye on every idle session, close the others."""
        async with trio.open_nursery() as nursery:
            for session in list(self._live):
                nursery.start_soon(session.quit if session in self._idle or session is self._shared else session.close)
        self._live.clear()
        self._idle.clear()

    async def abandon(self) -> None:
        """Close every session at once, without farewell."""
        live, self._live = self._live, set()
        self._idle.clear()
        with trio.CancelScope(shield=True):  # closing does not wait
            for session in live:
                await session.close()
