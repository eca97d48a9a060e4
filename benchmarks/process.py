"""What a server costs, from /proc: CPU seconds and memory of all its processes."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from tests.peers.process import family
from tests.peers.servers import Running

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(server: Running) -> float:
    """User and system time of all its processes and of those that they buried. Steps of 10 ms."""
    ticks = 0
    for number in family(server.pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / _TICKS


def memory(server: Running) -> int:
    """Proportional set size of all its processes, in bytes: shared pages are counted once."""
    total = 0
    for number in family(server.pid):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{number}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def processes(server: Running) -> int:
    return len(family(server.pid))


def process_peak(number: int) -> int:
    """The most memory that a process has had resident so far, in bytes. Raises OSError when it is gone."""
    lines = Path(f"/proc/{number}/status").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def peak(server: Running) -> int:
    """The most memory that its processes have had resident so far, in bytes."""
    total = 0
    for number in family(server.pid):
        with contextlib.suppress(OSError):
            total += process_peak(number)
    return total
