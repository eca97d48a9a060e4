"""Random mutation of seeds, for where atheris is not installed. The same seed number gives the same inputs."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

_TOKENS = (
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b";",
    b"=",
    b",",
    b"|",
    b'"',
    b"\xff",
    b"\xff\xff",
    b"\xff\xf4",
    b"-",
    b"220 ",
    b"9" * 20,
)


def inputs(seeds: Sequence[bytes], number: int) -> Iterator[bytes]:
    """Inputs without end: first the seeds as they are, then seeds mutated a few times."""
    yield from seeds
    chance = random.Random(number)
    while True:
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 6)):
            _mutate(data, chance, seeds)
        yield bytes(data)


def _mutate(data: bytearray, chance: random.Random, seeds: Sequence[bytes]) -> None:
    at = chance.randint(0, len(data))
    end = min(len(data), at + chance.randint(0, 8))
    match chance.randrange(6):
        case 0:
            del data[at:end]
        case 1:
            data[at:at] = chance.choice(_TOKENS)
        case 2:
            data[at:end] = chance.randbytes(end - at)
        case 3:
            data[at:at] = data[at:end] * chance.randint(1, 4)
        case 4:
            other = chance.choice(seeds)
            data[at:] = other[chance.randint(0, len(other)) :]
        case 5 if at < len(data):
            data[at] ^= 1 << chance.randrange(8)
