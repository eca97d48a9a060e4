"""LIST, NLST and MLSD with a tag: as in stock, over the tag's data connection (docs/protocol.md s.4)."""

from __future__ import annotations

import hashlib

from ftlite.movers import send_bytes
from ftlite.protocol.native.answers import Begun, Moved
from ftlite.protocol.native.requests import ListRequest
from ftlite.protocol.native.tags import Event
from ftlite.protocol.native.values import Digests
from ftlite.protocol.replies import Reply
from ftlite.server.listing import Lister
from ftlite.server.refusals import Unwilling
from ftlite.server.tagged import Tagged


async def listing(tagged: Tagged) -> Reply:
    """Read and write out the directory in a worker, then send it."""
    request: ListRequest = tagged.request
    session = tagged.session
    lister = Lister(tagged.gate, tagged.store, session.options.facts, tagged.services.config.limits.listing)

    def work() -> tuple[bytes, str]:
        with tagged.judge() as place:
            data = lister.listing(request.verb, place, request.path or "")
        return data, hashlib.sha256(data).hexdigest()

    data, digest = await tagged.on_disk(work)
    with tagged.services.listed(len(data)) as room:
        if not room:
            raise Unwilling("too-many", "Too many listings are under way: try again later.")
        await tagged.say(Begun(tagged.tag, request.path).to_reply())
        moved = await send_bytes(await tagged.join(), data, tagged.flow("down"))
        tagged.state.step(Event.END)
        await tagged.end(moved)
    return Moved(tagged.tag, request.path, moved, digests=Digests(sha256=digest)).to_reply()
