"""What a native server holds goes back to what it was: after transfers that failed, spares nobody used, strangers."""

from __future__ import annotations

import contextlib
import ftplib
import random
import re
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from ftlite.client import Client, ClientError, Outcome
from ftlite.protocol.native.feature import Grant
from ftlite.protocol.native.lines import data_line
from ftlite.protocol.replies import reply
from tests.descriptors import no_descriptor_leaks
from tests.faults.native import client_of, left_over, make_tree
from tests.faults.one_port import Cut, OnePort, one_port
from tests.faults.relay import HOST, How
from tests.faults.support import PATIENCE, descriptors, held, said, served, serves, session, settled, threads, until
from tests.peers.certificate import Certificate
from tests.peers.servers import Running

SIZE = 300_000
FAILURES = 500


@pytest.mark.slow
@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
async def test_500_failed_transfers_cost_nothing(tmp_path: Path, certificate: Certificate, tls: bool) -> None:
    """Refused, cut, left early, up and down, files and trees, one after the other and many at once in one session."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "file").write_bytes(random.Random(1).randbytes(SIZE))
    make_tree(work / "tree", random.Random(2), SIZE)
    with served(tmp_path / "root", certificate if tls else None) as server, one_port(server.port) as relay:
        with no_descriptor_leaks():
            async with client_of(server, HOST, relay.port) as client:
                await client.put(work / "file", "file")
                await client.put_tree(work / "tree", "tree")
                await _fail(client, relay, work, 60)  # what is made once and kept is there now
                base, tasks = descriptors(server.pid), threads(server.pid)
                how = await _fail(client, relay, work, FAILURES)
                assert sum(how.values()) == FAILURES
                assert min(how[Outcome.NOT_FOUND], how[Outcome.PARTIAL], how[None]) > 50, how
                await client.list()
                until(lambda: descriptors(server.pid) <= base, "the descriptors back")
                assert threads(server.pid) <= tasks + 4  # of trio's pool, which is bounded
        settled(server)
        assert descriptors(server.pid) < base
        assert len(left_over(server.root)) <= 6, "of each a part and its journal"
        serves(server)


async def _fail(client: Client, relay: OnePort, work: Path, count: int) -> Counter[Outcome | None]:
    """So many transfers that fail; how often which way, None for those that were left by a cancellation."""
    chance = random.Random(count)
    how: Counter[Outcome | None] = Counter()

    async def one(number: int, patience: float = PATIENCE) -> None:
        outcome = None
        with trio.move_on_after(patience):
            try:
                await _one_way(client, work, number)
            except ClientError as error:
                outcome = error.outcome
            else:
                outcome = Outcome.OTHER
        how[outcome] += 1

    for number in range(0, count, 10):
        async with trio.open_nursery() as nursery:
            for each in range(4):  # at once: refused
                nursery.start_soon(one, 4 + each)
        for each in range(4):
            relay.arm(Cut(chance.randrange(SIZE // 2), How.RESET if number % 100 else How.END))
            await one(each)
            relay.disarm()
        relay.dither = lambda: 0.001
        async with trio.open_nursery() as nursery:
            for each in range(2):
                nursery.start_soon(one, 2 * each, chance.uniform(0, 0.004))
        relay.dither = None
    return how


async def _one_way(client: Client, work: Path, number: int) -> None:
    """Something that moves enough to be cut (0 to 3), or that is refused."""
    match number:
        case 0:
            await client.put_stream((work / "file").open("rb").read, "never")
        case 1:
            await client.get("file", work / "got")
        case 2:
            await client.put_tree(work / "tree", "other")
        case 3:
            await client.get_tree("tree", work / "got-tree")
        case 4:
            await client.get("missing", work / "missing")
        case 5:
            await client.put(work / "file", "missing/file")
        case 6:
            await client.get_tree("missing", work / "missing")
        case _:
            await client.put(work / "file", "file/below")


# --- connections that nothing comes of --------------------------------------------------------------------------------

_CLOCKS = """
[limits]
transfers = 4
spares = 2
spare = 2
stranger = 1
login = 3
sessions_per_address = 40
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    with served(tmp_path / "root", settings=_CLOCKS) as server:
        yield server
        settled(server)


@contextlib.contextmanager
def granted(server: Running) -> Iterator[tuple[ftplib.FTP, Grant]]:
    """A native session by hand."""
    with session(server) as ftp:
        answer = ftp.voidcmd("OPTS FTLITE 1")
        yield ftp, Grant.parse(reply(200, answer[4:]))


def dialled(server: Running, grant: Grant, tag: int) -> socket.socket:
    """A data connection for `tag`, proven."""
    connection = socket.create_connection((server.host, server.port), timeout=PATIENCE)
    connection.sendall(data_line(grant.id, tag, grant.proof(tag)))
    return connection


def over(connection: socket.socket) -> bool:
    """Whether the server has closed it."""
    connection.setblocking(False)
    try:
        while connection.recv(1000):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def test_spares_that_nobody_uses_are_few_and_end_by_themselves(server: Running) -> None:
    with granted(server) as (ftp, grant):
        base = descriptors(server.pid)
        with contextlib.ExitStack() as open_:
            spares = [open_.enter_context(dialled(server, grant, tag)) for tag in range(1, 41)]
            most = grant.max + grant.spares
            until(lambda: sum(map(over, spares)) >= len(spares) - most, "the end of those that are too many")
            assert descriptors(server.pid) <= base + most
            until(lambda: all(map(over, spares)), "the end of the others")
            until(lambda: descriptors(server.pid) <= base, "their descriptors back")
            assert said(server, "data.spare-expired") <= most
        with dialled(server, grant, 50) as used:  # what was refused or given up has used up nothing of the session
            ftp.putcmd("MLSD tag=50;")
            assert ftp.getmultiline().startswith("150 tag=50;")
            assert ftp.getmultiline().startswith("226 tag=50;")
            until(lambda: over(used), "the end of the listing")
        ftp.voidcmd("NOOP")


async def test_spares_of_sessions_that_end_go_with_them(server: Running) -> None:
    base = descriptors(server.pid)
    with no_descriptor_leaks():
        for _ in range(20):
            async with client_of(server, server.host, server.port, spares=2) as client:
                await client.list()
    settled(server)
    assert descriptors(server.pid) <= base + 8  # databases and directories that are opened once


def test_strangers_that_say_nothing_or_half_of_it_do_not_pile_up(server: Running) -> None:
    """Whether they are silent, stop in a line, forge one, or come for a session that is over: none stays."""
    with granted(server) as (_, grant):
        pass
    settled(server)
    base = descriptors(server.pid)
    with contextlib.ExitStack() as open_:
        words = [b"", b"D", b"DATA ", data_line("0" * 16, 1), data_line(grant.id, 1, "0" * 64)[:-1]]
        words += [data_line(grant.id, 2, grant.proof(2)), b"DATE " + bytes(200), b"\x16\x03\x01"]
        crowd = []
        for number in range(120):
            connection = open_.enter_context(socket.create_connection((server.host, server.port), timeout=PATIENCE))
            with contextlib.suppress(OSError):  # the server has had enough of it already
                connection.sendall(words[number % len(words)])
            crowd.append(connection)
        until(lambda: held(server.pid) == 0, "the end of all of them, which the server makes")
        assert all(map(over, crowd))
    until(lambda: descriptors(server.pid) <= base, "their descriptors back")
    serves(server)


def test_forged_lines_leave_the_tag_to_the_right_one(server: Running) -> None:
    """Wrong proofs for a tag, many times, and before its own data connection: it is served all the same."""
    (server.root / "file").write_bytes(b"content")
    with granted(server) as (ftp, grant):
        base = descriptors(server.pid)
        ftp.putcmd("GET tag=7; file")
        for _ in range(30):
            with socket.create_connection((server.host, server.port), timeout=PATIENCE) as thief:
                thief.sendall(data_line(grant.id, 7, "0" * 64))
                until(lambda thief=thief: over(thief), "the end of the forged one")  # type: ignore[misc]
        with dialled(server, grant, 7) as own:
            came = b""
            while block := own.recv(1000):
                came += block
        assert re.fullmatch(rb"220[^\n]*\r\ncontent", came)
        assert ftp.getmultiline().startswith("150 tag=7;")
        assert ftp.getmultiline().startswith("226 tag=7;bytes=7;")
        until(lambda: descriptors(server.pid) <= base, "the descriptors back")
