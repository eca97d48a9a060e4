"""GET of a tree: a directory as one stream (docs/protocol.md s.5)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import trio

from ftlite.config.rights import Right
from ftlite.gate.gate import Gate
from ftlite.movers import send_from
from ftlite.protocol.native.answers import Begun, Moved
from ftlite.protocol.native.patterns import Filter
from ftlite.protocol.native.requests import GetTreeRequest
from ftlite.protocol.native.tags import Event
from ftlite.protocol.native.values import Digests
from ftlite.protocol.replies import Reply
from ftlite.server.refusals import Unwilling
from ftlite.server.tagged import Tagged
from ftlite.storage.granted import Granted
from ftlite.trees import ALGORITHMS, COMPRESSIONS, Judge, Packer, Position

_READ = Right.LIST | Right.GET


def check_offer(algorithm: str, comp: str | None) -> None:
    """Raise `Unwilling` for a digest or compression that is not offered for trees."""
    if algorithm not in ALGORITHMS:
        raise Unwilling("unsupported", f"Digests of trees: {', '.join(ALGORITHMS)}.")
    if comp is not None and comp not in COMPRESSIONS:
        raise Unwilling("unsupported", f"Compressions: {', '.join(COMPRESSIONS) or 'none'}.")


def rules_below(gate: Gate, place: Granted, right: Right, directories: Right | None = None) -> Judge | None:
    """Whether the user has `right` at an entry of the tree at `place`; None where no rule says otherwise.

    Args:
        directories: the right for these, where it is another.
    """
    for_directories = right if directories is None else directories
    if gate.covers(place.path, right | for_directories):
        return None
    base = place.path.rstrip("/")

    def judge(path: str, is_directory: bool) -> bool:
        wanted = for_directories if is_directory else right
        return wanted in gate.rights(f"{base}/{path}")

    return judge


async def get_tree(tagged: Tagged) -> Reply:
    """GET with type=tree: from where the client's copy ends if it is a copy of this tree, else from the beginning."""
    request: GetTreeRequest = tagged.request
    check_offer(request.hash, request.comp)
    async with _packing(tagged) as (packer, position):
        begun = Begun(
            tagged.tag,
            request.path,
            tree=True,
            entries=position.entries,
            inside=position.inside or None,
            comp=request.comp,
        )
        await tagged.say(begun.to_reply())
        moved = await send_from(await tagged.join(), packer.read, tagged.flow("down"))
        tagged.state.step(Event.END)
        await tagged.end(moved)
    tagged.session.transfer_done("get", tagged.path, moved, trio.current_time() - tagged.begun_at)
    return Moved(
        tagged.tag,
        request.path,
        moved,
        entries=packer.entries,
        size=packer.manifest.size,
        digests=Digests.of(request.hash, packer.manifest.digest()),
        left=packer.left or None,
    ).to_reply()


@asynccontextmanager
async def _packing(tagged: Tagged) -> AsyncIterator[tuple[Packer, Position]]:
    """The tree, held against being removed while it is read, and where its stream begins."""
    request: GetTreeRequest = tagged.request
    with await tagged.on_disk(tagged.judge) as place:
        held = tagged.store.open_tree(place)
        root_fd = await tagged.on_disk(held.__enter__)
        packer: Packer | None = None
        try:
            make = partial(
                Packer,
                root_fd,
                wanted=_wanted(request),
                may=rules_below(tagged.gate, place, _READ),
                algorithm=request.hash,
                comp=request.comp,
            )
            packer = make(skip=_of_client(request))
            position = await _skipped(tagged, packer)
            if not _agrees(request, position):
                packer.close()
                packer, position = make(), Position()
            yield packer, position
        finally:
            if packer is not None:
                packer.close()
            with trio.CancelScope(shield=True):  # bounded: descriptors are closed
                await tagged.services.on_disk(partial(held.__exit__, None, None, None))


def _wanted(request: GetTreeRequest) -> Judge | None:
    """What the patterns say; in a worker that ends soon when the tag does, whatever they cost for each entry."""
    if not request.include and not request.exclude:
        return None
    says = Filter(request.include, request.exclude)

    def wanted(path: str, is_directory: bool) -> bool:
        trio.from_thread.check_cancelled()
        return says(path, is_directory)

    return wanted


def _of_client(request: GetTreeRequest) -> Position:
    """What the client says that it has."""
    if request.entries is None or request.digests.get(request.hash) is None:
        return Position()
    return Position(request.entries, request.digests.get(request.hash) or "", request.inside or 0)


def _agrees(request: GetTreeRequest, position: Position) -> bool:
    """Whether what the client has is what this tree begins with."""
    had = _of_client(request)
    if not had.entries and not had.inside:
        return True
    return (had.entries, had.digest, had.inside) == (position.entries, position.digest, position.inside)


async def _skipped(tagged: Tagged, packer: Packer) -> Position:
    """Read what the client has, in turns that can be called off in between."""
    beside = tagged.services.beside
    with tagged.working("hash"):
        while True:
            async with tagged.services.share(tagged.user, beside):
                position = await trio.to_thread.run_sync(packer.advance, limiter=beside)
            if position is not None:
                return position
