"""One file in several streams from our own server, in clear and over TLS."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio
from attrs import evolve

from ftlite.client import Client, Verified, ranges
from ftlite.movers import Pace
from tests.client.native.test_server import speaking
from tests.client.test_ranges import hidden

SIZE = 20_000_000
CONTENT = os.urandom(1 << 20) * 20
MODIFIED = 1_700_000_000_123_456_789


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "LEAST_IN_RANGES", 1_000_000)
    monkeypatch.setattr(ranges, "GRAIN", 1_000_000)
    monkeypatch.setattr(ranges, "_NOTED", 1_000_000)


def planted(root: Path) -> None:
    (root / "f").write_bytes(CONTENT[:SIZE])
    os.utime(root / "f", ns=(1, MODIFIED))


@pytest.mark.parametrize("how", ["ftp", "ftpes"])
async def test_whole_and_proven(how: str, tmp_path: Path) -> None:
    async with speaking(tmp_path / "root", how, connections=4) as client:
        planted(tmp_path / "root")
        result = await client.get("f", tmp_path / "f", streams=4)
        assert (tmp_path / "f").read_bytes() == CONTENT[:SIZE]
        assert (tmp_path / "f").stat().st_mtime_ns == MODIFIED
        assert (result.verified, result.moved) == (Verified.DIGEST, SIZE)
        assert len(client.pool._live) == 1, "all streams are of the one session"
        await client.list()
    assert hidden(tmp_path) == []


async def cut(client: Client, target: Path) -> None:
    """A slow download in four streams, left after a quarter."""
    client.terms = evolve(client.terms, pace=Pace(8_000_000))
    with trio.move_on_after(30) as scope:

        def moved(done: int, _: int | None) -> None:
            if done > SIZE // 4:
                scope.cancel()

        await client.get("f", target, streams=4, progress=moved)
    assert scope.cancelled_caught
    client.terms = evolve(client.terms, pace=None)


async def test_gone_on_with_after_a_cancellation(tmp_path: Path) -> None:
    async with speaking(tmp_path / "root", "ftp") as client:
        planted(tmp_path / "root")
        await cut(client, tmp_path / "f")
        result = await client.get("f", tmp_path / "f", streams=4)
    assert (tmp_path / "f").read_bytes() == CONTENT[:SIZE]
    assert result.verified is Verified.DIGEST
    assert 0 < result.offset < SIZE
    assert result.moved == SIZE - result.offset


async def test_not_gone_on_with_after_a_change(tmp_path: Path) -> None:
    changed = b"x" + CONTENT[1:SIZE]
    async with speaking(tmp_path / "root", "ftp") as client:
        planted(tmp_path / "root")
        await cut(client, tmp_path / "f")
        (tmp_path / "root" / "f").write_bytes(changed)
        result = await client.get("f", tmp_path / "f", streams=4)
    assert (tmp_path / "f").read_bytes() == changed
    assert result.offset == 0


async def test_streams_of_a_file_that_is_replaced_meanwhile_are_not_mixed(tmp_path: Path) -> None:
    old, new = CONTENT[:SIZE], CONTENT[:SIZE][::-1]
    async with speaking(tmp_path / "root", "ftp", limit_rate=20_000_000) as client:
        planted(tmp_path / "root")
        (tmp_path / "new").write_bytes(new)
        replaced = False

        def replace(done: int, _: int | None) -> None:
            nonlocal replaced
            if done > 2_000_000 and not replaced:
                replaced = True
                (tmp_path / "new").replace(tmp_path / "root" / "f")

        result = await client.get("f", tmp_path / "f", streams=2, progress=replace)
    # Streams that stand go on with the file that they began with; where one began later, all of it came anew.
    assert (tmp_path / "f").read_bytes() in (old, new)
    assert result.verified is Verified.DIGEST
    assert replaced
