"""Whatever is killed when: who reads a tree that is being replaced sees the old one or the new one, whole."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftlite.storage.treepublish import Replace
from tests.storage.groves import Tree, begin, grove, plant, publish, shown, stagings, unpack
from tests.storage.places import House

_REPOSITORY = Path(__file__).parents[2]
_FILES = 30
_ENDLESS = """
import sys
from pathlib import Path
from tests.storage.groves import *
from tests.storage.test_tree_crash import generation
house = grove(Path(sys.argv[1]))
number = int(sys.argv[2])
print("begun", flush=True)
while True:
    number += 1
    plant(house, "/t", generation(number), replace=Replace.REPLACE, fresh=True)
    house.store.bury()
"""
_ONCE = """
import os, sys
from pathlib import Path
from ftlite.storage import holders, records, staging, treepublish, trees
from tests.storage.groves import *
from tests.storage.test_tree_crash import generation
place, name, after = sys.argv[2].split(":")
owner = {"records": records.Records, "held": staging.Held, "placer": treepublish.Placer, "trees": trees.Trees}.get(
    place, treepublish
)
real = getattr(owner, name)
def deadly(*arguments, **names):
    if after == "after":
        real(*arguments, **names)
    os.kill(os.getpid(), 9)
house = grove(Path(sys.argv[1]))
work = begin(house, "/t", replace=Replace[sys.argv[3]])
manifest = unpack(work, generation(2))
setattr(owner, name, deadly)
publish(house, work, manifest, replace=Replace[sys.argv[3]])
house.store.bury()
"""


def generation(number: int) -> Tree:
    """A tree whose every file tells its number."""
    return {f"d{part}/f{part}": b"%d" % number for part in range(_FILES)}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = grove(tmp_path)
    yield house
    house.close()


def read_whole(house: House) -> set[bytes]:
    """What the files of the tree tell, read as a transfer would: by one descriptor that holds it."""
    found = set()
    top = os.open(house.root / "t", os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in range(_FILES):
            fd = os.open(f"d{part}/f{part}", os.O_RDONLY, dir_fd=top)
            found.add(os.read(fd, 100))
            os.close(fd)
    finally:
        os.close(top)
    return found


def test_a_reader_sees_old_or_new_whatever_is_killed_when(house: House) -> None:
    chance = random.Random(3)
    plant(house, "/t", generation(0))
    inode = os.stat(house.root / "t").st_ino
    for life in range(8):
        command = [sys.executable, "-c", _ENDLESS, str(house.root), str(life * 10_000)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=_REPOSITORY)
        assert child.stdout is not None
        assert child.stdout.readline() == b"begun\n"
        changes = chance.randrange(1, 8)
        more = chance.randrange(5000)
        while changes or more:
            now = os.stat(house.root / "t").st_ino  # never missing
            if changes and now != inode:
                changes -= 1
                assert child.poll() is None
            elif not changes:
                more -= 1
            inode = now
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        assert len(read_whole(house)) == 1
        assert house.store.is_tree(house.at("/t"))
    house.store.sweep(0)
    assert [name for name in stagings(house) if name.startswith("old-")] == []
    plant(house, "/t", generation(5), replace=Replace.REPLACE, fresh=True)
    house.store.bury()
    assert stagings(house) == []
    assert shown(house.root / "t") == {**generation(5), **{f"d{part}": None for part in range(_FILES)}}


def test_a_reader_who_holds_it_reads_one_tree(house: House) -> None:
    """Replaced as fast as it can be by the same process, the tree that a reader holds stays as it was."""
    plant(house, "/t", generation(0))
    for number in range(1, 30):
        with house.store.open_tree(house.at("/t")) as top:
            plant(house, "/t", generation(number), replace=Replace.REPLACE)
            house.store.bury()
            for part in range(_FILES):
                fd = os.open(f"d{part}/f{part}", os.O_RDONLY, dir_fd=top)
                assert os.read(fd, 100) == b"%d" % (number - 1)
                os.close(fd)
    house.store.bury()
    assert stagings(house) == []


@pytest.mark.parametrize(
    ("point", "new"),
    [
        ("held:retire:before", False),
        ("held:retire:after", False),
        ("records:write:before", False),
        ("records:write:after", False),
        ("calls:dress_directory:after", False),
        ("calls:rename_exchange:before", False),
        ("calls:rename_exchange:after", True),
        ("trees:_settle:before", True),
        ("trees:_settle:after", True),
        ("trees:bury:after", True),
    ],
)
def test_killed_at_any_point_of_replacing(house: House, point: str, new: bool) -> None:
    plant(house, "/t", generation(1))
    killed(house, point, "REPLACE")
    assert read_whole(house) == {b"2" if new else b"1"}
    assert house.store.is_tree(house.at("/t"))
    house.store.sweep(0)
    assert [name for name in stagings(house) if name.startswith("old-")] == []
    again = begin(house, "/t", replace=Replace.REPLACE)  # nobody takes what was swapped out for a beginning
    assert again.position.entries == (2 * _FILES if point == "held:retire:before" else 0)
    publish(house, again, unpack(again, generation(2)), replace=Replace.REPLACE)
    assert read_whole(house) == {b"2"}
    house.store.bury()
    assert stagings(house) == []


@pytest.mark.parametrize(
    ("point", "new"),
    [("calls:rename_new:before", False), ("calls:rename_new:after", True), ("records:write:after", False)],
)
def test_killed_at_any_point_of_a_first_publish(house: House, point: str, new: bool) -> None:
    killed(house, point, "REFUSE")
    assert (house.root / "t").exists() is new
    house.store.sweep(0)
    assert stagings(house) == []
    if new:
        assert read_whole(house) == {b"2"}
        assert house.store.is_tree(house.at("/t"))
    else:
        plant(house, "/t", generation(3))
        assert read_whole(house) == {b"3"}


def test_killed_in_the_middle_of_merging(house: House) -> None:
    """Each file is the old one or the new one, and the rest can come again."""
    plant(house, "/t", generation(1))
    killed(house, "merger:merge:halfway", "MERGE")
    assert read_whole(house) == {b"1", b"2"}
    house.store.sweep(0)
    assert stagings(house) == []
    plant(house, "/t", generation(2), replace=Replace.MERGE)
    assert read_whole(house) == {b"2"}
    plant(house, "/t", generation(3), replace=Replace.REPLACE)


def killed(house: House, point: str, replace: str) -> None:
    script = _ONCE
    if point.startswith("merger"):
        script = _ONCE.replace("setattr(owner, name, deadly)", _HALFWAY)
        point = "calls:can_exchange:before"
    command = [sys.executable, "-c", script, str(house.root), point, replace]
    child = subprocess.run(command, cwd=_REPOSITORY, capture_output=True, text=True)
    assert child.returncode == -signal.SIGKILL, child.stderr


_HALFWAY = """
rename, count = os.rename, 0
def halfway(*arguments, **names):
    global count
    count += arguments[0].startswith(b"f")
    if count == 15:
        os.kill(os.getpid(), 9)
    rename(*arguments, **names)
os.rename = halfway
"""
