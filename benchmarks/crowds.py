"""Many at once: transfers among idle sessions, and slow readers. One client process, with one selector, plays all."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from statistics import median

from benchmarks.process import memory, processes
from benchmarks.rows import OURS, Row, Samples, in_rounds, tolerated
from benchmarks.stage import ONE_PROCESS, Stage
from benchmarks.wire import Control
from tests.peers.servers import Running, Tls


def crowd(stage: Stage) -> Iterator[Row]:
    """2,000 idle sessions and 200 transfers among them; who forks for each session is not asked."""
    sessions, transfers = (300, 30) if stage.quick else (2000, 200)
    samples = Samples()
    for name in ONE_PROCESS:
        with tolerated(samples.troubles, name, 60.0), stage.fresh(name, Tls.OFF) as server, ExitStack() as stack:
            controls = [Control(server) for _ in range(sessions)]
            for control in controls:
                stack.callback(control.socket.close)
            rate = _together(controls[:transfers], stage.size)
            assert processes(server) == 1, f"{name} is more than one process"
            for control in controls:
                control.poke()  # every session is in step
            samples.add(name, {"rate": rate, "memory": memory(server) / 2**20})
    what = f"{transfers} GETs at once among {sessions:,} sessions"
    yield samples.row("rate", f"{what}: all of them together", "MiB/s")
    yield samples.row("memory", f"{what}: memory after it", "MiB", less=True)


def _together(controls: list[Control], size: int) -> float:
    """All fetch the large file's last part at once; every session must end in step."""
    share = min(size, (2 << 30) // len(controls))
    waiting = selectors.DefaultSelector()
    left = {}
    began = time.perf_counter()
    for control in controls:
        data = control.dial()
        # After EPSV: with some servers REST counts for the very next command only.
        control.ask(f"REST {size - share}", 350)
        control.send("RETR large.bin")
        data.setblocking(False)
        waiting.register(data, selectors.EVENT_READ, control)
        left[data] = share
    buffer = bytearray(1 << 20)
    while left:
        for ready in [key.fileobj for key, _ in waiting.select(60)]:
            assert isinstance(ready, socket.socket)
            try:
                got = ready.recv_into(buffer, 1 << 20, socket.MSG_TRUNC)
            except BlockingIOError:
                continue
            left[ready] -= got
            if not got:
                assert left.pop(ready) == 0, "a transfer came short"
                waiting.unregister(ready)
                ready.close()
    for control in controls:
        control.reply(125, 150)
        control.reply(226)
    return share * len(controls) / (time.perf_counter() - began) / 2**20


def slow(stage: Stage) -> Iterator[Row]:
    """A fast reader, alone and beside readers that take next to nothing."""
    readers = 20 if stage.quick else 200
    # Who has a process for each session takes long to begin so many, and over TLS nothing else would come of it.
    for tls, label, names in ((Tls.OFF, "clear", stage.names), (Tls.EXPLICIT, "TLS", ONE_PROCESS)):
        size = stage.size if tls is Tls.OFF else min(stage.size, 128 << 20)

        def take(server: Running, size: int = size) -> Mapping[str, float]:
            alone = _fast(server, stage, size)
            with ExitStack() as stack:
                for _ in range(readers):
                    stack.callback(_stalled(server).close)
                return {"alone": alone, "beside": _fast(server, stage, size)}

        samples = in_rounds(stage, tls, 1, take, names=names)
        yield samples.row("alone", f"a fast reader alone, {label}", "MiB/s")
        row = samples.row("beside", f"the same beside {readers} slow ones, {label}", "MiB/s")
        alone = samples.found.get("alone", {}).get(OURS)
        kept = row.values.get(OURS, 0.0) / median(alone) if alone else 0.0
        yield Row(row.what, row.unit, row.values, (f"80% kept: {kept:.0%}", kept >= 0.8), troubles=row.troubles)


def _fast(server: Running, stage: Stage, size: int) -> float:
    rates = []
    for _ in range(3):
        control = Control(server)
        began = time.perf_counter()
        assert control.fetch("large.bin", stage.size - size) == size
        rates.append(size / (time.perf_counter() - began) / 2**20)
        control.close()
    return median(rates)


class _Stalled:
    """A reader that took a few bytes and no more."""

    def __init__(self, control: Control, data: socket.socket):
        self._control = control
        self._data = data

    def close(self) -> None:
        self._data.close()
        self._control.socket.close()


def _stalled(server: Running) -> _Stalled:
    control = Control(server)
    data = control.begin("RETR large.bin", receive_buffer=4096)
    assert data.recv(100)
    return _Stalled(control, data)
