"""Server processes: started in a session of their own, waited for until they greet, killed whole at the end."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.peers.install import libraries, peers_directory

#: The local account that vsftpd wants. It has no shell, and its password is kept where root alone can read it.
ACCOUNT = "ftlite-peer"


class PeerMissing(Exception):
    """A peer cannot run here; the text says what is missing and how to get it."""


class PeerFailed(Exception):
    """A peer was started and did not come up; the text holds what it wrote."""


def unpacked(name: str) -> Path:
    """The directory of an unpacked peer."""
    directory = peers_directory() / name
    if not directory.is_dir():
        raise PeerMissing(f"{name} is not unpacked in {directory}: run python -m tests.peers.install")
    return directory


def environment_for(directory: Path) -> dict[str, str]:
    return {**os.environ, "LD_LIBRARY_PATH": libraries(directory), "LC_ALL": "C.UTF-8"}


def need_root(name: str) -> None:
    if os.geteuid() != 0:
        raise PeerMissing(f"{name} can be started by root only")


def local_account() -> tuple[pwd.struct_passwd, str]:
    """The local account and its password; made when absent, which takes root."""
    need_root("a server with local accounts")
    kept = Path("/run") / f"{ACCOUNT}.password"  # the account is the machine's, so its password is no one clone's
    try:
        account = pwd.getpwnam(ACCOUNT)
    except KeyError:
        add = ["useradd", "--system", "--no-create-home", "--home-dir", "/", "--shell", "/usr/sbin/nologin", ACCOUNT]
        subprocess.run(add, check=True, capture_output=True)
        account = pwd.getpwnam(ACCOUNT)
        kept.unlink(missing_ok=True)
    if not kept.exists():
        password = secrets.token_hex(12)
        subprocess.run(["chpasswd"], input=f"{ACCOUNT}:{password}\n", text=True, check=True, capture_output=True)
        kept.touch(mode=0o600)
        kept.write_text(password)
    return account, kept.read_text()


def crypted(password: str) -> str:
    """SHA-512 crypt, which ProFTPD's and Pure-FTPd's password files hold."""
    command = ["openssl", "passwd", "-6", "-stdin"]
    return subprocess.run(command, input=password, check=True, capture_output=True, text=True).stdout.strip()


@contextlib.contextmanager
def running(
    command: Sequence[str | Path], log: Path, *, environment: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a server, its words going to `log`; at the end its whole family is killed."""
    with log.open("wb") as words:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=words, stderr=words, env=environment, cwd=cwd,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        # Again until none is left: one may have forked while the others were counted.
        while members := family(process.pid):
            for number in members:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            process.poll()
            time.sleep(0.01)
        process.wait()


def family(leader: int) -> list[int]:
    """Ids of `leader`, its descendants (vsftpd's have sessions of their own) and all in its session; no zombies."""
    parents: dict[int, int] = {}
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            number = int(stat.parent.name)
            if fields[0] == "Z":
                continue
            parents[number] = int(fields[1])
            if leader in (number, int(fields[3])):
                found.add(number)
    while more := {number for number, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found)


def alive(number: int) -> bool:
    """Whether the process runs: a zombie does not."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def await_greeting(process: subprocess.Popen[bytes], port: int, log: Path, *, implicit: bool) -> None:
    """Returns when the server greets on `port` (implicit TLS: accepts); PeerFailed when it does not in 20 s."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
            if implicit or probe.recv(1):
                return
        time.sleep(0.02)
    raise PeerFailed(f"{process.args!r} does not greet on port {port}: {log.read_text(errors='replace')}")


def await_words(process: subprocess.Popen[bytes], pattern: str, log: Path, seconds: float = 20.0) -> re.Match[str]:
    """The match of `pattern` in what the server wrote."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = re.search(pattern, log.read_text(errors="replace"))
        if found:
            return found
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise PeerFailed(f"{process.args!r} did not say {pattern!r}: {log.read_text(errors='replace')}")
