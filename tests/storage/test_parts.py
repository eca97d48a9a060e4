from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ftlite.config.models import StorageConfig
from ftlite.config.rights import Right
from ftlite.storage import hidden, shelf
from ftlite.storage.errors import Kind
from tests.storage.places import House, refused, write


def test_reading_makes_nothing(house: House) -> None:
    (house.root / "a").write_bytes(b"a")
    house.store.scan(house.at("/"), 10)
    house.store.stat(house.at("/a"))
    house.store.read(house.at("/a")).close()
    assert house.store.part_size(house.at("/b")) is None
    assert house.store.sweep(time.time()) == 0
    assert os.listdir(house.root) == ["a"]


def test_a_part_is_hidden_private_and_named_after_nobody(house: House) -> None:
    part = house.begin("/a", b"secret")
    (path,) = house.parts()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((house.root / ".ftlite").stat().st_mode) == 0o700
    assert "ann" not in path.name
    assert house.store.scan(house.at("/"), 10) == []
    assert not os.get_inheritable(part.fd)
    house.store.release(part, keep=False)
    assert house.parts() == []


def test_an_upload_looks_through_its_own_shelf_only(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(50):
        house.cut(f"/{number}", b"x")
    looked: list[int] = []
    real = hidden.names_in

    def names_in(fd: int) -> list[bytes]:
        names = real(fd)
        looked.append(len(names))
        return names

    monkeypatch.setattr(hidden, "names_in", names_in)
    house.put("/a", b"x")
    house.store.part_size(house.at("/b"))
    assert sum(looked) < 25
    monkeypatch.undo()
    assert len(house.parts()) == 50
    assert house.store.sweep(time.time() + 90000) == 50
    assert house.parts() == []


def test_begin_always_gives_a_part_of_its_own(house: House) -> None:
    house.cut("/a", b"old")
    one, two = house.begin("/a", b"1"), house.begin("/a", b"2")
    assert one.offset == two.offset == 0
    assert len(house.parts()) == 3
    house.publish(one)
    house.publish(two)
    assert (house.root / "a").read_bytes() == b"2"


def test_begin_judges_rights_early(house: House) -> None:
    house.put("/there", b"x")
    (house.root / "dir").mkdir()
    os.mkfifo(house.root / "pipe")
    with refused(Kind.DENIED):
        house.store.begin(house.at("/there", allow=Right.PUT))
    with refused(Kind.DENIED):
        house.store.begin(house.at("/new", allow=Right.OVERWRITE))
    with refused(Kind.IS_DIRECTORY):
        house.store.begin(house.at("/dir"))
    with refused(Kind.NOT_PLAIN):
        house.store.begin(house.at("/pipe"))
    with refused(Kind.IS_DIRECTORY):
        house.store.begin(house.at("/"))
    house.store.begin(house.at("/there", allow=Right.OVERWRITE)).close()
    house.store.begin(house.at("/new", allow=Right.PUT)).close()


def test_begin_refuses_what_cannot_fit(house: House) -> None:
    with refused(Kind.NO_ROOM):
        house.store.begin(house.at("/a"), size=1 << 60)
    assert house.parts() == []
    house.store.begin(house.at("/a"), size=0).close()


def test_resume_cuts_the_owners_part(house: House) -> None:
    house.cut("/a", b"0123456789")
    part = house.store.resume(house.at("/a"), 4)
    assert part.offset == 4
    house.publish(write(part, b"xy"))
    assert (house.root / "a").read_bytes() == b"0123xy"
    assert house.parts() == []


def test_resume_takes_the_newest_part_that_is_long_enough(house: House) -> None:
    changed = 0
    for part in [house.begin("/a", data) for data in (b"older", b"new", b"x")]:
        while os.fstat(part.fd).st_ctime_ns <= changed:  # clocks of file systems tick slowly
            os.utime(part.fd)
        changed = os.fstat(part.fd).st_ctime_ns
        part.close()  # as a kill would leave them: all three
    part = house.store.resume(house.at("/a"), 3)
    assert os.pread(part.fd, 9, 0) == b"new"
    part.close()
    with refused(Kind.BAD_OFFSET):
        house.store.resume(house.at("/a"), 6)


def test_resume_from_nothing_is_refused_and_from_zero_is_a_fresh_start(house: House) -> None:
    with refused(Kind.BAD_OFFSET):
        house.store.resume(house.at("/a"), 1)
    assert house.parts() == []
    assert house.store.resume(house.at("/a"), 0).offset == 0


def test_resume_copies_what_is_published(house: House) -> None:
    house.put("/a", b"0123456789")
    part = house.store.resume(house.at("/a"), 4)
    write(part, b"xy")
    assert (house.root / "a").read_bytes() == b"0123456789"
    house.publish(part)
    assert (house.root / "a").read_bytes() == b"0123xy"
    with refused(Kind.BAD_OFFSET):
        house.store.resume(house.at("/a"), 7)


def test_parts_belong_to_their_owner(house: House) -> None:
    house.cut("/a", b"0123", owner="ann")
    assert house.store.part_size(house.at("/a", owner="bob")) is None
    with refused(Kind.BAD_OFFSET):
        house.store.resume(house.at("/a", owner="bob"), 2)
    assert house.store.append(house.at("/a", owner="bob")).offset == 0
    assert house.store.part_size(house.at("/b")) is None
    assert house.store.part_size(house.at("/a")) == 4


def test_what_is_live_cannot_be_resumed_appended_or_seen(house: House) -> None:
    part = house.begin("/a", b"0123")
    assert house.store.part_size(house.at("/a")) is None
    with refused(Kind.BUSY):
        house.store.resume(house.at("/a"), 2)
    with refused(Kind.BUSY):
        house.store.append(house.at("/a"))
    part.close()
    assert house.store.part_size(house.at("/a")) == 4


def test_append_goes_on_with_the_part_else_with_a_copy_else_afresh(house: House) -> None:
    house.publish(write(house.store.append(house.at("/new")), b"1"))
    house.publish(write(house.store.append(house.at("/new")), b"2"))
    assert (house.root / "new").read_bytes() == b"12"
    house.cut("/part", b"12")
    part = house.store.append(house.at("/part"))
    assert part.offset == 2
    house.publish(write(part, b"3"))
    assert (house.root / "part").read_bytes() == b"123"


def test_part_beside_a_published_file_is_refused_until_stored_afresh(house: House) -> None:
    house.cut("/a", b"0123")
    house.put("/a", b"published", owner="bob")
    with refused(Kind.BUSY) as caught:
        house.store.append(house.at("/a"))
    assert "STOR it afresh" in str(caught.value)
    with refused(Kind.BAD_OFFSET) as caught:
        house.store.resume(house.at("/a"), 5)
    assert "STOR it afresh" in str(caught.value)
    assert house.store.part_size(house.at("/a")) is None
    part = house.store.resume(house.at("/a"), 2)
    house.store.release(part, keep=True)
    house.put("/a", b"afresh")
    assert house.parts() == []
    assert house.store.append(house.at("/a")).offset == 6


def test_a_copy_that_failed_does_not_bar_the_next_append(house: House) -> None:
    house.put("/a", b"0123")
    house.store.release(write(house.store.append(house.at("/a")), b"45"), keep=True)
    assert house.parts() == []
    house.publish(write(house.store.append(house.at("/a")), b"45"))
    assert (house.root / "a").read_bytes() == b"012345"


def test_part_size_ends_with_stock_resume_and_zero_means_never(house: House, tmp_path: Path) -> None:
    house.cut("/a", b"0123")
    never = House(tmp_path, StorageConfig(stock_resume=0))
    assert never.store.part_size(never.at("/a")) is None
    now = time.time()
    house.store._parts._clock = lambda: now + 3000
    assert house.store.part_size(house.at("/a")) == 4
    house.store._parts._clock = lambda: now + 4000
    assert house.store.part_size(house.at("/a")) is None
    assert house.store.resume(house.at("/a"), 4).offset == 4


def test_removing_a_name_removes_its_owners_unfinished_upload(house: House) -> None:
    house.put("/a", b"published")
    for path in ("/a", "/b"):
        house.cut(path, b"0123")
        house.cut(path, b"01", owner="bob")
        house.store.unlink(house.at(path))
        assert house.store.part_size(house.at(path)) is None
        with refused(Kind.NOT_FOUND):
            house.store.unlink(house.at(path))
        assert house.store.append(house.at(path)).offset == 0
        assert house.store.part_size(house.at(path, owner="bob")) == 2


def test_append_passes_over_a_part_that_size_does_not_tell_of(house: House, tmp_path: Path) -> None:
    house.cut("/a", b"forgotten")
    house.cut("/b", b"forgotten")
    never = House(tmp_path, StorageConfig(stock_resume=0))
    assert never.store.append(never.at("/a")).offset == 0
    now = time.time()
    house.store._parts._clock = lambda: now + 4000
    part = house.store.append(house.at("/b"))
    house.publish(write(part, b"line"))
    assert (house.root / "b").read_bytes() == b"line"


def test_release_drops_what_nobody_could_use(house: House) -> None:
    empty = house.begin("/a")
    house.store.release(empty, keep=True)
    full = house.begin("/b", b"data")
    error = full.failed(OSError(28, "No space left on device"))
    assert error.kind is Kind.NO_ROOM
    assert error.path == "/b"
    house.store.release(full, keep=True)
    assert house.parts() == []
    other = house.begin("/c", b"data")
    assert other.failed(OSError(5, "Input/output error")).kind is Kind.FAULT
    house.store.release(other, keep=True)
    assert len(house.parts()) == 1
    house.store.release(other, keep=False)
    assert len(house.parts()) == 1


def test_sweep_takes_old_idle_parts_and_nothing_else(house: House) -> None:
    house.cut("/idle", b"1")
    live = house.begin("/live", b"2")
    now = time.time()
    assert house.store.sweep(now) == 0
    assert house.store.sweep(now + 90000) == 1
    assert len(house.parts()) == 1
    house.publish(live)
    assert (house.root / "live").read_bytes() == b"2"
    assert house.store.sweep(now + 90000) == 0
    assert (house.root / "live").read_bytes() == b"2"


def test_an_old_modification_time_does_not_age_a_part(house: House) -> None:
    house.cut("/a", b"1")
    os.utime(house.parts()[0], (1, 1))
    assert house.store.sweep(time.time()) == 0


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every descriptor seems to be on a mount of its own."""
    monkeypatch.setattr(hidden, "mount_of", lambda fd: (fd, fd))


@pytest.mark.usefixtures("far")
def test_parts_beside_targets_live_the_same_life(house: House) -> None:
    (house.root / "d").mkdir()
    house.cut("/d/a", b"0123")
    (part,) = house.parts()
    assert part.parent == house.root / "d"
    assert house.store.scan(house.at("/d"), 10) == []
    assert house.store.part_size(house.at("/d/a")) == 4
    house.publish(write(house.store.resume(house.at("/d/a"), 2), b"x"))
    assert (house.root / "d" / "a").read_bytes() == b"01x"
    assert house.parts() == []


@pytest.mark.usefixtures("far")
def test_the_sweeper_of_another_process_finds_parts_beside_targets(house: House) -> None:
    (house.root / "d" / "e").mkdir(parents=True)
    house.cut("/d/e/a", b"0123")
    house.cut("/top", b"0123")
    later = House(house.root)
    assert later.store.sweep(time.time()) == 0
    assert later.store.sweep(time.time() + 90000) == 2
    assert house.parts() == []
    assert (house.root / ".ftlite" / "elsewhere").read_bytes() == b""


@pytest.mark.usefixtures("far")
def test_the_sweeper_follows_no_link(house: House, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    (house.root / "d").mkdir()
    house.cut("/d/a", b"0123")
    victim = other / house.parts()[0].name
    victim.write_bytes(b"not ours")
    os.rename(house.root / "d", other / "moved")
    (house.root / "d").symlink_to(other)
    assert house.store.sweep(time.time() + 90000) == 0
    assert victim.exists()


@pytest.mark.usefixtures("far")
def test_what_is_remembered_has_a_bound(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hidden, "_MOST_REMEMBERED", 20)
    for number in range(9):
        (house.root / f"dir{number}").mkdir()
        house.cut(f"/dir{number}/a", b"0123")
    assert (house.root / ".ftlite" / "elsewhere").stat().st_size <= 20
    house.put("/dir8/a", b"fresh")
    assert 0 < house.store.sweep(time.time() + 90000) < 8


@pytest.mark.usefixtures("far")
def test_uploads_go_on_where_nothing_can_be_remembered(house: House) -> None:
    (house.root / ".ftlite").mkdir()
    (house.root / ".ftlite" / "elsewhere").symlink_to("/nowhere")
    house.cut("/a", b"0123")
    later = House(house.root)
    assert later.store.part_size(later.at("/a")) == 4
    assert later.store.sweep(time.time() + 90000) == 0
    assert house.store.sweep(time.time() + 90000) == 1


@pytest.mark.usefixtures("far")
def test_a_directory_that_cannot_be_read_still_takes_uploads(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def unreadable(path: object, flags: int, *rest: object, **how: object) -> int:
        if flags & os.O_DIRECTORY and not flags & os.O_PATH:
            raise PermissionError(13, "Permission denied")
        return real(path, flags, *rest, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", unreadable)
    house.put("/a", b"0123")
    assert (house.root / "a").read_bytes() == b"0123"
    with refused(Kind.DENIED):
        house.store.scan(house.at("/"), 10)


@pytest.mark.usefixtures("far")
def test_an_idle_part_does_not_keep_its_directory(house: House) -> None:
    (house.root / "d").mkdir()
    house.cut("/d/a", b"0123")
    live = house.begin("/d/b", b"1")
    with refused(Kind.NOT_EMPTY):
        house.store.rmdir(house.at("/d"))
    house.store.release(live, keep=True)
    house.store.rmdir(house.at("/d"))
    assert not (house.root / "d").exists()


def test_where_no_home_can_be_made_parts_live_beside(house: House) -> None:
    (house.root / ".ftlite").write_bytes(b"in the way")
    (house.root / "d").mkdir()
    house.cut("/d/a", b"0123")
    assert house.store.part_size(house.at("/d/a")) == 4
    assert house.store.sweep(time.time() + 90000) == 1
    assert house.parts() == []


def test_a_part_with_a_second_name_is_never_written_to(house: House) -> None:
    """What a kill between link and unlink leaves behind where renameat2 cannot refuse to replace."""
    house.cut("/a", b"0123")
    os.link(house.parts()[0], house.root / "a")
    part = house.store.resume(house.at("/a"), 2)
    write(part, b"xxxx")
    assert (house.root / "a").read_bytes() == b"0123"


@pytest.mark.parametrize("call", ["resume", "sweep"])
def test_a_part_published_between_open_and_lock_is_left_alone(
    house: House, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Another server on the same root may do that."""
    house.cut("/a", b"0123")
    real = shelf.fcntl.flock

    def flock(fd: int, how: int) -> None:
        for path in house.parts():
            os.rename(path, house.root / "a")
        real(fd, how)

    monkeypatch.setattr(shelf.fcntl, "flock", flock)
    if call == "resume":
        with refused(Kind.BAD_OFFSET):
            house.store.resume(house.at("/a"), 2)
    else:
        assert house.store.sweep(time.time() + 90000) == 0
    assert (house.root / "a").read_bytes() == b"0123"


def test_a_part_that_wears_a_foreign_mode_is_taken_nevertheless(house: House) -> None:
    """What a kill between mode and rename leaves behind."""
    house.cut("/a", b"0123")
    house.parts()[0].chmod(0o000)
    assert house.store.resume(house.at("/a"), 2).offset == 2


def test_mounts_decide_where_a_part_lives(house: House, mount: Callable[..., None]) -> None:
    mount(house.root / "disk", "-t", "tmpfs", "tmpfs")
    (house.root / "plain").mkdir()
    mount(house.root / "bound", "--bind", str(house.root / "plain"))
    for where in ("disk", "bound"):
        house.cut(f"/{where}/a", b"0123")
        assert [path.parent.name for path in house.parts() if path.parent.name == where] == [where]
        house.publish(write(house.store.append(house.at(f"/{where}/a")), b"4"))
        assert (house.root / where / "a").read_bytes() == b"01234"
        with refused(Kind.BUSY):
            house.store.rmdir(house.at(f"/{where}"))
        with refused(Kind.BUSY):
            house.store.rename(house.at(f"/{where}"), house.at("/gone"), replace=False)
    with refused(Kind.UNSUPPORTED):
        house.store.rename(house.at("/disk/a"), house.at("/a"), replace=False)


def test_a_directory_that_changed_its_disk_refuses_the_publish_and_keeps_the_part(
    house: House, mount: Callable[..., None]
) -> None:
    (house.root / "d").mkdir()
    part = house.begin("/d/a", b"0123")
    mount(house.root / "d", "-t", "tmpfs", "tmpfs")
    with refused(Kind.UNSUPPORTED):
        house.publish(part)
    house.store.release(part, keep=True)
    assert len(house.parts()) == 1


def test_cuts_of_one_name_leave_two_parts_at_most(house: House) -> None:
    for length in (3, 9, 5, 1, 2, 4):
        house.cut("/a", b"x" * length)
    assert sorted(path.stat().st_size for path in house.parts()) == [4, 9]
    assert house.store.part_size(house.at("/a")) == 4, "the newest is what SIZE tells"
