"""mirror with vsftpd, ProFTPD, Pure-FTPd, pyftpdlib and, in both dialects, ourselves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.interop.conftest import Serve
from tests.interop.deeds import content, plant_tree, read_tree, stored
from tests.interop.faces import Command
from tests.interop.tools import PATIENCE
from tests.peers.servers import SERVERS, Running, Tls

pytestmark = pytest.mark.interop

OURS = {f"ftlite {dialect}": dialect for dialect in ("stock", "native")}
SERVER = pytest.mark.parametrize("server", [*(name for name in SERVERS if name != "ftlite"), *OURS])
AGES_AGO = 1_500_000_000


class Mirror:
    """Runs the command and gives its events."""

    def __init__(self, server: Running, scratch: Path) -> None:
        self.server = server
        self.command = Command(scratch)

    def at(self, remote: str) -> str:
        return self.command.address(self.server, remote)

    def start(self, *words: str) -> subprocess.Popen[str]:
        return self.command.start(self.server, "mirror", "--json", "-P", "3", *words)

    def __call__(self, *words: str, code: int = 0) -> list[dict[str, Any]]:
        process = self.start(*words)
        told, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == code, (told, said)
        return [json.loads(line) for line in told.splitlines()]

    def finds_nothing(self, *words: str) -> None:
        """And says so."""
        *_, summary = self(*words, "--exit-unchanged", code=12)
        assert (summary["done"], summary["failed"]) == (0, 0)


def aged(top: Path) -> None:
    """Give all files times of their own, long ago."""
    for number, path in enumerate(sorted(top.rglob("*"))):
        if path.is_file():
            os.utime(path, (AGES_AGO + number, AGES_AGO + number))


@SERVER
def test_there_and_back(server: str, serve: Serve, tmp_path: Path) -> None:
    place = serve(server, Tls.OFF)
    mirror = Mirror(place.server, tmp_path)
    source, back = tmp_path / "source", tmp_path / "back"
    plant_tree(source)
    for number in range(20):
        (source / "sub" / f"small {number}").write_bytes(content(str(number))[: number * 10])
    (source / "bare").mkdir()
    aged(source)
    there = mirror.at(place.remote("m"))
    mirror(str(source), there)
    assert read_tree(place.path / "m") == read_tree(source)
    assert (place.path / "m" / "bare").is_dir()
    mirror.finds_nothing(str(source), there)

    (source / "a.txt").write_bytes(b"longer than it was" * 1000)
    changed = content("c")[:299] + b"!"
    (source / "sub/deep/größe.bin").write_bytes(changed)  # as long as before
    (source / "sub/small 3").unlink()
    shutil.rmtree(source / "bare")
    planned = mirror("-n", "--delete", str(source), there)
    assert {(each["path"], each["reason"]) for each in planned if each["event"].startswith("would-")} == {
        ("a.txt", "size"), ("sub/deep/größe.bin", "time"), ("sub/small 3", "extra"), ("bare", "extra"),
    }  # fmt: skip
    done = mirror("--delete", str(source), there)
    told = {(each["path"], each["reason"]) for each in done if "reason" in each}
    assert told == {(each["path"], each["reason"]) for each in planned if "reason" in each}
    assert read_tree(place.path / "m") == read_tree(source)
    assert not (place.path / "m" / "bare").exists()

    mirror(there, str(back))
    assert read_tree(back) == read_tree(source)
    mirror.finds_nothing(there, str(back))
    mirror.finds_nothing("--checksum", there, str(back))
    os.utime(back / "a.txt", (AGES_AGO, AGES_AGO))
    (back / "sub/small 7").write_bytes(b"x" * (back / "sub/small 7").stat().st_size)
    *_, summary = mirror("--checksum", there, str(back))
    assert summary["done"] == 2
    assert read_tree(back) == read_tree(source)
    mirror.finds_nothing(there, str(back))


@SERVER
def test_between_two_places_of_one_server(server: str, serve: Serve, tmp_path: Path) -> None:
    place = serve(server, Tls.EXPLICIT)
    mirror = Mirror(place.server, tmp_path)
    source = tmp_path / "source"
    plant_tree(source)
    aged(source)
    mirror(str(source), mirror.at(place.remote("one")))
    mirror(mirror.at(place.remote("one")), mirror.at(place.remote("two")))
    assert read_tree(place.path / "two") == read_tree(source)
    mirror.finds_nothing(mirror.at(place.remote("one")), mirror.at(place.remote("two")))


@SERVER
def test_one_that_was_killed_is_gone_on_with(server: str, serve: Serve, tmp_path: Path) -> None:
    place = serve(server, Tls.OFF)
    mirror = Mirror(place.server, tmp_path)
    source, back = tmp_path / "source", tmp_path / "back"
    plant_tree(source)
    for number in range(4):
        (source / f"large {number}").write_bytes(os.urandom(3 << 20))
    aged(source)
    there = mirror.at(place.remote("m"))
    _killed(mirror, place.path, str(source), there)
    mirror(str(source), there)
    assert read_tree(place.path / "m") == read_tree(source)
    back.mkdir()
    _killed(mirror, back, there, str(back))
    mirror(there, str(back))
    assert read_tree(back) == read_tree(source)
    mirror.finds_nothing(there, str(back))


def _killed(mirror: Mirror, where: Path, *words: str) -> None:
    """A slow mirror, killed when some of it stands."""
    before = stored(where)
    process = mirror.start("--limit-rate", "3M", *words)
    deadline = time.monotonic() + PATIENCE
    while stored(where) - before < 1 << 20:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.communicate()
