"""kill -9, 50 times the server and 50 times the client, under overwritten files and replaced trees, watched by readers.

Every content tells its number in every place and no two have the same length, so a mixture shows, and so does a name
that is missing for a moment.
"""

from __future__ import annotations

import contextlib
import ftplib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio
from attrs import frozen

from ftlite.client import Client, ClientError
from tests.cli.conftest import clean_environment
from tests.faults.native import client_of, left_over
from tests.faults.support import get, pin, served, session, until
from tests.faults.test_kills import content, number_of
from tests.peers.certificate import Certificate
from tests.peers.servers import REPOSITORY, Running

KILLS = 50
_TREE = ("a", "b/c", "b/d", "e")
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY


def make(place: Path, number: int) -> None:
    """`file` and `tree` below `place`, as number `number`."""
    shutil.rmtree(place / "tree", ignore_errors=True)
    (place / "tree" / "b").mkdir(parents=True)
    (place / "file").write_bytes(content(number))
    for index, name in enumerate(_TREE):
        (place / "tree" / name).write_bytes(b"%08d" % number * (20_000 * (index + 1) + number))


def number_of_tree(place: Path) -> int:
    """Which tree stands there, whole.

    It is read below one descriptor, as the tree that the name meant at one moment; when another has taken the name
    meanwhile this one is being removed, and the name is looked up again.
    """
    while True:
        top = os.open(place, _DIRECTORY)
        try:
            number = _number_below(top)
            if number is not None:
                return number
            now, then = os.stat(place), os.fstat(top)
            assert now.st_ino != then.st_ino, "the tree that has the name is not whole"
        finally:
            os.close(top)


def _number_below(top: int) -> int | None:
    """None: something is missing, or not as the rest."""
    found: set[int] = set()
    try:
        if (sorted(os.listdir(top)), sorted(_names(top, "b"))) != (["a", "b", "e"], ["c", "d"]):
            return None
        for index, name in enumerate(_TREE):
            fd = os.open(name, os.O_RDONLY, dir_fd=top)
            with open(fd, "rb") as file:
                data = file.read()
            number = int(data[:8] or b"-1")
            if data != b"%08d" % number * (20_000 * (index + 1) + number):
                return None
            found.add(number)
    except FileNotFoundError:
        return None
    return found.pop() if len(found) == 1 else None


def _names(top: int, name: str) -> list[str]:
    fd = os.open(name, _DIRECTORY, dir_fd=top)
    try:
        return os.listdir(fd)
    finally:
        os.close(fd)


class Onlookers:
    """Threads that look again and again; `seen` are the numbers, `failure` is what was none."""

    def __init__(self, *looks: Callable[[], int]) -> None:
        self.seen: set[int] = set()
        self.failure: BaseException | None = None
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(look,)) for look in looks]

    def _run(self, look: Callable[[], int]) -> None:
        try:
            while not self._stop.wait(0.03):
                self.seen.add(look())
        except BaseException as error:
            self.failure = error

    def __enter__(self) -> Onlookers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def saw_nothing_else(self) -> None:
        """Every look found one of the contents, whole."""
        if self.failure is not None:
            raise AssertionError(f"{self.failure!r}") from self.failure


@contextlib.contextmanager
def watched(root: Path, ftp: ftplib.FTP | None = None) -> Iterator[Onlookers]:
    """Onlookers at the file, on disk and by stock GET, and at the tree."""
    looks = [lambda: number_of((root / "file").read_bytes()), lambda: number_of_tree(root / "tree")]
    if ftp is not None:
        looks.append(lambda: number_of(get(ftp, "file")))
    with Onlookers(*looks) as onlookers:
        yield onlookers
    onlookers.saw_nothing_else()


async def send(client: Client, work: Path) -> list[ClientError]:
    """File and tree at once, over one session; how they failed."""
    errors: list[ClientError] = []

    async def one(kind: str) -> None:
        try:
            if kind == "file":
                await client.put(work / "file", "file")
            else:
                await client.put_tree(work / "tree", "tree", replace=True)
        except ClientError as error:
            errors.append(error)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(one, "file")
        nursery.start_soon(one, "tree")
    return errors


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_whenever_the_server_is_killed_readers_see_old_or_new(tmp_path: Path, certificate: Certificate) -> None:
    """Readers at the disk and at a second server. Each server first gets what the one before it may not have done."""
    chance = random.Random(2027)
    root, work = tmp_path / "root", tmp_path / "work"
    work.mkdir()
    make(work, 0)
    interrupted = 0
    with served(root) as other:
        async with client_of(other, other.host, other.port) as client:
            assert await send(client, work) == []
        with session(other) as ftp, watched(root, ftp) as onlookers:
            for number in range(KILLS + 1):
                with served(root, certificate if number % 2 else None) as server:
                    async with client_of(server, server.host, server.port) as client:
                        began = time.monotonic()
                        assert await send(client, work) == []
                        taken = time.monotonic() - began
                        assert number_of((root / "file").read_bytes()) == number_of_tree(root / "tree") == number
                        if number == KILLS:
                            break
                        make(work, number + 1)
                        delay = chance.uniform(0, 1.2) * taken
                        killer = threading.Timer(delay, os.kill, (server.pid, signal.SIGKILL))
                        killer.start()
                        interrupted += bool(await send(client, work))
                        killer.join()
                assert number_of((root / "file").read_bytes()) in (number, number + 1)
                assert number_of_tree(root / "tree") in (number, number + 1)
                onlookers.saw_nothing_else()
        assert len(onlookers.seen) > 20
        assert interrupted > 10
    until(lambda: left_over(root) == [], "the end of what killed servers left")


@frozen
class _Victim:
    """A client process that is logged in and waits to be told."""

    process: subprocess.Popen[str]

    def begin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def kill(self) -> bool:
        """Whether it was not done yet."""
        self.process.kill()
        said, _ = self.process.communicate()
        return "done" not in said


@contextlib.contextmanager
def victim(server: Running, kind: str, work: Path) -> Iterator[_Victim]:
    """A process that will move the file, or the tree, of `work` or to there."""
    name = "tree" if "tree" in kind else "file"
    source, target = (str(work / name), name) if kind.startswith("put") else (name, str(work / name))
    trust = "-" if server.certificate is None else pin(server)
    words = ["-m", "tests.faults.native_client", server.host, str(server.port), trust, kind, source, target]
    environment = {**clean_environment(work), "FTLITE_USER": server.user, "FTLITE_PASSWORD": server.password}
    process = subprocess.Popen(
        [sys.executable, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        cwd=REPOSITORY,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield _Victim(process)
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
async def test_whenever_a_client_is_killed_readers_see_old_or_new(
    tmp_path: Path, certificate: Certificate, tls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """25 killed clients each, files and trees by turns; the same again by another process ends well."""
    monkeypatch.setattr("ftlite.client.retry._FIRST", 0.02)
    chance = random.Random(f"clients {tls}")
    root, work = tmp_path / "root", tmp_path / "work"
    work.mkdir()
    make(work, 0)
    interrupted = 0
    taken = 0.1
    with served(root, certificate if tls else None) as server:
        async with client_of(server, server.host, server.port, retries=9) as client:
            assert await send(client, work) == []
            with session(server) as ftp, watched(root, ftp) as onlookers:
                for number in range(1, KILLS // 2 + 1):
                    kind = "put" if number % 2 else "put-tree"
                    make(work, number)
                    with victim(server, kind, work) as doomed:
                        doomed.begin()
                        await trio.sleep(chance.uniform(0, 1.2) * taken)
                        interrupted += doomed.kill()
                    assert number_of((root / "file").read_bytes()) in (number - 1, number)
                    assert number_of_tree(root / "tree") in (number - 1, number)
                    began = time.monotonic()
                    assert await send(client, work) == []
                    taken = min(1.0, time.monotonic() - began)
                    assert number_of((root / "file").read_bytes()) == number_of_tree(root / "tree") == number
                    onlookers.saw_nothing_else()
        assert len(onlookers.seen) > 10
        assert interrupted > 5
    assert left_over(root) == []


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_killed_download_leaves_old_or_new_on_our_own_disk(tmp_path: Path) -> None:
    chance = random.Random("downloads")
    work = tmp_path / "work"
    work.mkdir()
    interrupted, taken = 0, 0.1
    with served(tmp_path / "root") as server:
        make(server.root, 0)
        make(work, 0)
        async with client_of(server, server.host, server.port) as client:
            with watched(work) as onlookers:
                for number in range(1, 17):
                    make(server.root, number)
                    with victim(server, "get" if number % 2 else "get-tree", work) as doomed:
                        doomed.begin()
                        await trio.sleep(chance.uniform(0, 1.2) * taken)
                        interrupted += doomed.kill()
                    assert number_of((work / "file").read_bytes()) in (number - 1, number)
                    assert number_of_tree(work / "tree") in (number - 1, number)
                    began = time.monotonic()
                    await client.get("file", work / "file")
                    await client.get_tree("tree", work / "tree", replace=True)
                    taken = min(1.0, time.monotonic() - began)
                    assert number_of((work / "file").read_bytes()) == number_of_tree(work / "tree") == number
                    onlookers.saw_nothing_else()
        assert interrupted > 2
    assert sorted(os.listdir(work)) == ["file", "tree"]
