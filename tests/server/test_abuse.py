"""What a hostile, hasty or unlucky client must not get: our time, another's room, commands from the clear."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing

from ftlite.config.models import TlsConfig, TlsMode, User
from ftlite.gate.passwords import hash_password
from ftlite.net.tls import ServerTls, ensure_self_signed
from ftlite.protocol.clienthello import HelloReader
from ftlite.server import EventLog, Server
from tests.server.support import Talker, config_for, open_data, served_pair, serving, session, write_all


@pytest.fixture
def root(tmp_path: Path) -> Path:
    place = tmp_path / "root"
    place.mkdir()
    return place


@pytest.fixture
def pair(tmp_path: Path) -> ServerTls:
    return ServerTls(*ensure_self_signed(tmp_path / "state"), tmp_path / "state")


OPTIONAL = TlsConfig(mode=TlsMode.OPTIONAL)


async def test_half_a_tls_hello_is_looked_at_seldom(
    root: Path, pair: ServerTls, monkeypatch: pytest.MonkeyPatch, mock_clock: trio.testing.MockClock
) -> None:
    looks = 0
    feed = HelloReader.feed

    def counted(reader: HelloReader, data: bytes) -> None:
        nonlocal looks
        looks += 1
        feed(reader, data)

    monkeypatch.setattr(HelloReader, "feed", counted)
    async with session(root, pair=pair, tls=OPTIONAL) as talker:
        assert (await talker.hear())[0] == 220
        assert await talker.say("AUTH TLS") == 234
        mock_clock.autojump_threshold = 0
        await talker.stream.send_all(b"\x16\x03")
        await talker.expect_end()
    assert 2 <= looks < 100, "the login clock gives it a minute, and we have other things to do"


async def test_a_client_that_leaves_within_its_tls_hello_is_noticed(root: Path, pair: ServerTls) -> None:
    async with serving(root, pair=pair, tls=OPTIONAL) as box:
        talker = await box.connect()
        assert await talker.say("AUTH TLS") == 234
        await talker.stream.send_all(b"\x16\x03")
        assert isinstance(talker.stream, trio.SocketStream)
        await talker.stream.send_eof()
        with trio.fail_after(20):
            await talker.expect_end()


async def test_commands_that_came_in_clear_are_not_run_under_tls(root: Path, pair: ServerTls) -> None:
    async with serving(root, pair=pair, tls=OPTIONAL) as box:
        talker = await box.ann()
        data = await open_data(talker)
        assert await talker.say("STOR f") == 150
        await talker.send("AUTH TLS\r\nUSER mallory\r\nPASS x")
        with trio.fail_after(20):
            while box.server._conversations.copy().pop().commands_waiting < 3:
                await trio.sleep(0.01)
        await trio.to_thread.run_sync(write_all, data, b"x")
        assert (await talker.hear())[0] == 226
        await talker.expect_end()


async def test_a_login_that_is_given_up_has_its_time_again(root: Path, mock_clock: trio.testing.MockClock) -> None:
    nobody = User(name="ann", anonymous=True)
    async with session(root, users=(nobody,), limits={"idle": 1000.0, "login": 60.0}) as talker:
        assert (await talker.hear())[0] == 220
        await talker.log_in()
        for _ in range(3):
            mock_clock.jump(100)
            await trio.testing.wait_all_tasks_blocked()
        assert await talker.say("USER ann") == 331
        mock_clock.jump(50)
        await trio.testing.wait_all_tasks_blocked()
        assert await talker.say("NOOP") == 200, "a minute from the end of the login before"
        mock_clock.jump(20)
        assert (await talker.hear())[0] == 421


async def test_a_login_that_is_cut_short_takes_no_room(root: Path, mock_clock: trio.testing.MockClock) -> None:
    ann = User(name="ann", password=hash_password("x"))
    limits = {"sessions_per_user": 1, "workers": 1}
    server = Server(config_for(root, users=(ann,), limits=limits), EventLog(None), None)
    (serve, stream), (serve_next, next_stream) = served_pair(server), served_pair(server)
    first, second = Talker(stream), Talker(next_stream)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.keep_time)
        nursery.start_soon(serve)
        assert (await first.hear())[0] == 220
        threads = server.services.keeper._threads
        threads.total_tokens = 1
        threads.acquire_on_behalf_of_nowait("a check that takes its time")
        assert await first.say("USER ann") == 331
        await first.send("PASS x")
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(61)
        assert (await first.hear())[0] == 421
        threads.release_on_behalf_of("a check that takes its time")
        nursery.start_soon(serve_next)
        assert (await second.hear())[0] == 220
        assert await second.say("USER ann") == 331
        assert await second.say("PASS x") == 230
        nursery.cancel_scope.cancel()


async def test_stat_of_a_large_directory_is_refused(root: Path) -> None:
    for number in range(2001):
        (root / f"{number}").touch()
    async with session(root) as talker:
        assert (await talker.hear())[0] == 220
        await talker.log_in()
        assert await talker.say("STAT /") == 552
        (root / "0").unlink()
        code, text = await talker.ask("STAT /")
        assert (code, text.count("\n")) == (212, 2001)


async def test_tls_that_cannot_be_had_is_431_and_the_session_goes_on(
    tmp_path: Path, root: Path, pair: ServerTls
) -> None:
    for copy in (tmp_path / "state" / "tls").glob("pair-*"):
        copy.unlink()
    async with serving(root, pair=pair, tls=OPTIONAL) as box:
        talker = await box.connect()
        assert await talker.say("AUTH TLS") == 431
        assert await talker.say("NOOP") == 200


async def test_a_client_that_sends_ahead_takes_turns_with_the_others(root: Path) -> None:
    turns = 0

    async def somebody() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with session(root) as talker, trio.open_nursery() as nursery:
        assert (await talker.hear())[0] == 220
        nursery.start_soon(somebody)
        await talker.stream.send_all(b"NOOP\r\n" * 300)
        for _ in range(300):
            assert (await talker.hear())[0] == 200
        nursery.cancel_scope.cancel()
    assert turns > 200, "who comes first in a turn is chance, so not each of the 300 is seen"
