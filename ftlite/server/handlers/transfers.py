"""Files over a data connection: RETR STOR STOU APPE, and ABOR (RFC 959 s.4.1.3, DESIGN 4).

An upload is received into a part and gets its name by `publish`, after the data connection has ended cleanly, the
control connection has been seen to stand, and a size announced by ALLO has been met. Before that nobody sees a byte.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

import trio

from ftlite.movers.errors import DiskFault
from ftlite.protocol.arguments import TransferType
from ftlite.protocol.replies import Reply, reply
from ftlite.protocol.text import printable
from ftlite.server.call import Call
from ftlite.server.data import data_connection
from ftlite.server.refusals import Refused
from ftlite.server.uploads import place_for_upload
from ftlite.storage.granted import Granted
from ftlite.storage.parts import Part
from ftlite.storage.read import Source


async def retrieve(call: Call) -> Reply:
    """RETR, from the offset that REST gave. Opened on the event loop when the kernel has it all in its caches."""
    offset = _restart(call)

    def open_(place: Granted, nowait: bool) -> Source:
        return call.store.read(place, nowait=nowait)

    with await call.soon_at(open_) as source:
        size = source.size
        if offset > size:
            raise Refused(reply(554, f"The file has {size} bytes; REST {offset} is beyond its end."))
        started = trio.current_time()
        with await data_connection(call, f"{size - offset} bytes follow.") as link:
            await link.send_file(source.fd, offset, size - offset)
    call.session.transfer_done("get", call.path(), size - offset, trio.current_time() - started)
    return reply(226, "Sent.")


async def store(call: Call) -> Reply:
    """STOR: afresh, or after REST n on the n bytes that stand in the owner's part or under the name."""
    size, offset = call.session.dialogue.allocated, _restart(call)

    def begin(place: Granted) -> Part:
        return call.store.resume(place, offset) if offset else call.store.begin(place, size=size)

    return await _receive(call, begin, call.path(), announced=size)


def _restart(call: Call) -> int:
    """The offset that REST gave; it counts bytes of the file, which are not those on the wire in TYPE A (554)."""
    dialogue = call.session.dialogue
    if dialogue.restart and dialogue.type_ is TransferType.ASCII:
        raise Refused(reply(554, "REST counts bytes: use TYPE I."))
    return dialogue.restart or 0


async def append(call: Call) -> Reply:
    """APPE: to the owner's idle part, or to a copy of the file; readers see the old file until the end."""
    return await _receive(call, call.store.append, call.path(), announced=call.session.dialogue.allocated)


async def store_unique(call: Call) -> Reply:
    """STOU: a name of our choosing, told in the first reply as RFC 1123 s.4.1.2.9 wants it."""
    path = call.path(f"{call.command.value or 'upload'}.{secrets.token_hex(6)}")
    size = call.session.dialogue.allocated

    def begin(place: Granted) -> Part:
        return call.store.begin(place, size=size)

    return await _receive(call, begin, path, announced=size, unique=True)


async def _receive(
    call: Call, begin: Callable[[Granted], Part], path: str, *, announced: int | None, unique: bool = False
) -> Reply:
    """Receive into the part that `begin` makes and publish it as `path`; what fails leaves the part for its owner."""
    services, user = call.services, call.session.user
    assert user is not None
    started = trio.current_time()
    part = await call.on_disk(lambda: _begun(call, begin, path))
    with part.place:
        try:
            with await data_connection(call, f"FILE: {printable(path)}" if unique else "Send it.") as link:
                try:
                    moved = await link.receive_file(part.fd, part.offset)
                except DiskFault as fault:
                    raise part.failed(fault.error) from fault
            await _confirm(call, path, moved, part.offset, announced)
            await call.on_disk(lambda: call.store.publish(part, lambda: call.judge(path), replace=not unique))
        except BaseException:
            with trio.CancelScope(shield=True):  # bounded: one unlink or close on the local disk
                await services.on_disk(lambda: call.store.release(part, keep=not unique))
            raise
    if services.idle_digests is not None:
        services.idle_digests(user, path)
    call.session.transfer_done("put", path, moved, trio.current_time() - started)
    return reply(226, f"Published as {printable(path)}." if unique else "Published.")


def _begun(call: Call, begin: Callable[[Granted], Part], path: str) -> Part:
    place = place_for_upload(call.gate, path, lambda: call.judge(path))
    try:
        return begin(place)
    except BaseException:
        place.close()
        raise


async def _confirm(call: Call, path: str, moved: int, before: int, announced: int | None) -> None:
    """Refuse what an end of the data connection alone cannot prove (DESIGN 4).

    ALLO announces what is sent; before a resumed upload some clients announce the whole file, of which `before` bytes
    were there.
    """
    await trio.lowlevel.checkpoint()  # lets the session's reader take an end that has arrived already
    if call.session.channel.gone():
        call.session.event("transfer.orphaned", path=path)
        raise Refused(reply(426, "The control connection ended first; the upload is incomplete."))
    if call.session.dialogue.type_ is TransferType.ASCII or announced in (None, moved, before + moved):
        return
    raise Refused(reply(426, f"ALLO announced {announced} bytes and {moved} came; the upload is incomplete."))


async def abort(call: Call) -> Reply:
    """ABOR: the transfer answers 426 first, then this (RFC 959 s.4.1.3)."""
    job = call.session.job
    if job is not None:
        job.scope.cancel()
        await job.done.wait()
        return reply(226, "Aborted.")
    call.session.free_port()
    return reply(226, "There was nothing to abort.")
