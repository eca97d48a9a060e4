"""kill -9, of the server under uploads and of the client under downloads."""

from __future__ import annotations

import contextlib
import ftplib
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Ftlite, clean_environment
from tests.faults.support import get, parts, put, reset, served, session, settled, until
from tests.peers.servers import Running

UPLOADS = 51
A_LIFE = 3  #: uploads begun while one server lives
GONE = (OSError, EOFError, ftplib.Error)


def content(number: int) -> bytes:
    """Tells its number in every place, and has a length of its own."""
    return b"%08d" % number * (60_000 + 1_000 * number)


def number_of(data: bytes) -> int:
    """Which content this is, whole; AssertionError for a mixture or a piece."""
    number = int(data[:8])
    assert data == content(number), f"{len(data)} bytes that begin as number {number}"
    return number


class Readers:
    """Threads that read one file again and again; `seen` are the contents, `failure` is what was not one."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.failure: BaseException | None = None
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def add(self, read: Callable[[], bytes]) -> None:
        self._threads.append(threading.Thread(target=self._run, args=(read,)))
        self._threads[-1].start()

    def _run(self, read: Callable[[], bytes]) -> None:
        try:
            while not self._stop.wait(0.002):
                self.seen.append(number_of(read()))
        except BaseException as error:
            self.failure = error

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@contextlib.contextmanager
def reading(*reads: Callable[[], bytes]) -> Iterator[Readers]:
    readers = Readers()
    for read in reads:
        readers.add(read)
    try:
        yield readers
    finally:
        readers.stop()


@pytest.mark.slow
def test_whenever_the_server_is_killed_readers_see_old_or_new(tmp_path: Path) -> None:
    """51 overwriting uploads, 17 servers killed under them; one reader at the disk, one at a second server."""
    chance = random.Random(2026)
    root = tmp_path / "root"
    root.mkdir()
    target = root / "file"
    target.write_bytes(content(0))
    acknowledged, killed, taken = [0], 0, 0.005
    with served(root) as other, session(other) as ftp:
        with reading(target.read_bytes, lambda: get(ftp, "file")) as readers:
            for life in range(UPLOADS // A_LIFE):
                with served(root) as server, session(server) as writer:
                    # Before, within, between and after uploads, however long they take on this machine now.
                    after, delay = chance.randrange(A_LIFE), chance.uniform(0, 1.2)
                    killer: threading.Timer | None = None
                    try:
                        for number in range(life * A_LIFE + 1, life * A_LIFE + A_LIFE + 1):
                            if number % A_LIFE == (after + 1) % A_LIFE:
                                killer = threading.Timer(delay * taken, os.kill, (server.pid, signal.SIGKILL))
                                killer.start()
                            began = time.monotonic()
                            put(writer, "file", content(number))
                            taken = time.monotonic() - began
                            acknowledged.append(number)
                    except GONE:
                        killed += 1
                    assert killer is not None
                    killer.join()
                    writer.close()
                assert readers.failure is None, readers.failure
                assert acknowledged[-1] <= number_of(target.read_bytes()) <= number
        assert readers.failure is None, readers.failure
        assert ftp.nlst() == ["file"]  # parts are in no listing
        assert all(part.stat().st_size <= len(content(UPLOADS)) for part in parts(root))
        assert len(set(readers.seen)) > 3
        assert len(acknowledged) > 1
        assert killed > 3
        put(ftp, "file", b"whole again")
        assert parts(root) == []  # what the killed ones left was good for nothing else
        assert target.read_bytes() == b"whole again"


@pytest.mark.slow
def test_what_a_killed_server_held_is_resumed_or_swept(tmp_path: Path) -> None:
    root = tmp_path / "root"
    data = random.Random(3).randbytes(2_000_000)
    with served(root) as server, session(server) as ftp:
        connection = ftp.transfercmd("STOR file")
        connection.sendall(data[:1_000_000])
        until(lambda: [part.stat().st_size for part in parts(root)] == [1_000_000], "the part")
        os.kill(server.pid, signal.SIGKILL)
        ftp.close()
        connection.close()
    with served(root) as server, session(server) as ftp:
        assert ftp.nlst() == []
        ftp.voidcmd("TYPE I")  # nlst has chosen A
        assert ftp.size("file") == 1_000_000
        assert put(ftp, "file", data[1_000_000:], rest=1_000_000).startswith("226")
        assert (root / "file").read_bytes() == data
        assert parts(root) == []
        connection = ftp.transfercmd("STOR other")
        connection.sendall(data[:200_000])
        until(lambda: any(part.stat().st_size for part in parts(root)), "the part")
        os.kill(server.pid, signal.SIGKILL)
        ftp.close()
        connection.close()
    born = parts(root)[0].stat().st_ctime
    until(lambda: time.time() > born + 1.1, "a second")
    with served(root, settings="[storage]\npart_age = 1\n") as server, session(server):
        until(lambda: parts(root) == [], "the sweep at the start")


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["stock", "native"])
@pytest.mark.parametrize("command", ["get", "put"])
def test_a_killed_client_leaves_no_name_and_resumes(
    tmp_path: Path, ftlite: Ftlite, monkeypatch: pytest.MonkeyPatch, command: str, dialect: str
) -> None:
    monkeypatch.setenv("FTLITE_DIALECT", dialect)
    data = random.Random(4).randbytes(4_000_000)
    with served(tmp_path / "root") as server:
        url = f"ftp://{server.user}@127.0.0.1:{server.port}/file"
        source = (server.root if command == "get" else Path().absolute()) / "file"
        target = (Path().absolute() if command == "get" else server.root) / "file"
        source.write_bytes(data)
        words = [command, "--tls", "off", "--limit-rate", "1M"] + ([url] if command == "get" else ["file", url])
        environment = {**clean_environment(tmp_path), "FTLITE_PASSWORD": server.password, "FTLITE_DIALECT": dialect}
        client = subprocess.Popen([sys.executable, "-m", "ftlite", *words], env=environment)
        until(lambda: _growing(server, command) > 300_000, "the part")
        client.kill()
        client.wait()
        settled(server)
        assert not target.exists()
        left = _growing(server, command)
        monkeypatch.setenv("FTLITE_PASSWORD", server.password)
        again = ftlite(command, "-c", "--json", *words[1:3], *words[5:])
        assert again.code == 0, again
        assert json.loads(again.out.splitlines()[0])["bytes"] == len(data) - left
        assert target.read_bytes() == data
        assert parts(server.root) == []
        assert [name for name in os.listdir() if re.search("part", name)] == []


def test_a_part_that_has_every_byte_is_published_by_the_resume(
    tmp_path: Path, ftlite: Ftlite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIZE tells its owner the whole length, and still nothing stands under the name."""
    monkeypatch.setenv("FTLITE_DIALECT", "stock")
    data = random.Random(5).randbytes(300_000)
    Path("file").write_bytes(data)
    with served(tmp_path / "root") as server:
        ftp = session(server)
        with ftp.transfercmd("STOR file") as connection:
            connection.sendall(data)
            until(lambda: [part.stat().st_size for part in parts(server.root)] == [len(data)], "the whole part")
            reset(ftp.sock)
            ftp.close()
            settled(server)
        monkeypatch.setenv("FTLITE_PASSWORD", server.password)
        address = f"ftp://{server.user}@127.0.0.1:{server.port}/file"
        again = ftlite("put", "-c", "--tls", "off", "file", address)
        assert again.code == 0, again
        assert (server.root / "file").read_bytes() == data
        assert parts(server.root) == []
        before = (server.root / "file").stat()
        assert ftlite("put", "-c", "--tls", "off", "file", address).code == 0
        assert (server.root / "file").stat().st_ino == before.st_ino  # nothing was left to do


def _growing(server: Running, command: str) -> int:
    found = list(Path().glob(".file.*")) if command == "get" else parts(server.root)
    sizes = [0]
    for part in found:
        with contextlib.suppress(FileNotFoundError):  # what stands beside a part comes and goes
            sizes.append(part.stat().st_size)
    return max(sizes)
