"""The whole client against a real server that is not ours, in clear and under TLS."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ftlite import connect
from ftlite.client import ClientError, Outcome, Verified
from ftlite.client.mirror import Act, LocalSide, Policy, RemoteSide, carry_out, compare
from tests.client.conftest import Peer

CONTENT = os.urandom(3_000_000)


@pytest.fixture(params=["clear", "tls"])
def peer(request: pytest.FixtureRequest, authority_file: Path) -> tuple[Peer, dict[str, Any]]:
    if request.param == "clear":
        return request.getfixturevalue("clear_peer"), {"tls": "off"}
    return request.getfixturevalue("tls_peer"), {"cacert": authority_file}


def at(peer: Peer) -> str:
    return f"ftp://ann@127.0.0.1:{peer.port}/"


async def test_there_and_back(peer: tuple[Peer, dict[str, Any]], tmp_path: Path) -> None:
    server, options = peer
    source = tmp_path / "a b ü.bin"
    source.write_bytes(CONTENT)
    os.utime(source, (1_600_000_000, 1_600_000_000))
    source.chmod(0o750)
    async with connect(at(server), password="p", **options) as client:
        assert client.secured is (options != {"tls": "off"})
        sent = await client.put(source, "a b ü.bin")
        assert sent.verified is Verified.SIZE
        got = await client.get("a b ü.bin", tmp_path / "back")
        assert got.verified is Verified.SIZE
        assert [entry.name for entry in await client.list()] == ["a b ü.bin"]
    assert (server.root / "a b ü.bin").read_bytes() == CONTENT
    assert (server.root / "a b ü.bin").stat().st_mtime == 1_600_000_000
    assert (tmp_path / "back").read_bytes() == CONTENT
    assert (tmp_path / "back").stat().st_mtime == 1_600_000_000


async def test_small_and_empty(peer: tuple[Peer, dict[str, Any]], tmp_path: Path) -> None:
    server, options = peer
    (server.root / "empty").touch()
    (server.root / "small").write_bytes(b"s")
    async with connect(at(server), password="p", **options) as client:
        for name in ("empty", "small"):
            await client.get(name, tmp_path / name)
            await client.put(tmp_path / name, f"{name}.copy")
    for name in ("empty", "small"):
        assert (server.root / f"{name}.copy").read_bytes() == (server.root / name).read_bytes()


async def test_trees_there_and_back(peer: tuple[Peer, dict[str, Any]], tmp_path: Path) -> None:
    server, options = peer
    tree = {"a": b"1", "d/b": b"22" * 5000, "d/e/c": b"", "d/e/ü x": b"3" * 100_000}
    for name, content in tree.items():
        (tmp_path / "src" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "src" / name).write_bytes(content)
    (tmp_path / "src" / "void").mkdir()
    async with connect(at(server), password="p", connections=3, **options) as client:
        report = await client.put_tree(tmp_path / "src", "deep/er")
        assert report.error is None
        assert (report.files, report.directories) == (4, 3)
        assert report.verified is Verified.SIZE
        back = await client.get_tree("deep/er", tmp_path / "back")
        assert back.error is None
        assert (back.files, back.directories) == (4, 3)
        gone = await client.remove_tree("deep")
        assert gone.error is None
        assert await client.list() == []
    for name, content in tree.items():
        assert (tmp_path / "back" / name).read_bytes() == content
    assert (tmp_path / "back" / "void").is_dir()


async def test_resume_both_ways(peer: tuple[Peer, dict[str, Any]], tmp_path: Path) -> None:
    server, options = peer
    (server.root / "f").write_bytes(CONTENT)
    (server.root / "up").write_bytes(CONTENT[:1_000_000])
    async with connect(at(server), password="p", **options) as client:
        async with client.download("f") as download:
            async for _ in download:
                break
        assert (await client.stat("f")).size == len(CONTENT)  # the dialogue is in step again, or was made anew
        (tmp_path / "f").write_bytes(CONTENT)
        result = await client.put(tmp_path / "f", "up", resume=True)
        assert (result.offset, result.moved) == (1_000_000, 2_000_000)
        assert (await client.put(tmp_path / "f", "up", resume=True)).skipped
    assert (server.root / "up").read_bytes() == CONTENT


async def test_refusals(peer: tuple[Peer, dict[str, Any]], tmp_path: Path) -> None:
    server, options = peer
    async with connect(at(server), password="p", **options) as client:
        with pytest.raises(ClientError) as caught:
            await client.get("none", tmp_path / "none")
        assert caught.value.outcome is Outcome.NOT_FOUND
        with pytest.raises(ClientError) as caught:
            await client.list("none")
        assert caught.value.outcome is Outcome.NOT_FOUND
        (server.root / "d").mkdir()
        with pytest.raises(ClientError) as caught:
            await client.mkdir("d")
        assert caught.value.outcome is Outcome.EXISTS
        await client.mkdir("d", parents=True)
        with pytest.raises(ClientError) as caught:
            await client.get("d", tmp_path / "d")
        assert caught.value.outcome is Outcome.USAGE
    assert os.listdir(tmp_path) == []
    with pytest.raises(ClientError) as caught:
        async with connect(at(server), password="wrong", **options):
            pass
    assert caught.value.outcome is Outcome.LOGIN


async def test_links_that_are_listed_as_directories_are_removed_and_not_what_they_lead_to(
    clear_peer: Peer, tmp_path: Path
) -> None:
    root = clear_peer.root
    for path in ("elsewhere/precious", "top/d/kept", "top/extra/x", "local/d/kept"):
        place = (tmp_path / path) if path.startswith("local") else root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(path[-4:])
        os.utime(place, (1_600_000_000, 1_600_000_000))
    for name, target in {"top/out": "../elsewhere", "top/extra/out": "../../elsewhere", "top/d/loop": "."}.items():
        (root / name).symlink_to(target)
    async with connect(at(clear_peer), password="p", tls="off") as client:
        compared = await compare(LocalSide(tmp_path / "local"), RemoteSide(client, "top", 1), Policy(delete=True))
        report = await carry_out(compared)
        assert (report.failed, report.done) == (0, {Act.REMOVE: 1, Act.REMOVE_DIRECTORY: 4})
        assert {str(path.relative_to(root)) for path in root.rglob("*")} == {
            "elsewhere", "elsewhere/precious", "top", "top/d", "top/d/kept",
        }  # fmt: skip
        (root / "top/out").symlink_to("../elsewhere")
        (root / "link").symlink_to("elsewhere")
        assert (await client.remove_tree("link")).error is (await client.remove_tree("top")).error is None
    assert {str(path.relative_to(root)) for path in root.rglob("*")} == {"elsewhere", "elsewhere/precious"}
