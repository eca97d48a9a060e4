"""Files and listings over real data connections: what arrives, what is published, what a cut leaves behind."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import sqlite3
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from ftlite.config.models import HashPolicy, Rule, StorageConfig
from ftlite.config.rights import READ, Right
from ftlite.server import digesting
from ftlite.storage import digests
from tests.descriptors import descriptors
from tests.server.support import ann, fetch, open_data, read_all, serving, store, write_all

BIG = os.urandom(3_000_000)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    place = tmp_path / "root"
    place.mkdir()
    return place


@pytest.mark.parametrize("data", [b"", b"x", os.urandom(4096), BIG])
async def test_there_and_back(root: Path, data: bytes) -> None:
    async with serving(root) as box:
        talker = await box.ann()
        assert await store(talker, "STOR a file", data) == 226
        assert (root / "a file").read_bytes() == data
        assert await fetch(talker, "RETR a file") == (226, data)
        assert await talker.ask("SIZE a file") == (213, f"213 {len(data)}")


async def test_names_of_any_bytes(root: Path) -> None:
    name = "gr\u00fc\u00df \u2603 \udcff 'quoted\""
    async with serving(root) as box:
        talker = await box.ann()
        assert await store(talker, f"STOR {name}", b"1") == 226
        assert os.listdir(os.fsencode(root)) != []
        assert name in os.listdir(root)
        _, listing = await fetch(talker, "NLST")
        assert name in listing.decode("utf-8", "surrogateescape").splitlines()


async def test_active_mode(root: Path) -> None:
    (root / "f").write_bytes(BIG)
    async with serving(root) as box:
        talker = await box.ann()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            assert await talker.say(f"PORT 127,0,0,1,{port >> 8},{port & 255}") == 200
            await talker.send("RETR f")
            assert (await talker.hear())[0] == 150
            sock, _ = await trio.to_thread.run_sync(listener.accept)
            assert await trio.to_thread.run_sync(read_all, sock) == BIG
            assert (await talker.hear())[0] == 226


async def test_listings(root: Path) -> None:
    (root / "sub").mkdir()
    (root / "sub" / "one.txt").write_bytes(b"12345")
    os.utime(root / "sub" / "one.txt", (86400, 86400))
    (root / "sub" / ".hidden").touch()
    async with serving(root) as box:
        talker = await box.ann()
        code, mlsd = await fetch(talker, "MLSD sub")
        assert code == 226
        assert b"type=file;size=5;modify=19700102000000;" in mlsd
        assert mlsd.count(b"\r\n") == 2
        _, long = await fetch(talker, "LIST -la sub")
        assert b" 5 Jan  2  1970 one.txt\r\n" in long
        assert (await fetch(talker, "NLST sub"))[1] == b"sub/.hidden\r\nsub/one.txt\r\n"
        assert (await fetch(talker, "LIST sub/one.txt"))[1].endswith(b"one.txt\r\n")
        assert (await fetch(talker, "MLSD sub/one.txt"))[0] == 501  # RFC 3659 s.7.2
        assert (await fetch(talker, "MLSD sub/one.txt/below"))[0] == 550
        assert (await fetch(talker, "MLSD nowhere"))[0] == 550
        assert (await fetch(talker, "LIST nowhere"))[0] == 550
        code, text = await talker.ask("MLST sub/one.txt")
        assert code == 250
        assert " type=file;size=5;" in text
        assert "/sub/one.txt" in text
        code, text = await talker.ask("STAT sub")
        assert code == 212
        assert "one.txt" in text


async def test_text_is_converted_both_ways(root: Path) -> None:
    async with serving(root) as box:
        talker = await box.ann()
        assert await talker.say("TYPE A") == 200
        assert await store(talker, "STOR t", b"a\r\nb\r\n" * 100_000) == 226
        assert (root / "t").read_bytes() == b"a\nb\n" * 100_000
        assert await fetch(talker, "RETR t") == (226, b"a\r\nb\r\n" * 100_000)
        assert await talker.say("SIZE t") == 550


async def test_restart_of_a_download(root: Path) -> None:
    (root / "f").write_bytes(BIG)
    async with serving(root) as box:
        talker = await box.ann()
        await talker.say("REST 1000000")
        assert await fetch(talker, "RETR f") == (226, BIG[1_000_000:])
        await talker.say(f"REST {len(BIG) + 1}")
        assert (await fetch(talker, "RETR f"))[0] == 554
        assert await fetch(talker, "RETR f") == (226, BIG)


async def cut_after(sock: socket.socket, data: bytes, how: str) -> None:
    """Send `data`, then end the connection without a clean end."""

    def work() -> None:
        sock.sendall(data)
        if how == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()

    await trio.to_thread.run_sync(work)


async def test_a_reset_upload_publishes_nothing_and_can_be_resumed(root: Path) -> None:
    (root / "f").write_bytes(b"old")
    async with serving(root) as box:
        talker = await box.ann()
        for name in ("f", "new"):
            sock = await open_data(talker)
            assert await talker.say(f"STOR {name}") == 150
            await trio.to_thread.run_sync(sock.sendall, BIG[:2_000_000])
            while True:  # all of it has arrived, so that the reset takes nothing back
                _, text = await talker.ask("STAT")
                if "STOR: 2000000 bytes" in text:
                    break
            await cut_after(sock, b"", "reset")
            assert (await talker.hear())[0] == 426
        assert (root / "f").read_bytes() == b"old"
        assert sorted(os.listdir(root)) == [".ftlite", "f"]
        assert await talker.ask("SIZE new") == (213, "213 2000000"), "its owner learns what stands"
        assert (await fetch(talker, "MLSD"))[1].count(b"\r\n") == 1, "nobody sees it"
        assert await talker.say("MDTM new") == 550
        await talker.say("REST 2000000")
        assert await store(talker, "STOR new", BIG[2_000_000:]) == 226
        assert (root / "new").read_bytes() == BIG


async def test_appending_shows_old_or_new(root: Path) -> None:
    (root / "f").write_bytes(b"old")
    async with serving(root) as box:
        talker = await box.ann()
        sock = await open_data(talker)
        assert await talker.say("APPE f") == 150
        await trio.to_thread.run_sync(sock.sendall, b" and new")
        assert (root / "f").read_bytes() == b"old"
        sock.close()
        assert (await talker.hear())[0] == 226
        assert (root / "f").read_bytes() == b"old and new"


async def test_an_upload_whose_control_connection_went_first_is_not_published(root: Path) -> None:
    async with serving(root) as box:
        talker = await box.ann()
        sock = await open_data(talker)
        assert await talker.say("STOR f") == 150
        await talker.stream.aclose()
        await trio.to_thread.run_sync(lambda: _try_to_send(sock, BIG))
        with trio.fail_after(10):
            while "session.close" not in box.log.getvalue():
                await trio.sleep(0.01)
        assert not (root / "f").exists()


def _try_to_send(sock: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):
        write_all(sock, data)


async def test_a_size_announced_by_allo_must_be_met(root: Path) -> None:
    async with serving(root) as box:
        talker = await box.ann()
        assert await talker.say("ALLO 10") == 200
        assert await store(talker, "STOR f", b"123456789") == 426
        assert not (root / "f").exists()
        assert await talker.say("ALLO 10") == 200
        assert await store(talker, "STOR f", b"1234567890") == 226
        assert await talker.say(f"ALLO {2**60}") == 200
        assert await store(talker, "STOR g", b"") == 452


async def test_store_unique_tells_the_name(root: Path) -> None:
    async with serving(root) as box:
        talker = await box.ann()
        sock = await open_data(talker)
        code, text = await talker.ask("STOU")
        assert code == 150
        name = text.partition("FILE: ")[2]
        await trio.to_thread.run_sync(write_all, sock, b"unique")
        assert (await talker.hear())[0] == 226
        assert (root / name.lstrip("/")).read_bytes() == b"unique"


async def test_abort_ends_a_transfer_and_the_session_goes_on(root: Path) -> None:
    (root / "f").write_bytes(b"x" * 50_000_000)
    async with serving(root) as box:
        talker = await box.ann()
        sock = await open_data(talker)
        assert await talker.say("RETR f") == 150
        await trio.to_thread.run_sync(sock.recv, 10)
        await talker.stream.send_all(b"\xff\xf4\xff\xf2ABOR\r\n")
        assert (await talker.hear())[0] == 426
        assert (await talker.hear())[0] == 226
        sock.close()
        assert await talker.say("NOOP") == 200
        assert (await fetch(talker, "NLST"))[0] == 226


async def test_commands_during_a_transfer_keep_their_order(root: Path) -> None:
    (root / "f").write_bytes(b"x" * 20_000_000)
    async with serving(root) as box:
        talker = await box.ann()
        sock = await open_data(talker)
        assert await talker.say("RETR f") == 150
        assert await talker.say("NOOP") == 200
        code, text = await talker.ask("STAT")
        assert code == 211
        assert "RETR:" in text
        await talker.send("PWD\r\nNOOP\r\nSIZE f")
        assert len(await trio.to_thread.run_sync(read_all, sock)) == 20_000_000
        assert [(await talker.hear())[0] for _ in range(4)] == [226, 257, 200, 213]


async def test_quit_lets_a_transfer_end(root: Path) -> None:
    (root / "f").write_bytes(BIG)
    async with serving(root) as box:
        talker = await box.ann()
        sock = await open_data(talker)
        assert await talker.say("RETR f") == 150
        await talker.send("QUIT")
        assert await trio.to_thread.run_sync(read_all, sock) == BIG
        assert [(await talker.hear())[0] for _ in range(2)] == [226, 221]
        await talker.expect_end()


async def test_a_thief_on_the_passive_port_is_closed_and_the_owner_served(root: Path) -> None:
    (root / "f").write_bytes(BIG)
    async with serving(root) as box:
        talker = await box.ann()
        _, text = await talker.ask("EPSV")
        port = int(text.split("|")[3])

        def steal() -> bytes:
            with thief:
                try:
                    return thief.recv(1)
                except ConnectionResetError:
                    return b""

        thief = await trio.to_thread.run_sync(socket.create_connection, ("127.0.0.1", port), 30, ("127.0.0.2", 0))
        async with trio.open_nursery() as nursery:
            stolen: list[bytes] = []
            nursery.start_soon(lambda: _keep(steal, stolen))
            assert await talker.say("RETR f") == 150
            sock = await trio.to_thread.run_sync(socket.create_connection, ("127.0.0.1", port))
            assert await trio.to_thread.run_sync(read_all, sock) == BIG
        assert (await talker.hear())[0] == 226
        assert stolen == [b""]


async def _keep(work: Callable[[], bytes], found: list[bytes]) -> None:
    found.append(await trio.to_thread.run_sync(work))


async def test_digests(root: Path) -> None:
    (root / "f").write_bytes(BIG)
    async with serving(root) as box:
        talker = await box.ann()
        digest = hashlib.sha256(BIG).hexdigest()
        assert await talker.ask("HASH f") == (213, f"213 SHA-256 0-{len(BIG)} {digest} f")
        assert await talker.ask("XSHA256 f") == (250, f"250 {digest}")
        assert await talker.ask("XMD5 f") == (250, f"250 {hashlib.md5(BIG).hexdigest()}")
        assert await talker.say("OPTS HASH SHA-512") == 200
        assert hashlib.sha512(BIG).hexdigest() in (await talker.ask("HASH f"))[1]
        assert await talker.say("HASH nowhere") == 550
        assert await talker.say("HASH /") == 553  # draft-bryan-ftpext-hash s.3.5


async def test_names(root: Path) -> None:
    async with serving(root) as box:
        talker = await box.ann()
        assert await talker.ask('MKD a"b') == (257, '257 "/a""b" made.')
        assert await talker.say('MKD a"b') == 550, "RFC 959 s.5.4 knows no 553 here, and clients look at the code"
        assert await talker.say('CWD a"b') == 250
        assert (await talker.ask("PWD"))[1].startswith('257 "/a""b" ')
        assert await store(talker, "STOR f", b"1") == 226
        assert await talker.say("CDUP") == 250
        assert await talker.say('RMD a"b') == 550, "not empty"
        assert await talker.say('RNFR a"b') == 350
        assert await talker.say("RNTO c") == 250
        assert (root / "c" / "f").exists()
        assert await talker.say("MFMT 20200102030405 c/f") == 213
        assert await talker.ask("MDTM c/f") == (213, "213 20200102030405")
        assert await talker.say("MDTM 20210102030405 c/f") == 213
        assert (root / "c" / "f").stat().st_mtime == 1609556645
        assert await talker.say("MFF modify=20200102030405;UNIX.mode=0600; c/f") == 213
        assert (root / "c" / "f").stat().st_mode & 0o777 == 0o600
        assert await talker.say("MFF color=red; c/f") == 504
        assert await talker.say("SITE CHMOD 777 c/f") == 200
        assert (root / "c" / "f").stat().st_mode & 0o777 == 0o755, "masked"
        assert await talker.say("SITE UTIME 20200102030405 c/f") == 200
        assert await talker.say("DELE c/f") == 250
        assert await talker.say("RMD c") == 250
        assert await talker.say("RMD /") in (550, 450)


async def test_rights_are_judged_where_links_lead(root: Path) -> None:
    (root / "open").mkdir()
    (root / "shut").mkdir()
    (root / "shut" / "secret").write_bytes(b"s")
    (root / "open" / "way").symlink_to("../shut/secret")
    (root / "open" / "out").symlink_to("/etc/passwd")
    user = ann(rules=(Rule("/", READ), Rule("/shut", Right.NONE), Rule("/in", READ | Right.PUT | Right.MKDIR)))
    (root / "in").mkdir()
    (root / "in" / "there").write_bytes(b"1")
    async with serving(root, users=(user,)) as box:
        talker = await box.ann()
        for path in ("shut/secret", "open/way", "open/out", "../../etc/passwd"):
            assert (await fetch(talker, f"RETR {path}"))[0] == 550
        assert await talker.say("CWD shut") == 550
        assert b"shut" not in (await fetch(talker, "NLST"))[1]
        assert await store(talker, "STOR x", b"1") == 553
        assert await store(talker, "STOR in/new", b"1") == 226
        assert await store(talker, "STOR in/there", b"2") == 553, "no right to overwrite"
        assert (root / "in" / "there").read_bytes() == b"1"
        assert await talker.say("DELE in/there") == 550
        assert await talker.say("MKD in/d") == 257
        assert await talker.say("MFMT 20200102030405 in/there") == 550


async def test_users_have_their_own_roots_and_homes(root: Path) -> None:
    (root / "ann" / "home").mkdir(parents=True)
    (root / "ann" / "home" / "f").write_bytes(b"1")
    async with serving(root, users=(ann(root="ann", home="/home"),)) as box:
        talker = await box.ann()
        assert (await talker.ask("PWD"))[1].startswith('257 "/home" ')
        assert await fetch(talker, "RETR f") == (226, b"1")
        assert await talker.say("CWD /ann") == 550


async def test_limited_rates_are_kept(root: Path) -> None:
    (root / "f").write_bytes(b"x" * 600_000)
    async with serving(root, limits={"rate_down": 1_000_000, "rate_up": 1_000_000}) as box:
        talker = await box.ann()
        began = trio.current_time()
        assert (await fetch(talker, "RETR f"))[0] == 226
        assert trio.current_time() - began > 0.3, "faster than the limit allows"
        began = trio.current_time()
        assert await store(talker, "STOR g", b"x" * 600_000) == 226
        assert trio.current_time() - began > 0.3


async def test_no_descriptor_is_leaked_by_transfers_that_fail(root: Path) -> None:
    with (root / "f").open("wb") as file:
        file.truncate(100_000_000)  # more than all socket buffers hold
    async with serving(root) as box:
        talker = await box.ann()
        for _ in range(20):  # passive listeners are kept open, to a number
            await fetch(talker, "NLST")
        base = descriptors()
        for _ in range(100):
            sock = await open_data(talker)
            assert await talker.say("RETR f") == 150
            await cut_after(sock, b"", "reset")
            assert (await talker.hear())[0] == 426
        assert descriptors() <= base + 3


async def test_uploads_are_hashed_in_idle_time_where_all_are(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digesting, "_REST", 0.01)  # for a minute
    monkeypatch.setattr(digests, "_CLEAN_NS", -10_000_000_000)
    async with serving(root, storage=StorageConfig(hash=HashPolicy.ALL)) as box:
        talker = await box.ann()
        assert await store(talker, "STOR f", BIG) == 226
        kept = root / ".ftlite" / "digests.sqlite"
        with trio.fail_after(30):
            while not kept.exists() or not await trio.to_thread.run_sync(_kept_digests, kept):
                await trio.sleep(0.05)
        assert hashlib.sha256(BIG).hexdigest() in (await talker.ask("HASH f"))[1]


def _kept_digests(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as database:
        try:
            return int(database.execute("select count(*) from digests").fetchone()[0])
        except sqlite3.OperationalError:
            return 0
