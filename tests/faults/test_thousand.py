"""A thousand transfers that fail, each in one of a dozen ways: afterwards the server holds what it held before."""

from __future__ import annotations

import contextlib
import ftplib
import os
import random
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.support import (
    descriptors,
    parts,
    reset,
    resident,
    served,
    serves,
    session,
    settled,
    threads,
    until,
)
from tests.peers.certificate import Certificate
from tests.peers.servers import Running

_AT_ONCE = 4
_MORE_MEMORY = 24 << 20  #: what an allocator may keep after that much work; a leak of 60 KiB each would show
_BLOCK = random.Random(8).randbytes(100_000)


def reset_upload(ftp: ftplib.FTP) -> None:
    connection = ftp.transfercmd("STOR cut")
    connection.sendall(_BLOCK)
    reset(connection)
    refused(ftp)


def reset_download(ftp: ftplib.FTP) -> None:
    connection = ftp.transfercmd("RETR large")
    connection.recv(1000)
    reset(connection)
    refused(ftp)


def closed_download(ftp: ftplib.FTP) -> None:
    connection = ftp.transfercmd("RETR large")
    connection.recv(1000)
    connection.close()
    refused(ftp)


def control_reset(ftp: ftplib.FTP) -> None:
    with ftp.transfercmd("STOR orphan") as connection:
        connection.sendall(_BLOCK)
        sever(ftp)


def control_reset_download(ftp: ftplib.FTP) -> None:
    with ftp.transfercmd("RETR large") as connection:
        connection.recv(1000)
        sever(ftp)


def short_of_allo(ftp: ftplib.FTP) -> None:
    ftp.sendcmd("ALLO 200000")
    with ftp.transfercmd("STOR short") as connection:
        connection.sendall(_BLOCK)
        end(connection)
    refused(ftp)


def aborted(ftp: ftplib.FTP) -> None:
    with ftp.transfercmd("RETR large") as connection:
        connection.recv(1000)
        ftp.putcmd("ABOR")
        refused(ftp)
        assert ftp.getresp().startswith("226")


def not_there(ftp: ftplib.FTP) -> None:
    with pytest.raises(ftplib.error_perm):
        ftp.transfercmd("RETR nothing")


def not_allowed(ftp: ftplib.FTP) -> None:
    with pytest.raises(ftplib.error_perm):
        ftp.transfercmd("STOR nowhere/file")


def cut_unique(ftp: ftplib.FTP) -> None:
    connection = ftp.transfercmd("STOU")
    connection.sendall(_BLOCK)
    reset(connection)
    refused(ftp)


def port_left_open(ftp: ftplib.FTP) -> None:
    """A reserved port, a command behind it, and nobody there any more."""
    ftp.sendcmd("EPSV")
    ftp.putcmd("RETR large")
    sever(ftp)


def nonsense_for_a_handshake(ftp: ftplib.FTP) -> None:
    """In clear these bytes are an upload that a reset cuts."""
    host, port = ftp.makepasv()
    connection = socket.create_connection((host, port), timeout=30)
    ftp.putcmd("STOR nonsense")
    connection.sendall(b"\x16\x03\x01\x02\x00 this is no TLS at all\r\n" * 100)
    assert ftp.getresp().startswith("150")
    reset(connection)
    refused(ftp)


WAYS: list[Callable[[ftplib.FTP], None]] = [
    reset_upload, reset_download, closed_download, control_reset, control_reset_download, short_of_allo, aborted,
    not_there, not_allowed, cut_unique, port_left_open, nonsense_for_a_handshake,
]  # fmt: skip


def refused(ftp: ftplib.FTP) -> None:
    with pytest.raises(ftplib.Error):
        ftp.voidresp()


def sever(ftp: ftplib.FTP) -> None:
    reset(ftp.sock)
    ftp.close()


def end(connection: socket.socket) -> None:
    if isinstance(connection, ssl.SSLSocket):
        connection.unwrap()
    connection.close()


def fail(server: Running, count: int, errors: list[BaseException]) -> None:
    """`count` failed transfers, each way in turn, a few at once."""

    def some(ways: list[Callable[[ftplib.FTP], None]]) -> None:
        ftp: ftplib.FTP | None = None
        try:
            for way in ways:
                if ftp is None or ftp.sock is None:
                    ftp = session(server)
                way(ftp)
        except BaseException as error:
            errors.append(error)
        finally:
            if ftp is not None:
                ftp.close()

    ways = [WAYS[number % len(WAYS)] for number in range(count)]
    working = [threading.Thread(target=some, args=(ways[number::_AT_ONCE],)) for number in range(_AT_ONCE)]
    for thread in working:
        thread.start()
    for thread in working:
        thread.join()
    settled(server)


@pytest.mark.slow
@pytest.mark.parametrize(("tls", "count"), [(False, 600), (True, 400)], ids=["clear", "tls"])
def test_nothing_is_left_of_a_thousand_failures(
    tmp_path: Path, certificate: Certificate, tls: bool, count: int
) -> None:
    with served(tmp_path / "root", certificate if tls else None) as server:
        (server.root / "large").write_bytes(os.urandom(10_000_000))
        errors: list[BaseException] = []
        fail(server, 20 * len(WAYS), errors)  # passive ports that rest, worker threads and caches belong to the base
        assert errors == []
        files, memory = descriptors(server.pid), resident(server.pid)
        fail(server, count, errors)
        assert errors == []
        until(lambda: descriptors(server.pid) <= files + 4, "the descriptors back")
        assert threads(server.pid) <= 1 + 16
        assert resident(server.pid) <= memory + _MORE_MEMORY
        assert sorted(os.listdir(server.root)) == [".ftlite", "large"]
        assert all(part.stat().st_size > 0 for part in parts(server.root))
        with session(server) as ftp:
            for name in ("cut", "orphan", "short", "nonsense"):
                if owns_part(ftp, name):
                    finish(ftp, name)
        assert parts(server.root) == []  # only what could be resumed was left
        serves(server)


def owns_part(ftp: ftplib.FTP, name: str) -> bool:
    with contextlib.suppress(ftplib.error_perm):
        return ftp.size(name) is not None
    return False


def finish(ftp: ftplib.FTP, name: str) -> None:
    size = ftp.size(name)
    assert size is not None
    with ftp.transfercmd(f"STOR {name}", size) as connection:
        connection.sendall(b"the rest")
        end(connection)
    assert ftp.voidresp().startswith("226")
    ftp.delete(name)
