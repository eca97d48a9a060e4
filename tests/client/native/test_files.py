"""Files there and back in the native dialect: what is verified, what goes on, and what a lying server comes to."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from ftlite.client import ClientError, Outcome, Verified
from ftlite.client.native.files import sayable
from tests.client.native.fake import NativeServer, Tag, digest, native

BIG = bytes(range(256)) * 12_000  # 3 MB
SMALL = b"the content of a small file"


def left(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def test_a_file_there_and_back(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(SMALL)
    (tmp_path / "f").chmod(0o751)
    os.utime(tmp_path / "f", ns=(1, 1_700_000_000_123_456_789))
    server = NativeServer()
    async with server.running(), native(server) as client:
        assert client.native
        put = await client.put(tmp_path / "f", "f")
        assert server.files == {"/f": SMALL}
        assert (put.moved, put.size, put.verified, put.skipped) == (len(SMALL), len(SMALL), Verified.DIGEST, False)
        assert put.digest == f"sha256:{digest(SMALL)}"
        assert server.changed["/f"] == ("20231114221320.123456789", "0751")
        got = await client.get("f", tmp_path / "g")
        assert (tmp_path / "g").read_bytes() == SMALL
        assert (got.moved, got.verified, got.digest) == (len(SMALL), Verified.DIGEST, put.digest)
        held = (tmp_path / "g").stat()
        assert (held.st_mtime_ns % 1_000_000_000, held.st_mode & 0o777) == (123_456_789, 0o640)
    assert left(tmp_path) == ["f", "g"]
    verbs = [line.split()[0] for line in server.heard]
    assert verbs[verbs.index("TYPE") :] == ["TYPE", "OPTS", "PUT", "DONE", "GET", "QUIT"]


@pytest.mark.parametrize("size", [0, 1, 70_000, 1 << 20, (1 << 20) + 1, 3_000_000])
async def test_sizes(tmp_path: Path, size: int) -> None:
    content = BIG[:size]
    (tmp_path / "f").write_bytes(content)
    server = NativeServer()
    seen: list[int] = []
    async with server.running(), native(server) as client:
        put = await client.put(tmp_path / "f", "f", progress=lambda done, _: seen.append(done))
        assert server.files["/f"] == content
        assert (put.verified, put.moved, seen[-1]) == (Verified.DIGEST, size, size)
        got = await client.get("f", tmp_path / "g")
        assert (tmp_path / "g").read_bytes() == content
        assert (got.verified, got.moved) == (Verified.DIGEST, size)
        assert (await client.put(tmp_path / "f", "f")).skipped


async def test_what_stands_there_is_not_sent_again(tmp_path: Path) -> None:
    for name, content in (("small", SMALL), ("big", BIG)):
        (tmp_path / name).write_bytes(content)
    server = NativeServer({"/small": SMALL, "/big": BIG, "/other": BIG[::-1]})
    async with server.running(), native(server) as client:
        for name in ("small", "big"):
            put = await client.put(tmp_path / name, name)
            assert (put.skipped, put.moved, put.verified) == (True, 0, Verified.DIGEST)
        assert "sha256" not in server.asked[1].facts, "a big file is hashed when something of its size stands there"
        put = await client.put(tmp_path / "big", "other")
        assert (put.skipped, put.moved, put.verified, put.anew) == (False, len(BIG), Verified.DIGEST, False)
        assert server.files["/other"] == BIG
        got = await client.get("big", tmp_path / "big", resume=True)
        assert (got.skipped, got.moved, got.verified) == (True, 0, Verified.DIGEST)
        (tmp_path / "small").write_bytes(SMALL[::-1])
        got = await client.get("small", tmp_path / "small", resume=True)
        assert (got.skipped, got.moved) == (False, len(SMALL))
        assert (tmp_path / "small").read_bytes() == SMALL


async def test_an_upload_goes_on_with_its_own_beginning(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(BIG)
    for part, anew in ((BIG[:1_000_000], False), (b"?" * 1_000_000, True), (BIG, False)):
        server = NativeServer()
        server.parts["/f"] = part
        async with server.running(), native(server) as client:
            put = await client.put(tmp_path / "f", "f")
            assert server.files["/f"] == BIG
            offset = 0 if anew else len(part)
            assert (put.moved, put.offset, put.anew) == (len(BIG) - offset, offset, anew)
            assert put.verified is Verified.DIGEST
        assert [("fresh" in tag.facts) for tag in server.asked] == ([False, True] if anew else [False])


class Cutting(NativeServer):
    """Breaks the first `cuts` downloads off after a while."""

    cuts = 1

    async def send(self, tag: Tag, stream: trio.abc.Stream, content: bytes) -> None:
        if self.cuts:
            self.cuts -= 1
            await stream.send_all(content[:1_500_000])
            await trio.aclose_forcefully(stream)
            await tag.say(426, "kind=lost;", "the data connection broke")
            tag.scope.cancel()
            await trio.lowlevel.checkpoint()
        await super().send(tag, stream, content)


async def test_a_download_goes_on_where_it_was_cut(tmp_path: Path) -> None:
    server = Cutting({"/f": BIG})
    async with server.running():
        async with native(server) as client:
            with pytest.raises(ClientError) as caught:
                await client.get("f", tmp_path / "f")
            assert (caught.value.outcome, caught.value.transient) == (Outcome.PARTIAL, True)
            assert not (tmp_path / "f").exists()
            assert len(left(tmp_path)) == 2
        async with native(server) as client:
            got = await client.get("f", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == BIG
    assert 0 < got.offset < len(BIG)
    assert (got.moved, got.size, got.verified) == (len(BIG) - got.offset, len(BIG), Verified.DIGEST)
    assert left(tmp_path) == ["f"]


async def test_retries_go_on_by_themselves(tmp_path: Path, short_pauses: None) -> None:
    server = Cutting({"/f": BIG})
    server.cuts = 2
    async with server.running(), native(server, retries=2) as client:
        got = await client.get("f", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == BIG
    assert got.offset > 0
    assert left(tmp_path) == ["f"]


async def test_a_file_that_changed_meanwhile_comes_afresh(tmp_path: Path) -> None:
    server = Cutting({"/f": BIG})
    async with server.running(), native(server) as client:
        with pytest.raises(ClientError):
            await client.get("f", tmp_path / "f")
        server.files["/f"] = BIG[::-1]
        got = await client.get("f", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == BIG[::-1]
    assert (got.offset, got.moved, got.anew) == (0, len(BIG), True)
    assert left(tmp_path) == ["f"]


async def test_a_part_of_an_unknown_version_is_dropped(tmp_path: Path) -> None:
    server = Cutting({"/f": BIG})
    async with server.running(), native(server) as client:
        with pytest.raises(ClientError):
            await client.get("f", tmp_path / "f")
        (version,) = [tmp_path / name for name in left(tmp_path) if (tmp_path / name).is_symlink()]
        version.unlink()
        assert (await client.get("f", tmp_path / "f")).offset == 0
        version.symlink_to("no version, and not to be sent")
        assert (await client.get("f", tmp_path / "f")).offset == 0
    assert left(tmp_path) == ["f"]


def lying(**lies: Callable[[NativeServer, Tag, bytes, int], str]) -> type[NativeServer]:
    """A server whose 226 to GET and PUT is another."""

    class Lying(NativeServer):
        async def confirm_get(self, tag: Tag, content: bytes, offset: int) -> None:
            await tag.say(226, lies["facts"](self, tag, content, offset))

        async def publish(self, tag: Tag, path: str, content: bytes, moved: int) -> None:
            await tag.say(226, lies["facts"](self, tag, content, len(content) - moved))

    return Lying


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        (lambda _s, _t, c, _o: f"bytes={len(c)};size={len(c)};sha256={digest(b'x')};", Outcome.INTEGRITY),
        (lambda _s, _t, c, _o: f"bytes={len(c) + 1};size={len(c)};sha256={digest(c)};", Outcome.INTEGRITY),
        (lambda _s, _t, c, _o: f"bytes={len(c)};size={len(c) + 1};sha256={digest(c)};", Outcome.INTEGRITY),
        (lambda _s, _t, c, _o: f"bytes={len(c)};size={len(c)};", Outcome.INTEGRITY),
        (lambda _s, _t, c, _o: f"bytes={len(c)};size={len(c)};blake3={digest(c)};", Outcome.INTEGRITY),
        (lambda _s, _t, c, _o: f"bytes=much;size={len(c)};sha256={digest(c)};", Outcome.PROTOCOL),
    ],
)
async def test_a_226_that_says_something_else_is_no_success(
    tmp_path: Path, facts: Callable[..., str], outcome: Outcome
) -> None:
    (tmp_path / "up").write_bytes(SMALL)
    server = lying(facts=facts)({"/f": SMALL})
    async with server.running():
        async with native(server) as client:
            with pytest.raises(ClientError) as caught:
                await client.get("f", tmp_path / "f")
            assert caught.value.outcome is outcome
        async with native(server) as client:
            with pytest.raises(ClientError) as caught:
                await client.put(tmp_path / "up", "up")
            assert caught.value.outcome is outcome
    assert left(tmp_path) == ["up"]


async def test_if_absent_and_expect(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(SMALL)
    server = NativeServer({"/f": b"old"})
    async with server.running(), native(server) as client:
        with pytest.raises(ClientError) as caught:
            await client.put(tmp_path / "f", "f", if_absent=True)
        assert caught.value.outcome is Outcome.EXISTS
        heard = len(server.heard)
        for wrong in (f"sha256:{'0' * 64}", f"sha512:{'0' * 128}"):
            with pytest.raises(ClientError) as caught:
                await client.put(tmp_path / "f", "f", expect=wrong)
            assert caught.value.outcome is Outcome.INTEGRITY
        assert len(server.heard) == heard, "nothing was said before it was compared"
        assert server.files["/f"] == b"old"
        await client.put(tmp_path / "f", "f", expect=f"sha256:{digest(SMALL)}")
        await client.put(tmp_path / "f", "new", if_absent=True)
        assert server.files == {"/f": SMALL, "/new": SMALL}


async def test_a_source_that_changes_while_it_is_sent_is_not_published(tmp_path: Path) -> None:
    local = tmp_path / "f"
    local.write_bytes(BIG)

    class Slow(NativeServer):
        async def receive(self, tag: Tag, path: str) -> None:
            with local.open("r+b") as file:
                file.write(b"changed")
            os.utime(local, ns=(5, 5))
            await super().receive(tag, path)

    server = Slow()
    async with server.running(), native(server) as client:
        with pytest.raises(ClientError) as caught:
            await client.put(local, "f")
        assert (caught.value.outcome, caught.value.transient) == (Outcome.INTEGRITY, True)
    assert server.files == {}
    assert not any(line.startswith("DONE") for line in server.heard)


def test_a_time_that_ftp_cannot_say_is_left_out() -> None:
    assert sayable(1_700_000_000_123_456_789) == 1_700_000_000_123_456_789
    assert sayable(10**21) is None


@pytest.mark.parametrize(
    ("kind", "code", "outcome", "transient"),
    [
        ("no-data", 425, Outcome.CONNECT, True),
        ("stalled", 426, Outcome.TIMEOUT, True),
        ("busy", 450, Outcome.OTHER, True),
        ("too-many", 450, Outcome.OTHER, True),
        ("fault", 451, Outcome.OTHER, True),
        ("no-room", 452, Outcome.NO_ROOM, False),
        ("quota", 552, Outcome.NO_ROOM, False),
        ("not-found", 550, Outcome.NOT_FOUND, False),
        ("denied", 550, Outcome.DENIED, False),
        ("is-directory", 550, Outcome.USAGE, False),
        ("bad-tag", 503, Outcome.PROTOCOL, False),
        ("unsupported", 504, Outcome.OTHER, False),
        ("of-next-year", 550, Outcome.NOT_FOUND, False),
    ],
)
async def test_what_refusals_mean(tmp_path: Path, kind: str, code: int, outcome: Outcome, transient: bool) -> None:
    class Refusing(NativeServer):
        async def get(self, tag: Tag) -> None:
            await tag.say(code, f"kind={kind};", "because it is so")

    server = Refusing()
    async with server.running(), native(server) as client:
        with pytest.raises(ClientError) as caught:
            await client.get("f", tmp_path / "f")
        assert (caught.value.outcome, caught.value.transient) == (outcome, transient)
        assert "because it is so" in str(caught.value)
        assert "tag=" not in str(caught.value)
    assert left(tmp_path) == []


async def test_busy_is_tried_again(tmp_path: Path, short_pauses: None) -> None:
    (tmp_path / "f").write_bytes(SMALL)

    class Busy(NativeServer):
        refusals = 2

        async def receive(self, tag: Tag, path: str) -> None:
            if self.refusals:
                self.refusals -= 1
                await tag.say(450, "kind=busy;", "somebody else writes it")
                return
            await super().receive(tag, path)

    server = Busy()
    async with server.running(), native(server, retries=3) as client:
        assert (await client.put(tmp_path / "f", "f")).verified is Verified.DIGEST
    assert server.files == {"/f": SMALL}
