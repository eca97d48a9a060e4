"""Parts of native uploads: found again by what the client declared, gone on with from the last checkpoint."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ftlite.config.models import Durability, StorageConfig
from ftlite.config.rights import Right
from ftlite.storage import hidden
from ftlite.storage.errors import Kind
from ftlite.storage.native import UploadKey
from tests.descriptors import descriptors
from tests.storage.places import House, refused, sha256, write

KEY = UploadKey(10, 1_700_000_000_123_456_789)
DATA = b"0123456789"


def test_a_whole_upload(house: House) -> None:
    part = house.native("/a", KEY)
    assert (part.offset, part.prefix) == (0, None)
    house.publish(write(part, DATA), modify_ns=KEY.modify_ns, mode=0o755)
    facts = (house.root / "a").stat()
    assert (facts.st_mtime_ns, stat.S_IMODE(facts.st_mode)) == (KEY.modify_ns, 0o755)
    assert (house.root / "a").read_bytes() == DATA
    assert part.version == house.store.version(house.at("/a"))
    assert (house.parts(), house.journals()) == ([], [])


def test_it_goes_on_from_the_last_checkpoint(house: House) -> None:
    house.cut_native("/a", KEY, DATA[:8], 3, 6)
    part = house.native("/a", KEY)
    assert (part.offset, part.prefix) == (6, sha256(DATA[:6]))
    assert os.fstat(part.fd).st_size == 6
    house.publish(write(part, DATA[6:]))
    assert (house.root / "a").read_bytes() == DATA
    assert (house.parts(), house.journals()) == ([], [])


def test_a_last_checkpoint_comes_with_the_release(house: House) -> None:
    part = write(house.native("/a", KEY), DATA[:7])
    house.store.release(part, keep=True, reached=(7, sha256(DATA[:7])))
    part = house.native("/a", KEY)
    assert (part.offset, part.prefix) == (7, sha256(DATA[:7]))
    part.close()


def test_checkpoints_go_on_where_they_were(house: House) -> None:
    house.cut_native("/a", KEY, DATA[:4], 4)
    for step in (6, 8):
        part = house.native("/a", KEY)
        write(part, DATA[part.offset : step])
        part.checkpoint(step, sha256(DATA[:step]))
        part.checkpoint(2, "0" * 64)
        part.close()
    part = house.native("/a", KEY)
    assert (part.offset, part.prefix) == (8, sha256(DATA[:8]))


def test_without_a_journal_it_begins_afresh(house: House) -> None:
    house.cut_native("/a", KEY, DATA[:8], 6)
    house.journals()[0].unlink()
    part = house.native("/a", KEY)
    assert (part.offset, part.prefix, os.fstat(part.fd).st_size) == (0, None, 0)
    write(part, DATA[:5])
    part.checkpoint(5, sha256(DATA[:5]))
    part.close()
    assert house.native("/a", KEY).offset == 5


def test_a_checkpoint_beyond_the_part_is_passed_over(house: House) -> None:
    house.cut_native("/a", KEY, DATA[:8], 3, 8)
    os.truncate(house.parts()[0], 5)
    part = house.native("/a", KEY)
    assert (part.offset, part.prefix) == (3, sha256(DATA[:3]))
    write(part, b"xxxxx")
    part.close()
    part = house.native("/a", KEY)
    assert part.offset == 3, "the line about the eight bytes that stood there once is gone"


def test_a_checkpoint_of_what_has_not_arrived_is_a_mistake(house: House) -> None:
    part = write(house.native("/a", KEY), DATA[:4])
    with pytest.raises(ValueError, match="beyond the end"):
        part.checkpoint(5, "0" * 64)
    assert house.journals() == []


def test_a_torn_journal_costs_one_checkpoint(house: House) -> None:
    house.cut_native("/a", KEY, DATA[:8], 3, 6)
    os.truncate(house.journals()[0], house.journals()[0].stat().st_size - 1)
    part = house.native("/a", KEY)
    assert part.offset == 3
    write(part, DATA[3:9])
    part.checkpoint(9, sha256(DATA[:9]))
    part.close()
    assert house.native("/a", KEY).offset == 9


def test_another_algorithm_begins_afresh(house: House) -> None:
    house.cut_native("/a", KEY, DATA[:8], 6)
    part = house.native("/a", KEY, algorithm="BLAKE3")
    assert part.offset == 0
    write(part, DATA)
    part.checkpoint(5, "ab" * 32)
    part.close()
    part = house.native("/a", KEY, algorithm="BLAKE3")
    assert (part.offset, part.prefix) == (5, "ab" * 32)


def test_fresh_discards_what_stands(house: House) -> None:
    house.cut_native("/a", KEY, DATA[:8], 6)
    part = house.native("/a", KEY, fresh=True)
    assert part.offset == 0
    assert len(house.parts()) == 1
    assert house.journals() == []


@pytest.mark.parametrize("other", [UploadKey(11, KEY.modify_ns), UploadKey(10, 5), UploadKey(10)])
def test_other_keys_owners_and_paths_have_parts_of_their_own(house: House, other: UploadKey) -> None:
    house.cut_native("/a", KEY, DATA[:8], 6)
    live = [
        house.native("/a", other),
        house.native("/a", KEY, owner="bob"),
        house.native("/b", KEY),
        house.begin("/a", b"stock"),
        house.native("/a", KEY),
    ]
    assert [part.offset for part in live] == [0, 0, 0, 0, 6]


def test_what_is_live_is_busy_also_for_fresh(house: House) -> None:
    part = house.native("/a", KEY)
    for fresh in (False, True):
        with refused(Kind.BUSY):
            house.native("/a", KEY, fresh=fresh)
    write(part, DATA).checkpoint(10, sha256(DATA))
    part.close()
    part = house.native("/a", KEY)
    assert part.offset == 10
    with refused(Kind.BUSY):
        house.native("/a", KEY)
    assert len(house.parts()) == 1


def test_a_stream_is_never_gone_on_with(house: House) -> None:
    key = UploadKey()
    one, two = house.native("/a", key), house.native("/a", key)
    write(one, DATA).checkpoint(10, sha256(DATA))
    house.store.release(one, keep=True, reached=(10, sha256(DATA)))
    assert len(house.parts()) == 1
    write(two, DATA).close()
    assert house.native("/a", key).offset == 0
    assert house.journals() == []


def test_what_has_no_checkpoint_is_not_kept(house: House) -> None:
    house.cut_native("/a", KEY, DATA[:8])
    assert house.parts() == []


def test_a_full_disk_drops_it(house: House) -> None:
    part = write(house.native("/a", KEY), DATA)
    part.checkpoint(5, sha256(DATA[:5]))
    part.failed(OSError(28, "No space left on device"))
    house.store.release(part, keep=True, reached=(10, sha256(DATA)))
    assert (house.parts(), house.journals()) == ([], [])


def test_a_size_that_cannot_fit_is_refused_at_once(house: House) -> None:
    with refused(Kind.NO_ROOM):
        house.native("/a", UploadKey(1 << 60, 0))
    assert house.parts() == []


def test_a_journal_that_does_not_fit(tmp_path: Path, mount: Callable[..., None]) -> None:
    mount(tmp_path / "small", "-t", "tmpfs", "-o", "size=1m", "tmpfs")
    house = House(tmp_path / "small")
    part = house.native("/a", UploadKey(900_000, 0))
    with pytest.raises(OSError, match="No space"):
        write(part, b"x" * 2_000_000)
    with refused(Kind.NO_ROOM):
        part.checkpoint(4096, "0" * 64)
    house.store.release(part, keep=True)
    assert (house.parts(), house.journals()) == ([], [])
    house.close()


def test_stock_verbs_do_not_see_it(house: House) -> None:
    house.cut_native("/a", KEY, DATA[:8], 6)
    assert house.store.part_size(house.at("/a")) is None
    with refused(Kind.BAD_OFFSET):
        house.store.resume(house.at("/a"), 4)
    part = house.store.append(house.at("/a"))
    assert part.offset == 0
    house.publish(write(part, b"line"))
    assert house.native("/a", KEY).offset == 6, "what another upload published leaves this one its way"


def test_a_publish_drops_what_nothing_leads_to(house: House) -> None:
    house.cut("/a", b"stock")
    house.cut_native("/a", UploadKey(11, 0), b"0123", 4)
    house.publish(write(house.native("/a", KEY), DATA))
    assert len(house.parts()) == 1
    assert house.native("/a", UploadKey(11, 0)).offset == 4


def test_a_path_keeps_a_few_keys_only(house: House) -> None:
    for number in range(9):
        house.cut_native("/a", UploadKey(10, number), DATA[:8], 6)
    assert len(house.parts()) == len(house.journals()) == 4
    assert house.native("/a", UploadKey(10, 8)).offset == 6
    assert house.native("/a", UploadKey(10, 0)).offset == 0


def test_removing_the_name_removes_it(house: House) -> None:
    house.cut_native("/a", KEY, DATA[:8], 6)
    house.store.unlink(house.at("/a"))
    assert (house.parts(), house.journals()) == ([], [])
    with refused(Kind.NOT_FOUND):
        house.store.unlink(house.at("/a"))


def test_the_sweeper_takes_parts_with_their_journals_and_never_a_journal_alone(house: House) -> None:
    house.cut_native("/idle", KEY, DATA[:8], 6)
    live = write(house.native("/live", KEY), DATA)
    live.checkpoint(5, sha256(DATA[:5]))
    now = time.time()
    assert house.store.sweep(now) == 0
    assert len(house.journals()) == 2
    assert house.store.sweep(now + 90_000) == 1
    assert len(house.parts()) == len(house.journals()) == 1
    house.publish(live)
    assert house.journals() == []


def test_the_sweeper_removes_journals_whose_parts_are_gone(house: House) -> None:
    """What a kill between publishing and tidying up leaves behind."""
    house.cut_native("/a", KEY, DATA[:8], 6)
    house.parts()[0].unlink()
    assert house.store.sweep(time.time()) == 0
    assert house.journals() == []


def test_a_part_with_a_second_name_is_never_written_to(house: House) -> None:
    house.cut_native("/a", KEY, DATA[:8], 6)
    os.link(house.parts()[0], house.root / "a")
    part = house.native("/a", KEY)
    assert part.offset == 0
    write(part, b"xxxxxxxx")
    assert (house.root / "a").read_bytes() == DATA[:8]


def test_beside_its_target_it_lives_the_same_life(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hidden, "mount_of", lambda fd: (fd, fd))
    (house.root / "d").mkdir()
    house.cut_native("/d/a", KEY, DATA[:8], 6)
    (part,) = house.parts()
    (journal,) = house.journals()
    assert part.parent == journal.parent == house.root / "d"
    assert house.store.scan(house.at("/d"), 10) == []
    house.publish(write(house.native("/d/a", KEY), DATA[6:]))
    assert (house.root / "d" / "a").read_bytes() == DATA
    assert house.journals() == []
    house.store.unlink(house.at("/d/a"))
    house.cut_native("/d/a", KEY, DATA[:8], 6)
    house.parts()[0].unlink()
    house.store.rmdir(house.at("/d"))
    assert not (house.root / "d").exists()


def test_rights_are_judged_early(house: House) -> None:
    house.put("/there", b"x")
    with refused(Kind.DENIED):
        house.store.begin_native(house.at("/there", allow=Right.PUT), KEY)
    with refused(Kind.EXISTS):
        house.store.begin_native(house.at("/there", allow=Right.PUT), KEY, absent=True)
    with refused(Kind.DENIED):
        house.store.begin_native(house.at("/there", allow=Right.GET), KEY, absent=True)
    with refused(Kind.DENIED):
        house.store.begin_native(house.at("/new", allow=Right.OVERWRITE), KEY)
    assert house.parts() == []


def test_nothing_leaks(house: House) -> None:
    house.cut_native("/a", KEY, DATA[:8], 6)
    base = descriptors()
    for fresh in (False, True, False):
        part = write(house.native("/a", KEY, fresh=fresh), DATA[:8])
        part.checkpoint(8, sha256(DATA[:8]))
        with refused(Kind.BUSY):
            house.native("/a", KEY)
        part.place.close()
        house.store.release(part, keep=True)
        house.store.release(part, keep=False)
        part.checkpoint(9, "0" * 64)
    assert descriptors() <= base
    with refused(Kind.NO_ROOM):
        house.native("/b", UploadKey(1 << 60, 0))
    assert descriptors() <= base


@pytest.mark.parametrize("durability", list(Durability))
def test_durability_is_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: Durability) -> None:
    house = House(tmp_path, StorageConfig(native_durability=durability))
    synced: list[str] = []
    real = os.fsync

    def fsync(fd: int) -> None:
        synced.append("directory" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file")
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    house.publish(write(house.native("/a", KEY), DATA))
    assert synced == (["file", "file", "directory"] if durability is Durability.FSYNC else [])
    synced.clear()
    house.put("/b", b"stock")
    assert synced == []
    house.close()


def test_a_failing_sync_is_told_and_the_name_stays(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[bytes] = []
    house.store.listen(lambda real, _: heard.append(real))
    part = write(house.native("/a", KEY), DATA)
    real = os.fsync

    def fsync(fd: int) -> None:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(5, "Input/output error")
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    with refused(Kind.FAULT):
        house.publish(part)
    house.store.release(part, keep=True)
    assert (house.root / "a").read_bytes() == DATA
    assert house.parts() == []
    assert heard == [b"a"]
