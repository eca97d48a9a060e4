"""Everything native goes through the one port, over TLS: the relay passes no other, and the server has none open."""

from __future__ import annotations

import ftplib
import hashlib
import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trio

from ftlite.client import Client
from ftlite.client.success import Verified
from tests.cli.conftest import Ftlite
from tests.faults.native import client_of, look, make_tree
from tests.faults.one_port import OnePort, dithering, one_port
from tests.faults.relay import HOST
from tests.faults.support import pin, served, session, settled
from tests.peers.certificate import Certificate
from tests.peers.servers import Running

SIZE = 3_000_000


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory, certificate: Certificate) -> Iterator[tuple[Running, OnePort]]:
    root = tmp_path_factory.mktemp("port") / "root"
    with served(root, certificate) as server, one_port(server.port) as relay:
        yield server, relay
        settled(server)


@pytest.fixture
def url(standing: tuple[Running, OnePort], home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address through the relay, with what it takes to log in there in the environment."""
    server, relay = standing
    monkeypatch.setenv("FTLITE_PASSWORD", server.password)
    monkeypatch.setenv("FTLITE_PIN", pin(server))
    return f"ftp://{server.user}@{HOST}:{relay.port}/"


@pytest.fixture
async def client(standing: tuple[Running, OnePort]) -> AsyncIterator[Client]:
    server, relay = standing
    async with client_of(server, HOST, relay.port) as client:
        yield client


def program(*words: str, given: bytes = b"") -> bytes:
    """What the command writes, in a process of its own; it must end well."""
    command = [sys.executable, "-m", "ftlite", *words]
    return subprocess.run(command, input=given, stdout=subprocess.PIPE, check=True, timeout=60).stdout


def test_stock_does_not_get_through(standing: tuple[Running, OnePort], url: str, ftlite: Ftlite) -> None:
    """Or else the tests below would show nothing: the port that EPSV names is refused."""
    server, relay = standing
    (server.root / "stock").write_bytes(b"content")
    said = ftlite("get", "--dialect", "stock", "--retries", "0", url + "stock", "got")
    assert said.code != 0
    assert not Path("got").exists()
    with session(server) as ftp:
        port = ftplib.parse229(ftp.sendcmd("EPSV"), (HOST, 0))[1]
        assert port != relay.port
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((HOST, port), timeout=60)


def test_files_trees_hashes_and_streams(standing: tuple[Running, OnePort], url: str, ftlite: Ftlite) -> None:
    server, relay = standing
    data = random.Random(1).randbytes(SIZE)
    Path("new").write_bytes(data)
    before = relay.data
    said = ftlite("put", "--json", "new", url + "file")
    assert said.code == 0, said
    assert json.loads(said.out.splitlines()[0])["verified"] == "digest"
    assert (server.root / "file").read_bytes() == data
    assert ftlite("get", url + "file", "got").code == 0
    assert Path("got").read_bytes() == data
    make_tree(Path("tree"), random.Random(2), SIZE)
    assert ftlite("put", "-r", "tree", url + "tree").code == 0
    assert look(server.root / "tree") == look(Path("tree"))
    assert ftlite("get", "-r", url + "tree", "back").code == 0
    assert look(Path("back")) == look(Path("tree"))
    assert ftlite("hash", url + "file").out.split()[0] == hashlib.sha256(data).hexdigest()
    assert program("put", "-", url + "stream", given=data) is not None
    assert (server.root / "stream").read_bytes() == data
    assert program("get", url + "file", "-") == data
    assert relay.data - before >= 6, "the data connections came to this port"


def test_a_wait_is_held_by_the_server(standing: tuple[Running, OnePort], url: str, ftlite: Ftlite) -> None:
    """Through the relay, while somebody else publishes; and a deadline in vain."""
    server, _ = standing
    command = [sys.executable, "-m", "ftlite", "wait", url + "awaited", "--timeout", "60", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as waits:
        Path("new").write_bytes(b"content")
        assert ftlite("put", "new", url + "awaited").code == 0
        assert waits.stdout is not None
        assert json.loads(waits.stdout.readline())["event"] == "published"
        assert waits.wait(60) == 0
    began = time.monotonic()
    assert ftlite("wait", url + "never", "--timeout", "1").code == 6
    assert time.monotonic() - began >= 1
    assert server.certificate is not None


async def test_many_at_once_while_blocks_are_held_up(
    standing: tuple[Running, OnePort], client: Client, tmp_path: Path
) -> None:
    """Blocks that come late, on every connection at random: the order on each stays, and nothing is mixed up."""
    server, relay = standing
    chance = random.Random(3)
    contents = {f"many {number}": chance.randbytes(chance.randrange(1, 400_000)) for number in range(24)}
    relay.dither = dithering(random.Random(4), 0.02)
    try:
        async with trio.open_nursery() as nursery:
            for name, content in contents.items():
                (tmp_path / name).write_bytes(content)
                nursery.start_soon(_there_and_back, client, tmp_path / name)
    finally:
        relay.dither = None
    for name, content in contents.items():
        assert (server.root / name).read_bytes() == content
    assert sorted(os.listdir(tmp_path)) == sorted([*contents, *(f"{name} back" for name in contents)])


async def _there_and_back(client: Client, local: Path) -> None:
    assert (await client.put(local, local.name)).verified is Verified.DIGEST
    back = local.with_name(f"{local.name} back")
    assert (await client.get(local.name, back)).verified is Verified.DIGEST
    assert look(back) == look(local)
