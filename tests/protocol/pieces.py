"""Feeding the same bytes whole and in pieces: the outcome of a parser must not depend on how they arrive."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from hypothesis import strategies as st

from ftlite.protocol.errors import ProtocolError


class Parser(Protocol):
    """What `LineSplitter` and `ReplyReader` have in common."""

    def feed(self, data: bytes, /) -> None: ...

    def next(self) -> Any: ...


def outcomes(parser: Parser, chunks: list[bytes]) -> list[Any]:
    """Everything that `parser` makes of `chunks`: values, and errors by kind and text. Other errors go through."""
    seen: list[Any] = []
    for chunk in chunks:
        parser.feed(chunk)
        while True:
            try:
                value = parser.next()
            except ProtocolError as error:
                seen.append((type(error), str(error)))
                continue
            if value is None:
                break
            seen.append(value)
    return seen


def bytewise(data: bytes) -> list[bytes]:
    """`data` one byte at a time."""
    return [data[at : at + 1] for at in range(len(data))]


def torn(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    """`data` cut at `cuts`, taken modulo its length."""
    places = sorted({cut % (len(data) + 1) for cut in cuts})
    for start, end in zip([0, *places], [*places, len(data)], strict=True):
        yield data[start:end]


def same_however_fed(make: Callable[[], Parser], data: bytes, cuts: list[int]) -> list[Any]:
    """Check that `data` gives the same outcomes whole, byte by byte and torn; return them."""
    whole = outcomes(make(), [data])
    assert outcomes(make(), bytewise(data)) == whole
    assert outcomes(make(), list(torn(data, cuts))) == whole
    return whole


#: Bytes in which line ends, Telnet and codes are as frequent as a parser fears.
wire = st.lists(
    st.one_of(
        st.binary(max_size=6),
        st.sampled_from(
            [b"\r\n", b"\n", b"\r", b"\0", b"\xff", b"\xff\xf4\xff\xf2", b"\xff\xfa", b"\xff\xf0", b"\xff\xff"]
        ),
        st.sampled_from([b"220 ", b"220-", b"220", b" 220 ", b"226 x", b"RETR a", b"PASS ", b"USER "]),
    ),
    max_size=40,
).map(b"".join)

cuts = st.lists(st.integers(0, 200), max_size=6)
