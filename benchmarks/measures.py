"""The measurements: each takes the stage and gives rows. Rounds are interleaved: a slow minute hits all alike."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from statistics import fmean, median

from attrs import field, frozen

from benchmarks.process import cpu_seconds, memory
from benchmarks.stage import NAMES, SMALL_FILES, SMALL_SIZE, Stage
from benchmarks.wire import Control
from tests.peers.servers import REPOSITORY, Running, Tls

GIB = 1 << 30


@frozen
class Row:
    """One line of the table. `goal` is what ftlite is held to: (text, whether it is met)."""

    what: str
    unit: str
    values: dict[str, float]
    goal: tuple[str, bool] | None = None
    digits: int = field(default=0, kw_only=True)


Measure = Callable[[Stage], list[Row]]


def _at_least(values: dict[str, float], peer: str, factor: float) -> tuple[str, bool]:
    return f">= {factor:g} x {peer}", values["ftlite"] >= factor * values[peer]


def _at_most(values: dict[str, float], peer: str, factor: float) -> tuple[str, bool]:
    return f"<= {factor:g} x {peer}", values["ftlite"] <= factor * values[peer]


def _bulk(stage: Stage, tls: Tls, upload: bool) -> tuple[dict[str, float], dict[str, float]]:
    """Median of MiB/s; mean of the server's CPU seconds per GiB, since the kernel counts them in steps."""
    rates: dict[str, list[float]] = {name: [] for name in NAMES}
    costs: dict[str, list[float]] = {name: [] for name in NAMES}
    short = tls is Tls.OFF and not upload  # a fifth of a second each
    for _ in range(3 if stage.quick else 25 if short else 5):
        for server in stage.each(tls):
            control = Control(server)
            spent, began = cpu_seconds(server), time.perf_counter()
            moved = control.store("up.bin", stage.source) if upload else control.fetch("large.bin")
            took = time.perf_counter() - began
            spent = cpu_seconds(server) - spent
            assert moved == stage.size, f"{server.name} moved {moved} of {stage.size} bytes"
            if upload:
                assert (server.root / "up.bin").stat().st_size == stage.size
                control.ask("DELE up.bin", 250)
            control.close()
            rates[server.name].append(moved / took / 2**20)
            costs[server.name].append(spent / moved * GIB)
    return _medians(rates), {name: fmean(values) for name, values in costs.items()}


def _medians(found: dict[str, list[float]]) -> dict[str, float]:
    return {name: median(values) for name, values in found.items() if values}


def get_clear(stage: Stage) -> list[Row]:
    rates, costs = _bulk(stage, Tls.OFF, upload=False)
    return [
        Row("GET, clear", "MiB/s", rates, _at_least(rates, "vsftpd", 0.9)),
        Row("GET, clear, server's CPU", "s/GiB", costs, _at_most(costs, "vsftpd", 1.5), digits=2),
    ]


def put_clear(stage: Stage) -> list[Row]:
    rates, costs = _bulk(stage, Tls.OFF, upload=True)
    return [
        Row("PUT, clear", "MiB/s", rates, _at_least(rates, "vsftpd", 0.9)),
        Row("PUT, clear, server's CPU", "s/GiB", costs, _at_most(costs, "vsftpd", 1.5), digits=2),
    ]


def get_tls(stage: Stage) -> list[Row]:
    rates, costs = _bulk(stage, Tls.EXPLICIT, upload=False)
    return [
        Row("GET, TLS", "MiB/s", rates, _at_least(rates, "pyftpdlib", 1.3)),
        Row("GET, TLS, server's CPU", "s/GiB", costs, digits=2),
    ]


def put_tls(stage: Stage) -> list[Row]:
    rates, costs = _bulk(stage, Tls.EXPLICIT, upload=True)
    return [
        Row("PUT, TLS", "MiB/s", rates, _at_least(rates, "pyftpdlib", 1.3)),
        Row("PUT, TLS, server's CPU", "s/GiB", costs, digits=2),
    ]


def small(stage: Stage) -> list[Row]:
    """Small files over one control connection, EPSV and RETR each; many short rounds, since machines have moods."""
    rows = []
    for tls, label, count in ((Tls.OFF, "clear", 600), (Tls.EXPLICIT, "TLS", 150)):
        rates: dict[str, list[float]] = {name: [] for name in NAMES}
        for _ in range(5 if stage.quick else 25):
            for server in stage.each(tls):
                rates[server.name].append(_small_rate(server, count))
        values = _medians(rates)
        rows.append(Row(f"4 KiB files, {label}", "files/s", values, _at_least(values, "pyftpdlib", 1.0)))
    return rows


def _small_rate(server: Running, count: int) -> float:
    control = Control(server)
    control.fetch("small0")
    began = time.perf_counter()
    for number in range(count):
        assert control.fetch(f"small{number % SMALL_FILES}") == SMALL_SIZE
    took = time.perf_counter() - began
    control.close()
    return count / took


def idle(stage: Stage) -> list[Row]:
    """What one more logged-in session takes."""
    rows = []
    for tls, label, count, most in ((Tls.OFF, "clear", 500, 40), (Tls.EXPLICIT, "TLS", 300, 100)):
        count = count // 5 if stage.quick else count
        values = {name: _per_session(stage, name, tls, count) for name in NAMES}
        goal = (f"<= {most} KiB", values["ftlite"] <= most)
        rows.append(Row(f"idle session, {label}", "KiB", values, goal, digits=1))
    return rows


def _per_session(stage: Stage, name: str, tls: Tls, count: int) -> float:
    with stage.fresh(name, tls) as server:
        # The first sessions fill what all share: code pages, caches, arenas.
        for control in [Control(server) for _ in range(20)]:
            control.close()
        time.sleep(0.5)
        before = memory(server)
        sessions = [Control(server) for _ in range(count)]
        time.sleep(0.5)
        grown = (memory(server) - before) / count / 1024
        for control in sessions:
            control.close()
    return grown


def start(stage: Stage) -> list[Row]:
    """How long a person waits for `--help`; and for an interpreter that does nothing, to compare with."""
    commands = {"ftlite": ["-m", "ftlite", "--help"], "python": ["-c", "pass"]}
    took: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(10 if stage.quick else 30):
        for name, words in commands.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, cwd=REPOSITORY, check=True)
            took[name].append((time.perf_counter() - began) * 1000)
    values = _medians(took)
    bare = values.pop("python")
    goal = (f"< 80 ms (python -c pass: {bare:.0f})", values["ftlite"] < 80)
    return [Row("ftlite --help", "ms", values, goal)]
