"""One large file, many small ones, and how soon a command is there. Each measurement takes the stage and gives rows."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping

from benchmarks.process import cpu_seconds
from benchmarks.rows import Measure, Row, Samples, in_rounds
from benchmarks.stage import SMALL_FILES, SMALL_SIZE, Stage
from benchmarks.wire import Control
from tests.peers.servers import REPOSITORY, Running, Tls

__all__ = ["Measure", "Row", "get_clear", "get_tls", "put_clear", "put_tls", "small", "start"]

GIB = 1 << 30


def get_clear(stage: Stage) -> Iterable[Row]:
    samples = _bulk(stage, Tls.OFF, 3 if stage.quick else 15, upload=False)  # a fifth of a second each
    yield samples.row("rate", "GET, clear", "MiB/s", ("of", 1.0))
    yield samples.row("cost", "GET, clear, server's CPU", "s/GiB", ("of", 1.2), mean=True, digits=2, less=True)


def put_clear(stage: Stage) -> Iterable[Row]:
    samples = _bulk(stage, Tls.OFF, 3 if stage.quick else 7, upload=True)
    yield samples.row("rate", "PUT, clear", "MiB/s", ("of", 1.0))
    yield samples.row("cost", "PUT, clear, server's CPU", "s/GiB", ("of", 1.2), mean=True, digits=2, less=True)


def get_tls(stage: Stage) -> Iterable[Row]:
    samples = _bulk(stage, Tls.EXPLICIT, 2 if stage.quick else 5, upload=False)
    yield samples.row("rate", "GET, TLS", "MiB/s", ("of", 1.0))
    yield samples.row("cost", "GET, TLS, server's CPU", "s/GiB", mean=True, digits=2, less=True)


def put_tls(stage: Stage) -> Iterable[Row]:
    samples = _bulk(stage, Tls.EXPLICIT, 2 if stage.quick else 5, upload=True)
    yield samples.row("rate", "PUT, TLS", "MiB/s", ("of", 1.0))
    yield samples.row("cost", "PUT, TLS, server's CPU", "s/GiB", mean=True, digits=2, less=True)


def _bulk(stage: Stage, tls: Tls, rounds: int, *, upload: bool) -> Samples:
    """MiB/s, and the CPU seconds per GiB of all of the server's processes."""
    # Some servers encrypt 100 MiB/s.
    size = stage.size if tls is Tls.OFF else min(stage.size, 256 << 20)

    def take(server: Running) -> Mapping[str, float]:
        control = Control(server)
        spent, began = cpu_seconds(server), time.perf_counter()
        moved = control.store("up.bin", stage.source, size) if upload else control.fetch("large.bin", stage.size - size)
        took = time.perf_counter() - began
        spent = cpu_seconds(server) - spent
        assert moved == size, f"it moved {moved} of {size} bytes"
        if upload:
            assert (server.root / "up.bin").stat().st_size == size
            control.ask("DELE up.bin", 250)
        control.close()
        return {"rate": moved / took / 2**20, "cost": spent / moved * GIB}

    return in_rounds(stage, tls, rounds, take)


def small(stage: Stage) -> Iterator[Row]:
    """Small files over one control connection, EPSV and RETR each; many short rounds, since machines have moods."""
    for tls, label, count in ((Tls.OFF, "clear", 300), (Tls.EXPLICIT, "TLS", 100)):

        def take(server: Running, count: int = count) -> Mapping[str, float]:
            return {"rate": small_rate(server, count)}

        samples = in_rounds(stage, tls, 3 if stage.quick else 15, take)
        yield samples.row("rate", f"4 KiB files, {label}", "files/s", ("pyftpdlib", 1.0))


def small_rate(server: Running, count: int) -> float:
    control = Control(server)
    control.fetch("small0")
    began = time.perf_counter()
    for number in range(count):
        assert control.fetch(f"small{number % SMALL_FILES}") == SMALL_SIZE
    took = time.perf_counter() - began
    control.close()
    return count / took


def start(stage: Stage) -> Iterator[Row]:
    """How long a person waits for `--help`, and for one small file by a whole command."""
    server = stage.server("ftlite", Tls.OFF)
    host, login = f"{server.host}:{server.port}", f"{server.user}:{server.password}"
    back = str(stage.directory / "one")
    module = [sys.executable, "-m", "ftlite"]
    commands = {
        "help": {"python -c pass": [sys.executable, "-c", "pass"], "ftlite": [*module, "--help"]},
        "get": {
            "ftlite": [*module, "get", "-q", f"ftp://{server.user}@{host}/small0", back],
            "curl": ["curl", "-sS", "-u", login, "-o", back, f"ftp://{host}/small0"],
            "lftp": ["lftp", "--norc", "-c", f"set ftp:ssl-allow no; open -u {server.user},{server.password} {host}; "
                     f"set xfer:clobber on; get small0 -o {back}"],
            "ncftp": ["ncftpget", "-c", "-u", server.user, "-p", server.password, "-P", str(server.port), server.host,
                      "small0"],
        },
    }  # fmt: skip
    samples = Samples()
    environment = {
        "FTLITE_PASSWORD": server.password,
        "FTLITE_TLS": "off",
        "PATH": "/usr/bin:/bin",
        "HOME": "/nonexistent",
        "LC_ALL": "C.UTF-8",
    }
    for _ in range(5 if stage.quick else 20):
        for kind, each in commands.items():
            for name, words in each.items():
                if name in samples.troubles:
                    continue
                began = time.perf_counter()
                done = subprocess.run(
                    words, capture_output=True, cwd=REPOSITORY, check=False, env=environment, timeout=20
                )
                if done.returncode:
                    samples.troubles[name] = done.stderr.decode(errors="replace").strip() or str(done.returncode)
                samples.add(name, {kind: (time.perf_counter() - began) * 1000})
    yield samples.row("help", "ftlite --help", "ms", ("most", 80), less=True)
    yield samples.row("get", "a file of 4 KiB by a whole command, login included", "ms", less=True)
