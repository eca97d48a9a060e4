"""Files and trees that tell by themselves whether they are whole, and of one piece."""

from __future__ import annotations

import hashlib
import random
import re
from pathlib import Path

_HEAD = re.compile(rb"soak ([0-9a-f]{64}) (\d{12}) ([0-9a-f]{16})\n")
_TREE_FILES = 12


class NotWhole(AssertionError):
    """A published name shows something that nobody put there."""


def make_file(place: Path, chance: random.Random, size: int, mark: bytes | None = None) -> None:
    """`mark` is that of the tree that it belongs to."""
    body = chance.randbytes(size)
    mark = mark or b"%016x" % chance.getrandbits(64)
    place.write_bytes(b"soak %s %012d %s\n" % (hashlib.sha256(body + mark).hexdigest().encode(), size, mark) + body)


def check_file(data: bytes, what: object) -> bytes:
    """The mark of a whole file. Raises NotWhole."""
    head = _HEAD.match(data)
    if head is None:
        raise NotWhole(f"{what}: {len(data)} bytes that begin with {data[:40]!r}")
    body = data[head.end() :]
    if len(body) != int(head[2]) or hashlib.sha256(body + head[3]).hexdigest().encode() != head[1]:
        raise NotWhole(f"{what}: {len(body)} of {int(head[2])} bytes, or others")
    return head[3]


def make_tree(place: Path, chance: random.Random) -> None:
    """Files in directories, all with one mark; how many, tells the name of a directory."""
    mark, count = b"%016x" % chance.getrandbits(64), chance.randint(1, _TREE_FILES)
    (place / f"n{count}").mkdir(parents=True)
    for number in range(count):
        directory = place / f"d{number % 3}"
        directory.mkdir(exist_ok=True)
        make_file(directory / f"file{number}", chance, chance.choice((0, 100, 5_000, 300_000)), mark)


def check_tree(place: Path) -> None:
    """Raises NotWhole unless it is one of those trees, and not two mixed or a part of one; FileNotFoundError if it
    went away meanwhile."""
    files = [path for path in place.rglob("*") if path.is_file()]
    counts = [int(path.name[1:]) for path in place.glob("n*")]
    if counts != [len(files)]:
        raise NotWhole(f"{place}: {len(files)} files of {counts}")
    marks = {check_file(path.read_bytes(), path) for path in files}
    if len(marks) != 1:
        raise NotWhole(f"{place}: files of {len(marks)} trees")
