"""What an attacker who has a login, an id or good timing tries: each was possible once."""

from __future__ import annotations

import os
import socket
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
import trio

from ftlite.config.models import Rule, User
from ftlite.config.rights import ALL, Right
from ftlite.protocol.native.patterns import Filter
from ftlite.server import services
from ftlite.storage.granted import Granted
from ftlite.storage.local import LocalStore
from ftlite.storage.read import Source
from tests.server.native.support import in_thread, logged, native, native_server, read_all, sha256, until, write_all
from tests.server.native.test_trees import archive, digest
from tests.server.native.test_trees import put as put_tree
from tests.server.support import ann


def ruled(**rights: Right) -> tuple[User, ...]:
    """Ann may do all, but for the paths that are named ("__" for "/")."""
    below = (Rule("/" + path.replace("__", "/"), allow) for path, allow in rights.items())
    return (ann(rules=(Rule("/", ALL), *below)),)


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("tree", [False, True])
async def test_a_done_that_is_faster_than_same_ends_nothing_else(root: Path, early: bool, tree: bool) -> None:
    async with native_server(root) as (box, client):
        if tree:
            await put_tree(client, "f", {"a": b"hello"})
        else:
            await client.put("f", b"hello")
        tag = client.tag()
        sock = await client.dialled(tag) if early else None
        entries, whole = digest({"a": b"hello"}) if tree else (0, sha256(b"hello"))
        kind, stated = ("type=tree;", f"entries={entries};") if tree else ("size=5;", "")
        command = f"PUT tag={tag};{kind}sha256={whole}; f\r\n"
        await client.send(f"{command}DONE tag={tag};bytes=5;{stated}sha256={whole};")
        final = await client.final(tag)
        assert (final.code, final.facts.get("same")) == (226, "1")
        assert (await client.ask("NOOP"))[0] == 200
        if sock is not None:
            sock.close()
    assert not logged(box, "session.fault")


async def test_a_burst_of_handshakes_without_proof_is_bounded(root: Path) -> None:
    async with native_server(root, tls=True, limits={"transfers": 2, "spares": 1}) as (box, client):
        kept = box.server.services.natives[client.id]
        with ExitStack() as socks:
            for _ in range(60):
                sock = socks.enter_context(socket.create_connection(("127.0.0.1", box.port)))
                sock.sendall(f"DATA {client.id}.0000000001\r\n".encode())
            await until(lambda: box.log.getvalue().count("data.refused") + len(kept._proving) >= 60)
            assert len(kept._proving) == 3


async def test_handshakes_of_data_connections_are_no_sessions(root: Path) -> None:
    async with native_server(root, tls=True, limits={"sessions": 2, "sessions_per_address": 2}) as (box, client):
        kept = box.server.services.natives[client.id]
        with socket.create_connection(("127.0.0.1", box.port)) as slow:
            slow.sendall(f"DATA {client.id}.0000000001\r\n".encode())
            await until(lambda: len(kept._proving) == 1)
            await box.connect()  # and is greeted with 220


async def test_a_flood_from_elsewhere_does_not_crowd_out_the_client(root: Path) -> None:
    (root / "f").write_bytes(b"content")
    async with native_server(root, tls=True, limits={"transfers": 2, "spares": 1}) as (box, client):
        kept = box.server.services.natives[client.id]
        await client.send("GET tag=1; f")
        line = f"DATA {client.id}.0000000001\r\n".encode()
        with ExitStack() as socks:
            slow = socks.enter_context(socket.create_connection(("127.0.0.1", box.port)))
            slow.sendall(line)
            await until(lambda: len(kept._proving) == 1)
            for _ in range(20):
                thief = socket.create_connection(("127.0.0.1", box.port), source_address=("127.0.0.2", 0))
                socks.enter_context(thief).sendall(line)
            await until(lambda: box.log.getvalue().count("data.refused") + len(kept._proving) >= 21)
            assert client.context is not None
            shake = partial(client.context.wrap_socket, slow, server_hostname="localhost")
            client._skip_greeting(slow)
            tls = socks.enter_context(await in_thread(shake))
            tls.sendall(f"PROOF {client.proof(1)}\r\n".encode())
            assert await in_thread(partial(read_all, tls)) == b"content"
        assert (await client.final(1)).code == 226


@pytest.mark.parametrize("replace", ["", "merge=1;"])
async def test_a_tree_is_published_only_where_its_entries_were_judged(root: Path, replace: str) -> None:
    (root / "a" / "x").mkdir(parents=True)
    (root / "b" / "x").mkdir(parents=True)
    (root / "way").symlink_to("a")
    if not replace:
        (root / "a" / "x").rmdir()
        (root / "b" / "x").rmdir()
    async with native_server(root, users=ruled(b__x__closed=Right.NONE)) as (_box, client):
        tag = client.tag()
        files = {"closed/evil": b"evil"}
        body = archive(files)
        await client.send(f"PUT tag={tag};type=tree;{replace} way/x")
        assert (await client.hear(tag)).code == 150
        sock = await client.dialled(tag)
        await in_thread(partial(write_all, sock, body))
        (root / "way").unlink()
        (root / "way").symlink_to("b")  # which the user could do with a tree that holds the link
        _, whole = digest(files)
        await client.send(f"DONE tag={tag};bytes={len(body)};sha256={whole};")
        final = await client.final(tag)
        assert (final.code, final.kind) == (450, "busy")
    assert not (root / "b" / "x" / "closed").exists()


@pytest.mark.parametrize(
    "command", ["WAIT tag={};timeout=0;", "PUT tag={};size=1;", "PUT tag={};type=tree;", "PUT tag={};failed=1;"]
)
async def test_a_link_does_not_tell_what_stands_where_nothing_is_allowed(root: Path, command: str) -> None:
    (root / "closed" / "there").mkdir(parents=True)
    (root / "there").symlink_to("closed/there")
    (root / "missing").symlink_to("closed/missing")
    async with native_server(root, users=ruled(closed=Right.NONE)) as (_box, client):
        said = []
        for path in ("there/x", "missing/x"):
            tag = client.tag()
            await client.send(f"{command.format(tag)} {path}")
            said.append((await client.final(tag)).kind)
        assert said == ["denied", "denied"]


async def test_nothing_is_published_into_a_tree_that_was_replaced(root: Path) -> None:
    """Who has a root of its own in there would be told 226, and the file be removed with the old tree."""
    users = (ann(), User(name="bob", password=ann().password, root="homes/bob"))
    async with native_server(root, users=users) as (_box, client):
        await put_tree(client, "homes", {"bob/x": b"1", "big": os.urandom(30_000_000)})
        bob = await native(_box, user="bob")
        tag = client.tag()
        await client.send(f"GET tag={tag};type=tree; homes")
        with await client.dialled(tag) as reader:  # who reads the old tree keeps it from being removed
            await in_thread(partial(reader.recv, 1))
            assert (await put_tree(client, "homes", {"bob/y": b"2"}, "replace=1;")).code == 226
            assert (await bob.put("mine", b"new")).kind == "not-found"
            assert (await bob.ask("MKD mine"))[0] == 550


async def test_a_digest_is_that_of_what_is_sent(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another file may get the name between the opening and the look for a kept digest."""
    old, new = os.urandom(100_000), os.urandom(100_000)

    def kept(_store: LocalStore, what: Granted | Source, _algorithm: str) -> str:
        (root / "new").replace(root / "f")
        return sha256(os.pread(what.fd, what.size, 0) if isinstance(what, Source) else (root / "f").read_bytes())

    (root / "f").write_bytes(old)
    (root / "new").write_bytes(new)
    monkeypatch.setattr(LocalStore, "kept_digest", kept)
    async with native_server(root) as (_box, client):
        _, data, final = await client.get("f")
    assert data == old
    assert final.facts["sha256"] == sha256(old)


async def test_patterns_that_take_long_hold_up_nobody(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "d").mkdir()
    for number in range(1000):
        (root / "d" / str(number)).touch()
    asked: list[str] = []

    def slow(_filter: Filter, path: str, _is_directory: bool) -> bool:
        asked.append(path)
        time.sleep(0.02)  # as hundreds of patterns with several stars do
        return False

    monkeypatch.setattr(Filter, "__call__", slow)
    async with native_server(root) as (_box, client):
        tag = client.tag()
        await client.send(f"GET tag={tag};type=tree;exclude=*a*a; d")
        await until(lambda: asked)
        await client.send(f"ABOR tag={tag};")
        assert (await client.final(tag)).kind == "aborted"
    assert len(asked) < 1000


async def test_listings_that_nobody_takes_are_bounded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(100):
        (root / str(number)).touch()
    monkeypatch.setattr(services, "_MOST_LISTED", 5000)
    async with native_server(root) as (_box, client):
        first, second = client.tag(), client.tag()
        await client.send(f"MLSD tag={first};")
        assert (await client.hear(first)).code == 150  # one is always sent, however large
        await client.send(f"MLSD tag={second};")
        assert (await client.final(second)).kind == "too-many"
        stock = await client.ask("EPSV")
        assert stock[0] == 229
        assert (await client.ask("MLSD"))[0] == 450
        assert len(await in_thread(partial(read_all, await client.dialled(first)))) > 5000
        assert (await client.final(first)).code == 226
        third = client.tag()
        await client.send(f"MLSD tag={third};")
        assert (await client.hear(third)).code == 150


async def test_what_is_foreign_is_named_to_who_may_list_it(root: Path) -> None:
    (root / "open").mkdir()
    users = (ann(rules=(Rule("/", Right.PUT | Right.OVERWRITE | Right.MKDIR), Rule("/open", ALL))),)
    async with native_server(root, users=users) as (_box, client):
        for path, named in (("open/t", True), ("t", False)):
            await put_tree(client, path, {"a": b"1"})
            (root / path / "theirs").touch()
            final = await put_tree(client, path, {"a": b"2"}, "replace=1;")
            assert (final.kind, "theirs" in final.text) == ("foreign", named)


async def test_a_drain_gives_an_untagged_wait_up(root: Path) -> None:
    async with native_server(root, drain=3600.0) as (box, client):
        await client.send("WAIT timeout=50; nothing")
        await until(lambda: any(each.session.job for each in box.server._conversations))
        with trio.fail_after(40):
            await box.server.drain()
