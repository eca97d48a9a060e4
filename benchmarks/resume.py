"""What going on costs: a transfer that was cut in the middle, and the bytes and seconds until the file is whole.

ftlite is killed with -9 when half has come, and does the rest natively, verified from the first byte. The others get
half of the file laid down, and curl does the rest (`-C -`), which compares nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.native import ftlite, shell, timed, url
from benchmarks.rows import OURS, Row, Samples, tolerated
from benchmarks.stage import Stage
from tests.faults.support import held, until
from tests.peers.servers import REPOSITORY, Running, Tls


def resume(stage: Stage) -> Iterator[Row]:
    samples = Samples()
    size = min(stage.size, 512 << 20)
    source = stage.directory / "half.bin"
    shutil.copy(stage.source, source)
    os.truncate(source, size)
    for name in stage.names:
        with tolerated(samples.troubles, name, 60.0):
            server = stage.server(name, Tls.OFF)
            samples.add(name, _ours(server, source, size) if name == OURS else _curl(server, source, size))
    source.unlink()
    half = f"the second half of {size >> 20} MiB"
    yield samples.row("up", f"PUT of {half} after a cut, whole command", "s", digits=2, less=True)
    yield samples.row("went", f"PUT of {half}: bytes moved", "MiB", digits=1, less=True)
    yield samples.row("down", f"GET of {half} after a cut, whole command", "s", digits=2, less=True)
    yield samples.row("came", f"GET of {half}: bytes moved", "MiB", digits=1, less=True)
    yield samples.row("whole", f"PUT of all {size >> 20} MiB, for comparison", "s", digits=2, less=True)


def _ours(server: Running, source: Path, size: int) -> dict[str, float]:
    there, back = server.root / "half.bin", source.with_name("half.back")
    address = url(server, "half.bin")
    whole = timed(lambda: ftlite(server, "put", "-q", source, address))
    there.unlink()
    _killed_at_half(server, ["put", "-q", "--limit-rate", "400M", str(source), address], server.root / ".ftlite", size)
    up, went = _told(server, "put", "-c", "--json", source, address)
    assert there.read_bytes() == source.read_bytes(), "the file that went up in two parts is not the file"
    _killed_at_half(server, ["get", "-q", "--limit-rate", "400M", address, str(back)], back.parent, size)
    down, came = _told(server, "get", "-c", "--json", address, back)
    assert back.read_bytes() == source.read_bytes(), "the file that came down in two parts is not the file"
    there.unlink()
    back.unlink()
    return {"whole": whole, "up": up, "went": went, "down": down, "came": came}


def _environment(server: Running) -> dict[str, str]:
    return os.environ | {"FTLITE_PASSWORD": server.password, "FTLITE_TLS": "off"}


def _killed_at_half(server: Running, words: list[str], where: Path, size: int) -> None:
    """Run a command until half of the bytes are in a part below `where`."""
    command = [sys.executable, "-m", "ftlite", *words]
    with subprocess.Popen(command, cwd=REPOSITORY, env=_environment(server)) as process:
        while process.poll() is None and _largest_part(where) < size // 2:
            time.sleep(0.005)
        assert process.poll() is None, "it was through before it could be cut"
        process.send_signal(signal.SIGKILL)
    until(lambda: held(server.pid) == 0, "that the server sees the end of the session")


def _largest_part(where: Path) -> int:
    sizes = [0]
    for path in where.rglob("*"):
        if ".ftlite" in str(path) and path.is_file():
            sizes.append(path.stat().st_blocks * 512)
    return max(sizes)


def _told(server: Running, *words: str | Path) -> tuple[float, float]:
    """Seconds of a command, and MiB that it says to have moved."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "ftlite", *map(str, words)]
    done = subprocess.run(command, cwd=REPOSITORY, env=_environment(server), capture_output=True, text=True, check=True)
    took = time.perf_counter() - began
    event = next(each for line in done.stdout.splitlines() if (each := json.loads(line)).get("event") != "summary")
    return took, event["bytes"] / 2**20


def _curl(server: Running, source: Path, size: int) -> dict[str, float]:
    there, back = server.root / "half.bin", source.with_name("half.back")
    login, address = f"{server.user}:{server.password}", f"ftp://{server.host}:{server.port}/half.bin"
    whole = timed(lambda: shell("curl", "-sS", "-u", login, "-T", source, address))
    os.truncate(there, size // 2)
    up = timed(lambda: shell("curl", "-sS", "-u", login, "-C", "-", "-T", source, address))
    assert there.read_bytes() == source.read_bytes(), "the file that went up in two parts is not the file"
    with back.open("wb") as file, source.open("rb") as half:
        shutil.copyfileobj(half, file)
    os.truncate(back, size // 2)
    down = timed(lambda: shell("curl", "-sS", "-u", login, "-C", "-", "-o", back, address))
    assert back.read_bytes() == source.read_bytes(), "the file that came down in two parts is not the file"
    there.unlink()
    back.unlink()
    half = size / 2 / 2**20  # curl sends what is missing; that the file is whole has been looked at
    return {"whole": whole, "up": up, "went": half, "down": down, "came": half}
