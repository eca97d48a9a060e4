"""GET going on, digests of it and of HASH, and listings."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ftlite.server.handlers.native import files
from ftlite.storage import digests
from tests.server.native.support import in_thread, native_server, read_all, sha256


@pytest.mark.parametrize("size", [1000, 3_000_000])
async def test_a_download_goes_on(root: Path, size: int) -> None:
    data = os.urandom(size)
    (root / "f").write_bytes(data)
    async with native_server(root) as (_box, client):
        version = (await client.get("f"))[0].facts["version"]
        for facts, offset in (
            (f"offset=700;if={version};", 700),
            ("offset=700;", 700),
            (f"offset={size};", size),
            (f"offset={size + 1};", 0),
            ("offset=700;if=another;", 0),
        ):
            begun, got, done = await client.get("f", facts)
            assert (begun.facts["offset"], begun.facts["size"]) == (str(offset), str(size))
            assert got == data[offset:]
            assert (done.facts["bytes"], done.facts["size"]) == (str(size - offset), str(size))
            assert done.facts["sha256"] == sha256(data), "of the whole, always"


async def test_a_kept_digest_is_told_and_another_content_has_another(root: Path) -> None:
    data = os.urandom(300_000)
    async with native_server(root) as (_box, client):
        for content in (data, data[::-1]):
            await client.put("f", content)
            for _ in range(2):
                assert (await client.get("f"))[2].facts["sha256"] == sha256(content)
            tag = client.tag()
            await client.send(f"HASH tag={tag}; f")
            told = await client.final(tag)
            assert (told.facts["sha256"], told.facts["size"]) == (sha256(content), "300000")
            assert told.facts["version"] == (await client.get("f"))[0].facts["version"]


async def test_a_download_hashes_a_settled_file_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = os.urandom(300_000)
    (root / "f").write_bytes(data)
    hashed: list[int] = []
    real = files.send_hashed

    async def counted(*arguments: Any, **names: Any) -> tuple[int, str]:
        hashed.append(arguments[2])
        return await real(*arguments, **names)

    monkeypatch.setattr(files, "send_hashed", counted)
    async with native_server(root) as (_box, client):
        for clean, wanted in ((60_000_000_000, [0, 0]), (-1_000_000_000, [700])):
            monkeypatch.setattr(digests, "_CLEAN_NS", clean)
            hashed.clear()
            for offset in (wanted[0], wanted[-1]):
                got, done = (await client.get("f", f"offset={offset};"))[1:]
                assert (got, done.facts["sha256"]) == (data[offset:], sha256(data))
            assert hashed == wanted


async def test_a_file_that_changes_while_it_is_sent(root: Path) -> None:
    (root / "f").write_bytes(bytes(20_000_000))
    async with native_server(root) as (_box, client):
        for change in (partial(os.truncate, root / "f", 10_000_000), partial(os.utime, root / "f", (1, 1))):
            tag = client.tag()
            await client.send(f"GET tag={tag}; f")
            await client.hear(tag)
            await in_thread(change)
            sock = await client.dialled(tag)
            try:
                await in_thread(partial(read_all, sock))
            except OSError:  # cut, since there was less than was said
                sock.close()
            line = await client.final(tag)
            assert (line.code, line.kind) == (451, "changed")


async def test_a_file_that_is_replaced_while_it_is_sent_is_what_it_was(root: Path) -> None:
    data = os.urandom(3_000_000)
    (root / "f").write_bytes(data)
    async with native_server(root) as (_box, client):
        tag = client.tag()
        await client.send(f"GET tag={tag}; f")
        await client.hear(tag)
        await client.put("f", b"another")
        sock = await client.dialled(tag)
        assert await in_thread(partial(read_all, sock)) == data
        assert (await client.final(tag)).facts["sha256"] == sha256(data)


@pytest.mark.parametrize("tls", [False, True])
async def test_listings(root: Path, tls: bool) -> None:
    (root / "sub").mkdir()
    for name in ("a", "b c", "\u00fc"):
        (root / "sub" / name).write_bytes(b"x")
    async with native_server(root, tls=tls) as (_box, client):
        for verb in ("LIST", "NLST", "MLSD"):
            for facts in ("", " sub"):
                tag = client.tag()
                await client.send(f"{verb} tag={tag};{facts}")
                sock = await client.dialled(tag)
                data = await in_thread(partial(read_all, sock))
                assert (await client.hear(tag)).code == 150
                done = await client.final(tag)
                assert (done.code, done.facts["bytes"], done.facts["sha256"]) == (226, str(len(data)), sha256(data))
                assert len(data.splitlines()) == (3 if facts else 1)
                if verb == "MLSD" and facts:
                    assert all(b"type=file;" in line.lower() for line in data.splitlines())


async def test_hashes(root: Path) -> None:
    (root / "f").write_bytes(b"content")
    async with native_server(root) as (_box, client):
        tag = client.tag()
        await client.send(f"HASH tag={tag};hash=sha256; f")
        told = await client.hear(tag)
        assert (told.code, told.facts["sha256"], told.facts["size"], told.text) == (213, sha256(b"content"), "7", "f")


async def test_a_slow_reader_stalls(root: Path) -> None:
    (root / "f").write_bytes(bytes(30_000_000))
    async with native_server(root, limits={"stall": 0.3}) as (_box, client):
        tag = client.tag()
        await client.send(f"GET tag={tag}; f")
        sock = await client.dialled(tag)
        assert (await client.final(tag)).kind == "stalled"
        sock.close()
