"""The plan, by a model of the target on which it is carried out."""

from __future__ import annotations

from itertools import pairwise

from attrs import evolve
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ftlite.client.errors import ClientError, Outcome
from ftlite.client.mirror.model import SECOND, Item, Links, Listing, parents, walk_order
from ftlite.client.mirror.plan import Act, Action, Plan, Policy, Reason, difference, doubts, make_plan
from ftlite.protocol.entries import Kind

_few = settings(max_examples=60)
FAILURE = ClientError(Outcome.DENIED, "no")
_names = st.sampled_from(["a", "b", "ab", "a b", "a-", "é"])
_paths = st.lists(_names, min_size=1, max_size=4).map("/".join)
_files = st.builds(Item, st.just(Kind.FILE), st.sampled_from([0, 1, 5]), st.sampled_from([None, 0, 9 * SECOND]))
_leaves = st.one_of(
    _files, st.just(Item(Kind.LINK, target="a")), st.just(Item(Kind.LINK, target="b")), st.just(Item(Kind.OTHER))
)


@st.composite
def _listings(draw: st.DrawFn) -> Listing:
    """A tree: what is above a name is a directory."""
    items: dict[str, Item] = {}
    for path in draw(st.lists(_paths, max_size=7, unique=True)):
        if any(items[above].kind is not Kind.DIR for above in parents(path) if above in items):
            continue
        items |= {above: Item(Kind.DIR) for above in parents(path)}
        if path not in items:
            items[path] = Item(Kind.DIR) if draw(st.booleans()) else draw(_leaves)
    directories = ["", *(path for path, item in items.items() if item.kind is Kind.DIR)]
    protected = draw(st.sets(st.sampled_from(directories), max_size=2))
    empty = [each for each in directories if each and not any(path.startswith(f"{each}/") for path in items)]
    failed = {draw(st.sampled_from(empty))} if empty and draw(st.booleans()) else set()
    return Listing(items, protected, dict.fromkeys(failed, FAILURE))


_policies = st.builds(
    Policy,
    delete=st.booleans(),
    checksum=st.booleans(),
    not_older=st.booleans(),
    links=st.sampled_from(Links),
)


class Model:
    """The target, as it is; refuses what a disk would refuse."""

    def __init__(self, target: Listing) -> None:
        self.items = dict(target.items)
        self.hidden = set(target.protected) | set(target.failures)  # directories with more in them than was listed

    def do(self, action: Action) -> None:
        path, held = action.path, self.items.get(action.path)
        for above in parents(path):
            assert self.items[above].kind is Kind.DIR
        if action.act is Act.MAKE:
            assert held is None
        elif action.act in (Act.COPY, Act.LINK):
            assert held is None or held.kind is action.item.kind  # type: ignore[union-attr]
        elif action.act is Act.TOUCH:
            assert held is not None
        elif action.act is Act.REMOVE:
            assert held is not None
            assert held.kind is not Kind.DIR
        else:
            assert held is not None
            assert held.kind is Kind.DIR
            assert path not in self.hidden
            assert not any(other.startswith(f"{path}/") for other in self.items)
        if action.item is None:
            del self.items[path]
        else:
            self.items[path] = action.item


def carried_out(plan: Plan, target: Listing) -> Model:
    model = Model(target)
    for action in plan.actions:
        model.do(action)
    return model


@_few
@given(_listings(), _listings(), _policies)
def test_a_plan_can_be_carried_out_in_its_order(source: Listing, target: Listing, policy: Policy) -> None:
    carried_out(make_plan(source, target, policy), target)


@_few
@given(_listings(), _listings(), _policies)
def test_stages_can_be_carried_out_in_any_order_within(source: Listing, target: Listing, policy: Policy) -> None:
    plan = make_plan(source, target, policy)
    model = Model(target)
    for stage in (*plan.clearing, *plan.bringing, *plan.removing):
        for action in reversed(stage):
            model.do(action)
    assert model.items == carried_out(plan, target).items


@_few
@given(_listings(), _listings(), _policies)
def test_all_of_the_source_arrives_or_is_accounted_for(source: Listing, target: Listing, policy: Policy) -> None:
    plan = make_plan(source, target, policy)
    after = carried_out(plan, target).items
    excused = {*plan.problems, *plan.left_out, *target.failures}
    for path, item in source.items.items():
        if excused.isdisjoint((path, *parents(path))):
            held = after[path]
            assert held.kind is item.kind
            if item.kind is Kind.FILE:
                assert held is item or difference(item, held, policy) is None


@_few
@given(_listings(), _listings(), _policies)
def test_nothing_is_lost_without_delete_or_with_an_incomplete_source(
    source: Listing, target: Listing, policy: Policy
) -> None:
    assume(not policy.delete or not source.complete)
    plan = make_plan(source, target, policy)
    assert not plan.clearing
    assert not plan.removing
    assert carried_out(plan, target).items.keys() >= target.items.keys()


@_few
@given(_listings(), _listings(), _policies)
def test_with_delete_nothing_else_is_left(source: Listing, target: Listing, policy: Policy) -> None:
    policy = evolve(policy, delete=True)
    assume(source.complete)
    plan = make_plan(source, target, policy)
    after = carried_out(plan, target).items
    kept = {above for each in (*target.protected, *target.failures) for above in (each, *parents(each))}
    excused = {*plan.problems, *plan.left_out, *target.failures}
    extra = {
        path
        for path in after
        if path not in source.items and path not in kept and excused.isdisjoint((path, *parents(path)))
    }
    assert not extra


@_few
@given(_listings(), _listings(), _policies)
def test_the_next_plan_finds_nothing_to_do(source: Listing, target: Listing, policy: Policy) -> None:
    policy = evolve(policy, checksum=False)
    plan = make_plan(source, target, policy)
    after = Listing(carried_out(plan, target).items, target.protected, target.failures)
    again = make_plan(source, after, policy)
    assert list(again.actions) == []
    assert again.problems.keys() == plan.problems.keys()


@_few
@given(_listings(), _listings(), _policies)
def test_what_may_not_be_touched_is_not(source: Listing, target: Listing, policy: Policy) -> None:
    spared = evolve(policy, spared=lambda path: path.startswith("a"))
    for action in make_plan(source, target, spared).actions:
        if action.act is Act.REMOVE_DIRECTORY:
            assert not action.path.startswith("a")
        assert target.failures.keys().isdisjoint((action.path, *parents(action.path)))


@given(_listings())
def test_an_order_that_walks(listing: Listing) -> None:
    paths = sorted(listing.items, key=walk_order)
    for path, after in pairwise(paths):
        below = [other for other in paths if other.startswith(f"{path}/")]
        assert not below or after in below


def _file(seconds: float | None, size: int = 1, coarse: int = 0, digest: str | None = None) -> Item:
    return Item(
        Kind.FILE, size, None if seconds is None else int(seconds * SECOND), coarse_ns=coarse * SECOND, digest=digest
    )


def test_times_agree_to_the_second_or_as_exactly_as_they_are_told() -> None:
    assert _file(100.9).same_time(_file(100))
    assert _file(100).same_time(_file(101))
    assert not _file(100).same_time(_file(101.5))
    assert _file(179).same_time(_file(120, coarse=60))
    assert not _file(182).same_time(_file(120, coarse=60))
    assert not _file(118).same_time(_file(120, coarse=60))
    assert _file(86_399).same_time(_file(0, coarse=86_400))
    assert _file(None).same_time(_file(5))


def test_reasons() -> None:
    by_time, by_digest, weak = Policy(), Policy(checksum=True), Policy(not_older=True)
    assert difference(_file(1, 1), _file(1, 2), by_time) is Reason.SIZE
    assert difference(_file(1), _file(9), by_time) is Reason.TIME
    assert difference(_file(1), _file(9), weak) is None
    assert difference(_file(9), _file(1), weak) is Reason.TIME
    assert difference(_file(1, digest="x"), _file(9, digest="x"), by_digest) is None
    assert difference(_file(1, digest="x"), _file(1, digest="y"), by_digest) is Reason.DIGEST
    assert difference(_file(1), _file(1), by_digest) is Reason.DIGEST


def test_only_what_listings_cannot_tell_is_in_doubt() -> None:
    target = Listing({"old": _file(1), "new": _file(9), "vague": _file(0, coarse=60), "same": _file(5)})
    source = Listing({"old": _file(5), "new": _file(5), "vague": _file(500), "same": _file(5), "more": _file(5)})
    assert doubts(source, target, Policy()) == ["new", "vague"]
    assert doubts(source, target, Policy(checksum=True)) == ["old", "new", "vague", "same"]


def test_a_time_is_set_where_only_that_differs() -> None:
    source, target = Listing({"f": _file(5, digest="x")}), Listing({"f": _file(9, digest="x")})
    plan = make_plan(source, target, Policy(checksum=True))
    assert [(action.act, action.reason) for action in plan.actions] == [(Act.TOUCH, Reason.TIME)]
    assert not list(make_plan(source, target, Policy(checksum=True, touches=False)).actions)


def test_a_directory_with_excluded_names_is_not_cleared() -> None:
    source = Listing({"d": _file(1)})
    target = Listing({"d": Item(Kind.DIR), "d/x": _file(1)}, protected={"d"})
    plan = make_plan(source, target, Policy(delete=True))
    assert not list(plan.actions)
    assert "left out of the mirror" in plan.problems["d"].remedy


def test_a_conflict_is_refused_without_delete_and_cleared_with_it() -> None:
    source = Listing({"d": _file(1), "f": Item(Kind.DIR), "f/x": _file(1)})
    target = Listing({"d": Item(Kind.DIR), "d/x": _file(1), "f": _file(1)})
    refused = make_plan(source, target, Policy())
    assert set(refused.problems) == {"d", "f"}
    assert not list(refused.actions)
    plan = make_plan(source, target, Policy(delete=True))
    assert [(action.act, action.path) for action in plan.actions] == [
        (Act.REMOVE, "d/x"),
        (Act.REMOVE, "f"),
        (Act.REMOVE_DIRECTORY, "d"),
        (Act.MAKE, "f"),
        (Act.COPY, "d"),
        (Act.COPY, "f/x"),
    ]
