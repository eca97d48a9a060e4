"""Many at once: idle sessions, transfers, slow readers. One client process plays them all, with one selector."""

from __future__ import annotations

import selectors
import socket
import time
from contextlib import ExitStack
from statistics import median

from benchmarks.measures import Row
from benchmarks.process import memory, processes
from benchmarks.stage import Stage
from benchmarks.wire import Control
from tests.peers.servers import Running, Tls

_ONE_PROCESS = ("pyftpdlib", "ftlite")


def crowd(stage: Stage) -> list[Row]:
    """2,000 idle sessions and 200 transfers among them; vsftpd forks for each, so it is not asked."""
    sessions, transfers = (500, 50) if stage.quick else (2000, 200)
    logins, rates, sizes = {}, {}, {}
    for name in _ONE_PROCESS:
        with stage.fresh(name, Tls.OFF) as server:
            began = time.perf_counter()
            controls = [Control(server) for _ in range(sessions)]
            logins[name] = sessions / (time.perf_counter() - began)
            rates[name] = _together(controls[:transfers], stage.size)
            sizes[name] = memory(server) / 2**20
            assert processes(server) == 1, f"{name} is more than one process"
            for control in controls:
                control.ask("NOOP", 200)
                control.close()
    return [
        Row(f"{sessions} sessions: logins", "per s", logins),
        Row(f"{sessions} sessions: {transfers} GETs at once, all of them", "MiB/s", rates, ("all end well", True)),
        Row(f"{sessions} sessions: memory after it", "MiB", sizes),
    ]


def _together(controls: list[Control], size: int) -> float:
    """All fetch the large file's last part at once; every session must end in step."""
    share = min(size, (4 << 30) // len(controls))
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


def slow(stage: Stage) -> list[Row]:
    """A fast reader, alone and beside readers that take next to nothing."""
    readers = 50 if stage.quick else 200
    rows = []
    for tls, label in ((Tls.OFF, "clear"), (Tls.EXPLICIT, "TLS")):
        alone, beside = {}, {}
        for server in stage.each(tls):
            alone[server.name] = _fast(server, stage)
            with ExitStack() as stack:
                for _ in range(readers):
                    stack.callback(_stalled(server).close)
                beside[server.name] = _fast(server, stage)
        kept = beside["ftlite"] / alone["ftlite"]
        rows += [
            Row(f"fast reader alone, {label}", "MiB/s", alone),
            Row(f"the same beside {readers} slow ones, {label}", "MiB/s", beside, (f"kept {kept:.0%}", kept >= 0.8)),
        ]
    return rows


def _fast(server: Running, stage: Stage) -> float:
    rates = []
    for _ in range(3):
        control = Control(server)
        began = time.perf_counter()
        assert control.fetch("large.bin") == stage.size
        rates.append(stage.size / (time.perf_counter() - began) / 2**20)
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
