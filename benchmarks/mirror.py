"""A mirror of many small files and of a deep tree, beside `lftp mirror` and `rclone sync`; one large file in streams.

Whole commands, in clear. ftlite mirrors to ftlite, and as `ftlite to vsftpd` to the server that the others use. CPU
seconds are those of the client alone.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from attrs import frozen

from benchmarks.native import ftlite, lftp, make_tree, shell, url
from benchmarks.relay import far_away
from benchmarks.rows import OURS, Row, Samples, tolerated
from benchmarks.stage import Stage
from tests.peers.servers import Running, Tls

_DEPTH, _IN_EACH = 60, 5  # directories below one another, files in each
_CHANGED = 100
_PATIENCE = 50.0  # seconds for all steps of one tool
_LONG_AGO = 1_600_000_000
#: What is measured, in this order; each begins where the one before ended.
_STEPS = {
    "up": "up, all new",
    "up again": "up, nothing to do",
    "up changed": f"up, {_CHANGED} files changed",
    "down": "down, all new",
    "down again": "down, nothing to do",
}
_LARGE = 64 << 20
_WINDOW = 512 << 10


@frozen
class _Tool:
    """`up` makes `there` a copy of the tree, `down` makes `back` a copy of `there`."""

    up: Callable[[], object]
    down: Callable[[], object]
    there: Path
    back: Path


def mirror(stage: Stage) -> Iterator[Row]:
    """Both trees there and back by each tool, in turn."""
    count = 1_000 if stage.quick else 5_000
    for kind, make in (("deep", _deep), ("wide", partial(_wide, count=count))):
        tree = stage.directory / f"mirror-{kind}"
        files = make(tree)
        samples = Samples()
        try:
            for number, (name, tool) in enumerate(_tools(stage, tree).items(), start=1):
                with tolerated(samples.troubles, name, _PATIENCE):
                    _measure(samples, name, tool, tree, files, number)
        finally:
            shutil.rmtree(tree)
        what = f"{files:,} files of 4 KiB" if kind == "wide" else f"{files} files {_DEPTH} levels deep"
        for step, words in _STEPS.items():
            yield samples.row(step, f"mirror of {what}: {words}", "s", digits=2, less=True)
            yield samples.row(f"{step} cpu", f"the same: CPU of the client, {words}", "s", digits=2, less=True)


def _wide(tree: Path, count: int) -> int:
    make_tree(tree, count)
    for path in tree.rglob("*"):
        os.utime(path, (_LONG_AGO, _LONG_AGO))
    return count


def _deep(tree: Path) -> int:
    place = tree
    for _ in range(_DEPTH):
        place /= "d"
        place.mkdir(parents=True)
        for number in range(_IN_EACH):
            (place / f"f{number}").write_bytes(os.urandom(4096))
            os.utime(place / f"f{number}", (_LONG_AGO, _LONG_AGO))
    return _DEPTH * _IN_EACH


def _measure(samples: Samples, name: str, tool: _Tool, tree: Path, files: int, number: int) -> None:
    """Every file must have come, and what changed; `number` makes times that no file had before."""
    changed = sorted(path for path in tree.rglob("*") if path.is_file())[:_CHANGED]
    try:
        _take(samples, name, "up", tool.up)
        assert _counted(tool.there) == files, "not every file went up"
        _take(samples, name, "up again", tool.up)
        for path in changed:
            path.write_bytes(os.urandom(5000 + number))  # rclone sees no times on vsftpd
            os.utime(path, (_LONG_AGO + number * 10**6,) * 2)
        _take(samples, name, "up changed", tool.up)
        assert (tool.there / changed[-1].relative_to(tree)).read_bytes() == changed[-1].read_bytes(), "it is an old one"
        _take(samples, name, "down", tool.down)
        assert _counted(tool.back) == files, "not every file came down"
        _take(samples, name, "down again", tool.down)
    finally:
        for place in (tool.there, tool.back):
            shutil.rmtree(place, ignore_errors=True)


def _take(samples: Samples, name: str, step: str, deed: Callable[[], object]) -> None:
    def cpu() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    before, began = cpu(), time.perf_counter()
    deed()
    samples.add(name, {step: time.perf_counter() - began, f"{step} cpu": cpu() - before})


def _counted(root: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(root))


def _tools(stage: Stage, tree: Path) -> dict[str, _Tool]:
    ours, peer = stage.server("ftlite", Tls.OFF), stage.server("vsftpd", Tls.OFF)
    back, name = stage.directory / "mirror-back", tree.name
    hidden = subprocess.run(["rclone", "obscure", peer.password], capture_output=True, text=True, check=False).stdout
    remote = f":ftp,host={peer.host},port={peer.port},user={peer.user},pass={hidden.strip()}:{name}"

    def own(server: Running) -> _Tool:
        there = url(server, name)
        return _Tool(
            lambda: ftlite(server, "mirror", "-q", "-P", "4", tree, there),
            lambda: ftlite(server, "mirror", "-q", "-P", "4", there, back),
            server.root / name,
            back,
        )

    def rclone(source: str | Path, target: str | Path) -> None:
        shell("rclone", "sync", "--config", "/dev/null", "--transfers", "4", "--checkers", "4", source, target)

    return {
        OURS: own(ours),
        "ftlite to vsftpd": own(peer),
        "lftp -P4": _Tool(
            lambda: lftp(peer, f"mirror -R -P4 {tree} {name}"),
            lambda: lftp(peer, f"mirror -P4 {name} {back}"),
            peer.root / name,
            back,
        ),
        "rclone": _Tool(partial(rclone, tree, remote), partial(rclone, remote, back), peer.root / name, back),
    }


def streams(stage: Stage) -> Iterator[Row]:
    """`get -P` of one large file: on loopback, and over long ways whose windows are the limit."""
    for name in (OURS, "vsftpd"):
        yield from _streams(stage, stage.server(name, Tls.OFF))


def _streams(stage: Stage, server: Running) -> Iterator[Row]:
    size = _LARGE
    large = server.root / "streams.bin"
    with large.open("wb") as file:
        for _ in range(size >> 20):
            file.write(os.urandom(1 << 20))
    back = stage.directory / "streams.back"
    try:
        for trip in (0, 100) if stage.quick else (0, 30, 100):
            samples = Samples()
            for _ in range(1 if stage.quick or trip else 2):
                for number in (1, 2, 4):
                    name = OURS if number == 1 else f"-P {number}"
                    with tolerated(samples.troubles, name, 60.0):
                        samples.add(name, {"rate": size / 2**20 / _fetched(server, trip, number, back)})
                        assert back.stat().st_size == size
                    back.unlink(missing_ok=True)
            way = f"{trip} ms away, a window of {_WINDOW >> 10} KiB" if trip else "on loopback"
            yield samples.row("rate", f"{size >> 20} MiB in streams from {server.name}, {way}", "MiB/s", digits=1)
    finally:
        large.unlink()


def _fetched(server: Running, trip: float, number: int, back: Path) -> float:
    """Seconds of one whole command."""
    words = ("get", "-q", "-P", str(number))
    if not trip:
        began = time.perf_counter()
        ftlite(server, *words, url(server, "streams.bin"), back)
        return time.perf_counter() - began
    with far_away(server.host, server.port, trip, window=_WINDOW) as port:
        began = time.perf_counter()
        ftlite(server, *words, f"ftp://{server.user}@127.0.0.1:{port}/streams.bin", back)
        return time.perf_counter() - began
