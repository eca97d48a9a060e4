"""Filters and their facts; what globs mean is in tests/cli/test_filters.py too, where people write them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlite.protocol.errors import BadFacts
from ftlite.protocol.native.globs import Glob
from ftlite.protocol.native.patterns import MOST, Filter, format_patterns, parse_patterns
from tests.protocol.native import given as g


@given(g.patterns)
@settings(deadline=None)
def test_patterns_are_read_back(patterns: tuple[str, ...]) -> None:
    text = format_patterns(patterns)
    assert re.fullmatch(r"(?:[0-9A-Za-z._*?/,-]|%[0-9A-F]{2})*", text)
    assert parse_patterns(text) == patterns


@pytest.mark.parametrize(
    ("text", "patterns"),
    [("", ()), ("*.o", ("*.o",)), ("%2a%5Ba%5d,%2C", ("*[a]", ",")), ("%C3%A4,%ff", ("ä", "\udcff"))],
)
def test_examples(text: str, patterns: tuple[str, ...]) -> None:
    assert parse_patterns(text) == patterns


@pytest.mark.parametrize("text", [",", "a,", ",a", "%", "%4", "%zz", "[a]", "a b", "ä", "~", "%%41", "a=b", "a;b"])
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(BadFacts):
        parse_patterns(text)


@given(st.text("ab,%4[*ä", max_size=12))
@settings(deadline=None)
def test_any_value_gives_patterns_or_one_named_error(text: str) -> None:
    try:
        patterns = parse_patterns(text)
    except BadFacts:
        return
    assert parse_patterns(format_patterns(patterns)) == patterns


def test_an_empty_pattern_cannot_be_sent() -> None:
    with pytest.raises(BadFacts):
        format_patterns(["a", ""])


def test_there_is_a_bound() -> None:
    assert len(parse_patterns(",".join(["a"] * MOST))) == MOST
    with pytest.raises(BadFacts, match="64"):
        parse_patterns(",".join(["a"] * (MOST + 1)))


def test_a_filter() -> None:
    assert not Filter()
    assert Filter()("any/thing", False)
    keep = Filter(["*.py"], ["build/"])
    assert keep
    assert (keep.include, keep.exclude) == (("*.py",), ("build/",))
    assert [keep(*at) for at in [("a/b.py", False), ("b.c", False), ("a", True), ("a/build", True)]] == [
        True, False, True, False
    ]  # fmt: skip


# --- both ways to match a glob say the same ---


def slowly(glob: str, path: str) -> bool:
    """What globs mean, letter by letter, in a time that may grow with both."""
    if not glob:
        return not path
    if glob.startswith("**/"):
        ends = [at + 1 for at, char in enumerate(path) if char == "/"]
        return any(slowly(glob[3:], path[end:]) for end in [0, *ends])
    if glob.startswith("**"):
        return any(slowly(glob[2:], path[at:]) for at in range(len(path) + 1))
    if glob.startswith("*"):
        reach = path.find("/") if "/" in path else len(path)
        return any(slowly(glob[1:], path[at:]) for at in range(reach + 1))
    if not path:
        return False
    if glob[0] == "?":
        return path[0] != "/" and slowly(glob[1:], path[1:])
    return glob[0] == path[0] and slowly(glob[1:], path[1:])


@given(st.text("ab/**?.", max_size=9), st.text("ab/.\n", max_size=9))
@settings(deadline=None, max_examples=1000)
def test_globs_mean_what_they_say(glob: str, path: str) -> None:
    meant = slowly(glob, path)
    made = Glob(glob)
    assert made.matches(path) is meant
    assert (made._expression.fullmatch(path) is not None) is meant
    assert made._automaton.matches(path) is meant


@given(st.text("ab-]/[!^*?\\.ä", max_size=9), st.text("ab-]/\\.ä", max_size=6))
@settings(deadline=None, max_examples=1000)
def test_sets_mean_the_same_both_ways(glob: str, path: str) -> None:
    made = Glob(glob)
    assert (made._expression.fullmatch(path) is not None) is made._automaton.matches(path)


@pytest.mark.parametrize(
    ("glob", "path"),
    [
        ("*a" * 1000 + "b", "a" * 255),
        ("**a" * 1000 + "b", "a/" * 2000),
        ("**/a" * 1000 + "b", "a/" * 2000),
        ("*" * 4000 + "**/" * 1000 + "b", "a/" * 2000),
        ("a*/" * 1000 + "b", "aa/" * 1300),
    ],
)
def test_no_glob_takes_for_ever(glob: str, path: str) -> None:
    assert not Glob(glob).matches(path)  # a regular expression alone would not come back


def test_an_automaton_does_not_grow_with_what_it_sees() -> None:
    made = Glob("*a*b*c*d")
    for at in range(3000):
        made.matches(chr(0x4E00 + at) * 100 + "abcd")
    assert made.matches("x" * 100 + "a/bcd") is False
    assert made.matches("x" * 100 + "abcd") is True
    assert len(made._automaton._moves) <= 1000
