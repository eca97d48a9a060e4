"""The server of a soak: the same root, ports and state through many lives, watched for faults in all of them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from attrs import evolve

from tests.faults.relay import free_range
from tests.faults.support import PATIENCE, held, until
from tests.peers.certificate import make_certificate
from tests.peers.process import ACCOUNT, await_words, running
from tests.peers.servers import REPOSITORY, Running, Tls

_PASSWORD = "soaked-word"
_SETTINGS = """
[limits]
sessions_per_address = 100000
sessions_per_user = 100000
idle = 20
accept = 5
stall = 10
[storage]
part_age = {part_age}
"""


class Life:
    """Start it, kill it, start it again.

    Attributes:
        server: as clients know it; with TLS required where `secured` is taken.
        faults: what the logs of all lives said that they must not.
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        self.root = place / "root"
        self.root.mkdir()
        self.ports = free_range(64)
        self._secret = place / "secret"
        self._secret.write_text(_PASSWORD + "\n")
        self._secret.chmod(0o600)
        self._certificate = make_certificate(place / "certificate")
        self._lives = 0
        self._stack = contextlib.ExitStack()
        self.faults: list[str] = []
        self.server: Running

    def start(self, part_age: int = 86400) -> None:
        self._lives += 1
        settings, log = self._place / "soak.toml", self._place / f"log{self._lives}"
        settings.write_text(_SETTINGS.format(part_age=part_age))
        port = self.ports[0]
        command = [
            sys.executable, "-m", "tests.soak.served", str(self._place / "held"), "serve", str(self.root),
            "--listen", f"127.0.0.1:{port}", "--passive-ports", f"{self.ports[1]}-{self.ports[-1]}", "--user", ACCOUNT,
            "--password-file", str(self._secret), "--state-dir", str(self._place / "state"), "--config", str(settings),
            "--tls", "optional", "--cert", str(self._certificate.chain), "--key", str(self._certificate.key),
            "--allow-root",
        ]  # fmt: skip
        process = self._stack.enter_context(running(command, log, cwd=REPOSITORY))
        await_words(process, r"(?m)^listening on ", log, PATIENCE)
        self.server = Running(
            "ftlite", port, self.root, ACCOUNT, _PASSWORD, Tls.OFF, process.pid, log, self._certificate
        )

    def secured(self, port: int, host: str) -> Running:
        """The server as one that wants TLS, seen through a relay or directly."""
        return evolve(self.server, tls=Tls.EXPLICIT, port=port, host=host)

    def kill(self) -> None:
        """kill -9; what it had said is looked at."""
        self._stack.close()
        self._look()

    def hang_up(self) -> None:
        os.kill(self.server.pid, signal.SIGHUP)

    def _look(self) -> None:
        said = self.server.log.read_text(errors="replace")
        for word in ("session.fault", "Traceback"):
            if word in said:
                at = said.index(word)
                self.faults.append(said[max(0, at - 500) : at + 1500])

    def holds(self) -> dict[str, float]:
        """Tasks, threads, descriptors and MiB, when every session is over."""
        until(lambda: held(self.server.pid) == 0, "the end of all sessions", 60)
        found = self._place / "held"
        found.unlink(missing_ok=True)
        os.kill(self.server.pid, signal.SIGUSR2)
        until(found.exists, "what the server holds")
        holds = json.loads(found.read_text())
        assert isinstance(holds, dict)
        return holds

    def settles_to(self, base: dict[str, float], mib: float, seconds: float = 30.0) -> list[str]:
        """What is still more than `base` after a while, in words; idle threads leave by themselves."""
        over = time.monotonic() + seconds
        while True:
            now = self.holds()
            # What is opened once, when it is first wanted, may have been wanted after the warm-up; leaks are more.
            room = {"tasks": 0.0, "threads": 2.0, "descriptors": 4.0, "mib": mib}
            more = [f"{key}: {now[key]:g}, {base[key]:g} before" for key in base if now[key] > base[key] + room[key]]
            if not more or time.monotonic() > over:
                return more
            time.sleep(0.5)


@contextlib.contextmanager
def living(place: Path) -> Iterator[Life]:
    life = Life(place)
    life.start()
    try:
        yield life
    finally:
        life.kill()
