"""The real server of the command line's tests, and scripts run against it."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest

from tests.cli.conftest import Ftlite, Said, Served, at, ftlite, home, served, unused_port

__all__ = ["at", "ftlite", "home", "served", "unused_port"]

Script = Callable[..., Said]


@pytest.fixture
def spot(at: Served) -> str:
    """The name of a fresh directory on the server."""
    name = uuid.uuid4().hex
    (at.root / name).mkdir()
    return name


@pytest.fixture
def script(at: Served, spot: str, ftlite: Ftlite) -> Script:
    """Runs commands by -c, from a fresh directory on the server."""

    def run(commands: str, *flags: str) -> Said:
        return ftlite(at.url(spot), "-c", commands, *flags)

    return run
