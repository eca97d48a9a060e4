"""WAIT, with a tag and without."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import trio

from ftlite.config.models import Rule, User
from ftlite.config.rights import parse_rights
from tests.server.native.support import native, native_server, parse, sha256, until
from tests.server.support import CHEAP, fetch, serving, store


async def test_what_stands_is_told_at_once(root: Path) -> None:
    async with native_server(root) as (_box, client):
        put = await client.put("new", b"content", "modify=20240101000000;")
        await client.send("WAIT tag=50;timeout=0; new")
        told = await client.hear(50)
        assert (told.code, told.text) == (213, "new")
        assert (told.facts["type"], told.facts["size"], told.facts["modify"]) == ("file", "7", "20240101000000")
        assert told.facts["version"] == put.facts["version"]
        assert told.facts.get("sha256") in (None, sha256(b"content"))


@pytest.mark.parametrize("how", ["native", "stock", "rename", "same"])
async def test_it_ends_when_something_is_published(root: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ftlite.server.handlers.native.wait._LOOK_AGAIN", (1000.0, 1001.0))  # only news wakes it
    (root / "other").write_bytes(b"content")
    async with native_server(root) as (box, client):
        facts = ""
        if how == "same":
            version = (await client.put("new", b"content", "modify=20240101000000;")).facts["version"]
            facts = f"since={version};"
        await client.send(f"WAIT tag=50;timeout=100;{facts} new")
        await until(lambda: box.server.services.waiting._waiters)
        second = await native(box)
        match how:
            case "native":
                await second.put("new", b"content")
            case "stock":
                assert await store(second.talker, "STOR new", b"content") == 226
            case "rename":
                assert await second.talker.say("RNFR other") == 350
                assert await second.talker.say("RNTO new") == 250
            case "same":
                done = await second.put("new", b"content", f"sha256={sha256(b'content')};modify=20250101000000;")
                assert done.facts["same"] == "1"
        told = await client.final(50)
        assert (told.code, told.facts["size"]) == (213, "7")
        await until(lambda: not box.server.services.waiting._waiters)


async def test_nothing_that_leads_there_need_exist(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ftlite.server.handlers.native.wait._LOOK_AGAIN", (1000.0, 1001.0))
    async with native_server(root) as (_box, client):
        await client.send("WAIT tag=50;timeout=100; a/b/new")
        for directory in ("stage", "stage/b"):
            assert (await client.ask(f"MKD {directory}"))[0] == 257
        await client.put("stage/b/new", b"x")
        assert (await client.ask("RNFR stage"))[0] == 350
        assert (await client.ask("RNTO a"))[0] == 250
        assert (await client.final(50)).code == 213


async def test_what_others_write_is_found_soon(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ftlite.server.handlers.native.wait._LOOK_AGAIN", (0.05, 0.06))
    async with native_server(root) as (box, client):
        await client.send("WAIT tag=50;timeout=100; new")
        await until(lambda: box.server.services.waiting._waiters)
        (root / "new").write_bytes(b"by hand")
        assert (await client.final(50)).facts["size"] == "7"


def test_looks_are_often_enough() -> None:
    from ftlite.server.handlers.native.wait import _LOOK_AGAIN

    assert max(_LOOK_AGAIN) < 5


async def test_since_waits_for_another_version(root: Path) -> None:
    async with native_server(root) as (_box, client):
        version = (await client.put("new", b"content")).facts["version"]
        await client.send(f"WAIT tag=50;timeout=0;since={version}; new")
        assert (await client.hear(50)).kind == "timeout"
        await client.send(f"WAIT tag=51;timeout=100;since={version}; new")
        client._next = 60
        await client.put("new", b"contrary")
        assert (await client.final(51)).facts["version"] != version


async def test_directories_count_with_any_or_as_trees(root: Path) -> None:
    async with native_server(root) as (_box, client):
        assert (await client.ask("MKD dir"))[0] == 257
        await client.send("WAIT tag=50;timeout=0; dir")
        assert (await client.hear(50)).kind == "timeout"
        await client.send("WAIT tag=51;timeout=0;any=1; dir")
        assert (await client.hear(51)).facts["type"] == "dir"


async def test_a_producer_that_failed(root: Path) -> None:
    async with native_server(root) as (_box, client):
        await client.send("WAIT tag=50;timeout=100; new")
        await client.send("PUT tag=51;failed=1; new")
        assert (await client.hear(51)).facts["failed"] == "1"
        failed = await client.final(50)
        assert (failed.code, failed.kind) == (550, "failed")
        await client.send("WAIT tag=52;timeout=100; new")
        assert (await client.final(52)).kind == "failed"
        client._next = 60
        await client.put("new", b"after all")
        await client.send("WAIT tag=53;timeout=0; new")
        assert (await client.final(53)).code == 213


async def test_a_producer_that_failed_before_anything_led_there(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ftlite.server.handlers.native.wait._LOOK_AGAIN", (1000.0, 1001.0))  # only news wakes it
    async with native_server(root) as (_box, client):
        await client.send("WAIT tag=50;timeout=100; rel/1.4/x")
        await client.send("PUT tag=51;failed=1; rel/1.4/x")
        assert (await client.hear(51)).facts["failed"] == "1"
        failed = await client.final(50)
        assert (failed.code, failed.kind) == (550, "failed")
        assert not (root / "rel").exists()
        (root / "rel").mkdir()
        await client.send("WAIT tag=52;timeout=100; rel/1.4/x")
        assert (await client.final(52)).kind == "failed"
        (root / "rel" / "1.4").mkdir()
        client._next = 60
        await client.put("rel/1.4/x", b"after all")
        await client.send("WAIT tag=53;timeout=0; rel/1.4/x")
        assert (await client.final(53)).code == 213


async def test_who_may_not_put_marks_nothing_and_learns_no_names(root: Path) -> None:
    (root / "in" / "there").mkdir(parents=True)
    (root / "in" / "file").write_bytes(b"x")
    (root / "open" / "link").parent.mkdir()
    (root / "open" / "link").symlink_to("../in/new")
    allowed = {"/": "put", "/in": "none", "/open": "overwrite"}
    rules = tuple(Rule(path, parse_rights(words)) for path, words in allowed.items())
    async with native_server(root, users=(User(name="ann", password=CHEAP, rules=rules),)) as (_box, client):
        answers = set()
        paths = ("in/there/a", "in/no/where", "in/there", "in/file/a", "in/a", "in", "open/link", "open/link/a")
        for tag, path in enumerate(paths, 1):
            await client.send(f"PUT tag={tag};failed=1; {path}")
            denied = await client.hear(tag)
            answers.add((denied.code, denied.kind))
        assert answers == {(553, "denied")}
        for tag, path in enumerate(("open/no/where", "no/where/a", "new"), 11):
            await client.send(f"PUT tag={tag};failed=1; {path}")
            assert (await client.hear(tag)).code == 226
        await client.send("PUT tag=20;failed=1; no/.ftlite/x")
        assert (await client.hear(20)).kind == "bad-name"
    assert len(list((root / ".ftlite" / "failed").iterdir())) == 3


async def test_it_needs_the_right_to_list_or_to_get_and_tells_nothing_else(root: Path) -> None:
    (root / "there").write_bytes(b"x")
    rules = (Rule("/", parse_rights("put")), Rule("/listed", parse_rights("list")), Rule("/got", parse_rights("get")))
    async with native_server(root, users=(User(name="ann", password=CHEAP, rules=rules),)) as (_box, client):
        for tag, path in enumerate(("there", "nothing", "no/where"), 1):
            await client.send(f"WAIT tag={tag};timeout=0; {path}")
            denied = await client.hear(tag)
            assert (denied.code, denied.kind) == (550, "denied")
        for tag, path in enumerate(("listed/x/y", "got/x"), 11):
            await client.send(f"WAIT tag={tag};timeout=0; {path}")
            assert (await client.hear(tag)).kind == "timeout"
        await client.send("WAIT tag=20;timeout=0; .ftlite/x")
        assert (await client.hear(20)).kind == "bad-name"


async def test_plain_wait_for_stock_clients(root: Path) -> None:
    async with serving(root) as box:
        talker, other = await box.ann(), await box.ann()
        code, text = await talker.ask("WAIT timeout=0; new")
        assert (code, parse(code, text).kind) == (450, "timeout")
        await talker.send("WAIT timeout=40; new")
        await talker.send("PWD")
        await until(lambda: box.server.services.waiting._waiters)
        assert await store(other, "STOR new", b"content") == 226
        code, text = await talker.hear()
        assert (code, parse(code, text).facts["size"]) == (213, "7")
        assert (await talker.hear())[0] == 257, "the commands behind it wait for it"
        assert await talker.say("WAIT new") == 213
        await talker.send("WAIT nothing")
        await talker.send("ABOR")
        assert (await talker.hear())[0] == 426
        assert (await talker.hear())[0] == 226
        assert (await fetch(talker, "RETR new"))[1] == b"content"


async def test_quit_gives_a_plain_wait_up(root: Path) -> None:
    """It would hold the session of a client that has left already."""
    async with serving(root) as box:
        talker = await box.ann()
        with trio.fail_after(10):
            await talker.send("WAIT nothing")
            await talker.send("QUIT")
            assert (await talker.hear())[0] == 426
            assert (await talker.hear())[0] == 221


async def test_plain_wait_needs_a_login(root: Path) -> None:
    async with serving(root) as box:
        talker = await box.connect()
        assert await talker.say("WAIT new") == 530


async def test_many_wait_and_all_are_told(root: Path) -> None:
    async with native_server(root) as (box, client):
        for tag in range(1, 65):
            await client.send(f"WAIT tag={tag};timeout=100; {'new' if tag % 2 else 'sub/new'}")
        await until(lambda: len(box.server.services.waiting._waiters.get(b"new", ())) == 64)
        began = time.monotonic()
        client._next = 64
        (root / "sub").mkdir()
        await client.put("new", b"x")
        await client.put("sub/new", b"x")
        with trio.fail_after(60):
            for tag in range(1, 65):
                assert (await client.final(tag)).code == 213
        assert time.monotonic() - began < 60
        assert os.listdir(root / "sub") == ["new"]
