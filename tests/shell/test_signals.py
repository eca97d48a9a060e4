"""A script that a signal ends: at once, with its code and a summary, and nothing goes on running or lies about."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Served, clean_environment


def _until(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not (path.exists() and path.read_text().endswith("\n")):
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "commands",
    [
        "!sleep 600 & echo $! > pid; wait",
        "cat big | (sleep 600 & echo $! > pid; wait)",
        "!sleep 0 & echo $! > pid\nls > fifo",
        "!sleep 0 & echo $! > pid\nput - x < fifo",
        "!sleep 0 & echo $! > pid\ncat big --limit-rate 1M > here",
    ],
)
def test_a_signal_ends_it_all(at: Served, spot: str, home: Path, number: int, commands: str) -> None:
    (at.root / spot / "big").write_bytes(bytes(8_000_000))
    os.mkfifo("fifo")
    environment = clean_environment(home) | {name: os.environ[name] for name in ("FTLITE_PASSWORD", "FTLITE_PIN")}
    process = subprocess.Popen(
        [sys.executable, "-m", "ftlite", at.url(spot), "-c", f"set json off; {commands}", "--json"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True,
    )  # fmt: skip
    try:
        _until(Path("pid"))
        process.send_signal(number)
        out, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 128 + number
    summary = json.loads(out.splitlines()[-1])
    assert (summary["event"], summary["exit"]) == ("summary", 128 + number)
    assert sorted(os.listdir()) == ["fifo", "pid"]
    assert not _runs(int(Path("pid").read_text()))
    assert os.listdir(at.root / spot) == ["big"]
