"""What may be read on the loop: cached pages, tmpfs without swap, and nothing else."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ftlite.movers import cached
from ftlite.movers.cached import read_cached


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "f").write_bytes(b"0123456789")
    fd = os.open(tmp_path / "f", os.O_RDONLY)
    yield fd
    os.close(fd)


def never_nowait(_fd: int, _buffers: Any, _offset: int, flags: int = 0) -> int:
    """preadv of a file system that does not know RWF_NOWAIT."""
    if flags:
        raise OSError(errno.EOPNOTSUPP, "not here")
    return _real(_fd, _buffers, _offset)


_real = os.preadv


def test_cached_bytes_are_given(opened: int) -> None:
    assert read_cached(opened, 2, 5) in (b"23456", None)  # None: the file system of this test does not know RWF_NOWAIT
    assert read_cached(opened, 0, 0) == b""


def test_fewer_bytes_than_asked_for_are_none(opened: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "preadv", never_nowait)
    monkeypatch.setattr(cached, "_in_memory", lambda _fd: True)
    assert read_cached(opened, 8, 5) is None


@pytest.mark.parametrize("memory", [True, False])
def test_only_memory_is_read_without_the_kernels_word(
    opened: int, monkeypatch: pytest.MonkeyPatch, memory: bool
) -> None:
    monkeypatch.setattr(os, "preadv", never_nowait)
    monkeypatch.setattr(cached, "_in_memory", lambda _fd: memory)
    assert read_cached(opened, 2, 5) == (b"23456" if memory else None)


def test_a_disk_is_no_memory(opened: int) -> None:
    shm = Path("/dev/shm")
    if os.stat(shm).st_dev != os.fstat(opened).st_dev:
        probe = shm / f"ftlite-test-{os.getpid()}"
        probe.write_bytes(b"x")
        with probe.open("rb") as file:
            assert cached._is_tmpfs(os.fstat(file.fileno()).st_dev, file.fileno())
        probe.unlink()
    pipe = os.pipe()
    assert not cached._is_tmpfs(os.fstat(pipe[0]).st_dev, pipe[0])
    for end in pipe:
        os.close(end)
