"""Connections that end anywhere, servers that say nothing, or what they should not."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from ftlite.client import Client, ClientError, Outcome, Verified
from tests.client.native.fake import MODIFY, NativeServer, Tag, native

SMALL = b"the content of a small file"
BIG = bytes(range(256)) * 12_000


def left(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


class Leaving(NativeServer):
    """Closes the control connection when a transfer is at `when`."""

    when = "asked"

    async def leave(self, tag: Tag, when: str) -> None:
        if self.when == when:
            await trio.aclose_forcefully(tag.talk.stream)
            await trio.sleep_forever()

    async def get(self, tag: Tag) -> None:
        await self.leave(tag, "asked")
        await super().get(tag)

    async def send(self, tag: Tag, stream: trio.abc.Stream, content: bytes) -> None:
        await self.leave(tag, "begun")
        await super().send(tag, stream, content)

    async def confirm_get(self, tag: Tag, content: bytes, offset: int) -> None:
        await self.leave(tag, "sent")
        await super().confirm_get(tag, content, offset)

    async def put(self, tag: Tag) -> None:
        await self.leave(tag, "asked")
        await super().put(tag)

    async def receive(self, tag: Tag, path: str) -> None:
        await self.leave(tag, "begun")
        await super().receive(tag, path)

    async def publish(self, tag: Tag, path: str, content: bytes, moved: int) -> None:
        await self.leave(tag, "sent")
        await super().publish(tag, path, content, moved)


@pytest.mark.parametrize("when", ["asked", "begun", "sent"])
@pytest.mark.parametrize("verb", ["get", "put"])
async def test_a_lost_control_connection_is_partial_and_healed(tmp_path: Path, verb: str, when: str) -> None:
    (tmp_path / "up").write_bytes(BIG)
    server = Leaving({"/f": BIG})
    server.when = when

    async def move(client: Client) -> None:
        await (client.get("f", tmp_path / "f") if verb == "get" else client.put(tmp_path / "up", "up"))

    async with server.running(), native(server) as client:
        with pytest.raises(ClientError) as caught:
            await move(client)
        assert (caught.value.outcome, caught.value.transient) == (Outcome.PARTIAL, True)
        server.when = "never"
        await move(client)
        assert server.connections == 2
        assert [line for line in server.heard if line.startswith("OPTS FTLITE")] == ["OPTS FTLITE 1"] * 2


async def test_all_who_shared_it_go_on_over_one_new_session(tmp_path: Path, short_pauses: None) -> None:
    class Once(Leaving):
        async def leave(self, tag: Tag, when: str) -> None:
            if self.connections == 1 and when == "asked":
                while len(self.asked) < 5:
                    await self.arrived.park()
                await super().leave(tag, when)

        async def get(self, tag: Tag) -> None:
            self.arrived.unpark_all()
            await super().get(tag)

    server = Once({f"/f{number}": SMALL for number in range(5)})
    async with server.running(), native(server, retries=2) as client:
        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(client.get, f"f{number}", tmp_path / str(number))
        assert server.connections == 2
    assert left(tmp_path) == [str(number) for number in range(5)]


@pytest.mark.parametrize("other", [False, True])
async def test_a_name_that_our_own_lost_attempt_took_is_ours(
    tmp_path: Path, other: bool, short_pauses: None
) -> None:
    """Only the confirmation of the upload was lost; with `other`, somebody else was quicker than the repetition."""
    (tmp_path / "f").write_bytes(SMALL)

    class Unconfirmed(Leaving):
        feat = (*NativeServer.feat, "HASH SHA-256*")

        async def publish(self, tag: Tag, path: str, content: bytes, moved: int) -> None:
            self.files[path] = content[::-1] if other else content
            await self.leave(tag, "sent")

    server = Unconfirmed()
    server.when = "sent"
    async with server.running(), native(server, retries=1) as client:
        if other:
            with pytest.raises(ClientError) as caught:
                await client.put(tmp_path / "f", "f", if_absent=True)
            assert caught.value.outcome is Outcome.EXISTS
        else:
            put = await client.put(tmp_path / "f", "f", if_absent=True)
            assert (put.verified, put.skipped) == (Verified.DIGEST, True)
        assert server.connections == 2


@pytest.mark.parametrize("code", ["421 going down", "999 what"])
async def test_last_words_on_the_control_connection(tmp_path: Path, code: str) -> None:
    class Going(NativeServer):
        async def get(self, tag: Tag) -> None:
            await tag.talk.say(code)
            await trio.sleep_forever()

    server = Going()
    async with server.running(), native(server) as client:
        with pytest.raises(ClientError) as caught:
            await client.get("f", tmp_path / "f")
        assert caught.value.outcome is (Outcome.PARTIAL if code.startswith("421") else Outcome.PROTOCOL)


class Stalling(NativeServer):
    """Says nothing at some point; `working`: but that it works."""

    at = "begin"
    working = 0

    async def pause(self, tag: Tag, at: str) -> None:
        while self.at == at:
            if not self.working:
                await trio.sleep_forever()
            self.working -= 1
            await tag.say(150, "stage=hash;", "working")
            await trio.sleep(0.5)
            if not self.working:
                self.at = ""

    async def begin_get(self, tag: Tag, content: bytes, offset: int) -> None:
        await self.pause(tag, "begin")
        await super().begin_get(tag, content, offset)

    async def send(self, tag: Tag, stream: trio.abc.Stream, content: bytes) -> None:
        if self.at == "middle":
            await stream.send_all(content[:10])
            await trio.sleep_forever()
        await super().send(tag, stream, content)

    async def confirm_get(self, tag: Tag, content: bytes, offset: int) -> None:
        await self.pause(tag, "end")
        await super().confirm_get(tag, content, offset)


@pytest.mark.parametrize("at", ["begin", "middle", "end"])
async def test_silence_ends_a_transfer_and_not_the_session(
    tmp_path: Path, at: str
) -> None:
    server = Stalling({"/f": SMALL})
    server.at = at
    async with server.running(), native(server, stall_timeout=2.0) as client:
        with pytest.raises(ClientError) as caught:
            await client.get("f", tmp_path / "f")
        assert (caught.value.outcome, caught.value.transient) == (Outcome.TIMEOUT, True)
        server.at = ""
        await client.get("f", tmp_path / "f")
        assert server.connections == 1


async def test_a_server_that_says_nothing_at_all_is_given_up(
    tmp_path: Path
) -> None:
    class Deaf(NativeServer):
        async def get(self, tag: Tag) -> None:
            await trio.sleep_forever()

        async def do_ABOR(self, talk: object, argument: str) -> None:
            await trio.sleep_forever()

    server = Deaf({"/f": SMALL})
    async with server.running(), native(server, stall_timeout=2.0) as client:
        with pytest.raises(ClientError) as caught:
            await client.get("f", tmp_path / "f")
        assert caught.value.outcome is Outcome.TIMEOUT
        assert (await client.stat("f")).size == len(SMALL)
        assert server.connections == 2


@pytest.mark.parametrize("at", ["begin", "end"])
async def test_signs_of_work_are_signs_of_life(
    tmp_path: Path, at: str
) -> None:
    server = Stalling({"/f": SMALL})
    server.at, server.working = at, 7
    async with server.running(), native(server, stall_timeout=2.0) as client:
        began = trio.current_time()
        await client.get("f", tmp_path / "f")
        assert trio.current_time() - began > 3
    assert (tmp_path / "f").read_bytes() == SMALL


async def test_an_early_end_is_no_success(tmp_path: Path) -> None:
    class Short(NativeServer):
        async def send(self, tag: Tag, stream: trio.abc.Stream, content: bytes) -> None:
            await super().send(tag, stream, content[:-1])

    server = Short({"/f": BIG})
    async with server.running(), native(server) as client:
        with pytest.raises(ClientError) as caught:
            await client.get("f", tmp_path / "f")
        assert caught.value.outcome is Outcome.PARTIAL
        assert caught.value.transient
    assert not (tmp_path / "f").exists()
    server = NativeServer({"/f": BIG})
    async with server.running(), native(server) as client:
        assert (await client.get("f", tmp_path / "f")).moved == 1, "what came before was right, and kept"
    assert (tmp_path / "f").read_bytes() == BIG


async def test_a_late_150_harms_nobody(tmp_path: Path) -> None:
    class Late(NativeServer):
        async def get(self, tag: Tag) -> None:
            content = self.files["/f"]
            sent = trio.Event()

            async def send() -> None:
                await self.send(tag, await self.data(tag), content)
                sent.set()

            self.nursery.start_soon(send)
            while tag.number not in self.opened:
                await trio.sleep(0.001)
            await trio.testing.wait_all_tasks_blocked(0.02)
            await tag.say(150, f"offset=0;size={len(content)};modify={MODIFY};mode=0640;version=v1;")
            await sent.wait()
            await self.confirm_get(tag, content, 0)

    server = Late({"/f": SMALL})
    async with server.running(), native(server) as client:
        assert (await client.get("f", tmp_path / "f")).verified is Verified.DIGEST


@pytest.mark.parametrize("reply", ["226 tag=99;bytes=0; what", "150 tag=0; what", "226 nothing was asked"])
async def test_replies_to_nobody_end_the_session(tmp_path: Path, reply: str) -> None:
    class Babbling(NativeServer):
        async def get(self, tag: Tag) -> None:
            await tag.talk.say(reply)
            await trio.sleep_forever()

    server = Babbling()
    async with server.running(), native(server) as client:
        with pytest.raises(ClientError) as caught:
            await client.get("f", tmp_path / "f")
        assert caught.value.outcome is Outcome.PROTOCOL
