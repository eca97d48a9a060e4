"""Connections that are reset, ended or frozen at random offsets, in clear and under TLS, up and down."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attrs import frozen

from tests.cli.conftest import Ftlite, Said
from tests.faults.relay import HOST, Cut, How, Relay, free_range, relaying
from tests.faults.support import parts, pin, served, settled
from tests.peers.certificate import Certificate
from tests.peers.servers import Running

SIZE = 3_000_000
OLD = b"old content\n" * 1000
#: What a client may say of a cut: partial, or that the counts differ.
CUT = {7, 8}
CUTS = [How.RESET, How.END, How.HALF, How.CONTROL_RESET, How.CONTROL_END]


@frozen
class Lane:
    """A server, the relay before it, and the client that goes through the relay."""

    server: Running
    relay: Relay
    run: Callable[..., Said]

    def ftlite(self, command: str, *arguments: str) -> Said:
        """A client command without retries unless it says otherwise."""
        return self.run(command, "--retries", "0", *arguments)

    def url(self, name: str) -> str:
        return f"ftp://{self.server.user}@{HOST}:{self.relay.port}/{name}"

    def cut(self, after: int, how: How) -> None:
        self.relay.arm(Cut(after, how))


@pytest.fixture(scope="module", params=["clear", "tls"])
def standing(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, certificate: Certificate
) -> Iterator[tuple[Running, Relay]]:
    ports = free_range(8)
    extra = ["--passive-ports", f"{ports[0]}-{ports[-1]}"]
    root = tmp_path_factory.mktemp("cuts") / "root"
    with served(root, certificate if request.param == "tls" else None, extra=extra) as server:
        with relaying(server.port, ports) as relay:
            yield server, relay


@pytest.fixture
def lane(standing: tuple[Running, Relay], ftlite: Ftlite, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lane]:
    server, relay = standing
    monkeypatch.setenv("FTLITE_PASSWORD", server.password)
    monkeypatch.setenv("FTLITE_DIALECT", "stock")  # the relay cuts what comes to passive ports
    if server.certificate is None:
        monkeypatch.setenv("FTLITE_TLS", "off")
    else:
        monkeypatch.setenv("FTLITE_PIN", pin(server))
    yield Lane(server, relay, ftlite)
    relay.thaw()
    settled(server)


def summary(said: Said) -> list[dict[str, object]]:
    return [json.loads(line) for line in said.out.splitlines()]


def one_sentence(said: Said) -> None:
    """The failure is told in one line that begins with the program's name; nothing looks like a crash."""
    lines = said.err.splitlines()
    assert len(lines) == 1, said
    assert lines[0].startswith("ftlite "), said
    assert "defect" not in lines[0], said


def moved(said: Said) -> int:
    return next(int(str(event["bytes"])) for event in summary(said) if event["event"] == "file")


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("how", CUTS, ids=lambda how: how.value)
def test_a_cut_upload_leaves_the_old_file_and_resumes(lane: Lane, how: How, seed: int) -> None:
    chance = random.Random(f"up {how} {seed}")
    data = chance.randbytes(SIZE)
    Path("new").write_bytes(data)
    name = f"{how.value} {seed}"
    target = lane.server.root / name
    replacing = seed % 2 == 0
    if replacing:
        target.write_bytes(OLD)
    lane.cut(chance.randrange(SIZE), how)
    said = lane.ftlite("put", "new", lane.url(name))
    assert lane.relay.fired.is_set()
    assert said.code in CUT, said
    one_sentence(said)
    settled(lane.server)
    if replacing:
        assert target.read_bytes() == OLD
        again = lane.ftlite("put", "--json", "new", lane.url(name))
    else:
        assert not target.exists()
        left = [part.stat().st_size for part in parts(lane.server.root)]
        again = lane.ftlite("put", "-c", "--json", "new", lane.url(name))
        assert moved(again) == SIZE - max(left, default=0)
    assert again.code == 0, again
    assert target.read_bytes() == data
    assert parts(lane.server.root) == []


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("how", CUTS, ids=lambda how: how.value)
def test_a_cut_download_leaves_the_old_file_and_resumes(lane: Lane, how: How, seed: int) -> None:
    chance = random.Random(f"down {how} {seed}")
    data = chance.randbytes(SIZE)
    name = f"down {how.value} {seed}"
    (lane.server.root / name).write_bytes(data)
    target = Path("got")
    if seed % 2 == 0:
        target.write_bytes(OLD)
    lane.cut(chance.randrange(SIZE), how)
    said = lane.ftlite("get", lane.url(name), "got")
    assert lane.relay.fired.is_set()
    assert said.code in CUT, said
    one_sentence(said)
    assert target.read_bytes() == OLD if seed % 2 == 0 else not target.exists()
    left = [path.stat().st_size for path in Path().glob(".got*")]
    again = lane.ftlite("get", "-c", "--json", lane.url(name), "got")
    assert again.code == 0, again
    assert moved(again) == SIZE - sum(left)
    assert target.read_bytes() == data
    assert os.listdir() == ["got"]


@pytest.mark.parametrize("how", [How.RESET, How.END, How.CONTROL_RESET], ids=lambda how: how.value)
@pytest.mark.parametrize("command", ["get", "put"])
def test_a_client_that_may_try_again_heals_the_cut_itself(lane: Lane, how: How, command: str) -> None:
    data = random.Random(command).randbytes(SIZE)
    name = f"healed {command} {how.value}"
    lane.cut(SIZE // 2, how)
    if command == "get":
        (lane.server.root / name).write_bytes(data)
        said = lane.run("get", lane.url(name), "got")
    else:
        Path("new").write_bytes(data)
        said = lane.run("put", "new", lane.url(name))
    assert lane.relay.fired.is_set()
    assert said.code == 0, said
    assert "trying again" in said.err
    assert (Path("got") if command == "get" else lane.server.root / name).read_bytes() == data


@pytest.mark.parametrize("command", ["get", "put"])
def test_a_frozen_connection_ends_by_the_stall_clock(lane: Lane, command: str) -> None:
    """Nothing is closed and nothing moves: the client's own clock must end it."""
    data = random.Random(command).randbytes(30_000_000)
    name = f"frozen {command}"
    lane.cut(1_000_000, How.FREEZE)
    Path("new").write_bytes(data)
    if command == "get":
        (lane.server.root / name).write_bytes(data)
        said = lane.ftlite("get", "--stall-timeout", "3", lane.url(name), "got")
    else:
        said = lane.ftlite("put", "--stall-timeout", "3", "new", lane.url(name))
    assert said.code == 6, said
    one_sentence(said)
    assert not (Path("got") if command == "get" else lane.server.root / name).exists()
    lane.relay.thaw()
    settled(lane.server)
    if command == "get":
        said = lane.ftlite("get", "-c", lane.url(name), "got")
    else:
        said = lane.ftlite("put", "-c", "new", lane.url(name))
    assert said.code == 0, said
    assert (Path("got") if command == "get" else lane.server.root / name).read_bytes() == data


@pytest.mark.parametrize("seed", range(4))
def test_a_cut_near_the_end_is_whole_or_nothing(lane: Lane, seed: int) -> None:
    """Where all bytes may be over and only the end of TLS or of TCP is missing, the exit code still tells the truth."""
    chance = random.Random(f"end {seed}")
    data = chance.randbytes(100_000)
    name = f"near the end {seed}"
    Path("new").write_bytes(data)
    how = How.RESET if seed % 2 else How.END
    lane.cut(len(data) + chance.randrange(3000), how)
    said = lane.ftlite("put", "new", lane.url(name))
    settled(lane.server)
    target = lane.server.root / name
    assert said.code == 0 or said.code in CUT, said
    if said.code == 0:
        assert target.read_bytes() == data
    else:
        assert not target.exists() or target.read_bytes() == data
    target.write_bytes(data)
    lane.cut(len(data) + chance.randrange(3000), how)
    said = lane.ftlite("get", lane.url(name), "got")
    assert said.code == 0 or said.code in CUT, said
    assert Path("got").exists() == (said.code == 0)
    if said.code == 0:
        assert Path("got").read_bytes() == data
