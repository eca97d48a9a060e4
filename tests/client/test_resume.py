"""A resume never joins two files: what stands at a name is continued or skipped only as the beginning of this file."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
import trio

from ftlite import connect
from ftlite.client import ClientError, Outcome, Verified
from ftlite.client.parts import DownloadPart, part_path
from tests.client.fake import Conversation, FakeServer
from tests.server.support import PASSWORD, serving

NEW = b"the new content of this file"
OLD = b"an old file"


def quick(server: FakeServer, **more: Any) -> Any:
    return connect(f"ftp://ann@127.0.0.1:{server.port}/", **{"password": "p", "tls": "off", "retries": 0, **more})


@pytest.fixture
def local(tmp_path: Path) -> Path:
    path = tmp_path / "f"
    path.write_bytes(NEW)
    return path


def stores(server: FakeServer) -> int:
    return sum(line.startswith("STOR") for line in server.heard)


class Timed(FakeServer):
    """Keeps the times it is given, and states no digest."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(files)
        self.times = dict.fromkeys(files, "20200101000000")

    async def do_MFMT(self, talk: Conversation, argument: str) -> None:
        time, _, path = argument.partition(" ")
        self.times[talk.path(path)] = time
        await talk.say(f"213 Modify={time}; {path}")

    async def do_MLST(self, talk: Conversation, argument: str) -> None:
        path = talk.path(argument)
        if path not in self.files:
            await talk.say("550 No such file.")
            return
        time = self.times.get(path, "20200101000000")
        await talk.say(f"250-Facts\r\n type=file;size={len(self.files[path])};modify={time}; {argument}\r\n250 End")


class Digesting(FakeServer):
    """States digests. `hidden`: an unfinished upload that only SIZE and STOR know of, as an ftlite keeps it."""

    feat = (*FakeServer.feat, "HASH SHA-256*")
    refusal = ""
    lies = False
    hidden: bytes | None = None

    async def do_HASH(self, talk: Conversation, argument: str) -> None:
        content = self.files.get(talk.path(argument))
        if self.refusal:
            await talk.say(self.refusal)
        elif content is None:
            await talk.say("550 No such file.")
        else:
            digest = hashlib.sha256(content + b"!" * self.lies).hexdigest()
            await talk.say(f"213 SHA-256 0-{len(content)} {digest} {argument}")

    async def do_SIZE(self, talk: Conversation, argument: str) -> None:
        if self.hidden is not None:
            await talk.say(f"213 {len(self.hidden)}")
        else:
            await talk.do_SIZE(argument)

    async def do_STOR(self, talk: Conversation, argument: str) -> None:
        if self.hidden is not None:
            self.files[talk.path(argument)], self.hidden = self.hidden, None
        await talk.do_STOR(argument)


@pytest.mark.parametrize("there", [OLD, NEW[::-1]], ids=["shorter", "as long"])
async def test_another_file_is_replaced_where_a_digest_tells(there: bytes, local: Path) -> None:
    server = Digesting({"/f": there})
    async with server.running(), quick(server) as client:
        put = await client.put(local, "f", resume=True)
        assert server.files["/f"] == NEW
        assert (put.moved, put.offset, put.verified, put.skipped) == (len(NEW), 0, Verified.DIGEST, False)
        assert (put.anew, put.on_trust) == (True, False)
        assert stores(server) == 1, "its digest tells before a byte is sent"


async def test_its_own_beginning_is_continued_and_compared_whole(local: Path) -> None:
    server = Digesting({"/f": NEW[:11]})
    async with server.running(), quick(server) as client:
        put = await client.put(local, "f", resume=True)
        assert server.files["/f"] == NEW
        assert (put.moved, put.offset, put.verified) == (len(NEW) - 11, 11, Verified.DIGEST)
        assert put.digest == f"sha256:{hashlib.sha256(NEW).hexdigest()}"
        assert (put.anew, put.on_trust, put.skipped) == (False, False, False)
        again = await client.put(local, "f", resume=True)
        assert (again.skipped, again.moved, again.verified) == (True, 0, Verified.DIGEST)
        assert again.digest == put.digest


@pytest.mark.parametrize("left", [11, len(NEW)])
async def test_an_unfinished_upload_of_another_file_is_found_out_afterwards(left: int, local: Path) -> None:
    server = Digesting()
    async with server.running(), quick(server) as client:
        server.hidden = b"?" * left
        put = await client.put(local, "f", resume=True)
        assert server.files["/f"] == NEW
        assert (put.moved, put.offset, put.anew) == (2 * len(NEW) - left, 0, True)
        assert (put.verified, put.on_trust, put.skipped) == (Verified.DIGEST, False, False)
        server.hidden = NEW[:left]
        put = await client.put(local, "g", resume=True)
        assert server.files["/g"] == NEW
        assert (put.moved, put.offset, put.anew) == (len(NEW) - left, left, False)


async def test_a_digest_that_differs_twice_is_a_failure(local: Path) -> None:
    server = Digesting({"/f": OLD})
    async with server.running(), quick(server) as client:
        server.lies = True
        with pytest.raises(ClientError) as caught:
            await client.put(local, "f", resume=True)
        assert caught.value.outcome is Outcome.INTEGRITY
        assert stores(server) == 1


@pytest.mark.parametrize("refusal", ["550 Permission denied.", "502 not today"])
async def test_a_refused_digest_is_none(refusal: str, local: Path) -> None:
    told: list[str] = []
    server = Digesting({"/f": NEW[:11], "/g": NEW[::-1]})
    async with server.running():
        server.refusal = refusal
        async with quick(server, notice=told.append) as client:
            put = await client.put(local, "f", resume=True)
            assert (put.verified, put.offset, put.on_trust) == (Verified.SIZE, 11, True)
            assert len(told) == 1
            assert (await client.put(local, "g", resume=True)).anew
            assert server.files == {"/f": NEW, "/g": NEW}
        async with quick(server, require="digest") as client:
            with pytest.raises(ClientError):
                await client.put(local, "f", resume=True)


async def test_without_digests_as_many_bytes_are_the_same_only_at_the_same_time(local: Path) -> None:
    server = Timed({"/f": NEW[::-1]})
    async with server.running(), quick(server) as client:
        put = await client.put(local, "f", resume=True)
        assert server.files["/f"] == NEW
        assert (put.moved, put.anew, put.skipped, put.verified) == (len(NEW), True, False, Verified.SIZE)
        put = await client.put(local, "f", resume=True)
        assert (put.moved, put.skipped, put.verified, put.on_trust) == (0, True, Verified.SIZE, False)
        assert stores(server) == 1
        os.utime(local, (2_000_000_000, 2_000_000_000))
        assert not (await client.put(local, "f", resume=True)).skipped


async def test_without_digests_fewer_bytes_are_continued_with_a_warning(local: Path) -> None:
    told: list[str] = []
    server = Timed({"/f": NEW[:11]})
    async with server.running(), quick(server, notice=told.append) as client:
        put = await client.put(local, "f", resume=True)
        assert server.files["/f"] == NEW
        assert (put.moved, put.offset, put.verified) == (len(NEW) - 11, 11, Verified.SIZE)
        assert put.on_trust
        assert [words for words in told if "on trust" in words] == told != []
        await client.put(local, "new", resume=True)
        assert len(told) == 1


async def test_a_time_that_nobody_states_proves_nothing(local: Path) -> None:
    class Timeless(FakeServer):
        feat: tuple[str, ...] = ("SIZE", "REST STREAM")

        async def do_MDTM(self, talk: Conversation, _: str) -> None:
            await talk.say("502 no")

        async def do_MLST(self, talk: Conversation, _: str) -> None:
            await talk.say("550 Permission denied.")

    for feat in (Timeless.feat, FakeServer.feat):
        server = Timeless({"/f": NEW[::-1]})
        server.feat = feat
        async with server.running(), quick(server) as client:
            assert (await client.put(local, "f", resume=True)).anew
            assert server.files["/f"] == NEW


def test_a_size_alone_does_not_vouch_for_a_downloads_part(tmp_path: Path) -> None:
    part_path(tmp_path / "f", 10, None).write_bytes(b"12345")
    part = DownloadPart.open(tmp_path / "f", 10, None, resume=True)
    assert part.offset == 0
    part.close(keep=False)


async def test_a_download_that_was_continued_is_compared_whole(tmp_path: Path) -> None:
    """Size and time can be those of another file: builds that are to be reproducible set all times alike."""
    server = Digesting({"/f": NEW})
    async with server.running(), quick(server) as client:
        known = await client.stat("f")
        part = part_path(tmp_path / "got", known.size, known.modify_ns)
        part.write_bytes(NEW[:11])
        got = await client.get("f", tmp_path / "got", resume=True)
        assert (got.moved, got.verified) == (len(NEW) - 11, Verified.DIGEST)
        (tmp_path / "got").unlink()
        part.write_bytes(b"?" * 11)
        with pytest.raises(ClientError) as caught:
            await client.get("f", tmp_path / "got", resume=True)
        assert caught.value.outcome is Outcome.INTEGRITY
        assert os.listdir(tmp_path) == [], "what is wrong is not kept for another resume"


async def test_on_an_ftlite_server(local: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    for name, content in (("shorter", OLD), ("as long", NEW[::-1]), ("beginning", NEW[:11])):
        (root / name).write_bytes(content)
    async with serving(root) as box:
        at = f"ftp://ann@127.0.0.1:{box.port}/"
        async with connect(at, password=PASSWORD, tls="off", retries=0, dialect="stock") as client:
            for name, moved in (("shorter", len(NEW)), ("as long", len(NEW)), ("beginning", len(NEW) - 11)):
                put = await client.put(local, name, resume=True)
                assert (root / name).read_bytes() == NEW
                assert (put.moved, put.verified, put.on_trust) == (moved, Verified.DIGEST, False)
            assert (await client.put(local, "shorter", resume=True)).skipped
            for beginning, moved in ((NEW[:11], len(NEW) - 11), (b"?" * 11, 2 * len(NEW) - 11)):
                await _break_off(box.ann, beginning)
                put = await client.put(local, "cut", resume=True)
                assert (root / "cut").read_bytes() == NEW
                assert (put.moved, put.verified) == (moved, Verified.DIGEST)
                (root / "cut").unlink()


async def _break_off(enter: Any, beginning: bytes) -> None:
    """An upload that announces more than the `beginning` that it sends."""
    talker = await enter()
    code, text = await talker.ask("EPSV")
    assert code == 229
    data = await trio.open_tcp_stream("127.0.0.1", int(text.split("|")[3]))
    assert await talker.say(f"ALLO {len(NEW)}") == 200
    assert await talker.say("STOR cut") == 150
    await data.send_all(beginning)
    await data.aclose()
    assert (await talker.hear())[0] == 426
    assert await talker.ask("SIZE cut") == (213, f"213 {len(beginning)}")
    await talker.stream.aclose()
