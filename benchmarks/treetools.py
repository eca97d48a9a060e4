"""A tree up and down by the whole commands of many tools, and how that grows with the number of its files.

lftp, rclone and ncftp talk to vsftpd, rsync to a daemon of its own, tar to tar through a pipe without any network, and
ftlite to ftlite; all in clear.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from attrs import frozen

from benchmarks.native import ftlite, lftp, make_tree, shell, timed, url
from benchmarks.rows import Row, Samples, tolerated
from benchmarks.stage import Stage
from tests.peers.process import await_greeting, running
from tests.peers.servers import Tls
from tests.ports import free_ports

#: Files that a tool is asked for at most: some would take all day for more.
_MOST = {"ncftp": 1_000, "rclone": 1_000, "lftp -P4": 10_000}


@frozen
class _Tool:
    """`up` makes `there` a copy of the tree, `down` makes `back` a copy of `there`."""

    up: Callable[[], object]
    down: Callable[[], object]
    there: Path
    back: Path


def files(stage: Stage) -> Iterator[Row]:
    for count in (100, 1_000) if stage.quick else (100, 1_000, 10_000, 100_000):
        tree = stage.directory / f"files{count}"
        make_tree(tree, count)
        samples = Samples()
        try:
            with _rsync_daemon(stage) as port:
                for _ in range(1 if stage.quick or count > 1_000 else 3):
                    for name, tool in _tools(stage, tree, port).items():
                        if count <= _MOST.get(name, count) and name not in samples.troubles:
                            with tolerated(samples.troubles, name, 60.0):
                                samples.add(name, _there_and_back(tool, count))
        finally:
            shutil.rmtree(tree)
        for way in ("up", "down"):
            what = f"a tree of {count:,} files of 4 KiB, {way}"
            yield samples.row(way, what, "s", digits=2, less=True, series=f"{way}-files", at=count)


def _there_and_back(tool: _Tool, count: int) -> dict[str, float]:
    """Seconds each way; every file must have come."""
    try:
        took = {"up": timed(tool.up)}
        assert _counted(tool.there) == count, "not every file went up"
        took["down"] = timed(tool.down)
        assert _counted(tool.back) == count, "not every file came down"
        return took
    finally:
        for place in (tool.there, tool.back):
            shutil.rmtree(place, ignore_errors=True)


def _counted(root: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(root))


def _tools(stage: Stage, tree: Path, rsync_port: int) -> dict[str, _Tool]:
    ours, peer = stage.server("ftlite", Tls.OFF), stage.server("vsftpd", Tls.OFF)
    back, plain, name = stage.directory / "files-back", stage.directory / "plain", tree.name
    login = ("-u", peer.user, "-p", peer.password, "-P", str(peer.port))
    hidden = subprocess.run(["rclone", "obscure", peer.password], capture_output=True, text=True, check=False).stdout
    remote = f":ftp,host={peer.host},port={peer.port},user={peer.user},pass={hidden.strip()}:{name}"
    module = f"rsync://127.0.0.1:{rsync_port}/all/{name}"

    def tar(source: Path, target: Path) -> None:
        shell("sh", "-c", f"mkdir -p '{target}' && tar -C '{source}' -cf - . | tar -C '{target}' -xf -")

    def ncftp_down() -> None:
        back.mkdir()
        shell("ncftpget", "-R", *login, peer.host, back, f"/{name}")

    return {
        "tar to tar": _Tool(lambda: tar(tree, plain / name), lambda: tar(plain / name, back), plain / name, back),
        "rsync": _Tool(
            lambda: shell("rsync", "-a", f"{tree}/", f"{module}/"),
            lambda: shell("rsync", "-a", f"{module}/", f"{back}/"),
            plain / name,
            back,
        ),
        "ftlite": _Tool(
            lambda: ftlite(ours, "put", "-r", "-q", tree, url(ours, name)),
            lambda: ftlite(ours, "get", "-r", "-q", url(ours, name), back),
            ours.root / name,
            back,
        ),
        "lftp -P4": _Tool(
            lambda: lftp(peer, f"mirror -R -P4 {tree} {name}"),
            lambda: lftp(peer, f"mirror -P4 {name} {back}"),
            peer.root / name,
            back,
        ),
        "rclone": _Tool(
            lambda: shell("rclone", "copy", "--config", "/dev/null", tree, remote),
            lambda: shell("rclone", "copy", "--config", "/dev/null", remote, back),
            peer.root / name,
            back,
        ),
        "ncftp": _Tool(
            lambda: shell("ncftpput", "-R", *login, peer.host, "/", tree), ncftp_down, peer.root / name, back
        ),
    }


@contextlib.contextmanager
def _rsync_daemon(stage: Stage) -> Iterator[int]:
    """Its port; one module, "all", is the directory "plain"."""
    port, plain = free_ports(), stage.directory / "plain"
    plain.mkdir(exist_ok=True)
    configuration = stage.directory / "rsyncd.conf"
    configuration.write_text(f"use chroot = no\nuid = 0\ngid = 0\n[all]\npath = {plain}\nread only = no\n")
    command = ["rsync", "--daemon", "--no-detach", f"--config={configuration}", "--address=127.0.0.1", f"--port={port}"]
    log = stage.directory / "rsync.log"
    with running(command, log) as process:
        await_greeting(process, port, log, implicit=False)
        yield port
