"""One session, many transfers: negotiation, tags, cancellation."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from ftlite.client import ClientError, Outcome
from tests.client.native.fake import NativeServer, Tag, digest, native

SMALL = b"the content of a small file"
BIG = bytes(range(256)) * 12_000


# ---- negotiation


async def test_native_is_spoken_where_it_is_offered(tmp_path: Path) -> None:
    for offered, dialect, spoken in ((True, None, True), (True, "stock", False), (False, None, False)):
        server = NativeServer({"/f": SMALL})
        server.feat = server.feat if offered else server.feat[:-1]
        async with server.running(), native(server, dialect=dialect) as client:
            assert client.native is spoken
            assert (any(line == "OPTS FTLITE 1" for line in server.heard)) is spoken


@pytest.mark.parametrize("feature", [None, "FTLITE 2 max=1;", "FTLITE 1 max=lots;", "FTLITE"])
async def test_native_that_cannot_be_had_is_said_so(feature: str | None) -> None:
    server = NativeServer()
    server.feat = server.feat[:-1] if feature is None else (*server.feat[:-1], feature)
    async with server.running():
        with pytest.raises(ClientError, match="--dialect"):
            async with native(server):
                pass
        async with native(server, dialect=None) as client:
            assert not client.native


async def test_clear_text_that_nobody_asked_for_stays_stock(tmp_path: Path) -> None:
    server = NativeServer({"/f": SMALL})
    async with server.running():
        async with native(server, tls="optional", dialect=None) as client:
            assert not client.native
        with pytest.raises(ClientError, match="in clear"):
            async with native(server, tls="optional"):
                pass
    assert "OPTS FTLITE 1" not in server.heard


@pytest.mark.parametrize("answer", ["200 FTLITE 1 id=short;key=short;", "502 no", "200 ok"])
async def test_a_grant_that_is_none(answer: str) -> None:
    server = NativeServer()

    async def refuse(talk: object, argument: str) -> None:
        await talk.say(answer if argument == "FTLITE 1" else "200 ok")  # type: ignore[attr-defined]

    server.do_OPTS = refuse  # type: ignore[method-assign,assignment]
    async with server.running():
        with pytest.raises(ClientError) as caught:
            async with native(server):
                pass
        assert caught.value.outcome is Outcome.PROTOCOL


# ---- many at once


class Gathering(NativeServer):
    """Sends nothing before `crowd` downloads run."""

    crowd = 16

    async def send(self, tag: Tag, stream: trio.abc.Stream, content: bytes) -> None:
        while tag.verb == "GET" and self.busy < self.crowd:
            await self.arrived.park()
        await super().send(tag, stream, content)
        if tag.verb == "GET":
            self.crowd = 0
        self.arrived.unpark_all()


async def test_sixteen_share_one_session(tmp_path: Path) -> None:
    server = Gathering({f"/f{number}": SMALL * number for number in range(24)})
    async with server.running(), native(server) as client:
        async with trio.open_nursery() as nursery:
            for number in range(24):
                nursery.start_soon(client.get, f"f{number}", tmp_path / str(number))
        assert server.connections == 1
        assert server.most == 16
    for number in range(24):
        assert (tmp_path / str(number)).read_bytes() == SMALL * number


async def test_no_more_at_once_than_the_server_grants(tmp_path: Path) -> None:
    server = NativeServer({f"/f{number}": BIG for number in range(6)})
    server.granted = "max=2;spares=0;"
    async with server.running(), native(server) as client:
        async with trio.open_nursery() as nursery:
            for number in range(6):
                nursery.start_soon(client.get, f"f{number}", tmp_path / str(number))
        assert server.most <= 2


async def test_questions_are_answered_while_transfers_run(tmp_path: Path) -> None:
    server = Gathering({"/f": SMALL, "/g": SMALL})
    server.crowd = 99
    async with server.running(), native(server) as client, trio.open_nursery() as nursery:
        nursery.start_soon(client.get, "f", tmp_path / "f")
        while not server.opened:
            await trio.sleep(0.001)
        assert (await client.stat("g")).size == len(SMALL)
        assert await client.hash("g") == digest(SMALL)
        await client.mkdir("d")
        assert [entry.name for entry in await client.list()] == ["d", "f", "g"]
        assert not (tmp_path / "f").exists()
        server.crowd = 0
        server.arrived.unpark_all()
    assert (tmp_path / "f").read_bytes() == SMALL


async def test_cancelling_one_leaves_the_others_running(tmp_path: Path) -> None:
    server = Gathering({"/f": BIG, "/g": BIG})
    server.crowd = 3
    async with server.running(), native(server) as client, trio.open_nursery() as nursery:
        nursery.start_soon(client.get, "g", tmp_path / "g")
        scope = trio.CancelScope()

        async def cancelled() -> None:
            with scope:
                await client.get("f", tmp_path / "f")

        nursery.start_soon(cancelled)
        while server.busy < 2:
            await trio.sleep(0.001)
        (doomed,) = [tag.number for tag in server.asked if tag.path == "f"]
        scope.cancel()
        while f"ABOR tag={doomed};" not in server.heard:
            await trio.sleep(0.001)
        server.crowd = 0
        server.arrived.unpark_all()
    assert (tmp_path / "g").read_bytes() == BIG
    assert not (tmp_path / "f").exists()
    assert server.connections == 1
    assert not any(line == "ABOR" for line in server.heard)


async def test_renaming_is_two_commands_in_a_row() -> None:
    server = NativeServer({f"/a{number}": b"x" for number in range(8)})
    async with server.running(), native(server) as client, trio.open_nursery() as nursery:
        for number in range(8):
            nursery.start_soon(client.rename, f"a{number}", f"b{number}")
    assert sorted(server.files) == [f"/b{number}" for number in range(8)]
