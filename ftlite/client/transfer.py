"""One transfer: one data connection, one outcome. The scope that every transfer of the client runs in.

`transfer` gives back an `Active`; its holder moves bytes within `moving`, says how the data ended, and asks `settle`
for the verdict. Leaving the scope without a verdict is cancellation: ABOR, and the dialogue is brought back in step
within a second or the control connection is closed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import trio
from attrs import define

from ftlite.client.control import Pending
from ftlite.client.data import open_data
from ftlite.client.errors import ClientError, from_mover
from ftlite.client.session import Session
from ftlite.client.success import Ending, Evidence
from ftlite.movers import Kind, MoverError
from ftlite.net.errors import NetError
from ftlite.net.wire import Wire

_ABORT = 1.0  # seconds to bring the dialogue back in step; a person who pressed Ctrl-C waits for it

_ENDINGS = {Kind.STALLED: Ending.STALLED, Kind.LOST: Ending.LOST, Kind.TRUNCATED: Ending.TRUNCATED}


@define(eq=False)
class Active:
    """A transfer that has begun.

    Attributes:
        moved: bytes that crossed, kept by whoever moves them.
        ending: how the data connection ended; None while it stands.
    """

    session: Session
    command: str
    thing: str
    offset: int
    pending: Pending
    wire: Wire
    moved: int = 0
    ending: Ending | None = None
    settled: bool = False

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Move bytes within this. A refusal on the control connection stops it; a broken data connection is noted as
        the ending and left to `settle`, since the server's reply tells more than a reset does."""
        with trio.CancelScope() as scope:
            self.pending.on_failure = scope.cancel
            if self.pending.failed:
                scope.cancel()
            try:
                yield
            except MoverError as error:
                ending = _ENDINGS.get(error.kind)
                if ending is None:
                    raise from_mover(self.thing, error) from error
                self.ending = ending
            except NetError:
                self.ending = Ending.LOST
        self.pending.on_failure = None
        if scope.cancelled_caught:
            self.ending = Ending.LOST

    async def finish_writing(self) -> None:
        """Everything was handed over: close_notify, FIN, and read to the end, so that no reset overtakes our bytes."""
        with self.moving():
            await self.wire.finish()
            self.ending = Ending.CLEAN

    async def settle(self) -> Evidence:
        """Wait for the final reply; what is known then. Size and digest are the caller's to add.

        The data connection is closed first: ProFTPD waits for our end of a listing before it confirms.
        """
        if self.ending is Ending.CLEAN:
            with suppress(NetError):  # the peer's bytes are all here; how it takes our farewell changes nothing
                await self.wire.finish()
        ending = self.ending or Ending.LOST
        final, silent = self.pending.final, False
        if final is None and ending is not Ending.STALLED:
            try:
                final = await self.pending.done()
            except ClientError as error:
                silent = error.outcome.value == "timeout"
        if final is not None:
            self.settled = True
        return Evidence(self.thing, self.command, self.moved, self.offset, ending, final, silent)


@asynccontextmanager
async def transfer(session: Session, command: str, path: str, *, offset: int = 0) -> AsyncIterator[Active]:
    """Begin `command` on `path`; the data connection lives exactly as long as this scope.

    Raises:
        ClientError: it did not begin (see `open_data`).
    """
    pending, wire = await open_data(session, command, path, offset=offset)
    active = Active(session, command, path or session.thing, offset, pending, wire)
    try:
        yield active
    finally:
        wire.abort()
        if not active.settled and session.broken is None:
            await _back_in_step(session, pending)


async def _back_in_step(session: Session, pending: Pending) -> None:
    """ABOR (RFC 959 s.4.1.3), and NOOP behind it, whose reply ends all doubt with servers that answer transfer and
    ABOR once for both; one that is not done in time loses the connection."""
    with trio.CancelScope(shield=True):
        with trio.move_on_after(_ABORT) as clock:
            try:
                if pending.final is None:
                    await session.control.send("ABOR")
                await session.control.ask("NOOP")
            except ClientError:
                pass  # the connection is broken, and says so from now on
        if clock.cancelled_caught:
            await session.control.close()
