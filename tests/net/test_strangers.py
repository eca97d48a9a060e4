"""The first octets of a connection: what is read, and that nothing behind it is."""

from __future__ import annotations

import socket

import pytest
import trio
import trio.testing

from ftlite.net.errors import Kind, NetError
from ftlite.net.strangers import first_line, first_octet, flush, greet
from ftlite.net.wire import Wire
from ftlite.protocol.errors import BadCommand
from ftlite.protocol.native.lines import FirstLineKind

BARE = b"DATA 0123456789abcdef.0000000007\r\n"
PROVEN = b"DATA 0123456789abcdef.0000000007 " + b"a" * 64 + b"\r\n"


def pair() -> tuple[Wire, socket.socket]:
    ours, theirs = socket.socketpair()
    return Wire(ours), theirs


@pytest.mark.parametrize("line", [BARE, PROVEN])
@pytest.mark.parametrize("behind", [b"", b"\x16\x03\x01", b"x" * 100])
@pytest.mark.parametrize("step", [1, 3, 10_000])
async def test_a_data_line_and_not_an_octet_more(line: bytes, behind: bytes, step: int) -> None:
    wire, theirs = pair()
    with theirs:
        whole = line + behind

        async def say() -> None:
            for at in range(0, len(whole), step):
                theirs.sendall(whole[at : at + step])
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(say)
            read = await first_line(wire, 30)
        assert read.kind is FirstLineKind.DATA
        assert (read.id, read.tag, read.proof) == ("0123456789abcdef", 7, "a" * 64 if line is PROVEN else None)
        rest = bytearray(2000)
        assert (wire.recv_into(rest) or 0) == len(behind)
        assert rest.startswith(behind)
    wire.abort()


@pytest.mark.parametrize("said", [b"USER ann\r\n", b"\r\n", b"\xff\xfb\x01", b"DATUM x\r\n", b"x"])
async def test_what_a_session_says_is_handed_on(said: bytes) -> None:
    wire, theirs = pair()
    with theirs:
        theirs.sendall(said)
        read = await first_line(wire, 30)
        assert read.kind is FirstLineKind.SESSION
        rest = bytearray(100)
        count = wire.recv_into(rest) or 0
        assert read.seen + rest[:count] == said
    wire.abort()


async def test_silence_is_no_decision_and_a_line_that_stops_is_an_error(
    autojump_clock: trio.testing.MockClock,
) -> None:
    for said in (b"", b"D", b"DAT"):
        wire, theirs = pair()
        with theirs:
            theirs.sendall(said)
            read = await first_line(wire, 5)
            assert (read.kind, read.seen) == (None, said)
        wire.abort()
    wire, theirs = pair()
    with theirs:
        theirs.sendall(BARE[:20])
        with pytest.raises(NetError) as caught:
            await first_line(wire, 5)
        assert caught.value.kind is Kind.TIMEOUT
    wire.abort()
    assert 20 <= trio.current_time() <= 21


async def test_who_leaves_and_who_says_nonsense() -> None:
    for said, error in ((b"", NetError), (b"DA", NetError), (b"DATA nonsense\r\n", BadCommand)):
        wire, theirs = pair()
        theirs.sendall(said)
        theirs.close()
        with pytest.raises(error):
            await first_line(wire, 30)
        wire.abort()


async def test_the_first_octet_stays(autojump_clock: trio.testing.MockClock) -> None:
    wire, theirs = pair()
    with theirs:
        assert await first_octet(wire, 5) == b""
        theirs.sendall(b"\x16abc")
        assert await first_octet(wire, 5) == b"\x16"
        rest = bytearray(10)
        assert wire.recv_into(rest) == 4
        theirs.close()
        with pytest.raises(NetError):
            await first_octet(wire, 5)
    wire.abort()


@pytest.mark.parametrize("said", [b"", BARE, b"USER ann\r\n"])
async def test_a_greeting_goes_out_at_the_latest_when_flushed(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname(), timeout=30)
        ours, _ = listener.accept()
    wire = Wire(ours)
    with theirs:
        theirs.sendall(said)
        greet(wire, b"220 ready\r\n")
        flush(wire)
        heard = b""
        while len(heard) < 11:
            heard += await trio.to_thread.run_sync(theirs.recv, 100)
        assert heard == b"220 ready\r\n"
        read = bytearray(100)
        if said:
            await wire.readable()
            assert wire.recv_into(read) == len(said), "what was looked at is still there"
    wire.abort()


async def test_no_greeting_for_who_is_gone() -> None:
    wire, theirs = pair()
    theirs.close()
    with pytest.raises(NetError):
        greet(wire, b"220 ready\r\n")
    wire.abort()
