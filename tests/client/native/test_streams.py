"""Streams in both dialects: blocks, and blocking functions that give and take them."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any

import pytest
import trio

from ftlite.client import ClientError, Outcome, Verified
from tests.client.native.fake import NativeServer, Tag, digest, native

BIG = bytes(range(256)) * 12_000


@pytest.fixture(params=["native", "stock"])
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def server_for(dialect: str, files: dict[str, bytes] | None = None) -> NativeServer:
    server = NativeServer(files)
    if dialect == "stock":  # tagged forms of these are the native server's own
        server.do_MLSD = None  # type: ignore[assignment,method-assign]
    return server


def giving(*blocks: bytes) -> Any:
    rest: Iterator[bytes] = iter(blocks)
    return lambda _most: next(rest, b"")


async def test_there_and_back(dialect: str) -> None:
    server = server_for(dialect)
    seen: list[int] = []
    async with server.running(), native(server, dialect=dialect) as client:
        read = giving(BIG[:10], BIG[10:2_000_000], BIG[2_000_000:])
        put = await client.put_stream(read, "f", progress=lambda done, _: seen.append(done))
        assert server.files["/f"] == BIG
        least = Verified.DIGEST if client.native else Verified.SIZE
        assert (put.moved, put.size, put.verified, seen[-1]) == (len(BIG), len(BIG), least, len(BIG))
        got = bytearray()
        result = await client.get_stream("f", got.extend)
        assert got == BIG
        assert (result.moved, result.verified) == (len(BIG), least)
        if client.native:
            assert put.digest == result.digest == f"sha256:{digest(BIG)}"
        assert (await client.put_stream(giving(), "empty")).size == 0
        assert server.files["/empty"] == b""


async def test_blocks_there_and_back(dialect: str) -> None:
    server = server_for(dialect)
    async with server.running(), native(server, dialect=dialect) as client:
        async with client.upload("f") as upload:
            await upload.send(BIG[:1_000_000])
            await upload.send(BIG[1_000_000:])
        assert server.files["/f"] == BIG
        assert upload.result.moved == len(BIG)
        for offset in (0, 1_000_000, len(BIG)):
            async with client.download("f", offset) as download:
                assert b"".join([block async for block in download]) == BIG[offset:]
            assert download.result.offset == offset
            whole = client.native and not offset
            assert download.result.verified is (Verified.DIGEST if whole else Verified.SIZE)
        async with client.upload("f", append=True) as upload:
            await upload.send(b"more")
        assert server.files["/f"] == BIG + b"more"


async def test_what_was_not_expected_is_not_published(dialect: str) -> None:
    server = server_for(dialect)
    async with server.running(), native(server, dialect=dialect) as client:
        with pytest.raises(ClientError) as caught:
            await client.put_stream(giving(b"abc"), "f", expect=f"sha512:{'0' * 128}")
        assert caught.value.outcome is Outcome.INTEGRITY
        assert not any(line.startswith("DONE") for line in server.heard)
        await client.put_stream(giving(b"abc"), "f", expect=f"sha256:{digest(b'abc')}")
        assert server.files["/f"] == b"abc"
        with pytest.raises(ClientError) as caught:
            await client.put_stream(giving(b"x"), "f", if_absent=True)
        assert caught.value.outcome is Outcome.EXISTS


async def test_a_function_that_fails_gives_its_own_error_back(dialect: str) -> None:
    server = server_for(dialect, {"/f": BIG})

    def broken(_: object) -> bytes:
        raise BrokenPipeError(errno.EPIPE, "nobody reads")

    def wrong(_: object) -> bytes:
        raise KeyError("wrong")

    async with server.running(), native(server, dialect=dialect) as client:
        for function, error in ((broken, BrokenPipeError), (wrong, KeyError)):
            with pytest.raises(error):
                await client.get_stream("f", function)
            with pytest.raises(error):
                await client.put_stream(function, "g")
        got = bytearray()
        await client.get_stream("f", got.extend)
        assert got == BIG


async def test_a_stream_is_repeated_only_while_nothing_of_it_is_gone(short_pauses: None) -> None:
    class Busy(NativeServer):
        refusals = 1
        breaks = 0

        async def receive(self, tag: Tag, path: str) -> None:
            if self.refusals:
                self.refusals -= 1
                await tag.say(450, "kind=busy;", "later")
                return
            if self.breaks:
                self.breaks -= 1
                await tag.say(150, "offset=0;")
                stream = await self.data(tag)
                await stream.receive_some(1)
                await trio.aclose_forcefully(stream)
                await tag.say(426, "kind=lost;", "broken")
                return
            await super().receive(tag, path)

    server = Busy()
    async with server.running(), native(server, retries=3) as client:
        await client.put_stream(giving(b"abc"), "f")
        assert server.files["/f"] == b"abc"
        server.breaks = 1
        with pytest.raises(ClientError) as caught:
            await client.put_stream(giving(b"x", b"y" * 5_000_000), "f")
        assert (caught.value.outcome, caught.value.transient) == (Outcome.PARTIAL, False)
        assert server.files["/f"] == b"abc"


async def test_leaving_early_ends_the_transfer_and_not_the_session() -> None:
    server = NativeServer({"/f": BIG})
    async with server.running(), native(server) as client:
        async with client.download("f") as download:
            async for _ in download:
                break
        with pytest.raises(KeyError):
            async with client.upload("g") as upload:
                await upload.send(b"x")
                raise KeyError
        assert "/g" not in server.files
        assert await client.hash("f") == digest(BIG)
        assert server.connections == 1
        while server.busy:
            await trio.sleep(0.001)


async def test_a_lying_server_is_found_out() -> None:
    class Lying(NativeServer):
        async def confirm_get(self, tag: Tag, content: bytes, offset: int) -> None:
            await tag.say(226, f"bytes={len(content)};size={len(content)};sha256={digest(b'other')};")

        async def publish(self, tag: Tag, path: str, content: bytes, moved: int) -> None:
            await tag.say(226, f"bytes={moved};size={len(content)};sha256={digest(b'other')};")

    server = Lying({"/f": b"abc"})
    async with server.running(), native(server) as client:
        with pytest.raises(ClientError) as caught:
            await client.get_stream("f", bytearray().extend)
        assert caught.value.outcome is Outcome.INTEGRITY
        with pytest.raises(ClientError) as caught:
            await client.put_stream(giving(b"x"), "g")
        assert caught.value.outcome is Outcome.INTEGRITY
        with pytest.raises(ClientError) as caught:
            async with client.download("f") as download:
                async for _ in download:
                    pass
        assert caught.value.outcome is Outcome.INTEGRITY
