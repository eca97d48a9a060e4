"""The event loop of ftlite under different loads: its longest step, what blocks it, the garbage collector's pauses.

A step is what one task does between two waits; all other sessions wait meanwhile. It is counted in CPU time of the
loop's thread, so that a busy machine does not count.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.latency import loaded
from benchmarks.measures import small_rate
from benchmarks.native import _gone as removed
from benchmarks.native import ftlite, make_tree, url
from benchmarks.rows import OURS, Row, tolerated
from benchmarks.stage import Stage, watched
from benchmarks.wire import Control
from tests.peers.servers import Running, Tls

_MOST = 10.0  #: milliseconds of a step
_LISTED = 20_000


def watchdog(stage: Stage) -> Iterator[Row]:
    steps: dict[str, float] = {}
    waits: dict[str, float] = {}
    pauses: dict[str, float] = {}
    troubles: dict[str, str] = {}
    said: list[str] = []
    for tls, label in ((Tls.OFF, "clear"), (Tls.EXPLICIT, "TLS")):
        found = stage.directory / "watched.json"
        with watched(stage, tls, found) as server:
            _tell(server, found)
            for what, load in _loads(stage, server).items():
                name = f"{what}, {label}"
                with tolerated(troubles, name, 60.0):
                    load()
                    seen = _tell(server, found)
                    steps[name] = seen["longest"][0][0] if seen["longest"] else 0.0
                    waits[name] = seen["waited"][0][0] if seen["waited"] else 0.0
                    pauses[name] = seen["collections"]["longest"]
                    said += _remarks(name, seen)
    longest = max(steps.values(), default=0.0)
    ours = {OURS: "; ".join(troubles.values())} if troubles else {}
    yield Row("longest step of the event loop (CPU)", "ms", steps, (f"<= {_MOST:g} ms", longest <= _MOST), digits=1,
              troubles=ours)  # fmt: skip
    yield Row("longest time that a step did not compute (disk, lock, other processes)", "ms", waits, digits=1)
    calls = dict.fromkeys(said, 1.0)
    yield Row("calls on the loop that may block", "kinds", calls or {"none": 0.0}, ("none", not calls))
    yield Row("longest pause of the garbage collector, frozen after the start", "ms", pauses, digits=1)


def _remarks(name: str, seen: dict[str, Any]) -> list[str]:
    """The blocking calls; on stderr also which steps were long."""
    for key in ("longest", "waited"):
        for milliseconds, task in seen[key]:
            if milliseconds > _MOST:
                print(f"  {name}: {key} {milliseconds:.1f} ms: {task}", flush=True)
    return [f"{call} ({count} in {name})" for call, count in seen["blocking"].items()]


def _tell(server: Running, found: Path) -> dict[str, Any]:
    """What the watch has seen since the last time."""
    found.unlink(missing_ok=True)
    time.sleep(0.2)
    os.kill(server.pid, signal.SIGUSR2)
    deadline = time.monotonic() + 10
    while not found.exists():
        assert time.monotonic() < deadline, "the watch does not answer"
        time.sleep(0.02)
    seen = json.loads(found.read_text())
    assert isinstance(seen, dict)
    return seen


def _loads(stage: Stage, server: Running) -> dict[str, Callable[[], object]]:
    sessions = 100 if stage.quick else 2000
    count = 1_000 if stage.quick else 5_000
    tree, back = stage.directory / "watched-tree", stage.directory / "watched-back"

    def crowd() -> None:
        with ExitStack() as stack:
            for _ in range(sessions):
                stack.callback(Control(server).socket.close)

    def transfers() -> None:
        with loaded(server, stage):
            time.sleep(1.0 if stage.quick else 3.0)

    def trees() -> None:
        make_tree(tree, count)
        try:
            ftlite(server, "put", "-r", "-q", tree, url(server, "t"))
            ftlite(server, "get", "-r", "-q", url(server, "t"), back)
        finally:
            removed(tree, back, server.root / "t")()

    def listing() -> None:
        place = server.root / "many"
        place.mkdir(exist_ok=True)
        for number in range(_LISTED // 10 if stage.quick else _LISTED):
            (place / f"file{number:06}").touch()
        for _ in range(2):
            ftlite(server, "ls", "-q", url(server, "many"))
        removed(place)()

    def verified() -> None:
        ftlite(server, "put", "-q", stage.source, url(server, "v.bin"))
        ftlite(server, "get", "-q", url(server, "v.bin"), back)
        ftlite(server, "hash", "-q", url(server, "v.bin"))
        removed(back, server.root / "v.bin")()

    return {
        f"{sessions} logins": crowd,
        "small files": partial(small_rate, server, 300),
        "8 transfers": transfers,
        f"a tree of {count:,}": trees,
        "large listings": listing,
        "a verified file": verified,
    }
