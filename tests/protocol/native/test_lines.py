"""First lines of data connections: their octets, who reads how much of them, and the greeting before."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlite.protocol.errors import BadCommand, BadReply
from ftlite.protocol.native.lines import (
    GREETING_OCTETS,
    LINE_OCTETS,
    PROOF_OCTETS,
    PROVEN_OCTETS,
    FirstLine,
    FirstLineKind,
    GreetingSkipper,
    data_line,
    parse_proof_line,
    proof,
    proof_line,
    proves,
)
from ftlite.protocol.replies import Reply
from tests.protocol.native import given as g

ID, KEY = "8c6f00112233449a", bytes(range(16))
ids = st.text("0123456789abcdef", min_size=16, max_size=16)


def read(data: bytes, most: int = 10**6) -> tuple[FirstLine, bytes]:
    """A server reads from `data` what it asks for, `most` octets at a time; the line, and what is left for others."""
    line = FirstLine()
    while line.wanted and data:
        count = min(line.wanted, most)
        line.feed(data[:count])
        data = data[count:]
    return line, data


def test_the_octets_of_a_line() -> None:
    assert data_line(ID, 1) == b"DATA 8c6f00112233449a.0000000001\r\n"
    assert len(data_line(ID, 2**31 - 1)) == LINE_OCTETS == 34
    assert data_line(ID, 7, "0f" * 32) == b"DATA 8c6f00112233449a.0000000007 " + b"0f" * 32 + b"\r\n"
    assert len(data_line(ID, 7, "0f" * 32)) == PROVEN_OCTETS == 99
    assert proof_line("0f" * 32) == b"PROOF " + b"0f" * 32 + b"\r\n"
    assert len(proof_line("0f" * 32)) == PROOF_OCTETS == 72


def test_a_proof_is_what_the_page_says() -> None:
    said = proof(KEY, ID, 5)
    assert said == hmac.new(KEY, b"8c6f00112233449a.0000000005", hashlib.sha256).hexdigest()
    assert proves(KEY, ID, 5, said)


@given(g.tags, g.tags, st.text(max_size=64))
@settings(deadline=None)
def test_a_proof_is_good_for_its_tag_only(tag: int, other: int, said: str) -> None:
    assert proves(KEY, ID, tag, proof(KEY, ID, other)) == (tag == other)
    assert not proves(KEY, ID, tag, said)
    assert not proves(KEY, "0" * 16, tag, proof(KEY, ID, tag))
    assert not proves(bytes(16), ID, tag, proof(KEY, ID, tag))


@given(ids, g.tags, st.none() | g.hexes, st.binary(max_size=120), st.integers(1, 40))
@settings(deadline=None, max_examples=300)
def test_a_data_line_is_read_and_not_an_octet_more(
    id_: str, tag: int, said: str | None, after: bytes, most: int
) -> None:
    line, left = read(data_line(id_, tag, said) + after, most)
    assert (line.kind, line.id, line.tag, line.proof) == (FirstLineKind.DATA, id_, tag, said)
    assert left == after


@given(st.binary(min_size=1, max_size=120), st.integers(1, 40))
@settings(deadline=None, max_examples=300)
def test_all_that_a_session_said_is_handed_on(data: bytes, most: int) -> None:
    if data.startswith(b"DATA "[: len(data)]):
        return
    line, left = read(data, most)
    assert line.kind is FirstLineKind.SESSION
    assert line.seen + left == data
    assert len(line.seen) <= 5


@pytest.mark.parametrize(
    "data", [b"USER a\r\n", b"DELE x\r\n", b"data " + b"x" * 40, b"DATAx", b"\x16\x03\x01", b"D\r\n"]
)
def test_who_begins_otherwise_is_a_session(data: bytes) -> None:
    assert read(data, 1)[0].kind is FirstLineKind.SESSION


def test_an_undecided_line_wants_more() -> None:
    line, _ = read(b"DAT")
    assert (line.kind, line.wanted) == (None, 2)
    line, _ = read(data_line(ID, 1, "0f" * 32)[:34])
    assert (line.kind, line.wanted) == (None, 65)


@pytest.mark.parametrize(
    "data",
    [
        b"DATA x\r\n",
        b"DATA 8c6f00112233449a.0000000000\r\n",
        b"DATA 8c6f00112233449a.2147483648\r\n",
        b"DATA 8C6F00112233449A.0000000001\r\n",
        b"DATA 8c6f00112233449a 0000000001\r\n",
        b"DATA 8c6f00112233449a.000000001\r\nX",
        b"DATA 8c6f00112233449a.0000000001\nX",
        b"DATA 8c6f00112233449a.00000000011\r",
        b"DATA 8c6f00112233449a.0000000001\rX",
        b"DATA 8c6f00112233449a.0000000001 " + b"0F" * 32 + b"\r\n",
        b"DATA 8c6f00112233449a.0000000001 " + b"0f" * 33,
        b"DATA 8c6f00112233449a.0000000001 " + b"0f" * 31 + b"\r\n..",
        b"DATA 8c6f00112233449a.\xd9\xa1000000001\r",
    ],
)
@pytest.mark.parametrize("most", [1, 7, 1000])
def test_a_data_line_that_is_none(data: bytes, most: int) -> None:
    with pytest.raises(BadCommand):
        read(data, most)


@given(st.binary(max_size=120), st.integers(1, 40))
@settings(deadline=None, max_examples=300)
def test_whatever_follows_the_word_ends_in_a_line_or_one_named_error(rest: bytes, most: int) -> None:
    try:
        line, _ = read(b"DATA " + rest, most)
    except BadCommand:
        return
    assert line.kind is FirstLineKind.DATA or len(rest) < PROVEN_OCTETS - 5
    assert len(line.seen) <= PROVEN_OCTETS


@given(st.binary(max_size=80))
@settings(deadline=None)
def test_a_proof_line_is_read_back(data: bytes) -> None:
    assert parse_proof_line(proof_line("0f" * 32)) == "0f" * 32
    with pytest.raises(BadCommand):
        parse_proof_line(data)


# --- the greeting ---


def skip(data: bytes, most: int) -> tuple[GreetingSkipper, bytes]:
    """A client passes the greeting over in reads of `most` octets; what is left is for others."""
    skipper = GreetingSkipper()
    while data and not skipper.complete:
        block = data[:most]
        used = skipper.feed(block)
        data = data[used:]
        assert used == len(block) or skipper.complete
    return skipper, data


texts = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=20)
greetings = st.builds(Reply, st.integers(100, 599), st.lists(texts, min_size=1, max_size=4).map(tuple))


@given(greetings, st.binary(max_size=40), st.integers(1, 50))
@settings(deadline=None, max_examples=300)
def test_exactly_one_reply_is_passed_over(greeting: Reply, after: bytes, most: int) -> None:
    skipper, left = skip(greeting.encode() + after, most)
    assert (skipper.complete, skipper.code, left) == (True, greeting.code, after)


@pytest.mark.parametrize("data", [b"220\r\n", b"220 \n", b"220-a\r\n220-b\r\n 220 c\r\n220\r\n", b"421-x\n\n\n421 y\n"])
def test_other_forms_of_a_reply(data: bytes) -> None:
    skipper, left = skip(data + b"\x16\x03", 3)
    assert skipper.complete
    assert left == b"\x16\x03"


@pytest.mark.parametrize("data", [b"hello\r\n", b"22 x\r\n", b"2200\r\n", b"620 x\r\n", b"\x16\x03\x01\n", b"\r\n"])
def test_what_is_no_greeting(data: bytes) -> None:
    with pytest.raises(BadReply):
        skip(data, 1)


@pytest.mark.parametrize("most", [1, 100, 10_000])
def test_a_greeting_has_an_end(most: int) -> None:
    fits = b"220 " + b"x" * (GREETING_OCTETS - 6) + b"\r\n"
    assert skip(fits, most)[0].complete
    with pytest.raises(BadReply):
        skip(b"220 x" + fits[4:], most)
    with pytest.raises(BadReply):
        skip(b"220-\r\n" + b"\r\n" * GREETING_OCTETS, most)


@given(st.binary(max_size=100), st.integers(1, 50))
@settings(deadline=None, max_examples=300)
def test_any_octets_are_a_greeting_or_one_named_error(data: bytes, most: int) -> None:
    results = []
    for size in (most, 1000):
        try:
            skipper, left = skip(data, size)
            results.append((skipper.complete, skipper.code, left))
        except BadReply as error:
            results.append((False, None, str(error).encode()))
    assert results[0] == results[1]
