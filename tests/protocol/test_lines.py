"""Lines within a limit, and Telnet out of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlite.protocol.errors import LineTooLong
from ftlite.protocol.lines import LineSplitter
from tests.protocol.pieces import cuts, outcomes, same_however_fed, wire

TOO_LONG = (LineTooLong, "a line may have 12 bytes")


def lines(data: bytes, limit: int = 12, telnet: bool = True) -> list[object]:
    return outcomes(LineSplitter(limit, telnet), [data])


def test_crlf_and_bare_lf_end_a_line() -> None:
    assert lines(b"a\r\nb\n\r\n\nc\r\rd\n") == [b"a", b"b", b"", b"", b"c\r\rd"]


def test_one_cr_belongs_to_the_end_and_no_more() -> None:
    assert lines(b"a\r\r\n") == [b"a\r"]


@pytest.mark.parametrize(("length", "fits"), [(9, True), (10, True), (11, False), (5000, False)])
def test_the_limit_counts_the_end(length: int, fits: bool) -> None:
    line = b"x" * length
    assert lines(line + b"\r\nnext\r\n") == [line if fits else TOO_LONG, b"next"]


def test_a_long_line_is_told_before_it_ends_and_only_once() -> None:
    splitter = LineSplitter(12, telnet=False)
    for _ in range(1000):
        splitter.feed(b"x" * 100)
        assert len(splitter.pending) <= 12 + 2
    with pytest.raises(LineTooLong):
        splitter.next()
    assert splitter.next() is None
    splitter.feed(b"x\nok\n")
    assert splitter.next() == b"ok"


@given(wire, cuts, st.booleans())
@settings(deadline=None)
def test_the_same_however_it_arrives(data: bytes, where: list[int], telnet: bool) -> None:
    for line in same_however_fed(lambda: LineSplitter(12, telnet), data, where):
        assert line == TOO_LONG or (b"\n" not in line and len(line) < 12)


@given(st.lists(st.binary(max_size=30).filter(lambda line: b"\n" not in line and not line.endswith(b"\r"))))
@settings(deadline=None)
def test_lines_come_back(sent: list[bytes]) -> None:
    doubled = b"".join(line.replace(b"\xff", b"\xff\xff") + b"\r\n" for line in sent)
    assert lines(doubled, limit=64) == sent
    assert lines(b"".join(line + b"\r\n" for line in sent), limit=64, telnet=False) == sent


@given(wire, st.booleans())
@settings(deadline=None)
def test_pending_tells_whether_anything_came(data: bytes, telnet: bool) -> None:
    splitter = LineSplitter(64, telnet)
    assert outcomes(splitter, [b"AUTH TLS\r\n"]) == [b"AUTH TLS"]
    assert splitter.pending == b""
    splitter.feed(data.replace(b"\xff", b"") + b"x")
    assert splitter.pending != b""


def test_pending_holds_unread_lines_and_the_rest() -> None:
    splitter = LineSplitter(64, telnet=True)
    splitter.feed(b"AUTH TLS\r\nUSER x\r\nPA")
    assert splitter.next() == b"AUTH TLS"
    assert splitter.pending == b"USER x\nPA"


def test_a_torn_telnet_command_is_pending() -> None:
    splitter = LineSplitter(64, telnet=True)
    splitter.feed(b"\xff")
    assert splitter.pending
    splitter.feed(b"\xf1")
    assert not splitter.pending


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"\xff\xf4\xff\xf2ABOR\r\n", b"ABOR"),  # Synch in line
        (b"\xff\xf4\xf2ABOR\r\n", b"ABOR"),  # Synch whose urgent byte went out of band
        (b"AB\xff\xf1OR\r\n", b"ABOR"),  # NOP in between
        (b"RETR \xff\xff\r\n", b"RETR \xff"),
        (b"\xff\xfb\x01\xff\xfd\x03NOOP\r\n", b"NOOP"),
        (b"\xff\xfa\x18\x01\r\n\xff\xff\xff\xf0NOOP\r\n", b"NOOP"),  # a subnegotiation swallows line ends
        (b"a\xf2b\r\n", b"a\xf2b"),  # no Telnet at all
        (b"RETR \xffx\xff\r\n", b"RETR \xffx\xff"),  # a client that does not double byte 255
        (b"a\xff\xefb\r\n", b"ab"),  # EOR, a command since RFC 885
    ],
)
def test_telnet_is_taken_out(data: bytes, line: bytes) -> None:
    assert lines(data, limit=64) == [line]
    assert same_however_fed(lambda: LineSplitter(64, True), data, []) == [line]


def test_negotiation_is_refused_once() -> None:
    splitter = LineSplitter(64, telnet=True)
    splitter.feed(b"\xff\xfb\x01\xff\xfd\x03\xff\xfc\x05\xff\xfe\x06")
    assert splitter.answers() == b"\xff\xfe\x01\xff\xfc\x03"
    assert splitter.answers() == b""


def test_refusals_are_bounded() -> None:
    splitter = LineSplitter(64, telnet=True)
    splitter.feed(b"\xff\xfd\x01" * 100_000)
    assert 0 < len(splitter.answers()) <= 600


def test_without_telnet_byte_255_is_a_byte() -> None:
    splitter = LineSplitter(64, telnet=False)
    splitter.feed(b"\xff\xfd\x01\r\n")
    assert splitter.next() == b"\xff\xfd\x01"
    assert splitter.answers() == b""
