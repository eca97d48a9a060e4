"""Limits bite: sessions, ports, clocks, passwords; and the server's own life: reload, drain, a full disk of names."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
import trio

from ftlite.config.models import Limits, PassiveConfig, User
from ftlite.server.census import Census, neighbourhood
from tests.ports import free_ports
from tests.server.support import CHEAP, PASSWORD, Box, Talker, ann, fetch, open_data, read_all, serving, store


@pytest.fixture
def root(tmp_path: Path) -> Path:
    place = tmp_path / "root"
    place.mkdir()
    return place


async def turned_away(box: Box) -> bool:
    talker = Talker(await trio.open_tcp_stream("127.0.0.1", box.port))
    code = (await talker.hear())[0]
    if code == 421:
        await talker.expect_end()
    return code == 421


@pytest.mark.parametrize("limit", ["sessions", "sessions_per_address"])
async def test_sessions_are_limited_and_room_comes_back(root: Path, limit: str) -> None:
    async with serving(root, limits={limit: 2, "stranger": 0.2}) as box:
        first, _second = await box.connect(), await box.connect()
        assert await turned_away(box)
        assert await first.say("QUIT") == 221
        await first.expect_end()
        with trio.fail_after(10):
            while await turned_away(box):
                await trio.sleep(0.01)


async def test_sessions_of_one_user_are_limited(root: Path) -> None:
    async with serving(root, limits={"sessions_per_user": 1}) as box:
        _first = await box.ann()
        second = await box.connect()
        await second.say("USER ann")
        assert await second.say(f"PASS {PASSWORD}") == 530


async def test_logins_that_fail_are_counted_per_address(root: Path) -> None:
    async with serving(root, limits={"address_failures": 4, "login_failures": 100}) as box:
        talker = await box.connect()
        codes = []
        for _ in range(5):
            await talker.say("USER ann")
            codes.append(await talker.say("PASS wrong"))
        assert codes == [530, 530, 530, 530, 421]
        other = await box.connect()
        await other.say("USER ann")
        assert await other.say(f"PASS {PASSWORD}") == 421, "the right password does not help now"


async def test_a_full_passive_range_is_425_and_no_other_port(root: Path) -> None:
    port = free_ports()
    async with serving(root, passive=PassiveConfig(port, port)) as box:
        first, second = await box.ann(), await box.ann()
        assert str(port) in (await first.ask("EPSV"))[1]
        assert await second.say("EPSV") == 425
        assert str(port) in (await first.ask("EPSV"))[1], "one reservation a session"
        await first.say("QUIT")
        with trio.fail_after(10):
            while await second.say("EPSV") != 229:
                await trio.sleep(0.01)


async def test_pasv_names_the_address_that_is_set(root: Path) -> None:
    async with serving(root, passive=PassiveConfig(address="192.0.2.7")) as box:
        talker = await box.ann()
        assert "(192,0,2,7," in (await talker.ask("PASV"))[1]


async def test_a_data_connection_that_does_not_come_is_425(root: Path) -> None:
    async with serving(root, limits={"accept": 0.1}) as box:
        talker = await box.ann()
        assert await talker.say("EPSV") == 229
        assert await talker.say("NLST") == 150
        assert (await talker.hear())[0] == 425
        assert (await fetch(talker, "NLST"))[0] == 226


async def test_an_active_dial_that_is_refused_is_425(root: Path) -> None:
    port = free_ports()
    async with serving(root) as box:
        talker = await box.ann()
        assert await talker.say(f"EPRT |1|127.0.0.1|{port}|") == 200
        assert await talker.say("NLST") == 150
        assert (await talker.hear())[0] == 425


async def test_active_mode_can_be_off(root: Path) -> None:
    async with serving(root, active=False) as box:
        talker = await box.ann()
        assert await talker.say("PORT 127,0,0,1,200,200") == 501


async def test_silent_uploads_and_readers_end_by_the_stall_clock(root: Path) -> None:
    with (root / "big").open("wb") as file:
        file.truncate(100_000_000)
    async with serving(root, limits={"stall": 0.2}) as box:
        talker = await box.ann()
        for command in ("STOR x", "RETR big"):
            sock = await open_data(talker)
            assert await talker.say(command) == 150
            with trio.fail_after(20):
                assert (await talker.hear())[0] == 426
            sock.close()
        assert not (root / "x").exists()


async def test_slow_readers_hold_no_worker(root: Path) -> None:
    with (root / "big").open("wb") as file:
        file.truncate(50_000_000)
    async with serving(root, limits={"workers": 2}) as box:
        slow = []
        for _ in range(20):
            talker = await box.ann()
            sock = await open_data(talker)
            assert await talker.say("RETR big") == 150
            slow.append((talker, sock))
        fast = await box.ann()
        with trio.fail_after(30):
            assert len((await fetch(fast, "RETR big"))[1]) == 50_000_000
            assert await store(fast, "STOR y", b"1") == 226
        for _, sock in slow:
            sock.close()


async def test_one_user_never_holds_all_workers(root: Path) -> None:
    async with serving(root, limits={"workers": 4, "hashes": 4}, users=(ann(), ann(name="bob"))) as box:
        services, (hog, other) = box.server.services, box.config.users
        stuck = threading.Event()
        for whole in (services.disk, services.hashes):
            assert services.share(hog, whole).total_tokens == 2
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(services.on_disk, stuck.wait, hog)
            try:
                with trio.fail_after(20):
                    assert await services.on_disk(lambda: 7, other) == 7
            finally:
                stuck.set()


async def test_listings_are_limited(root: Path) -> None:
    for number in range(11):
        (root / str(number)).touch()
    async with serving(root, limits={"listing": 10}) as box:
        talker = await box.ann()
        assert (await fetch(talker, "MLSD"))[0] == 552


async def test_anonymous_reads_only(root: Path) -> None:
    (root / "f").write_bytes(b"1")
    async with serving(root, users=(User.for_anonymous(),)) as box:
        talker = await box.connect()
        await talker.log_in("anonymous", "anybody@example.org")
        assert await fetch(talker, "RETR f") == (226, b"1")
        assert await store(talker, "STOR g", b"") == 553
        assert await talker.say("DELE f") == 550


async def test_reload_changes_users_for_new_logins_only(root: Path) -> None:
    async with serving(root) as box:
        old = await box.ann()
        await box.server.reload({"bob": User(name="bob", password=CHEAP)})
        assert await old.say("NOOP") == 200
        new = await box.connect()
        await new.say("USER ann")
        assert await new.say(f"PASS {PASSWORD}") == 530
        await new.log_in("bob")


async def test_drain_lets_transfers_end_and_turns_the_others_away(root: Path) -> None:
    data = os.urandom(20_000_000)
    (root / "f").write_bytes(data)
    async with serving(root, drain=30.0, limits={"stranger": 0.2}) as box:
        idle, busy = await box.ann(), await box.ann()
        sock = await open_data(busy)
        assert await busy.say("RETR f") == 150
        async with trio.open_nursery() as nursery:
            nursery.start_soon(box.server.drain)
            assert (await idle.hear())[0] == 421
            await idle.expect_end()
            assert await turned_away(box)
            assert await trio.to_thread.run_sync(read_all, sock) == data
            assert [(await busy.hear())[0] for _ in range(2)] == [226, 421]


async def test_drain_has_an_end(root: Path) -> None:
    async with serving(root, drain=0.2) as box:
        busy = await box.ann()
        sock = await open_data(busy)
        assert await busy.say("STOR f") == 150
        with trio.fail_after(20):
            await box.server.drain()
            await busy.expect_end()
        sock.close()
        assert not (root / "f").exists()


async def test_an_account_without_its_directory_cannot_log_in(root: Path) -> None:
    async with serving(root, users=(ann(root="gone"),)) as box:
        talker = await box.connect()
        await talker.say("USER ann")
        assert await talker.say(f"PASS {PASSWORD}") == 530
        assert await talker.say("NOOP") == 200


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("10.0.0.1", "::ffff:10.0.0.1", True),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("10.0.0.1", "10.0.0.2", False),
    ],
)
def test_what_counts_as_one_address(one: str, other: str, same: bool) -> None:
    assert (neighbourhood(one) == neighbourhood(other)) is same


def test_the_census_forgets_who_left() -> None:
    census = Census(Limits())
    for _ in range(3):
        assert census.enter("10.0.0.1") is None
        census.leave("10.0.0.1")
    assert census == Census(Limits())
