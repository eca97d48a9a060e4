"""GET of files (docs/protocol.md s.4)."""

from __future__ import annotations

import os
import socket
import time

import trio
from attrs import frozen

from ftlite.movers import read_cached, send_file, send_hashed
from ftlite.movers.flow import SMALL
from ftlite.protocol.native.answers import Begun, Moved
from ftlite.protocol.native.requests import GetRequest
from ftlite.protocol.native.tags import Event
from ftlite.protocol.native.values import Digests
from ftlite.protocol.replies import Reply
from ftlite.server.handlers.small import MOST
from ftlite.server.hashing import hasher, stored_name
from ftlite.server.refusals import Unwilling
from ftlite.server.tagged import Tagged
from ftlite.storage.errors import WouldBlock
from ftlite.storage.granted import Granted
from ftlite.storage.read import Source


@frozen
class _Opened:
    """A file to be sent; `kept` is the digest of the whole, where it is known and can be trusted."""

    source: Source
    kept: str | None = None


async def get(tagged: Tagged) -> Reply:
    """GET: from the offset asked for if that is still the file, else from its beginning."""
    request: GetRequest = tagged.request
    algorithm = stored_name(request.hash)

    def open_(place: Granted, nowait: bool) -> _Opened:
        source = tagged.store.read(place, nowait=nowait)
        if source.size <= SMALL:  # hashed sooner than looked up
            return _Opened(source)
        if nowait:
            source.close()
            raise WouldBlock
        return _Opened(source, tagged.store.kept_digest(source, algorithm))  # of what is open, not of the name

    opened = await tagged.soon_at(open_)
    with opened.source as source:
        goes_on = request.version in (None, source.version) and request.offset <= source.size
        offset = request.offset if goes_on else 0
        begun = Begun(
            tagged.tag,
            request.path,
            offset,
            source.size,
            source.modify_ns,
            source.mode,
            source.version,
        ).to_reply()
        started = trio.current_time()
        moved, digest = await _send(tagged, opened, offset, begun)
        if changed(source):
            raise Unwilling("changed", "The file changed while it was sent.")
    tagged.session.transfer_done("get", tagged.path, moved, trio.current_time() - started)
    digests = Digests.of(request.hash, digest)
    return Moved(tagged.tag, request.path, moved, size=source.size, digests=digests).to_reply()


async def _send(tagged: Tagged, opened: _Opened, offset: int, begun: Reply) -> tuple[int, str]:
    """Say `begun` and send from `offset` on; bytes sent, and the digest of the whole file."""
    source = opened.source
    if (digest := await _send_small(tagged, source, offset, begun)) is not None:
        return source.size, digest
    await tagged.say(begun)
    wire = await tagged.join()
    flow = tagged.flow("down")
    digest = opened.kept
    if digest is not None:
        moved = await send_file(wire, source.fd, offset, source.size - offset, flow)
    else:
        began = time.time_ns()
        fresh = hasher(tagged.request.hash)
        hashes = tagged.services.beside
        moved, digest = await send_hashed(wire, source.fd, offset, source.size, fresh, flow, hashes=hashes)
        if source.size > SMALL:  # as it is looked for: the next GET need not hash
            name = stored_name(tagged.request.hash)
            await tagged.on_disk(lambda: tagged.store.keep_digest(source, name, digest, began))
    tagged.state.step(Event.END)
    await tagged.end(moved)
    return moved, digest


async def _send_small(tagged: Tagged, source: Source, offset: int, begun: Reply) -> str | None:
    """Send a file that is at hand in one go, and `begun` with the last reply; its digest. None: it is to be sent as
    any other.

    A packet and a thread hop cost as much as the few bytes themselves.
    """
    if offset or source.size > MOST or tagged.session.pace("down") is not None:
        return None
    data = read_cached(source.fd, 0, source.size)
    if data is None or len(data) != source.size:
        return None
    wire = await tagged.join_soon()
    if wire is None or wire.tls or tagged.session.endings_full():
        return None
    if wire.socket.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) < 2 * len(data):
        return None
    fresh = hasher(tagged.request.hash)
    fresh.update(data)
    wire.send_last(data)
    tagged.held = (begun,)
    tagged.note_progress(len(data))
    tagged.state.step(Event.END)
    tagged.end_later()
    return str(fresh.hexdigest())


def changed(source: Source) -> bool:
    """Whether the file was written to since it was opened. Its ctime does not say: to lose its name is no change.

    One that cannot be asked any more (ESTALE, of a file server) counts as changed.
    """
    try:
        now = os.fstat(source.fd)
    except OSError:
        return True
    return (now.st_size, now.st_mtime_ns) != (source.size, source.modify_ns)
