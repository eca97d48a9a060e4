"""How cost grows with the size of a file; with the number of files in a tree: `benchmarks.treetools`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from benchmarks.rows import Row, in_rounds
from benchmarks.stage import Stage
from benchmarks.wire import Control
from tests.peers.servers import Running, Tls

MIB = 1 << 20


def sizes(stage: Stage) -> Iterator[Row]:
    """GET in clear, connect and login included, of files of holes."""
    for size in (1, 64) if stage.quick else (1, 16, 256, 2048, 8192):

        def take(server: Running, size: int = size) -> Mapping[str, float]:
            place = server.root / "holes.bin"
            with place.open("wb") as file:
                file.truncate(size * MIB)
            try:
                began = time.perf_counter()
                control = Control(server)
                moved = control.fetch("holes.bin")
                took = time.perf_counter() - began
                control.close()
                assert moved == size * MIB, f"it moved {moved} bytes"
            finally:
                place.unlink()
            return {"rate": size / took}

        samples = in_rounds(stage, Tls.OFF, 1 if size > 256 else 5, take)
        yield samples.row("rate", f"GET of {size:,} MiB, login included", "MiB/s", series="sizes", at=size)
