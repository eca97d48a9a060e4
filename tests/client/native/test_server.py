"""The native client and our own server, over sockets: clear, explicit and implicit TLS, and everything at once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from ftlite import connect
from ftlite.client import Client, ClientError, Outcome, Verified
from ftlite.config.models import Endpoint, TlsConfig, TlsMode
from ftlite.net.tls import ServerTls, ensure_self_signed
from tests.server.support import PASSWORD, serving

BIG = os.urandom(1 << 20) * 6


@asynccontextmanager
async def speaking(root: Path, how: str, **more: Any) -> AsyncIterator[Client]:
    """A client logged in to a server of its own, over ``ftp`` (in clear), ``ftpes`` or ``ftps``."""
    await trio.Path(root).mkdir()
    served: dict[str, Any] = {}
    if how != "ftp":
        state = root.parent / "state"
        pair = ServerTls(*ensure_self_signed(state), state)
        served = {"pair": pair, "tls": TlsConfig(mode=TlsMode.REQUIRED)}
        served["listen"] = (Endpoint("127.0.0.1", 0, implicit=how == "ftps"),)
        more["pin"] = pair.pin
    tls = "off" if how == "ftp" else "required"
    async with serving(root, **served) as box:
        address = f"{how}://ann@127.0.0.1:{box.port}/"
        async with connect(address, password=PASSWORD, tls=tls, dialect="native", **more) as client:
            yield client


@pytest.fixture(params=["ftp", "ftpes", "ftps"])
def how(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("spares", [0, 2])
async def test_there_and_back(tmp_path: Path, how: str, spares: int) -> None:
    (tmp_path / "f").write_bytes(BIG)
    os.utime(tmp_path / "f", ns=(1, 1_700_000_000_123_456_789))
    async with speaking(tmp_path / "root", how, spares=spares) as client:
        for name in ("f", "g"):
            assert (await client.put(tmp_path / "f", name)).verified is Verified.DIGEST
        assert (tmp_path / "root" / "f").read_bytes() == BIG
        assert (tmp_path / "root" / "f").stat().st_mtime_ns == 1_700_000_000_123_456_789
        assert (await client.put(tmp_path / "f", "f")).skipped
        assert (await client.get("f", tmp_path / "back")).verified is Verified.DIGEST
        assert (tmp_path / "back").read_bytes() == BIG
        assert (tmp_path / "back").stat().st_mtime_ns == 1_700_000_000_123_456_789
        assert [entry.name for entry in await client.list()] == ["f", "g"]
        got = bytearray()
        assert (await client.get_stream("g", got.extend)).verified is Verified.DIGEST
        assert got == BIG


async def test_everything_at_once(tmp_path: Path, how: str) -> None:
    async with speaking(tmp_path / "root", how) as client, trio.open_nursery() as nursery:

        async def there_and_back(number: int) -> None:
            content = BIG[: number * 50_000]
            local = tmp_path / f"up{number}"
            local.write_bytes(content)
            await client.put(local, f"f{number}")
            assert (await client.stat(f"f{number}")).size == len(content)
            await client.get(f"f{number}", tmp_path / f"down{number}")
            assert (tmp_path / f"down{number}").read_bytes() == content
            await client.rename(f"f{number}", f"g{number}")
            await client.hash(f"g{number}")

        for number in range(40):
            nursery.start_soon(there_and_back, number)
    shown = {name for name in os.listdir(tmp_path / "root") if not name.startswith(".ftlite")}
    assert shown == {f"g{number}" for number in range(40)}


async def test_of_two_who_must_be_first_one_is(tmp_path: Path) -> None:
    outcomes = []
    async with speaking(tmp_path / "root", "ftp", retries=0) as client:

        async def first(content: bytes) -> None:
            local = tmp_path / content.decode()
            local.write_bytes(content)
            try:
                await client.put(local, "f", if_absent=True)
                outcomes.append(content)
            except ClientError as error:
                outcomes.append(error.outcome)

        async with trio.open_nursery() as nursery:
            for number in range(6):
                nursery.start_soon(first, f"content{number}".encode())
    (winner,) = [one for one in outcomes if isinstance(one, bytes)]
    assert outcomes.count(Outcome.EXISTS) == 5
    assert (tmp_path / "root" / "f").read_bytes() == winner


async def test_who_waits_gets_it_the_moment_that_it_is_there(tmp_path: Path, how: str) -> None:
    (tmp_path / "f").write_bytes(BIG)
    async with speaking(tmp_path / "root", how) as client, trio.open_nursery() as nursery:

        async def fetch(number: int) -> None:
            await client.get("f", tmp_path / str(number), wait=60)
            assert (tmp_path / str(number)).read_bytes() == BIG

        for number in range(4):
            nursery.start_soon(fetch, number)
        await trio.testing.wait_all_tasks_blocked(0.05)
        await client.put(tmp_path / "f", "f")


@pytest.mark.parametrize("name", ["tag=1; x", "tag=1;offset=5; x", "TAG=", "timeout=1; x", "since=x"])
async def test_names_that_begin_as_facts_do(tmp_path: Path, name: str) -> None:
    (tmp_path / "f").write_bytes(b"content")
    async with speaking(tmp_path / "root", "ftp") as client:
        assert (await client.put(tmp_path / "f", name)).verified is Verified.DIGEST
        assert (tmp_path / "root" / name).read_bytes() == b"content"
        assert (await client.put(tmp_path / "f", name)).skipped
        assert (await client.get(name, tmp_path / "back")).verified is Verified.DIGEST
        assert [entry.name for entry in await client.list()] == [name]
        assert (await client.stat(name)).size == 7
        assert await client.hash(name) == hashlib.sha256(b"content").hexdigest()
        assert await client.hash(name, "sha512") == hashlib.sha512(b"content").hexdigest()
        assert await client.hash(name, "md5") == hashlib.md5(b"content", usedforsecurity=False).hexdigest()
        assert (await client.wait(name, 5)).size == 7
        await client.mark_failed(name)
        await client.chmod(name, 0o600)
        await client.set_modified(name, 1_600_000_000_000_000_000)
        await client.rename(name, f"{name}2")
        await client.remove(f"{name}2")
        await client.mkdir(name)
        assert await client.list(name) == []
        await client.rmdir(name)
