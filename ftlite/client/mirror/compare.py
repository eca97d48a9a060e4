"""Listing both sides and looking up what listings do not tell, so that a plan can be made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from attrs import evolve, frozen

from ftlite.client.errors import ClientError, Outcome
from ftlite.client.mirror.model import Listing, Wanted
from ftlite.client.mirror.plan import Plan, Policy, doubts, make_plan
from ftlite.client.mirror.sides import Side
from ftlite.client.nursery import open_plain_nursery
from ftlite.client.tree import is_fatal

T = TypeVar("T")


@frozen
class Compared:
    """Two sides, and what is to be done about them.

    Attributes:
        ours, theirs: what was found in the source and in the target.
        failures: what could not be listed or cannot be done, by path.
        keeps_times: whether the target can be given times.
        notes: what limits the comparison, for people.
    """

    source: Side
    target: Side
    ours: Listing
    theirs: Listing
    plan: Plan
    failures: dict[str, ClientError]
    keeps_times: bool = True
    notes: tuple[str, ...] = ()


async def compare(
    source: Side,
    target: Side,
    policy: Policy,
    *,
    wanted: Wanted | None = None,
    required: Iterable[str] = (),
    parallel: int = 1,
) -> Compared:
    """List both sides, look up what is in doubt, and plan. Nothing is changed.

    Args:
        policy: its `not_older` and `touches` are found out here.
        wanted: what is mirrored at all; nothing else is looked at or removed.
        required: paths that the source must have, unless what it does not have is to be removed.
        parallel: look-ups at once.

    Raises:
        ClientError: one of the directories cannot be listed; PARTIAL when an empty source is none at a second look.
    """
    listings: list[Listing] = [Listing(), Listing()]

    async def scan(index: int) -> None:
        side, links = ((source, policy.links), (target, None))[index]
        listings[index] = await side.scan(wanted, links)

    async with open_plain_nursery() as nursery:
        nursery.start_soon(scan, 0)
        nursery.start_soon(scan, 1)
    ours, theirs = listings
    if policy.delete and not ours.items and theirs.items:
        await _really_empty(source, policy, wanted)
    notes: list[str] = []
    in_doubt = doubts(ours, theirs, policy)
    # a file that may be tried for whether it takes a time: nothing but a time that it has already
    trial = None if policy.checksum else next(iter(in_doubt), None)
    keeps = await target.keeps_times(trial)
    policy = evolve(policy, not_older=not keeps, touches=keeps)
    if not keeps:
        notes.append(
            f"{target.name}: files cannot be given their times there; one of the same size counts as the same "
            "unless it is older"
        )
    if in_doubt:
        look = _digests if policy.checksum else _exact_times
        await look(source, target, ours, theirs, in_doubt, parallel)
    plan = make_plan(ours, theirs, policy)
    if not policy.checksum and any(item.modify_ns is None and item.size is not None for item in ours.items.values()):
        notes.append(f"{source.name}: no times are told for some files there, so these are compared by size alone")
    if policy.delete and not ours.complete:
        notes.append(f"{source.name}: it could not be listed completely, so nothing is removed")
    failures = {**ours.failures, **theirs.failures, **plan.problems}
    for path in () if policy.delete else required:
        if path not in ours.items and path not in failures:
            failures[path] = ClientError(Outcome.NOT_FOUND, f"{path}: not found in {source.name}")
    return Compared(source, target, ours, theirs, plan, failures, keeps, tuple(notes))


async def _really_empty(source: Side, policy: Policy, wanted: Wanted | None) -> None:
    """An empty listing would have everything removed, and some servers answer so when something is wrong."""
    again = await source.scan(wanted, policy.links)
    if again.items or not again.complete:
        raise ClientError(
            Outcome.PARTIAL, f"{source.name} was listed as empty and is not; nothing was removed", transient=True
        )


async def each(things: Sequence[T], do: Callable[[T], Awaitable[None]], parallel: int) -> None:
    """`do` it to all `things`, so many at once. Raises what it raises."""
    waiting = iter(things)

    async def work() -> None:
        for thing in waiting:
            await do(thing)

    async with open_plain_nursery() as nursery:
        for _ in range(max(1, min(parallel, len(things)))):
            nursery.start_soon(work)


async def _exact_times(
    source: Side, target: Side, ours: Listing, theirs: Listing, paths: Sequence[str], parallel: int
) -> None:
    async def look(path: str) -> None:
        for side, held in ((source, ours), (target, theirs)):
            try:
                held.items[path] = await side.exact(path, held.items[path])
            except ClientError as error:
                if is_fatal(error):
                    raise  # else the listing's word stands, and the file is copied

    await each(paths, look, parallel)


async def _digests(
    source: Side, target: Side, ours: Listing, theirs: Listing, paths: Sequence[str], parallel: int
) -> None:
    """Of both sides, at once. A file that cannot be hashed has no digest, so it is copied, which tells why."""
    made = await source.algorithms(), await target.algorithms()
    algorithm = next((name for name in made[0] if name in made[1]), "sha256")

    async def one(side: Side, held: Listing, path: str) -> None:
        item = held.items[path]
        try:
            digest = await side.digest(path, item.size, algorithm)
        except ClientError as error:
            if is_fatal(error):
                raise
        else:
            held.items[path] = evolve(item, digest=f"{algorithm}:{digest}")

    async def look(path: str) -> None:
        async with open_plain_nursery() as nursery:
            nursery.start_soon(one, source, ours, path)
            nursery.start_soon(one, target, theirs, path)

    await each(paths, look, parallel)
