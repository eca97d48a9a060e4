"""The memory of a client does not grow with its trees: measured in a process of its own, by the kernel."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Served, start

_LARGE = 128 << 20  # octets of one file, which is mostly a hole
_MANY = 30_000  # files in one directory
_MOST = {"large": 40, "many": 20}  # MiB more than a client that has moved a small tree

_CLIENT = """
import sys
from pathlib import Path
import trio
from ftlite import connect
from ftlite.client.native import treework

treework._FAR = 3600.0  # a loaded machine is no long way: a hole that is packed is more than a server unpacks

def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) // 1024

async def main(port, password, pin, place):
    async with connect(f"ftp://ftlite@127.0.0.1:{port}/", password=password, pin=pin, dialect="native") as client:
        async def move(name):
            await client.put_tree(place / name, name)
            await client.get_tree(name, place / f"{name}-back", on_file=lambda _: None)
            assert (await client.get_tree(name, place / f"{name}-back")).same
            assert (await client.put_tree(place / name, name)).same
        await move("small")
        before = peak()
        for name in ("large", "many"):
            await move(name)
            print(name, peak() - before, flush=True)

trio.run(main, *sys.argv[1:4], Path(sys.argv[4]))
"""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "home").mkdir()
    server = start(tmp_path / "home")
    yield server
    assert server.stop() == 0


def test_memory_stays_flat(served: Served, tmp_path: Path) -> None:
    for name in ("small", "large", "many"):
        (tmp_path / name).mkdir()
    (tmp_path / "small/file").write_bytes(bytes(1 << 20))
    with (tmp_path / "large/file").open("wb") as file:
        file.truncate(_LARGE)
    for number in range(_MANY):
        (tmp_path / f"many/{number:06}").touch()
    facts = [str(served.port), served.fact("password") or "", served.fact("pin") or ""]
    command = [sys.executable, "-c", _CLIENT, *facts, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    grown = {name: int(megabytes) for name, megabytes in map(str.split, done.stdout.splitlines())}
    assert set(grown) == {"large", "many"}
    assert all(megabytes < _MOST[name] for name, megabytes in grown.items()), grown
    assert (tmp_path / "large-back/file").stat().st_size == _LARGE
    assert len(list((tmp_path / "many-back").iterdir())) == _MANY
