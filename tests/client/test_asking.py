"""A server that nobody vouches for is asked about once, with no clock running and no connection open."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
import trio

from ftlite.client import ClientError, KnownServers, Outcome, connect
from ftlite.client.trust import UnknownServer
from tests.client.fake import FakeServer


class Asked:
    """Answers as it is told, and remembers what it was asked."""

    def __init__(self, answer: bool, seconds: float = 0.0) -> None:
        self.answer = answer
        self.seconds = seconds
        self.questions: list[UnknownServer] = []

    async def __call__(self, unknown: UnknownServer) -> bool:
        self.questions.append(unknown)
        await trio.sleep(self.seconds)
        return self.answer


def reach(server: FakeServer, known: KnownServers | None, ask: Asked, **more: Any) -> Any:
    settings: dict[str, Any] = {"user": "ann", "password": "p", "retries": 0, "trust": known, "ask": ask}
    return connect(f"ftp://127.0.0.1:{server.port}/", **{**settings, **more})


async def test_who_is_agreed_to_is_remembered(server_context: ssl.SSLContext, tmp_path: Path) -> None:
    known, ask, notices = KnownServers(tmp_path / "known"), Asked(True), list[str]()
    async with FakeServer({}, server_context).running() as server:
        async with reach(server, known, ask, notice=notices.append) as client:
            assert client.secured
        async with reach(server, known, ask):
            pass
    (unknown,) = ask.questions
    assert unknown.name == f"127.0.0.1:{server.port}"
    assert known.look_up(unknown.name) == unknown.pin
    assert unknown.pin in notices[0]
    assert server.heard.index("USER ann") > 1  # nothing but AUTH before the answer


async def test_who_is_not_agreed_to_hears_no_name(server_context: ssl.SSLContext, tmp_path: Path) -> None:
    known, ask = KnownServers(tmp_path / "known"), Asked(False)
    async with FakeServer({}, server_context).running() as server:
        with pytest.raises(ClientError) as caught:
            async with reach(server, known, ask):
                pass
    assert caught.value.outcome is Outcome.TLS
    assert not [line for line in server.heard if line.startswith(("USER", "PASS"))]
    assert known.servers() == []


async def test_nobody_is_asked_about_a_key_that_changed(server_context: ssl.SSLContext, tmp_path: Path) -> None:
    known, ask = KnownServers(tmp_path / "known"), Asked(True)
    async with FakeServer({}, server_context).running() as server:
        known.record(f"127.0.0.1:{server.port}", "sha256//" + "A" * 43 + "=")
        with pytest.raises(ClientError) as caught:
            async with reach(server, known, ask):
                pass
    assert caught.value.outcome is Outcome.PIN
    assert ask.questions == []


async def test_what_was_given_by_name_is_not_asked_about(
    server_context: ssl.SSLContext, tmp_path: Path, authority_file: Path
) -> None:
    ask = Asked(True)
    async with FakeServer({}, server_context).running() as server:
        with pytest.raises(ClientError) as caught:
            async with reach(server, None, ask, pin="sha256//" + "A" * 43 + "="):
                pass
        assert caught.value.outcome is Outcome.PIN
        async with reach(server, None, ask, cacert=authority_file):
            pass
        assert ask.questions == []
        with pytest.raises(UnknownServer):  # nothing could remember the answer
            async with reach(server, None, ask):
                pass
    assert len(ask.questions) == 1


async def test_no_clock_runs_while_somebody_thinks(server_context: ssl.SSLContext, tmp_path: Path) -> None:
    known, ask = KnownServers(tmp_path / "known"), Asked(True, seconds=3.0)
    async with FakeServer({}, server_context).running() as server:
        began = trio.current_time()
        async with reach(server, known, ask, connect_timeout=2.5, max_time=2.8) as client:
            await client.stat("/")
        assert trio.current_time() - began >= 3.0
