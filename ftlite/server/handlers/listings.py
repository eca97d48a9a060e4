"""LIST, NLST and MLSD: a directory's names over a data connection (RFC 959 s.4.1.3, RFC 3659 s.7)."""

from __future__ import annotations

from ftlite.protocol.entries import Kind
from ftlite.protocol.replies import Reply, reply
from ftlite.protocol.text import printable
from ftlite.server.call import Call
from ftlite.server.data import data_connection
from ftlite.server.listing import Lister
from ftlite.server.refusals import Refused
from ftlite.storage.granted import Granted


async def listing(call: Call) -> Reply:
    """Read and write out the directory in a worker, then send it."""
    verb, given = call.command.verb.name, call.command.value or ""
    lister = Lister(call.gate, call.store, call.session.options.facts, call.services.config.limits.listing)

    def write(place: Granted) -> bytes:
        if verb == "MLSD" and call.store.stat(place).kind is not Kind.DIR:  # RFC 3659 s.7.2 wants another code for it
            raise Refused(reply(501, f"{printable(place.path)}: is not a directory."))
        return lister.listing(verb, place, given)

    data = await call.at(write)
    with call.services.listed(len(data)) as room:
        if not room:
            raise Refused(reply(450, "Too many listings are under way: try again later."))
        with await data_connection(call, "Here it comes.") as link:
            await link.send(data)
    return reply(226, "That was all.")
