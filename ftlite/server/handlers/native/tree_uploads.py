"""PUT of a tree: one stream, unpacked where no verb reaches it, and published in one step (docs/protocol.md s.5)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import trio

from ftlite import trees
from ftlite.config.models import Limits
from ftlite.config.rights import Right
from ftlite.movers import receive_into
from ftlite.movers.errors import DiskFault
from ftlite.protocol.entries import Kind
from ftlite.protocol.native.answers import Begun, Moved
from ftlite.protocol.native.requests import PutTreeRequest
from ftlite.protocol.native.tags import Event
from ftlite.protocol.native.values import Digests
from ftlite.protocol.replies import Reply
from ftlite.server.handlers.native.trees import check_offer, rules_below
from ftlite.server.refusals import Unwilling
from ftlite.server.tagged import Tagged
from ftlite.server.uploads import begin_upload, check_count, live_upload, place_for_upload, stated
from ftlite.storage import errors
from ftlite.storage.digests import Stopped
from ftlite.storage.errors import StorageError
from ftlite.storage.granted import Granted
from ftlite.storage.staging import Staging
from ftlite.storage.treepublish import Replace
from ftlite.storage.trees import TreePublished
from ftlite.trees import TreeError, TreeLimits, Unpacker

_READ = Right.LIST | Right.GET
_HOSTILE = (trees.Kind.UNSAFE, trees.Kind.TOO_MUCH, trees.Kind.DENIED)  # nobody goes on with these


async def put_tree(tagged: Tagged) -> Reply:
    """PUT with type=tree: nothing moves where the same tree stands; else unpack, compare, publish."""
    request: PutTreeRequest = tagged.request
    check_offer(request.hash, request.comp)
    if (same := await _same(tagged)) is not None:
        return same
    staging = await begin_upload(tagged, "tree", partial(_begin, tagged))
    with staging.place, live_upload(tagged, staging.place, "tree"):
        unpacker = _unpacker(tagged, staging)
        try:
            moved = await _receive(tagged, staging, unpacker)
            return await _complete(tagged, staging, unpacker, moved)
        except BaseException as error:
            keep = not (isinstance(error, TreeError) and error.kind in _HOSTILE) and not _differs(error)
            with trio.CancelScope(shield=True):  # bounded: the journal is flushed, or a directory of ours removed
                await tagged.services.on_disk(partial(_release, tagged, staging, unpacker, keep=keep))
            if isinstance(error, StorageError):
                _hide_foreign(tagged, error)
            raise


def _hide_foreign(tagged: Tagged, error: StorageError) -> None:
    """Raise FOREIGN without the name of somebody's file where `error` tells it to a user who may not list it."""
    above = error.path.rpartition("/")[0] or "/"
    if error.kind is errors.Kind.FOREIGN and Right.LIST not in tagged.gate.rights(above):
        reason = "holds what no tree put there, and it would be gone with the old one"
        raise StorageError(error.kind, tagged.path, reason) from error


def _differs(error: BaseException) -> bool:
    return isinstance(error, Unwilling) and error.kind == "integrity"


def _replace(request: PutTreeRequest) -> Replace:
    return Replace.REPLACE if request.replace else Replace.MERGE if request.merge else Replace.REFUSE


async def _begin(tagged: Tagged) -> Staging:
    """The staging directory, with what stands of an earlier transfer; reading that again may take a while."""
    request: PutTreeRequest = tagged.request
    begun: list[Staging] = []

    def work(stop: Callable[[], bool]) -> None:
        place = _place(tagged)
        try:
            begun.append(
                tagged.store.begin_tree(
                    place,
                    fresh=request.fresh,
                    replace=_replace(request),
                    algorithm=request.hash,
                    size=request.size,
                    stop=stop,
                )
            )
        except BaseException:
            place.close()
            raise

    try:
        with tagged.working("hash"):
            async with tagged.services.share(tagged.user, tagged.services.disk):
                await tagged.stoppable(work, tagged.services.disk)
    except StorageError as error:
        _hide_foreign(tagged, error)
        raise
    except BaseException as error:
        if begun:
            with trio.CancelScope(shield=True), begun[0].place:  # bounded: it is let go as it was
                await tagged.services.on_disk(partial(tagged.store.release_tree, begun[0], keep=True))
        if isinstance(error, Stopped):
            await trio.lowlevel.checkpoint()  # which is where the tag ends: it was cancelled
        raise
    return begun[0]


def _place(tagged: Tagged) -> Granted:
    """Where the tree is to be. To take the place of a directory takes the right on every rule below it. Blocks."""
    place = place_for_upload(tagged.gate, tagged.path, tagged.judge)
    if tagged.request.replace and place.exists and not tagged.gate.covers(place.path, Right.OVERWRITE):
        place.close()
        raise StorageError(errors.Kind.DENIED, place.path, "a rule for something below it forbids this")
    return place


def _unpacker(tagged: Tagged, staging: Staging) -> Unpacker:
    request, config = tagged.request, tagged.services.config
    return Unpacker(
        staging.fd,
        limits=_limits(config.limits),
        algorithm=request.hash,
        allowed=rules_below(tagged.gate, staging.place, Right.PUT, Right.MKDIR),
        umask=config.storage.umask,
        comp=request.comp,
        journal=staging.journal,
    )


def _limits(limits: Limits) -> TreeLimits:
    return TreeLimits(
        limits.tree_entries, limits.tree_size, limits.tree_path, limits.tree_depth, limits.tree_ratio, limits.tree_free
    )


async def _receive(tagged: Tagged, staging: Staging, unpacker: Unpacker) -> int:
    """Say 150 and what stands, and unpack what comes up to the clean end; the bytes received."""
    request: PutTreeRequest = tagged.request
    position = staging.position
    begun = Begun(
        tagged.tag,
        request.path,
        tree=True,
        entries=position.entries,
        digests=Digests.of(request.hash, position.digest) if position.entries else Digests(),
        inside=position.inside or None,
        head=position.head or None,
        stands=await tagged.on_disk(partial(_stands, tagged, staging.place)),
    )
    await tagged.say(begun.to_reply())
    wire = await tagged.join()
    try:
        moved = await receive_into(wire, unpacker.write, tagged.flow("up"))
    except DiskFault as fault:
        raise staging.failed(fault.error) from fault
    tagged.state.step(Event.END)
    await wire.finish()
    return moved


async def _complete(tagged: Tagged, staging: Staging, unpacker: Unpacker, moved: int) -> Reply:
    """Compare with what DONE says and publish.

    Raises:
        Unwilling: integrity, truncated, stalled.
        TreeError: the archive is cut, or something in it leads out.
        StorageError: as `LocalStore.publish_tree`.
    """
    request: PutTreeRequest = tagged.request
    broken: TreeError | None = None
    try:
        with tagged.working("unpack"):
            await tagged.on_disk(partial(_finish, staging, unpacker))
    except TreeError as error:
        broken = error  # an archive that was cut in clear looks so too: DONE or ABOR tells
    done, manifest = await stated(tagged), unpacker.manifest
    check_count(done, moved)
    if broken is not None:
        raise broken
    counts = manifest.entries, manifest.size
    if done.entries not in (None, counts[0]) or request.entries not in (None, counts[0]):
        raise Unwilling("integrity", f"{counts[0]} entries are here, and others were announced.")
    digest = manifest.digest()
    if done.digests.get(request.hash) != digest or request.digests.get(request.hash) not in (None, digest):
        raise Unwilling("integrity", f"The {request.hash} of what is here is {digest}.")
    tagged.firm = True
    with tagged.working("publish"):
        published = await tagged.on_disk(partial(_publish, tagged, staging, unpacker))
    tagged.services.old_trees.set()
    tagged.session.transfer_done("put", tagged.path, moved, trio.current_time() - tagged.begun_at)
    return Moved(
        tagged.tag,
        request.path,
        moved,
        entries=counts[0],
        size=counts[1],
        digests=Digests.of(request.hash, digest),
        merged=published.merged,
        version=published.version,
    ).to_reply()


def _finish(staging: Staging, unpacker: Unpacker) -> None:
    try:
        unpacker.finish()
        unpacker.close()
    except OSError as error:
        raise staging.failed(error) from error


def _publish(tagged: Tagged, staging: Staging, unpacker: Unpacker) -> TreePublished:
    over = rules_below(tagged.gate, staging.place, Right.OVERWRITE)
    return tagged.store.publish_tree(
        staging,
        partial(_same_place, tagged, staging),
        unpacker.manifest,
        replace=_replace(tagged.request),
        may_replace=(lambda _path: True) if over is None else lambda path: over(path, False),
    )


def _same_place(tagged: Tagged, staging: Staging) -> Granted:
    """The place again; where a link leads elsewhere by now, the rules that its entries were judged by are others'."""
    place = _place(tagged)
    if place.path != staging.place.path:
        place.close()
        raise StorageError(errors.Kind.BUSY, tagged.path, "it leads elsewhere now than when the upload began")
    return place


def _release(tagged: Tagged, staging: Staging, unpacker: Unpacker, *, keep: bool) -> None:
    try:
        unpacker.close()
    except OSError as error:
        staging.failed(error)
    tagged.store.release_tree(staging, keep=keep)


# --- what stands already ---------------------------------------------------------------------------------------------


def _readable_tree(tagged: Tagged, place: Granted) -> bool:
    """Whether a directory has the name, all of which the user may read, so that it may be told of. Blocks."""
    if not tagged.gate.covers(place.path, _READ):
        return False
    try:
        return tagged.store.stat(place).kind is Kind.DIR
    except StorageError:
        return False


def _stands(tagged: Tagged, place: Granted) -> bool:
    """Whether a tree of the announced counts stands there, as far as the user may know. Blocks."""
    request: PutTreeRequest = tagged.request
    if request.entries is None or request.size is None or request.digests or not _readable_tree(tagged, place):
        return False
    try:
        return tagged.store.tree_size(place) == (request.entries, request.size)
    except StorageError:
        return False


async def _same(tagged: Tagged) -> Reply | None:
    """The final reply where the tree that the client has stands there already, by its digest; None: go on."""
    request: PutTreeRequest = tagged.request
    wanted = request.digests.get(request.hash)
    if wanted is None:
        return None

    def work(stop: Callable[[], bool]) -> Moved | None:
        with place_for_upload(tagged.gate, tagged.path, tagged.judge) as place:
            if Right.PUT not in place.rights or not _readable_tree(tagged, place):
                return None
            version = tagged.store.version(place)
            if request.entries is not None and tagged.store.tree_size(place)[0] != request.entries:
                return None
            facts = tagged.store.tree_digest(place, request.hash, stop)
        return Moved(
            tagged.tag,
            request.path,
            0,
            entries=facts.entries,
            size=facts.size,
            digests=Digests.of(request.hash, facts.digest),
            same=True,
            version=version,
        )

    try:
        with tagged.working("hash"):
            async with tagged.services.share(tagged.user, tagged.services.hashes):
                found = await tagged.stoppable(work, tagged.services.hashes)
    except StorageError:  # it changes just now, or what leads there is missing: begin_tree says what is to be said
        return None
    except Stopped:
        await trio.lowlevel.checkpoint()  # which is where the tag ends: it was cancelled
        raise
    if found is None or found.digests.get(request.hash) != wanted:
        return None
    tagged.state.step(Event.SAME)
    return found.to_reply()
