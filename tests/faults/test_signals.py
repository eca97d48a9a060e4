"""SIGTERM, SIGHUP and a second SIGTERM, while transfers run."""

from __future__ import annotations

import ftplib
import os
import random
import shutil
import signal
import socket
import ssl
from pathlib import Path

import pytest

from ftlite.net.tls import spki_pin
from tests.faults.support import PATIENCE, get, no_fault, pin, put, said, served, session, until
from tests.peers.certificate import make_certificate
from tests.peers.servers import Running
from tests.server.support import CHEAP, PASSWORD

DATA = random.Random(10).randbytes(20_000_000)


def ended(server: Running) -> bool:
    """The process is over; it waits as a zombie for its parent, which is this one."""
    status = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()[0]
    return status == "Z"


def exit_code(server: Running) -> int:
    until(lambda: ended(server), "the end of the process")
    found = os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)  # whoever started it still wants to reap it
    assert found is not None
    assert found.si_code == os.CLD_EXITED
    return found.si_status


def test_sigterm_lets_transfers_end_and_turns_newcomers_away(tmp_path: Path) -> None:
    with served(tmp_path / "root", extra=["--drain", "30s"]) as server:
        (server.root / "file").write_bytes(DATA)
        down, up, idle = session(server), session(server), session(server)
        downward, upward = down.transfercmd("RETR file"), up.transfercmd("STOR new")
        data = downward.recv(1000)
        upward.sendall(DATA[:1000])
        os.kill(server.pid, signal.SIGTERM)
        until(lambda: said(server, "server.drain"), "the drain")
        with pytest.raises(ftplib.error_temp, match="421"):
            idle.getresp()
        with socket.create_connection((server.host, server.port), timeout=PATIENCE) as late:
            assert late.recv(1000).startswith(b"421 ")
        assert not ended(server)
        upward.sendall(DATA[1000:])
        upward.close()
        assert up.getresp().startswith("226")
        while block := downward.recv(1 << 20):
            data += block
        downward.close()
        assert data == DATA
        assert down.getresp().startswith("226")
        assert (server.root / "new").read_bytes() == DATA
        assert exit_code(server) == 0


def test_a_second_sigterm_ends_at_once_and_leaves_no_piece(tmp_path: Path) -> None:
    with served(tmp_path / "root", extra=["--drain", "1h"]) as server:
        (server.root / "file").write_bytes(b"old")
        with session(server) as ftp, ftp.transfercmd("STOR file") as connection:
            connection.sendall(DATA[:1_000_000])
            os.kill(server.pid, signal.SIGTERM)
            until(lambda: said(server, "server.drain"), "the drain")
            assert not ended(server)
            os.kill(server.pid, signal.SIGTERM)
            assert exit_code(server) == 143
            ftp.close()
        assert (server.root / "file").read_bytes() == b"old"


def test_the_drain_has_an_end(tmp_path: Path) -> None:
    with served(tmp_path / "root", extra=["--drain", "1s"]) as server:
        with session(server) as ftp, ftp.transfercmd("STOR new"):
            os.kill(server.pid, signal.SIGTERM)
            assert exit_code(server) == 0
            ftp.close()
        assert not (server.root / "new").exists()


def shown_pin(server: Running) -> str:
    """The pin of the key that the server uses now."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with ftplib.FTP_TLS(context=context) as ftp:
        ftp.connect(server.host, server.port, timeout=PATIENCE)
        ftp.auth()
        assert isinstance(ftp.sock, ssl.SSLSocket)
        return spki_pin(ftp.sock.getpeercert(binary_form=True) or b"")


def test_sighup_takes_the_renewed_certificate_and_keeps_the_last_good_one(tmp_path: Path) -> None:
    pair, renewed = make_certificate(tmp_path / "pair"), make_certificate(tmp_path / "renewed")
    with served(tmp_path / "root", pair) as server, session(server) as standing:
        first = shown_pin(server)
        assert first == pin(server)
        shutil.copy(renewed.chain, pair.chain)
        shutil.copy(renewed.key, pair.key)
        assert shown_pin(server) == first
        reload(server)
        second = shown_pin(server)
        assert second != first
        put(standing, "over the old one", b"x")  # sessions that stand go on
        pair.key.write_text("no key at all")
        reload(server)
        assert said(server, "tls.kept") == 1
        assert shown_pin(server) == second
        assert get(standing, "over the old one") == b"x"
        no_fault(server)


def test_sighup_takes_the_accounts_of_the_file_as_it_is_now(tmp_path: Path) -> None:
    def account(name: str) -> str:
        return f'limits.failure_delay = 0\n[[users]]\nname = "{name}"\npassword = "{CHEAP}"\n'

    def may_log_in(name: str) -> bool:
        with ftplib.FTP() as ftp:
            ftp.connect(server.host, server.port, timeout=PATIENCE)
            try:
                return ftp.login(name, PASSWORD).startswith("230")
            except ftplib.error_perm:
                return False

    with served(tmp_path / "root", settings=account("ann")) as server, session(server) as standing:
        assert may_log_in("ann")
        (tmp_path / "root.toml").write_text(account("bob"))
        assert not may_log_in("bob")
        reload(server)
        assert may_log_in("bob")
        assert not may_log_in("ann")
        (tmp_path / "root.toml").write_text("users = 7\n")
        reload(server)
        assert said(server, "server.reload-failed") == 1
        assert may_log_in("bob")
        assert standing.voidcmd("NOOP").startswith("200")


def reload(server: Running) -> None:
    before = said(server, "server.reload")
    os.kill(server.pid, signal.SIGHUP)
    until(lambda: said(server, "server.reload") > before, "the reload")
