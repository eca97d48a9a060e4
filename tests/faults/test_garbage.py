"""Bytes that no client would send, against a real server over real sockets: it never faults, and it goes on serving."""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ftlite.protocol.verbs import VERBS
from tests.faults.support import greeted, no_fault, served, serves, session, settled
from tests.peers.certificate import Certificate
from tests.peers.servers import Running

_SECONDS = 2.0
_AT_ONCE = 4


@pytest.fixture(scope="module", params=["clear", "tls"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, certificate: Certificate
) -> Iterator[Running]:
    limits = "[limits]\naddress_failures = 1000000\nfailure_delay = 0\naccept = 0.2\n"
    root = tmp_path_factory.mktemp("garbage") / "root"
    with served(root, certificate if request.param == "tls" else None, settings=limits) as server:
        yield server


def drained(connection: socket.socket, seconds: float = 0.2) -> bytes:
    """What comes until the end, or until nothing came for a while."""
    data = b""
    connection.settimeout(seconds)
    with contextlib.suppress(OSError):
        while block := connection.recv(65536):
            data += block
    return data


def ended(connection: socket.socket) -> bytes:
    """What comes until the server closes, which it must."""
    data = b""
    connection.settimeout(20)
    with contextlib.suppress(ConnectionError):
        while block := connection.recv(65536):
            data += block
    return data


# --- seeded noise, for some seconds, in many sessions -----------------------------------------------------------------

_PIECES = [
    b"\r\n", b"\r", b"\n", b"\0", b" ", b"\xff", b"\xff\xf4", b"\xff\xf2", b"\xff\xfd\x01", b"\xff\xfb", b"\xff\xff",
    b"-", b"..", b"/", b"//", b"/../../etc/passwd", b"%s%n", b"\xc3\x28", b"\xe2\x80\xae", b"|||", b"(|||1|)",
    b"1,2,3,4,5,6",
    b"99999999999999999999", b"-1", b"\xef\xbc\x91", b"TYPE A", b"SHA-256", b"20260229000000", b"A" * 300, b";", b"=",
]  # fmt: skip


def noise(chance: random.Random) -> bytes:
    """Random bytes, or lines made of verbs and pieces that parsers stumble over."""
    if chance.random() < 0.3:
        return chance.randbytes(chance.randrange(1, 300))
    verb = chance.choice(list(VERBS)).encode()
    rest = b"".join(chance.choice(_PIECES) for _ in range(chance.randrange(4)))
    return verb + chance.choice([b" ", b"", b"  ", b"\t"]) + rest + b"\r\n"


@pytest.mark.slow
@pytest.mark.parametrize("logged_in", [False, True], ids=["stranger", "logged in"])
def test_noise(server: Running, logged_in: bool) -> None:
    until = time.monotonic() + _SECONDS
    sessions = [0] * _AT_ONCE

    def shout(number: int) -> None:
        chance = random.Random(f"{number} {logged_in}")
        while time.monotonic() < until or sessions[number] < 4:
            ftp = session(server) if logged_in else None
            connection = ftp.sock if ftp is not None else greeted(server)
            assert connection is not None
            sessions[number] += 1
            connection.settimeout(1)
            with contextlib.suppress(OSError):
                for _ in range(chance.randrange(1, 30)):
                    connection.sendall(noise(chance))
                    if chance.random() < 0.2:
                        connection.recv(65536)
            connection.close()

    shouting = [threading.Thread(target=shout, args=(number,)) for number in range(_AT_ONCE)]
    for thread in shouting:
        thread.start()
    for thread in shouting:
        thread.join()
    settled(server)
    no_fault(server)
    serves(server)


# --- what the issue names ---------------------------------------------------------------------------------------------


def long_lines(connection: socket.socket) -> None:
    """500 for the first ones, then the end."""
    connection.sendall(b"NOOP " + b"x" * 100_000 + b"\r\n")
    assert connection.recv(1000).startswith(b"500 ")
    with contextlib.suppress(OSError):
        connection.sendall((b"x" * 100_000 + b"\r\n") * 10)
    ended(connection)


def endless_line(connection: socket.socket) -> None:
    """A line without an end costs no memory, and a half-closed connection ends it."""
    with contextlib.suppress(OSError):
        for _ in range(200):
            connection.sendall(b"x" * 100_000)
        connection.shutdown(socket.SHUT_WR)
    ended(connection)


def half_a_line(connection: socket.socket) -> None:
    connection.sendall(b"USER some")
    connection.shutdown(socket.SHUT_WR)
    assert ended(connection) == b""


def telnet(connection: socket.socket) -> None:
    """Negotiation is refused, an interrupt before ABOR taken out, and a command broken by both still read."""
    negotiation, synch, broken = b"\xff\xfd\x01\xff\xfb\x03", b"\xff\xf4\xff\xf2", b"SY\xff\xf1ST\r\n"
    connection.sendall(negotiation + synch + broken + b"\xff" * 501 + b"\r\n")
    heard = drained(connection)
    assert b"\xff\xfc\x01" in heard
    assert b"215 " in heard or b"530 " in heard


def urgent(connection: socket.socket) -> None:
    for _ in range(20):
        connection.send(b"\xff\xf4\xff\xf2", socket.MSG_OOB)
    connection.sendall(b"ABOR\r\nSYST\r\n")
    assert drained(connection).count(b"\r\n") >= 2


def http(connection: socket.socket) -> None:
    connection.sendall(b"GET / HTTP/1.1\r\nHost: example\r\n\r\n")
    assert b"HTTP" not in ended(connection)


def http_post(connection: socket.socket) -> None:
    connection.sendall(b"POST /upload HTTP/1.1\r\nContent-Length: 11\r\n\r\nUSER root\r\n")
    assert b"331" not in ended(connection)


def nothing_at_all(connection: socket.socket) -> None:
    connection.close()


def tls_at_once(connection: socket.socket) -> None:
    """A TLS hello where clear text is spoken."""
    context = ssl.create_default_context()
    connection.settimeout(2)
    with pytest.raises(OSError):
        context.wrap_socket(connection, server_hostname="localhost")


def many_commands(connection: socket.socket) -> None:
    """Far more than are read ahead, and the client leaves."""
    with contextlib.suppress(OSError):
        connection.settimeout(1)
        connection.sendall(b"NOOP\r\n" * 100_000)


CASES: list[Callable[[socket.socket], None]] = [
    long_lines, endless_line, half_a_line, telnet, urgent, http, http_post, nothing_at_all, tls_at_once, many_commands,
]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_strangers(server: Running, case: Callable[[socket.socket], None]) -> None:
    with greeted(server) as connection:
        case(connection)
    settled(server)
    no_fault(server)
    serves(server)


@pytest.mark.parametrize("seed", range(12))
def test_what_comes_for_a_handshake(server: Running, seed: int) -> None:
    """After AUTH: noise, a broken hello, another protocol, the end. Before its answer: bytes in clear, which end it."""
    chance = random.Random(seed)
    with greeted(server) as connection:
        connection.sendall(b"AUTH TLS\r\n" + (b"NOOP\r\n" if seed % 4 == 0 else b""))
        connection.settimeout(2)
        with contextlib.suppress(OSError):
            connection.recv(1000)
            if seed % 4 == 1:
                connection.sendall(chance.randbytes(500))
            elif seed % 4 == 2:
                connection.sendall(b"\x16\x03\x01" + chance.randbytes(2) + b"\x01" + chance.randbytes(400))
            else:
                connection.sendall(b"USER root\r\nPASS x\r\n")
            connection.shutdown(socket.SHUT_WR)
        if server.certificate is not None:
            assert b"331" not in ended(connection)
    settled(server)
    no_fault(server)
    serves(server)


def test_noise_on_data_connections(server: Running) -> None:
    """Where TLS should come, where a listing is sent, and from who connects and resets."""
    chance = random.Random(9)
    for number in range(12):
        with session(server) as ftp:
            host, port = ftp.makepasv()
            with socket.create_connection((host, port), timeout=10) as connection:
                ftp.putcmd("MLSD" if number % 2 else "STOR noise")
                with contextlib.suppress(OSError):
                    connection.sendall(chance.randbytes(5000))
                    connection.shutdown(socket.SHUT_WR)
                    drained(connection, 2)
            ftp.getmultiline()
            ftp.getmultiline()
            assert ftp.voidcmd("NOOP").startswith("200")
    if server.certificate is not None:
        assert not (server.root / "noise").exists()
    settled(server)
    no_fault(server)
