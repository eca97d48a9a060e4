"""Replies: what is written is what is read, whatever the text looks like."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlite.protocol.errors import BadReply, LineTooLong, ProtocolError
from ftlite.protocol.replies import Reply, ReplyReader, reply
from ftlite.protocol.text import decode
from tests.protocol.pieces import bytewise, cuts, outcomes, same_however_fed, wire

codes = st.integers(100, 599)
nasty = st.one_of(
    st.sampled_from(
        ["226 x", "226-x", "226", " 226 x", "  226 x", "", " ", "211 End", "-", "999 y", "\x00", "\r\n", "a\nb"]
    ),
    st.text(max_size=12),
    st.binary(max_size=12).map(decode),
    st.tuples(codes, st.sampled_from([" ", "-", ""]), st.text(max_size=5)).map(lambda t: f"{t[0]}{t[1]}{t[2]}"),
)
replies = st.builds(
    Reply,
    codes,
    st.lists(nasty.filter(lambda text: not re.search("[\r\n\0\ud800-\udc7f\udd00-\udfff]", text)), min_size=1).map(
        tuple
    ),
)


@given(st.lists(replies, max_size=5), cuts)
@settings(deadline=None)
def test_what_is_written_is_read(sent: list[Reply], where: list[int]) -> None:
    data = b"".join(each.encode() for each in sent)
    assert same_however_fed(ReplyReader, data, where) == sent


@given(codes, st.lists(nasty.filter(lambda text: not re.search("[\ud800-\udc7f\udd00-\udfff]", text)), min_size=1))
@settings(deadline=None)
def test_any_text_makes_one_reply(code: int, lines: list[str]) -> None:
    data = reply(code, *lines).encode()
    assert data.endswith(b"\r\n")
    assert data.count(b"\n") == data.count(b"\r") == len(lines)
    assert b"\0" not in data
    # A reader that knows nothing but RFC 959 finds the same end.
    found = [at for at, line in enumerate(data.split(b"\r\n")) if line.startswith(b"%d " % code)]
    assert found == [len(lines) - 1]


@given(wire, cuts)
@settings(deadline=None)
def test_any_bytes_give_replies_or_one_named_error(data: bytes, where: list[int]) -> None:
    for each in same_however_fed(lambda: ReplyReader(40, 4), data, where):
        assert isinstance(each, Reply) or issubclass(each[0], ProtocolError)


def test_the_letter() -> None:
    assert reply(220, "ready").encode() == b"220 ready\r\n"
    assert reply(220, "").encode() == b"220 \r\n"
    assert reply(211, "Features:", " SIZE", "End").encode() == b"211-Features:\r\n SIZE\r\n211 End\r\n"
    assert reply(226, "a", "226 x", "b").encode() == b"226-a\r\n 226 x\r\n226 b\r\n"
    assert reply(250, "a\r\nb\0").encode() == b"250 a??b?\r\n"
    assert reply(550, decode(b"\xff: no")).encode() == b"550 \xff\xff: no\r\n"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"220\r\n", reply(220, "")),
        (b"220 a\n", reply(220, "a")),
        (b"220-a\r\n220-b\r\n220 c\r\n", reply(220, "a", "b", "c")),
        (b"220-a\r\n221 b\r\n220-\r\n\r\n220\r\n", reply(220, "a", "221 b", "", "", "")),
        (b"230-\r\n230 b\r\n", reply(230, "", "b")),
        (b"211-f\r\n SIZE\r\n211 End\r\n", reply(211, "f", " SIZE", "End")),
        (b"\xff\xfb\x01220 a\r\n", reply(220, "a")),
    ],
)
def test_both_forms_are_read(data: bytes, expected: Reply) -> None:
    assert outcomes(ReplyReader(), [data]) == [expected]


@pytest.mark.parametrize(
    "line", [b"", b"hello", b"22 x", b"2200 x", b"099 x", b"600 x", b"220x", b" 220 x", b"22\xb2 x", b"220\tx"]
)
def test_what_is_no_reply(line: bytes) -> None:
    (kind, _), after = outcomes(ReplyReader(), [line + b"\r\n200 ok\r\n"])
    assert kind is BadReply
    assert after == reply(200, "ok")


def test_limits() -> None:
    ((kind, _),) = outcomes(ReplyReader(limit=64), [b"220 " + b"x" * 64])
    assert kind is LineTooLong
    reader = ReplyReader(most_lines=5)
    assert outcomes(reader, [b"220-a\r\nb\r\nc\r\nd\r\n220 e\r\n"]) == [reply(220, "a", "b", "c", "d", "e")]
    first = outcomes(reader, [b"220-a\r\n" + b"x\r\n" * 5])[0]
    assert first == (BadReply, "a reply may have 5 lines")


@pytest.mark.parametrize(
    ("code", "name"),
    [(150, "preliminary"), (226, "completed"), (350, "intermediate"), (426, "refused"), (550, "failed")],
)
def test_one_class_each(code: int, name: str) -> None:
    names = ("preliminary", "completed", "intermediate", "refused", "failed")
    assert [each for each in names if getattr(reply(code, "x"), each)] == [name]


def test_parts_of_a_reply() -> None:
    whole = reply(211, "a", "b", "c")
    assert (whole.first, whole.last, whole.text) == ("a", "c", "a\nb\nc")


@pytest.mark.parametrize(("code", "lines"), [(99, ("x",)), (600, ("x",)), (200, ())])
def test_a_reply_that_cannot_be(code: int, lines: tuple[str, ...]) -> None:
    with pytest.raises(ValueError):
        Reply(code, lines)


def test_pending_sees_a_reply_read_in_part() -> None:
    reader = ReplyReader()
    outcomes(reader, bytewise(b"220-a\r\nb\r\n"))
    assert reader.pending
    outcomes(reader, [b"220 c\r\n"])
    assert not reader.pending


def test_telnet_of_a_server_is_answered() -> None:
    reader = ReplyReader()
    reader.feed(b"\xff\xfd\x03220 a\r\n")
    assert reader.answers() == b"\xff\xfc\x03"
