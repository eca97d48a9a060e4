from __future__ import annotations

import hashlib
import mmap
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
from ftlite.storage.native import NativePart, UploadKey
from tests.storage.places import House, refused, write

DATA = os.urandom(2_500_000)
REAL: dict[str, Callable[[bytes], str]] = {
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
    "SHA-512": lambda data: hashlib.sha512(data).hexdigest(),
    "SHA-1": lambda data: hashlib.sha1(data).hexdigest(),
    "MD5": lambda data: hashlib.md5(data).hexdigest(),
    "CRC32": lambda data: f"{zlib.crc32(data):08x}",
}


def settled(house: House, seconds: int = 70) -> None:
    """Let seconds pass for the digests, so that files are old enough for theirs to be kept."""
    house.store._digests._clock = lambda: time.time_ns() + seconds * 1_000_000_000


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


def test_what_a_reader_made_is_kept_of_a_settled_file_that_did_not_change(house: House) -> None:
    file = house.root / "a"
    file.write_bytes(b"12345")
    digest = REAL["SHA-256"](b"12345")
    with house.store.read(house.at("/a")) as source:
        written = source.facts.st_ctime_ns
        house.store.keep_digest(source, "SHA-256", digest, written + 59_999_999_999)
        assert house.store.kept_digest(source, "SHA-256") is None, "a mapping could still hide a change"
        os.utime(file, ns=(0, source.modify_ns))
        while file.stat().st_ctime_ns == written:  # clocks of file systems tick slowly
            os.utime(file, ns=(0, source.modify_ns))
        house.store.keep_digest(source, "SHA-256", digest, written + 100_000_000_000)
        assert house.store.kept_digest(source, "SHA-256") is None, "it changed while it was read"
    with house.store.read(house.at("/a")) as source:
        house.store.keep_digest(source, "SHA-256", digest, source.facts.st_ctime_ns + 60_000_000_000)
        assert house.store.kept_digest(source, "SHA-256") == digest


def test_what_a_mapping_writes_without_a_trace_is_not_taken_for_what_a_reader_saw(house: House) -> None:
    (house.root / "a").write_bytes(bytes(5))
    with (house.root / "a").open("r+b") as file, mmap.mmap(file.fileno(), 5) as mapped:
        mapped[0] = 1
        with house.store.read(house.at("/a")) as source:
            digest = REAL["SHA-256"](bytes(mapped))
            house.store.keep_digest(source, "SHA-256", digest, source.facts.st_ctime_ns + 10_000_000_000)
        mapped[1] = 1  # no time tells, until the page has been written to the disk
        with house.store.read(house.at("/a")) as source:
            assert house.store.kept_digest(source, "SHA-256") is None


def test_the_digest_of_a_young_file_counts_until_it_has_rested(house: House, reads: list[int]) -> None:
    """A store through a mapping may leave no trace until the page is written."""
    (house.root / "a").write_bytes(b"12345")
    settled(house, 10)
    first = house.store.digest(house.at("/a"), "SHA-256")
    count = len(reads)
    assert house.store.digest(house.at("/a"), "SHA-256") == first
    assert house.store.kept_digest(house.at("/a"), "SHA-256") == first
    assert len(reads) == count
    house.store.close()
    assert not (house.root / ".ftlite").exists(), "it is not written"
    settled(house, 61)
    assert house.store.kept_digest(house.at("/a"), "SHA-256") is None
    assert house.store.digest(house.at("/a"), "SHA-256") == first
    assert len(reads) > count
    settled(house, 10_000)
    assert house.store.kept_digest(house.at("/a"), "SHA-256") == first


def test_so_many_digests_of_young_files_are_at_hand(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "_GROUP", 3)
    settled(house, 10)
    for number in range(5):
        (house.root / str(number)).write_bytes(b"%d" % number)
        house.store.digest(house.at(f"/{number}"), "SHA-256")
    kept = [house.store.kept_digest(house.at(f"/{number}"), "SHA-256") is not None for number in range(5)]
    assert kept == [False, False, True, True, True]


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


def test_where_no_database_can_be_the_last_ones_are_kept_in_memory(
    house: House, monkeypatch: pytest.MonkeyPatch, reads: list[int]
) -> None:
    monkeypatch.setattr(digests, "_GROUP", 6)
    (house.root / ".ftlite").write_bytes(b"")  # as on a root that only reads
    settled(house)
    for number in range(20):
        (house.root / f"{number}").write_bytes(b"%d" % number)
        house.store.digest(house.at(f"/{number}"), "MD5")
    reads.clear()
    for number in (17, 18, 19):
        assert house.store.digest(house.at(f"/{number}"), "MD5") == REAL["MD5"](b"%d" % number)
    assert reads == []
    house.store.digest(house.at("/0"), "MD5")
    assert reads == [0], "but not all of them"


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


def upload(house: House, path: str = "/a", data: bytes = b"12345", **how: object) -> NativePart:
    part = write(house.native(path, UploadKey(len(data), 5)), data)
    house.publish(part, digests={"SHA-256": REAL["SHA-256"](data)}, modify_ns=5, **how)
    return part


@pytest.fixture
def fine(house: House) -> None:
    """The file system must give each change a time of its own."""
    part = house.begin("/probe")
    known = house.store._digests.sees_each_change(part.fd)
    house.store.release(part, keep=False)
    if not known:
        pytest.skip("this file system's clock ticks slowly")


@pytest.mark.usefixtures("fine")
def test_what_flowed_in_is_trusted_at_once_and_across_restarts(house: House, reads: list[int]) -> None:
    upload(house)
    wanted = REAL["SHA-256"](b"12345")
    assert house.store.kept_digest(house.at("/a"), "SHA-256") == wanted
    assert house.store.digest(house.at("/a"), "SHA-256") == wanted
    with house.store.read(house.at("/a")) as source:
        assert house.store.kept_digest(source, "SHA-256") == wanted
        assert source.version == house.store.version(house.at("/a"))
        assert (source.modify_ns, source.mode) == (5, 0o644)
    assert house.store.kept_digest(house.at("/a"), "MD5") is None
    house.store.close()
    again = House(house.root)
    assert again.store.kept_digest(again.at("/a"), "SHA-256") == wanted
    assert reads == []
    again.close()


def test_a_forger_in_the_same_tick_is_seen(house: House) -> None:
    """As a reproducible build does: another content of the same length, in place, and the time set back."""
    for number in range(50):
        upload(house, f"/{number}")
        file = house.root / str(number)
        with open(file, "r+b") as handle:
            handle.write(b"54321")
        os.utime(file, ns=(5, 5))
        assert house.store.kept_digest(house.at(f"/{number}"), "SHA-256") is None
        assert house.store.digest(house.at(f"/{number}"), "SHA-256") == REAL["SHA-256"](b"54321")


def test_a_write_between_the_rename_and_the_look_is_seen(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.rename

    def rename(old: object, new: object, **how: int) -> None:
        real(old, new, **how)  # type: ignore[call-overload]
        with open(house.root / "a", "r+b") as handle:
            handle.write(b"54321")

    monkeypatch.setattr(os, "rename", rename)
    upload(house)
    assert (house.root / "a").read_bytes() == b"54321"
    assert house.store.kept_digest(house.at("/a"), "SHA-256") is None


def test_where_clocks_tick_slowly_an_uploads_digest_is_not_kept(
    house: House, monkeypatch: pytest.MonkeyPatch, reads: list[int]
) -> None:
    monkeypatch.setattr(os, "fstat", _coarse(os.fstat))
    upload(house)
    assert house.store.kept_digest(house.at("/a"), "SHA-256") is None
    assert house.store.digest(house.at("/a"), "SHA-256") == REAL["SHA-256"](b"12345")
    assert reads == [0]


def _coarse(real: Callable[[int], os.stat_result]) -> Callable[[int], os.stat_result]:
    """fstat on a file system whose clock ticks every ten seconds."""

    def fstat(fd: int) -> os.stat_result:
        facts = real(fd)
        shown = {"st_mode", "st_ino", "st_dev", "st_nlink", "st_uid", "st_gid", "st_size"}  # in the tuple itself
        named = {name: getattr(facts, name) for name in dir(facts) if name.startswith("st_") and name not in shown}
        named["st_ctime_ns"] -= named["st_ctime_ns"] % 10_000_000_000
        return os.stat_result(tuple(facts), named)

    return fstat


@pytest.mark.usefixtures("fine")
def test_an_upload_replaced_by_another_has_the_others_digest(house: House) -> None:
    for data in (b"12345", b"54321", b"12345"):
        upload(house, data=data)
        assert house.store.kept_digest(house.at("/a"), "SHA-256") == REAL["SHA-256"](data)


@pytest.mark.usefixtures("fine")
def test_many_uploads_are_written_together(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "_GROUP", 4)
    for number in range(6):
        upload(house, f"/{number}")
    other = House(house.root)
    kept = [other.store.kept_digest(other.at(f"/{number}"), "SHA-256") is not None for number in range(6)]
    assert kept == [True] * 4 + [False] * 2
    house.store.sweep(time.time())
    assert other.store.kept_digest(other.at("/5"), "SHA-256") is not None
    other.close()


def test_only_plain_files_have_kept_digests(house: House) -> None:
    (house.root / "link").symlink_to("a")
    upload(house)
    assert house.store.kept_digest(house.at("/link", follow=False), "SHA-256") is None
    assert house.store.kept_digest(house.at("/"), "SHA-256") is None
    assert house.store.kept_digest(house.at("/nothing"), "SHA-256") is None


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
