"""Waiting: held by a native server, by looking again at any other."""

from __future__ import annotations

import pytest
import trio

from ftlite.client import ClientError, Outcome, Unsupported
from ftlite.client.native import wait
from ftlite.protocol.entries import Kind
from tests.client.fake import Conversation, FakeServer
from tests.client.native.fake import NativeServer, Tag, native, version


async def publish(server: NativeServer, path: str, content: bytes, seconds: float) -> None:
    await trio.sleep(seconds)
    server.files[path] = content
    server.arrived.unpark_all()


async def test_it_ends_when_it_is_there(short_pauses: None) -> None:
    server = NativeServer({"/old": b"old"})
    async with server.running(), native(server) as client, trio.open_nursery() as nursery:
        assert (await client.wait("old", 10)).size == 3
        nursery.start_soon(publish, server, "/f", b"abcd", 0.2)
        began = trio.current_time()
        entry = await client.wait("f", 60)
        assert 0.2 <= trio.current_time() - began < 30
        assert (entry.name, entry.kind, entry.size, entry.unique) == ("f", Kind.FILE, 4, version(b"abcd"))
        nursery.start_soon(publish, server, "/f", b"next", 0.2)
        assert (await client.wait("f", 60, since=entry.unique)).unique == version(b"next")
        assert server.asked[-1].facts["since"] == entry.unique
        await client.wait("f", 3, any_directory=True)
        assert server.asked[-1].facts["any"] == "1"


async def test_it_ends_at_its_deadline_and_when_the_producer_failed(short_pauses: None) -> None:
    server = NativeServer()
    async with server.running(), native(server, retries=3) as client:
        with pytest.raises(ClientError) as caught:
            await client.wait("f", 0.5)
        assert (caught.value.outcome, caught.value.transient) == (Outcome.TIMEOUT, False)
        assert len(server.asked) == 1
        await client.mark_failed("f")
        with pytest.raises(ClientError) as caught:
            await client.wait("f", 0.5)
        assert caught.value.outcome is Outcome.FAILED
        with pytest.raises(ClientError) as caught:
            await client.get("f", "/nowhere", wait=5)
        assert caught.value.outcome is Outcome.FAILED


class Leaving(NativeServer):
    """It goes down while somebody waits, and says so as docs/protocol.md s.4 has it; so many times."""

    times = 1

    async def wait(self, tag: Tag) -> None:
        if len(self.asked) <= self.times:
            await tag.say(450, "kind=timeout;", "The server is going down.")
        else:
            await super().wait(tag)


async def test_a_server_that_goes_down_is_not_the_deadline(short_pauses: None) -> None:
    """It said after a second of thirty that nothing had come in time: a restart of the server failed who waited."""
    server = Leaving()
    async with server.running(), native(server, retries=1) as client, trio.open_nursery() as nursery:
        nursery.start_soon(publish, server, "/f", b"abcd", 0.2)
        assert (await client.wait("f", 60)).unique == version(b"abcd")
    server = Leaving()
    server.times = 4  # which is more than there are retries, and well within the time
    async with server.running(), native(server, retries=1) as client, trio.open_nursery() as nursery:
        nursery.start_soon(publish, server, "/f", b"abcd", 0.2)
        assert (await client.wait("f", 60)).unique == version(b"abcd")
    server = Leaving()
    async with server.running(), native(server, retries=0) as client:
        with pytest.raises(ClientError) as caught:
            await client.wait("f", 60)
        assert (caught.value.outcome, caught.value.transient) == (Outcome.TIMEOUT, True)
        assert "in time" not in caught.value.message


class Hasty(NativeServer):
    """Its clock runs two percent fast."""

    async def wait(self, tag: Tag) -> None:
        await trio.sleep(0.98 * int(tag.facts["timeout"]))
        await tag.say(450, "kind=timeout;", "Nothing came in time.")


async def test_a_clock_that_runs_fast_is_no_server_that_goes_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait, "WAIT_MOST", 1)
    server = Hasty()
    async with server.running(), native(server, retries=0) as client:
        with pytest.raises(ClientError) as caught:
            await client.wait("f", 1.2)
        assert (caught.value.outcome, caught.value.transient) == (Outcome.TIMEOUT, False)
        assert len(server.asked) == 2


async def test_a_wait_that_is_given_up_is_ended_there(short_pauses: None) -> None:
    server = NativeServer()
    async with server.running(), native(server) as client:
        with trio.move_on_after(0.2):
            await client.wait("f", 60)
        assert await client.list() == []
        assert server.heard.count("ABOR tag=1;") == 1
        assert server.busy == 0


class Growing(FakeServer):
    """A file shows there while it grows."""

    looks = 0

    async def do_MLST(self, talk: Conversation, argument: str) -> None:
        self.looks += 1
        if self.looks > 3:
            self.files["/f"] = b"x" * min(self.looks, 6)
        await talk.do_MLST(argument)


async def test_a_stock_server_is_asked_again_until_it_stays_the_same(short_pauses: None) -> None:
    server = Growing()
    async with server.running(), native(server, dialect=None) as client:
        entry = await client.wait("f", 300)
        assert (entry.size, server.looks) == (6, 7)
        with pytest.raises(ClientError) as caught:
            await client.wait("f", 1, since=entry.unique)
        assert caught.value.outcome is Outcome.TIMEOUT
        assert server.looks - 7 < 100, "it looks more rarely as time goes by"
        with pytest.raises(Unsupported):
            await client.mark_failed("f")


async def test_a_refusal_ends_the_looking(short_pauses: None) -> None:
    class Refusing(FakeServer):
        async def do_MLST(self, talk: Conversation, argument: str) -> None:
            await talk.say("550 Permission denied.")

    server = Refusing()
    async with server.running(), native(server, dialect=None) as client:
        with pytest.raises(ClientError) as caught:
            await client.wait("f", 60)
        assert caught.value.outcome is Outcome.DENIED


async def test_of_an_ftlite_in_stock_one_look_is_enough(short_pauses: None) -> None:
    server = NativeServer({"/f": b"abc"})
    async with server.running(), native(server, dialect="stock") as client:
        assert (await client.wait("f", 5)).size == 3
        assert sum(line.startswith("MLST") for line in server.heard) == 1
