"""Digests in idle time: an upload that waited for long, or is gone by then, ends nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import trio
import trio.testing

from ftlite.server import EventLog, Server
from ftlite.server.digesting import IdleDigests
from tests.server.support import ann, config_for


class _Ear(EventLog):
    """Hears the first event."""

    def __init__(self) -> None:
        super().__init__(None)
        self.heard = trio.Event()
        self.what: tuple[str, Any] = ("", None)

    def event(self, name: str, /, **fields: Any) -> None:
        self.what = name, fields.get("path")
        self.heard.set()


async def test_an_upload_that_waited_for_long_is_taken_at_once(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    ear = _Ear()
    idle = IdleDigests(Server(config_for(tmp_path), ear, None).services)
    idle.remember(ann(), "/removed-meanwhile")
    mock_clock.jump(100)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(idle.run)
        await ear.heard.wait()
        nursery.cancel_scope.cancel()
    assert ear.what == ("digest.failed", "/removed-meanwhile")
