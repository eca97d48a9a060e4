"""Facts and time values: read, written, refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlite.protocol.errors import BadFacts
from ftlite.protocol.facts import Facts, format_facts, format_time, parse_facts, parse_time
from ftlite.protocol.text import decode

SECOND = 1_000_000_000


def test_facts_end_at_the_first_space() -> None:
    facts, rest = parse_facts("Type=file;Size=1;x.new=a=b;  a; b=c")
    assert dict(facts) == {"type": "file", "size": "1", "x.new": "a=b"}
    assert rest == " a; b=c"


def test_names_have_no_case_and_unknown_facts_are_kept() -> None:
    facts, _ = parse_facts("UNIX.Mode=0644;Quux=Zork; x")
    assert facts["unix.mode"] == facts["UNIX.MODE"] == "0644"
    assert facts["quux"] == "Zork"
    assert "QUUX" in facts
    assert len(facts) == 2
    assert "size" not in facts
    assert facts == Facts({"unix.mode": "0644", "quux": "Zork"})


@pytest.mark.parametrize(
    ("text", "facts", "rest"),
    [
        (" x", {}, "x"),
        (" ", {}, ""),
        ("a=; x", {"a": ""}, "x"),
        ("a=1 x", {"a": "1"}, "x"),
        ("a=1;A=1; x", {"a": "1"}, "x"),
    ],
)
def test_the_edges_of_the_grammar(text: str, facts: dict[str, str], rest: str) -> None:
    assert parse_facts(text) == (Facts(facts), rest)


@pytest.mark.parametrize("text", ["", "a=1;", "; x", ";; x", "a x", "a=1;;b=2; x", "=1; x", "a=1;A=2; x"])
def test_what_is_no_fact_is_refused(text: str) -> None:
    with pytest.raises(BadFacts):
        parse_facts(text)


@pytest.mark.parametrize(
    ("name", "value"),
    [("", "x"), ("a=", "x"), ("a;", "x"), ("a b", "x"), ("a", "x y"), ("a", "x;"), ("a", "\r"), ("a", "\0")],
)
def test_what_cannot_be_read_back_is_not_written(name: str, value: str) -> None:
    with pytest.raises(BadFacts):
        format_facts({name: value}, "x")


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_facts_or_bad_facts(data: bytes) -> None:
    try:
        facts, rest = parse_facts(decode(data))
    except BadFacts:
        return
    assert all(name and name == name.lower() for name in facts)
    assert decode(data).endswith(f" {rest}")


clean = st.text(st.characters(blacklist_characters="; =\r\n\0", blacklist_categories=["Cs"]), min_size=1, max_size=8)


@settings(deadline=None)
@given(st.dictionaries(clean.filter(lambda name: name == name.lower()), clean, max_size=5), st.text(max_size=20))
def test_written_facts_are_read_back(facts: dict[str, str], rest: str) -> None:
    assert parse_facts(format_facts(facts, rest)) == (Facts(facts), rest)


@pytest.mark.parametrize(
    ("text", "moment", "nanoseconds"),
    [
        ("20261122101500", (2026, 11, 22, 10, 15), 0),
        ("20261122101500.5", (2026, 11, 22, 10, 15), 500_000_000),
        ("20261122101500.0000000019", (2026, 11, 22, 10, 15), 1),
        ("20240229000000", (2024, 2, 29), 0),
        ("20161231235960", (2017, 1, 1), 0),
        ("00010101000000", (1, 1, 1), 0),
        ("99991231235959", (9999, 12, 31, 23, 59, 59), 0),
        ("191261122101500", (2026, 11, 22, 10, 15), 0),
        ("191000101000000", (2000, 1, 1), 0),
        ("19991231235959", (1999, 12, 31, 23, 59, 59), 0),
    ],
)
def test_times_are_read(text: str, moment: tuple[int, ...], nanoseconds: int) -> None:
    expected = datetime(*moment, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)  # type: ignore[arg-type,misc]
    assert parse_time(text) == (expected.days * 86400 + expected.seconds) * SECOND + nanoseconds


@pytest.mark.parametrize(
    "text",
    ["", "2026112210150", "202611221015000", "20261122101500.", "20261122101500.x", " 20261122101500",
     "20261122101500\n", "20261322101500", "20260230101500", "20261122241500", "20261122106000", "20261122101561",
     "00001122101500", "-2026112210150", "\u0662\u0660261122101500", "199991122101500", "20261122101500Z"],
)  # fmt: skip
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(BadFacts):
        parse_time(text)


FIRST, LAST = parse_time("00010101000000"), parse_time("99991231235959.999999999")


@settings(deadline=None)
@given(st.integers(FIRST, LAST))
def test_written_times_are_read_back(ns: int) -> None:
    assert parse_time(format_time(ns, fraction=True)) == ns
    assert parse_time(format_time(ns)) == ns - ns % SECOND
    assert len(format_time(ns)) == 14


@pytest.mark.parametrize("ns", [FIRST - 1, LAST + 1, 2**90, -(2**90)])
def test_times_beyond_the_calendar_are_not_written(ns: int) -> None:
    with pytest.raises(BadFacts):
        format_time(ns)


@settings(deadline=None)
@given(st.text("0123456789.", max_size=20))
def test_any_digits_are_a_time_or_bad_facts(text: str) -> None:
    try:
        ns = parse_time(text)
    except BadFacts:
        return
    assert FIRST <= ns <= LAST + SECOND
