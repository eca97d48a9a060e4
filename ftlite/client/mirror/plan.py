"""From two listings and a policy to what is to be done: a pure function, the same for a dry run and a real one.

What is removed last may be there for ever, what is removed first is lost: so removals come at the end, and only what
stands in the way goes before. Nothing is ever removed when the source is not completely known.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator

from attrs import define, field, frozen

from ftlite.client.errors import ClientError, Outcome
from ftlite.client.mirror.model import Item, Links, Listing, parents, walk_order
from ftlite.protocol.entries import Kind


class Act(enum.Enum):
    """One thing to do to the target."""

    MAKE = "make"
    COPY = "copy"
    LINK = "link"
    TOUCH = "touch"
    REMOVE = "remove"
    REMOVE_DIRECTORY = "remove-directory"


class Reason(enum.Enum):
    """Why it is to be done."""

    NEW = "new"
    SIZE = "size"
    TIME = "time"
    DIGEST = "digest"
    LINK = "link"  #: it points elsewhere
    KIND = "kind"  #: what stands there is in the way
    EXTRA = "extra"  #: the source does not have it


@frozen
class Policy:
    """How two sides are compared, and what may be done about it.

    Attributes:
        delete: remove what the source does not have, and what is in the way.
        checksum: files of one size are compared by digest, not by time.
        not_older: the target cannot keep times: a file there is taken for the same unless it is older.
        touches: the target can be given times.
        spared: paths that are the way to what is mirrored, and not part of it: never removed.
    """

    delete: bool = False
    checksum: bool = False
    not_older: bool = False
    touches: bool = True
    links: Links = Links.FILES
    spared: Callable[[str], bool] = lambda _: False


@frozen
class Action:
    """One thing to do; `item` is what the source has under `path`, None for removals."""

    act: Act
    path: str
    reason: Reason
    item: Item | None = None


Stages = tuple[tuple[Action, ...], ...]


@frozen
class Plan:
    """What is to be done, in stages: actions of one may be done in any order, and at once; a stage begins when the one
    before is done.

    Attributes:
        clearing: removes what is in the way.
        bringing: makes directories, copies, links, gives times.
        removing: removes what the source does not have.
        problems: what cannot be done, by path.
        left_out: names of the source that do not travel.
        unchanged: files and links that stand already.
    """

    clearing: Stages = ()
    bringing: Stages = ()
    removing: Stages = ()
    problems: dict[str, ClientError] = field(factory=dict)
    left_out: tuple[str, ...] = ()
    unchanged: int = 0

    @property
    def actions(self) -> Iterator[Action]:
        """All of them, in order."""
        return (action for stage in (*self.clearing, *self.bringing, *self.removing) for action in stage)


def difference(source: Item, target: Item, policy: Policy) -> Reason | None:
    """Why a file is to be copied over another; None: they are the same, as far as is known."""
    if source.size is not None and target.size is not None and source.size != target.size:
        return Reason.SIZE
    if policy.checksum:
        return None if source.digest is not None and source.digest == target.digest else Reason.DIGEST
    if source.same_time(target) or (policy.not_older and not target.is_older(source)):
        return None
    return Reason.TIME


def doubts(source: Listing, target: Listing, policy: Policy) -> list[str]:
    """The files whose comparison takes more than the listings tell: a digest, or a time that a listing tells coarsely,
    perhaps in another zone."""
    found = []
    for path, ours, theirs in _pairs(source, target):
        reason = difference(ours, theirs, policy)
        told = ours.coarse_ns == theirs.coarse_ns == 0 and ours.size is not None and theirs.size is not None
        certain = told and theirs.is_older(ours)
        if reason is Reason.DIGEST or (reason is Reason.TIME and not certain):
            found.append(path)
    return found


def _pairs(source: Listing, target: Listing) -> Iterator[tuple[str, Item, Item]]:
    for path, ours in source.items.items():
        theirs = target.items.get(path)
        if theirs is not None and ours.kind is theirs.kind is Kind.FILE:
            yield path, ours, theirs


def make_plan(source: Listing, target: Listing, policy: Policy) -> Plan:
    """Compare, after what was in doubt has been looked up."""
    return _Maker(source, target, policy).plan()


@define(eq=False)
class _Maker:
    source: Listing
    target: Listing
    policy: Policy
    made: dict[Act, list[Action]] = field(factory=lambda: {act: [] for act in Act})
    cleared: list[str] = field(factory=list)  # what is in the way, and all below it
    problems: dict[str, ClientError] = field(factory=dict)
    closed: set[str] = field(factory=set)  # nothing is done at these paths and below
    left_out: list[str] = field(factory=list)
    unchanged: int = 0
    kept: set[str] = field(factory=set)  # directories of the target that cannot be removed

    def plan(self) -> Plan:
        self.closed.update(self.target.failures)
        for path in (*self.target.protected, *(path for path in self.target.failures if path)):
            self.kept.update((path, *parents(path)))
        self.kept.update(path for path in self.target.items if self.policy.spared(path))
        for path in sorted(self.source.items, key=walk_order):
            if not self._is_closed(path):
                self._meet(path, self.source.items[path], self.target.items.get(path))
        first = self._removal(self.cleared, Reason.KIND)
        last = self._removal(self._extra(), Reason.EXTRA) if self.removes else []
        made = self.made
        middle = [*_by_depth(made[Act.MAKE]), made[Act.COPY], made[Act.LINK], made[Act.TOUCH]]
        return Plan(
            _stages(first), _stages(middle), _stages(last), self.problems, tuple(self.left_out), self.unchanged
        )

    @property
    def removes(self) -> bool:
        return self.policy.delete and self.source.complete

    def _is_closed(self, path: str) -> bool:
        return "" in self.closed or path in self.closed or any(each in self.closed for each in parents(path))

    def _meet(self, path: str, ours: Item, theirs: Item | None) -> None:
        """Decide on one name of the source."""
        if not self._travels(ours):
            self.left_out.append(path)
            self.closed.add(path)
        elif theirs is None:
            self._do(_MAKES[ours.kind], path, Reason.NEW, ours)
        elif ours.kind is not theirs.kind:
            self._replace(path, ours, theirs)
        elif ours.kind is Kind.FILE:
            self._compare(path, ours, theirs)
        elif ours.kind is Kind.LINK:
            if theirs.target in (None, ours.target):
                self.unchanged += 1
            else:
                self._do(Act.LINK, path, Reason.LINK, ours)

    def _travels(self, item: Item) -> bool:
        if item.kind is Kind.LINK:
            return self.policy.links is Links.KEEP and item.target is not None
        return item.kind in (Kind.FILE, Kind.DIR)

    def _do(self, act: Act, path: str, reason: Reason, item: Item | None = None) -> None:
        self.made[act].append(Action(act, path, reason, item))

    def _compare(self, path: str, ours: Item, theirs: Item) -> None:
        reason = difference(ours, theirs, self.policy)
        if reason is not None:
            self._do(Act.COPY, path, reason, ours)
        elif self.policy.checksum and self.policy.touches and not ours.same_time(theirs):
            self._do(Act.TOUCH, path, Reason.TIME, ours)
        else:
            self.unchanged += 1

    def _replace(self, path: str, ours: Item, theirs: Item) -> None:
        """Something of another kind has the name."""
        below = [each for each in self.target.items if each.startswith(f"{path}/")] if theirs.kind is Kind.DIR else []
        if self.removes and path not in self.kept:
            self.cleared += [path, *below]
            self._do(_MAKES[ours.kind], path, Reason.KIND, ours)
            return
        why = "--delete removes it"
        if self.policy.delete:
            why = "what is left out of the mirror in it stays"
            if not self.source.complete:
                why = "nothing is removed, since the source could not be listed completely"
        what = f"{_WORDS[ours.kind]} in the source and {_WORDS[theirs.kind]} in the target"
        self.problems[path] = ClientError(Outcome.EXISTS, f"{path} is {what}", remedy=why)
        self.closed.add(path)

    def _extra(self) -> list[str]:
        """What only the target has."""
        gone = set(self.cleared)
        return [
            path
            for path in self.target.items
            if path not in self.source.items
            and path not in gone
            and path not in self.kept
            and not self._is_closed(path)
        ]

    def _removal(self, paths: Iterable[str], reason: Reason) -> list[list[Action]]:
        """Stages: all that is no directory, then directories, the deepest first."""
        files, directories = [], []
        for path in sorted(paths, key=walk_order):
            if self.target.items[path].kind is Kind.DIR:
                directories.append(Action(Act.REMOVE_DIRECTORY, path, reason))
            else:
                files.append(Action(Act.REMOVE, path, reason))
        return [files, *reversed(_by_depth(directories))]


_MAKES = {Kind.DIR: Act.MAKE, Kind.FILE: Act.COPY, Kind.LINK: Act.LINK}
_WORDS = {Kind.DIR: "a directory", Kind.FILE: "a file", Kind.LINK: "a link", Kind.OTHER: "no plain file"}


def _stages(lists: Iterable[list[Action]]) -> Stages:
    return tuple(tuple(stage) for stage in lists if stage)


def _by_depth(actions: list[Action]) -> list[list[Action]]:
    levels: dict[int, list[Action]] = {}
    for action in actions:
        levels.setdefault(action.path.count("/"), []).append(action)
    return [levels[depth] for depth in sorted(levels)]
