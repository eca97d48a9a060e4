"""Who listens hears of each change; marks of failed producers outlive the server, for a while."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ftlite.config.models import Durability, StorageConfig, User
from ftlite.gate.gate import Gate
from ftlite.storage.errors import Kind
from ftlite.storage.news import Change
from tests.storage.places import House, refused


@pytest.fixture
def heard(house: House) -> list[tuple[bytes, Change]]:
    told: list[tuple[bytes, Change]] = []
    house.store.listen(lambda real, change: told.append((real, change)))
    return told


def test_each_change_is_told_once_it_has_happened(house: House, heard: list[tuple[bytes, Change]]) -> None:
    house.store.mkdir(house.at("/d"))
    house.put("/d/a", b"x")
    house.store.rename(house.at("/d/a"), house.at("/b"), replace=False)
    house.store.fail(house.at("/d/c"))
    house.store.unlink(house.at("/b"))
    house.store.rmdir(house.at("/d"))
    assert heard == [
        (b"d", Change.MKDIR),
        (b"d/a", Change.PUBLISH),
        (b"b", Change.RENAME),
        (b"d/a", Change.UNLINK),
        (b"d/c", Change.FAIL),
        (b"b", Change.UNLINK),
        (b"d", Change.UNLINK),
    ]


def test_what_fails_is_not_told(house: House, heard: list[tuple[bytes, Change]]) -> None:
    with refused(Kind.NOT_FOUND):
        house.store.unlink(house.at("/a"))
    with refused(Kind.EXISTS):
        house.put("/a", b"x") and house.publish(house.begin("/a"), replace=False)
    with refused(Kind.NOT_FOUND):
        house.store.rename(house.at("/b"), house.at("/c"), replace=True)
    assert heard == [(b"a", Change.PUBLISH)]


def test_a_rename_whose_sync_fails_is_told_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(tmp_path, StorageConfig(durability=Durability.FSYNC))
    heard: list[tuple[bytes, Change]] = []
    house.put("/a", b"x")
    house.store.listen(lambda real, change: heard.append((real, change)))

    def fsync(_fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    with refused(Kind.FAULT):
        house.store.rename(house.at("/a"), house.at("/b"), replace=False)
    assert heard == [(b"b", Change.RENAME), (b"a", Change.UNLINK)]
    monkeypatch.undo()
    house.close()


def test_what_is_told_is_there(house: House) -> None:
    sizes: list[int] = []
    house.store.listen(lambda real, _: sizes.append((house.root / os.fsdecode(real)).stat().st_size))
    house.put("/a", b"12345")
    assert sizes == [5]


def test_listening_ends(house: House, heard: list[tuple[bytes, Change]]) -> None:
    other: list[bytes] = []
    stop = house.store.listen(lambda real, _: other.append(real))
    house.put("/a", b"")
    stop()
    stop()
    house.put("/b", b"")
    assert other == [b"a"]
    assert len(heard) == 2


def test_a_mark_outlives_the_server_and_goes_with_a_publish(house: House) -> None:
    assert not house.store.failed(house.at("/a"))
    house.store.fail(house.at("/a"))
    house.store.close()
    again = House(house.root)
    assert again.store.failed(again.at("/a"))
    assert not again.store.failed(again.at("/b"))
    again.put("/a", b"at last")
    assert not again.store.failed(again.at("/a"))
    again.store.unlink(again.at("/a"))
    assert not again.store.failed(again.at("/a"))
    assert list((house.root / ".ftlite" / "failed").iterdir()) == []
    again.close()


def test_a_mark_goes_when_anything_gets_the_name(house: House) -> None:
    house.put("/b", b"x")
    for name in ("/a", "/d"):
        house.store.fail(house.at(name))
    house.store.rename(house.at("/b"), house.at("/a"), replace=False)
    house.store.mkdir(house.at("/d"))
    assert not house.store.failed(house.at("/a"))
    assert not house.store.failed(house.at("/d"))


def test_users_with_other_roots_agree_on_a_mark(house: House) -> None:
    (house.root / "d").mkdir()
    (house.root / "link").symlink_to("d")
    with Gate(house.store.root_fd, User(name="bob", root="link")) as gate:
        house.store.fail(gate.grant("/a"))
        assert house.store.failed(house.at("/d/a"))
        assert house.store.failed(house.at("/link/a"))
        house.put("/d/a", b"x")
        assert not house.store.failed(gate.grant("/a"))


def test_a_mark_where_nothing_leads_to_yet(house: House, heard: list[tuple[bytes, Change]]) -> None:
    (house.root / "d").mkdir()
    (house.root / "link").symlink_to("d/rel")
    house.store.fail(house.gate().foresee("/link/1.4/a"))
    assert heard == [(b"d/rel/1.4/a", Change.FAIL)]
    assert house.store.failed(house.gate().foresee("/d/rel/1.4/a"))
    assert not house.store.failed(house.gate().foresee("/d/rel/1.4"))
    (house.root / "d" / "rel" / "1.4").mkdir(parents=True)
    assert house.store.failed(house.at("/d/rel/1.4/a"))
    house.put("/d/rel/1.4/a", b"after all")
    assert not house.store.failed(house.gate().foresee("/link/1.4/a"))


def test_a_mark_counts_for_part_age(tmp_path: Path) -> None:
    house = House(tmp_path, StorageConfig(part_age=100))
    now = time.time()
    house.store.fail(house.at("/a"))
    house.store._news._clock = lambda: now + 99
    assert house.store.failed(house.at("/a"))
    house.store.sweep(now + 99)
    assert house.store.failed(house.at("/a"))
    house.store._news._clock = lambda: now + 110
    assert not house.store.failed(house.at("/a"))
    house.store.sweep(now + 110)
    assert list((tmp_path / ".ftlite" / "failed").iterdir()) == []
    house.close()


def test_a_second_mark_counts_anew(house: House) -> None:
    house.store.fail(house.at("/a"))
    (mark,) = (house.root / ".ftlite" / "failed").iterdir()
    os.utime(mark, (1, 1))
    assert not house.store.failed(house.at("/a"))
    house.store.fail(house.at("/a"))
    assert house.store.failed(house.at("/a"))


def test_where_nothing_can_be_kept_a_mark_is_refused(house: House) -> None:
    (house.root / ".ftlite").write_bytes(b"in the way")
    with refused(Kind.DENIED):
        house.store.fail(house.at("/a"))
    assert not house.store.failed(house.at("/a"))
    house.put("/a", b"x")
