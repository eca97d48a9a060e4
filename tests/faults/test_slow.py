"""Clients that are silent or slow: each ends by its clock, and none of them slows anybody else."""

from __future__ import annotations

import contextlib
import ftplib
import hashlib
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.support import descriptors, greeted, said, served, serves, session, settled, threads, until
from tests.peers.servers import Running

_CLOCKS = """
[limits]
login = 4
idle = 5
accept = 2
stall = 2
reply = 2
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Every clock rings within five seconds, and none before a loaded machine has done what it must."""
    with served(tmp_path_factory.mktemp("slow") / "root", settings=_CLOCKS) as server:
        with (server.root / "large").open("wb") as large:
            large.truncate(50_000_000)
        (server.root / "many").mkdir()
        for number in range(1500):
            (server.root / "many" / f"{number:0200}").touch()
        yield server


def ends(connection: socket.socket) -> bytes:
    """Everything until the server closes; a reset is an end too."""
    data = b""
    with connection, contextlib.suppress(ConnectionResetError):
        while block := connection.recv(65536):
            data += block
    return data


def silent(server: Running) -> None:
    assert ends(greeted(server)).startswith(b"421 ")


def dribbling(server: Running) -> None:
    """A byte now and again does not stop the clock of the login."""
    with greeted(server) as connection, contextlib.suppress(OSError):
        began = time.monotonic()
        while time.monotonic() - began < 40:
            connection.sendall(b"U")
            time.sleep(0.1)
        raise AssertionError("40 s without a login")


def idle_after_login(server: Running) -> None:
    ftp = session(server)
    with pytest.raises(ftplib.error_temp, match="421"):
        ftp.getresp()
    ftp.close()


def takes_no_replies(server: Running) -> None:
    """Asks for long replies, as fast as they are taken, and reads none."""
    before = said(server, "does not take its replies")
    with session(server) as ftp:
        assert ftp.sock is not None
        ftp.sock.settimeout(1)
        with contextlib.suppress(OSError):
            for _ in range(20_000):
                ftp.sock.sendall(b"STAT many\r\n" * 10)
        until(lambda: said(server, "does not take its replies") > before, "the end of who takes no replies")
        ftp.close()


def never_connects(server: Running) -> None:
    with session(server) as ftp:
        ftp.sendcmd("EPSV")
        assert ftp.sendcmd("RETR large").startswith("150")
        with pytest.raises(ftplib.error_temp, match="425"):
            ftp.voidresp()
        ftp.voidcmd("NOOP")


def never_sends(server: Running) -> None:
    with session(server) as ftp, ftp.transfercmd("STOR never"):
        with pytest.raises(ftplib.error_temp, match="426"):
            ftp.voidresp()
        ftp.voidcmd("NOOP")
    assert not (server.root / "never").exists()


def never_reads(server: Running) -> None:
    with session(server) as ftp, ftp.transfercmd("RETR large"):
        with pytest.raises(ftplib.error_temp, match="426"):
            ftp.voidresp()
        ftp.voidcmd("NOOP")


@pytest.mark.slow
@pytest.mark.parametrize(
    "client", [silent, dribbling, idle_after_login, takes_no_replies, never_connects, never_sends, never_reads]
)
def test_each_ends_by_its_clock(server: Running, client: Callable[[Running], None]) -> None:
    client(server)
    settled(server)
    serves(server)


@pytest.mark.slow
def test_200_slow_readers_leave_a_fast_one_at_its_speed(tmp_path: Path) -> None:
    """Each of the 200 has an unfinished download and takes a little of it now and again."""
    data = random.Random(6).randbytes(50_000_000)
    room = "[limits]\nsessions_per_address = 300\nsessions_per_user = 300\n"
    with served(tmp_path / "root", settings=room) as server, contextlib.ExitStack() as crowd:
        (server.root / "file").write_bytes(data)
        slow = []
        for _ in range(200):
            ftp = session(server)
            crowd.callback(ftp.close)
            slow.append(crowd.enter_context(_narrow(ftp)))
        before = threads(server.pid)
        stop = threading.Event()

        def sip() -> None:
            while not stop.wait(0.05):
                for connection in slow:
                    connection.recv(2000)

        sipping = threading.Thread(target=sip)
        sipping.start()
        try:
            with session(server) as fast:
                began = time.monotonic()
                digest = hashlib.sha256()
                fast.retrbinary("RETR file", digest.update, 1 << 20)
                took = time.monotonic() - began
        finally:
            stop.set()
            sipping.join()
        assert digest.digest() == hashlib.sha256(data).digest()
        assert took < 40, f"{took:.1f} s for 50 MB"  # less than one on an idle machine
        assert threads(server.pid) <= max(before, 1 + 16)  # as many as limits.workers, not as there are readers
        assert descriptors(server.pid) > 400
        crowd.close()
        settled(server)
        serves(server)


def _narrow(ftp: ftplib.FTP) -> socket.socket:
    """A download whose reader has hardly any buffer."""
    host, port = ftp.makepasv()
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(30)
    connection.connect((host, port))
    assert ftp.sendcmd("RETR file").startswith("150")
    return connection
