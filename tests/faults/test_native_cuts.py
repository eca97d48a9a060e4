"""200 native transfers that are cut at random, in clear and under TLS: files and trees, up and down, old or nothing
under the name; and the same again ends well, without sending all of it again."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trio
from attrs import frozen

from ftlite.client import Client, ClientError, Outcome
from ftlite.client.success import Verified
from tests.faults.native import client_of, fails, left_over, look, make_file, make_tree, soon
from tests.faults.one_port import Cut, OnePort, one_port
from tests.faults.relay import HOST, How
from tests.faults.support import PATIENCE, served, settled
from tests.peers.certificate import Certificate
from tests.peers.servers import Running

SIZE = 2_500_000
BIG = 33 << 20
SEEDS = 5  #: with 4 kinds, 5 cuts, 2 protections: 200
CUTS = [How.RESET, How.END, How.HALF, How.CONTROL_RESET, How.CONTROL_END]
KINDS = ["put", "get", "put tree", "get tree"]
#: What a client may say of a cut.
SAID = {Outcome.PARTIAL, Outcome.INTEGRITY, Outcome.CONNECT, Outcome.TLS}


@frozen
class Case:
    """Something to be moved, from `source` to `target`, one of which is at the server."""

    kind: str
    name: str
    source: Path
    target: Path

    async def move(self, client: Client) -> Verified:
        """Once; what it was verified by."""
        local = self.source if self.kind.startswith("put") else self.target
        if self.kind == "put":
            return (await client.put(local, self.name)).verified
        if self.kind == "get":
            return (await client.get(self.name, local)).verified
        if self.kind == "put tree":
            return (await client.put_tree(local, self.name, replace=True)).verified
        return (await client.get_tree(self.name, local, replace=True)).verified


@frozen
class Lane:
    """A server, the relay before it, clients that go through the relay: `once` does not try again, `healing` does."""

    server: Running
    relay: OnePort
    once: Client
    healing: Client
    work: Path

    def case(self, kind: str, chance: random.Random, size: int) -> Case:
        """Fresh content at the source and nothing at the target."""
        name = f"{chance.getrandbits(48):x}"
        here, there = self.work / name, self.server.root / name
        case = Case(kind, name, *((here, there) if kind.startswith("put") else (there, here)))
        (make_tree if "tree" in kind else make_file)(case.source, chance, size)
        return case

    def left(self) -> list[str]:
        """Parts and staged trees, at either end."""
        return left_over(self.server.root) + [path.name for path in self.work.glob(".*")]

    def cut(self, case: Case, after: int, how: How) -> None:
        """Let the data connection that moves the content meet a cut."""
        # Where a tree stands already, one before it asks whether it is the same.
        skip = int(case.kind == "get tree" and case.target.exists())
        self.relay.arm(Cut(after, how, skip=skip))

    async def old(self, case: Case, chance: random.Random) -> None:
        """Let older content stand at the target, as another transfer left it."""
        aside = case.source.rename(case.source.with_name("aside"))
        (make_tree if "tree" in case.kind else make_file)(case.source, chance, SIZE // 10)
        await case.move(self.once)
        if case.source.is_dir():
            shutil.rmtree(case.source)
        aside.rename(case.source)


@pytest.fixture(scope="module", params=["clear", "tls"])
def standing(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, certificate: Certificate
) -> Iterator[tuple[Running, OnePort]]:
    root = tmp_path_factory.mktemp("native") / "root"
    with served(root, certificate if request.param == "tls" else None) as server, one_port(server.port) as relay:
        yield server, relay


@pytest.fixture
async def lane(
    standing: tuple[Running, OnePort], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Lane]:
    monkeypatch.setattr("ftlite.client.retry._FIRST", 0.02)
    server, relay = standing
    async with (
        client_of(server, HOST, relay.port) as once,
        client_of(server, HOST, relay.port, retries=9) as healing,
    ):
        yield Lane(server, relay, once, healing, tmp_path)
    settled(server)


@pytest.mark.parametrize("how", CUTS, ids=lambda how: how.value)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_cut_leaves_the_old_and_the_same_again_ends_well(lane: Lane, kind: str, how: How) -> None:
    for seed in range(SEEDS):
        chance = random.Random(f"{kind} {how} {seed}")
        case = lane.case(kind, chance, SIZE)
        if seed % 2:
            await lane.old(case, chance)
        new, old = look(case.source), look(case.target)
        # The first of them within the first lines, where greeting, TLS and proof are.
        lane.cut(case, chance.randrange(3000 if seed == 0 else SIZE), how)
        if seed < SEEDS - 1:
            with fails() as errors:
                await case.move(lane.once)
            assert errors[0].outcome in SAID, errors
            assert errors[0].transient, errors
            assert look(case.target) == old, seed
        assert await case.move(lane.healing) is Verified.DIGEST, seed
        assert lane.relay.fired.is_set()
        assert look(case.target) == new, seed
    assert lane.left() == []


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("put", How.RESET),
        ("put", How.CONTROL_END),
        ("get", How.END),
        ("get", How.CONTROL_RESET),
        ("put tree", How.RESET),
        ("put tree", How.CONTROL_RESET),
        ("get tree", How.END),
        ("get tree", How.CONTROL_END),
    ],
    ids=lambda word: word if isinstance(word, str) else word.value,
)
async def test_after_one_cut_little_is_sent_twice(lane: Lane, kind: str, how: How) -> None:
    """Of both attempts together, with TLS, headers and control connections: 1.25 times the whole at most."""
    chance = random.Random(f"big {kind} {how}")
    case = lane.case(kind, chance, BIG)
    new = look(case.source)
    lane.cut(case, chance.randrange(BIG // 10, BIG * 19 // 20), how)
    before = lane.relay.wire
    with fails() as errors:
        await case.move(lane.once)
    assert errors[0].outcome is Outcome.PARTIAL, errors
    assert look(case.target) is None
    assert await case.move(lane.healing) is Verified.DIGEST
    assert lane.relay.fired.is_set()
    assert BIG < lane.relay.wire - before <= 1.25 * BIG
    assert look(case.target) == new
    assert lane.left() == []


async def test_a_control_connection_may_be_cut_anywhere(lane: Lane) -> None:
    """From the greeting to the last reply: nothing but old or new, and the same again ends well."""
    fired = 0
    for seed in range(16):
        chance = random.Random(f"control {seed}")
        case = lane.case(KINDS[seed % 4], chance, 100_000)
        new = look(case.source)
        how = How.RESET if seed % 3 else How.END
        lane.relay.arm(Cut(chance.randrange(1, 1000 if lane.server.certificate is None else 4000), how, control=True))
        outcome = Outcome.PARTIAL
        try:
            async with client_of(lane.server, HOST, lane.relay.port) as client:
                await case.move(client)
        except ClientError as error:
            outcome = error.outcome
        assert outcome in SAID, seed
        lane.relay.disarm()
        fired += lane.relay.fired.is_set()
        assert look(case.target) in (None, new)
        assert await case.move(lane.healing) is Verified.DIGEST, seed
        assert look(case.target) == new
    assert fired > 5


@pytest.mark.parametrize("same_time", [False, True], ids=["another time", "same time"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_source_that_changed_meanwhile_is_sent_afresh(lane: Lane, kind: str, same_time: bool) -> None:
    """Its size is the same, its beginning is another, and its time may be the same too."""
    chance = random.Random(f"changed {kind} {same_time}")
    case = lane.case(kind, chance, SIZE)
    lane.cut(case, SIZE * 9 // 10, How.RESET)
    with fails():
        await case.move(lane.once)
    changed = case.source / "deep" / "large" if case.source.is_dir() else case.source
    held = changed.stat()
    make_file(changed, chance, held.st_size)
    if same_time:
        os.utime(changed, ns=(held.st_atime_ns, held.st_mtime_ns))
    assert await case.move(lane.healing) is Verified.DIGEST
    assert look(case.target) == look(case.source)


async def test_a_frozen_upload_makes_way_after_five_seconds(lane: Lane) -> None:
    """Its client comes back another way. Before that it is busy, which is told at once and heals by trying again."""
    chance = random.Random("frozen")
    cases = [lane.case(kind, chance, SIZE) for kind in ("put", "put tree")]
    began = trio.current_time()
    errors: list[ClientError] = []

    async def freeze(case: Case) -> None:
        with fails() as caught:
            await case.move(lane.once)
        errors.extend(caught)

    async def take_over(case: Case, client: Client) -> None:
        with fails() as refused:
            await case.move(client)
        assert refused[0].transient
        assert refused[0].reply is not None
        assert refused[0].reply.code == 450
        with trio.fail_after(PATIENCE):
            while await busy(case, client):
                await trio.sleep(0.1)
        assert trio.current_time() - began > 4
        assert look(case.target) == look(case.source)

    async def busy(case: Case, client: Client) -> bool:
        try:
            await case.move(client)
        except ClientError as error:
            if error.reply is not None and error.reply.code == 450:
                return True
            raise
        return False

    async with trio.open_nursery() as nursery, client_of(lane.server, lane.server.host, lane.server.port) as client:
        for case in cases:
            lane.relay.arm(Cut(SIZE // 2, How.FREEZE))
            nursery.start_soon(freeze, case)
            await soon(lane.relay.fired.is_set, "the frozen connection")
        async with trio.open_nursery() as takers:
            for case in cases:
                takers.start_soon(take_over, case, client)
        lane.relay.thaw()
    assert [error.outcome for error in errors] == [Outcome.PARTIAL] * 2
