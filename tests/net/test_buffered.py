"""TLS over memory BIOs: greetings in clear before it, packets of any shape, and the same words as an SSLSocket's."""

from __future__ import annotations

import hashlib
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
import trio.lowlevel

from ftlite.net.buffered import BufferedTls, dial_data, secure_buffered
from ftlite.net.errors import Kind, NetError
from ftlite.net.wire import Wire
from ftlite.protocol.native.lines import GreetingSkipper
from tests.descriptors import no_descriptor_leaks
from tests.net.support import client_context, secure_pair, server_tls, sockets

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
versions = pytest.mark.parametrize("version", VERSIONS, ids=["1.2", "1.3"])
LINE = b"DATA 0123456789abcdef.0000000001\r\n"
GREETINGS = [b"220 hello\r\n", b"220-several\r\n220-lines\r\n and more\r\n220 end\r\n"]


async def take(wire: Wire, count: int) -> bytes:
    """Exactly `count` octets; fewer at the clean end."""
    data = bytearray()
    while len(data) < count:
        buffer = bytearray(count - len(data))
        got = wire.recv_into(buffer)
        if got is None:
            await wire.readable()
        elif not got:
            break
        else:
            data += buffer[:got]
    return bytes(data)


async def give(wire: Wire, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        sent = wire.send(rest)
        if sent is None:
            await wire.writable()
        else:
            rest = rest[sent:]


async def relay(source: socket.socket, target: socket.socket, piece: int) -> None:
    """Carries one direction in pieces of so many octets, each a packet of its own, and the end."""
    readable, writable = trio.socket.from_stdlib_socket(source), trio.socket.from_stdlib_socket(target)
    target.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := await readable.recv(piece):
        rest = memoryview(data)
        while rest:
            rest = rest[await writable.send(rest) :]
    writable.shutdown(socket.SHUT_WR)


async def serve(far: socket.socket, context: ssl.SSLContext, greeting: bytes, *, coalesce: bool) -> tuple[Wire, bytes]:
    """A server that greets, reads the line to the octet and then speaks TLS; `coalesce`: the greeting leaves only when
    the ClientHello is here, in one packet with the ServerHello."""
    far.setblocking(False)
    wire = Wire(far)
    if coalesce:
        line = await take(wire, len(LINE))
        tls = BufferedTls(far, context, server_side=True, prelude=greeting)
        return await Wire.shake(tls), line
    far.send(greeting)
    line = await take(wire, len(LINE))
    return await Wire.secure(far, context, server_side=True), line


@versions
@pytest.mark.parametrize("greeting", GREETINGS, ids=["one-line", "several"])
@pytest.mark.parametrize("coalesce", [False, True], ids=["early", "one-packet"])
@pytest.mark.parametrize("piece", [1, 7, 100_000])
async def test_greeting_before_the_server_hello(
    tmp_path: Path, version: ssl.TLSVersion, greeting: bytes, coalesce: bool, piece: int
) -> None:
    context, client = server_tls(tmp_path).session_context(), client_context(version)
    proof = b"PROOF " + b"0" * 64 + b"\r\n"
    near, middle_near = sockets()
    middle_far, far = sockets()
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(relay, middle_near, middle_far, piece)
            nursery.start_soon(relay, middle_far, middle_near, piece)

            async def server() -> None:
                wire, line = await serve(far, context, greeting, coalesce=coalesce)
                assert line == LINE
                assert await take(wire, len(proof)) == proof
                await give(wire, b"content")
                assert await wire.finish()

            nursery.start_soon(server)
            wire = await dial_data(near, LINE, greeted=True, context=client, proof=proof)
            assert wire.secured is not None
            assert wire.secured.version() == ("TLSv1.2" if version is ssl.TLSVersion.TLSv1_2 else "TLSv1.3")
            assert await take(wire, 100) == b"content"
            await wire.finish()
    for end in (middle_near, middle_far):
        end.close()


async def test_the_line_the_hello_and_the_proof_take_two_packets(tmp_path: Path) -> None:
    """Nothing waits for the greeting, and nothing is said in bits: each packet is half a round trip on a bad day."""
    context, sent = server_tls(tmp_path).session_context(), []

    class Counting:
        def __init__(self, sock: socket.socket) -> None:
            self._sock = sock

        def send(self, data: memoryview) -> int:
            sent.append(bytes(data))
            return self._sock.send(data)

        def __getattr__(self, name: str) -> object:
            return getattr(self._sock, name)

    near, far = sockets()
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:

            async def server() -> None:
                far.setblocking(False)
                wire = Wire(far)
                assert await take(wire, len(LINE)) == LINE
                tls = await Wire.shake(BufferedTls(far, context, server_side=True, prelude=b"220 late\r\n"))
                assert await take(tls, 5) == b"proof"
                tls.abort()

            nursery.start_soon(server)
            skipper = GreetingSkipper()
            tls = BufferedTls(
                Counting(near),  # type: ignore[arg-type]
                client_context(ssl.TLSVersion.TLSv1_3),
                before=skipper.feed,
                prelude=LINE,
                first=b"proof",
            )
            near.setblocking(False)
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    await trio.lowlevel.wait_readable(near)
    assert len(sent) == 2
    assert sent[0].startswith(LINE + b"\x16\x03")
    near.close()


@pytest.mark.parametrize("greeting", GREETINGS, ids=["one-line", "several"])
async def test_greeting_in_clear_takes_no_octet_of_the_content(greeting: bytes) -> None:
    for cut in range(len(greeting)):
        near, far = sockets()
        near.setblocking(False)
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:

                async def server(far: socket.socket = far, cut: int = cut) -> None:
                    far.sendall(greeting[:cut])
                    await trio.testing.wait_all_tasks_blocked()
                    far.sendall(greeting[cut:] + b"content")

                nursery.start_soon(server)
                wire = await dial_data(near, LINE, greeted=True)
                assert await take(wire, 7) == b"content"
            assert far.recv(1000) == LINE
        wire.abort()
        far.close()


async def test_no_greeting_where_tls_comes_first(tmp_path: Path) -> None:
    context = server_tls(tmp_path).session_context()
    for client in (client_context(), None):
        near, far = sockets()
        near.setblocking(False)
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:

                async def server(far: socket.socket = far, client: ssl.SSLContext | None = client) -> None:
                    far.setblocking(False)
                    wire = Wire(far)
                    assert await take(wire, len(LINE)) == LINE
                    if client:
                        wire = await Wire.secure(far, context, server_side=True)
                    await give(wire, b"content")
                    await wire.finish()

                nursery.start_soon(server)
                wire = await dial_data(near, LINE, greeted=False, context=client)
                assert await take(wire, 7) == b"content"
                await wire.finish()


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
@pytest.mark.parametrize(
    ("said", "kind"),
    [(b"hello\r\n", Kind.WRONG_PEER), (b"220-x\r\n" * 1000, Kind.WRONG_PEER), (b"220-half", Kind.LOST)],
)
async def test_what_is_no_greeting(tls: bool, said: bytes, kind: Kind) -> None:
    with trio.fail_after(20), no_descriptor_leaks():
        near, far = sockets()
        near.setblocking(False)
        far.sendall(said)
        far.shutdown(socket.SHUT_WR)
        with pytest.raises(NetError) as caught:
            await dial_data(near, LINE, greeted=True, context=client_context() if tls else None)
        assert caught.value.kind is kind
        far.close()


@versions
@pytest.mark.parametrize("server_buffered", [False, True], ids=["sslsocket", "buffered"])
async def test_much_both_ways_at_once(tmp_path: Path, version: ssl.TLSVersion, server_buffered: bool) -> None:
    near, far = sockets()
    context = server_tls(tmp_path).session_context()
    data = {side: hashlib.sha256(side.encode()).digest() * 100_000 for side in ("near", "far")}
    ends: dict[str, Wire] = {}

    async def server() -> None:
        shake = secure_buffered if server_buffered else Wire.secure
        ends["far"] = await shake(far, context, server_side=True)

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server)
            near.setblocking(False)
            ends["near"] = await secure_buffered(near, client_context(version))
        async with trio.open_nursery() as nursery:
            for side, other in (("near", "far"), ("far", "near")):

                async def talk(side: str = side) -> None:
                    await give(ends[side], data[side])

                async def listen(side: str = side, other: str = other) -> None:
                    assert await take(ends[side], len(data[other])) == data[other]

                nursery.start_soon(talk)
                nursery.start_soon(listen)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ends["near"].finish)
            assert await ends["far"].finish()


@versions
async def test_the_session_of_another_connection_is_resumed(tmp_path: Path, version: ssl.TLSVersion) -> None:
    with trio.fail_after(20):
        server, client = server_tls(tmp_path).session_context(), client_context(version)
        near, far = await secure_pair(server, client)
        await give(far, b"220 hello")
        assert await take(near, 9) == b"220 hello"
        assert isinstance(near.secured, ssl.SSLSocket)
        session = near.secured.session
        for _ in range(2):
            data_near, data_far = await secure_pair(server, client, session=session, buffered=True)
            assert data_near.reused
            assert data_far.reused
            assert data_near.secured is not None
            assert data_near.secured.getpeercert(True) == near.secured.getpeercert(True)
            data_near.abort()
            data_far.abort()
        near.abort()
        far.abort()


async def test_truncation_is_told_behind_the_bytes_before_it(tmp_path: Path) -> None:
    with trio.fail_after(20):
        near, far = await secure_pair(server_tls(tmp_path).session_context(), client_context(), buffered=True)
        await give(near, b"half")
        near.socket.shutdown(socket.SHUT_WR)
        await trio.lowlevel.checkpoint()
        await far.readable()
        assert await take(far, 4) == b"half"
        for _ in range(2):
            with pytest.raises(NetError) as caught:
                await take(far, 1)
            assert caught.value.kind is Kind.TRUNCATED
        near.abort()
        far.abort()


async def test_broken_records_are_told_behind_the_bytes_before_them(tmp_path: Path) -> None:
    with trio.fail_after(20):
        near, far = await secure_pair(server_tls(tmp_path).session_context(), client_context(), buffered=True)
        await give(near, b"good")
        near.socket.send(b"\x17\x03\x03\x00\x10" + b"x" * 16)
        assert await take(far, 4) == b"good"
        with pytest.raises(NetError) as caught:
            await take(far, 1)
        assert caught.value.kind is Kind.TLS
        near.abort()
        far.abort()


@versions
async def test_pending_tells_of_what_the_socket_has_no_more(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """Else a reader with a small buffer waits for a socket that stays silent."""
    with trio.fail_after(20):
        near, far = await secure_pair(server_tls(tmp_path).session_context(), client_context(version), buffered=True)
        await give(near, b"x" * 50_000)
        await far.readable()
        seen = 0
        while seen < 50_000:
            count = far.recv_into(bytearray(999))
            if count is None:
                assert not far.pending()
                await far.readable()
                continue
            seen += count
        assert far.recv_into(bytearray(1)) is None
        assert not far.pending()
        near.abort()
        far.abort()


async def test_a_slow_peer_is_seen_record_by_record(tmp_path: Path) -> None:
    """A send of many records tells of each that left, for the stall clock."""
    with trio.fail_after(20):
        near, far = await secure_pair(
            server_tls(tmp_path).session_context(), client_context(), buffered=True, small=True
        )
        data, rest, steps = b"s" * 400_000, memoryview(b"s" * 400_000), []
        async with trio.open_nursery() as nursery:

            async def listen() -> None:
                assert await take(far, len(data)) == data

            nursery.start_soon(listen)
            while rest:
                sent = near.send(rest)
                if sent is None:
                    await near.writable()
                else:
                    steps.append(sent)
                    rest = rest[sent:]
        assert len(steps) > 5
        near.abort()
        far.abort()


async def test_what_before_raises_comes_out_and_closes() -> None:
    def refuse(_octets: memoryview) -> int:
        raise ValueError("not this")

    with trio.fail_after(20), no_descriptor_leaks():
        near, far = sockets()
        near.setblocking(False)
        far.sendall(b"x")
        with pytest.raises(ValueError, match="not this"):
            await secure_buffered(near, client_context(), before=refuse)
        far.close()


async def test_a_peer_that_refuses_is_told_why(tmp_path: Path) -> None:
    """Our alert goes out although the handshake failed."""
    near, far = sockets()
    context = server_tls(tmp_path).session_context()
    kinds: list[str] = []

    async def server() -> None:
        with pytest.raises(NetError) as caught:
            await take(await Wire.secure(far, context, server_side=True), 1)
        kinds.append(caught.value.message)

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server)
            near.setblocking(False)
            with pytest.raises(NetError) as caught:
                await secure_buffered(near, ssl.create_default_context(), hostname="localhost")
    assert "certificate is not trusted" in caught.value.message
    assert "alert" in kinds[0]


def test_face_without_a_peer() -> None:
    near, far = sockets()
    near.setblocking(False)
    tls = BufferedTls(near, client_context())
    calls: list[Callable[[], object]] = [tls.do_handshake, lambda: tls.recv_into(bytearray(1))]
    for call in calls:
        with pytest.raises(ssl.SSLWantReadError):
            call()
    assert (tls.version(), tls.session_reused, tls.pending()) == (None, False, 0)
    near.close()
    far.close()
