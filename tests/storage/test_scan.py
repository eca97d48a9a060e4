from __future__ import annotations

import errno
import os
import pwd
from pathlib import Path

import pytest

from ftlite.config.models import StorageConfig
from ftlite.protocol.entries import Kind as What
from ftlite.storage import read, scan, syscalls
from ftlite.storage.errors import Kind, StorageError, WouldBlock
from ftlite.storage.local import LocalStore
from tests.storage.places import House, refused


def test_a_listing_is_in_the_order_of_bytes_and_says_what_is_what(house: House) -> None:
    house.put("/b", b"12345", modify_ns=1_500_000_000_000_000_000, mode=0o640)
    house.put("/\udcff", b"")
    house.put("/ä", b"")
    (house.root / "B").mkdir()
    os.mkfifo(house.root / "pipe")
    (house.root / "link").symlink_to("no/where")
    entries = house.store.scan(house.at("/"), 100)
    assert [entry.name for entry in entries] == ["B", "b", "link", "pipe", "ä", "\udcff"]
    kinds = [What.DIR, What.FILE, What.LINK, What.OTHER, What.FILE, What.FILE]
    assert [entry.kind for entry in entries] == kinds
    file = entries[1]
    assert (file.size, file.modify_ns, file.mode) == (5, 1_500_000_000_000_000_000, 0o640)
    assert file.owner == pwd.getpwuid(os.geteuid()).pw_name
    assert (entries[0].size, entries[2].target) == (None, "no/where")
    assert len({entry.unique for entry in entries}) == len(entries)
    assert [house.store.stat(house.at("/" + entry.name, follow=False)) for entry in entries] == entries


def test_hard_links_share_their_unique_fact(house: House) -> None:
    house.put("/a", b"")
    os.link(house.root / "a", house.root / "b")
    one, two = house.store.scan(house.at("/"), 100)
    assert one.unique == two.unique


def test_hidden_names_are_left_out_and_do_not_count(house: House) -> None:
    for name in (".ftlite", ".ftlite-part-1", ".ftlite-anything", ".ftlitex", ".hidden"):
        (house.root / name).write_bytes(b"")
    assert [entry.name for entry in house.store.scan(house.at("/"), 2)] == [".ftlitex", ".hidden"]


def test_a_listing_has_a_bound(house: House) -> None:
    for number in range(5):
        (house.root / str(number)).touch()
    assert len(house.store.scan(house.at("/"), 5)) == 5
    with refused(Kind.TOO_LARGE):
        house.store.scan(house.at("/"), 4)


def test_what_vanishes_is_left_out_and_what_will_not_tell_has_no_facts(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        (house.root / name).touch()
    real = os.stat

    def stat(name: object, **how: object) -> os.stat_result:
        if name in (b"a", b"b"):
            raise OSError(errno.ENOENT if name == b"a" else errno.EIO, "no")
        return real(name, **how)  # type: ignore[arg-type]

    place = house.at("/")
    monkeypatch.setattr(scan.os, "stat", stat)
    entries = house.store.scan(place, 10)
    monkeypatch.undo()
    assert [(entry.name, entry.kind, entry.mode is None) for entry in entries] == [
        ("b", What.OTHER, True),
        ("c", What.FILE, False),
    ]


def test_only_directories_are_listed(house: House) -> None:
    house.put("/a", b"")
    (house.root / "link").symlink_to("/")
    with refused(Kind.NOT_DIRECTORY):
        house.store.scan(house.at("/a"), 10)
    with refused(Kind.NOT_DIRECTORY):
        house.store.scan(house.at("/link", follow=False), 10)
    with refused(Kind.NOT_FOUND):
        house.store.scan(house.at("/none"), 10)
    with refused(Kind.NOT_FOUND):
        house.store.stat(house.at("/none"))


def test_the_root_itself_has_facts(house: House) -> None:
    assert house.store.stat(house.at("/")).kind is What.DIR


def test_unknown_owners_are_numbers(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = list(os.stat(house.root))
    facts[4] = facts[5] = 3_999_999_999
    entry = scan.entry_of(b"a", os.stat_result(facts))
    assert (entry.owner, entry.group) == ("3999999999", "3999999999")


@pytest.mark.parametrize("nowait", [False, True])
def test_only_plain_files_are_read(house: House, nowait: bool) -> None:
    house.put("/a", b"hello")
    os.mkfifo(house.root / "pipe")
    (house.root / "link").symlink_to("a")
    if nowait:
        try:
            house.store.read(house.at("/a"), nowait=True).close()
        except WouldBlock:
            pytest.skip("this kernel or file system cannot open from its caches alone")
    for path, kind in (("/", Kind.IS_DIRECTORY), ("/pipe", Kind.NOT_PLAIN), ("/link", Kind.NOT_PLAIN)):
        with refused(kind):
            house.store.read(house.at(path, follow=False), nowait=nowait)
    with refused(Kind.NOT_FOUND):
        house.store.read(house.at("/none"), nowait=nowait)
    with house.store.read(house.at("/a"), nowait=nowait) as source:
        assert os.read(source.fd, 10) == b"hello"
        assert source.size == house.store.stat(house.at("/a")).size
        assert not os.get_inheritable(source.fd)
    source.close()
    with pytest.raises(OSError):
        os.fstat(source.fd)


def test_where_the_kernel_cannot_say_nothing_is_tried(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.put("/a", b"hello")

    class Libc:
        @staticmethod
        def syscall(*_arguments: object) -> int:
            syscalls.ctypes.set_errno(errno.ENOSYS)
            return -1

    monkeypatch.setattr(syscalls, "_LIBC", Libc)
    with pytest.raises(WouldBlock):
        house.store.read(house.at("/a"), nowait=True)
    house.store.read(house.at("/a")).close()


def test_a_leased_file_would_block(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.put("/a", b"hello")
    place = house.at("/a")
    real = os.open

    def leased(path: object, flags: int, *rest: object, **how: object) -> int:
        if flags & os.O_NONBLOCK:
            raise BlockingIOError(errno.EWOULDBLOCK, "lease")
        return real(path, flags, *rest, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(read.os, "open", leased)
    with pytest.raises(WouldBlock):
        house.store.read(place, nowait=True)


def test_a_missing_root_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, kind in (("none", Kind.NOT_FOUND), ("file", Kind.NOT_DIRECTORY)):
        with pytest.raises(StorageError) as caught:
            LocalStore(tmp_path / name, StorageConfig())
        assert caught.value.kind is kind
        assert str(tmp_path / name) in str(caught.value)


def test_copies_are_whole_with_and_without_help_of_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = os.urandom(3_000_000)
    (tmp_path / "a").write_bytes(data)
    for refuse in (False, True):
        if refuse:

            def copy_file_range(*_arguments: object) -> int:
                raise OSError(errno.EXDEV, "no")

            monkeypatch.setattr(os, "copy_file_range", copy_file_range)
        with open(tmp_path / "a", "rb") as source, open(tmp_path / "b", "wb") as target:
            assert syscalls.copy_bytes(source.fileno(), target.fileno(), 2_500_000) == 2_500_000
        assert (tmp_path / "b").read_bytes() == data[:2_500_000]
        with open(tmp_path / "a", "rb") as source, open(tmp_path / "b", "wb") as target:
            assert syscalls.copy_bytes(source.fileno(), target.fileno(), 9_000_000) == 3_000_000
        assert (tmp_path / "b").read_bytes() == data
