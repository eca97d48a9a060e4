"""Encryption and trust: what is refused before any credential leaves, and that data connections resume the session."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Any

import pytest
import trio

from ftlite import connect
from ftlite.client import ClientError, KnownServers, Outcome
from ftlite.client.control import Control, Pending
from ftlite.net.tls import spki_pin
from tests.client.fake import Conversation, FakeServer


def quick(server: FakeServer, scheme: str = "ftp", **more: Any) -> Any:
    return connect(f"{scheme}://ann@127.0.0.1:{server.port}/", **{"password": "p", "retries": 0, **more})


def no_credentials(server: FakeServer) -> bool:
    return not any(line.startswith(("USER", "PASS")) for line in server.heard)


async def pin_of(server: FakeServer) -> str:
    stream = await trio.open_tcp_stream("127.0.0.1", server.port)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    await stream.receive_some(100)
    await stream.send_all(b"AUTH TLS\r\n")
    await stream.receive_some(100)
    secure = trio.SSLStream(stream, context)
    await secure.do_handshake()
    pin = spki_pin(secure.getpeercert(binary_form=True))
    await trio.aclose_forcefully(secure)
    return pin


class Reused(FakeServer):
    """Notes whether data connections resumed a session."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.reused: list[bool] = []

    async def do_RETR(self, talk: Conversation, argument: str) -> None:
        await talk.say("150 here")
        data = await talk.data()
        assert isinstance(data, trio.SSLStream)
        self.reused.append(data.session_reused)
        await data.send_all(self.files[talk.path(argument)])
        await data.aclose()
        await talk.say("226 done")


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_data_connections_resume_the_session(
    newest: ssl.TLSVersion, server_context: ssl.SSLContext, authority_file: Path, tmp_path: Path
) -> None:
    usual, server_context.maximum_version = server_context.maximum_version, newest
    try:
        async with Reused({"/f": b"x"}, server_context).running() as server:
            async with quick(server, cacert=authority_file) as client:
                assert client.secured
                for _ in range(3):
                    await client.get("f", tmp_path / "f")
    finally:
        server_context.maximum_version = usual
    assert server.reused == [True, True, True]
    assert server.heard.index("PROT P") < server.heard.index("EPSV")


async def test_implicit(server_context: ssl.SSLContext, authority_file: Path, tmp_path: Path) -> None:
    class Implicit(FakeServer):
        async def serve(self, stream: trio.abc.Stream) -> None:
            assert self.context is not None
            await super().serve(trio.SSLStream(stream, self.context, server_side=True))

    async with Implicit({"/f": b"x"}, server_context).running() as server:
        async with quick(server, "ftps", cacert=authority_file) as client:
            await client.get("f", tmp_path / "f")
    assert "AUTH TLS" not in server.heard


async def test_required_is_required() -> None:
    async with FakeServer().running() as server:
        for scheme, tls in (("ftp", "required"), ("ftpes", "optional")):
            with pytest.raises(ClientError) as caught:
                async with quick(server, scheme, tls=tls):
                    pass
            assert caught.value.outcome is Outcome.TLS
        assert no_credentials(server)


async def test_optional_goes_on_in_clear_where_nothing_was_known(tmp_path: Path) -> None:
    async with FakeServer({"/f": b"x"}).running() as server:
        known = KnownServers(tmp_path / "known")
        async with quick(server, tls="optional", trust=known) as client:
            assert not client.secured
        assert "AUTH TLS" in server.heard
        known.record(f"127.0.0.1:{server.port}", "ca")
        server.heard.clear()
        with pytest.raises(ClientError) as caught:
            async with quick(server, tls="optional", trust=known):
                pass
        assert caught.value.outcome is Outcome.TLS
        assert no_credentials(server)


async def test_optional_still_verifies(server_context: ssl.SSLContext) -> None:
    async with FakeServer({}, server_context).running() as server:
        with pytest.raises(ClientError) as caught:
            async with quick(server, tls="optional"):
                pass
        assert caught.value.outcome is Outcome.TLS
        assert no_credentials(server)


async def test_an_unknown_certificate_is_refused_with_its_pin(server_context: ssl.SSLContext) -> None:
    async with FakeServer({}, server_context).running() as server:
        pin = await pin_of(server)
        with pytest.raises(ClientError) as caught:
            async with quick(server):
                pass
        assert caught.value.outcome is Outcome.TLS
        assert pin in caught.value.remedy
        assert no_credentials(server)
        async with quick(server, pin=pin) as client:
            assert client.secured
        server.heard.clear()
        with pytest.raises(ClientError) as caught:
            async with quick(server, pin="sha256//" + "A" * 43 + "="):
                pass
        assert caught.value.outcome is Outcome.PIN
        assert no_credentials(server)


async def test_accept_new_then_a_change_is_refused(
    server_context: ssl.SSLContext, authority: Any, tmp_path: Path
) -> None:
    other = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(other)
    known = KnownServers(tmp_path / "state" / "known_servers", accept_new=True)
    async with FakeServer({"/f": b"x"}, server_context).running() as server:
        for _ in range(2):
            async with quick(server, trust=known) as client:
                await client.get("f", tmp_path / "f")
        old = await pin_of(server)
        assert known.path.read_text().split()[:2] == [f"127.0.0.1:{server.port}", old]
        assert known.path.stat().st_mode & 0o777 == 0o600
        server.context = other
        new = await pin_of(server)
        server.heard.clear()
        with pytest.raises(ClientError) as caught:
            async with quick(server, trust=known):
                pass
    assert caught.value.outcome is Outcome.PIN
    for word in (old, new, str(known.path)):
        assert word in str(caught.value)
    assert no_credentials(server)


async def test_accept_new_does_not_weaken_a_ca(server_context: ssl.SSLContext, tmp_path: Path) -> None:
    known = KnownServers(tmp_path / "known", accept_new=True)
    async with FakeServer({}, server_context).running() as server:
        known.record(f"127.0.0.1:{server.port}", "ca")
        with pytest.raises(ClientError) as caught:
            async with quick(server, trust=known):
                pass
    assert caught.value.outcome is Outcome.PIN
    assert known.path.read_text().split()[1] == "ca"


async def test_a_server_that_a_ca_vouches_for_is_recorded_so(
    server_context: ssl.SSLContext, authority_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority_file))  # stands in for the system's CAs
    known = KnownServers(tmp_path / "known")
    async with FakeServer({}, server_context).running() as server:
        async with quick(server, trust=known):
            pass
    assert known.path.read_text().split()[:2] == [f"127.0.0.1:{server.port}", "ca"]


async def test_a_data_connection_to_another_key_is_refused(
    server_context: ssl.SSLContext, authority: Any, tmp_path: Path
) -> None:
    other = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(other)

    class Hijacked(FakeServer):
        async def do_EPSV(self, talk: Conversation, argument: str) -> None:
            self.context = other
            await talk.do_EPSV(argument)

    async with Hijacked({"/f": b"x"}, server_context).running() as server:
        async with quick(server, pin=await pin_of(server)) as client:
            with pytest.raises(ClientError) as caught:
                await client.get("f", tmp_path / "f")
    assert caught.value.outcome is Outcome.PIN
    assert os.listdir(tmp_path) == []


async def test_bytes_in_clear_behind_auth_end_it(server_context: ssl.SSLContext) -> None:
    class Injects(FakeServer):
        async def do_AUTH(self, talk: Conversation, _: str) -> None:
            await talk.say("234 go on\r\n230 you are in")

    async with Injects({}, server_context).running() as server:
        with pytest.raises(ClientError) as caught:
            async with quick(server):
                pass
    assert caught.value.outcome is Outcome.PROTOCOL
    assert no_credentials(server)


async def test_prot_refused_ends_it(server_context: ssl.SSLContext, authority_file: Path) -> None:
    class Clear(FakeServer):
        async def do_PROT(self, talk: Conversation, _: str) -> None:
            await talk.say("534 not here")

    async with Clear({}, server_context).running() as server:
        with pytest.raises(ClientError) as caught:
            async with quick(server, tls="optional", cacert=authority_file):
                pass
    assert caught.value.outcome is Outcome.TLS


@pytest.mark.parametrize(
    "options",
    [{"tls": "maybe"}, {"pin": "sha256//short"}, {"require": "much"}, {"cacert": "/nonexistent.pem"},
     {"scheme": "ftps", "tls": "off"}],
)  # fmt: skip
async def test_wrong_words_are_usage(options: dict[str, Any]) -> None:
    async with FakeServer().running() as server:
        with pytest.raises(ClientError) as caught:
            async with quick(server, **options):
                pass
    assert caught.value.outcome is Outcome.USAGE
    assert caught.value.remedy


async def test_a_refusal_that_is_quicker_than_our_dialling(
    server_context: ssl.SSLContext, authority_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It came before anybody looked for it; nobody will ever answer on the data connection."""
    send = Control.send

    async def answered(self: Control, name: str, argument: str = "") -> Pending:
        pending = await send(self, name, argument)
        if name == "RETR":
            await pending.done()
        return pending

    monkeypatch.setattr(Control, "send", answered)
    server = FakeServer({}, server_context)
    server.feat = ("EPSV",)
    async with server.running():
        settings = {"password": "p", "cacert": authority_file, "retries": 0, "connect_timeout": 60}
        with trio.fail_after(30):
            async with connect(f"ftp://ann@127.0.0.1:{server.port}/", **settings) as client:
                with pytest.raises(ClientError) as caught:
                    async with client.download("none"):
                        pass
        assert caught.value.outcome is Outcome.NOT_FOUND


async def test_a_certificate_that_an_authority_vouches_for_is_not_taken_apart(
    server_context: ssl.SSLContext, authority_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading it takes a library that takes longer to load than a small file to come."""

    def never(_: object) -> str:
        raise AssertionError("nobody asked for the key")

    monkeypatch.setattr("ftlite.client.login.spki_pin", never)
    monkeypatch.setattr("ftlite.client.data.spki_pin", never)
    server = FakeServer({"/f": b"1"}, server_context)
    async with server.running(), quick(server, cacert=authority_file) as client:
        assert len(await client.list()) == 1
