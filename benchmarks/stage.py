"""The servers under measurement, started when they are first asked for, and the files that they serve."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import define, frozen

from tests.peers.certificate import Certificate, make_certificate
from tests.peers.install import peers_directory
from tests.peers.process import alive
from tests.peers.servers import CONFORMANCE, REPOSITORY, Running, Tls, ftlite_server

#: Order of columns; the last is ours.
NAMES = ("vsftpd", "proftpd", "pureftpd", "pyftpdlib", "aioftp", "ftlite")
#: One process serves all sessions.
ONE_PROCESS = ("pyftpdlib", "aioftp", "ftlite")
SMALL_FILES = 100
SMALL_SIZE = 4096

# One address plays all clients here, which the defaults rightly refuse.
_OURS = "[limits]\nsessions_per_address = 100000\nsessions_per_user = 100000\n"


@define
class Servers(Mapping[tuple[str, Tls], Running]):
    """By name and mode, started at the first use and again when they have died; all run until the end."""

    _directory: Path
    _certificate: Certificate
    _stack: contextlib.ExitStack
    _running: dict[tuple[str, Tls], Running]

    def __getitem__(self, key: tuple[str, Tls]) -> Running:
        name, tls = key
        server = self._running.get(key)
        if server is None or not alive(server.pid):
            root = self._directory / f"{name}-{tls.value}"
            server = self._stack.enter_context(_started(name, tls, root, self._certificate))
            self._running[key] = server
        return server

    def __iter__(self) -> Iterator[tuple[str, Tls]]:
        return ((name, tls) for tls in (Tls.OFF, Tls.EXPLICIT) for name in NAMES)

    def __len__(self) -> int:
        return 2 * len(NAMES)

    def configurations(self) -> dict[str, str]:
        """What each server that ran was told, without the places of this run."""
        return {
            f"{server.name}, {'clear' if server.tls is Tls.OFF else 'TLS'}": _without_places(server, self._directory)
            for server in self._running.values()
        }


@frozen
class Stage:
    """Where measurements take place. `source` is the large file on the client's side; `names` are who is measured."""

    servers: Servers
    certificate: Certificate
    directory: Path
    source: Path
    size: int
    quick: bool
    names: tuple[str, ...] = NAMES

    def server(self, name: str, tls: Tls) -> Running:
        """It runs when this returns. Raises what its starter raises."""
        return self.servers[name, tls]

    def fresh(self, name: str, tls: Tls) -> contextlib.AbstractContextManager[Running]:
        """A server of that name that has done nothing yet; for what memory it takes."""
        return _started(name, tls, self.directory / f"{name}-fresh", self.certificate)


@contextlib.contextmanager
def stage(size: int, quick: bool, where: Path | None, names: tuple[str, ...] = NAMES) -> Iterator[Stage]:
    """Makes the files.

    Args:
        size: bytes in the large file.
        quick: fewer rounds and smaller numbers.
        where: a directory for all roots; None: /dev/shm, so that no disk is measured, else the temporary directory.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if where is None and os.access("/dev/shm", os.W_OK):
        where = Path("/dev/shm")
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ftlite-bench-", dir=where)))
        directory.chmod(0o755)
        certificate = make_certificate(directory / "certificate")
        (directory / "ftlite.toml").write_text(_OURS)
        source = directory / "large.bin"
        with source.open("wb") as file:
            block = os.urandom(1 << 20)
            for _ in range(size >> 20):
                file.write(block)
        servers = stack.enter_context(contextlib.ExitStack())  # they end before their files go
        yield Stage(Servers(directory, certificate, servers, {}), certificate, directory, source, size, quick, names)


@contextlib.contextmanager
def _started(
    name: str, tls: Tls, root: Path, certificate: Certificate, program: tuple[str, ...] = ("ftlite",)
) -> Iterator[Running]:
    if not root.exists():
        root.mkdir()
        # A link takes no second GiB of memory.
        os.link(root.parent / "large.bin", root / "large.bin")
        for number in range(SMALL_FILES):
            (root / f"small{number}").write_bytes(os.urandom(SMALL_SIZE))
    if name == "aioftp" and tls is Tls.EXPLICIT:  # it has no AUTH
        tls = Tls.IMPLICIT
    if name != "ftlite":
        with CONFORMANCE[name](root, certificate, tls) as server:
            yield server
        return
    extra = ["--config", str(root.parent / "ftlite.toml")]
    with ftlite_server(root, certificate, tls, extra=extra, program=program) as server:
        yield server


@contextlib.contextmanager
def watched(play: Stage, tls: Tls, found: Path) -> Iterator[Running]:
    """ftlite with a watch on its event loop, which writes what it saw to `found` at SIGUSR2: `benchmarks.watched`."""
    program = ("benchmarks.watched", str(found))
    root = play.directory / "ftlite-watched"
    with _started("ftlite", tls, root, play.certificate, program) as server:
        yield server


def _without_places(server: Running, directory: Path) -> str:
    text = server.configuration
    places = {server.root: "ROOT", server.log.parent: "WORK", directory: "BENCH", peers_directory(): "PEERS"}
    for place, name in {**places, sys.executable: "python", server.password: "PASSWORD", REPOSITORY: "."}.items():
        text = text.replace(str(place), name)
    return text
