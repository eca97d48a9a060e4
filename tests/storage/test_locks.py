"""Names are held one by one, whole trees of them together, and whoever asked first gets them first."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from ftlite.config.models import Durability, StorageConfig, User
from ftlite.gate.gate import Gate
from ftlite.storage.errors import Kind, StorageError
from ftlite.storage.granted import Granted
from ftlite.storage.locks import Locks
from tests.storage.places import House, refused, write


@pytest.fixture
def locks(house: House) -> Locks:
    for name in ("d/e", "d2"):
        (house.root / name).mkdir(parents=True)
    return Locks(house.store.root_fd)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        os.sched_yield()


class Waiter:
    """A thread that wants to hold something; `inside` once it does, until `leave`."""

    def __init__(self, locks: Locks, claim: AbstractContextManager[None]) -> None:
        self.inside = threading.Event()
        self.leave = threading.Event()
        asked = len(locks._claims) + 1
        self._thread = threading.Thread(target=self._run, args=(claim,))
        self._thread.start()
        until(lambda: len(locks._claims) >= asked)

    def _run(self, claim: AbstractContextManager[None]) -> None:
        with claim:
            self.inside.set()
            assert self.leave.wait(30)

    def end(self) -> None:
        self.leave.set()
        self._thread.join(30)
        assert not self._thread.is_alive()


@pytest.mark.parametrize(
    ("held", "whole", "wanted", "wanted_whole", "waits"),
    [
        ("/d/a", False, "/d/a", False, True),
        ("/d/a", False, "/d/b", False, False),
        ("/d", False, "/d/a", False, False),
        ("/d/a", False, "/d", False, False),
        ("/d", True, "/d/a", False, True),
        ("/d", True, "/d/e/a", False, True),
        ("/d", True, "/d", False, True),
        ("/d", True, "/d2", False, False),
        ("/d", True, "/d2/a", True, False),
        ("/d/e/a", False, "/d", True, True),
        ("/d/e", True, "/d", True, True),
        ("/d/e", True, "/d/a", False, False),
        ("/", True, "/d/e/a", False, True),
    ],
)
def test_what_excludes_what(
    house: House, locks: Locks, held: str, whole: bool, wanted: str, wanted_whole: bool, waits: bool
) -> None:
    with locks.hold(house.at(held), whole=whole):
        waiter = Waiter(locks, locks.hold(house.at(wanted), whole=wanted_whole))
        if waits:
            until(lambda: len(locks._changed._waiters) > 0)  # type: ignore[attr-defined]
            assert not waiter.inside.is_set()
        else:
            assert waiter.inside.wait(30)
    assert waiter.inside.wait(30)
    waiter.end()
    assert locks._claims == []


def test_a_tree_is_not_starved_by_what_comes_after_it(house: House, locks: Locks) -> None:
    first = Waiter(locks, locks.hold(house.at("/d/a")))
    tree = Waiter(locks, locks.hold(house.at("/d"), whole=True))
    later = Waiter(locks, locks.hold(house.at("/d/b")))
    elsewhere = Waiter(locks, locks.hold(house.at("/d2/b")))
    assert elsewhere.inside.wait(30)
    assert not tree.inside.is_set()
    assert not later.inside.is_set()
    first.end()
    assert tree.inside.wait(30)
    assert not later.inside.is_set()
    tree.end()
    assert later.inside.wait(30)
    later.end()
    elsewhere.end()


def test_crossed_renames_end(house: House) -> None:
    """Two threads rename a to b and b to a, over and over: neither waits for the other for ever."""
    house.put("/a", b"x")
    wrong: list[StorageError] = []

    def swap(source: str, target: str) -> None:
        for _ in range(100):
            try:
                house.store.rename(house.at(source), house.at(target), replace=False)
            except StorageError as error:
                wrong.extend([error] if error.kind not in (Kind.NOT_FOUND, Kind.EXISTS) else [])

    threads = [threading.Thread(target=swap, args=pair) for pair in (("/a", "/b"), ("/b", "/a")) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert wrong == []
    assert len([name for name in ("a", "b") if (house.root / name).exists()]) == 1


def test_who_waits_too_long_is_told(house: House) -> None:
    locks = Locks(house.store.root_fd, patience=0)
    with locks.hold(house.at("/a")), refused(Kind.BUSY), locks.hold(house.at("/a")):
        pass
    with locks.hold(house.at("/a")):
        pass
    assert locks._claims == []


def test_users_with_other_roots_and_ways_through_links_mean_the_same_name(house: House, locks: Locks) -> None:
    (house.root / "link").symlink_to("d/e")
    other = Gate(house.store.root_fd, User(name="bob", root="d"))
    for place in (house.at("/d/e/a"), house.at("/link/a"), other.grant("/e/a")):
        assert locks.real(place) == place.real == b"d/e/a"
    for place in (other.grant("/"), house.at("/d")):
        assert locks.real(place) == place.real == b"d"
    assert locks.real(house.at("/")) == house.at("/").real == b""
    other.close()


def test_who_came_before_a_rename_above_means_the_new_name(house: House, locks: Locks) -> None:
    place = house.at("/d/e/a")
    os.rename(house.root / "d", house.root / "moved")
    assert locks.real(place) == b"moved/e/a"
    waiter = Waiter(locks, locks.hold(place))
    with refused(Kind.BUSY), _impatient(locks).hold(house.at("/moved/e/a")):
        pass
    waiter.end()


def test_a_directory_that_is_renamed_while_a_name_is_waited_for(house: House, locks: Locks) -> None:
    place = house.at("/d/e/a")
    with locks.hold(house.at("/d"), whole=True):
        waiter = Waiter(locks, locks.hold(place))
        os.rename(house.root / "d", house.root / "moved")
    assert waiter.inside.wait(30)
    assert [claim.paths for claim in locks._claims] == [(b"moved/e/a",)]
    waiter.end()


def test_a_regrant_elsewhere_holds_the_new_name(house: House, locks: Locks) -> None:
    """A link on the way is turned while an upload runs."""
    (house.root / "way").symlink_to("d")
    place = house.at("/way/a")
    place.close()
    (house.root / "way").unlink()
    (house.root / "way").symlink_to("d2")
    judged: list[Granted] = []

    def judge() -> Granted:
        judged.append(house.at("/way/a"))
        return judged[-1]

    with locks.regrant(place, judge) as found:
        assert found.real == b"d2/a"
        assert [claim.paths for claim in locks._claims] == [(b"d2/a",)]
        with locks.hold(house.at("/d/a")):
            pass
    assert len(judged) == 2
    os.fstat(found.parent)
    found.close()
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(judged[0].parent)


def test_a_regrant_that_never_settles_is_busy_and_leaks_nothing(house: House, locks: Locks) -> None:
    """The name is another one each time it is judged."""
    places = iter(range(10_000))
    judged: list[Granted] = []

    def judge() -> Granted:
        judged.append(house.at(f"/d/{next(places)}"))
        return judged[-1]

    with refused(Kind.BUSY), locks.regrant(house.at("/d/x"), judge):
        pass
    assert not any(_is_open(place) for place in judged)
    assert locks._claims == []


def test_what_fails_under_the_lock_closes_the_place_and_lets_go(house: House, locks: Locks) -> None:
    place = house.at("/d/a")
    with pytest.raises(RuntimeError), locks.regrant(house.at("/d/a"), lambda: place):
        raise RuntimeError
    assert not _is_open(place)
    assert locks._claims == []


def test_uploads_below_a_tree_that_is_held_wait(house: House) -> None:
    """A publish into a directory that is being swapped must not end in the old one."""
    (house.root / "d").mkdir()
    (house.root / "fresh").mkdir()
    part = house.begin("/d/a", b"x")
    with house.store._locks.hold(house.at("/d"), whole=True):
        thread = threading.Thread(target=house.publish, args=(part,))
        thread.start()
        until(lambda: len(house.store._locks._claims) == 2)
        house.put("/elsewhere", b"y")
        os.rename(house.root / "d", house.root / "old")
        os.rename(house.root / "fresh", house.root / "d")
        assert thread.is_alive()
    thread.join(30)
    assert (house.root / "d" / "a").read_bytes() == b"x"
    assert os.listdir(house.root / "old") == []


def test_uploads_of_other_names_do_not_wait_for_a_slow_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one upload is being synced, others come and go, in the same directory too."""
    house = House(tmp_path, StorageConfig(durability=Durability.FSYNC))
    slow, arrived, real = threading.Event(), threading.Event(), os.fsync
    parts = [house.begin("/slow", b"x"), house.begin("/quick", b"y")]

    def fsync(fd: int) -> None:
        if fd == parts[0].fd:
            arrived.set()
            assert slow.wait(30)
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    thread = threading.Thread(target=house.publish, args=(parts[0],))
    thread.start()
    assert arrived.wait(30)
    house.publish(parts[1])
    house.store.mkdir(house.at("/dir"))
    house.store.unlink(house.at("/quick"))
    slow.set()
    thread.join(30)
    assert (tmp_path / "slow").read_bytes() == b"x"
    house.close()


def test_many_names_change_at_once(house: House) -> None:
    """Publishes, renames of the directory above and removals from many threads: each upload is where its name says."""
    for name in ("one", "two"):
        (house.root / name).mkdir()
    lost: list[str] = []
    done = threading.Event()

    def turn() -> None:
        while not done.is_set():
            house.store.rename(house.at("/one"), house.at("/three"), replace=False)
            house.store.rename(house.at("/three"), house.at("/one"), replace=False)

    def put(number: int) -> None:
        for round_ in range(20):
            data = b"%d %d" % (number, round_)
            house.publish(write(house.store.begin(house.at(f"/two/{number}")), data))
            if (house.root / "two" / str(number)).read_bytes() != data:
                lost.append(f"{number}: {round_}")

    turner = threading.Thread(target=turn)
    putters = [threading.Thread(target=put, args=(number,)) for number in range(4)]
    for thread in (turner, *putters):
        thread.start()
    for thread in putters:
        thread.join(60)
    done.set()
    turner.join(60)
    assert not turner.is_alive()
    assert lost == []
    assert house.store._locks._claims == []


def _impatient(locks: Locks) -> Locks:
    locks._patience = 0
    return locks


def _is_open(place: Granted) -> bool:
    return place._open
