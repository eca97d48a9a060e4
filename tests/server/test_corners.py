"""Where two rules meet: what is announced and resumed, rights at both ends of a rename, limits over many transfers."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from ftlite.config.models import Rule
from ftlite.config.rights import ALL, READ, Right
from tests.server.support import ann, fetch, open_data, serving, session, store


@pytest.fixture
def root(tmp_path: Path) -> Path:
    place = tmp_path / "root"
    place.mkdir()
    return place


@pytest.mark.parametrize("announced", [10, 4], ids=["the file", "what is sent"])
async def test_a_resumed_upload_may_announce_the_whole_file_or_the_rest(root: Path, announced: int) -> None:
    (root / "f").write_bytes(b"012345...")
    async with serving(root) as box:
        talker = await box.ann()
        assert await talker.say(f"ALLO {announced}") == 200
        assert await talker.say("REST 6") == 350
        assert await store(talker, "STOR f", b"6789") == 226
        assert (root / "f").read_bytes() == b"0123456789"
        assert await talker.say(f"ALLO {announced}") == 200
        assert await talker.say("REST 6") == 350
        assert await store(talker, "STOR f", b"678") == 426


async def test_restart_counts_bytes_so_text_has_none(root: Path) -> None:
    (root / "f").write_bytes(b"a\nb\n")
    async with serving(root) as box:
        talker = await box.ann()
        assert await talker.say("TYPE A") == 200
        for command in ("RETR f", "STOR f"):
            assert await talker.say("REST 3") == 350
            code, _ = await fetch(talker, command)
            assert code == 554
        assert (root / "f").read_bytes() == b"a\nb\n"


async def test_a_directory_is_not_moved_over_the_rules_below_its_new_name(root: Path) -> None:
    (root / "mine" / "locked").mkdir(parents=True)
    (root / "mine" / "locked" / "f").touch()
    rules = (Rule("/", ALL), Rule("/box/locked", READ))
    async with session(root, users=(ann(rules=rules),)) as talker:
        assert (await talker.hear())[0] == 220
        await talker.log_in()
        assert await talker.say("RNFR mine") == 350
        assert await talker.say("RNTO box") == 553
        assert await talker.say("RNFR mine") == 350
        assert await talker.say("RNTO other") == 250
        assert (root / "other" / "locked" / "f").exists()


async def test_who_may_put_nothing_learns_no_names(root: Path) -> None:
    (root / "dir").mkdir()
    (root / "file").touch()
    said = set()
    async with serving(root, users=(ann(rules=(Rule("/", Right.LIST), Rule("/file", Right.NONE))),)) as box:
        talker = await box.ann()
        for name in ("dir", "file", "absent", "absent/absent", "file/x"):
            (await open_data(talker)).close()
            code, text = await talker.ask(f"STOR {name}")
            said.add((code, text.partition(": ")[2]))
    assert said == {(553, "no right to put new files here.")}


@pytest.mark.parametrize("mode", ["-7", "0o644", "6_4", "8", " 644", ""])
async def test_a_mode_is_octal_digits(root: Path, mode: str) -> None:
    (root / "f").touch()
    async with session(root) as talker:
        assert (await talker.hear())[0] == 220
        await talker.log_in()
        before = (root / "f").stat().st_mode
        assert await talker.say(f"MFF UNIX.mode={mode}; f") == 501
        assert (root / "f").stat().st_mode == before


@pytest.mark.parametrize("size", [4_000, 20_000])
async def test_many_small_files_keep_the_rate_too(root: Path, size: int) -> None:
    (root / "f").write_bytes(b"x" * size)
    async with serving(root, limits={"rate_down": 100_000}) as box:
        talker = await box.ann()
        began = trio.current_time()
        for _ in range(60_000 // size):
            assert (await fetch(talker, "RETR f"))[0] == 226
        assert trio.current_time() - began > 0.4, "60,000 bytes less the first burst take 0.55 s"
