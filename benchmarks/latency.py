"""How soon a small command is answered while the server carries all it can.

`python -m benchmarks.latency HOST PORT USER PASSWORD TLS AUTHORITY SOURCE LANES` is that load: it says `ready` when all
lanes move, and goes on until it is killed.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median, quantiles

from benchmarks.rows import Row, in_rounds
from benchmarks.stage import Stage
from benchmarks.wire import Control
from tests.peers.certificate import Certificate
from tests.peers.servers import REPOSITORY, Running, Tls

_LANES = 8  #: half of them fetch, half of them store
_STORED = 64 << 20
_EVERY = 0.002


def latency(stage: Stage) -> Iterator[Row]:
    for tls, label in ((Tls.OFF, "clear"), (Tls.EXPLICIT, "TLS")):

        def take(server: Running) -> Mapping[str, float]:
            with loaded(server, stage):
                took = _pokes(server, 1.0 if stage.quick else 3.0)
            return {"half": median(took), "most": quantiles(took, n=100)[-1]}

        samples = in_rounds(stage, tls, 1, take, patience=30.0)
        what = f"NOOP beside {_LANES // 2} GETs and {_LANES // 2} PUTs, {label}"
        yield samples.row("half", f"{what}: p50", "ms", digits=2, less=True)
        yield samples.row("most", f"{what}: p99", "ms", ("most", 20), digits=1, less=True)


def _pokes(server: Running, seconds: float) -> list[float]:
    """Milliseconds of each."""
    control = Control(server)
    took, until = [], time.monotonic() + seconds
    while time.monotonic() < until or len(took) < 2:  # some take longer for one
        began = time.perf_counter()
        control.poke()
        took.append((time.perf_counter() - began) * 1000)
        time.sleep(_EVERY)
    control.close()
    return took


@contextlib.contextmanager
def loaded(server: Running, stage: Stage) -> Iterator[None]:
    authority = server.certificate.authority if server.certificate is not None else Path("-")
    words = [
        server.name,
        server.host,
        server.port,
        server.user,
        server.password,
        server.tls.value,
        authority,
        stage.source,
    ]
    command = [sys.executable, "-m", "benchmarks.latency", *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=REPOSITORY, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", "the load did not begin"
            yield
            assert process.poll() is None, "the load broke off"
        finally:
            process.kill()


def _load(server: Running, source: Path) -> None:
    moving = threading.Barrier(_LANES + 1)

    def lane(number: int) -> None:
        try:
            control = Control(server)
            moving.wait(30)
            while True:
                if number % 2:
                    control.store(f"load{number}.bin", source, min(_STORED, source.stat().st_size))
                else:
                    control.fetch("large.bin")
        except BaseException as error:
            print(error, file=sys.stderr, flush=True)
            moving.abort()

    threads = [threading.Thread(target=lane, args=(number,), daemon=True) for number in range(_LANES)]
    for thread in threads:
        thread.start()
    with contextlib.suppress(threading.BrokenBarrierError):
        moving.wait(30)
        print("ready", flush=True)
    while all(thread.is_alive() for thread in threads):
        time.sleep(0.1)
    sys.exit("a lane has ended")


if __name__ == "__main__":
    name, host, port, user, password, tls, authority, source = sys.argv[1:]
    certificate = Certificate(Path(authority), Path(), Path(), Path())
    away = Path()
    _load(Running(name, int(port), away, user, password, Tls(tls), 0, away, certificate, host), Path(source))
