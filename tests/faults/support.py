"""A server process that is watched for faults, what the kernel knows of it, and sessions by Python's ftplib."""

from __future__ import annotations

import contextlib
import ftplib
import os
import random
import re
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.peers.certificate import Certificate
from tests.peers.servers import Running, Tls, ftlite_server

PATIENCE = 30.0  #: seconds for what takes a moment on an idle machine
_TICKS = os.sysconf("SC_CLK_TCK")
_LISTENS = "0A"  # in /proc/net/tcp
_OVER = {"06", _LISTENS}  # TIME_WAIT too


@contextlib.contextmanager
def served(
    root: Path, certificate: Certificate | None = None, *, settings: str = "", extra: Sequence[str] = ()
) -> Iterator[Running]:
    """`ftlite serve` of `root` in clear, or with TLS required when there is a certificate.

    Args:
        settings: TOML for its configuration file.
    """
    root.mkdir(exist_ok=True)
    if settings:
        file = root.parent / f"{root.name}.toml"
        file.write_text(settings)
        extra = [*extra, "--config", str(file)]
    tls = Tls.OFF if certificate is None else Tls.EXPLICIT
    with ftlite_server(root, certificate, tls, extra=extra) as server:
        yield server
        no_fault(server)


def no_fault(server: Running) -> None:
    """Nobody's bytes reached a bug: the log has no session.fault, and the process did not crash."""
    said = server.log.read_text(errors="replace")
    assert "session.fault" not in said, said
    assert "Traceback" not in said, said


def pin(server: Running) -> str:
    found = re.search(r"(?m)^\s*pin\s+(\S+)", server.log.read_text())
    assert found
    return found[1]


def until(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Wait for `condition`; AssertionError with `what` when it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.01)


def said(server: Running, words: str) -> int:
    """How often `words` stand in the log."""
    return server.log.read_text(errors="replace").count(words)


# --- sessions ---------------------------------------------------------------------------------------------------------


def session(server: Running, host: str | None = None) -> ftplib.FTP:
    """Logged in, binary; over TLS when the server wants it."""
    ftp = ftplib.FTP_TLS() if server.tls is Tls.EXPLICIT else ftplib.FTP()
    ftp.encoding = "utf-8"
    ftp.connect(host or server.host, server.port, timeout=PATIENCE)
    ftp.login(server.user, server.password)
    if isinstance(ftp, ftplib.FTP_TLS):
        ftp.prot_p()
    ftp.voidcmd("TYPE I")
    return ftp


def greeted(server: Running) -> socket.socket:
    """A bare control connection, after the greeting."""
    connection = socket.create_connection((server.host, server.port), timeout=PATIENCE)
    assert connection.recv(1000).startswith(b"220")
    return connection


def serves(server: Running) -> None:
    """It still does what it is there for, and published content is what was sent."""
    with session(server) as ftp:
        data = random.randbytes(1000)
        put(ftp, "still-serving", data)
        assert get(ftp, "still-serving") == data
        ftp.delete("still-serving")


def put(ftp: ftplib.FTP, name: str, data: bytes, rest: int | None = None) -> str:
    """STOR; the final reply."""
    with ftp.transfercmd(f"STOR {name}", rest) as connection:
        connection.sendall(data)
        if hasattr(connection, "unwrap"):
            connection.unwrap()
    return ftp.voidresp()


def get(ftp: ftplib.FTP, name: str) -> bytes:
    blocks: list[bytes] = []
    ftp.retrbinary(f"RETR {name}", blocks.append, 1 << 16)
    return b"".join(blocks)


def reset(connection: socket.socket | None) -> None:
    """Close with an RST."""
    assert connection is not None
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


# --- what the kernel knows --------------------------------------------------------------------------------------------


def parts(root: Path) -> list[Path]:
    """The parts that stand in the store at `root`."""
    return sorted(path for path in (root / ".ftlite" / "parts").glob("*/*") if path.suffix != ".journal")


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def threads(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))


def resident(pid: int) -> int:
    """Bytes of memory that are really there."""
    found = re.search(r"(?m)^VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


def cpu(pid: int) -> float:
    """Seconds of processor that the process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def connections(port: int) -> int:
    """TCP connections whose end at `port` on loopback is still held by a process."""
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return sum(row[1].endswith(f":{port:04X}") and row[3] not in _OVER and row[9] != "0" for row in rows)


def held(pid: int) -> int:
    """TCP connections that the process has open: a reset one too, which /proc/net/tcp shows no longer."""
    sockets = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            name = os.readlink(link)
            if name.startswith("socket:["):
                sockets.add(name[8:-1])
    for table in ("tcp", "tcp6"):
        rows = (line.split() for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:])
        sockets -= {row[9] for row in rows if row[3] == _LISTENS}
    return len(sockets - {line.split()[6] for line in Path("/proc/net/unix").read_text().splitlines()[1:]})


def settled(server: Running) -> None:
    """All sessions are over, with all that they had to do: the server closes the connection at the end of it."""
    until(lambda: held(server.pid) == 0, "the end of all sessions")
