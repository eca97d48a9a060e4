"""What of a plan travels as trees: many small files in one transfer, where a native server takes them so. Pure.

To a server, chosen files of a tree are merged into what is there. From a server a tree comes whole, so only
directories that are all new are fetched so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import frozen

from ftlite.client.mirror.model import Listing, parents, walk_order
from ftlite.client.mirror.plan import Act, Action, Plan
from ftlite.protocol.entries import Kind

LARGE = 8 << 20  #: octets; what is larger goes by itself, so that it is gone on with by itself, and beside others
LEAST = 16  #: files; fewer are not worth a tree
_MOST = 4096  # files in a parcel: what is done is there, whatever becomes of the next
_MOST_OCTETS = 256 << 20


@frozen
class Parcel:
    """Actions that one tree transfer does. `top` is the directory that travels, "" the whole; paths are the tree's."""

    top: str
    actions: tuple[Action, ...]

    @property
    def files(self) -> int:
        return sum(action.act is Act.COPY for action in self.actions)

    def whole(self, path: str) -> str:
        """The mirror's path of one within `top`."""
        return f"{self.top}/{path}" if self.top else path


def to_send(plan: Plan, *, named: bool) -> list[Parcel]:
    """What is sent as trees.

    Args:
        named: the target has a name, so that a tree can be put there; else its directories are put one by one.
    """
    chosen = [action for action in plan.actions if _fits(action)]
    chosen.sort(key=lambda action: walk_order(action.path))
    parcels: list[Parcel] = []
    for top, actions in _by_top(chosen, named=named):
        for batch in _batches(actions):
            parcel = Parcel(top, tuple(batch))
            if parcel.files >= LEAST or any(action.act is Act.LINK for action in batch):
                parcels.append(parcel)
    return parcels


def _fits(action: Action) -> bool:
    item = action.item
    if item is None or item.linked or action.act not in (Act.COPY, Act.MAKE, Act.LINK):
        return False
    return action.act is not Act.COPY or (item.size or 0) <= LARGE


def _by_top(actions: list[Action], *, named: bool) -> Iterator[tuple[str, list[Action]]]:
    if named:
        yield "", actions
        return
    tops: dict[str, list[Action]] = {}
    for action in actions:
        top, slash, _ = action.path.partition("/")
        if slash or action.act is Act.MAKE:
            tops.setdefault(top, []).append(action)
    yield from tops.items()


def _batches(actions: Iterable[Action]) -> Iterator[list[Action]]:
    batch: list[Action] = []
    octets = 0
    for action in actions:
        batch.append(action)
        octets += (action.item.size or 0) if action.item is not None else 0
        if len(batch) >= _MOST or octets >= _MOST_OCTETS:
            yield batch
            batch, octets = [], 0
    if batch:
        yield batch


def to_fetch(plan: Plan, source: Listing, *, whole: bool) -> list[Parcel]:
    """What is fetched as trees: the topmost directories that are new with all that the source has below them.

    Args:
        source: what stands there.
        whole: the target's own directory is not there, and may come as a tree.
    """
    new = {action.path: action for action in plan.actions if _arrives(action)}
    broken = {""} if not whole else set()  # directories in which is something else than what comes
    for path in (*source.protected, *source.failures):
        broken.update((path, *parents(path), ""))
    for path in source.items:
        if path not in new:
            broken.update((path, *parents(path), ""))
    below: dict[str, list[Action]] = {}
    for path, action in new.items():
        above = ["", *reversed(parents(path))]
        top = next((each for each in above if each not in broken and (not each or each in new)), None)
        if top is not None:
            below.setdefault(top, []).append(action)
    for top in list(below):
        if top:
            below[top].insert(0, new[top])
    parcels = [Parcel(top, tuple(actions)) for top, actions in below.items()]
    return [parcel for parcel in parcels if parcel.files >= LEAST]


def _arrives(action: Action) -> bool:
    """Whether this may come with a tree: as new, and as the entry that it is there."""
    item = action.item
    if item is None or item.linked or action.act not in (Act.COPY, Act.MAKE, Act.LINK):
        return False
    large = item.kind is Kind.FILE and (item.size or 0) > 8 * LARGE
    return action.reason.value in ("new", "kind") and not large
