"""One file in several streams, from a scripted server: what comes of it, and what is left for the next try."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from ftlite import connect
from ftlite.client import Client, ClientError, Outcome, Verified, parts, ranges
from ftlite.client import retry as retry_module
from tests.client.fake import Conversation, FakeServer, Gone

SIZE = 3_000_000
CONTENT = os.urandom(SIZE)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is large, and what is worth a stream, is little here."""
    monkeypatch.setattr(ranges, "LEAST_IN_RANGES", 1_000_000)
    monkeypatch.setattr(parts, "LEAST_IN_RANGES", 1_000_000)
    monkeypatch.setattr(ranges, "GRAIN", 100_000)
    monkeypatch.setattr(ranges, "_NOTED", 50_000)
    monkeypatch.setattr(retry_module, "_FIRST", 0.005)


class Server(FakeServer):
    """Tells from where it sends, and can be made to send no more than so much of each transfer."""

    most: int | None = None

    def __init__(self) -> None:
        super().__init__({"/f": CONTENT})
        self.begun: list[int] = []

    async def do_RETR(self, session: Conversation, argument: str) -> None:
        offset, session.restart = session.restart, 0
        self.begun.append(offset)
        content = self.files[session.path(argument)][offset:]
        if self.most is not None:
            await session.say("150 here it comes")
            stream = await session.data()
            await stream.send_all(content[: self.most])
            await trio.sleep_forever()
        await session.send_data(content)
        await session.say("226 done")


@asynccontextmanager
async def talking(server: FakeServer, **more: Any) -> AsyncIterator[Client]:
    async with server.running():
        address = f"ftp://ann@127.0.0.1:{server.port}/"
        terms = {"tls": "off", "connections": 3, "retries": 0, **more}
        async with connect(address, password="p", **terms) as client:
            yield client


def hidden(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if path.name.startswith("."))


async def test_a_large_file_comes_in_streams_and_whole(tmp_path: Path) -> None:
    server = Server()
    told: list[int] = []
    async with talking(server) as client:
        result = await client.get("f", tmp_path / "f", streams=3, progress=lambda done, _: told.append(done))
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert (tmp_path / "f").stat().st_mtime == 1704164645
    assert (result.verified, result.moved, result.size) == (Verified.SIZE, SIZE, SIZE)
    assert {0, 1_000_000, 2_000_000} <= set(server.begun)
    assert told == sorted(told)
    assert told[-1] == SIZE
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("why", ["short", "no offsets", "one"])
async def test_what_is_for_one_stream_comes_in_one(why: str, tmp_path: Path) -> None:
    server = Server()
    if why == "short":
        server.files["/f"] = CONTENT[:999_999]
    if why == "no offsets":
        server.feat = tuple(line for line in server.feat if not line.startswith("REST"))
    async with talking(server) as client:
        await client.get("f", tmp_path / "f", streams=1 if why == "one" else 3)
    assert server.begun == [0]
    assert (tmp_path / "f").read_bytes() == server.files["/f"]
    assert hidden(tmp_path) == []


class Refuses(Server):
    """REST, in FEAT only."""

    async def do_RETR(self, session: Conversation, argument: str) -> None:
        if session.restart:
            session.restart = 0
            await session.say("554 cannot restart there")
            return
        await super().do_RETR(session, argument)


async def test_a_server_that_refuses_offsets_after_all_sends_one_stream(tmp_path: Path) -> None:
    async with talking(Refuses()) as client:
        await client.get("f", tmp_path / "f", streams=3)
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert hidden(tmp_path) == []


class Crowded(Server):
    """Takes `room` sessions at once."""

    room = 1
    now = 0

    async def serve(self, stream: trio.abc.Stream) -> None:
        if self.now >= self.room:
            await stream.send_all(b"421 too many of you\r\n")
            await stream.aclose()
            return
        self.now += 1
        try:
            await super().serve(stream)
        finally:
            self.now -= 1


@pytest.mark.parametrize("room", [1, 2])
async def test_over_as_many_connections_as_the_server_takes(room: int, tmp_path: Path) -> None:
    server = Crowded()
    server.room = room
    async with talking(server, retries=2) as client:
        await client.get("f", tmp_path / "f", streams=3)
    assert (tmp_path / "f").read_bytes() == CONTENT


class Breaks(Server):
    """Every third transfer is cut in the middle."""

    async def do_RETR(self, session: Conversation, argument: str) -> None:
        if len(self.begun) % 3 == 2:
            self.begun.append(session.restart)
            await session.say("150 here it comes")
            stream = await session.data()
            await stream.send_all(CONTENT[session.restart :][:200_000])
            await trio.aclose_forcefully(stream)
            raise Gone
        await super().do_RETR(session, argument)


async def test_streams_that_break_leave_their_rest_to_the_others(tmp_path: Path) -> None:
    async with talking(Breaks(), retries=5) as client:
        await client.get("f", tmp_path / "f", streams=3)
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert hidden(tmp_path) == []


async def test_what_came_is_gone_on_with(tmp_path: Path) -> None:
    server = Server()
    server.most = 300_000
    async with talking(server) as client:
        with trio.move_on_after(30) as scope:
            told = 0

            def moved(done: int, _: int | None) -> None:
                nonlocal told
                told = done
                if done >= 900_000:
                    scope.cancel()

            await client.get("f", tmp_path / "f", resume=True, streams=3, progress=moved)
    assert told == 900_000
    assert [name.rpartition(".")[2] for name in hidden(tmp_path)] == ["ftlite-part", "ftlite-ranges"]
    again = Server()
    async with talking(again) as client:
        result = await client.get("f", tmp_path / "f", resume=True, streams=3)
    assert (result.offset, result.moved) == (900_000, SIZE - 900_000)
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert hidden(tmp_path) == []


async def test_a_changed_file_begins_anew(tmp_path: Path) -> None:
    server = Server()
    server.most = 300_000
    async with talking(server, stall_timeout=0.5) as client:
        with pytest.raises(ClientError) as caught:
            await client.get("f", tmp_path / "f", resume=True, streams=3)
    assert caught.value.outcome is Outcome.TIMEOUT
    other = Server()
    other.files["/f"] = CONTENT[::-1] + b"more"
    async with talking(other) as client:
        result = await client.get("f", tmp_path / "f", resume=True, streams=3)
    assert result.offset == 0
    assert (tmp_path / "f").read_bytes() == other.files["/f"]


class Changes(Server):
    """The file is another one when its last part was sent."""

    async def do_RETR(self, session: Conversation, argument: str) -> None:
        await super().do_RETR(session, argument)
        self.files["/f"] = CONTENT[:-1]


async def test_a_file_that_changes_meanwhile_is_refused(tmp_path: Path) -> None:
    async with talking(Changes()) as client:
        with pytest.raises(ClientError) as caught:
            await client.get("f", tmp_path / "f", streams=3)
    assert caught.value.outcome is Outcome.INTEGRITY
    assert os.listdir(tmp_path) == []


class Hashes(Server):
    """States a digest, true or false."""

    true = True
    feat = (*FakeServer.feat, "HASH SHA-256*")

    async def do_HASH(self, session: Conversation, argument: str) -> None:
        import hashlib

        digest = hashlib.sha256(CONTENT if self.true else b"").hexdigest()
        await session.say(f"213 SHA-256 0-{SIZE} {digest} {argument}")


@pytest.mark.parametrize("true", [True, False])
async def test_the_whole_is_compared_where_the_server_states_a_digest(true: bool, tmp_path: Path) -> None:
    server = Hashes()
    server.true = true
    async with talking(server) as client:
        if true:
            assert (await client.get("f", tmp_path / "f", streams=3)).verified is Verified.DIGEST
            assert (tmp_path / "f").read_bytes() == CONTENT
            return
        with pytest.raises(ClientError) as caught:
            await client.get("f", tmp_path / "f", streams=3)
    assert caught.value.outcome is Outcome.INTEGRITY
    assert os.listdir(tmp_path) == [], "what is wrong is not gone on with"


async def test_a_download_in_one_stream_clears_up_behind_several(tmp_path: Path) -> None:
    server = Server()
    server.most = 300_000
    async with talking(server, stall_timeout=0.5) as client:
        with pytest.raises(ClientError):
            await client.get("f", tmp_path / "f", resume=True, streams=3)
    assert len(hidden(tmp_path)) == 2
    async with talking(Server()) as client:
        await client.get("f", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert hidden(tmp_path) == []
