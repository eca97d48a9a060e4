"""Replies with a tag: what is written is read back, examples of the text, and the table of refusals."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlite.protocol.errors import BadReply
from ftlite.protocol.native.answers import (
    KINDS,
    Answer,
    Begun,
    Moved,
    Refusal,
    Told,
    Working,
    parse_answer,
    refuse,
    untagged,
)
from ftlite.protocol.native.values import Digests
from ftlite.protocol.replies import Reply, ReplyReader, reply
from tests.protocol.native import given as g

H = "0f" * 32
PAGE = Path(__file__).parents[3] / "docs" / "protocol.md"


@pytest.mark.parametrize(
    ("code", "text", "answer"),
    [
        (
            150,
            "tag=1;offset=0;size=5;modify=20261122101500;mode=0644;version=3f1c; build/app.bin",
            Begun(1, "build/app.bin", 0, 5, 1795342500 * 10**9, 0o644, "3f1c"),
        ),
        (150, "tag=3;", Begun(3)),
        (150, f"tag=2;offset=3;sha256={H};stands=1; a", Begun(2, "a", 3, digests=Digests(H), stands=True)),
        (
            150,
            f"tag=4;type=tree;entries=2;inside=7;head={H};comp=zstd; d",
            Begun(4, "d", tree=True, entries=2, inside=7, head=H, comp="zstd"),
        ),
        (150, "tag=1;stage=seal;", Working(1, "seal")),
        (150, "tag=1;stage=seal;left=5; patience", Working(1, "seal", "patience")),
        (226, f"tag=1;bytes=5;size=5;sha256={H}; a b", Moved(1, "a b", 5, size=5, digests=Digests(H))),
        (226, "tag=1;bytes=0;same=1;version=v; a", Moved(1, "a", 0, same=True, version="v")),
        (226, "tag=5;failed=1; a", Moved(5, "a", failed=True)),
        (226, "tag=5;bytes=1;entries=2;size=3;left=4; a", Moved(5, "a", 1, 2, 3, left=4)),
        (213, f"tag=9;type=dir;size=0;version=v;sha256={H}; a", Told(9, "a", "dir", 0, None, "v", Digests(H))),
        (450, "tag=9;kind=timeout; Not in time.", Refusal(9, 450, "timeout", "Not in time.")),
        (503, "tag=9;kind=bad-tag;", Refusal(9, 503, "bad-tag")),
        (559, "tag=9;kind=Never-Heard;x=y; text", Refusal(9, 559, "never-heard", "text")),
        (550, "tag=9; No kind.", Refusal(9, 550, "", "No kind.")),
    ],
)
def test_examples(code: int, text: str, answer: Answer) -> None:
    assert parse_answer(reply(code, text)) == answer


@pytest.mark.parametrize(
    "answer",
    [
        reply(150, "Opening."),
        reply(226, "tag=0; a"),
        reply(226, "tag=1"),
        reply(226, "tag=1;size=x; a"),
        reply(226, "tag=1;size=1 a"),
        reply(226, "tag=1;same=2; a"),
        reply(200, "tag=1; a"),
        reply(331, "tag=1; a"),
        reply(125, "tag=1; a"),
        reply(150, "tag=1;stage=; a"),
        reply(450, "tag=1;kind=a b"),
        Reply(226, ("tag=1; a", "tag=1; b")),
        reply(550, "not-found"),
    ],
)
def test_what_cannot_be_read(answer: Reply) -> None:
    with pytest.raises(BadReply):
        parse_answer(answer)


@given(g.answer)
@settings(deadline=None, max_examples=400)
def test_what_is_written_is_read_back(answer: Answer) -> None:
    assert parse_answer(answer.to_reply()) == answer
    reader = ReplyReader()
    reader.feed(answer.to_reply().encode())
    heard = reader.next()
    assert heard is not None
    assert parse_answer(heard) == answer
    assert reader.pending == b""


@given(st.sampled_from([150, 200, 213, 226, 425, 450, 550, 553]), g.near)
@settings(deadline=None, max_examples=600)
def test_any_reply_gives_an_answer_or_one_named_error(code: int, text: str) -> None:
    try:
        answer = parse_answer(reply(code, text))
    except BadReply:
        return
    assert parse_answer(answer.to_reply()) == answer


def test_line_ends_of_a_text_stay_in_the_line() -> None:
    told = refuse(1, "fault", "disk\r\non fire").to_reply()
    assert told.lines == ("tag=1;kind=fault; disk??on fire",)


def test_the_plain_form() -> None:
    assert Told(None, "a", "file", 3).to_reply() == reply(213, "type=file;size=3; a")
    assert refuse(None, "timeout", "Not in time.").to_reply() == reply(450, "kind=timeout; Not in time.")


@pytest.mark.parametrize("text", ["tag=1; a", "TAG=x", "tag="])
def test_a_reply_without_a_tag_is_never_taken_for_one_with_a_tag(text: str) -> None:
    guarded = untagged(Reply(550, (text, "tag=2")))
    assert not guarded.first.lower().startswith("tag=")
    assert guarded.lines == (f" {text}", "tag=2")
    with pytest.raises(BadReply):
        parse_answer(guarded)


def test_other_replies_are_left_alone() -> None:
    plain = reply(550, "no tag=1;")
    assert untagged(plain) is plain


def test_the_table_of_refusals_is_that_of_the_page() -> None:
    rows = re.findall(r"^\| ([0-9, ]+) \| ((?:`[a-z-]+` ?)+)", PAGE.read_text(), re.MULTILINE)
    said: dict[str, set[int]] = {}
    for codes, kinds in rows:
        for kind in re.findall("`(.*?)`", kinds):
            said.setdefault(kind, set()).update(map(int, codes.split(",")))
    said["unsupported"].add(553)  # s.5: where a file system cannot exchange
    assert set(KINDS) == set(said)
    assert all(set(codes) <= said[kind] for kind, codes in KINDS.items())


def test_a_refusal_where_a_name_was_to_be_made() -> None:
    assert refuse(1, "denied").code == 550
    assert refuse(1, "denied", names_new=True).code == 553
    assert refuse(1, "not-empty", names_new=True).code == 550
