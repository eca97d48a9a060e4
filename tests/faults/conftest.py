"""Fixtures: a certificate, the command line in this process with a home of its own, and mounts."""

from __future__ import annotations

import pytest

from tests.cli.conftest import ftlite, home
from tests.peers.certificate import Certificate, make_certificate
from tests.storage.conftest import mount

__all__ = ["certificate", "ftlite", "home", "mount"]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))
