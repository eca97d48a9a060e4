from __future__ import annotations

import os
import stat
import struct
import threading
import time
from pathlib import Path

import pytest

from ftlite.config.models import Durability, StorageConfig
from ftlite.config.rights import Right
from ftlite.protocol.entries import Kind as What
from ftlite.storage import publish as publishing
from ftlite.storage import syscalls
from ftlite.storage.acl import narrowed
from ftlite.storage.errors import Kind, StorageError
from tests.storage.places import House, refused, write


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_entry_is_what_stands_there(house: House) -> None:
    entry = house.put("/a b\udcff", b"hello", modify_ns=1_000_000_000_000_000_000)
    assert (entry.name, entry.kind, entry.size) == ("a b\udcff", What.FILE, 5)
    assert entry.modify_ns == 1_000_000_000_000_000_000
    assert entry == house.store.stat(house.at("/a b\udcff"))


def test_without_replace_what_exists_stays(house: House) -> None:
    house.put("/a", b"old")
    part = house.begin("/a", b"new")
    with refused(Kind.EXISTS):
        house.publish(part, replace=False)
    assert (house.root / "a").read_bytes() == b"old"
    house.publish(part)
    assert (house.root / "a").read_bytes() == b"new"
    house.store.release(part, keep=True)
    assert (house.root / "a").read_bytes() == b"new"


def test_absent_means_that_nothing_has_the_name(house: House) -> None:
    (house.root / "d").mkdir()
    (house.root / "dangling").symlink_to("nowhere")
    house.put("/a", b"old")
    for path in ("/a", "/d", "/dangling"):
        part = house.store.begin(house.at("/new"))
        with refused(Kind.EXISTS):
            house.store.publish(part, lambda path=path: house.at(path, follow=False), replace=True, absent=True)  # type: ignore[misc]
        house.store.release(part, keep=False)
    assert (house.root / "a").read_bytes() == b"old"
    house.put("/b", b"new", absent=True)
    assert (house.root / "b").read_bytes() == b"new"


def test_a_version_is_of_one_content(house: House) -> None:
    seen = set()
    for data in (b"one", b"two", b"one"):
        part = house.begin("/a", data)
        house.publish(part, modify_ns=5)
        assert part.version == house.store.version(house.at("/a"))
        seen.add(part.version)
    (house.root / "a").write_bytes(b"six")
    seen.add(house.store.version(house.at("/a")))
    assert len(seen) == 4
    assert all(len(version) == 32 and set(version) <= set("0123456789abcdef") for version in seen)
    with refused(Kind.NOT_FOUND):
        house.store.version(house.at("/nothing"))


def test_apply_gives_what_a_put_of_the_same_content_brings(house: House) -> None:
    heard: list[bytes] = []
    part = house.begin("/a", b"same")
    house.publish(part, modify_ns=5)
    house.store.listen(lambda real, _: heard.append(real))
    assert house.store.apply(house.at("/a"), 5, 0o644, version=part.version) == part.version, "nothing was touched"
    now = house.store.apply(house.at("/a"), 7, 0o7777, version=part.version)
    facts = (house.root / "a").stat()
    assert (facts.st_mtime_ns, mode_of(house.root / "a")) == (7, 0o755)
    assert now == house.store.version(house.at("/a"))
    with refused(Kind.BUSY):
        house.store.apply(house.at("/a"), 9, None, version=part.version)
    assert (house.root / "a").stat().st_mtime_ns == 7
    assert house.store.apply(house.at("/a"), None, None) == now
    assert heard == [b"a"] * 3


def test_apply_is_for_plain_files(house: House) -> None:
    (house.root / "d").mkdir()
    (house.root / "link").symlink_to("d")
    for path in ("/d", "/link"):
        with refused(Kind.NOT_PLAIN):
            house.store.apply(house.at(path, follow=False), 5, 0o700)
    with refused(Kind.NOT_FOUND):
        house.store.apply(house.at("/nothing"), 5, 0o700)
    house.put("/a", b"")
    with refused(Kind.BAD_NAME):
        house.store.apply(house.at("/a"), 1 << 200, None)


def test_rights_are_judged_again(house: House) -> None:
    part = house.begin("/a", b"new")
    with refused(Kind.DENIED):
        house.store.publish(part, lambda: house.at("/a", allow=Right.OVERWRITE), replace=True)
    house.put("/a", b"old")
    with refused(Kind.EXISTS):
        house.store.publish(part, lambda: house.at("/a", allow=Right.PUT), replace=True)
    house.store.publish(part, lambda: house.at("/a", allow=Right.OVERWRITE), replace=True)
    assert (house.root / "a").read_bytes() == b"new"


def test_a_regrant_that_is_refused_leaves_the_part(house: House) -> None:
    part = house.begin("/d", b"new")

    def gone() -> None:
        raise StorageError(Kind.NOT_FOUND, "/d", "no such directory")

    with refused(Kind.NOT_FOUND):
        house.store.publish(part, gone, replace=True)  # type: ignore[arg-type]
    house.store.release(part, keep=True)
    assert house.store.part_size(house.at("/d")) == 3


def test_only_plain_files_are_replaced(house: House) -> None:
    part = house.begin("/a", b"new")
    (house.root / "a").mkdir()
    with refused(Kind.IS_DIRECTORY):
        house.publish(part)
    (house.root / "a").rmdir()
    os.mkfifo(house.root / "a")
    with refused(Kind.NOT_PLAIN):
        house.publish(part)
    (house.root / "a").unlink()
    (house.root / "a").symlink_to("nowhere")
    with refused(Kind.NOT_PLAIN):
        house.store.publish(part, lambda: house.at("/a", follow=False), replace=True)


def test_a_failed_publish_makes_the_part_private_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    part = house.begin("/a", b"new")

    def fail(*_arguments: object, **_names: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(publishing.os, "rename", fail)
        with refused(Kind.FAULT):
            house.publish(part, mode=0o777, modify_ns=1)
    assert mode_of(house.parts()[0]) == 0o600
    assert house.parts()[0].stat().st_mtime > 1000
    house.publish(part, mode=0o777)
    assert mode_of(house.root / "a") == 0o755


@pytest.mark.parametrize(("umask", "expected"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_has_the_configured_mode(tmp_path: Path, umask: int, expected: int) -> None:
    house = House(tmp_path, StorageConfig(umask=umask))
    house.put("/a", b"")
    assert mode_of(tmp_path / "a") == expected
    house.put("/b", b"", mode=0o7777)
    assert mode_of(tmp_path / "b") == 0o777 & ~umask


def test_a_replaced_files_mode_stays_but_never_setuid(house: House) -> None:
    house.put("/a", b"old")
    (house.root / "a").chmod(0o4751)
    house.put("/a", b"new")
    assert mode_of(house.root / "a") == 0o751
    house.put("/a", b"new", mode=0o600)
    assert mode_of(house.root / "a") == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to any group")
def test_group_follows_the_file_or_the_setgid_directory(house: House) -> None:
    house.put("/a", b"old")
    os.chown(house.root / "a", -1, 4242)
    house.put("/a", b"new")
    assert (house.root / "a").stat().st_gid == 4242
    (house.root / "team").mkdir()
    os.chown(house.root / "team", -1, 4343)
    (house.root / "team").chmod(0o2775)
    house.put("/team/a", b"new")
    assert (house.root / "team" / "a").stat().st_gid == 4343


def test_a_group_that_cannot_be_given_gets_no_more_than_others(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.put("/a", b"old")
    (house.root / "a").chmod(0o664)
    monkeypatch.setattr("ftlite.storage.acl._give_group", lambda _fd, _group: False)
    house.put("/a", b"new")
    assert mode_of(house.root / "a") == 0o644


def acl(*entries: tuple[int, int, int]) -> bytes:
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


NOBODY = 0xFFFFFFFF
GIVEN = acl((1, 7, NOBODY), (2, 7, 4242), (4, 5, NOBODY), (0x10, 7, NOBODY), (0x20, 1, NOBODY))


def set_acl(path: Path, name: str, value: bytes) -> None:
    try:
        os.setxattr(path, f"system.posix_acl_{name}", value)
    except OSError as error:
        pytest.skip(f"the file system of the tests has no ACLs: {error}")


def test_a_new_file_inherits_what_the_kernel_would_have_given(house: House) -> None:
    (house.root / "d").mkdir()
    set_acl(house.root / "d", "default", GIVEN)
    fd = os.open(house.root / "d" / "kernel", os.O_CREAT | os.O_WRONLY, 0o666)
    os.close(fd)
    house.put("/d/ours", b"x")
    kernel, ours = (house.root / "d" / name for name in ("kernel", "ours"))
    assert os.getxattr(ours, "system.posix_acl_access") == os.getxattr(kernel, "system.posix_acl_access")
    assert mode_of(ours) == mode_of(kernel)
    house.put("/d/private", b"x", mode=0o600)
    assert mode_of(house.root / "d" / "private") == 0o600


def test_the_acl_of_a_replaced_file_stays_and_none_is_left_over(house: House) -> None:
    house.put("/a", b"old")
    set_acl(house.root / "a", "access", GIVEN)
    house.put("/a", b"new")
    assert os.getxattr(house.root / "a", "system.posix_acl_access") == GIVEN
    part = house.begin("/b", b"x")
    os.setxattr(part.fd, "system.posix_acl_access", GIVEN)
    house.publish(part)
    with pytest.raises(OSError):
        os.getxattr(house.root / "b", "system.posix_acl_access")


def test_narrowing_without_a_mask_narrows_the_group() -> None:
    given = acl((1, 7, NOBODY), (4, 7, NOBODY), (0x20, 7, NOBODY))
    assert narrowed(given, 0o640) == acl((1, 6, NOBODY), (4, 4, NOBODY), (0x20, 0, NOBODY))


def test_an_append_to_what_was_replaced_meanwhile_is_refused(house: House) -> None:
    house.put("/a", b"one")
    part = write(house.store.append(house.at("/a")), b"+")
    house.put("/a", b"two", owner="bob")
    with refused(Kind.BUSY):
        house.publish(part)
    house.store.release(part, keep=True)
    assert (house.root / "a").read_bytes() == b"two"


def test_fsync_covers_data_before_the_rename_and_the_directory_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(tmp_path, StorageConfig(durability=Durability.FSYNC))
    seen: list[tuple[str, bool]] = []
    real = os.fsync

    def fsync(fd: int) -> None:
        kind = "directory" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file"
        seen.append((kind, (tmp_path / "a").exists()))
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    house.put("/a", b"data")
    assert seen[0] == ("file", False)
    assert seen[-1] == ("directory", True)


def test_syncs_of_one_directory_are_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the directory is being synced for the first, the others come; one sync more is enough for all of them."""
    house = House(tmp_path, StorageConfig(durability=Durability.FSYNC))
    parts = [house.begin(f"/{number}", b"x") for number in range(6)]
    arrived, go, count, real = threading.Event(), threading.Event(), [0], os.fsync

    def fsync(fd: int) -> None:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            count[0] += 1
            arrived.set()
            assert go.wait(30)
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    threads = [threading.Thread(target=house.publish, args=(part,)) for part in parts]
    threads[0].start()
    assert arrived.wait(30)
    for thread in threads[1:]:
        thread.start()
    group = house.store._names._group
    end = time.monotonic() + 30
    while sum(directory.waiting for directory in group._directories.values()) < 6:
        assert time.monotonic() < end
        os.sched_yield()
    go.set()
    for thread in threads:
        thread.join(30)
    assert count == [2]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".ftlite", *"012345"]
    house.close()


def test_many_threads_publish_one_name(house: House) -> None:
    contents = [bytes([65 + number]) * 5000 for number in range(8)]
    seen: set[bytes] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            with house.store.read(house.at("/a")) as source:
                seen.add(os.pread(source.fd, 10000, 0))

    def put(data: bytes) -> None:
        for _ in range(10):
            house.put("/a", data, owner=f"user{data[0]}")

    house.put("/a", b"first")
    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=put, args=(data,)) for data in contents]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert seen <= {b"first", *contents}
    assert (house.root / "a").read_bytes() in contents
    assert house.parts() == []


@pytest.mark.parametrize("old_kernel", [False, True])
def test_of_many_that_may_not_replace_one_wins(house: House, monkeypatch: pytest.MonkeyPatch, old_kernel: bool) -> None:
    if old_kernel:
        monkeypatch.setattr(syscalls, "_LIBC", object())
    outcomes: list[str] = []

    def put(number: int) -> None:
        part = house.begin("/a", b"%d" % number, owner=f"user{number}")
        try:
            house.publish(part, replace=False)
            outcomes.append("won")
        except StorageError as error:
            outcomes.append(error.kind.value)
            house.store.release(part, keep=False)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["exists"] * 7 + ["won"]
    assert house.parts() == []
    assert (house.root / "a").stat().st_nlink == 1
