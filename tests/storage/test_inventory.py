from __future__ import annotations

import array
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ftlite.storage import inventory as inventories
from ftlite.storage.errors import Kind
from ftlite.storage.inventory import Inventory, files_of, inventory
from ftlite.storage.syscalls import born
from tests.descriptors import no_descriptor_leaks
from tests.storage.places import refused


@pytest.fixture
def top(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


def strangers(top: int, known: Inventory) -> list[bytes]:
    return sorted(found.path for found in files_of(top, "/t") if not known.has(found))


def test_it_finds_files_links_and_all_but_directories(tmp_path: Path, top: int) -> None:
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "d" / "e" / "f").write_bytes(b"")
    (tmp_path / "l").symlink_to("d")
    os.mkfifo(tmp_path / "d" / "p")
    (tmp_path / ".ftlite-part-x").write_bytes(b"")
    with no_descriptor_leaks():
        assert sorted(found.path for found in files_of(top, "/t")) == [b"d/e/f", b"d/p", b"l"]


def test_what_comes_later_is_not_in_it(tmp_path: Path, top: int) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(b"")
    known = inventory(files_of(top, "/t"), time.time_ns())
    assert strangers(top, known) == []
    (tmp_path / "new").write_bytes(b"")
    (tmp_path / "other").write_bytes(b"")
    (tmp_path / "other").rename(tmp_path / "b")
    (tmp_path / "c").rename(tmp_path / "d")
    assert strangers(top, known) == [b"b", b"d", b"new"]


def test_an_inode_that_was_given_again_tells_by_its_birth(tmp_path: Path, top: int) -> None:
    (tmp_path / "a").write_bytes(b"")
    birth = born(top, b"a")
    if not birth:
        pytest.skip("this file system does not tell when a file was born")
    tokens = inventory(files_of(top, "/t"), 0).tokens
    assert strangers(top, Inventory(birth, tokens)) == []
    assert strangers(top, Inventory(birth - 1, tokens)) == [b"a"]
    (tmp_path / "a").chmod(0o600)  # changed since, but not born since
    assert strangers(top, Inventory(birth, tokens)) == []


def test_too_many_to_tell(tmp_path: Path, top: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventories, "MOST", 2)
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"")
    two = inventory(files_of(top, "/t"), 5)
    assert two.tokens is not None
    assert two.joined(two).tokens is None
    (tmp_path / "c").write_bytes(b"")
    assert inventory(files_of(top, "/t"), 5).tokens is None
    assert strangers(top, inventory(files_of(top, "/t"), 5)) == []


def test_what_is_in_either() -> None:
    one, other = Inventory(3, array.array("Q", [1, 5])), Inventory(4, array.array("Q", [2, 5]))
    both = one.joined(other)
    assert (both.made, list(both.tokens or [])) == (4, [1, 2, 5])
    assert one.joined(Inventory(9, None)).tokens is None


def test_too_deep_is_refused(tmp_path: Path, top: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventories, "_DEEPEST", 3)
    (tmp_path / "a" / "b" / "c" / "d").mkdir(parents=True)
    with no_descriptor_leaks(), refused(Kind.UNSUPPORTED):
        list(files_of(top, "/t"))


def test_a_mount_is_not_entered(tmp_path: Path, top: int, mount: Callable[..., None]) -> None:
    (tmp_path / "d").mkdir()
    mount(tmp_path / "d" / "m", "-t", "tmpfs", "tmpfs")
    with no_descriptor_leaks(), refused(Kind.BUSY) as caught:
        list(files_of(top, "/t"))
    assert "d/m" in caught.value.reason
