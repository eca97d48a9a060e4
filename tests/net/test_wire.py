"""Wires over real loopback sockets: clean ends, cuts, resets, and what a wire owes when it is closed."""

from __future__ import annotations

import socket
import ssl
import struct
from pathlib import Path

import pytest
import trio
import trio.testing

from ftlite.net.errors import Kind, NetError
from ftlite.net.wire import Wire
from tests.descriptors import no_descriptor_leaks
from tests.net.support import BUFFERED, client_context, secure_pair, server_tls, sockets, wires

both = pytest.mark.parametrize("tls", [False, True, BUFFERED], ids=["clear", "tls", "buffered"])


async def receive(wire: Wire, most: int = 65536) -> bytes:
    buffer = bytearray(most)
    while (count := wire.recv_into(buffer)) is None:
        await wire.readable()
    return bytes(buffer[:count])


async def until_end(wire: Wire) -> bytes:
    data = bytearray()
    while piece := await receive(wire):
        data += piece
    return bytes(data)


@both
async def test_bytes_and_the_clean_end_arrive(tmp_path: Path, tls: bool | str) -> None:
    with trio.fail_after(20):
        with no_descriptor_leaks():
            near, far = await wires(tmp_path, tls)
            assert near.send(b"hello") == 5
            async with trio.open_nursery() as nursery:
                nursery.start_soon(near.finish)
                assert await until_end(far) == b"hello"
                assert await far.finish() is True
            assert near.closed
            assert far.closed


@both
async def test_nothing_to_read_is_none_and_wait_ends_with_data(tmp_path: Path, tls: bool | str) -> None:
    with trio.fail_after(20):
        near, far = await wires(tmp_path, tls)
        while near.recv_into(bytearray(10)) is None:  # TLS 1.3 tickets make the socket readable and carry no data
            with trio.move_on_after(0.05):
                await near.readable()
                continue
            break
        far.send(b"x")
        assert await receive(near) == b"x"
        near.abort()
        far.abort()


@both
async def test_wire_sets_nodelay_and_keepalive(tmp_path: Path, tls: bool | str) -> None:
    near, far = await wires(tmp_path, tls)
    assert near.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert near.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert near.tls is bool(tls)
    assert not near.reused
    near.abort()
    far.abort()


async def test_tls_end_without_close_notify_is_truncation(tmp_path: Path) -> None:
    with trio.fail_after(20):
        near, far = await wires(tmp_path, tls=True)
        near.send(b"half")
        socket.socket.shutdown(near.socket, socket.SHUT_WR)
        assert await receive(far) == b"half"
        with pytest.raises(NetError) as caught:
            await receive(far)
        assert caught.value.kind is Kind.TRUNCATED
        near.abort()
        far.abort()


async def test_end_without_close_notify_counts_when_it_is_not_required(tmp_path: Path) -> None:
    with trio.fail_after(20):
        near, far = await secure_pair(
            server_tls(tmp_path).session_context(), client_context(), require_close_notify=False
        )
        near.send(b"whole")
        socket.socket.shutdown(near.socket, socket.SHUT_WR)
        assert await until_end(far) == b"whole"
        near.abort()
        far.abort()


@both
async def test_reset_is_lost(tmp_path: Path, tls: bool | str) -> None:
    with trio.fail_after(20):
        near, far = await wires(tmp_path, tls)
        near.abort()
        with pytest.raises(NetError) as caught:
            await until_end(far)
        # OpenSSL may swallow the reset and see the bare end behind it.
        assert caught.value.kind in ({Kind.LOST, Kind.TRUNCATED} if tls else {Kind.LOST})
        with pytest.raises(NetError) as caught:
            while True:
                far.send(b"y" * 65536)
                await far.writable()
        assert caught.value.kind is Kind.LOST
        far.abort()


@both
async def test_abort_never_looks_like_a_clean_end(tmp_path: Path, tls: bool | str) -> None:
    """Also not while bytes are on their way, and not in the middle of a stream that TLS would close politely."""
    with trio.fail_after(20):
        for _ in range(20):
            near, far = await wires(tmp_path, tls)
            near.send(b"z" * 30000)
            near.abort()
            with pytest.raises(NetError):
                await until_end(far)
            far.abort()


@both
async def test_abort_wakes_who_waits(tmp_path: Path, tls: bool | str) -> None:
    with trio.fail_after(20):
        near, far = await wires(tmp_path, tls)

        async def wait() -> None:
            with pytest.raises(NetError) as caught:
                await until_end(near)
            assert caught.value.kind is Kind.LOST

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            near.abort()
        far.abort()


async def test_closed_wire_says_so() -> None:
    near, far = (Wire(end) for end in sockets())
    near.abort()
    near.abort()
    for attempt in (lambda: near.recv_into(bytearray(1)), lambda: near.send(b"x"), lambda: near.lent().__enter__()):
        with pytest.raises(NetError) as caught:
            attempt()
        assert caught.value.kind is Kind.LOST
    for wait in (near.readable, near.writable, near.finish):
        with pytest.raises(NetError):
            await wait()
    far.abort()


@both
async def test_abort_while_lent_keeps_the_descriptor_until_it_comes_back(tmp_path: Path, tls: bool | str) -> None:
    near, far = await wires(tmp_path, tls)
    number = near.socket.fileno()
    with pytest.raises(NetError):
        with near.lent():
            near.abort()
            assert near.socket.fileno() == number
            assert near.closed
    assert near.socket.fileno() == -1
    with trio.fail_after(20), pytest.raises(NetError):
        await until_end(far)
    far.abort()


@both
async def test_finish_reads_what_the_peer_still_says(tmp_path: Path, tls: bool | str) -> None:
    """Unread bytes at close become a reset that destroys what the peer has not read yet."""
    with trio.fail_after(30):
        near, far = await wires(tmp_path, tls)
        far.send(b"noise" * 1000)
        payload = b"p" * 200_000
        sent = 0
        async with trio.open_nursery() as nursery:

            async def late_reader() -> None:
                assert await until_end(far) == payload
                far.send(b"more noise")
                assert await far.finish()

            nursery.start_soon(late_reader)
            while sent < len(payload):
                count = near.send(payload[sent : sent + 16384])
                if count is None:
                    await near.writable()
                else:
                    sent += count
            assert await near.finish() is True


@both
async def test_finish_gives_a_silent_peer_its_time_and_no_more(tmp_path: Path, tls: bool | str) -> None:
    with trio.fail_after(20), no_descriptor_leaks():
        near, far = await wires(tmp_path, tls)
        near.send(b"x")
        assert await near.finish(timeout=0.01) is False
        assert near.closed
        assert await until_end(far) == b"x"
        far.abort()


@both
async def test_finish_cancelled_closes(tmp_path: Path, tls: bool | str) -> None:
    with trio.fail_after(20), no_descriptor_leaks():
        near, far = await wires(tmp_path, tls)
        near.send(b"all of it")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(near.finish)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        assert near.closed
        assert await until_end(far) == b"all of it"  # the end was out already
        far.abort()


async def test_end_that_cannot_be_told_is_lost(tmp_path: Path) -> None:
    """A TLS peer that leaves no room for close_notify cannot know the transfer whole, so it is none."""
    with trio.fail_after(20), no_descriptor_leaks():
        near, far = await wires(tmp_path, tls=True, small=True)
        while near.send(b"f" * 1024) is not None:
            pass
        with pytest.raises(NetError) as caught:
            await near.finish(patience=0.01)
        assert caught.value.kind is Kind.LOST
        assert near.closed
        far.abort()


async def test_reset_after_everything_is_no_error() -> None:
    """curl and others close when they have all bytes, with what came behind them unread."""
    with trio.fail_after(20):
        near, far = sockets()
        wire = Wire(near)
        wire.send(b"bytes")
        finished: list[bool] = []

        async def finish() -> None:
            finished.append(await wire.finish())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(finish)
            await trio.testing.wait_all_tasks_blocked()
            far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            far.close()
        assert finished == [False]


@pytest.mark.parametrize("server_side", [False, True])
async def test_handshake_with_garbage_is_tls_and_with_nobody_is_lost(tmp_path: Path, server_side: bool) -> None:
    context = server_tls(tmp_path).session_context() if server_side else client_context()
    for said, kinds in ((b"220 hello there\r\n" * 3, {Kind.TLS}), (b"", {Kind.LOST})):
        with trio.fail_after(20), no_descriptor_leaks():
            near, far = sockets()
            far.sendall(said)
            far.shutdown(socket.SHUT_WR)
            with pytest.raises(NetError) as caught:
                await Wire.secure(near, context, server_side=server_side)
            assert caught.value.kind in kinds
            far.close()


async def test_handshake_cancelled_leaks_nothing(tmp_path: Path) -> None:
    context = client_context()
    with no_descriptor_leaks():
        near, far = sockets()
        async with trio.open_nursery() as nursery:

            async def shake() -> None:
                await Wire.secure(near, context, server_side=False)

            nursery.start_soon(shake)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        far.close()


async def test_handshake_on_a_socket_that_was_reset(tmp_path: Path) -> None:
    context = server_tls(tmp_path).session_context()
    with trio.fail_after(20), no_descriptor_leaks():
        near, far = sockets()
        near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        near.close()
        with pytest.raises(NetError):
            await Wire.secure(far, context, server_side=True)


async def test_untrusted_certificate_is_said(tmp_path: Path) -> None:
    strict = ssl.create_default_context()
    near, far = sockets()
    context = server_tls(tmp_path).session_context()
    seen: list[NetError] = []

    async def serve() -> None:
        with pytest.raises(NetError):
            (await Wire.secure(far, context, server_side=True)).recv_into(bytearray(1))

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            with pytest.raises(NetError) as caught:
                await Wire.secure(near, strict, server_side=False, hostname="localhost")
            seen.append(caught.value)
    assert seen[0].kind is Kind.TLS
    assert "certificate is not trusted" in seen[0].message


async def test_a_peer_that_closes_upon_our_close_notify_had_everything(tmp_path: Path) -> None:
    """It answers with FIN alone, which may come before we have looked for a close_notify of its own."""
    client, server = await wires(tmp_path, True)
    assert server.send(b"all of it") == 9
    assert await receive(client) == b"all of it"
    raw = socket.socket(fileno=client.socket.detach())
    with raw:
        raw.shutdown(socket.SHUT_WR)
        await server.readable()
        await server.finish(timeout=0.05)


async def test_last_bytes_and_the_end_leave_together(tmp_path: Path) -> None:
    ours, theirs = await wires(tmp_path, False)
    ours.send_last(b"all of it")
    assert not ours.try_finish()
    assert await until_end(theirs) == b"all of it"
    await theirs.finish()
    assert ours.try_finish()
    assert ours.closed


async def test_last_bytes_that_find_no_room_are_lost(tmp_path: Path) -> None:
    ours, theirs = await wires(tmp_path, False, small=True)
    with pytest.raises(NetError) as caught:
        ours.send_last(bytes(10_000_000))
    assert caught.value.kind is Kind.LOST
    assert ours.closed
    theirs.abort()
