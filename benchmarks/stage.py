"""The servers under measurement, all up at once (an idle one costs nothing), and the files that they serve."""

from __future__ import annotations

import contextlib
import os
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from tests.peers.certificate import Certificate, make_certificate
from tests.peers.servers import SERVERS, Running, Tls

#: Order of columns. The first two are what the last is held to.
NAMES = ("vsftpd", "pyftpdlib", "ftlite")
SMALL_FILES = 100
SMALL_SIZE = 4096

# One address plays all clients here, which the defaults rightly refuse.
_OURS = "[limits]\nsessions_per_address = 100000\nsessions_per_user = 100000\n"


@frozen
class Stage:
    """Where measurements take place. `source` is the large file on the client's side."""

    servers: dict[tuple[str, Tls], Running]
    certificate: Certificate
    directory: Path
    source: Path
    size: int
    quick: bool

    def each(self, tls: Tls) -> list[Running]:
        return [server for (_, mode), server in self.servers.items() if mode is tls]

    def fresh(self, name: str, tls: Tls) -> contextlib.AbstractContextManager[Running]:
        """A server of that name that has done nothing yet; for what memory it takes."""
        return _started(name, tls, self.directory / f"{name}-fresh", self.certificate)


@contextlib.contextmanager
def stage(size: int, quick: bool, where: Path | None) -> Iterator[Stage]:
    """Starts everything.

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
        servers = {
            (name, tls): stack.enter_context(_started(name, tls, directory / f"{name}-{tls.value}", certificate))
            for tls in (Tls.OFF, Tls.EXPLICIT)
            for name in NAMES
        }
        yield Stage(servers, certificate, directory, source, size, quick)


@contextlib.contextmanager
def _started(name: str, tls: Tls, root: Path, certificate: Certificate) -> Iterator[Running]:
    if not root.exists():
        root.mkdir()
        # A link takes no second GiB of memory.
        os.link(root.parent / "large.bin", root / "large.bin")
        for number in range(SMALL_FILES):
            (root / f"small{number}").write_bytes(os.urandom(SMALL_SIZE))
    extra = {"extra": ["--config", str(root.parent / "ftlite.toml")]} if name == "ftlite" else {}
    with SERVERS[name](root, certificate, tls, **extra) as server:
        yield server
