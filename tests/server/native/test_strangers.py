"""What a new connection may be, and what happens to those that are neither a session nor a data connection."""

from __future__ import annotations

import socket
import ssl
import struct
from pathlib import Path

import pytest
import trio
import trio.testing

from ftlite.config.models import Endpoint, TlsConfig, TlsMode
from ftlite.net.tls import ServerTls, ensure_self_signed
from ftlite.server import EventLog, Server
from tests.server.native.support import Native, in_thread, logged, native, native_server, read_all, until
from tests.server.support import Box, Talker, config_for, served_pair, serving


async def raw(box: Box) -> trio.SocketStream:
    return await trio.open_tcp_stream("127.0.0.1", box.port)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"DATA 0123456789abcdef.0000000001\r\n", "unknown"),
        (b"DATA 0123456789abcdef.0000000001 " + b"0" * 64 + b"\r\n", "unknown"),
        (b"DATA 0123456789ABCDEF.0000000001\r\n", "malformed"),
        (b"DATA 0123456789abcdef.0000000000\r\n", "malformed"),
        (b"DATA 0123456789abcdef.9999999999\r\n", "malformed"),
        (b"DATA \r\n", "malformed"),
        (b"DATA " + b"x" * 300, "malformed"),
    ],
)
async def test_a_data_line_that_leads_nowhere_is_closed_at_once(root: Path, line: bytes, reason: str) -> None:
    async with serving(root) as box, await raw(box) as stream:
        talker = Talker(stream)
        assert (await talker.hear())[0] == 220
        await stream.send_all(line)
        with trio.fail_after(20):
            await talker.expect_end()
        await until(lambda: logged(box, "stranger.closed") and logged(box, f"reason={reason}"))


async def test_a_data_line_that_does_not_end_is_closed(root: Path) -> None:
    async with serving(root, limits={"stranger": 0.1}) as box, await raw(box) as stream:
        talker = Talker(stream)
        await talker.hear()
        await stream.send_all(b"DATA 0123456789abcdef.00000")
        with trio.fail_after(20):
            await talker.expect_end()
        await until(lambda: logged(box, "reason=timeout"))


@pytest.mark.parametrize("first", [b"D", b"DA", b"DAT", b"DATE x\r\n", b"DATALINE\r\n", b"data x\r\n", b"\r\n"])
async def test_what_only_begins_like_a_data_line_is_a_session(root: Path, first: bytes) -> None:
    async with serving(root, limits={"stranger": 0.1}) as box:
        talker = await box.connect()
        await talker.stream.send_all(first)
        if not first.endswith(b"\r\n"):
            await until(lambda: logged(box, "session.open"))
            await talker.stream.send_all(b" x\r\n")
        assert (await talker.hear())[0] == 500
        await talker.log_in()


async def test_a_person_may_type_slowly(root: Path, autojump_clock: trio.testing.MockClock) -> None:
    server = Server(config_for(root), EventLog(None), None)
    serve, stream = served_pair(server)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.keep_time)
        nursery.start_soon(serve)
        talker = Talker(stream)
        assert (await talker.hear())[0] == 220
        for octet in b"USER ann\r\n":
            await trio.sleep(4)
            await stream.send_all(bytes((octet,)))
        assert (await talker.hear())[0] == 331
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("login", [60.0, 2.0])
async def test_the_login_clock_counts_from_the_accept(
    root: Path, autojump_clock: trio.testing.MockClock, login: float
) -> None:
    server = Server(config_for(root, limits={"login": login}), EventLog(None), None)
    serve, stream = served_pair(server)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.keep_time)
        nursery.start_soon(serve)
        talker = Talker(stream)
        await talker.hear()
        assert (await talker.hear())[0] == 421
        assert login <= trio.current_time() <= login + 1.5
        nursery.cancel_scope.cancel()
    assert server.services.census.sessions == 0


async def test_strangers_are_limited_and_room_comes_back(root: Path) -> None:
    async with serving(root, limits={"strangers": 2, "stranger": 60.0}) as box:
        silent = [await box.connect() for _ in range(2)]
        third = Talker(await raw(box))
        with trio.fail_after(20):
            await third.expect_end()
        await until(lambda: logged(box, "reason=refused"))
        await silent[0].say("NOOP")
        assert await (await box.connect()).say("NOOP") == 200
        await silent[1].stream.aclose()


async def test_strangers_of_one_address_are_limited(root: Path) -> None:
    limits = {"sessions_per_address": 1, "transfers": 1, "spares": 0, "stranger": 60.0}
    async with serving(root, limits=limits) as box:
        _first = await box.connect()
        second = Talker(await raw(box))
        assert (await second.hear())[0] == 421, "a session is one too many; a data connection would not be"
        third = Talker(await raw(box))
        with trio.fail_after(20):
            await third.expect_end()


async def test_data_comes_through_where_sessions_are_full(root: Path) -> None:
    (root / "f").write_bytes(b"content")
    async with native_server(root, limits={"sessions": 1}) as (_box, client):
        begun, data, done = await client.get("f")
        assert (begun.code, data, done.code) == (150, b"content", 226)


async def test_a_session_is_not_let_in_by_speaking_after_421(root: Path) -> None:
    async with serving(root, limits={"sessions": 1}) as box:
        _first = await box.ann()
        second = Talker(await raw(box))
        assert (await second.hear())[0] == 421
        await second.send("USER ann")
        await second.expect_end()


async def test_http_as_the_first_line_is_closed(root: Path) -> None:
    async with serving(root) as box:
        talker = await box.connect()
        await talker.send("GET / HTTP/1.1")
        await talker.expect_end()


@pytest.mark.parametrize("octets", [b"", b"D", b"DATA 0123", b"USER ann\r\n"])
async def test_who_leaves_or_resets_leaves_nothing(root: Path, octets: bytes) -> None:
    async with serving(root) as box:
        for linger in (True, False):
            sock = await in_thread(lambda: socket.create_connection(("127.0.0.1", box.port)))
            sock.sendall(octets)
            if linger:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
        await until(lambda: box.server.services.census.sessions == 0)
        assert await (await box.connect()).say("NOOP") == 200


# --- an implicit port ------------------------------------------------------------------------------------------------


def implicit(root: Path) -> dict[str, object]:
    state = root.parent / "state"
    return {
        "pair": ServerTls(*ensure_self_signed(state), state),
        "tls": TlsConfig(mode=TlsMode.REQUIRED),
        "listen": (Endpoint("127.0.0.1", 0, implicit=True),),
    }


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def session_inside(box: Box, context: ssl.SSLContext) -> Talker:
    stream = trio.SSLStream(await raw(box), context, server_hostname="localhost")
    talker = Talker(stream)
    assert (await talker.hear())[0] == 220
    return talker


async def test_tls_and_data_lines_share_an_implicit_port(root: Path) -> None:
    (root / "f").write_bytes(b"content")
    context = trusting()
    async with serving(root, **implicit(root)) as box:  # type: ignore[arg-type]
        talker = await session_inside(box, context)
        assert await talker.say("PBSZ 0") == 200
        assert await talker.say("PROT P") == 200
        await talker.log_in()
        code, text = await talker.ask("OPTS FTLITE 1")
        assert code == 200
        facts = dict(fact.split("=") for fact in text.split()[-1].strip(";").split(";"))
        client = Native(talker, box.port, facts["id"], bytes.fromhex(facts["key"]), context, implicit=True)
        begun, data, done = await client.get("f")
        assert (begun.code, data, done.code) == (150, b"content", 226)


@pytest.mark.parametrize("first", [b"USER ann\r\n", b"\x80", b"DELE x\r\n", b"GET / HTTP/1.1\r\n"])
async def test_nothing_else_is_answered_on_an_implicit_port(root: Path, first: bytes) -> None:
    async with serving(root, **implicit(root)) as box, await raw(box) as stream:  # type: ignore[arg-type]
        await stream.send_all(first)
        with trio.fail_after(20):
            await Talker(stream).expect_end()


async def test_an_implicit_client_may_be_slow_to_begin(root: Path) -> None:
    async with serving(root, limits={"stranger": 0.05}, **implicit(root)) as box:  # type: ignore[arg-type]
        stream = await raw(box)
        await until(lambda: logged(box, "session.open"))
        talker = Talker(trio.SSLStream(stream, trusting(), server_hostname="localhost"))
        assert (await talker.hear())[0] == 220


async def test_while_draining_data_still_comes_and_sessions_do_not(root: Path) -> None:
    (root / "f").write_bytes(bytes(3_000_000))
    async with native_server(root, drain=20.0) as (box, client):
        tag = client.tag()
        await client.send(f"GET tag={tag}; f")
        await client.hear(tag)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(box.server.drain)
            await until(lambda: logged(box, "server.drain"))
            assert (await Talker(await raw(box)).hear())[0] == 421
            late = client.tag()
            await client.send(f"GET tag={late}; f")
            assert (await client.hear(late)).kind == "too-many"
            sock = await client.dialled(tag)
            assert len(await in_thread(lambda: read_all(sock))) == 3_000_000
            assert (await client.final(tag)).code == 226
            with trio.fail_after(20):
                assert (await client.talker.hear())[0] == 421


async def test_a_greeting_is_read_before_anything_else_is_needed(root: Path) -> None:
    """The client sends its data-line before it has read the greeting, and reads that first."""
    (root / "f").write_bytes(b"x")
    async with native_server(root) as (box, client):
        tag = client.tag()
        sock = await in_thread(lambda: socket.create_connection(("127.0.0.1", box.port)))
        sock.sendall(f"DATA {client.id}.{tag:010} {client.proof(tag)}\r\n".encode())
        await client.send(f"GET tag={tag}; f")
        assert (await client.final(tag)).code == 226
        heard = await in_thread(lambda: read_all(sock))
        assert heard == f"220 {box.config.banner}\r\nx".encode()


async def test_a_stranger_that_knows_no_id_gets_no_octet(root: Path) -> None:
    async with native_server(root) as (box, client):
        assert await client.refused(1, id="f" * 16)
        other = await native(box)
        assert other.id != client.id
        assert other.key != client.key
