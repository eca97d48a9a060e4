"""Our server in this process, where a test can break it while it runs: one port, in clear and with TLS offered."""

from __future__ import annotations

import io
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio
from attrs import frozen

from conformance.wire import Target, TlsMode
from ftlite.config import models
from ftlite.net.tls import ServerTls, ensure_self_signed
from tests.server.support import PASSWORD, Box, serving

#: Waits of the server that a fault may run into, in seconds; and as many wrong passwords as all cases together give.
_LIMITS = {"accept": 2.0, "address_failures": 1000}


@frozen
class Served:
    """A server that runs, and what it logs: a line of JSON an event."""

    target: Target
    log: io.StringIO


@contextmanager
def running(work: Path) -> Iterator[Served]:
    """A server on `work`/root, in a thread of its own."""
    root = work / "root"
    root.mkdir()
    pair = ServerTls(*ensure_self_signed(work / "state"), work / "state")
    told: queue.Queue[tuple[Box, trio.lowlevel.TrioToken, trio.Event]] = queue.Queue()

    async def serve() -> None:
        tls = models.TlsConfig(mode=models.TlsMode.OPTIONAL)
        async with serving(root, pair=pair, tls=tls, limits=_LIMITS) as box:
            stop = trio.Event()
            told.put((box, trio.lowlevel.current_trio_token(), stop))
            await stop.wait()

    thread = threading.Thread(target=trio.run, args=(serve,), name="server under test")
    thread.start()
    box, token, stop = told.get(timeout=30)
    try:
        target = Target("127.0.0.1", box.port, "ann", PASSWORD, TlsMode.NONE, patience=5.0, root=root)
        yield Served(target, box.log)
    finally:
        trio.from_thread.run_sync(stop.set, trio_token=token)
        thread.join(30)
