"""A server without descriptors: sessions live on, nothing spins, and newcomers get in when there is room again."""

from __future__ import annotations

import contextlib
import ftplib
import resource
import socket
import ssl
import time
from pathlib import Path

import pytest

from tests.faults.support import (
    PATIENCE,
    connections,
    cpu,
    descriptors,
    get,
    put,
    said,
    served,
    serves,
    session,
    settled,
    until,
)
from tests.peers.certificate import Certificate
from tests.peers.servers import Running

_ROOM = 30


def allow(server: Running, more: int) -> None:
    """Let the server have `more` descriptors than it holds."""
    limit = descriptors(server.pid) + more
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (limit, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def test_more_connections_than_descriptors(tmp_path: Path) -> None:
    room = "[limits]\nsessions_per_address = 300\n"
    with (
        served(tmp_path / "root", settings=room) as server,
        session(server) as early,
        contextlib.ExitStack() as crowd,
    ):
        put(early, "file", b"content")
        allow(server, _ROOM)
        waiting = [
            crowd.enter_context(socket.create_connection((server.host, server.port), timeout=PATIENCE))
            for _ in range(2 * _ROOM)
        ]
        full = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)[0]
        until(lambda: descriptors(server.pid) >= full - 1, "the last descriptor")
        before, began = cpu(server.pid), time.monotonic()
        while time.monotonic() < began + 1:
            assert early.voidcmd("NOOP").startswith("200")
            time.sleep(0.05)
        assert cpu(server.pid) - before < 0.5 * (time.monotonic() - began)
        with pytest.raises(ftplib.Error) as caught:
            get(early, "file")
        assert str(caught.value)[:1] == "4"
        for connection in waiting[:_ROOM]:
            connection.close()
        for connection in waiting[_ROOM:]:
            assert connection.recv(1000).startswith(b"220")
        assert said(server, "accept.failed") <= 3  # one line for each shortage, not for each try
        crowd.close()
        until(lambda: connections(server.port) == 1, "the end of the crowd")
        assert get(early, "file") == b"content"
        serves(server)


#: Each wants descriptors, for a socket, a file or a directory. It may be refused; the session must not be dropped.
COMMANDS = [
    "PWD", "CWD sub", "CDUP", "MKD new", "RMD new", "RNFR file", "DELE gone", "STAT", "STAT file", "STAT sub",
    "SIZE file", "MDTM file", "MDTM 20200101000000 file", "MFMT 20200101000000 file", "MFF Modify=20200101000000; file",
    "MLST file", "HASH file", "XCRC file", "SITE CHMOD 600 file", "FEAT", "EPSV", "PASV", "HELP",
]  # fmt: skip
TRANSFERS = [
    "LIST", "NLST", "MLSD", "RETR file", "STOR other", "APPE file", "STOU", "REST 3|STOR file", "REST 3|RETR file",
]  # fmt: skip


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
def test_every_command_at_every_shortage(tmp_path: Path, certificate: Certificate, tls: bool) -> None:
    """With 0 to 5 descriptors to spare, every command is answered in its turn, and the session goes on."""
    with served(tmp_path / "root", certificate if tls else None) as server:
        (server.root / "sub").mkdir()
        (server.root / "file").write_bytes(b"content")
        with session(server) as ftp:
            base = None
            for spare in (None, 5, 4, 3, 2, 1, 0, None):
                allow(server, 1000 if spare is None else spare)
                for command in COMMANDS:
                    answered(ftp, command)
                for command in TRANSFERS:
                    transferred(ftp, command)
                ftp.sendcmd("CWD /")
                allow(server, 1000)
                ftp.voidcmd("NOOP")
                base = base or descriptors(server.pid)
            assert descriptors(server.pid) <= base + 3
        assert (server.root / "file").read_bytes().startswith(b"con")
        serves(server)


def answered(ftp: ftplib.FTP, command: str) -> None:
    with contextlib.suppress(ftplib.Error):
        ftp.sendcmd(command)


def transferred(ftp: ftplib.FTP, commands: str) -> None:
    *before, command = commands.split("|")
    try:
        host, port = ftp.makepasv()
        for prelude in before:
            ftp.sendcmd(prelude)
    except ftplib.Error:
        return
    with socket.create_connection((host, port), timeout=PATIENCE) as connection:
        try:
            ftp.sendcmd(command)
        except ftplib.Error:
            return
        connection.settimeout(0.5)  # without a descriptor nobody can take it, and the final reply says so
        with contextlib.suppress(OSError):
            data = ftp.context.wrap_socket(connection) if isinstance(ftp, ftplib.FTP_TLS) else connection
            if command[:3] in ("STO", "APP"):
                data.sendall(b"tent")
            else:
                while data.recv(1000):
                    pass
            if isinstance(data, ssl.SSLSocket):
                data.unwrap()
            data.close()
    with contextlib.suppress(ftplib.Error):
        ftp.voidresp()


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
def test_logins_at_every_shortage(tmp_path: Path, certificate: Certificate, tls: bool) -> None:
    """Whatever is missing when, a login succeeds, is refused, or the connection ends; no descriptor stays behind."""
    with served(tmp_path / "root", certificate if tls else None) as server:
        (server.root / "file").write_bytes(b"content")
        with session(server) as ftp:
            get(ftp, "file")
        settled(server)
        base = descriptors(server.pid)
        came_in = 0
        for spare in range(12):
            allow(server, spare)
            try:
                if spare == 0:
                    continue  # such a connection waits in the kernel's queue, which the test above looks at
                with session(server) as ftp:
                    get(ftp, "file")
                    came_in += 1
            except (OSError, EOFError, ftplib.Error):
                pass
            finally:
                allow(server, 1000)
            settled(server)
            until(lambda: descriptors(server.pid) <= base + 8, "the descriptors back")  # resting passive ports
        assert 0 < came_in < 12
        serves(server)
