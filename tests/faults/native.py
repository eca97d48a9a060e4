"""What tests of native faults share: contents, trees of them, what stands somewhere, and clients in this process."""

from __future__ import annotations

import hashlib
import os
import random
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import trio

from ftlite.client import Client, connect
from ftlite.client.errors import ClientError
from tests.faults.support import PATIENCE, pin
from tests.peers.servers import Running

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


@asynccontextmanager
async def client_of(server: Running, host: str, port: int, **terms: Any) -> AsyncIterator[Client]:
    """A native client in this process; without retries and spares unless `terms` say otherwise."""
    terms = {"retries": 0, "stall_timeout": PATIENCE, "dialect": "native", "spares": 0, **terms}
    terms |= {"tls": "off"} if server.certificate is None else {"pin": pin(server)}
    async with connect(host, user=server.user, password=server.password, port=port, **terms) as client:
        yield client


async def soon(condition: Callable[[], object], what: str) -> None:
    """Wait for `condition`, in a trio task."""
    with trio.move_on_after(PATIENCE) as clock:
        while not condition():
            await trio.sleep(0.005)
    assert not clock.cancelled_caught, f"{what}: not within {PATIENCE:g} s"


@contextmanager
def fails() -> Iterator[list[ClientError]]:
    """The block ends by a ClientError, which is in the list afterwards; a success is an error of the test."""
    caught: list[ClientError] = []
    try:
        yield caught
    except ClientError as error:
        caught.append(error)
    else:
        raise AssertionError("nothing failed")


# --- contents ---------------------------------------------------------------------------------------------------------


def make_file(place: Path, chance: random.Random, size: int) -> None:
    place.write_bytes(chance.randbytes(size))


def make_tree(place: Path, chance: random.Random, size: int) -> None:
    """About `size` bytes: one file of half of it, others of all lengths, a program, a link, an empty directory."""
    for name in ("", "bin", "deep", "deep/er", "empty"):
        (place / name).mkdir()
    large = size // 2
    make_file(place / "deep" / "large", chance, large)
    count, left = 12, size - large
    for number in range(count):
        length = left if number == count - 1 else chance.randrange(left // 2)
        make_file(place / ("deep/er" if number % 2 else "") / f"füll {number}", chance, length)
        left -= length
    make_file(place / "bin" / "run", chance, 100)
    (place / "bin" / "run").chmod(0o755)
    (place / "link").symlink_to("deep/large")


def look(place: Path) -> object:
    """What stands at `place`, to be compared: None for nothing, a digest for a file, all of a tree by names."""
    try:
        kind = place.lstat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(kind):
        return f"-> {os.readlink(place)}"
    if stat.S_ISDIR(kind):
        return {name: look(place / name) for name in os.listdir(place)}
    return ("x" if kind & 0o100 else "-") + hashlib.sha256(place.read_bytes()).hexdigest()


def left_over(root: Path) -> list[str]:
    """Parts and staged trees that the store at `root` still has."""
    top = root / ".ftlite"
    return sorted(str(path.relative_to(top)) for path in (top / "parts").glob("*/*"))
