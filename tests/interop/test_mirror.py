"""mirror with vsftpd, ProFTPD, Pure-FTPd, pyftpdlib and, in both dialects, ourselves."""

from __future__ import annotations

import os
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import trio

from ftlite import connect
from ftlite.client.mirror import LocalSide, Policy, RemoteSide, Side, carry_out, compare
from tests.interop.conftest import Serve
from tests.interop.deeds import content, plant_tree, read_tree, stored
from tests.interop.faces import Command
from tests.interop.tools import PATIENCE
from tests.peers.servers import SERVERS, Running, Tls

pytestmark = pytest.mark.interop

OURS = {f"ftlite {dialect}": dialect for dialect in ("stock", "native")}
SERVER = pytest.mark.parametrize("server", [*(name for name in SERVERS if name != "ftlite"), *OURS])
AGES_AGO = 1_500_000_000
BY_TIME = Policy()


class Mirror:
    """Mirrors by the library, with one server. A side that is a name is a directory there."""

    def __init__(self, server: Running) -> None:
        self.server = server

    def __call__(
        self, source: Path | str, target: Path | str, policy: Policy = BY_TIME, *, dry: bool = False
    ) -> list[tuple[str, str]]:
        """What was to be done, as (path, reason), after it was; nothing may fail."""
        return trio.run(self._run, source, target, policy, dry)

    async def _run(self, source: Path | str, target: Path | str, policy: Policy, dry: bool) -> list[tuple[str, str]]:
        async with AsyncExitStack() as stack:
            stack.enter_context(trio.fail_after(PATIENCE))
            sides = [await self._side(stack, place) for place in (source, target)]
            compared = await compare(*sides, policy, parallel=3)
            assert not compared.failures
            assert not compared.notes
            if not dry:
                done = await carry_out(compared, parallel=3)
                assert (done.failed, done.untried, done.spared) == (0, 0, 0)
                assert sum(done.done.values()) == len(list(compared.plan.actions))
            return [(action.path, action.reason.value) for action in compared.plan.actions]

    async def _side(self, stack: AsyncExitStack, place: Path | str) -> Side:
        if isinstance(place, Path):
            return LocalSide(place)
        server = self.server
        trust: dict[str, Any] = {"tls": "off"}
        if server.tls is not Tls.OFF:
            assert server.certificate is not None
            trust = {"cacert": server.certificate.authority}
        client = await stack.enter_async_context(
            connect(f"ftp://{server.user}@{server.host}:{server.port}/", password=server.password, retries=0,
                    connections=3, dialect=server.dialect, **trust)
        )  # fmt: skip
        return RemoteSide(client, place, 3)


def aged(top: Path) -> None:
    """Give all files times of their own, long ago."""
    for number, path in enumerate(sorted(top.rglob("*"))):
        if path.is_file():
            os.utime(path, (AGES_AGO + number, AGES_AGO + number))


@SERVER
def test_there_and_back(server: str, serve: Serve, tmp_path: Path) -> None:
    place = serve(server, Tls.OFF)
    mirror, by_digest, there = Mirror(place.server), Policy(checksum=True), place.remote("m")
    source, back = tmp_path / "source", tmp_path / "back"
    plant_tree(source)
    for number in range(20):
        (source / "sub" / f"small {number}").write_bytes(content(str(number))[: number * 10])
    (source / "bare").mkdir()
    aged(source)
    mirror(source, there)
    assert read_tree(place.path / "m") == read_tree(source)
    assert (place.path / "m" / "bare").is_dir()
    assert mirror(source, there) == []

    (source / "a.txt").write_bytes(b"longer than it was" * 1000)
    (source / "sub/deep/größe.bin").write_bytes(content("c")[:299] + b"!")  # as long as before
    (source / "sub/small 3").unlink()
    (source / "bare").rmdir()
    planned = mirror(source, there, Policy(delete=True), dry=True)
    assert sorted(planned) == [
        ("a.txt", "size"), ("bare", "extra"), ("sub/deep/größe.bin", "time"), ("sub/small 3", "extra"),
    ]  # fmt: skip
    assert mirror(source, there, Policy(delete=True)) == planned
    assert read_tree(place.path / "m") == read_tree(source)
    assert not (place.path / "m" / "bare").exists()

    mirror(there, back)
    assert read_tree(back) == read_tree(source)
    assert mirror(there, back) == mirror(there, back, by_digest) == []
    os.utime(back / "a.txt", (AGES_AGO, AGES_AGO))
    (back / "sub/small 7").write_bytes(b"x" * (back / "sub/small 7").stat().st_size)
    assert sorted(mirror(there, back, by_digest)) == [("a.txt", "time"), ("sub/small 7", "digest")]
    assert read_tree(back) == read_tree(source)
    assert mirror(there, back) == []


@SERVER
def test_between_two_places_of_one_server(server: str, serve: Serve, tmp_path: Path) -> None:
    place = serve(server, Tls.EXPLICIT)
    mirror, source = Mirror(place.server), tmp_path / "source"
    plant_tree(source)
    aged(source)
    mirror(source, place.remote("one"))
    mirror(place.remote("one"), place.remote("two"))
    assert read_tree(place.path / "two") == read_tree(source)
    assert mirror(place.remote("one"), place.remote("two")) == []


@SERVER
def test_one_that_was_killed_is_gone_on_with(server: str, serve: Serve, tmp_path: Path) -> None:
    place = serve(server, Tls.OFF)
    mirror, command, there = Mirror(place.server), Command(tmp_path), place.remote("m")
    source, back = tmp_path / "source", tmp_path / "back"
    plant_tree(source)
    for number in range(4):
        (source / f"large {number}").write_bytes(os.urandom(3 << 20))
    aged(source)
    address = command.address(place.server, there)
    _killed(command, place.server, place.path, str(source), address)
    mirror(source, there)
    assert read_tree(place.path / "m") == read_tree(source)
    back.mkdir()
    _killed(command, place.server, back, address, str(back))
    mirror(there, back)
    assert read_tree(back) == read_tree(source)
    assert mirror(there, back) == []


def _killed(command: Command, server: Running, where: Path, *words: str) -> None:
    """A slow mirror, killed when some of it stands."""
    before = stored(where)
    process = command.start(server, "mirror", "-P", "3", "--limit-rate", "3M", *words)
    deadline = time.monotonic() + PATIENCE
    while stored(where) - before < 1 << 20:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.communicate()
