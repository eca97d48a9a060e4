"""Offering the native dialect and switching it on (docs/protocol.md s.2)."""

from __future__ import annotations

from ftlite.protocol.native.feature import VERSION, Offer
from ftlite.protocol.replies import Reply, reply
from ftlite.server.call import Call
from ftlite.server.hashing import NAMES
from ftlite.server.refusals import Refused
from ftlite.server.services import Services
from ftlite.trees import COMPRESSIONS


def offer(services: Services) -> Offer:
    """What FEAT says of it."""
    limits = services.config.limits
    return Offer(limits.transfers, tuple(NAMES), COMPRESSIONS, limits.spares)


async def switch_on(call: Call, value: str) -> Reply:
    """OPTS FTLITE 1: a fresh id and key; what ran under the ones before has ended then."""
    if value.strip() != VERSION:
        raise Refused(reply(501, f"There is only version {VERSION}."))
    native = await call.session.begin_native()
    return native.grant.to_reply()


async def stray_done(call: Call) -> Reply:
    """DONE outside of native mode, where there is nothing that it could state."""
    raise Refused(reply(503, "DONE belongs to the native dialect: OPTS FTLITE 1."))
