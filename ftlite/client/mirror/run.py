"""Doing what a plan says: what can travel as trees first, then stage by stage, several things at once.

One thing that fails does not stop the others; but nothing that only the target has is removed once something failed,
since what failed to arrive may be what that was renamed to.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field, frozen

from ftlite.client.errors import ClientError, Outcome
from ftlite.client.mirror.compare import Compared, each
from ftlite.client.mirror.copying import Copier, copier
from ftlite.client.mirror.model import Item, parents
from ftlite.client.mirror.parcels import Parcel
from ftlite.client.mirror.plan import Act, Action, Stages
from ftlite.client.terms import Progress, Transferred
from ftlite.client.tree import is_fatal
from ftlite.protocol.entries import Kind


@frozen
class Done:
    """What became of one action; `result` is of copies."""

    action: Action
    result: Transferred | None = None
    error: ClientError | None = None


OnDone = Callable[[Done], None]


@frozen
class MirrorReport:
    """What became of a plan.

    Attributes:
        done: actions that went well, by what they were.
        failed: actions that did not.
        untried: actions below a directory that could not be made.
        spared: what only the target has and was not removed, since something failed.
    """

    done: dict[Act, int]
    failed: int = 0
    untried: int = 0
    spared: int = 0


async def carry_out(
    compared: Compared,
    *,
    parallel: int = 1,
    max_errors: int | None = None,
    on_trust: bool = False,
    on_done: OnDone | None = None,
    progress: Progress | None = None,
    notice: Callable[[str], None] | None = None,
) -> MirrorReport:
    """Do what `compared.plan` says.

    Args:
        parallel: things done at once.
        max_errors: give up when more than so many failed; None: never.
        on_trust: to a stock server that states no digests: go on with a file there that is shorter and not older.
        on_done: told once of each action.
        progress: called with (octets so far, octets of all copies).
        notice: told a sentence where something goes another way than usual.

    Raises:
        ClientError: the connection is gone, or nobody is let in; PARTIAL after `max_errors`.
    """
    total = sum((action.item.size or 0) for action in compared.plan.actions if action.act is Act.COPY and action.item)
    copies = copier(compared, _Meter(progress, total), on_trust=on_trust)
    run = _Run(compared, copies, parallel, max_errors, on_done, notice)
    await run.all()
    return run.report()


@define(eq=False)
class _Meter:
    """Counts what all copies have moved."""

    tell: Progress | None
    total: int
    sum: int = 0
    done: dict[str, int] = field(factory=dict)

    def of(self, path: str) -> Progress | None:
        """The progress of one file."""
        tell = self.tell
        if tell is None:
            return None

        def moved(done: int, _total: int | None) -> None:
            self.sum += done - self.done.get(path, 0)
            self.done[path] = done
            tell(self.sum, self.total)

        return moved


@define(eq=False)
class _Run:
    compared: Compared
    copies: Copier
    parallel: int
    max_errors: int | None
    on_done: OnDone | None
    notice: Callable[[str], None] | None
    finished: set[tuple[Act, str]] = field(factory=set)  # by a tree
    broken: set[str] = field(factory=set)  # directories that could not be made
    counts: dict[Act, int] = field(factory=dict)
    failed: int = 0
    untried: int = 0
    spared: int = 0

    def report(self) -> MirrorReport:
        return MirrorReport(dict(self.counts), self.failed, self.untried, self.spared)

    async def all(self) -> None:
        plan = self.compared.plan
        await self._removals(plan.clearing)
        if plan.bringing:
            await self._begin()
            await self._stages(plan.bringing)
        if not self.failed and not self.compared.failures:
            await self._removals(plan.removing)
        else:
            self.spared = sum(map(len, plan.removing))
        await self._directory_times()

    async def _stages(self, stages: Stages) -> None:
        for stage in stages:
            waiting = [action for action in stage if (action.act, action.path) not in self.finished]
            await each(waiting, self._one, self.parallel)

    async def _removals(self, stages: Stages) -> None:
        """Directories that turn out to be links go as links, before anything of what is in them."""
        directories = [action for stage in stages for action in stage if action.act is Act.REMOVE_DIRECTORY]
        links: set[str] = set()
        for action in sorted(directories, key=lambda action: action.path.count("/")):
            if links.isdisjoint(parents(action.path)) and await self.compared.target.remove_link(action.path):
                links.add(action.path)
                self._note(Done(action))
        for action in (action for stage in stages for action in stage) if links else ():
            if not links.isdisjoint((action.path, *parents(action.path))):
                self.finished.add((action.act, action.path))
        await self._stages(stages)

    async def _begin(self) -> None:
        """What stood in the way is gone: the trees, and the target's own directory where no tree made it."""
        for parcel in self.copies.parcels:
            await self._tree(parcel)
        if not self.compared.theirs.exists:
            await self.compared.target.make("", Item(Kind.DIR))

    async def _tree(self, parcel: Parcel) -> None:
        try:
            carried = await self.copies.tree(parcel)
        except ClientError as error:
            if is_fatal(error):
                raise
            if self.notice is not None:
                self.notice(f"{parcel.top or self.compared.target.name}: its files go one by one: {error.message}")
            return
        for action in parcel.actions:
            if not carried.has(action):
                continue  # it was left out; by itself it tells why
            self.finished.add((action.act, action.path))
            self._note(Done(action, carried.files.get(action.path)))

    async def _one(self, action: Action) -> None:
        if not self.broken.isdisjoint(parents(action.path)):
            self.untried += 1
            return
        try:
            result = await self._do(action)
        except ClientError as error:
            if action.act is Act.MAKE:
                self.broken.add(action.path)
            self._note(Done(action, error=error))
            if is_fatal(error):
                raise
            if self.max_errors is not None and self.failed > self.max_errors:
                raise ClientError(
                    Outcome.PARTIAL, f"given up after {self.failed} failures, the last: {error.message}"
                ) from error
        else:
            self._note(Done(action, result))

    async def _do(self, action: Action) -> Transferred | None:
        target, item = self.compared.target, action.item
        if item is None:
            removing = target.remove if action.act is Act.REMOVE else target.remove_directory
            await removing(action.path)
        elif action.act is Act.COPY:
            return await self.copies.copy(action.path, item)
        elif action.act is Act.MAKE:
            await target.make(action.path, item)
        elif action.act is Act.LINK:
            await target.link(action.path, item)
        elif item.modify_ns is not None:
            await target.touch(action.path, item.modify_ns)
        return None

    def _note(self, done: Done) -> None:
        if done.error is not None:
            self.failed += 1
        else:
            self.counts[done.action.act] = self.counts.get(done.action.act, 0) + 1
        if self.on_done is not None:
            self.on_done(done)

    async def _directory_times(self) -> None:
        """Those of directories that were made one by one, now that nothing in them changes any more."""
        if not self.compared.keeps_times:
            return
        one_by_one = [action for action in self.compared.plan.actions if (Act.MAKE, action.path) not in self.finished]
        made = [action.path for action in one_by_one if action.act is Act.MAKE and action.path not in self.broken]
        await each(made[::-1], self._directory_time, self.parallel)

    async def _directory_time(self, path: str) -> None:
        item = self.compared.ours.items[path]
        if item.modify_ns is None or item.coarse_ns:
            return
        try:
            await self.compared.target.touch(path, item.modify_ns)
        except ClientError as error:  # a nicety: the files are right
            if is_fatal(error):
                raise
