"""A control connection that ends around a transfer: what was sent and not confirmed is partial, in every order.

Whatever the client notices first, the end, the refused dialling or the last bytes, the outcome is the same.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from ftlite import connect
from ftlite.client import Client, ClientError, Outcome, Verified
from ftlite.net.errors import Kind, NetError
from tests.client.fake import Conversation, FakeServer, Gone

CONTENT = bytes(range(256)) * 400  # 102,400 bytes
Deed = Callable[[Client, Path], Awaitable[object]]


async def _get(client: Client, folder: Path) -> object:
    return await client.get("f", folder / "got")


async def _put(client: Client, folder: Path) -> object:
    return await client.put(folder / "new", "g")


async def _list(client: Client, _: Path) -> object:
    return await client.list()


async def _download(client: Client, _: Path) -> object:
    async with client.download("f") as download:
        return b"".join([block async for block in download])


async def _upload(client: Client, _: Path) -> object:
    async with client.upload("g") as upload:
        await upload.send(CONTENT)
    return upload.result


DEEDS = [_get, _put, _list, _download, _upload]


class Ends(FakeServer):
    """Each transfer's command is answered by `end`; the control connection ends within it."""

    async def end(self, talk: Conversation, incoming: bool) -> None:
        raise NotImplementedError

    async def do_RETR(self, talk: Conversation, _: str) -> None:
        await self.end(talk, False)

    async def do_STOR(self, talk: Conversation, _: str) -> None:
        await self.end(talk, True)

    do_MLSD = do_RETR

    async def move(self, talk: Conversation, incoming: bool) -> None:
        """All of the data, and its clean end."""
        data = await talk.data()
        if incoming:
            while await data.receive_some(65536):
                pass
        else:
            await data.send_all(CONTENT)
        await data.aclose()


class AtOnce(Ends):
    """Neither a reply nor a data connection."""

    async def end(self, talk: Conversation, incoming: bool) -> None:
        raise Gone


class DeafAtOnce(Ends):
    """As before, and the data port was closed already when the command came."""

    async def end(self, talk: Conversation, incoming: bool) -> None:
        assert talk.listener is not None
        await talk.listener.aclose()
        raise Gone


class Slowly(Ends):
    """The data port is closed long before the control connection ends."""

    async def end(self, talk: Conversation, incoming: bool) -> None:
        assert talk.listener is not None
        await talk.listener.aclose()
        await trio.sleep(0.1)
        raise Gone


class Taken(Ends):
    """The data connection is taken and reset, and no reply comes."""

    async def end(self, talk: Conversation, incoming: bool) -> None:
        assert talk.listener is not None
        stream = await talk.listener.accept()
        stream.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER: reset at close
        await stream.aclose()
        raise Gone


class Behind150(Ends):
    """It begins, and ends before the data connection is taken."""

    async def end(self, talk: Conversation, incoming: bool) -> None:
        await talk.say("150 here")
        raise Gone


class WithoutAWord(Ends):
    """All bytes move, but no reply comes; an upload waits for one."""

    async def end(self, talk: Conversation, incoming: bool) -> None:
        if incoming:
            await talk.data()
        else:
            await self.move(talk, incoming)
        raise Gone


class Unconfirmed(Ends):
    """All bytes move behind a 150, but no 226 comes."""

    async def end(self, talk: Conversation, incoming: bool) -> None:
        await talk.say("150 here")
        await self.move(talk, incoming)
        raise Gone


def quick(server: FakeServer, **more: Any) -> Any:
    return connect(f"ftp://ann@127.0.0.1:{server.port}/", **{"password": "p", "retries": 0, **more})


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("encrypted", [False, True], ids=["clear", "tls"])
@pytest.mark.parametrize("kind", [AtOnce, DeafAtOnce, Slowly, Taken, Behind150, WithoutAWord, Unconfirmed])
async def test_a_transfer_that_nobody_confirmed_is_partial(
    kind: type[Ends],
    encrypted: bool,
    deed: Deed,
    server_context: ssl.SSLContext,
    authority_file: Path,
    tmp_path: Path,
) -> None:
    (tmp_path / "new").write_bytes(CONTENT)
    trust: dict[str, Any] = {"cacert": authority_file} if encrypted else {"tls": "off"}
    async with kind({"/f": CONTENT}, server_context if encrypted else None).running() as server:
        async with quick(server, **trust) as client:
            with pytest.raises(ClientError) as caught:
                await deed(client, tmp_path)
    assert caught.value.outcome is Outcome.PARTIAL, caught.value
    assert caught.value.transient
    assert "the control connection ended before the server confirmed the transfer" in caught.value.message
    assert not (tmp_path / "got").exists()


@pytest.mark.parametrize("deed", [_get, _put, _list])
async def test_it_is_healed_by_another_session(deed: Deed, tmp_path: Path) -> None:
    class Once(AtOnce):
        async def end(self, talk: Conversation, incoming: bool) -> None:
            if self.connections == 1:
                raise Gone
            await (talk.do_STOR("g") if incoming else talk.do_RETR("f"))

        async def do_MLSD(self, talk: Conversation, argument: str) -> None:
            if self.connections == 1:
                raise Gone
            await talk.do_MLSD(argument)

    (tmp_path / "new").write_bytes(CONTENT)
    async with Once({"/f": CONTENT}).running() as server:
        async with quick(server, tls="off", retries=1) as client:
            assert await deed(client, tmp_path)
        assert server.connections == 2


@pytest.mark.parametrize("deed", [_get, _put])
@pytest.mark.parametrize("late", [0.0, 0.1])
async def test_a_refusal_is_told_though_the_data_port_is_closed_with_it(
    deed: Deed, late: float, tmp_path: Path
) -> None:
    """Under load a refusal is read after the dialling that it makes vain; it tells more."""

    class Refuses(Ends):
        async def do_EPSV(self, talk: Conversation, argument: str) -> None:
            await talk.do_EPSV(argument)
            assert talk.listener is not None
            await talk.listener.aclose()

        async def end(self, talk: Conversation, incoming: bool) -> None:
            await trio.sleep(late)
            await talk.say("550 No such file.")

    (tmp_path / "new").write_bytes(CONTENT)
    async with Refuses({"/f": CONTENT}).running() as server:
        async with quick(server, tls="off") as client:
            with pytest.raises(ClientError) as caught:
                await deed(client, tmp_path)
            assert caught.value.reply is not None
            assert caught.value.reply.code == 550
            assert caught.value.outcome is Outcome.NOT_FOUND
            await client.stat("f")  # and the session still stands
        assert server.connections == 1


@pytest.mark.parametrize("data_first", [True, False])
@pytest.mark.parametrize("deed", [_get, _download])
async def test_what_was_confirmed_before_the_end_is_whole(deed: Deed, data_first: bool, tmp_path: Path) -> None:
    """Nothing has to be asked behind a download whose size is known, so nothing is missing."""

    class Hurries(Ends):
        async def end(self, talk: Conversation, incoming: bool) -> None:
            await talk.say("150 here")
            if data_first:
                await self.move(talk, incoming)
                await talk.say("226 done")
                raise Gone
            await talk.say("226 done")
            await talk.stream.aclose()
            await self.move(talk, incoming)

    async with Hurries({"/f": CONTENT}).running() as server:
        async with quick(server, tls="off") as client:
            assert await deed(client, tmp_path)
    if deed is _get:
        assert (tmp_path / "got").read_bytes() == CONTENT


async def test_a_data_connection_that_is_over_before_it_was_seen_is_partial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client waited for its turn meanwhile; what the server says at the end is no success, and not waited for."""

    async def reset(host: str, port: int) -> socket.socket:
        raise NetError(Kind.LOST, f"{host} port {port} reset the data connection at once")

    class Sends(Ends):
        async def end(self, talk: Conversation, incoming: bool) -> None:
            await talk.say("150 here")
            await talk.say("226 sent")

    monkeypatch.setattr("ftlite.client.data.dial", reset)
    monkeypatch.setattr("ftlite.client.data._LAST_WORD", 1000.0)
    async with Sends({"/f": CONTENT}).running() as server:
        async with quick(server, tls="off", connect_timeout=1000, stall_timeout=2000) as client:
            with pytest.raises(ClientError) as caught:
                await client.get("f", tmp_path / "got")
            assert (await client.stat("f")).size == len(CONTENT)
        assert server.connections == 1
    assert caught.value.outcome is Outcome.PARTIAL
    assert caught.value.transient


class LosesItThen(FakeServer):
    """Takes everything and says 226, but ends at the question `at`, in the way of `last`."""

    at = "SIZE"
    last = ""

    async def do_SIZE(self, talk: Conversation, argument: str) -> None:
        await self._asked(talk, "SIZE", argument)

    async def do_HASH(self, talk: Conversation, argument: str) -> None:
        await self._asked(talk, "HASH", argument)

    async def do_MFMT(self, talk: Conversation, argument: str) -> None:
        await self._asked(talk, "MFMT", argument)

    async def do_SITE(self, talk: Conversation, argument: str) -> None:
        await self._asked(talk, "SITE", argument)

    async def _asked(self, talk: Conversation, verb: str, argument: str) -> None:
        if verb != self.at:
            await getattr(talk, f"do_{verb}")(argument)
            return
        if self.last:
            await talk.say(self.last)
        raise Gone


@pytest.mark.parametrize("last", ["", "421 bye"])
@pytest.mark.parametrize(
    ("deed", "at", "missing"),
    [
        (_put, "SIZE", "could be compared"),
        (_upload, "SIZE", "could be compared"),
        (_put, "MFMT", "its time and mode"),
        (_put, "SITE", "its time and mode"),
    ],
)
async def test_an_upload_that_was_confirmed_and_could_not_be_compared(
    deed: Deed, at: str, missing: str, last: str, tmp_path: Path
) -> None:
    """The server's 226 is less than it can state otherwise, so it is no success; and no failure to connect either."""
    (tmp_path / "new").write_bytes(CONTENT)
    server = LosesItThen()
    server.at, server.last = at, last
    async with server.running():
        async with quick(server, tls="off") as client:
            with pytest.raises(ClientError) as caught:
                await deed(client, tmp_path)
    assert caught.value.outcome is Outcome.PARTIAL, caught.value
    assert caught.value.transient
    assert missing in caught.value.message
    assert server.files["/g"] == CONTENT


@pytest.mark.parametrize("deed", [_get, _put, _download, _upload])
async def test_a_digest_that_could_not_be_had(deed: Deed, tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(CONTENT)
    server = LosesItThen({"/f": CONTENT})
    server.at, server.feat = "HASH", (*FakeServer.feat, "HASH SHA-256*")
    async with server.running():
        async with quick(server, tls="off", require="digest") as client:
            with pytest.raises(ClientError) as caught:
                await deed(client, tmp_path)
    assert caught.value.outcome is Outcome.PARTIAL, caught.value
    assert caught.value.transient
    assert "could be compared" in caught.value.message
    assert not (tmp_path / "got").exists()


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_download_of_another_length_whose_size_cannot_be_asked_again(at_once: bool, tmp_path: Path) -> None:
    """The count differs from what was stated before, whether the end is seen before the question or behind it."""

    class Grown(LosesItThen):
        async def do_RETR(self, talk: Conversation, _: str) -> None:
            await talk.send_data(CONTENT + b"more")
            await talk.say("226 done")
            if at_once:
                raise Gone

    async with Grown({"/f": CONTENT}).running() as server:
        async with quick(server, tls="off") as client:
            with pytest.raises(ClientError) as caught:
                await client.get("f", tmp_path / "got")
    assert caught.value.outcome is Outcome.INTEGRITY, caught.value
    assert os.listdir(tmp_path) == []


async def test_a_server_that_states_nothing_is_taken_at_its_word(tmp_path: Path) -> None:
    """No question is open behind its 226, so its end takes nothing away."""

    class Mute(FakeServer):
        feat = ("EPSV", "REST STREAM")

        async def do_SIZE(self, talk: Conversation, _: str) -> None:
            await talk.say("500 what?")

        async def do_STOR(self, talk: Conversation, argument: str) -> None:
            await talk.do_STOR(argument)
            if argument == "last":
                raise Gone

    (tmp_path / "new").write_bytes(CONTENT)
    async with Mute().running() as server:
        async with quick(server, tls="off") as client:
            for name in ("first", "last"):
                result = await client.put(tmp_path / "new", name, preserve=False)
                assert result.verified is Verified.NONE
    assert server.heard.count("SIZE first") == 1
    assert server.files["/last"] == CONTENT
