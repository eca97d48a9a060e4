"""LIST, NLST and MLSD: a directory's names over a data connection (RFC 959 s.4.1.3, RFC 3659 s.7)."""

from __future__ import annotations

from ftlite.protocol.replies import Reply, reply
from ftlite.server.call import Call
from ftlite.server.data import data_connection
from ftlite.server.listing import Lister
from ftlite.server.refusals import Refused


async def listing(call: Call) -> Reply:
    """Read and write out the directory in a worker, then send it."""
    verb, given = call.command.verb.name, call.command.value or ""
    lister = Lister(call.gate, call.store, call.session.options.facts, call.services.config.limits.listing)
    data = await call.at(lambda place: lister.listing(verb, place, given))
    with call.services.listed(len(data)) as room:
        if not room:
            raise Refused(reply(450, "Too many listings are under way: try again later."))
        with await data_connection(call, "Here it comes.") as link:
            await link.send(data)
    return reply(226, "That was all.")
