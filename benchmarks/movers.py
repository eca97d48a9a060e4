"""How fast the movers carry one file over loopback, and what it costs.

A child process, doing nothing but blocking socket calls, drains or feeds; the figures are those of this process alone:
MiB of payload per second of wall clock, and seconds of CPU per GiB. Take them as ratios of one run.

    python benchmarks/movers.py [--size MIB] [--directory DIR] [--rounds N]
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import multiprocessing.context
import os
import resource
import socket
import ssl
import tempfile
import time
from pathlib import Path

import trio

from ftlite.movers import Flow, receive_file, receive_hashed, send_file, send_hashed
from ftlite.net.buffered import secure_buffered
from ftlite.net.tls import ServerTls, ensure_self_signed
from ftlite.net.wire import Wire

_CHUNK = 1 << 20


def _peer(port: int, tls: bool, feed: int) -> None:
    """Feed so many bytes, or drain to the end when it is 0."""
    sock = socket.create_connection(("127.0.0.1", port))
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        sock = context.wrap_socket(sock, suppress_ragged_eofs=False)
    buffer = bytearray(_CHUNK)
    if feed:
        for _ in range(feed // _CHUNK):
            sock.sendall(buffer)
        if isinstance(sock, ssl.SSLSocket):
            sock = sock.unwrap()
        sock.shutdown(socket.SHUT_WR)
    while sock.recv_into(buffer):
        pass


async def _connect(
    tls: ServerTls | None, feed: int, *, buffered: bool
) -> tuple[Wire, multiprocessing.context.SpawnProcess]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = multiprocessing.get_context("spawn").Process(
            target=_peer, args=(listener.getsockname()[1], tls is not None, feed)
        )
        peer.start()
        sock, _address = await trio.to_thread.run_sync(listener.accept)
    if tls is None:
        return Wire(sock), peer
    context = tls.session_context()
    context.num_tickets = 0
    secure = secure_buffered if buffered else Wire.secure
    return await secure(sock, context, server_side=True), peer


async def measure(path: Path, size: int, tls: ServerTls | None, *, get: bool, digest: bool, buffered: bool) -> str:
    """One transfer; its figures as text."""
    wire, peer = await _connect(tls, 0 if get else size, buffered=buffered)
    fd = os.open(path, os.O_RDONLY if get else os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    try:
        moved = await _move(wire, fd, size, get=get, digest=digest)
        await wire.finish()
    finally:
        wire.abort()
        os.close(fd)
    elapsed, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    await trio.to_thread.run_sync(peer.join)
    assert moved == size
    user, system = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    gib = size / 2**30
    return f"{size / 2**20 / elapsed:7.0f} MiB/s  {(user + system) / gib:5.2f} CPU s/GiB ({user / gib:.2f} user)"


async def _move(wire: Wire, fd: int, size: int, *, get: bool, digest: bool) -> int:
    flow = Flow()
    if get:
        if digest:
            return (await send_hashed(wire, fd, 0, size, hashlib.sha256(), flow))[0]
        return await send_file(wire, fd, 0, size, flow)
    if digest:
        return (await receive_hashed(wire, fd, 0, hashlib.sha256(), flow))[0]
    return await receive_file(wire, fd, 0, flow)


async def main(size: int, directory: Path, rounds: int) -> None:
    """All ways, each `rounds` times."""
    tls = ServerTls(*ensure_self_signed(directory / "state"), directory / "state")
    source = directory / "source"
    with source.open("wb") as file:
        for _ in range(size // _CHUNK):
            file.write(os.urandom(_CHUNK))
    for name, security in (("clear", None), ("TLS", tls), ("TLS, BIOs", tls)):
        for get in (True, False):
            for digest in (False, True):
                for _ in range(rounds):
                    path = source if get else directory / "target"
                    buffered = name == "TLS, BIOs"
                    figures = await measure(path, size, security, get=get, digest=digest, buffered=buffered)
                    print(f"{name:9} {'GET' if get else 'PUT'}{' sha256' if digest else '':7} ", figures)
                    (directory / "target").unlink(missing_ok=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Throughput and cost of the movers over loopback.")
    parser.add_argument("--size", type=int, default=1024, metavar="MIB")
    parser.add_argument("--directory", type=Path, help="where the files are; default: a temporary directory")
    parser.add_argument("--rounds", type=int, default=2)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.directory) as temporary:
        trio.run(main, chosen.size << 20, Path(temporary), chosen.rounds)
