"""What distance costs: the first byte, a file, and small files, over round trips that a relay makes long.

The relay delays and limits nothing: no packet is lost and no window has to grow, so rates over it are an upper bound
for everybody. All is in clear.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from functools import partial
from statistics import median

import trio

from benchmarks.relay import far_away
from benchmarks.rows import OURS, Row, Samples, tolerated
from benchmarks.stage import SMALL_FILES, Stage
from benchmarks.wire import Control, drain, finish
from ftlite import connect
from tests.peers.servers import Running, Tls

_SIZE = 32 << 20
_LANES = 16


def distance(stage: Stage) -> Iterator[Row]:
    """Peers by the bare client, which waits for every reply; ftlite by its own, natively, dialling ahead."""
    for trip in (50,) if stage.quick else (10, 50, 150):
        samples = Samples()
        for name in stage.names:
            with tolerated(samples.troubles, name, 30.0):
                server = stage.server(name, Tls.OFF)
                with far_away(server.host, server.port, trip) as port:
                    take = (
                        partial(trio.run, _native, server, port, stage)
                        if name == OURS
                        else partial(_stock, server, port)
                    )
                    samples.add(name, take())
        more = {"series": "far-first", "at": trip}
        yield samples.row("first", f"first byte of a GET, {trip} ms away", "ms", ("of", 1.0), less=True, **more)
        more["series"] = "far-rate"
        what = f"a file of {_SIZE >> 20} MiB, {trip} ms away"
        yield samples.row("rate", what, "MiB/s", ("of", 1.0), digits=1, **more)
        more["series"] = "far-small"
        yield samples.row("small", f"4 KiB files, {trip} ms away", "files/s", ("of", 1.0), digits=1, **more)


def _stock(server: Running, port: int) -> Mapping[str, float]:
    control = Control(server, port)
    (server.root / "far.bin").write_bytes(bytes(_SIZE))
    first = []
    for _ in range(3):
        began = time.perf_counter()
        data = control.begin("RETR small0")
        assert data.recv(1)
        first.append((time.perf_counter() - began) * 1000)
        drain(data)
        finish(data)
        control.reply(226)
    began = time.perf_counter()
    assert control.fetch("far.bin") == _SIZE
    rate = _SIZE / 2**20 / (time.perf_counter() - began)
    began, count = time.perf_counter(), 5
    for number in range(count):
        control.fetch(f"small{number}")
    small = count / (time.perf_counter() - began)
    control.close()
    return {"first": median(first), "rate": rate, "small": small}


async def _native(server: Running, port: int, stage: Stage) -> Mapping[str, float]:
    (server.root / "far.bin").write_bytes(bytes(_SIZE))
    first = []
    address = f"ftp://{server.user}@{server.host}:{port}"
    async with connect(address, password=server.password, tls="off", dialect="native") as client:
        place = stage.directory / "far"
        place.mkdir(exist_ok=True)
        await client.get("small0", place / "warm")
        for _ in range(3):
            await trio.sleep(0.5)  # until a data connection stands ahead, as between two files that a person asks for
            began = time.perf_counter()
            async with client.download("small0") as download:
                await anext(aiter(download))
                first.append((time.perf_counter() - began) * 1000)
                async for _rest in download:
                    pass
        began = time.perf_counter()
        await client.get_stream("far.bin", lambda block: None)  # dropped, as the bare client does, but verified
        rate = _SIZE / 2**20 / (time.perf_counter() - began)
        count = 10 * _LANES
        numbers = iter(range(count))

        async def fetch(lane: int) -> None:
            for number in numbers:
                await client.get(f"small{number % SMALL_FILES}", place / f"{lane}")

        began = time.perf_counter()
        async with trio.open_nursery() as nursery:
            for lane in range(_LANES):
                nursery.start_soon(fetch, lane)
        small = count / (time.perf_counter() - began)
    return {"first": median(first), "rate": rate, "small": small}
