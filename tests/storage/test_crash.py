"""What stays when the server is killed, the disk is full, or descriptors run out."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from ftlite.storage.errors import Kind, StorageError
from ftlite.storage.native import UploadKey
from tests.descriptors import descriptors
from tests.storage.places import House, refused, sha256, write

_SIZE = 300_000
_CHILD = """
import sys
from pathlib import Path
from tests.storage.places import House, write
house = House(Path(sys.argv[1]))
number = int(sys.argv[2])
print("begun", flush=True)
while True:
    part = house.store.begin(house.at("/a"))
    for _ in range(10):
        write(part, bytes([number % 256]) * (int(sys.argv[3]) // 10))
        part.offset += int(sys.argv[3]) // 10
    house.publish(part, mode=0o600 + number % 2 * 0o044)
    number += 1
"""


def test_whatever_is_killed_when_readers_see_old_or_new(house: House) -> None:
    """A process that overwrites one file without end is killed 12 times, at random moments; the reader is unaware."""
    chance = random.Random(7)
    house.put("/a", bytes([0]) * _SIZE)
    seen = set()
    for life in range(12):
        command = [sys.executable, "-c", _CHILD, str(house.root), str(life * 20), str(_SIZE)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
        assert child.stdout is not None
        assert child.stdout.readline() == b"begun\n"
        for _ in range(chance.randrange(60)):
            with house.store.read(house.at("/a")) as source:
                data = os.pread(source.fd, 2 * _SIZE, 0)
            assert len(data) == _SIZE
            assert data == data[:1] * _SIZE
            seen.add(data[:1])
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
    assert len(seen) > 1
    data = (house.root / "a").read_bytes()
    assert data == data[:1] * _SIZE
    assert all(path.stat().st_size <= _SIZE for path in house.parts())
    house.put("/a", b"free again")
    assert house.parts() == []


_NATIVE = """
import sys
from pathlib import Path
from ftlite.storage.native import UploadKey
from tests.storage.places import House, sha256, write
house = House(Path(sys.argv[1]))
data = bytes(range(256)) * 4000
while True:
    part = house.native("/a", UploadKey(len(data), 5))
    while part.offset < len(data):
        write(part, data[part.offset : part.offset + 8000])
        part.offset = min(part.offset + 8000, len(data))
        part.checkpoint(part.offset, sha256(data[: part.offset]))
        print("checkpoint", flush=True)
    house.publish(part, digests={"SHA-256": sha256(data)}, modify_ns=5)
    house.store.unlink(house.at("/a"))
"""


def test_a_native_upload_goes_on_wherever_it_was_killed(house: House) -> None:
    """Killed 8 times, anywhere: what the journal vouches for stands, and the upload ends as if nothing had been."""
    chance = random.Random(11)
    data = bytes(range(256)) * 4000
    key = UploadKey(len(data), 5)
    offsets = set()
    for _ in range(8):
        command = [sys.executable, "-c", _NATIVE, str(house.root)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
        assert child.stdout is not None
        for _ in range(chance.randrange(1, 120)):
            assert child.stdout.readline() == b"checkpoint\n"
            with suppress(FileNotFoundError):
                assert (house.root / "a").stat().st_size == len(data)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        part = house.native("/a", key)
        stands = os.pread(part.fd, len(data) + 1, 0)
        assert stands == data[: part.offset]
        assert part.prefix == (sha256(stands) if stands else None)
        offsets.add(part.offset)
        part.close()
    assert len(offsets) > 1
    part = house.native("/a", key)
    house.publish(write(part, data[part.offset :]), modify_ns=5)
    assert (house.root / "a").read_bytes() == data
    house.store.sweep(time.time())
    assert (house.parts(), house.journals()) == ([], [])


def test_a_part_outlives_its_process_and_is_free_at_once(house: House) -> None:
    child = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, sys; from pathlib import Path; from tests.storage.places import House\n"
            "house = House(Path(sys.argv[1])); part = house.begin('/b', b'0123')\n"
            "os.kill(os.getpid(), 9)",
            str(house.root),
        ],
        cwd=Path(__file__).parents[2],
    )
    assert child.returncode == -signal.SIGKILL
    assert house.store.part_size(house.at("/b")) == 4
    house.publish(write(house.store.append(house.at("/b")), b"4"))
    assert (house.root / "b").read_bytes() == b"01234"


def test_an_append_that_was_killed_does_not_bar_the_next(house: House) -> None:
    house.put("/b", b"0123")
    child = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, sys; from pathlib import Path; from tests.storage.places import House, write\n"
            "house = House(Path(sys.argv[1])); part = write(house.store.append(house.at('/b')), b'lost')\n"
            "os.kill(os.getpid(), 9)",
            str(house.root),
        ],
        cwd=Path(__file__).parents[2],
    )
    assert child.returncode == -signal.SIGKILL
    house.publish(write(house.store.append(house.at("/b")), b"4"))
    assert (house.root / "b").read_bytes() == b"01234"
    assert house.parts() == []


def test_a_full_disk_leaves_the_old_file_and_no_part(tmp_path: Path, mount: Callable[..., None]) -> None:
    mount(tmp_path / "small", "-t", "tmpfs", "-o", "size=1m", "tmpfs")
    house = House(tmp_path / "small")
    house.put("/a", b"x" * 400_000)
    with refused(Kind.NO_ROOM):
        house.store.begin(house.at("/b"), size=900_000)
    part = house.store.begin(house.at("/b"))
    with pytest.raises(OSError) as caught:
        write(part, b"y" * 2_000_000)
    assert part.failed(caught.value).kind is Kind.NO_ROOM
    house.store.release(part, keep=True)
    assert house.parts() == []
    house.put("/big", b"x" * 500_000)
    with refused(Kind.NO_ROOM):
        house.store.append(house.at("/big"))
    assert house.parts() == []
    assert (house.root / "a").stat().st_size == 400_000
    house.store.unlink(house.at("/big"))
    house.put("/b", b"y" * 400_000)
    house.close()


def test_idle_parts_give_way_when_the_disk_is_full(tmp_path: Path, mount: Callable[..., None]) -> None:
    mount(tmp_path / "small", "-t", "tmpfs", "-o", "size=1m", "tmpfs")
    house = House(tmp_path / "small")
    house.cut("/cut", b"x" * 700_000)
    house.store.release(house.store.begin(house.at("/b"), size=900_000), keep=False)
    assert house.parts() == [], "an announced size makes room"
    house.cut("/cut", b"x" * 700_000)
    live = write(house.store.begin(house.at("/live")), b"y" * 100_000)
    part = house.store.begin(house.at("/b"))
    with pytest.raises(OSError) as caught:
        write(part, b"y" * 900_000)
    part.failed(caught.value)
    house.store.release(part, keep=True)
    assert len(house.parts()) == 1, "and so does an upload that met the full disk; live ones stay"
    house.publish(live)
    house.put("/b", b"y" * 800_000)
    house.close()


def _go_on(house: House, path: str) -> None:
    part = house.native(path, UploadKey(4, 5))
    try:
        write(part, b"0123")
        part.checkpoint(4, sha256(b"0123"))
    finally:
        house.store.release(part, keep=True)


def test_running_out_of_descriptors_leaks_none(house: House) -> None:
    """Each call fails at each descriptor that it wants, until it gets all; none stays open."""
    (house.root / "file").write_bytes(b"12345")
    house.cut("/part", b"0123")
    calls: dict[str, Callable[[str], object]] = {
        "/new": lambda path: house.put(path, b"x"),
        "/file": lambda path: house.store.release(house.store.append(house.at(path)), keep=False),
        "/part": lambda path: house.store.release(house.store.resume(house.at(path), 2), keep=True),
        "/": lambda path: house.store.scan(house.at(path), 10),
        "/native": lambda path: house.publish(house.native(path, UploadKey(0, 5)), digests={"MD5": "0" * 32}),
        "/going-on": lambda path: _go_on(house, path),
        "/failed": lambda path: house.store.fail(house.at(path)),
    }
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for path, call in calls.items():
        call(path)  # gates and modules open on first use
        base = descriptors()
        failures = 0
        for more in range(12):
            spare = os.open("/dev/null", os.O_RDONLY)  # the lowest free number bounds what is left
            os.close(spare)
            resource.setrlimit(resource.RLIMIT_NOFILE, (spare + more, hard))
            try:
                with suppress(StorageError):
                    call(path)
                    break
                failures += 1
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            assert descriptors() <= base, (path, more)
        assert failures > 0
        assert descriptors() <= base, path


def test_a_thousand_failed_uploads_leave_nothing(house: House) -> None:
    house.put("/a", b"x")
    base = descriptors()
    for number in range(1000):
        part = house.begin("/a", b"y")
        if number % 3 == 0:
            with refused(Kind.EXISTS):
                house.publish(part, replace=False)
        house.store.release(part, keep=False)
    part.place.close()
    assert descriptors() <= base
    assert house.parts() == []
