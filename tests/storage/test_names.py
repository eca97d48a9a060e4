from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ftlite.config.models import Durability, StorageConfig
from ftlite.storage import syscalls
from ftlite.storage.errors import Kind
from tests.storage.places import House, refused


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_mkdir_has_the_configured_mode_whatever_the_process_umask(tmp_path: Path) -> None:
    house = House(tmp_path, StorageConfig(umask=0o002, durability=Durability.FSYNC))
    before = os.umask(0o077)
    try:
        house.store.mkdir(house.at("/d"))
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "d") == 0o775
    with refused(Kind.EXISTS):
        house.store.mkdir(house.at("/d"))


def test_rmdir_takes_empty_directories_only(house: House) -> None:
    house.store.mkdir(house.at("/d"))
    house.put("/d/a", b"")
    with refused(Kind.NOT_EMPTY):
        house.store.rmdir(house.at("/d"))
    with refused(Kind.NOT_DIRECTORY):
        house.store.rmdir(house.at("/d/a"))
    house.store.unlink(house.at("/d/a"))
    house.store.rmdir(house.at("/d"))
    with refused(Kind.NOT_FOUND):
        house.store.rmdir(house.at("/d"))
    with refused(Kind.DENIED):
        house.store.rmdir(house.at("/"))


def test_unlink_takes_the_link_not_what_it_means(house: House) -> None:
    house.put("/a", b"")
    (house.root / "link").symlink_to("a")
    house.store.unlink(house.at("/link", follow=False))
    assert sorted(os.listdir(house.root)) == [".ftlite", "a"]
    (house.root / "d").mkdir()
    with refused(Kind.IS_DIRECTORY):
        house.store.unlink(house.at("/d"))


@pytest.mark.parametrize("old_kernel", [False, True])
def test_rename_replaces_nothing_unasked(house: House, monkeypatch: pytest.MonkeyPatch, old_kernel: bool) -> None:
    if old_kernel:
        monkeypatch.setattr(syscalls, "_LIBC", object())
    house.put("/a", b"a")
    house.put("/b", b"b")
    with refused(Kind.EXISTS):
        house.store.rename(house.at("/a"), house.at("/b"), replace=False)
    house.store.rename(house.at("/a"), house.at("/c"), replace=False)
    house.store.rename(house.at("/c"), house.at("/b"), replace=True)
    assert (house.root / "b").read_bytes() == b"a"
    with refused(Kind.NOT_FOUND):
        house.store.rename(house.at("/a"), house.at("/d"), replace=True)
    (house.root / "dir").mkdir()
    house.store.rename(house.at("/dir"), house.at("/moved"), replace=False)
    with refused(Kind.BAD_NAME):
        house.store.rename(house.at("/moved"), house.at("/moved/into"), replace=False)
    assert sorted(os.listdir(house.root)) == [".ftlite", "b", "moved"]


def test_rename_never_replaces_a_directory_nor_a_file_by_one(house: House) -> None:
    house.put("/a", b"a")
    for name in ("one", "two"):
        (house.root / name).mkdir()
    for source, target in (("/one", "/two"), ("/a", "/one"), ("/one", "/a")):
        with refused(Kind.EXISTS):
            house.store.rename(house.at(source), house.at(target), replace=True)
    for source, target in (("/", "/x"), ("/one", "/")):
        with refused(Kind.DENIED):
            house.store.rename(house.at(source), house.at(target), replace=True)


def test_rename_to_another_name_of_the_same_file_takes_the_old_one_away(house: House) -> None:
    house.put("/a", b"a")
    house.store.mkdir(house.at("/d"))
    for name in ("b", "d/c"):
        os.link(house.root / "a", house.root / name)
    with refused(Kind.EXISTS):
        house.store.rename(house.at("/a"), house.at("/b"), replace=False)
    house.store.rename(house.at("/a"), house.at("/b"), replace=True)
    house.store.rename(house.at("/b"), house.at("/d/c"), replace=True)
    assert sorted(name for name in os.listdir(house.root) if name != ".ftlite") == ["d"]
    assert os.listdir(house.root / "d") == ["c"]
    assert (house.root / "d/c").read_bytes() == b"a"


def test_rename_to_itself_changes_nothing(house: House) -> None:
    house.put("/a", b"a")
    house.store.rename(house.at("/a"), house.at("/a"), replace=False)
    assert (house.root / "a").read_bytes() == b"a"


def test_times_are_kept_to_the_nanosecond_or_refused(house: House) -> None:
    house.put("/a", b"a")
    before = (house.root / "a").stat().st_atime_ns
    house.store.set_times(house.at("/a"), 1_234_567_890_123_456_789)
    after = (house.root / "a").stat()
    assert (after.st_atime_ns, after.st_mtime_ns) == (before, 1_234_567_890_123_456_789)
    with refused(Kind.BAD_NAME):
        house.store.set_times(house.at("/a"), 10**40)
    with refused(Kind.BAD_NAME):
        house.put("/b", b"b", modify_ns=10**40)
    assert not (house.root / "b").exists()


def test_modes_are_masked_and_directories_keep_setgid(house: House) -> None:
    house.put("/a", b"a")
    house.store.set_mode(house.at("/a"), 0o6777)
    assert mode_of(house.root / "a") == 0o755
    (house.root / "d").mkdir()
    (house.root / "d").chmod(0o2777)
    house.store.set_mode(house.at("/d"), 0o700)
    assert mode_of(house.root / "d") == 0o2700
    (house.root / "link").symlink_to("a")
    with refused(Kind.NOT_PLAIN):
        house.store.set_mode(house.at("/link", follow=False), 0o600)
    assert mode_of(house.root / "a") == 0o755
