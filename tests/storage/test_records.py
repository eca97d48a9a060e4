from __future__ import annotations

import array
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftlite.storage import records as module
from ftlite.storage.hidden import Hidden
from ftlite.storage.inventory import Inventory
from ftlite.storage.records import Key, Record, Records
from ftlite.storage.syscalls import born


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


def made(root: int, name: bytes, *tokens: int) -> tuple[Key, Record]:
    """A directory and its record."""
    os.mkdir(name, dir_fd=root)
    facts = os.stat(name, dir_fd=root)
    put = Inventory(7, array.array("Q", tokens))
    return (facts.st_dev, facts.st_ino), Record("ab", "sha256", 3, 4, born(root, name), name, put)


def kept(tmp_path: Path) -> list[Path]:
    return list((tmp_path / ".ftlite" / "published").iterdir())


def test_what_is_written_is_read(root: int) -> None:
    records = Records(Hidden(root))
    key, record = made(root, b"t\xff", 1, 5, 2**64 - 1)
    assert records.read(root, b"t\xff") is None
    records.write(key, record)
    found = records.read(root, b"t\xff", whole=True)
    assert found is not None
    assert (found.digest, found.entries, found.size, found.real) == ("ab", 3, 4, b"t\xff")
    assert (found.put.made, found.put.tokens) == (7, record.put.tokens)
    head = records.read(root, b"t\xff")
    assert head is not None
    assert head.put.tokens == array.array("Q")
    records.write(key, evolve(record, put=Inventory(8, None)))
    found = records.read(root, b"t\xff", whole=True)
    assert found is not None
    assert found.put.tokens is None
    records.remove(key)
    assert records.read(root, b"t\xff") is None
    records.remove(key)


def test_another_directory_with_the_same_inode_has_none(root: int) -> None:
    records = Records(Hidden(root))
    key, record = made(root, b"t")
    records.write(key, evolve(record, born=record.born + 1))
    assert records.read(root, b"t") is None


def test_files_and_links_have_none(root: int) -> None:
    records = Records(Hidden(root))
    key, record = made(root, b"t")
    records.write(key, record)
    os.symlink(b"t", b"l", dir_fd=root)
    assert records.read(root, b"l") is None
    assert records.read(root, b"nothing") is None


@given(st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
def test_garbage_is_no_record(root: int, tmp_path: Path, data: bytes) -> None:
    records = Records(Hidden(root))
    if not (tmp_path / "t").exists():
        records.write(*made(root, b"t"))
    (path,) = kept(tmp_path)
    path.write_bytes(data)
    assert records.read(root, b"t", whole=True) is None


def test_a_torn_record_is_none(root: int, tmp_path: Path) -> None:
    records = Records(Hidden(root))
    records.write(*made(root, b"t", 1, 2, 3))
    (path,) = kept(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    assert records.read(root, b"t", whole=True) is None
    path.write_bytes(whole[:20])
    assert records.read(root, b"t") is None


def test_sweeping_removes_what_was_half_written(root: int, tmp_path: Path) -> None:
    records = Records(Hidden(root))
    records.sweep(time.time(), 10)
    records.write(*made(root, b"t"))
    half = tmp_path / ".ftlite" / "published" / "0123.new"
    half.write_bytes(b"{")
    records.sweep(time.time(), 10)
    assert half.exists()
    records.sweep(time.time() + 100, 10)
    assert not half.exists()
    assert records.read(root, b"t") is not None


def test_another_server_may_sweep_at_the_same_time(
    root: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = Records(Hidden(root))
    for name in (b"one", b"other"):
        records.write(*made(root, name))
    (tmp_path / ".ftlite" / "published" / "0123.new").touch()
    monkeypatch.setattr(module, "_MOST_BYTES", 0)
    real = os.unlink

    def twice(name: bytes, *, dir_fd: int) -> None:
        real(name, dir_fd=dir_fd)
        real(name, dir_fd=dir_fd)

    monkeypatch.setattr(module.os, "unlink", twice)
    records.sweep(time.time() + 100, 10)
    assert kept(tmp_path) == []


def test_beyond_all_measure_those_of_what_is_gone_go_first(
    root: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = Records(Hidden(root))
    for name in (b"old", b"gone", b"new"):
        records.write(*made(root, name, *range(100)))
    os.rmdir(b"gone", dir_fd=root)
    times = {
        path: number for number, path in enumerate(sorted(kept(tmp_path), key=lambda path: path.stat().st_ctime_ns))
    }
    for path, number in times.items():
        os.utime(path, (number, number))
    size = kept(tmp_path)[0].stat().st_size
    monkeypatch.setattr(module, "_MOST_BYTES", 2 * size + 100)
    records.sweep(time.time(), 10)
    assert len(kept(tmp_path)) == 2
    assert records.read(root, b"old") is not None
    monkeypatch.setattr(module, "_MOST_BYTES", size + 100)
    records.sweep(time.time(), 10)
    assert records.read(root, b"old") is None
    assert records.read(root, b"new") is not None


def test_where_nothing_can_be_kept_there_is_none(root: int, tmp_path: Path) -> None:
    (tmp_path / ".ftlite").write_bytes(b"in the way")
    records = Records(Hidden(root))
    records.write(*made(root, b"t"))
    assert records.read(root, b"t") is None
    records.sweep(time.time(), 10)
