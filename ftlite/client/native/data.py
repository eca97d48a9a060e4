"""Native data connections: to the port of the control connection, each for one tag; and spares, dialled ahead.

A spare saves the round trips of connecting. One is kept ready while transfers go on over a long way, or as many as were
asked for. A spare that the server may have given up meanwhile is looked at before it is used.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import trio
from attrs import frozen

from ftlite.client.data import check_pin
from ftlite.client.errors import ClientError, Outcome, from_net
from ftlite.client.native.dialogue import Native
from ftlite.net.active import dial
from ftlite.net.buffered import dial_data
from ftlite.net.errors import NetError
from ftlite.net.proxy import dial_through
from ftlite.net.wire import Wire
from ftlite.protocol.native.lines import data_line, proof_line

if TYPE_CHECKING:
    from ftlite.client.session import Session

_FAR = 0.005  # seconds of a round trip from which on a spare is worth its connection
_FRESH = 45.0  # seconds that a spare is used within; servers keep them for 60


@frozen
class Spare:
    """A data connection that waits for its command."""

    tag: int
    wire: Wire
    made: float


class Dialler:
    """Dials the data connections of one session.

    Args:
        port: that of the control connection.
        nursery: where spares are dialled.
        implicit: TLS comes first on that port, and no greeting before data.
        spares: how many to keep ready; None: one when the way is long and a second transfer has begun.
    """

    def __init__(
        self,
        session: Session,
        native: Native,
        port: int,
        nursery: trio.Nursery,
        *,
        implicit: bool,
        spares: int | None,
    ) -> None:
        self._session = session
        self._native = native
        self._port = port
        self._nursery = nursery
        self._implicit = implicit
        self._asked = spares
        self._spares: deque[Spare] = deque()
        self._dialling = 0
        self._begun = 0
        self._closed = False
        if spares:
            self.more()

    def take(self) -> Spare | None:
        """A spare that still stands, the oldest one; None: there is none, dial."""
        self._begun += 1
        while self._spares:
            spare = self._spares.popleft()
            if trio.current_time() - spare.made < _FRESH and _stands(spare.wire):
                return spare
            spare.wire.abort()
        return None

    def more(self) -> None:
        """Dial ahead what is missing, in the background."""
        wanted = self._asked
        if wanted is None:
            wanted = 1 if self._begun > 1 and self._native.rtt > _FAR else 0
        wanted = min(wanted, self._native.grant.spares)
        while not self._closed and self._dialling + len(self._spares) < wanted:
            self._dialling += 1
            self._nursery.start_soon(self._ahead)

    async def _ahead(self) -> None:
        tag = self._native.next_tag()
        try:
            wire = await self.dial(tag, "a spare")
        except ClientError:
            self._asked, self._begun = None, 0  # transfers will tell why; until then none are dialled ahead
            return
        finally:
            self._dialling -= 1
        if self._closed:
            wire.abort()
        else:
            self._spares.append(Spare(tag, wire, trio.current_time()))

    async def dial(self, tag: int, thing: str) -> Wire:
        """The data connection of `tag`, proven, its greeting passed over.

        Raises:
            ClientError: CONNECT, TIMEOUT, TLS, PIN.
        """
        session = self._session
        try:
            with trio.fail_after(session.connect_timeout):
                return await self._dial(tag, thing)
        except trio.TooSlowError:
            raise ClientError(
                Outcome.TIMEOUT,
                f"{thing}: the data connection to {session.thing} did not come about in {session.connect_timeout:g} s",
                remedy="is a firewall in between?",
                transient=True,
            ) from None
        except NetError as error:
            raise from_net(f"{thing}: data connection", error) from error

    async def _dial(self, tag: int, thing: str) -> Wire:
        session, grant, plan = self._session, self._native.grant, self._session.plan
        if session.proxy is None:
            sock = await dial(session.control.peer, self._port)
        else:
            sock = await dial_through(session.proxy, session.host, self._port, session.connect_timeout)
        proof, greeted = grant.proof(tag), not self._implicit
        if plan is None:
            return await dial_data(sock, data_line(grant.id, tag, proof), greeted=greeted)
        return await dial_data(
            sock, data_line(grant.id, tag), greeted=greeted, context=plan.context, proof=proof_line(proof),
            session=session.control.session, hostname=session.host,
            # Before the proof leaves: somebody in between could use it to take our place.
            vouch=lambda tls: check_pin(plan, tls.getpeercert(True), thing),
        )  # fmt: skip

    def close(self) -> None:
        """Give the spares up; none are dialled any more."""
        self._closed = True
        while self._spares:
            self._spares.popleft().wire.abort()


def _stands(wire: Wire) -> bool:
    """Whether a connection on which nothing may have come yet is still open."""
    try:
        return wire.recv_into(bytearray(1)) is None
    except NetError:
        return False
