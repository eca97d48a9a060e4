"""Directories are synced in groups: nobody returns before a sync that began after they came."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ftlite.storage.grouped import GroupSync


@pytest.fixture
def fds(tmp_path: Path) -> Iterator[list[int]]:
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made.append(os.open(tmp_path / name, os.O_PATH | os.O_DIRECTORY))
    yield made
    for fd in made:
        os.close(fd)


class Slow:
    """A sync that goes on when it is told to, and fails when it is told to."""

    def __init__(self) -> None:
        self.running = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.error: OSError | None = None
        self.count = 0

    def __call__(self, fd: int) -> None:
        self.count += 1
        error = self.error
        self.running.release()
        assert self.go.acquire(timeout=30)
        if error is not None:
            raise error


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        os.sched_yield()


def start(group: GroupSync, fd: int, outcomes: list[object]) -> threading.Thread:
    def run() -> None:
        try:
            group.sync(fd)
            outcomes.append("done")
        except OSError as error:
            outcomes.append(error.errno)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def waiting(group: GroupSync) -> int:
    return sum(directory.waiting for directory in group._directories.values())


def test_alone_it_is_one_sync(fds: list[int]) -> None:
    seen: list[int] = []
    group = GroupSync(seen.append)
    group.sync(fds[0])
    group.sync(fds[0])
    assert seen == [fds[0]] * 2
    assert group._directories == {}


def test_who_comes_meanwhile_shares_the_next(fds: list[int]) -> None:
    slow = Slow()
    group = GroupSync(slow)
    outcomes: list[object] = []
    threads = [start(group, fds[0], outcomes)]
    assert slow.running.acquire(timeout=30)
    threads += [start(group, fds[0], outcomes) for _ in range(7)]
    until(lambda: waiting(group) == 8)
    slow.go.release()
    assert slow.running.acquire(timeout=30)
    until(lambda: len(outcomes) == 1)
    assert waiting(group) == 7, "the one that ran already had begun before they came"
    slow.go.release()
    for thread in threads:
        thread.join(30)
    assert outcomes == ["done"] * 8
    assert slow.count == 2
    assert group._directories == {}


def test_directories_do_not_wait_for_each_other(fds: list[int]) -> None:
    slow = Slow()
    group = GroupSync(lambda fd: slow(fd) if fd == fds[0] else None)
    thread = start(group, fds[0], [])
    assert slow.running.acquire(timeout=30)
    group.sync(fds[1])
    slow.go.release()
    thread.join(30)


def test_a_failure_is_told_to_all_who_shared_it_and_to_nobody_else(fds: list[int]) -> None:
    slow = Slow()
    group = GroupSync(slow)
    outcomes: list[object] = []
    first = start(group, fds[0], outcomes)
    assert slow.running.acquire(timeout=30)
    slow.error = OSError(5, "Input/output error")
    shared = [start(group, fds[0], outcomes) for _ in range(3)]
    until(lambda: waiting(group) == 4)
    slow.go.release()
    assert slow.running.acquire(timeout=30)
    slow.error = None
    until(lambda: outcomes == ["done"])
    later = start(group, fds[0], outcomes)
    until(lambda: waiting(group) == 4)
    slow.go.release()
    assert slow.running.acquire(timeout=30)
    slow.go.release()
    for thread in (first, *shared, later):
        thread.join(30)
    assert sorted(outcomes, key=str) == [5, 5, 5, "done", "done"]
    assert group._directories == {}


def test_nobody_returns_before_a_sync_that_began_after_they_came(fds: list[int]) -> None:
    """Many threads stamp before they sync; each sync notes which stamps it covers."""
    stamps: set[int] = set()
    covered: set[int] = set()
    missed: list[int] = []

    def sync(_fd: int) -> None:
        covers = set(stamps)
        os.sched_yield()
        covered.update(covers)

    group = GroupSync(sync)

    def work(number: int) -> None:
        for step in range(200):
            stamp = number * 1000 + step
            stamps.add(stamp)
            group.sync(fds[0])
            if stamp not in covered:
                missed.append(stamp)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert missed == []
