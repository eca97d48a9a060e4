from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ftlite.storage import shelf
from ftlite.storage.digests import Stopped
from ftlite.storage.errors import Kind
from ftlite.storage.removal import remove
from ftlite.storage.treepublish import Replace
from tests.descriptors import descriptors, no_descriptor_leaks
from tests.storage.groves import Link, Tree, begin, grove, plant, publish, shown, stagings, stream, unpack, unpack_some
from tests.storage.places import House, refused

TREE: Tree = {"a": b"1" * 3000, "d": None, "d/b": b"2" * 3000, "e": b"3" * 3000, "l": Link("a")}
LATER = 90_000.0  # seconds: beyond part_age


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = grove(tmp_path)
    yield house
    house.close()


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's privileges over files."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def cut(house: House, path: str, octets: int, *, owner: str = "ann") -> int:
    """A transfer that ended early and was kept; how many entries stand."""
    staging = begin(house, path, owner=owner)
    unpack_some(staging, TREE, octets)
    entries = staging.journal.manifest.entries
    house.store.release_tree(staging, keep=True)
    return entries


# going on


def test_it_is_hidden_and_private(house: House) -> None:
    staging = begin(house, "/t")
    (name,) = stagings(house)
    where = house.root / ".ftlite" / "trees" / name
    assert stat.S_IMODE(where.stat().st_mode) == 0o700
    assert house.store.scan(house.at("/"), 10) == []
    house.store.release_tree(staging, keep=False)
    assert stagings(house) == []


@pytest.mark.parametrize("octets", [0, 512, 5000, 9000, len(stream(TREE))])
def test_a_cut_transfer_goes_on_where_it_was(house: House, octets: int) -> None:
    stands = cut(house, "/t", octets)
    staging = begin(house, "/t")
    assert staging.position.entries == stands
    manifest = unpack(staging, TREE)
    publish(house, staging, manifest)
    assert shown(house.root / "t") == TREE
    assert manifest.digest() == house.store.tree_digest(house.at("/t"), "sha256").digest
    assert stagings(house) == []


def test_it_outlives_its_process(house: House) -> None:
    script = (
        "import os, sys; from pathlib import Path\n"
        "from tests.storage.groves import *; from tests.storage.test_staging import TREE\n"
        "house = grove(Path(sys.argv[1])); staging = begin(house, '/t')\n"
        "unpack_some(staging, TREE, 9000); os.kill(os.getpid(), 9)"
    )
    command = [sys.executable, "-c", script, str(house.root)]
    child = subprocess.run(command, cwd=Path(__file__).parents[2])
    assert child.returncode == -signal.SIGKILL
    staging = begin(house, "/t")
    assert staging.position.entries == 3
    publish(house, staging, unpack(staging, TREE))
    assert shown(house.root / "t") == TREE


def test_one_transfer_at_a_time_has_it(house: House) -> None:
    staging = begin(house, "/t")
    with refused(Kind.BUSY):
        begin(house, "/t")
    with refused(Kind.BUSY):
        begin(house, "/t", fresh=True)
    other = begin(house, "/t", owner="bob")
    unpack_some(staging, TREE, 9000)
    staging.close()  # as who takes over closes it
    assert begin(house, "/t").position.entries == 3
    house.store.release_tree(other, keep=False)


def test_fresh_discards_what_stands(house: House) -> None:
    assert cut(house, "/t", 9000) == 3
    staging = begin(house, "/t", fresh=True)
    assert staging.position.entries == 0
    assert os.listdir(staging.fd) == []
    assert len(stagings(house)) == 1
    staging.close()


def test_another_algorithm_begins_afresh(house: House) -> None:
    cut(house, "/t", 9000)
    with refused(Kind.UNSUPPORTED):
        begin(house, "/t", algorithm="md5")
    staging = begin(house, "/t", algorithm="sha256")
    assert staging.position.entries == 3
    staging.close()


def test_who_stops_it_leaves_it_idle(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    cut(house, "/t", 9000)
    with no_descriptor_leaks(), pytest.raises(Stopped):
        begin(house, "/t", stop=lambda: True)
    assert begin(house, "/t").position.entries == 3


def test_an_empty_one_is_not_kept(house: House) -> None:
    house.store.release_tree(begin(house, "/t"), keep=True)
    assert stagings(house) == []


def test_a_staging_without_its_tree_is_not_gone_on_with(house: House) -> None:
    cut(house, "/t", 9000)
    (name,) = stagings(house)
    remove(os.open(house.root / ".ftlite" / "trees" / name, os.O_RDONLY), b"tree")
    staging = begin(house, "/t")
    assert staging.position.entries == 0
    assert len(stagings(house)) == 1
    staging.close()


def test_releasing_after_a_publish_does_nothing(house: House) -> None:
    staging = begin(house, "/t")
    publish(house, staging, unpack(staging, TREE))
    house.store.release_tree(staging, keep=False)
    assert shown(house.root / "t") == TREE


def test_a_thousand_failed_transfers_leave_nothing(house: House) -> None:
    house.store.release_tree(begin(house, "/t"), keep=False)
    base = descriptors()
    for number in range(200):
        staging = begin(house, "/t")
        unpack_some(staging, TREE, number * 50)
        house.store.release_tree(staging, keep=False)
        del staging
    assert descriptors() <= base
    assert stagings(house) == []


# sweeping


def test_idle_ones_are_swept_by_age_and_live_ones_stay(house: House) -> None:
    cut(house, "/t", 9000)
    live = begin(house, "/live")
    assert house.store.sweep(time.time()) == 0
    assert house.store.sweep(time.time() + LATER) == 1
    assert stagings(house) == [live.held.name.decode()]
    publish(house, live, unpack(live, TREE))
    assert shown(house.root / "live") == TREE


def test_what_no_lock_was_made_in_is_swept_by_age(house: House) -> None:
    cut(house, "/t", 9000)
    (name,) = stagings(house)
    (house.root / ".ftlite" / "trees" / name / "lock").unlink()
    assert house.store.sweep(time.time()) == 0
    assert house.store.sweep(time.time() + LATER) == 1
    assert stagings(house) == []


@pytest.mark.parametrize("fresh", [False, True])
def test_what_a_kill_left_half_made_goes_with_the_next_upload(house: House, fresh: bool) -> None:
    house.store.release_tree(begin(house, "/other"), keep=False)
    half_made = house.root / ".ftlite" / "trees" / os.fsdecode(shelf.key(house.at("/t")) + b"0123456789abcdef")
    half_made.mkdir()
    plant(house, "/t", TREE, fresh=fresh)
    assert stagings(house) == []


def test_other_names_are_left_alone(house: House) -> None:
    cut(house, "/t", 9000)
    (house.root / ".ftlite" / "trees" / "README").write_text("not ours")
    house.store.sweep(time.time() + LATER)
    assert stagings(house) == ["README"]


def test_old_trees_of_a_process_that_is_gone_are_swept_at_once(house: House) -> None:
    plant(house, "/t", TREE)
    plant(house, "/t", TREE, replace=Replace.REPLACE)
    assert len(stagings(house)) == 1
    later = grove(house.root)
    assert later.store.sweep(0) == 0, "it is still held"
    house.store.close()
    assert later.store.sweep(0) == 1
    assert stagings(later) == []
    later.close()


# hostile contents


def test_nothing_is_removed_through_a_link(house: House, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "d").mkdir(parents=True)
    (outside / "d" / "f").write_bytes(b"precious")
    staging = begin(house, "/t")
    os.symlink(outside, "link", dir_fd=staging.fd)
    os.symlink(outside / "d", b"\xff\n", dir_fd=staging.fd)
    os.mkdir("deep", dir_fd=staging.fd)
    os.symlink("../../../..", "deep/up", dir_fd=staging.fd)
    os.mkfifo("fifo", dir_fd=staging.fd)
    house.store.release_tree(staging, keep=False)
    assert stagings(house) == []
    assert (outside / "d" / "f").read_bytes() == b"precious"


def test_any_depth_is_removed(tmp_path: Path) -> None:
    (tmp_path / "top").mkdir()
    here = os.open(tmp_path / "top", os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=here)
        os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=here))
        deeper = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)
    top = os.open(tmp_path, os.O_RDONLY)
    with no_descriptor_leaks():
        assert remove(top, b"top")
    os.close(top)
    assert list(tmp_path.iterdir()) == []


def test_directories_closed_to_us_are_removed(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    for above in tmp_path.parents:
        if above.stat().st_uid == os.geteuid() and len(above.parts) > 2:
            above.chmod(above.stat().st_mode | 0o055)
    with as_nobody():
        (tmp_path / "top" / "shut" / "in").mkdir(parents=True)
        (tmp_path / "top" / "shut" / "in" / "f").write_bytes(b"")
        (tmp_path / "top" / "shut" / "in").chmod(0)
        (tmp_path / "top" / "shut").chmod(0o500)
        (tmp_path / "top").chmod(0o400)
        top = os.open(tmp_path, os.O_RDONLY)
        assert remove(top, b"top")
        os.close(top)
    assert list(tmp_path.iterdir()) == []


def mounts_below(top: Path) -> list[Path]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [Path(path) for path in (line.split()[4] for line in lines) if path.startswith(f"{top}/")]


def test_what_is_mounted_in_an_old_tree_stays(house: House) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    staging = begin(house, "/t")
    os.makedirs(f"/proc/self/fd/{staging.fd}/d/m")
    os.makedirs(f"/proc/self/fd/{staging.fd}/d/beside/deep")
    where = os.readlink(f"/proc/self/fd/{staging.fd}") + "/d/m"
    done = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", where], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this machine does not let root mount: {done.stderr.strip()}")
    try:
        (Path(where) / "f").write_bytes(b"precious")
        house.store.release_tree(staging, keep=False)
        assert house.store.sweep(time.time()) == 0
        assert len(stagings(house)) == 1
        (there,) = mounts_below(house.root)
        assert (there / "f").read_bytes() == b"precious"
    finally:
        for there in mounts_below(house.root):
            subprocess.run(["umount", "-l", str(there)], check=True)
    assert house.store.sweep(time.time()) == 1
    assert stagings(house) == []


# other mounts, full disks


@pytest.fixture
def far(house: House, mount: Callable[..., None]) -> Path:
    """A mount within the root."""
    mount(house.root / "far", "-t", "tmpfs", "-o", "size=2m", "tmpfs")
    return house.root / "far"


def test_on_another_mount_it_lives_beside_its_target(house: House, far: Path) -> None:
    cut(house, "/far/t", 9000)
    (name,) = stagings(house)
    assert [path.name for path in far.iterdir()] == [name]
    assert house.store.scan(house.at("/far"), 10) == []
    staging = begin(house, "/far/t")
    assert staging.position.entries == 3
    publish(house, staging, unpack(staging, TREE))
    plant(house, "/far/t", TREE, replace=Replace.REPLACE)
    assert shown(far / "t") == TREE
    assert house.store.is_tree(house.at("/far/t"))
    assert house.store.bury() == 1
    assert stagings(house) == []


def test_the_sweeper_of_another_process_finds_those_beside_targets(house: House, far: Path) -> None:
    cut(house, "/far/t", 9000)
    later = grove(house.root)
    assert later.store.sweep(time.time()) == 0
    assert later.store.sweep(time.time() + LATER) == 1
    assert stagings(house) == []
    later.close()


def test_an_idle_one_does_not_keep_its_directory(house: House, far: Path) -> None:
    (far / "d").mkdir()
    cut(house, "/far/d/t", 9000)
    assert len(stagings(house)) == 1
    house.store.rmdir(house.at("/far/d"))
    assert not (far / "d").exists()


def test_merging_into_a_mount_point_stages_there(house: House, far: Path) -> None:
    plant(house, "/far", TREE, replace=Replace.MERGE)
    assert shown(far) == TREE
    assert stagings(house) == []


def test_idle_ones_give_way_when_the_disk_is_full(house: House, far: Path) -> None:
    staging = begin(house, "/far/idle")
    unpack_some(staging, {"big": b"x" * 900_000, "more": b""}, 901_000)
    house.store.release_tree(staging, keep=True)
    house.cut("/far/part", b"y" * 400_000)
    assert len(stagings(house)) == len(house.parts()) == 1
    with refused(Kind.NO_ROOM):
        begin(house, "/far/huge", size=3_000_000)
    assert stagings(house) == house.parts() == []

    cut_short = begin(house, "/far/idle")
    unpack_some(cut_short, {"big": b"x" * 900_000, "more": b""}, 901_000)
    house.store.release_tree(cut_short, keep=True)
    staging = begin(house, "/far/t")
    with pytest.raises(OSError) as caught:
        unpack(staging, {"huge": b"z" * 1_500_000})
    assert staging.failed(caught.value).kind is Kind.NO_ROOM
    house.store.release_tree(staging, keep=True)
    assert stagings(house) == []
    plant(house, "/far/t", {"fits": b"z" * 1_500_000})


def test_trees_give_way_to_parts(house: House, far: Path) -> None:
    staging = begin(house, "/far/idle")
    unpack_some(staging, {"big": b"x" * 900_000, "more": b""}, 901_000)
    house.store.release_tree(staging, keep=True)
    house.store.release(house.store.begin(house.at("/far/file"), size=1_800_000), keep=False)
    assert stagings(house) == []
