"""Mirroring with a scripted server: what half a listing, an odd clock and a weak server may and may not lead to."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from ftlite import connect
from ftlite.client import Client, ClientError, Outcome
from ftlite.client.mirror import Act, LocalSide, MirrorReport, Policy, RemoteSide, carry_out, compare
from ftlite.client.mirror.compare import Compared
from ftlite.client.mirror.model import Item
from ftlite.protocol.entries import Kind
from tests.client.fake import Conversation, FakeServer

THEN = 1704164645  #: what the scripted server says of every file
DELETE = Policy(delete=True)


@asynccontextmanager
async def talking(server: FakeServer, **more: Any) -> AsyncIterator[Client]:
    async with server.running():
        address = f"ftp://ann@127.0.0.1:{server.port}/"
        terms = {"tls": "off", "connections": 2, "retries": 0, **more}
        async with connect(address, password="p", **terms) as client:
            yield client


def planted(*paths: str) -> FakeServer:
    return plant(FakeServer(), *paths)


def plant(server: FakeServer, *paths: str) -> FakeServer:
    for path in paths:
        parts = f"/{path}".split("/")
        server.directories |= {"/".join(parts[:n]) or "/" for n in range(1, len(parts))}
        server.files[f"/{path}"] = path.partition("/")[2].encode()
    return server


def local(root: Path, *paths: str, when: float = THEN) -> Path:
    root.mkdir(exist_ok=True)
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(path.encode())
        os.utime(root / path, (when, when))
    return root


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


async def down(client: Client, target: Path, policy: Policy) -> tuple[Compared, MirrorReport]:
    compared = await compare(RemoteSide(client, "/s", 2), LocalSide(target), policy, parallel=2)
    return compared, await carry_out(compared, parallel=2)


async def up(client: Client, source: Path, policy: Policy, **more: Any) -> tuple[Compared, MirrorReport]:
    compared = await compare(LocalSide(source), RemoteSide(client, "/t", 2), policy, parallel=2)
    return compared, await carry_out(compared, parallel=2, **more)


def reasons(compared: Compared) -> dict[str, str]:
    return {action.path: action.reason.value for action in compared.plan.actions}


class HidesADirectory(FakeServer):
    async def do_MLSD(self, session: Conversation, argument: str) -> None:
        if argument.endswith("/hidden"):
            await session.say("550 Permission denied.")
            return
        await session.do_MLSD(argument)


class CutsAListing(FakeServer):
    """The connection ends in the middle of a directory's listing, and the server says so."""

    async def do_MLSD(self, session: Conversation, argument: str) -> None:
        if not argument.endswith("/hidden"):
            await session.do_MLSD(argument)
            return
        await session.say("150 here it comes")
        stream = await session.data()
        await stream.send_all(b"type=file;size=1;modify=20240102030405; x\r\n")
        await stream.aclose()
        await session.say("426 broken")


class NamesOddly(FakeServer):
    async def do_MLSD(self, session: Conversation, argument: str) -> None:
        if argument.endswith("/hidden"):
            await session.send_data(b"type=file;size=1;modify=20240102030405; ../x\r\n")
            await session.say("226 done")
            return
        await session.do_MLSD(argument)


@pytest.mark.parametrize("kind", [HidesADirectory, CutsAListing, NamesOddly])
async def test_half_a_source_removes_nothing(kind: type[FakeServer], tmp_path: Path) -> None:
    server = plant(kind(), "s/a", "s/hidden/b", "s/d/c")
    target = local(tmp_path / "t", "old", "hidden/b", "d/old")
    async with talking(server) as client:
        compared, report = await down(client, target, DELETE)
    assert len(compared.failures) == 1
    assert next(iter(compared.failures)).startswith("hidden")
    assert files(target) == {"a", "old", "hidden/b", "d/c", "d/old"}
    assert "nothing is removed" in compared.notes[0]
    assert report.done == {Act.COPY: 2}
    assert not (tmp_path / "x").exists()


async def test_half_a_target_is_left_alone_where_it_is_not_known(tmp_path: Path) -> None:
    server = plant(HidesADirectory(), "t/old", "t/hidden/b")
    source = local(tmp_path / "s", "a", "hidden/c")
    async with talking(server) as client:
        compared, report = await up(client, source, DELETE)
    assert set(compared.failures) == {"hidden"}
    assert set(server.files) == {"/t/a", "/t/old", "/t/hidden/b"}, "something failed, so nothing was removed"
    assert report.spared == 1


class EmptyAtFirst(FakeServer):
    """Some servers answer so while a disk is not mounted yet, or their own listing failed."""

    asked = 0

    async def do_MLSD(self, session: Conversation, argument: str) -> None:
        self.asked += 1
        if self.asked == 1:
            await session.send_data(b"")
            await session.say("226 done")
            return
        await session.do_MLSD(argument)


async def test_an_empty_listing_is_looked_at_twice(tmp_path: Path) -> None:
    server = plant(EmptyAtFirst(), "s/a")
    target = local(tmp_path / "t", "a", "b")
    async with talking(server) as client:
        with pytest.raises(ClientError) as caught:
            await down(client, target, DELETE)
        assert caught.value.outcome is Outcome.PARTIAL
        assert files(target) == {"a", "b"}
        compared, _ = await down(client, target, DELETE)
    assert reasons(compared) == {"b": "extra"}
    assert files(target) == {"a"}


async def test_a_source_that_is_not_there_removes_nothing(tmp_path: Path) -> None:
    target = local(tmp_path / "t", "a")
    async with talking(planted("other/a")) as client:
        with pytest.raises(ClientError) as caught:
            await down(client, target, DELETE)
    assert caught.value.outcome is Outcome.NOT_FOUND
    assert files(target) == {"a"}


class KeepsNoTimes(FakeServer):
    feat = tuple(line for line in FakeServer.feat if line not in ("MFMT", "MDTM"))


class RefusesTimes(FakeServer):
    """MDTM, but not the one that sets."""

    feat = tuple(line for line in FakeServer.feat if line != "MFMT")

    async def do_MDTM(self, session: Conversation, argument: str) -> None:
        if " " in argument:
            await session.say("550 No such file.")
            return
        await session.do_MDTM(argument)


@pytest.mark.parametrize("kind", [KeepsNoTimes, RefusesTimes])
async def test_where_no_times_are_kept_what_is_not_older_is_the_same(kind: type[FakeServer], tmp_path: Path) -> None:
    server = plant(kind(), "t/before", "t/after", "t/size")
    source = local(tmp_path / "s", "before", "after", "size", when=THEN - 1000)
    os.utime(source / "after", (THEN + 1000, THEN + 1000))
    (source / "size").write_bytes(b"x")
    async with talking(server) as client:
        compared, _ = await up(client, source, Policy())
    assert reasons(compared) == {"after": "time", "size": "size"}
    assert "cannot be given their times" in compared.notes[0]


class ListsMinutes(FakeServer):
    """No MLSD; LIST in a zone two hours ahead, to the minute."""

    feat = tuple(line for line in FakeServer.feat if not line.startswith("MLST"))
    asked: list[str]

    async def do_MLSD(self, session: Conversation, argument: str) -> None:
        await session.say("500 no")

    async def do_LIST(self, session: Conversation, argument: str) -> None:
        lines = []
        for name, whole in session.children(session.cwd).items():
            if whole in self.directories:
                lines.append(f"drwxr-xr-x 2 a a 0 2024-01-02 05:04 {name}")
            else:
                lines.append(f"-rw-r--r-- 1 a a {len(self.files[whole])} 2024-01-02 05:04 {name}")
        await session.send_data("".join(f"{line}\r\n" for line in lines).encode())
        await session.say("226 done")


async def test_times_that_are_told_coarsely_are_asked_for_before_anything_is_copied(tmp_path: Path) -> None:
    server = plant(ListsMinutes(), "t/same", "t/other")
    source = local(tmp_path / "s", "same", "other")
    os.utime(source / "other", (THEN - 5, THEN - 5))
    async with talking(server) as client:
        compared, _ = await up(client, source, Policy())
        assert reasons(compared) == {"other": "time"}
        back = LocalSide(tmp_path / "back")
        await carry_out(await compare(RemoteSide(client, "/t", 2), back, Policy()))
        assert (back.root / "same").stat().st_mtime == THEN
        again = await compare(RemoteSide(client, "/t", 2), back, Policy())
    assert reasons(again) == {}


async def test_only_what_is_proven_or_asked_for_is_continued(tmp_path: Path) -> None:
    """A shorter file on a server without digests may be the beginning of ours, or an older version of it."""
    whole = os.urandom(2 << 20)
    source = local(tmp_path / "s")
    (source / "f").write_bytes(whole)
    os.utime(source / "f", (THEN - 100, THEN - 100))
    for on_trust in (False, True):
        server = plant(FakeServer(), "t/f")
        server.files["/t/f"] = whole[: 1 << 20]
        async with talking(server) as client:
            await up(client, source, Policy(), on_trust=on_trust)
        assert server.files["/t/f"] == whole
        assert (f"REST {1 << 20}" in server.heard) is on_trust
    os.utime(source / "f", (THEN + 100, THEN + 100))
    server = plant(FakeServer(), "t/f")
    server.files["/t/f"] = b"old" * 100
    async with talking(server) as client:
        await up(client, source, Policy(), on_trust=True)
    assert server.files["/t/f"] == whole, "what is older than ours is no beginning of it"


class Goes(FakeServer):
    """Ends for good with the third file."""

    async def do_RETR(self, session: Conversation, argument: str) -> None:
        if sum(line.startswith("RETR") for line in self.heard) >= 3:
            self.greeting = "421 going down"
            await session.say("421 going down")
            await trio.aclose_forcefully(session.stream)
            return
        await session.do_RETR(argument)


async def test_a_server_that_goes_ends_the_mirror_and_the_next_goes_on(tmp_path: Path) -> None:
    server = plant(Goes(), *(f"s/{n}" for n in range(8)))
    target = local(tmp_path / "t", "extra")
    async with talking(server) as client:
        with pytest.raises(ClientError) as caught:
            await down(client, target, DELETE)
    assert caught.value.outcome in (Outcome.CONNECT, Outcome.PARTIAL)
    stood = files(target)
    assert "extra" in stood
    assert 1 < len(stood) < 9
    async with talking(plant(FakeServer(), *(f"s/{n}" for n in range(8)))) as client:
        _, report = await down(client, target, DELETE)
    assert report.done == {Act.COPY: 9 - len(stood), Act.REMOVE: 1}
    assert files(target) == {str(n) for n in range(8)}


async def test_links_that_lead_out_are_not_made(tmp_path: Path) -> None:
    class Links(FakeServer):
        async def do_MLSD(self, session: Conversation, argument: str) -> None:
            targets = {"fine": "a", "out": "../../etc", "root": "/etc", "winding": "a/../../b"}
            lines = [f"type=OS.unix=slink:{target}; {name}\r\n" for name, target in targets.items()]
            await session.send_data("".join(lines).encode())
            await session.say("226 done")

    from ftlite.client.mirror import Links as Kept

    async with talking(plant(Links(), "s/a")) as client:
        _, report = await down(client, local(tmp_path / "t"), Policy(links=Kept.KEEP))
    assert os.readlink(tmp_path / "t" / "fine") == "a"
    assert os.listdir(tmp_path / "t") == ["fine"]
    assert report.failed == 3


async def test_links_with_names_as_long_as_can_be(tmp_path: Path) -> None:
    side = LocalSide(tmp_path)
    names = ["x" * 254 + last for last in "abcd"] + ["漢" * 85]
    async with trio.open_nursery() as nursery:
        for name in names:
            nursery.start_soon(side.link, name, Item(Kind.LINK, target=name[-1]))
    assert {name: os.readlink(tmp_path / name) for name in names} == {name: name[-1] for name in names}
    assert len(os.listdir(tmp_path)) == len(names)


async def test_a_server_between_two_is_not_kept_in_memory(tmp_path: Path) -> None:
    source, target = planted("s/a", "s/d/b"), planted("t/old")
    source.files["/s/big"] = os.urandom(3 << 20)
    async with talking(source) as client, talking(target) as other:
        compared = await compare(RemoteSide(client, "/s", 2), RemoteSide(other, "/t", 2), DELETE, parallel=2)
        report = await carry_out(compared, parallel=2)
    assert report.failed == 0
    assert {path.removeprefix("/t/"): data for path, data in target.files.items()} == {
        path.removeprefix("/s/"): data for path, data in source.files.items()
    }
