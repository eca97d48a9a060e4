from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftlite.storage.errors import Kind
from ftlite.storage.holders import Holders
from ftlite.storage.records import Key
from tests.descriptors import no_descriptor_leaks
from tests.storage.groves import grove
from tests.storage.places import House, refused


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = grove(tmp_path)
    (tmp_path / "t" / "d" / "e").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    yield house
    house.close()


def key(path: Path) -> Key:
    facts = path.stat()
    return facts.st_dev, facts.st_ino


def test_who_holds_what_is_below_holds_it(house: House) -> None:
    holders, tree = Holders(), key(house.root / "t")
    house.at("/t").close()
    with no_descriptor_leaks():
        for path in ("/t", "/t/d/e"):
            with holders.open(house.at(path)):
                assert not holders.doom(tree)
        with holders.open(house.at("/other")):
            assert holders.doom(tree)


def test_wherever_it_was_moved_to(house: House) -> None:
    holders, tree = Holders(), key(house.root / "t")
    with holders.open(house.at("/t/d/e")):
        (house.root / "t").rename(house.root / "other" / "moved")
        assert not holders.doom(tree)
        assert holders.doom(key(house.root / "other" / "moved" / "d" / "e")) is False
    assert holders.doom(tree)


def test_what_is_doomed_is_not_opened_until_it_is_gone(house: House) -> None:
    holders, tree = Holders(), key(house.root / "t")
    assert holders.doom(tree)
    for path in ("/t", "/t/d/e"):
        with refused(Kind.BUSY):
            holders.open(house.at(path)).__enter__()
    with holders.open(house.at("/other")):
        pass
    holders.gone(tree)
    with holders.open(house.at("/t")) as fd:
        assert os.listdir(fd) == ["d"]


def test_only_directories_are_opened(house: House) -> None:
    (house.root / "f").write_bytes(b"")
    (house.root / "l").symlink_to("t")
    holders = Holders()
    with refused(Kind.NOT_DIRECTORY):
        holders.open(house.at("/f")).__enter__()
    with refused(Kind.NOT_DIRECTORY):
        holders.open(house.at("/l", follow=False)).__enter__()
    with refused(Kind.NOT_FOUND):
        holders.open(house.at("/none")).__enter__()


def test_readers_and_removers_never_meet(house: House) -> None:
    """Whoever got it open sees it whole, whoever doomed it knows that nobody has it open."""
    holders, tree = Holders(), key(house.root / "t")
    inside, wrong = [0], []

    def read() -> None:
        for _ in range(300):
            try:
                with holders.open(house.at("/t/d")):
                    inside[0] += 1
                    if removing:
                        wrong.append("opened while it was removed")
                    inside[0] -= 1
            except Exception as error:
                if "replaced" not in str(error):
                    wrong.append(repr(error))

    removing: list[bool] = []
    reader = threading.Thread(target=read)
    reader.start()
    while reader.is_alive():
        if holders.doom(tree):
            removing.append(True)
            if inside[0]:
                wrong.append("removed while it was open")
            removing.clear()
            holders.gone(tree)
    reader.join()
    assert wrong == []
