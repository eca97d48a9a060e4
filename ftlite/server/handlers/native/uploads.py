"""PUT of files, and the word that one will not come (docs/protocol.md s.4).

An upload is received into a part and gets its name by `publish`, after the client has stated count and digest and they
are ours. Whatever breaks it leaves the part, with a checkpoint, for the next PUT of the same.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from typing import Any

import trio
from attrs import define

from ftlite.config.rights import Right
from ftlite.movers import Trail, receive_hashed
from ftlite.movers.errors import DiskFault, MoverError
from ftlite.protocol.entries import Kind
from ftlite.protocol.native.answers import Begun, Moved
from ftlite.protocol.native.requests import PutRequest
from ftlite.protocol.native.tags import Event
from ftlite.protocol.native.values import Digests
from ftlite.protocol.replies import Reply
from ftlite.server.digesting import digest_of
from ftlite.server.hashing import hasher, stored_name
from ftlite.server.refusals import Unwilling
from ftlite.server.tagged import Tagged
from ftlite.server.uploads import begin_upload, check_count, live_upload, place_for_upload, stated
from ftlite.storage import errors
from ftlite.storage.errors import StorageError
from ftlite.storage.granted import Foreseen, Granted
from ftlite.storage.native import NativePart, UploadKey
from ftlite.storage.parts import no_right_to_put

_LAST_MARK = 5.0  # seconds that are spent after a failure on a last checkpoint


@define
class _Counted:
    """A hasher that knows how many bytes it has seen."""

    _hasher: Any
    seen: int = 0

    def update(self, data: Any, /) -> None:
        self._hasher.update(data)
        self.seen += len(data)

    def hexdigest(self) -> str:
        digest: str = self._hasher.hexdigest()
        return digest


async def put(tagged: Tagged) -> Reply:
    """PUT: nothing moves where the same stands already; else receive, compare, publish."""
    request: PutRequest = tagged.request
    algorithm = stored_name(request.hash)
    if (same := await _same(tagged, algorithm)) is not None:
        return same
    stands = False

    def begin() -> NativePart:
        nonlocal stands
        place = place_for_upload(tagged.gate, tagged.path, tagged.judge)
        try:
            part = tagged.store.begin_native(
                place, key, algorithm=algorithm, fresh=request.fresh, absent=request.if_absent
            )
            stands = _stands(tagged, place)
            return part
        except BaseException:
            place.close()
            raise

    key = UploadKey(request.size, request.modify_ns)
    part = await begin_upload(tagged, key, partial(tagged.on_disk, begin))
    with part.place, live_upload(tagged, part.place, key):
        counted, keep = _Counted(hasher(request.hash)), True
        try:
            moved = await _receive(tagged, part, counted, stands=stands)
            digest = counted.hexdigest()
            keep = False
            await _compare(tagged, part.offset, moved, digest)
            return await _publish(tagged, part, moved, {algorithm: digest})
        except BaseException as error:
            keep = keep or not (isinstance(error, Unwilling) and error.kind == "integrity")
            with trio.CancelScope(shield=True):  # bounded: `_LAST_MARK`, and local writes
                reached = await _reached(tagged, part, counted) if keep else None
                await tagged.services.on_disk(partial(tagged.store.release, part, keep=keep, reached=reached))
            raise


def _stands(tagged: Tagged, place: Granted) -> bool:
    """Whether a file of the announced size has the name, as far as the user may know. Blocks."""
    request: PutRequest = tagged.request
    if request.size is None or request.digests or Right.GET not in place.rights:
        return False
    try:
        entry = tagged.store.stat(place)
    except StorageError:
        return False
    return entry.kind is Kind.FILE and entry.size == request.size


async def _receive(tagged: Tagged, part: NativePart, counted: _Counted, *, stands: bool) -> int:
    """Say 150, receive up to the clean end; the bytes received. The hasher has seen the whole file then."""
    request: PutRequest = tagged.request
    prefix = Digests.of(request.hash, part.prefix) if part.prefix is not None else Digests()
    await tagged.say(Begun(tagged.tag, request.path, part.offset, digests=prefix, stands=stands).to_reply())
    wire = await tagged.join()
    try:
        moved, _ = await receive_hashed(
            wire,
            part.fd,
            part.offset,
            counted,
            tagged.flow("up"),
            hashes=tagged.services.beside,
            on_mark=part.checkpoint,
        )
    except DiskFault as fault:
        raise part.failed(fault.error) from fault
    tagged.state.step(Event.END)
    await wire.finish()
    return moved


async def _compare(tagged: Tagged, offset: int, moved: int, digest: str) -> None:
    """Wait for DONE and compare what it says with what came.

    Raises:
        Unwilling: integrity; truncated, less came than DONE says; stalled, no DONE came.
    """
    request: PutRequest = tagged.request
    done = await stated(tagged)
    whole = offset + moved
    check_count(done, moved)
    if request.size not in (None, whole):
        raise Unwilling("integrity", f"{whole} bytes are here, and {request.size} were announced.")
    if done.digests.get(request.hash) != digest or request.digests.get(request.hash) not in (None, digest):
        raise Unwilling("integrity", f"The {request.hash} of what is here is {digest}.")


async def _publish(tagged: Tagged, part: NativePart, moved: int, digests: dict[str, str]) -> Reply:
    """Give the part its name. From here on there is no way back, so nobody may call it off."""
    request: PutRequest = tagged.request
    tagged.firm = True
    publish = partial(
        tagged.store.publish,
        part,
        tagged.judge,
        replace=True,
        absent=request.if_absent,
        modify_ns=request.modify_ns,
        mode=request.mode,
        digests=digests,
    )
    with tagged.working("publish"):
        await tagged.on_disk(publish)
    tagged.session.transfer_done("put", tagged.path, moved, trio.current_time() - tagged.begun_at)
    return Moved(
        tagged.tag,
        request.path,
        moved,
        size=part.offset + moved,
        digests=Digests.of(request.hash, next(iter(digests.values()))),
        version=part.version,
    ).to_reply()


async def _reached(tagged: Tagged, part: NativePart, counted: _Counted) -> tuple[int, str] | None:
    """A last checkpoint for all that was written, where its digest is soon made."""
    if not part.live or part.key.size is None:
        return None
    with trio.move_on_after(_LAST_MARK), suppress(DiskFault, MoverError):
        size = await tagged.services.on_disk(lambda: os.fstat(part.fd).st_size)
        if counted.seen > size:  # the disk failed in the first block, which is hashed before it is written
            return None
        async with Trail(part.fd, counted, start=counted.seen, limiter=tagged.services.beside) as trail:
            trail.reach(size)
            return size, await trail.digest(size)
    return None


async def _same(tagged: Tagged, algorithm: str) -> Reply | None:
    """The final reply where what the client has stands under the name already, by its digest; None: go on.

    Only for who may get it, or else digests could be guessed at, and may replace it.
    """
    request: PutRequest = tagged.request
    wanted = request.digests.get(request.hash)
    if wanted is None or request.if_absent:
        return None

    def look() -> tuple[str, str | None] | None:
        with _readable(tagged) as place:
            entry = tagged.store.stat(place)
            if entry.kind is not Kind.FILE or request.size not in (None, entry.size):
                return None
            return tagged.store.version(place), tagged.store.kept_digest(place, algorithm)

    def apply(version: str) -> tuple[str, int]:
        with _readable(tagged) as place:
            version = tagged.store.apply(place, request.modify_ns, request.mode, version=version)
            return version, tagged.store.stat(place).size or 0

    try:
        found = await tagged.on_disk(look)
        if found is None:
            return None
        version, digest = found
        if digest is None:
            with tagged.working("hash"):
                async with tagged.services.share(tagged.user, tagged.services.hashes):
                    place = await tagged.on_disk(partial(_readable, tagged))
                    digest, _size = await digest_of(tagged.services, place, algorithm)
        if digest != wanted:
            return None
        version, size = await tagged.on_disk(lambda: apply(version))
    except StorageError:  # not there, not to be known, or just now replaced: then the bytes are taken
        return None
    tagged.state.step(Event.SAME)
    digests = Digests.of(request.hash, digest)
    return Moved(tagged.tag, request.path, 0, size=size, digests=digests, same=True, version=version).to_reply()


def _readable(tagged: Tagged) -> Granted:
    """The place, if its user may get what is there and replace it. Blocks."""
    return tagged.judge(Right.GET | Right.OVERWRITE)


async def fail(tagged: Tagged) -> Reply:
    """PUT with failed=1: its producer gave up, and those who wait for it learn so."""

    def work() -> None:
        try:
            place = place_for_upload(tagged.gate, tagged.path, tagged.judge)
        except StorageError as error:
            if error.kind is not errors.Kind.NOT_FOUND:
                raise
            mark(tagged.gate.foresee(tagged.path))  # the producer of all that leads there may be the one that failed
        else:
            with place:
                mark(place)

    def mark(place: Granted | Foreseen) -> None:
        if not place.rights & (Right.PUT | Right.OVERWRITE):
            raise no_right_to_put(place.path)
        tagged.store.fail(place)

    await tagged.on_disk(work)
    return Moved(tagged.tag, tagged.request.path, failed=True).to_reply()
