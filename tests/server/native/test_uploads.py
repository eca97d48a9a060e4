"""What becomes of a PUT: compared, published, refused, cut, gone on with, taken over."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import trio

from ftlite.config.models import Rule, StorageConfig, User
from ftlite.config.rights import parse_rights
from tests.server.native.support import (
    Line,
    Native,
    in_thread,
    logged,
    native,
    native_server,
    sha256,
    until,
    write_all,
)
from tests.server.support import CHEAP, Box


def names(root: Path) -> list[str]:
    return sorted(name for name in os.listdir(root) if not name.startswith(".ftlite"))


async def begin(client: Native, size: int, facts: str = "", path: str = "new") -> tuple[int, Line]:
    tag = client.tag()
    await client.send(f"PUT tag={tag};size={size};{facts} {path}")
    return tag, await client.hear(tag)


async def finish(client: Native, tag: int, rest: bytes, whole: bytes, *, moved: int | None = None) -> Line:
    sock = await client.dialled(tag)
    await in_thread(partial(write_all, sock, rest))
    count = len(rest) if moved is None else moved
    await client.send(f"DONE tag={tag};bytes={count};sha256={sha256(whole)};")
    return await client.final(tag)


def cut(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


async def cut_upload(box: Box, client: Native, data: bytes, have: int) -> Line:
    """An upload of which `have` bytes arrive before its data connection is reset."""
    tag, _begun = await begin(client, len(data), "modify=20240101000000;")
    sock = await client.dialled(tag)
    await in_thread(partial(sock.sendall, data[:have]))
    running = next(iter(box.server.services.natives.values()))
    assert running
    await until(lambda: any(tagged.moved >= have for tagged in box.server.services.uploads.values()))
    cut(sock)
    return await client.final(tag)


@pytest.mark.parametrize("first", ["DONE", "content"])
async def test_done_may_come_before_the_content(root: Path, first: str) -> None:
    async with native_server(root) as (_box, client):
        tag, begun = await begin(client, 7)
        assert (begun.code, begun.facts["offset"]) == (150, "0")
        done = f"DONE tag={tag};bytes=7;sha256={sha256(b'content')};"
        if first == "DONE":
            await client.send(done)
            await client.ask("NOOP")
        sock = await client.dialled(tag)
        assert not (root / "new").exists()
        await in_thread(partial(write_all, sock, b"content"))
        if first != "DONE":
            assert (await client.ask("NOOP"))[0] == 200
            assert names(root) == [], "not before it is stated"
            await client.send(done)
        assert (await client.final(tag)).code == 226
        assert (root / "new").read_bytes() == b"content"


@pytest.mark.parametrize(
    ("sent", "size", "moved", "stated"),
    [
        (b"content", 7, 6, b"content"),
        (b"content", 7, 7, b"another"),
        (b"conten", 7, 6, b"conten"),
        (b"contents", 7, 8, b"contents"),
        (b"", 7, 0, b""),
    ],
)
async def test_what_does_not_agree_is_discarded(root: Path, sent: bytes, size: int, moved: int, stated: bytes) -> None:
    async with native_server(root) as (_box, client):
        tag, _begun = await begin(client, size)
        line = await finish(client, tag, sent, stated, moved=moved)
        assert (line.code, line.kind) == (451, "integrity")
        assert names(root) == []
        _tag, again = await begin(client, size)
        assert again.facts["offset"] == "0"


async def test_less_than_was_sent_is_a_cut_and_is_gone_on_with(root: Path) -> None:
    async with native_server(root) as (_box, client):
        tag, _begun = await begin(client, 7)
        line = await finish(client, tag, b"con", b"content", moved=7)
        assert (line.code, line.kind) == (426, "truncated")
        assert names(root) == []
        tag, again = await begin(client, 7)
        assert (again.facts["offset"], again.facts["sha256"]) == ("3", sha256(b"con"))
        assert (await finish(client, tag, b"tent", b"content")).code == 226
        assert (root / "new").read_bytes() == b"content"


async def test_a_stream_has_no_size_and_leaves_no_part(root: Path) -> None:
    data = os.urandom(500_000)
    async with native_server(root) as (_box, client):
        for abort in (True, False):
            tag = client.tag()
            await client.send(f"PUT tag={tag}; new")
            assert (await client.hear(tag)).facts["offset"] == "0"
            if abort:
                sock = await client.dialled(tag)
                await in_thread(partial(sock.sendall, data))
                cut(sock)
                assert (await client.final(tag)).code == 426
            else:
                assert (await finish(client, tag, data, data)).code == 226
        assert (root / "new").read_bytes() == data


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("have", [1000, 70_000, 2_000_000])
async def test_a_cut_upload_goes_on_where_it_was(root: Path, tls: bool, have: int) -> None:
    data = os.urandom(3_000_000)
    async with native_server(root, tls=tls) as (box, client):
        line = await cut_upload(box, client, data, have)
        assert line.code == 426
        assert line.kind == "lost" or (tls and line.kind == "truncated"), "TLS may not tell a reset from an end"
        assert names(root) == []
        tag, begun = await begin(client, len(data), "modify=20240101000000;")
        offset = int(begun.facts["offset"])
        assert 0 < offset <= have + 100
        assert begun.facts["sha256"] == sha256(data[:offset])
        done = await finish(client, tag, data[offset:], data)
        assert (done.code, done.facts["size"], done.facts["sha256"]) == (226, str(len(data)), sha256(data))
        assert (root / "new").read_bytes() == data


async def test_a_part_that_a_fault_of_the_disk_cut_says_no_more_than_it_holds(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = os.urandom(60_000)

    def pwrite(fd: int, block: bytes, offset: int, real: Callable[[int, bytes, int], int] = os.pwrite) -> int:
        if offset == 1000:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(fd, block[:1000], offset)

    async with native_server(root) as (_box, client):
        with monkeypatch.context() as faulty:
            faulty.setattr(os, "pwrite", pwrite)
            tag, _begun = await begin(client, len(data), "modify=20240101000000;")
            with suppress(ConnectionError):
                await in_thread(partial(write_all, await client.dialled(tag), data))
            assert (await client.final(tag)).kind == "fault"
        tag, begun = await begin(client, len(data), "modify=20240101000000;")
        offset = int(begun.facts["offset"])
        assert begun.facts.get("sha256", sha256(b"")) == sha256(data[:offset])
        assert (await finish(client, tag, data[offset:], data)).code == 226


async def test_an_end_without_close_notify_is_a_cut(root: Path) -> None:
    async with native_server(root, tls=True) as (_box, client):
        tag, _begun = await begin(client, 7)
        sock = await client.dialled(tag)
        assert isinstance(sock, ssl.SSLSocket)
        await in_thread(partial(sock.sendall, b"content"))
        await client.send(f"DONE tag={tag};bytes=7;sha256={sha256(b'content')};")
        sock.close()
        line = await client.final(tag)
        assert (line.code, line.kind) == (426, "truncated")
        assert names(root) == []


async def test_a_part_outlives_abor_and_the_whole_session(root: Path) -> None:
    data = os.urandom(2_000_000)
    async with native_server(root) as (box, client):
        for how in ("ABOR", "close"):
            tag, begun = await begin(client, len(data))
            offset = int(begun.facts["offset"])
            sock = await client.dialled(tag)
            await in_thread(partial(sock.sendall, data[offset : offset + 500_000]))
            await until(lambda: any(tagged.moved >= 500_000 for tagged in box.server.services.uploads.values()))
            if how == "ABOR":
                await client.send(f"ABOR tag={tag};")
                assert (await client.final(tag)).kind == "aborted"
            else:
                await client.talker.stream.aclose()
                await until(lambda: not box.server.services.uploads)
            sock.close()
        client = await native(box)
        tag, begun = await begin(client, len(data))
        assert int(begun.facts["offset"]) == 1_000_000
        assert (await finish(client, tag, data[1_000_000:], data)).code == 226
        assert (root / "new").read_bytes() == data


async def test_a_client_with_another_prefix_begins_afresh(root: Path) -> None:
    data, other = os.urandom(200_000), os.urandom(200_000)
    async with native_server(root) as (box, client):
        await cut_upload(box, client, data, 100_000)
        tag, begun = await begin(client, 200_000, "modify=20240101000000;")
        assert int(begun.facts["offset"]) > 0
        await client.send(f"ABOR tag={tag};")
        await client.final(tag)
        tag, begun = await begin(client, 200_000, "modify=20240101000000;fresh=1;")
        assert begun.facts["offset"] == "0"
        assert (await finish(client, tag, other, other)).code == 226
        assert (root / "new").read_bytes() == other


def damage(root: Path) -> None:
    """Write into the part that stands."""
    part = next(path for path in root.rglob("*") if path.is_file() and path.stat().st_size >= 100_000)
    with part.open("r+b") as file:
        file.write(b"damaged")


async def test_a_damaged_part_is_found_in_the_end(root: Path) -> None:
    data = os.urandom(200_000)
    async with native_server(root) as (box, client):
        await cut_upload(box, client, data, 100_000)
        damage(root)
        tag, begun = await begin(client, 200_000, "modify=20240101000000;")
        offset = int(begun.facts["offset"])
        assert offset
        assert (await finish(client, tag, data[offset:], data)).kind == "integrity"
        assert (await begin(client, 200_000, "modify=20240101000000;"))[1].facts["offset"] == "0"


async def test_a_live_upload_is_busy_and_makes_way_when_it_is_quiet(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = os.urandom(200_000)
    async with native_server(root) as (box, client):
        second = await native(box)
        tag, _begun = await begin(client, len(data))
        sock = await client.dialled(tag)
        await in_thread(partial(sock.sendall, data[:100_000]))
        await until(lambda: any(tagged.moved >= 100_000 for tagged in box.server.services.uploads.values()))
        _tag, refused = await begin(second, len(data))
        assert (refused.code, refused.kind) == (450, "busy")
        _tag, own = await begin(second, len(data) + 1)
        assert own.code == 150, "another size is another part"
        monkeypatch.setattr("ftlite.server.uploads._QUIET", 0.0)
        takes, begun = await begin(second, len(data))
        offset = int(begun.facts["offset"])
        assert offset >= 100_000
        assert (await client.final(tag)).kind == "aborted"
        sock.close()
        assert (await finish(second, takes, data[offset:], data)).code == 226


async def test_the_last_publish_wins_and_others_have_parts_of_their_own(root: Path) -> None:
    async with native_server(root) as (_box, client):
        tags = [(await begin(client, size))[0] for size in (3, 4)]
        assert (await finish(client, tags[1], b"four", b"four")).code == 226
        assert (await finish(client, tags[0], b"one", b"one")).code == 226
        assert (root / "new").read_bytes() == b"one"


async def test_if_absent_early_and_at_the_moment_of_publishing(root: Path) -> None:
    async with native_server(root) as (_box, client):
        tag, begun = await begin(client, 3, "if=absent;")
        assert begun.code == 150
        (root / "new").write_bytes(b"by hand")
        late = await finish(client, tag, b"one", b"one")
        assert (late.code, late.kind) == (553, "exists")
        assert (root / "new").read_bytes() == b"by hand"
        _tag, early = await begin(client, 3, "if=absent;")
        assert (early.code, early.kind) == (553, "exists")
        _tag, same = await begin(client, 7, f"if=absent;sha256={sha256(b'by hand')};")
        assert same.kind == "exists"


async def test_the_same_by_its_digest_moves_nothing(root: Path) -> None:
    async with native_server(root) as (_box, client):
        await client.put("new", b"content", "modify=20240101000000;mode=0644;")
        for kept in (True, False):
            if not kept:
                (root / "new").write_bytes(b"content")
            tag, line = await begin(client, 7, f"sha256={sha256(b'content')};modify=20250102030405;mode=0600;")
            line = line if line.code >= 200 else await client.final(tag)
            assert (line.code, line.facts["same"], line.facts["bytes"]) == (226, "1", "0")
            facts = (root / "new").stat()
            assert facts.st_mode & 0o777 == 0o600
            assert facts.st_mtime == 1735787045
            begun, _data, _done = await client.get("new")
            assert begun.facts["version"] == line.facts["version"]


async def test_another_digest_is_uploaded(root: Path) -> None:
    (root / "new").write_bytes(b"another")
    async with native_server(root) as (_box, client):
        done = await client.put("new", b"content", f"sha256={sha256(b'content')};")
        assert (done.code, "same" in done.facts) == (226, False)
        wrong = await client.put("new", b"contrary", f"sha256={sha256(b'content')};")
        assert wrong.kind == "integrity"
        assert (root / "new").read_bytes() == b"content"


async def test_stands_says_that_a_file_of_that_size_is_there(root: Path) -> None:
    (root / "new").write_bytes(b"another")
    async with native_server(root) as (_box, client):
        assert (await begin(client, 7))[1].facts["stands"] == "1"
        assert "stands" not in (await begin(client, 8))[1].facts


def bob(words: str) -> tuple[User, ...]:
    return (User(name="ann", password=CHEAP, rules=(Rule("/", parse_rights(words)),)),)


async def test_who_may_not_get_learns_nothing_of_what_stands(root: Path) -> None:
    (root / "new").write_bytes(b"content")
    async with native_server(root, users=bob("put overwrite")) as (_box, client):
        tag, begun = await begin(client, 7, f"sha256={sha256(b'content')};")
        assert begun.code == 150
        assert "stands" not in begun.facts
        done = await finish(client, tag, b"content", b"content")
        assert (done.code, "same" in done.facts) == (226, False)
        assert "stands" not in (await begin(client, 7))[1].facts


@pytest.mark.parametrize(
    ("words", "path", "code"),
    [("read", "new", 553), ("read put", "old", 553), ("read put", "new", 226), ("list", "new", 553)],
)
async def test_rights(root: Path, words: str, path: str, code: int) -> None:
    (root / "old").write_bytes(b"old")
    async with native_server(root, users=bob(words)) as (_box, client):
        line = await client.put(path, b"content")
        assert line.code == code
        assert line.kind == ("" if code == 226 else "denied")
        assert (root / "old").read_bytes() == b"old"
        if "get" not in words and "read" not in words:
            assert (await client.get("old"))[0].kind == "denied"


async def test_modes_are_masked_and_times_kept(root: Path) -> None:
    async with native_server(root, storage=StorageConfig(umask=0o027)) as (_box, client):
        await client.put("new", b"x", "modify=20240102030405.123456789;mode=0777;")
        facts = (root / "new").stat()
        assert facts.st_mode & 0o7777 == 0o750
        assert facts.st_mtime_ns == 1704164645123456789


async def test_a_producer_can_say_that_it_failed(root: Path) -> None:
    async with native_server(root) as (_box, client):
        tag = client.tag()
        await client.send(f"PUT tag={tag};failed=1; new")
        line = await client.hear(tag)
        assert (line.code, line.facts["failed"]) == (226, "1")
        assert names(root) == []


async def test_a_silent_upload_stalls_and_leaves_its_part(root: Path) -> None:
    data = os.urandom(300_000)
    async with native_server(root, limits={"stall": 0.3}) as (_box, client):
        tag, _begun = await begin(client, len(data))
        sock = await client.dialled(tag)
        await in_thread(partial(sock.sendall, data[:200_000]))
        assert (await client.final(tag)).kind == "stalled"
        sock.close()
        tag, begun = await begin(client, len(data))
        assert begun.facts["offset"] == "200000"
        sock = await client.dialled(tag)
        await in_thread(partial(write_all, sock, data[200_000:]))
        assert (await client.final(tag)).kind == "stalled", "DONE does not come"
        tag, begun = await begin(client, len(data))
        assert begun.facts["offset"] == "300000", "nothing needs to be sent again"
        assert (await finish(client, tag, b"", data)).code == 226


async def test_bytes_that_come_too_late_or_not_at_all_do_no_harm(root: Path) -> None:
    async with native_server(root, limits={"accept": 0.2}) as (box, client):
        tag, _begun = await begin(client, 7)
        assert (await client.final(tag)).kind == "no-data"
        assert await client.refused(tag)
        await until(lambda: logged(box, "reason=late"))
        assert names(root) == []
        with trio.fail_after(20):
            assert (await client.put("new", b"content")).code == 226
