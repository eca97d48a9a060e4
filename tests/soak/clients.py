"""What the clients of a soak do: one deed at a time, by a tool chosen at random, checked when the tool says that it is
done."""

from __future__ import annotations

import contextlib
import ftplib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import define, frozen

from tests.faults.support import get, parts, pin, put, reset, session, until
from tests.peers.servers import REPOSITORY, Running, Tls
from tests.soak.contents import check_file, check_tree, make_file, make_tree

FILES = [f"file{number:02}" for number in range(12)]
#: rclone removes what stands under the name when its upload has failed, so it gets names that may go.
FICKLE = [f"fickle{number}" for number in range(3)]
TREES = [f"tree{number}" for number in range(3)]
_SIZES = (0, 1, 4_096, 100_000, 1_000_000, 5_000_000, 20_000_000)
_PATIENCE = 90.0  #: seconds that one command may take on a machine that is busy with all the others
_STANDING = ("01", "02")  #: established, or on its way (linux/tcp_states.h)
_REFUSED = (OSError, EOFError, ftplib.Error)


class Complaint(AssertionError):
    """A client ended as it must not."""


def connected(number: int) -> bool:
    """Whether the process has a TCP connection that stands or is dialled, and so may wait for us. As Linux tells."""
    standing = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        with contextlib.suppress(OSError):
            rows = (row.split() for row in table.read_text().splitlines()[1:])
            standing |= {f"socket:[{row[9]}]" for row in rows if row[3] in _STANDING}
    held = set()
    for link in Path(f"/proc/{number}/fd").iterdir():
        with contextlib.suppress(OSError):
            held.add(os.readlink(link))
    return not standing.isdisjoint(held)


@frozen
class Deed:
    """A command, and what must be so when it ends well."""

    name: str
    command: Sequence[str | Path]
    environment: dict[str, str]
    check: Callable[[], object]


@define
class Client:
    """One of those who work at the same time; `done` counts deeds by name and end, `refusals` what tools said."""

    scratch: Path
    chance: random.Random
    servers: Callable[[], list[Running]]  #: the same one in clear and over TLS, directly and through a relay
    done: Counter[str]
    refusals: Counter[str]

    def act(self) -> None:
        """One deed. Raises Complaint, and NotWhole for what came back."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir(parents=True)
        server = self.chance.choice(self.servers())
        kind = self.chance.choice((self._ftlite, self._ftlite, self._ftlite_tree, self._curl, self._lftp, self._rclone))
        if self.chance.random() < 0.15:
            self._ftplib(server)
            return
        deed = kind(server)
        if shutil.which(str(deed.command[0])) is None:
            self.done[f"{deed.name}: not installed"] += 1
            return
        self._run(deed, self.chance.uniform(0.0, 2.0) if self.chance.random() < 0.25 else None)

    def _run(self, deed: Deed, killed_after: float | None) -> None:
        environment = {**os.environ, "HOME": str(self.scratch), "LC_ALL": "C.UTF-8", **deed.environment}
        said = self.scratch / "said"
        with said.open("wb") as words, subprocess.Popen(
            [str(word) for word in deed.command], stdin=subprocess.DEVNULL, stdout=words, stderr=words, env=environment,
            cwd=REPOSITORY, start_new_session=True,
        ) as process:  # fmt: skip
            try:
                code = process.wait(_PATIENCE if killed_after is None else killed_after)
            except subprocess.TimeoutExpired:
                waits_for_us = killed_after is None and connected(process.pid)
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                if killed_after is not None:
                    self.done[f"{deed.name}: killed"] += 1
                elif waits_for_us:
                    raise Complaint(f"{deed.name} hangs: {said.read_text(errors='replace')[-2000:]}") from None
                else:  # lftp, when its connection breaks while it rolls back
                    self.done[f"{deed.name}: hangs by itself"] += 1
                return
        text = said.read_text(errors="replace")
        if "Traceback" in text:
            raise Complaint(f"{deed.name}: {text[-3000:]}")
        self.done[f"{deed.name}: {'well' if code == 0 else 'refused'}"] += 1
        if code:
            self.refusals[f"{deed.name}: {' '.join(text.split())[-200:]}"] += 1
        if code == 0:
            deed.check()

    # --- ftlite -------------------------------------------------------------------------------------------------------

    def _ftlite(self, server: Running) -> Deed:
        dialect = self.chance.choice(("native", "native", "stock"))
        name, local = self.chance.choice(FILES), self.scratch / "local"
        if self.chance.random() < 0.5:
            self._make(local)
            return self._command(server, f"ftlite put {dialect}", dialect, "put", "-q", local, _url(server, name))
        check = self._checked(local)
        return self._command(
            server, f"ftlite get {dialect}", dialect, "get", "-q", _url(server, name), local, check=check
        )

    def _ftlite_tree(self, server: Running) -> Deed:
        name, local = self.chance.choice(TREES), self.scratch / "local"
        if self.chance.random() < 0.5:
            make_tree(local, self.chance)
            words: tuple[str | Path, ...] = ("put", "-r", "-q", "--replace", local, _url(server, name))
            return self._command(server, "ftlite put -r", "native", *words)
        words = ("get", "-r", "-q", _url(server, name), local)
        return self._command(server, "ftlite get -r", "native", *words, check=lambda: check_tree(local))

    def _command(
        self, server: Running, name: str, dialect: str, *words: str | Path, check: Callable[[], object] = bool
    ) -> Deed:
        environment = {
            "FTLITE_PASSWORD": server.password, "FTLITE_DIALECT": dialect, "FTLITE_RETRIES": "1",
            "FTLITE_STALL_TIMEOUT": "20", "XDG_STATE_HOME": str(self.scratch),
        }  # fmt: skip
        if server.tls is Tls.OFF:
            environment["FTLITE_TLS"] = "off"
        else:
            environment["FTLITE_PIN"] = pin(server)  # a relay has another address than the certificate
        return Deed(name, [sys.executable, "-m", "ftlite", *words], environment, check)

    # --- others -------------------------------------------------------------------------------------------------------

    def _curl(self, server: Running) -> Deed:
        name, local = self.chance.choice(FILES), self.scratch / "local"
        url = f"ftp://{server.host}:{server.port}/{name}"
        words = ["curl", "-sS", "--no-epsv" if self.chance.random() < 0.3 else "--epsv", "-u"]
        words += [f"{server.user}:{server.password}", "--max-time", "60"]
        if server.tls is not Tls.OFF:
            words += ["--ssl-reqd", "--insecure"]
        if self.chance.random() < 0.5:
            self._make(local)
            return Deed("curl put", [*words, "-T", local, url], {}, bool)
        return Deed("curl get", [*words, "-o", local, url], {}, self._checked(local))

    def _lftp(self, server: Running) -> Deed:
        name, local = self.chance.choice(FILES), self.scratch / "local"
        settings = "debug 9; set cmd:fail-exit true; set net:max-retries 1; set net:timeout 20; "
        settings += "set ssl:verify-certificate no; set net:reconnect-interval-base 1; "
        settings += f"set ftp:ssl-force {'false' if server.tls is Tls.OFF else 'true'}; set ftp:ssl-protect-data true; "
        settings += f"set ftp:ssl-allow {'false' if server.tls is Tls.OFF else 'true'}; "
        login = f"open -u {server.user},{server.password} ftp://{server.host}:{server.port}; "
        if self.chance.random() < 0.5:
            self._make(local)
            return Deed("lftp put", ["lftp", "--norc", "-c", f"{settings}{login}put {local} -o {name}"], {}, bool)
        script = f"{settings}{login}get {name} -o {local}"
        return Deed("lftp get", ["lftp", "--norc", "-c", script], {}, self._checked(local))

    def _rclone(self, server: Running) -> Deed:
        name, local = self.chance.choice(FICKLE), self.scratch / "local"
        hidden = subprocess.run(["rclone", "obscure", server.password], capture_output=True, text=True, check=False)
        environment = {
            "RCLONE_CONFIG": str(self.scratch / "rclone.conf"), "RCLONE_FTP_HOST": server.host, "RCLONE_RETRIES": "1",
            "RCLONE_FTP_PORT": str(server.port), "RCLONE_FTP_USER": server.user,
            "RCLONE_FTP_PASS": hidden.stdout.strip(),
            "RCLONE_LOW_LEVEL_RETRIES": "1", "RCLONE_TIMEOUT": "20s", "RCLONE_FTP_NO_CHECK_CERTIFICATE": "true",
        }  # fmt: skip
        if server.tls is not Tls.OFF:
            environment["RCLONE_FTP_EXPLICIT_TLS"] = "true"
        if self.chance.random() < 0.5:
            self._make(local)
            return Deed("rclone put", ["rclone", "copyto", "--ignore-times", local, f":ftp:{name}"], environment, bool)
        return Deed("rclone get", ["rclone", "copyto", f":ftp:{name}", local], environment, self._checked(local))

    def _ftplib(self, server: Running) -> None:
        """In this process, so it is cut by a reset instead of a kill."""
        name, local = self.chance.choice(FILES), self.scratch / "local"
        try:
            with session(server, server.host) as ftp:
                if self.chance.random() < 0.3:
                    data = ftp.transfercmd(f"RETR {name}")
                    data.recv(10_000)
                    reset(data)
                    reset(ftp.sock)
                    ftp.sock = None
                    self.done["ftplib get: reset"] += 1
                elif self.chance.random() < 0.5:
                    self._make(local)
                    put(ftp, name, local.read_bytes())
                    self.done["ftplib put: well"] += 1
                else:
                    check_file(get(ftp, name), f"{name} by ftplib")
                    self.done["ftplib get: well"] += 1
        except _REFUSED:
            self.done["ftplib: refused"] += 1

    def cut_and_resume(self, server: Running, source: Path, target: Path) -> None:
        """Kill a native upload in the middle, and go on. AssertionError when it begins anew, or the file is another."""
        self.scratch.mkdir(parents=True, exist_ok=True)
        words = ("put", "-q", "--limit-rate", "20M", source, _url(server, target.name))
        before = set(parts(server.root))
        cut = self._command(server, "ftlite put, to be killed", "native", *words)
        command, environment = [str(word) for word in cut.command], {**os.environ, **cut.environment}
        with subprocess.Popen(command, env=environment, cwd=REPOSITORY) as process:
            until(lambda: any(part.stat().st_size > 20_000_000 for part in set(parts(server.root)) - before), "a part")
            process.kill()
        again = self._command(
            server, "ftlite put -c", "native", "put", "-c", "--json", source, _url(server, target.name)
        )
        done = subprocess.run(
            [str(word) for word in again.command], env={**os.environ, **again.environment}, cwd=REPOSITORY,
            capture_output=True, text=True, timeout=_PATIENCE, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        event = next(each for line in done.stdout.splitlines() if (each := json.loads(line))["event"] == "file")
        assert event["offset"] > 0, f"it began anew: {event}"
        assert target.read_bytes() == source.read_bytes(), "what was resumed is not what was sent"

    def _make(self, local: Path) -> None:
        make_file(local, self.chance, self.chance.choice(_SIZES))

    def _checked(self, local: Path) -> Callable[[], object]:
        return lambda: check_file(local.read_bytes(), f"what came to {local}")


def _url(server: Running, name: str) -> str:
    return f"ftp://{server.user}@{server.host}:{server.port}/{name}"


def fill(root: Path, chance: random.Random) -> None:
    """Something under every name, so that whoever gets finds it."""
    for name in FILES:
        make_file(root / name, chance, chance.choice(_SIZES))
    for name in TREES:
        make_tree(root / name, chance)


def watch(root: Path, server: Callable[[], Running], chance: random.Random, over: Callable[[], bool]) -> int:
    """Look at what is published, on the disk and by listings, until `over`. Raises NotWhole, Complaint.

    Returns:
        How many looks it was.
    """
    looks, names = 0, {*FILES, *TREES, *FICKLE}
    while not over():
        name = chance.choice(FILES)
        check_file((root / name).read_bytes(), f"{name} on the disk")
        with contextlib.suppress(FileNotFoundError):
            name = chance.choice(FICKLE)
            check_file((root / name).read_bytes(), f"{name} on the disk")
        try:
            with session(server()) as ftp:
                for command in ("NLST", "MLSD"):
                    lines: list[str] = []
                    ftp.retrlines(command, lines.append)
                    shown = {line.rpartition("; ")[2] if command == "MLSD" else line for line in lines}
                    if strange := shown - names - {".", "..", "/"}:
                        raise Complaint(f"{command} shows {strange}")
                name = chance.choice(FILES)
                check_file(get(ftp, name), f"{name} by the watcher")
        except _REFUSED:
            time.sleep(0.2)  # the server was killed a moment ago
        looks += 1
        time.sleep(0.02)
    return looks
