"""Data connections: order, proofs, spares, thieves, and what ends them all."""

from __future__ import annotations

import os
import socket
from functools import partial
from pathlib import Path

import pytest
import trio

from tests.server.native.support import (
    Native,
    closed,
    in_thread,
    is_closed,
    logged,
    native_server,
    read_all,
    sha256,
    switched,
    until,
)
from tests.server.support import open_data


@pytest.fixture
def root(root: Path) -> Path:
    (root / "f").write_bytes(b"content")
    (root / "big").touch()
    os.truncate(root / "big", 30_000_000)
    return root


async def hears_end(client: Native, tag: int, sock: socket.socket) -> None:
    """The content of f comes over `sock`, and 226."""
    assert await in_thread(lambda: read_all(sock)) == b"content"
    assert (await client.final(tag)).code == 226


@pytest.mark.parametrize("tls", [False, True])
async def test_the_command_may_come_first_or_last(root: Path, tls: bool) -> None:
    async with native_server(root, tls=tls) as (box, client):
        for first in (True, False):
            tag = client.tag()
            if first:
                await client.send(f"GET tag={tag}; f")
                await client.hear(tag)
            sock = await client.dialled(tag)
            if not first:
                await client.has_early(box, tag)
                await client.send(f"GET tag={tag}; f")
            await hears_end(client, tag, sock)


@pytest.mark.parametrize("tls", [False, True])
async def test_a_spare_is_used_for_its_own_tag(root: Path, tls: bool) -> None:
    async with native_server(root, tls=tls) as (_box, client):
        spare = await client.dialled(7)
        client._next = 5
        begun, data, done = await client.get("f")
        assert (begun.code, data, done.code) == (150, b"content", 226)
        await client.send("GET tag=7; f")
        await hears_end(client, 7, spare)


async def test_a_spare_that_nobody_comes_for_is_closed_and_its_tag_used_up(root: Path) -> None:
    async with native_server(root, limits={"spare": 0.2}) as (box, client):
        sock = await client.dialled(1)
        assert await closed(sock)
        await until(lambda: logged(box, "data.spare-expired"))
        assert await client.refused(1), "its proof was used"
        await client.send("GET tag=1; f")
        assert (await client.hear(1)).kind == "bad-tag"
        client._next = 1
        assert (await client.get("f"))[1] == b"content"


@pytest.mark.parametrize("tls", [False, True])
async def test_each_tag_has_one_data_connection(root: Path, tls: bool) -> None:
    async with native_server(root, tls=tls) as (box, client):
        spare = await client.dialled(1)
        await client.has_early(box, 1)
        assert await client.refused(1), "repeated, early"
        await client.send("GET tag=1; big")
        await client.hear(1)
        assert await client.refused(1), "repeated, while it moves"
        data = await in_thread(lambda: read_all(spare))
        assert (await client.final(1)).facts["sha256"] == sha256(data)
        assert await client.refused(1), "after its end"
        await until(lambda: logged(box, "reason=repeated") and logged(box, "reason=late"))


async def test_a_race_of_two_takes_one(root: Path) -> None:
    async with native_server(root, tls=True) as (_box, client):
        socks: list[socket.socket] = []

        async def dial() -> None:
            try:
                socks.append(await client.dialled(1))
            except OSError:  # closed before the handshake was through
                return

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(dial)
        await client.send("GET tag=1; f")

        def content(sock: socket.socket) -> bytes:
            try:
                return read_all(sock)
            except OSError:
                return b""

        heard = [await in_thread(partial(content, sock)) for sock in socks]
        assert sorted(heard)[-1] == b"content"
        assert heard.count(b"") == len(heard) - 1
        assert (await client.final(1)).code == 226


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("made", ["zeros", "of another tag", "with another key", "of another id"])
async def test_a_forged_proof_takes_nothing_with_it(root: Path, tls: bool, made: str) -> None:
    async with native_server(root, tls=tls) as (box, client):
        other = Native(client.talker, client.port, client.id, os.urandom(16))
        stranger = Native(client.talker, client.port, "f" * 16, client.key)
        proof = {
            "zeros": "0" * 64,
            "of another tag": client.proof(2),
            "with another key": other.proof(1),
            "of another id": stranger.proof(1),
        }[made]
        await client.send("GET tag=1; f")
        await client.hear(1)
        assert await client.refused(1, proof=proof)
        await until(lambda: logged(box, "data.refused") and logged(box, "reason=forged"))
        await hears_end(client, 1, await client.dialled(1))


async def test_a_thief_of_an_id_without_its_proof_gets_nothing(root: Path) -> None:
    """Under PROT C a line without proof; under PROT P one with a proof, or a handshake that nothing follows."""
    async with native_server(root, limits={"prove": 0.3}, tls=True) as (box, client):
        await client.send("GET tag=1; f")
        await client.hear(1)

        def steal(line: str, *, shake: bool) -> bool:
            sock = socket.create_connection(("127.0.0.1", client.port), timeout=30)
            try:
                sock.sendall(line.encode())
                client._skip_greeting(sock)
                if shake:
                    assert client.context is not None
                    sock = client.context.wrap_socket(sock, server_hostname="localhost", suppress_ragged_eofs=False)
            except ConnectionError:
                sock.close()
                return True
            return is_closed(sock)

        line = f"DATA {client.id}.{1:010}"
        for stolen, shake in ((f"{line} {client.proof(1)}\r\n", False), (f"{line}\r\n", False), (f"{line}\r\n", True)):
            assert await in_thread(partial(steal, stolen, shake=shake))
        assert await in_thread(lambda: steal(f"{line}\r\nPROOF {client.proof(1)}\r\n", shake=False)), "not in clear"
        await until(lambda: logged(box, "reason=unproven") and logged(box, "reason=late-proof"))
        await hears_end(client, 1, await client.dialled(1))


async def test_a_line_in_clear_without_proof_is_closed(root: Path) -> None:
    async with native_server(root) as (box, client):
        await client.send("GET tag=1; f")
        sock = await in_thread(lambda: socket.create_connection(("127.0.0.1", client.port), timeout=30))
        sock.sendall(f"DATA {client.id}.{1:010}\r\n".encode())

        def heard() -> bytes:
            try:
                return read_all(sock)
            except ConnectionError:
                return b""

        assert b"content" not in await in_thread(heard)
        sock.close()
        await until(lambda: logged(box, "reason=unproven"))
        await hears_end(client, 1, await client.dialled(1))


async def test_many_who_cannot_prove_themselves_do_not_shut_out_who_can(root: Path) -> None:
    async with native_server(root, tls=True, limits={"transfers": 1, "spares": 1}) as (box, client):
        await client.send("GET tag=1; f")
        thieves = []
        for _ in range(6):
            sock = await in_thread(lambda: socket.create_connection(("127.0.0.1", client.port), timeout=30))
            sock.sendall(f"DATA {client.id}.{1:010}\r\n".encode())
            thieves.append(sock)
        native = box.server.services.natives[client.id]
        await until(lambda: len(native._proving) == 2)
        await hears_end(client, 1, await client.dialled(1))
        for sock in thieves:
            sock.close()


async def test_spares_are_bounded(root: Path) -> None:
    async with native_server(root, limits={"transfers": 2, "spares": 1}) as (box, client):
        native = box.server.services.natives[client.id]
        kept = [await client.dialled(tag) for tag in (1, 2, 3)]
        await until(lambda: len(native._early) == 3)
        assert await client.refused(4)
        await until(lambda: logged(box, "reason=crowded"))
        client._next = 3
        await client.send("GET tag=2; f")
        await hears_end(client, 2, kept[1])
        for sock in kept:
            sock.close()


async def test_no_data_connection_is_425(root: Path) -> None:
    async with native_server(root, limits={"accept": 0.2}) as (_box, client):
        for command in ("GET tag=1; f", "PUT tag=2;size=1; new", "MLSD tag=3;"):
            await client.send(command)
        for tag in (1, 2, 3):
            line = await client.final(tag)
            assert (line.code, line.kind) == (425, "no-data")
            assert await client.refused(tag), "too late"
        assert not (root / "new").exists()


@pytest.mark.parametrize("command", ["GET tag=1; nothing", "GET tag=1; .", "GET tag=1;hash=md5; f", "WAIT tag=1; f"])
async def test_a_command_that_moves_nothing_closes_its_data_connection(root: Path, command: str) -> None:
    async with native_server(root) as (box, client):
        sock = await client.dialled(1)
        await client.has_early(box, 1)
        await client.send(command)
        await client.hear(1)
        assert await closed(sock)
        assert await client.refused(1)


# --- the end of native mode ------------------------------------------------------------------------------------------


async def two_transfers_and_a_spare(client: Native) -> list[socket.socket]:
    """A download and an upload that wait for a slow client, and a spare."""
    await client.send("GET tag=1; big")
    await client.send("PUT tag=2;size=10; new")
    await client.hear(1)
    await client.hear(2)
    return [await client.dialled(tag) for tag in (1, 2, 3)]


async def all_cut(socks: list[socket.socket]) -> None:
    def cut(sock: socket.socket) -> bool:
        with sock:
            try:
                while sock.recv(1 << 20):
                    pass
            except OSError:
                return True
            return False  # a clean end

    for sock in socks:
        assert await in_thread(partial(cut, sock))


@pytest.mark.parametrize(
    ("line", "code"), [("USER ann", 331), ("REIN", 220), ("OPTS FTLITE 1", 200), ("AUTH TLS", 502), ("PROT C", 503)]
)
async def test_what_ends_native_mode(root: Path, line: str, code: int) -> None:
    async with native_server(root) as (box, client):
        socks = await two_transfers_and_a_spare(client)
        said, text = await client.ask(line)
        assert said == code, text
        for tag in (1, 2):
            final = await client.final(tag)
            assert (final.code, final.kind) == (426, "aborted")
        await all_cut(socks)
        assert client.id not in box.server.services.natives


async def test_prot_ends_it_under_tls(root: Path) -> None:
    async with native_server(root, tls=True) as (box, client):
        socks = await two_transfers_and_a_spare(client)
        assert (await client.ask("PROT P"))[0] == 200
        for tag in (1, 2):
            assert (await client.final(tag)).kind == "aborted"
        await all_cut(socks)
        assert not box.server.services.natives
        again = await switched(box, client.talker, client.context)
        assert (await again.get("f"))[1] == b"content"


@pytest.mark.parametrize("how", ["QUIT", "close"])
async def test_the_end_of_the_session_ends_it(root: Path, how: str) -> None:
    async with native_server(root) as (box, client):
        sock = await client.dialled(1)
        await client.has_early(box, 1)
        if how == "QUIT":
            assert (await client.ask("QUIT"))[0] == 221
        else:
            await client.talker.stream.aclose()
        assert await closed(sock)
        await until(lambda: not box.server.services.natives)
        await until(lambda: box.server.services.census.sessions == 0)


async def test_old_ids_and_keys_are_worth_nothing(root: Path) -> None:
    async with native_server(root) as (box, client):
        again = await switched(box, client.talker)
        assert again.id != client.id
        assert again.key != client.key
        assert await client.refused(1)
        assert (await again.get("f"))[1] == b"content"


async def test_it_needs_a_login_and_protected_data_where_that_is_required(root: Path) -> None:
    async with native_server(root, tls=True) as (box, client):
        talker = await box.connect()
        assert await talker.say("OPTS FTLITE 1") == 530
        assert client.context is not None
        assert await talker.say("AUTH TLS") == 234
        talker.stream = trio.SSLStream(talker.stream, client.context, server_hostname="localhost")
        await talker.log_in()
        assert await talker.say("OPTS FTLITE 1") == 503
        assert await talker.say("PBSZ 0") == 200
        assert await talker.say("PROT P") == 200
        assert await talker.say("OPTS FTLITE 2") == 501
        await switched(box, talker, client.context)


async def test_features_are_for_who_has_logged_in(root: Path) -> None:
    async with native_server(root) as (box, client):
        talker = await box.connect()
        assert "FTLITE" not in (await talker.ask("FEAT"))[1]
        text = (await client.ask("FEAT"))[1]
        line = next(line for line in text.splitlines() if "FTLITE" in line)
        assert line.startswith(" FTLITE 1 max=16;hash=sha256")
        assert "spares=2;" in line


async def test_stock_verbs_stay_valid(root: Path) -> None:
    async with native_server(root) as (_box, client):
        sock = await open_data(client.talker)
        assert (await client.ask("RETR f"))[0] == 150
        assert await in_thread(lambda: read_all(sock)) == b"content"
        assert (await client.talker.hear())[0] == 226
        code, text = await client.ask("GET f")
        assert code == 501, text


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("tls", [False, True])
async def test_no_descriptor_is_left_over(root: Path, tls: bool) -> None:
    async with native_server(root, tls=tls, limits={"prove": 0.3}) as (box, client):

        async def round() -> None:
            await client.get("f")
            await client.get("nothing")
            await client.put("new", b"x" * 100_000)
            assert await client.refused(client.tag(), proof="0" * 64)
            tag = client.tag()
            await client.send(f"GET tag={tag}; big")
            sock = await client.dialled(tag)
            await in_thread(lambda: sock.recv(1000))
            sock.close()
            assert (await client.final(tag)).code == 426
            talker = await box.connect()
            await talker.stream.aclose()

        for _ in range(3):
            await round()
        await until(lambda: box.server.services.census.sessions == 1)
        before = descriptors()
        for _ in range(10):
            await round()
        await client.ask("NOOP")
        await until(lambda: descriptors() <= before + 8)


async def test_a_hangup_in_the_middle_leaves_nothing(root: Path) -> None:
    async with native_server(root) as (box, client):
        socks = await two_transfers_and_a_spare(client)
        await client.talker.stream.aclose()
        await all_cut(socks)
        await until(lambda: box.server.services.census.sessions == 0)
        assert not box.server.services.uploads
        assert not (root / "new").exists()
