"""Short pauses: sockets and threads do not heed a clock that jumps."""

from __future__ import annotations

import pytest

from ftlite.client import retry
from ftlite.client.native import wait


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repetitions and looks come a hundred times as fast."""
    monkeypatch.setattr(retry, "_FIRST", 0.005)
    monkeypatch.setattr(wait, "_FIRST", 0.005)
    monkeypatch.setattr(wait, "_MOST", 0.1)
