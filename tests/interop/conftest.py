"""Servers that live for the whole run, one a name and way of encryption; each test gets a directory of its own."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attrs import evolve

from tests.interop.deeds import Place
from tests.peers.certificate import make_certificate
from tests.peers.process import PeerMissing
from tests.peers.servers import SERVERS, Running, Tls

Serve = Callable[[str, Tls], Place]


@pytest.fixture(scope="session")
def servers() -> Iterator[Callable[[str, Tls], Running]]:
    """Starts a server at its first use. Its root is open to every account, unlike pytest's own directories."""
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ftlite-interop-")))
        home.chmod(0o755)
        certificate = make_certificate(home / "certificate")
        started: dict[tuple[str, Tls], Running] = {}

        def serve(name: str, tls: Tls) -> Running:
            if (name, tls) not in started:
                root = home / f"{name}-{tls.value}"
                root.mkdir(exist_ok=True)  # one that could not start before left it
                try:
                    started[name, tls] = stack.enter_context(SERVERS[name](root, certificate, tls))
                except PeerMissing as missing:
                    pytest.skip(str(missing))
            return started[name, tls]

        yield serve


@pytest.fixture
def serve(servers: Callable[[str, Tls], Running]) -> Serve:
    """`serve(name, tls)`: a running server and a fresh directory on it. Behind the name may stand a dialect."""

    def place(name: str, tls: Tls) -> Place:
        name, _, dialect = name.partition(" ")
        return Place.fresh(evolve(servers(name, tls), dialect=dialect or None), f"t{next(_numbers)}")

    return place


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 MiB that do not compress and repeat only every MiB's counter."""
    path = tmp_path_factory.mktemp("large") / "large.bin"
    block = os.urandom(1 << 20)
    with path.open("wb") as file:
        for number in range(100):
            file.write(hashlib.sha256(b"%d" % number).digest() + block[32:])
    return path


_numbers = itertools.count(1)
