from __future__ import annotations

import hashlib
import os
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftlite.config.models import StorageConfig
from ftlite.storage import digests
from ftlite.storage.digests import ALGORITHMS, Stopped
from ftlite.storage.errors import Kind
from tests.storage.places import House, refused

DATA = os.urandom(2_500_000)
REAL: dict[str, Callable[[bytes], str]] = {
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
    "SHA-512": lambda data: hashlib.sha512(data).hexdigest(),
    "SHA-1": lambda data: hashlib.sha1(data).hexdigest(),
    "MD5": lambda data: hashlib.md5(data).hexdigest(),
    "CRC32": lambda data: f"{zlib.crc32(data):08x}",
}


def settled(house: House) -> None:
    """Let ten seconds pass for the digests, so that files are old enough for theirs to be kept."""
    house.store._digests._clock = lambda: time.time_ns() + 10_000_000_000


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Offsets at which files were read for hashing."""
    seen: list[int] = []
    real = os.preadv

    def preadv(fd: int, buffers: list[memoryview], offset: int) -> int:
        seen.append(offset)
        return real(fd, buffers, offset)

    monkeypatch.setattr(digests.os, "preadv", preadv)
    return seen


@pytest.mark.parametrize("algorithm", sorted(REAL))
def test_digests_are_right(house: House, algorithm: str) -> None:
    (house.root / "a").write_bytes(DATA)
    assert house.store.digest(house.at("/a"), algorithm) == REAL[algorithm](DATA)
    assert house.store.digest(house.at("/a"), algorithm, 5, 5) == REAL[algorithm](b"")
    assert algorithm in ALGORITHMS


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(DATA)), st.integers(0, len(DATA)))
def test_ranges(house: House, one: int, other: int) -> None:
    (house.root / "a").write_bytes(DATA)
    start, end = sorted((one, other))
    assert house.store.digest(house.at("/a"), "MD5", start, end) == REAL["MD5"](DATA[start:end])


def test_what_cannot_be_hashed_is_refused(house: House) -> None:
    (house.root / "a").write_bytes(b"12345")
    for start, end in ((6, None), (0, 6), (3, 2), (-1, None)):
        with refused(Kind.BAD_OFFSET):
            house.store.digest(house.at("/a"), "MD5", start, end)
    with refused(Kind.UNSUPPORTED):
        house.store.digest(house.at("/a"), "MD4")
    with refused(Kind.IS_DIRECTORY):
        house.store.digest(house.at("/"), "MD5")


def test_a_settled_digest_is_kept_across_restarts(house: House, reads: list[int]) -> None:
    (house.root / "a").write_bytes(b"12345")
    settled(house)
    first = house.store.digest(house.at("/a"), "SHA-256")
    count = len(reads)
    assert count > 0
    assert house.store.digest(house.at("/a"), "SHA-256") == first
    house.store.close()
    again = House(house.root)
    assert again.store.digest(again.at("/a"), "SHA-256") == first
    assert len(reads) == count
    again.store.digest(again.at("/a"), "MD5")
    assert len(reads) > count


def test_any_change_of_the_file_makes_it_anew(house: House) -> None:
    file = house.root / "a"
    file.write_bytes(b"12345")
    settled(house)
    house.store.digest(house.at("/a"), "SHA-256")
    before = file.stat()
    while file.stat().st_ctime_ns == before.st_ctime_ns:  # clocks of file systems tick slowly
        file.write_bytes(b"54321")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert house.store.digest(house.at("/a"), "SHA-256") == REAL["SHA-256"](b"54321")


def test_a_fresh_file_is_not_trusted(house: House, reads: list[int]) -> None:
    (house.root / "a").write_bytes(b"12345")
    house.store.digest(house.at("/a"), "SHA-256")
    count = len(reads)
    house.store.digest(house.at("/a"), "SHA-256")
    assert len(reads) > count
    assert os.listdir(house.root) == ["a"]


def test_a_file_that_changes_under_the_hash_is_busy(house: House) -> None:
    (house.root / "a").write_bytes(DATA)
    changes = iter([b"", b"more", b""])

    def stop() -> bool:
        with open(house.root / "a", "ab") as file:
            file.write(next(changes, b""))
        return False

    with refused(Kind.BUSY):
        house.store.digest(house.at("/a"), "MD5", stop=stop)

    def cut() -> bool:
        os.truncate(house.root / "a", 10)
        return False

    with refused(Kind.BUSY):
        house.store.digest(house.at("/a"), "MD5", stop=cut)


def test_stop_is_asked_for_each_block(house: House) -> None:
    (house.root / "a").write_bytes(DATA)
    asked: list[bool] = []

    def stop() -> bool:
        asked.append(True)
        return len(asked) == 2

    with pytest.raises(Stopped):
        house.store.digest(house.at("/a"), "MD5", stop=stop)
    assert len(asked) == 2


def test_trouble_with_the_database_only_costs_time(house: House) -> None:
    (house.root / "a").write_bytes(b"12345")
    (house.root / ".ftlite").mkdir()
    (house.root / ".ftlite" / "digests.sqlite").write_bytes(
        b"this is no database, but long enough to look like one" * 9
    )
    settled(house)
    assert house.store.digest(house.at("/a"), "MD5") == REAL["MD5"](b"12345")
    (house.root / ".ftlite" / "digests.sqlite").unlink()
    (house.root / ".ftlite").rmdir()
    (house.root / ".ftlite").write_bytes(b"")
    assert house.store.digest(house.at("/a"), "MD5") == REAL["MD5"](b"12345")


def test_what_is_kept_has_a_bound(house: House, monkeypatch: pytest.MonkeyPatch, reads: list[int]) -> None:
    monkeypatch.setattr(digests, "_MOST", 3)
    settled(house)
    for name in "abcde":
        (house.root / name).write_bytes(name.encode())
        house.store.digest(house.at(f"/{name}"), "MD5")
    reads.clear()
    for name in "cde":
        house.store.digest(house.at(f"/{name}"), "MD5")
    assert reads == []
    house.store.digest(house.at("/a"), "MD5")
    assert reads != []


def test_threads_share_the_database(house: House) -> None:
    settled(house)
    for number in range(8):
        (house.root / str(number)).write_bytes(b"%d" % number)
    wrong: list[int] = []

    def work() -> None:
        for number in range(8):
            if house.store.digest(house.at(f"/{number}"), "MD5") != REAL["MD5"](b"%d" % number):
                wrong.append(number)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_read_only_root_gives_digests(tmp_path: Path, mount: Callable[..., None]) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    mount(tmp_path / "ro", "--bind", "-o", "ro", str(tmp_path))
    house = House(tmp_path / "ro", StorageConfig())
    settled(house)
    assert house.store.digest(house.at("/a"), "MD5") == REAL["MD5"](b"12345")
    with refused(Kind.READ_ONLY):
        house.store.begin(house.at("/b"))
    house.close()
