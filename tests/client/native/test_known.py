"""What is remembered of a server that spoke native, and said when it does not any more."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from ftlite.client import ClientError, KnownServers, Outcome, connect
from tests.client.native.fake import NativeServer, native


def reach(server: NativeServer, known: KnownServers, notices: list[str], **more: Any) -> Any:
    settings = {"tls": "required", "trust": known, "dialect": None, "notice": notices.append}
    return native(server, **{**settings, **more})


@pytest.fixture
def known(tmp_path: Path) -> KnownServers:
    return KnownServers(tmp_path / "state" / "known_servers", accept_new=True)


async def test_a_server_that_falls_back_to_stock_is_told_of_once(
    server_context: ssl.SSLContext, known: KnownServers, tmp_path: Path
) -> None:
    server, notices = NativeServer({"/f": b"x"}, server_context), list[str]()
    async with server.running():
        for _ in range(2):
            async with reach(server, known, notices) as client:
                assert client.native
        assert known.path.read_text().split()[3:] == ["native"]
        (told,) = notices  # that its key is remembered
        assert str(known.path) in told
        notices.clear()
        server.feat = server.feat[:-1]
        async with reach(server, known, notices, connections=2) as client:
            assert not client.native
            async with client.pool.lease(), client.pool.lease():
                pass
        (notice,) = notices
        assert "--dialect stock" in notice
        assert str(known.path) in notice
        async with reach(server, known, notices, dialect="stock"):
            pass
        assert len(notices) == 1
        with pytest.raises(ClientError, match="native"):
            async with reach(server, known, notices, dialect="native"):
                pass
        with pytest.raises(ClientError) as caught:
            async with reach(server, known, notices, require="digest") as client:
                await client.get("f", tmp_path / "f")
        assert caught.value.outcome is Outcome.INTEGRITY
        assert not (tmp_path / "f").exists()


async def test_nothing_is_remembered_of_clear_text(known: KnownServers) -> None:
    server, notices = NativeServer(), list[str]()
    async with server.running():
        async with reach(server, known, notices, tls="off") as client:
            assert client.native
        assert not known.path.exists()
        known.record(f"127.0.0.1:{server.port}", "ca")
        known.record_native(f"127.0.0.1:{server.port}")
        server.feat = server.feat[:-1]
        async with reach(server, known, notices, tls="off"):
            pass
    assert len(notices) == 1


async def test_what_cannot_be_recorded_stops_nobody(
    server_context: ssl.SSLContext, known: KnownServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, notices = NativeServer(context=server_context), list[str]()

    def full(*_: object) -> None:
        raise ClientError(Outcome.NO_ROOM, "known_servers: no space left")

    async with server.running():
        async with reach(server, known, notices):
            pass
        notices.clear()
        known.path.write_text(known.path.read_text().replace(" native", ""))
        monkeypatch.setattr(KnownServers, "record_native", full)
        async with reach(server, known, notices) as client:
            assert client.native
    assert len(notices) == 1
    assert "not recorded" in notices[0]


async def test_an_offer_that_is_not_taken_is_no_loss(server_context: ssl.SSLContext, known: KnownServers) -> None:
    server, notices = NativeServer(), list[str]()
    async with server.running():
        known.path.parent.mkdir()
        known.path.write_text(f"127.0.0.1:{server.port} native\n")
        async with connect(
            f"ftp://ann@127.0.0.1:{server.port}/", password="p", tls="optional", trust=known, notice=notices.append
        ) as client:
            assert not client.native  # in clear, which nobody asked for by name
    assert notices == []
