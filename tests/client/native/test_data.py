"""Data connections: greetings, TLS, pins, proxies, and spares."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trio

from ftlite.client import Client, ClientError, Outcome, Verified
from ftlite.client.native import data
from tests.client.fake import Conversation
from tests.client.native.fake import NativeServer, Tag, native
from tests.client.relay import Relay

SMALL = b"the content of a small file"
BIG = bytes(range(256)) * 12_000


def left(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.mark.parametrize(
    "greetings",
    [
        tuple(bytes([octet]) for octet in b"220 fake\r\n"),
        (b"220-one\r\n 220 not yet\r\n", b"220-nor\r\n220", b" end\r\n"),
        (b"421 too many connections\r\n",),
        (b"220 " + b"x" * 4000 + b"\r\n",),
    ],
    ids=["byte by byte", "several lines", "a refusal", "long"],
)
@pytest.mark.parametrize("encrypted", [False, True])
async def test_greetings(
    tmp_path: Path,
    greetings: tuple[bytes, ...],
    encrypted: bool,
    server_context: ssl.SSLContext,
    authority_file: Path,
) -> None:
    (tmp_path / "f").write_bytes(SMALL)

    class Greeting(NativeServer):
        async def serve(self, stream: trio.abc.Stream) -> None:
            if self.talks:  # the session itself is greeted as usual
                self.greetings = greetings
            await super().serve(stream)

    server = Greeting(context=server_context if encrypted else None)
    more = {"tls": "required", "cacert": authority_file} if encrypted else {}
    async with server.running(), native(server, **more) as client:
        await client.put(tmp_path / "f", "f")
        assert (await client.get("f", tmp_path / "g")).verified is Verified.DIGEST
    assert (tmp_path / "g").read_bytes() == SMALL


@pytest.mark.parametrize("nonsense", [b"hello\r\n", b"220 " + b"x" * 5000 + b"\r\n"])
async def test_what_is_no_greeting(tmp_path: Path, nonsense: bytes) -> None:
    class Greeting(NativeServer):
        async def serve(self, stream: trio.abc.Stream) -> None:
            if self.talks:
                self.greetings = (nonsense,)
            await super().serve(stream)

    server = Greeting({"/f": SMALL})
    async with server.running(), native(server) as client:
        with pytest.raises(ClientError) as caught:
            await client.get("f", tmp_path / "f")
        assert caught.value.outcome is Outcome.CONNECT
        assert (await client.stat("f")).size == len(SMALL), "the session stands"


async def test_over_tls_the_session_is_resumed(
    tmp_path: Path, server_context: ssl.SSLContext, authority_file: Path
) -> None:
    server = NativeServer({"/f": BIG}, server_context)
    async with server.running(), native(server, tls="required", cacert=authority_file) as client:
        for _ in range(3):
            await client.get("f", tmp_path / "f")
            (tmp_path / "f").unlink()
        assert server.resumed == [True] * 3


async def test_a_data_connection_to_another_key_gets_no_proof(
    tmp_path: Path, server_context: ssl.SSLContext, authority_file: Path
) -> None:
    import trustme

    from ftlite.net.tls import spki_pin

    proofs = []

    class Between(NativeServer):
        async def enter(self, stream: trio.abc.Stream, line: bytes) -> None:
            other = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            trustme.CA().issue_cert("127.0.0.1").configure_cert(other)
            secure = trio.SSLStream(stream, other, server_side=True)
            await secure.do_handshake()
            proofs.append(await secure.receive_some(72))

    server = Between({"/f": SMALL}, server_context)
    async with server.running():
        der = await trio.to_thread.run_sync(_certificate, server.port)
        async with native(server, tls="required", pin=spki_pin(der)) as client:
            with pytest.raises(ClientError) as caught:
                await client.get("f", tmp_path / "f")
            assert caught.value.outcome is Outcome.PIN
    assert not [one for one in proofs if one]


def _certificate(port: int) -> bytes:
    import socket

    with socket.create_connection(("127.0.0.1", port)) as sock:
        file = sock.makefile("rwb")
        file.readline()
        file.write(b"AUTH TLS\r\n")
        file.flush()
        file.readline()
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(sock) as secure:
            der = secure.getpeercert(True)
            assert der is not None
            return der


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_through_a_proxy(tmp_path: Path, scheme: str) -> None:
    server, relay = NativeServer({"/f": BIG}), Relay()
    async with server.running(), relay.running():
        async with native(server, spares=0, proxy=f"{scheme}://127.0.0.1:{relay.port}") as client:
            await client.get("f", tmp_path / "f")
            await client.put(tmp_path / "f", "g")
        assert {port for _, port in relay.asked} == {server.port}
        assert len(relay.asked) == 3
    assert server.files["/g"] == BIG


async def test_a_data_connection_that_never_comes_is_a_timeout(tmp_path: Path) -> None:
    class Silent(NativeServer):
        async def serve(self, stream: trio.abc.Stream) -> None:
            if self.talks:
                await trio.sleep_forever()
            await super().serve(stream)

    server = Silent({"/f": SMALL})
    async with server.running(), native(server, connect_timeout=1.0) as client:
        with pytest.raises(ClientError) as caught:
            await client.get("f", tmp_path / "f")
        assert (caught.value.outcome, caught.value.transient) == (Outcome.TIMEOUT, True)
        assert (await client.stat("f")).size == len(SMALL)
    assert left(tmp_path) == []


# ---- spares


async def spared(client: Client, server: NativeServer, count: int) -> None:
    """Wait until so many data connections wait for a command."""
    while len(server.streams) < count:
        await trio.sleep(0.001)


async def test_spares_are_dialled_ahead_and_used(tmp_path: Path) -> None:
    server = NativeServer({"/f": SMALL})
    async with server.running(), native(server, spares=1) as client:
        await spared(client, server, 1)
        for _ in range(4):
            before = list(server.opened)
            assert (await client.get("f", tmp_path / "f")).verified is Verified.DIGEST
            assert server.asked[-1].number in before, "its data connection was there before it was asked for"
            await spared(client, server, 1)
        assert len(server.opened) == 5


async def test_no_more_spares_than_are_granted(tmp_path: Path) -> None:
    server = NativeServer({"/f": SMALL})
    async with server.running(), native(server, spares=9) as client:
        await spared(client, server, 2)
        await client.get("f", tmp_path / "f")
        await spared(client, server, 2)
        assert len(server.opened) == 3


@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_spare_that_the_server_closed_is_not_used(
    tmp_path: Path, encrypted: bool, server_context: ssl.SSLContext, authority_file: Path
) -> None:
    server = NativeServer({"/f": SMALL}, server_context if encrypted else None)
    more = {"tls": "required", "cacert": authority_file} if encrypted else {}
    async with server.running(), native(server, spares=2, **more) as client:
        await spared(client, server, 2)
        gone = set(server.streams)
        for tag in gone:
            await server.streams.pop(tag).aclose()
            server.over[tag].set()
        await trio.testing.wait_all_tasks_blocked(0.05)
        await client.get("f", tmp_path / "f")
        assert server.asked[-1].number not in gone
        await spared(client, server, 2)


@pytest.mark.parametrize("far", [False, True])
async def test_unasked_one_is_kept_on_a_long_way_once_there_is_a_second_transfer(
    tmp_path: Path, far: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "_FAR", 0.0 if far else 1e9)
    server = NativeServer({"/f": SMALL})
    async with server.running(), native(server) as client:
        await client.get("f", tmp_path / "f")
        assert len(server.opened) == 1
        await client.get("f", tmp_path / "f")
        if far:
            await spared(client, server, 1)
        before = list(server.opened)
        await client.get("f", tmp_path / "f")
        assert (server.asked[-1].number in before) is far


async def test_a_connection_that_was_not_needed_may_fail(
    tmp_path: Path, server_context: ssl.SSLContext, authority_file: Path
) -> None:
    """The server has the file already and turns away what was dialled for it, before its answer is here."""

    class Quick(NativeServer):
        noticed = trio.Event()

        async def enter(self, stream: trio.abc.Stream, line: bytes) -> None:
            await trio.aclose_forcefully(stream)

        async def put(self, tag: Tag) -> None:
            await self.noticed.wait()
            await super().put(tag)

        async def do_ABOR(self, talk: Conversation, argument: str) -> None:
            self.noticed.set()  # the answer was on its way when this came

    (tmp_path / "f").write_bytes(BIG[:1000])
    server = Quick({"/f": BIG[:1000]}, server_context)
    async with server.running(), native(server, tls="required", cacert=authority_file) as client:
        result = await client.put(tmp_path / "f", "f")
    assert (result.skipped, result.verified) == (True, Verified.DIGEST)
