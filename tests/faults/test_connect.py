"""However a `connect` scope ends, its control connection ends with it: no server waits for our garbage collector."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from ftlite import connect
from ftlite.client import ClientError
from tests.faults.support import connections, served
from tests.peers.certificate import Certificate
from tests.peers.servers import Running


@pytest.fixture(params=["clear", "tls"])
def server(request: pytest.FixtureRequest, tmp_path: Path, certificate: Certificate) -> Iterator[Running]:
    gc.disable()
    try:
        with served(tmp_path / "root", certificate if request.param == "tls" else None) as server:
            yield server
    finally:
        gc.enable()


@pytest.fixture(params=["stock", "native"])
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def client(server: Running, dialect: str) -> object:
    terms = {"tls": "off"} if server.certificate is None else {"cacert": server.certificate.authority}
    terms |= {"user": server.user, "password": server.password, "dialect": dialect}
    return connect(f"ftp://127.0.0.1:{server.port}/", **terms)


async def all_gone(server: Running) -> None:
    with trio.fail_after(20):
        while connections(server.port):
            await trio.sleep(0.01)


async def test_after_a_failure(server: Running, dialect: str) -> None:
    kept: BaseException | None = None
    try:
        async with client(server, dialect) as ftp:
            await ftp.stat("nothing")
    except ClientError as error:
        kept = error  # holds the frames, and with them the client
    assert kept is not None
    await all_gone(server)


async def test_after_a_cancellation(server: Running, dialect: str) -> None:
    with trio.CancelScope() as scope:
        async with client(server, dialect) as ftp:
            scope.cancel()
            await ftp.stat("nothing")
    assert scope.cancelled_caught
    await all_gone(server)


async def test_after_an_error_of_the_caller(server: Running, dialect: str) -> None:
    with pytest.raises(KeyError):
        async with client(server, dialect) as ftp:
            await ftp.list()
            raise KeyError
    await all_gone(server)
