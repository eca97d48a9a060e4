"""TLS on control and data connections: explicit, implicit, resumed, injected, truncated, meant for somebody else."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import struct
from pathlib import Path

import pytest
import trio

from ftlite.config.models import Endpoint, TlsConfig, TlsMode
from ftlite.net.tls import ServerTls, ensure_self_signed
from tests.server.support import PASSWORD, Talker, ann, serving

REQUIRED = TlsConfig(mode=TlsMode.REQUIRED)
BIG = os.urandom(2_000_000)


@pytest.fixture
def pair(tmp_path: Path) -> ServerTls:
    return ServerTls(*ensure_self_signed(tmp_path / "state"), tmp_path / "state")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    place = tmp_path / "root"
    place.mkdir()
    return place


def client_context(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = version
    return context


async def open_tls_data(
    talker: Talker, context: ssl.SSLContext, command: str, *, resume: bool = True
) -> tuple[int, ssl.SSLSocket]:
    """EPSV, the command, and a handshake beside it."""
    code, text = await talker.ask("EPSV")
    assert code == 229
    port = int(text.split("|")[3])
    assert isinstance(talker.stream, trio.SSLStream)
    session = talker.stream.session if resume else None

    def shake() -> ssl.SSLSocket:
        raw = socket.create_connection(("127.0.0.1", port), timeout=20)
        return context.wrap_socket(raw, server_hostname="localhost", session=session)

    await talker.send(command)
    code = (await talker.hear())[0]
    return code, await trio.to_thread.run_sync(shake)


def read_tls(sock: ssl.SSLSocket) -> bytes:
    data = bytearray()
    while block := sock.recv(65536):
        data += block
    sock.unwrap()
    sock.close()
    return bytes(data)


def write_tls(sock: ssl.SSLSocket, data: bytes, *, goodbye: bool = True) -> None:
    sock.sendall(data)
    if goodbye:
        with contextlib.suppress(OSError, ValueError):
            sock.unwrap()
        sock.close()
    else:
        raw = socket.socket(fileno=sock.detach())
        raw.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_explicit_tls_with_resumed_data(root: Path, pair: ServerTls, version: ssl.TLSVersion) -> None:
    tls = TlsConfig(mode=TlsMode.REQUIRED, require_reuse=True)
    context = client_context(version)
    async with serving(root, pair=pair, tls=tls) as box:
        talker = await box.connect()
        await talker.encrypt(context)
        await talker.log_in()
        for _ in range(3):
            code, sock = await open_tls_data(talker, context, "STOR f")
            assert code == 150
            assert sock.session_reused
            await trio.to_thread.run_sync(write_tls, sock, BIG)
            assert (await talker.hear())[0] == 226
            code, sock = await open_tls_data(talker, context, "RETR f")
            assert sock.session_reused
            assert await trio.to_thread.run_sync(read_tls, sock) == BIG
            assert (await talker.hear())[0] == 226


async def test_data_that_is_not_resumed_is_refused_where_that_is_demanded(root: Path, pair: ServerTls) -> None:
    tls = TlsConfig(mode=TlsMode.REQUIRED, require_reuse=True)
    context = client_context()
    async with serving(root, pair=pair, tls=tls) as box:
        talker = await box.connect()
        await talker.encrypt(context)
        await talker.log_in()
        _, sock = await open_tls_data(talker, context, "STOR f", resume=False)
        assert (await talker.hear())[0] == 522
        sock.close()
        assert not (root / "f").exists()


async def test_implicit_tls(root: Path, pair: ServerTls) -> None:
    async with serving(root, pair=pair, tls=REQUIRED, listen=(Endpoint("127.0.0.1", 0, implicit=True),)) as box:
        raw = await trio.open_tcp_stream("127.0.0.1", box.port)
        talker = Talker(trio.SSLStream(raw, client_context(), server_hostname="localhost"))
        assert (await talker.hear())[0] == 220
        assert await talker.say("AUTH TLS") == 503
        await talker.log_in()
        assert await talker.say("PBSZ 0") == 200
        assert await talker.say("PROT P") == 200


async def test_clear_data_is_refused_where_tls_is_required(root: Path, pair: ServerTls) -> None:
    async with serving(root, pair=pair, tls=REQUIRED) as box:
        talker = await box.connect()
        await talker.encrypt(client_context())
        await talker.log_in()
        assert await talker.say("PROT C") == 534


async def test_bytes_after_auth_in_clear_end_the_session(root: Path, pair: ServerTls) -> None:
    async with serving(root, pair=pair, tls=REQUIRED) as box:
        talker = await box.connect()
        await talker.stream.send_all(b"AUTH TLS\r\nUSER ann\r\n")
        await talker.expect_end()
        assert "session.fault" not in box.log.getvalue()


@pytest.mark.parametrize("protocols", [["http/1.1"], ["h2", "http/1.1"]])
async def test_a_browser_is_refused_by_alpn(root: Path, pair: ServerTls, protocols: list[str]) -> None:
    context = client_context()
    context.set_alpn_protocols(protocols)
    async with serving(root, pair=pair, tls=REQUIRED) as box:
        talker = await box.connect()
        with pytest.raises(trio.BrokenResourceError):
            await talker.encrypt(context)


async def test_a_client_that_offers_ftp_by_alpn_gets_it(root: Path, pair: ServerTls) -> None:
    context = client_context()
    context.set_alpn_protocols(["x-other", "ftp"])
    async with serving(root, pair=pair, tls=REQUIRED) as box:
        talker = await box.connect()
        await talker.encrypt(context)
        assert isinstance(talker.stream, trio.SSLStream)
        assert talker.stream.selected_alpn_protocol() == "ftp"


@pytest.mark.parametrize("forgiving", [False, True])
async def test_an_upload_without_close_notify(root: Path, pair: ServerTls, forgiving: bool) -> None:
    user = ann(require_close_notify=False) if forgiving else ann()
    context = client_context()
    async with serving(root, pair=pair, tls=REQUIRED, users=(user,)) as box:
        talker = await box.connect()
        await talker.encrypt(context)
        await talker.log_in()
        _, sock = await open_tls_data(talker, context, "STOR f")
        await trio.to_thread.run_sync(lambda: write_tls(sock, BIG, goodbye=False))
        assert (await talker.hear())[0] == (226 if forgiving else 426)
        assert (root / "f").exists() is forgiving


async def test_a_reset_in_the_middle_of_tls(root: Path, pair: ServerTls) -> None:
    context = client_context()
    (root / "f").write_bytes(b"old")
    async with serving(root, pair=pair, tls=REQUIRED) as box:
        talker = await box.connect()
        await talker.encrypt(context)
        await talker.log_in()
        _, sock = await open_tls_data(talker, context, "STOR f")

        def reset() -> None:
            sock.sendall(BIG)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()

        await trio.to_thread.run_sync(reset)
        assert (await talker.hear())[0] == 426
        assert (root / "f").read_bytes() == b"old"


async def test_a_handshake_that_never_comes_ends_by_the_login_clock(root: Path, pair: ServerTls) -> None:
    async with serving(root, pair=pair, tls=REQUIRED, limits={"login": 0.2}) as box:
        talker = await box.connect()
        assert await talker.say("AUTH TLS") == 234
        with trio.fail_after(20):
            await talker.expect_end()


async def test_secrets_are_not_logged(root: Path, pair: ServerTls) -> None:
    async with serving(root, pair=pair, tls=REQUIRED) as box:
        talker = await box.connect()
        await talker.encrypt(client_context())
        await talker.say("USER ann")
        await talker.say("PASS hunter2!")
        await talker.log_in()
        await talker.say("QUIT")
    log = box.log.getvalue()
    assert "USER ann" in log
    assert PASSWORD not in log
    assert "hunter2" not in log
