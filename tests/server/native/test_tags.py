"""Tagged commands beside each other and beside untagged ones: bounds, order, ABOR, and lines that cannot be read."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from ftlite.server import EventLog, Server
from tests.server.native.support import (
    in_thread,
    logged,
    native_server,
    parse,
    read_all,
    sha256,
    until,
    write_all,
)
from tests.server.support import Talker, config_for, open_data, served_pair


@pytest.fixture
def root(root: Path) -> Path:
    (root / "f").write_bytes(b"content")
    (root / "big").touch()
    os.truncate(root / "big", 30_000_000)
    (root / "tag=1").write_bytes(b"odd")
    return root


@pytest.mark.parametrize(
    ("line", "code", "kind"),
    [
        ("GET tag=1;offset=x; f", 501, "bad-fact"),
        ("GET tag=1;", 501, "bad-fact"),
        ("GET tag=1;offset=1;offset=2; f", 501, "bad-fact"),
        ("PUT tag=1;mode=9; f", 501, "bad-fact"),
        ("DONE tag=1;bytes=1;", 501, "bad-fact"),
        ("GET tag=1;hash=md5; f", 504, "unsupported"),
        ("HASH tag=1;hash=crc32; f", 504, "unsupported"),
        ("GET tag=1; nothing", 550, "not-found"),
        ("GET tag=1; .", 550, "is-directory"),
        ("GET tag=1; .ftlite/x", 550, "bad-name"),
        ("PUT tag=1;size=1; .", 553, "is-directory"),
        ("PUT tag=1;size=1; no/where", 553, "not-found"),
        ("PUT tag=1;size=1; .ftlite-x", 553, "bad-name"),
        ("PUT tag=1;size=9000000000000000000; x", 452, "no-room"),
        ("MLSD tag=1; f", 550, "not-directory"),
        ("HASH tag=1; .", 550, "not-plain"),
        ("WAIT tag=1;timeout=0; nothing", 450, "timeout"),
    ],
)
async def test_what_a_tagged_line_gets(root: Path, line: str, code: int, kind: str) -> None:
    async with native_server(root) as (_box, client):
        await client.send(line)
        said = await client.hear(1)
        assert (said.code, said.kind) == (code, kind)
        assert (await client.ask("NOOP"))[0] == 200
        if not line.startswith("DONE"):
            await client.send("GET tag=1; f")
            assert (await client.hear(1)).kind == "bad-tag", "a tag is used once, refused or not"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("GET f", 501),
        ("GET tag=0; f", 501),
        ("GET tag=2147483648; f", 501),
        ("PUT tag=; f", 501),
        ("GET TAG=x; f", 501),
        ("DONE bytes=1;", 501),
        ("ABOR tag=7;", 225),
        ("ABOR", 226),
    ],
)
async def test_what_gets_an_untagged_reply(root: Path, line: str, code: int) -> None:
    async with native_server(root) as (_box, client):
        assert (await client.ask(line))[0] == code


async def test_tags_may_come_late_but_not_twice(root: Path) -> None:
    async with native_server(root) as (_box, client):
        for tag, good in ((100, True), (36, True), (35, False), (36, False), (100, False), (99, True), (164, True)):
            await client.send(f"HASH tag={tag}; f")
            said = await client.hear(tag)
            assert (said.code == 213, said.kind) == (good, "" if good else "bad-tag")


async def test_more_than_max_is_refused_and_waits_do_not_count(root: Path) -> None:
    async with native_server(root, limits={"transfers": 2, "waits": 3}) as (_box, client):
        for tag in (1, 2, 3):
            await client.send(f"WAIT tag={tag}; nothing")
        for tag in (11, 12, 13):
            await client.send(f"GET tag={tag}; f")
        assert (await client.hear(13)).kind == "too-many"
        await client.send("WAIT tag=14; nothing")
        assert (await client.hear(14)).kind == "too-many"
        assert (await client.ask("ABOR tag=1;"))[0] == 226
        await client.send("HASH tag=15; f")
        assert (await client.final(15)).code == 213
        sock = await client.dialled(11)
        await in_thread(partial(read_all, sock))
        await client.final(11)
        client._next = 20
        assert (await client.get("f"))[1] == b"content"


async def test_many_run_at_once_and_untagged_commands_go_on(root: Path) -> None:
    contents = {f"n{number}": os.urandom(1000 * number) for number in range(16)}
    for name, content in contents.items():
        (root / name).write_bytes(content)
    async with native_server(root) as (_box, client):
        tags = {client.tag(): name for name in contents}
        for tag, name in tags.items():
            await client.send(f"GET tag={tag}; {name}")
        assert (await client.ask("PWD"))[0] == 257
        assert (await client.ask("SIZE f"))[1] == "213 7"
        status = (await client.ask("STAT"))[1]
        assert "GET" in status
        assert "/n15" in status
        got: dict[str, bytes] = {}

        async def one(tag: int, name: str) -> None:
            sock = await client.dialled(tag)
            got[name] = await in_thread(partial(read_all, sock))

        async with trio.open_nursery() as nursery:
            for tag, name in tags.items():
                nursery.start_soon(one, tag, name)
        for tag, name in tags.items():
            assert (await client.final(tag)).facts["sha256"] == sha256(contents[name])
        assert got == contents


async def test_tags_run_beside_a_stock_transfer(root: Path) -> None:
    async with native_server(root) as (_box, client):
        sock = await open_data(client.talker)
        await client.send("RETR big")
        tag = client.tag()
        await client.send(f"HASH tag={tag}; f")
        await client.send("PWD")
        assert (await client.final(tag)).code == 213
        assert len(await in_thread(partial(read_all, sock))) == 30_000_000
        while len(client.plain) < 3:
            await client._hear_one()
        assert [code for code, _text in client.plain] == [150, 226, 257]


async def test_abor_ends_one_and_is_answered_behind_it(root: Path) -> None:
    async with native_server(root) as (_box, client):
        one, other = client.tag(), client.tag()
        for tag in (one, other):
            await client.send(f"GET tag={tag}; big")
        socks = {tag: await client.dialled(tag) for tag in (one, other)}
        assert len(await in_thread(partial(socks[one].recv, 10))) > 0
        await client.send(f"ABOR tag={one};\r\nNOOP")
        said = [(await client.talker.hear())[0] for _ in range(5)]
        assert said.index(426) < said.index(226) < said.index(200)
        assert await client.refused(one)
        socks[one].close()
        data = await in_thread(partial(read_all, socks[other]))
        assert (await client.final(other)).facts["sha256"] == sha256(data)


async def test_abor_of_an_ended_tag_is_225(root: Path) -> None:
    async with native_server(root) as (_box, client):
        await client.get("f")
        assert (await client.ask("ABOR tag=1;"))[0] == 225
        await client.send(f"DONE tag=1;bytes=7;sha256={'0' * 64};")
        assert (await client.ask("NOOP"))[0] == 200, "passed over in silence"


async def test_a_done_that_cannot_be_read_ends_its_tag(root: Path) -> None:
    async with native_server(root) as (_box, client):
        tag = client.tag()
        await client.send(f"PUT tag={tag};size=3; new")
        await client.hear(tag)
        await client.send(f"DONE tag={tag};bytes=;")
        said = await client.final(tag)
        assert (said.code, said.kind) == (501, "bad-fact")
        assert await client.refused(tag)
        assert (await client.ask(f"ABOR tag={tag};"))[0] == 225


async def test_a_done_for_a_download_is_passed_over(root: Path) -> None:
    async with native_server(root) as (_box, client):
        tag = client.tag()
        await client.send(f"GET tag={tag}; f\r\nDONE tag={tag};bytes=7;sha256={'0' * 64};")
        sock = await client.dialled(tag)
        assert await in_thread(partial(read_all, sock)) == b"content"
        assert (await client.final(tag)).code == 226


async def test_a_path_that_looks_like_a_tag(root: Path) -> None:
    async with native_server(root) as (_box, client):
        assert (await client.get("tag=1"))[1] == b"odd"
        code, text = await client.ask("HASH ./tag=1")
        assert code == 213, text
        assert not text.startswith("213 tag=")
        assert (await client.ask("HELP tag=1;"))[1][4:8] != "tag="


async def test_quit_lets_transfers_end_and_gives_waits_up(root: Path) -> None:
    async with native_server(root) as (_box, client):
        await client.send("WAIT tag=1; nothing")
        await client.send("GET tag=2; big")
        sock = await client.dialled(2)
        await client.send("QUIT")
        data = await in_thread(partial(read_all, sock))
        assert (await client.final(1)).kind == "aborted"
        assert (await client.final(2)).facts["sha256"] == sha256(data)
        assert (await client.talker.hear())[0] == 221


async def test_a_session_with_running_tags_is_not_idle(root: Path, mock_clock: trio.testing.MockClock) -> None:
    """And it says every ten seconds that it goes on."""
    server = Server(config_for(root, limits={"idle": 30.0}), EventLog(None), None)
    serve, stream = served_pair(server)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.keep_time)
        nursery.start_soon(serve)
        talker = Talker(stream)
        await talker.hear()
        await talker.log_in()
        assert await talker.say("OPTS FTLITE 1") == 200
        mock_clock.autojump_threshold = 0.02  # not before: a password is checked in real time
        began = trio.current_time()
        await talker.send("WAIT tag=1;timeout=100; nothing")
        stages = 0
        while (line := parse(*await talker.hear())).code == 150:
            assert line.facts["stage"] == "wait"
            stages += 1
        assert (line.code, line.kind) == (450, "timeout")
        assert 5 <= stages <= 10
        ended = trio.current_time()
        assert 100 <= ended - began <= 140
        assert (await talker.hear())[0] == 421, "idle now"
        assert 29 <= trio.current_time() - ended <= 60
        nursery.cancel_scope.cancel()


async def test_a_client_that_takes_no_replies_is_left(root: Path, mock_clock: trio.testing.MockClock) -> None:
    limits = {"reply": 30.0, "idle": 1000.0, "login": 1000.0, "waits": 5000}
    server = Server(config_for(root, limits=limits), EventLog(None), None)
    serve, stream = served_pair(server)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.keep_time)
        nursery.start_soon(serve)
        talker = Talker(stream)
        await talker.hear()
        await talker.log_in()
        await talker.say("OPTS FTLITE 1")
        mock_clock.autojump_threshold = 0.02
        for tag in range(1, 3000):
            await talker.send(f"WAIT tag={tag}; f")
        with trio.fail_after(2000):
            while server.services.census.sessions:
                await trio.sleep(1)
        assert not server.services.natives
        nursery.cancel_scope.cancel()


async def test_whole_lines_even_where_a_tag_is_aborted_in_the_middle_of_one(root: Path) -> None:
    """Replies back up, a tag is aborted while its own waits, and every line that is heard is still a whole one."""
    name = "n" * 200
    (root / name).write_bytes(b"x")
    async with native_server(root, limits={"waits": 5000}) as (_box, client):

        async def talk() -> None:
            for tag in range(1, 3001):
                await client.send(f"HASH tag={tag}; {name}")
                if tag % 3 == 0:
                    await client.send(f"ABOR tag={tag};")
            await client.send("NOOP")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(talk)
            await trio.testing.wait_all_tasks_blocked(0.05)
            ended = set()
            while True:
                code, text = await client.talker.hear()
                if code == 200:
                    break
                if text[4:8] == "tag=":
                    line = parse(code, text)
                    assert line.code in (213, 426)
                    ended.add(line.tag)
                else:
                    assert code in (225, 226)
            while len(ended) < 3000:
                ended.add(parse(*await client.talker.hear()).tag)


async def test_an_upload_that_is_being_finished_is_waited_for_in_a_drain(root: Path) -> None:
    async with native_server(root, drain=20.0) as (box, client):
        tag = client.tag()
        await client.send(f"PUT tag={tag};size=7; new")
        await client.hear(tag)
        sock = await client.dialled(tag)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(box.server.drain)
            await until(lambda: logged(box, "server.drain"))
            await in_thread(partial(write_all, sock, b"content"))
            await client.send(f"DONE tag={tag};bytes=7;sha256={sha256(b'content')};")
            assert (await client.final(tag)).code == 226
        assert (root / "new").read_bytes() == b"content"
