"""Where the next data connection is: PASV EPSV PORT EPRT (RFC 959 s.4.1.2, RFC 2428)."""

from __future__ import annotations

from ftlite.net.errors import NetError
from ftlite.net.passive import Reservation
from ftlite.protocol.addresses import format_epsv, format_pasv, normal_host
from ftlite.protocol.replies import Reply, reply
from ftlite.server.call import Call
from ftlite.server.refusals import Refused


async def passive(call: Call) -> Reply:
    """PASV: names the address that the administrator set, else ours on the control connection. IPv4 only."""
    host = call.services.config.passive.address or call.session.local
    if ":" in normal_host(host):
        raise Refused(reply(522, "PASV cannot name an IPv6 address; use EPSV."))
    return reply(227, format_pasv(host, _reserve(call).port))


async def extended_passive(call: Call) -> Reply:
    """EPSV, on the protocol of the control connection; EPSV ALL is kept by the dialogue (RFC 2428 s.3, s.4)."""
    wanted = call.command.value
    if wanted == "ALL":
        return reply(200, "EPSV only from now on.")
    ours = 2 if ":" in normal_host(call.session.local) else 1
    if wanted is not None and wanted != ours:
        raise Refused(reply(522, f"Network protocol not supported, use ({ours})"))
    return reply(229, format_epsv(_reserve(call).port))


def _reserve(call: Call) -> Reservation:
    session = call.session
    session.free_port()
    try:
        session.reservation = call.services.passive.reserve(session.local, session.peer)
    except NetError as error:
        raise Refused(reply(425, f"{error}.")) from error
    return session.reservation


async def active(call: Call) -> Reply:
    """PORT and EPRT: to the client's own address and not below port 1024 (RFC 2577 s.3); the dialogue keeps it."""
    host, port = call.command.value
    if not call.services.config.active:
        raise Refused(reply(501, "Active mode is off here; use EPSV or PASV."))
    if normal_host(host) != normal_host(call.session.peer):
        call.session.event("data.bounce", host=host, port=port)
        raise Refused(reply(501, "The address must be your own."))
    if port < 1024:
        raise Refused(reply(504, "The port must be 1024 or above."))  # as RFC 2577 s.3 proposes
    call.session.free_port()
    return reply(200, "Noted.")
