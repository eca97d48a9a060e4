"""What sessions cost, and how that grows with their number: logins, memory, and the time of a small command."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from statistics import median

from benchmarks.process import memory
from benchmarks.rows import Row, Samples, tolerated
from benchmarks.stage import Stage
from benchmarks.wire import Control
from tests.peers.servers import Running, Tls

_POKES = 50
_TOO_LONG = 15.0  #: seconds until the next number would stand, at the rate so far
_WARM = 5  #: sessions that come and go first: they fill what all share, code pages, caches, arenas


def sessions_clear(stage: Stage) -> Iterator[Row]:
    yield from _sessions(stage, Tls.OFF, (1, 10, 100) if stage.quick else (1, 10, 100, 1000, 2000), 30)


def sessions_tls(stage: Stage) -> Iterator[Row]:
    yield from _sessions(stage, Tls.EXPLICIT, (10, 100) if stage.quick else (10, 100, 2000), 80)


def _sessions(stage: Stage, tls: Tls, steps: tuple[int, ...], most: float) -> Iterator[Row]:
    """Log in until so many sessions stand, and look at each of these numbers. One fresh server after the other."""
    samples = Samples()
    label, suffix = ("TLS", "-tls") if tls is Tls.EXPLICIT else ("clear", "")
    for name in stage.names:
        with tolerated(samples.troubles, name, 60.0), stage.fresh(name, tls) as server:
            _grow(server, steps, samples)
    for count in steps:
        standing = f"{count:,} sessions, {label}"
        if count >= 10:
            yield samples.row(
                f"logins {count}", f"logins, up to {standing}", "per s", series=f"logins{suffix}", at=count
            )
        if count >= 100:
            yield samples.row(
                f"memory {count}", f"one of {standing}, idle", "KiB", ("most", most), digits=1, less=True,
                series=f"session-memory{suffix}", at=count,
            )  # fmt: skip
        yield samples.row(
            f"poke {count}", f"NOOP among {standing}", "ms", digits=3, less=True, series=f"poke{suffix}", at=count
        )


def _grow(server: Running, steps: tuple[int, ...], samples: Samples) -> None:
    with contextlib.ExitStack() as stack:
        for control in [Control(server) for _ in range(_WARM)]:
            control.close()
        time.sleep(0.5)
        before, controls, each = memory(server), list[Control](), 0.0
        for count in steps:
            fresh, began = count - len(controls), time.perf_counter()
            if fresh * each > _TOO_LONG:  # some fork and hash for each login
                break
            for _ in range(fresh):
                controls.append(Control(server))
                stack.callback(controls[-1].socket.close)
            took = time.perf_counter() - began
            each = took / fresh
            time.sleep(0.3)
            values = {
                f"logins {count}": fresh / took,
                f"memory {count}": (memory(server) - before) / count / 1024,
                f"poke {count}": _poke(controls[-1]),
            }
            samples.add(server.name, values)


def _poke(control: Control) -> float:
    """Milliseconds until a small command is answered."""
    took = []
    for _ in range(_POKES):
        began = time.perf_counter()
        control.poke()
        took.append((time.perf_counter() - began) * 1000)
    return median(took)
