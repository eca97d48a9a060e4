"""Certificates, contexts, pins, and that a data connection resumes its own session's TLS and nobody else's."""

from __future__ import annotations

import base64
import datetime
import hashlib
import os
import shutil
import socket
import ssl
import stat
import subprocess
from pathlib import Path

import pytest
import trio
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from ftlite.net.errors import Kind, NetError
from ftlite.net.tls import PROTOCOLS, ServerTls, ensure_self_signed, spki_pin
from ftlite.net.wire import Wire
from tests.net.support import client_context, secure_pair, server_tls

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
versions = pytest.mark.parametrize("version", VERSIONS, ids=["1.2", "1.3"])


async def exchange(sender: Wire, receiver: Wire, data: bytes = b"ping") -> None:
    assert sender.send(data) == len(data)
    buffer = bytearray(100)
    while (count := receiver.recv_into(buffer)) is None:
        await receiver.readable()
    assert buffer[:count] == data


async def control(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[Wire, Wire, ssl.SSLSession]:
    """A control connection, one reply into it: TLS 1.3 tickets come after the handshake."""
    near, far = await secure_pair(server, client)
    ServerTls.no_more_tickets(server)
    await exchange(far, near)
    assert isinstance(near.socket, ssl.SSLSocket)
    session = near.socket.session
    assert session is not None
    return near, far, session


@versions
async def test_data_connections_resume_the_control_session(tmp_path: Path, version: ssl.TLSVersion) -> None:
    with trio.fail_after(20):
        server, client = server_tls(tmp_path).session_context(), client_context(version)
        near, far, session = await control(server, client)
        assert not near.reused
        assert not far.reused
        for _ in range(3):
            data_near, data_far = await secure_pair(server, client, session=session)
            assert data_near.reused
            assert data_far.reused
            async with trio.open_nursery() as nursery:
                nursery.start_soon(data_near.finish)
                assert await data_far.finish()
        near.abort()
        far.abort()


@versions
async def test_a_cut_data_connection_does_not_spoil_resumption(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """OpenSSL forbids to resume a session that ended badly; one aborted transfer must not cost the later ones."""
    with trio.fail_after(20):
        server, client = server_tls(tmp_path).session_context(), client_context(version)
        near, far, session = await control(server, client)
        for _ in range(3):
            data_near, data_far = await secure_pair(server, client, session=session)
            assert data_near.reused
            assert data_far.reused
            data_near.abort()
            data_far.abort()
        near.abort()
        far.abort()


@versions
async def test_another_sessions_tls_is_not_resumed(tmp_path: Path, version: ssl.TLSVersion) -> None:
    with trio.fail_after(20):
        tls, client = server_tls(tmp_path), client_context(version)
        near, far, session = await control(tls.session_context(), client)
        other_near, other_far = await secure_pair(tls.session_context(), client, session=session)
        assert not other_near.reused
        assert not other_far.reused
        for wire in (near, far, other_near, other_far):
            wire.abort()


async def test_data_connections_carry_no_tickets(tmp_path: Path) -> None:
    """A client that only sends never reads them, and closes with unread bytes: a reset that destroys its upload."""
    with trio.fail_after(20):
        server, client = server_tls(tmp_path).session_context(), client_context(ssl.TLSVersion.TLSv1_3)
        near, far, session = await control(server, client)
        data_near, data_far = await secure_pair(server, client, session=session)
        with pytest.raises(BlockingIOError):
            socket.socket.recv(data_near.socket, 1)
        for wire in (near, far, data_near, data_far):
            wire.abort()


async def test_versions_below_the_minimum_are_refused(tmp_path: Path) -> None:
    server = ServerTls(*ensure_self_signed(tmp_path), tmp_path, "1.3").session_context()
    assert server.minimum_version == ssl.TLSVersion.TLSv1_3
    with trio.fail_after(20):
        with pytest.RaisesGroup(NetError, allow_unwrapped=True, flatten_subgroups=True):
            await secure_pair(server, client_context(ssl.TLSVersion.TLSv1_2))
    assert server_tls(tmp_path).session_context().minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(("offered", "chosen"), [(["ftp"], "ftp"), (["x", "ftlite"], "ftlite"), ([], None)])
async def test_alpn(tmp_path: Path, offered: list[str], chosen: str | None) -> None:
    client = client_context()
    if offered:
        client.set_alpn_protocols(offered)
    with trio.fail_after(20):
        near, far = await secure_pair(server_tls(tmp_path).session_context(), client)
        assert near.secured.selected_alpn_protocol() == far.secured.selected_alpn_protocol() == chosen  # type: ignore[union-attr]
        near.abort()
        far.abort()
    assert PROTOCOLS == ("ftp", "ftlite")


def test_self_signed_is_made_once_and_private(tmp_path: Path) -> None:
    state = tmp_path / "deep" / "state"
    certificate, key = ensure_self_signed(state)
    before = certificate.read_bytes(), key.read_bytes()
    assert ensure_self_signed(state) == (certificate, key)
    assert (certificate.read_bytes(), key.read_bytes()) == before
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    assert sorted(path.name for path in key.parent.iterdir()) == ["self-signed.key", "self-signed.pem"]


def test_self_signed_says_what_clients_ask(tmp_path: Path) -> None:
    made = x509.load_pem_x509_certificate(ensure_self_signed(tmp_path)[0].read_bytes())
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "localhost" in names.get_values_for_type(x509.DNSName)
    assert {str(address) for address in names.get_values_for_type(x509.IPAddress)} == {"127.0.0.1", "::1"}
    left = made.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    assert left > datetime.timedelta(days=3600)


@pytest.mark.parametrize("strict", [False, True])
async def test_self_signed_verifies_when_it_is_the_ca(tmp_path: Path, strict: bool) -> None:
    client = ssl.create_default_context(cafile=str(ensure_self_signed(tmp_path)[0]))
    if strict:  # the default from Python 3.13 on
        client.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    client.check_hostname = False
    with trio.fail_after(20):
        near, far = await secure_pair(server_tls(tmp_path).session_context(), client)
        near.abort()
        far.abort()


def test_interrupted_making_starts_again(tmp_path: Path) -> None:
    certificate, key = ensure_self_signed(tmp_path)
    certificate.unlink()
    ensure_self_signed(tmp_path)
    ServerTls(certificate, key, tmp_path)


def test_pin_is_that_of_openssl(tmp_path: Path) -> None:
    certificate, key = ensure_self_signed(tmp_path)
    tls = server_tls(tmp_path)
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    public = loaded.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert tls.pin == "sha256//" + base64.b64encode(hashlib.sha256(public).digest()).decode()
    assert spki_pin(ssl.PEM_cert_to_DER_cert(certificate.read_text())) == tls.pin


@pytest.mark.parametrize("junk", [b"", None, b"\x30\x03junk"])
def test_pin_of_no_certificate(junk: bytes | None) -> None:
    with pytest.raises(NetError) as caught:
        spki_pin(junk)
    assert caught.value.kind is Kind.TLS


class Pair:
    """A certificate pair in files, renewed at will."""

    def __init__(self, directory: Path) -> None:
        self.certificate, self.key = directory / "cert.pem", directory / "key.pem"
        self.ca = trustme.CA()

    def renew(self, *, days: int = 90) -> None:
        end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
        made = self.ca.issue_cert("localhost", not_after=end, not_before=end - datetime.timedelta(days=100))
        made.private_key_pem.write_to_path(str(self.key))
        self.certificate.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    pair = Pair(tmp_path)
    pair.renew()
    return pair


def test_renewal_is_taken_and_the_last_good_pair_stays(tmp_path: Path, pair: Pair) -> None:
    state = tmp_path / "state"
    tls = ServerTls(pair.certificate, pair.key, state)
    first = tls.pin
    pair.renew()
    tls.reload()
    second = tls.pin
    assert second != first
    good = pair.key.read_bytes()
    pair.key.write_bytes(b"-----BEGIN nonsense")
    with pytest.raises(NetError) as caught:
        tls.reload()
    assert caught.value.kind is Kind.TLS
    assert str(pair.key) in caught.value.message
    assert tls.pin == second
    tls.session_context()
    pair.certificate.unlink()
    again = ServerTls(pair.certificate, pair.key, state)  # a restart while the renewal is broken
    assert again.pin == second
    assert again.warning is not None
    (copy,) = (state / "tls").iterdir()
    assert good in copy.read_bytes()


def test_servers_that_share_a_state_directory_keep_their_pairs(tmp_path: Path, pair: Pair) -> None:
    state = tmp_path / "state"
    first = ServerTls(pair.certificate, pair.key, state)
    second = ServerTls(*ensure_self_signed(state), state)
    assert first.pin != second.pin
    pair.certificate.unlink()
    assert ServerTls(pair.certificate, pair.key, state).pin == first.pin


def test_copy_is_private_and_no_other_file_is_left(tmp_path: Path, pair: Pair) -> None:
    state = tmp_path / "state"
    tls = ServerTls(pair.certificate, pair.key, state)
    pair.key.write_bytes(b"broken")
    with pytest.raises(NetError):
        tls.reload()
    (copy,) = (state / "tls").iterdir()
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_key_of_another_certificate_is_refused(tmp_path: Path, pair: Pair) -> None:
    other = Pair(tmp_path)
    other.key = tmp_path / "other.pem"
    other.certificate = tmp_path / "unused.pem"
    other.renew()
    with pytest.raises(NetError, match="key values mismatch"):
        ServerTls(pair.certificate, other.key, tmp_path / "state")


def test_a_form_that_only_openssl_reads_leaves_the_pair_before(tmp_path: Path, pair: Pair) -> None:
    tls = ServerTls(pair.certificate, pair.key, tmp_path / "state")
    first = tls.pin
    pair.renew()
    pair.certificate.write_bytes(pair.certificate.read_bytes().replace(b" CERTIFICATE", b" TRUSTED CERTIFICATE"))
    with pytest.raises(NetError, match="cannot be read as a PEM certificate"):
        tls.reload()
    assert ServerTls(pair.certificate, pair.key, tmp_path / "state").pin == first


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NetError, match=r"nowhere\.pem"):
        ServerTls(tmp_path / "nowhere.pem", tmp_path / "key.pem", tmp_path)


def test_passphrase_is_refused_and_never_asked_for(tmp_path: Path, pair: Pair) -> None:
    loaded = serialization.load_pem_private_key(pair.key.read_bytes(), None)
    pair.key.write_bytes(
        loaded.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(NetError, match="passphrase"):
        ServerTls(pair.certificate, pair.key, tmp_path / "state")


def test_expiry_is_a_warning(tmp_path: Path, pair: Pair) -> None:
    for days, words in ((90, None), (5, "expires on"), (-3, "expired on")):
        pair.renew(days=days)
        warning = ServerTls(pair.certificate, pair.key, tmp_path / "state").warning
        assert warning is None if words is None else words in (warning or "")


@pytest.mark.interop
@versions
async def test_openssl_client_resumes(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """Another client than Python's, with the session kept in a file between two connections."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.fail("the openssl command is needed")
    server = server_tls(tmp_path).session_context()
    kept = tmp_path / "session"
    listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
    port = listener.socket.getsockname()[1]
    flag = "-tls1_3" if version is ssl.TLSVersion.TLSv1_3 else "-tls1_2"
    reused = []
    with trio.fail_after(60):
        for option in ("-sess_out", "-sess_in"):
            arguments = [openssl, "s_client", flag, "-quiet", "-connect", f"127.0.0.1:{port}", option, str(kept)]
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_run, arguments)
                stream = await listener.accept()
                sock = socket.socket(fileno=os.dup(stream.socket.fileno()))
                await stream.aclose()
                wire = await Wire.secure(sock, server, server_side=True)
                reused.append(wire.reused)
                wire.send(b"220 hello\r\n")
                await wire.finish()
    await listener.aclose()
    assert reused == [False, True]


async def _run(arguments: list[str]) -> None:
    await trio.run_process(arguments, stdin=b"", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
