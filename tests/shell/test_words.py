"""Lines, read as sh reads them."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ftlite.cli.patterns import unescape
from ftlite.shell.errors import BadLine, Unfinished
from ftlite.shell.words import Statement, When, Word, parse, quote, split

WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ls -l a", ["ls", "-l", "a"]),
        ("  ls\t 'one word' ", ["ls", "one word"]),
        (r"a\ b \# \'", ["a b", "#", "'"]),
        (r'"a \"b\" \x $c" d', [r'a "b" \x $c', "d"]),
        ("a'b'\"c\"", ["abc"]),
        ("ls # comment", ["ls"]),
        ("a#b", ["a#b"]),
        ("get '' x", ["get", "", "x"]),
        ("größe 文件", ["größe", "文件"]),
        ("one \\\n two", ["one", "two"]),
        ("on\\\ne", ["one"]),
    ],
)
def test_words(line: str, words: list[str]) -> None:
    assert split(line) == words


@given(st.lists(WORDS, min_size=1, max_size=5))
@example(["-x"])
@example([""])
def test_what_is_quoted_is_read_back(words: list[str]) -> None:
    (read,) = parse(" ".join(quote(word) for word in words))
    assert list(read.words) == words
    assert all(word.pattern is None for word in read.words)


@given(st.lists(st.text(st.sampled_from("ab *?[]'\"\\ \t"), max_size=8), max_size=4))
def test_plain_lines_mean_what_they_mean_to_shlex(parts: list[str]) -> None:
    line = " ".join(parts)
    try:
        expected = shlex.split(line)
    except ValueError:
        with pytest.raises(Unfinished):
            parse(line)
        return
    assert split(line) == expected


@given(st.text(st.sampled_from("ab *?[]'\"\\"), max_size=12))
def test_a_pattern_without_its_escapes_is_the_word(line: str) -> None:
    try:
        words = split(line)
    except Unfinished:
        return
    for word in words:
        if word.pattern is not None:
            assert unescape(word.pattern).replace("[", "").replace("]", "") == word.replace("[", "").replace("]", "")


@given(st.text(max_size=60), st.booleans())
def test_any_text_is_read_or_refused(line: str, batch: bool) -> None:
    try:
        read = parse(line, batch=batch)
    except BadLine:
        return
    assert all(one.words or one.outside for one in read)


def test_what_is_quoted_is_no_pattern() -> None:
    plain, quoted, escaped, mixed = split(r"""*.whl '*.whl' \*.whl a'*'b*""")
    assert [word.pattern for word in (plain, quoted, escaped, mixed)] == ["*.whl", None, None, "a[*]b*"]
    assert str(plain) is plain


@pytest.mark.parametrize(
    ("line", "statements"),
    [
        ("a; b", [Statement("a", (Word("a"),)), Statement("b", (Word("b"),))]),
        ("a\nb\n\n", [Statement("a", (Word("a"),)), Statement("b", (Word("b"),))]),
        ("a && b || c", [Statement("a", (Word("a"),)), Statement("b", (Word("b"),), When.AND),
                         Statement("c", (Word("c"),), When.OR)]),
        ("a & b", [Statement("a", (Word("a"),), background=True), Statement("b", (Word("b"),))]),
        ("a | grep 'x;y' | wc; b", [Statement("a | grep 'x;y' | wc", (Word("a"),), pipe="grep 'x;y' | wc"),
                                   Statement("b", (Word("b"),))]),
        ("a | (x; y) 2>&1; b", [Statement("a | (x; y) 2>&1", (Word("a"),), pipe="(x; y) 2>&1"),
                               Statement("b", (Word("b"),))]),
        ("a > 'f g'", [Statement("a > 'f g'", (Word("a"),), target="f g")]),
        ("a >> f < g", [Statement("a >> f < g", (Word("a"),), target="f", append=True, source="g")]),
        ("!make; x", [Statement("!make; x", outside="make; x")]),
        ("# nothing", []),
        ("", []),
    ],
)  # fmt: skip
def test_statements(line: str, statements: list[Statement]) -> None:
    assert parse(line) == statements


def test_marks_of_batch_files() -> None:
    (both, plain, second) = parse("-@rm x; ls -l\n- @ get y", batch=True)
    assert (both.ignore, both.silent, both.words) == (True, True, ("rm", "x"))
    assert (plain.ignore, plain.words) == (False, ("ls", "-l"))
    assert (second.ignore, second.silent, second.words) == (True, True, ("get", "y"))
    assert split("-x") == ["-x"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a &&", "is missing"),
        ("&& a", "before '&&'"),
        ("a || ; b", "is missing"),
        ("| x", "before '|'"),
        ("a |", "behind '|'"),
        ("a >", "behind '>'"),
        ("a > ; b", "behind '>'"),
        ("a > b > c", "a second '>'"),
        ("a | b ; > c", "is missing"),
        ("a > b | c", "through '|' or into a file"),
        ("!", "behind '!'"),
    ],
)
def test_what_is_missing_is_said(line: str, said: str) -> None:
    with pytest.raises(BadLine, match=r".*") as caught:
        parse(line)
    assert said in str(caught.value)
    assert not isinstance(caught.value, Unfinished)


@pytest.mark.parametrize("line", ["'a", '"a', "a\\", 'a "b\nc'])
def test_what_goes_on_is_told_from_what_is_wrong(line: str) -> None:
    with pytest.raises(Unfinished):
        parse(line)
