"""Against the fake server: every method once, as it should go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ftlite import connect
from ftlite.client import ClientError, Outcome, Verified
from tests.client.fake import FakeServer


def at(server: FakeServer) -> str:
    return f"ftp://ann@127.0.0.1:{server.port}/"


async def test_get_keeps_bytes_time_and_mode(tmp_path: Path) -> None:
    async with FakeServer({"/a.bin": b"x" * 100_000}).running() as server:
        async with connect(at(server), password="p", tls="off") as client:
            seen: list[tuple[int, int | None]] = []
            result = await client.get("a.bin", tmp_path / "here", progress=lambda *told: seen.append(told))
    assert (tmp_path / "here").read_bytes() == b"x" * 100_000
    assert result.verified is Verified.SIZE
    assert result.moved == result.size == 100_000
    assert seen[-1] == (100_000, 100_000)
    held = (tmp_path / "here").stat()
    assert held.st_mtime == 1704164645
    assert held.st_mode & 0o777 & ~0o640 == 0
    assert os.listdir(tmp_path) == ["here"]


async def test_put_then_verified_by_size(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"y" * 70_000)
    async with FakeServer().running() as server:
        async with connect(at(server), password="p", tls="off") as client:
            result = await client.put(tmp_path / "b", "sub.bin")
            assert result.verified is Verified.SIZE
            assert server.files["/sub.bin"] == b"y" * 70_000
    assert any(line.startswith("MFMT ") for line in server.heard)
    assert server.heard.count("EPSV") == 1


async def test_names(tmp_path: Path) -> None:
    async with FakeServer({"/a": b"1"}).running() as server:
        async with connect(at(server), password="p", tls="off") as client:
            await client.mkdir("d/e/f", parents=True)
            assert {"/d", "/d/e", "/d/e/f"} <= server.directories
            await client.rename("a", "b")
            assert (await client.stat("b")).size == 1
            assert [entry.name for entry in await client.list()] == ["b", "d"]
            await client.remove("b")
            with pytest.raises(ClientError) as caught:
                await client.stat("b")
            assert caught.value.outcome is Outcome.NOT_FOUND


async def test_streams(tmp_path: Path) -> None:
    async with FakeServer({"/a": b"abc" * 1000}).running() as server:
        async with connect(at(server), password="p", tls="off") as client:
            async with client.download("a", offset=3) as download:
                content = b"".join([block async for block in download])
            assert content == b"abc" * 999
            assert download.result is not None
            assert download.result.verified is Verified.SIZE
            async with client.upload("c") as upload:
                await upload.send(b"one")
                await upload.send(b"two")
            assert upload.result is not None
            assert server.files["/c"] == b"onetwo"
