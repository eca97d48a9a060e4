"""What goes as trees."""

from __future__ import annotations

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from ftlite.client.mirror.model import Item, Links, Listing, parents
from ftlite.client.mirror.parcels import LARGE, LEAST, to_fetch, to_send
from ftlite.client.mirror.plan import Act, Policy, make_plan
from ftlite.protocol.entries import Kind

FILE = Item(Kind.FILE, 10, 0)
KEEP = Policy(links=Links.KEEP)


def grown(*paths: str, item: Item = FILE) -> dict[str, Item]:
    items: dict[str, Item] = {}
    for path in paths:
        items |= {above: Item(Kind.DIR) for above in parents(path)}
        items[path] = item
    return items


MANY = tuple(f"d/{n}" for n in range(LEAST))


def test_few_files_are_not_worth_a_tree() -> None:
    source = Listing(grown(*MANY[1:]))
    plan = make_plan(source, Listing(), KEEP)
    assert to_send(plan, named=True) == []
    assert to_fetch(plan, source, whole=True) == []


def test_small_files_and_links_are_sent_as_a_tree_and_large_ones_by_themselves() -> None:
    link = Item(Kind.LINK, target="0")
    items = grown(*MANY) | {"d/large": evolve(FILE, size=LARGE + 1), "d/link": link, "d/led": evolve(FILE, linked=True)}
    (parcel,) = to_send(make_plan(Listing(items), Listing(), KEEP), named=True)
    assert parcel.top == ""
    assert {action.path for action in parcel.actions} == {"d", "d/link", *MANY}


def test_a_link_alone_is_sent_as_a_tree() -> None:
    source = Listing({"l": Item(Kind.LINK, target="x")})
    (parcel,) = to_send(make_plan(source, Listing(), KEEP), named=True)
    assert [action.act for action in parcel.actions] == [Act.LINK]


def test_to_a_directory_without_a_name_each_of_its_directories_is_sent() -> None:
    source = Listing(grown(*MANY, *(f"e/{n}" for n in range(LEAST)), "f", *(f"g/{n}" for n in range(3))))
    parcels = to_send(make_plan(source, Listing(), KEEP), named=False)
    assert [parcel.top for parcel in parcels] == ["d", "e"]
    assert all(action.path.partition("/")[0] == parcel.top for parcel in parcels for action in parcel.actions)


def test_what_is_all_new_is_fetched_as_the_topmost_tree() -> None:
    source = Listing(grown(*MANY, "e/x"))
    assert [parcel.top for parcel in to_fetch(make_plan(source, Listing(), KEEP), source, whole=True)] == [""]
    assert [parcel.top for parcel in to_fetch(make_plan(source, Listing(), KEEP), source, whole=False)] == ["d"]


def test_a_tree_with_something_that_does_not_come_is_not_fetched_whole() -> None:
    deep = tuple(f"d/e/{n}" for n in range(LEAST))
    target = Listing(grown("d/old"))
    for extra in (
        Listing(grown(*deep, "d/old")),  # it stands already
        Listing(grown(*deep), protected={"d"}),  # something else is excluded
        Listing(grown(*deep) | {"d/link": Item(Kind.OTHER)}),
        Listing(grown(*deep) | {"d/huge": evolve(FILE, size=LARGE * 9)}),
    ):
        plan = make_plan(extra, target if "d/old" in extra.items else Listing(), KEEP)
        (parcel,) = to_fetch(plan, extra, whole=True)
        assert parcel.top == "d/e"
        assert {action.path for action in parcel.actions} == {"d/e", *deep}


@given(st.sets(st.integers(0, 3000), min_size=1), st.booleans())
def test_each_action_is_in_one_parcel_at_most(numbers: set[int], named: bool) -> None:
    source = Listing(grown(*(f"{n % 3}/{n % 7}/{n}" for n in numbers)))
    plan = make_plan(source, Listing(), KEEP)
    for parcels in (to_send(plan, named=named), to_fetch(plan, source, whole=named)):
        paths = [action.path for parcel in parcels for action in parcel.actions]
        assert len(paths) == len(set(paths))
        assert all(parcel.files >= LEAST for parcel in parcels)
