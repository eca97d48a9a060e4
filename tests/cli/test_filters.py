"""Globs pick what they say, and no glob is an error."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlite.cli.filters import wanted


def test_no_globs_no_filter() -> None:
    assert wanted([], []) is None


@pytest.mark.parametrize(
    ("glob", "path", "matches"),
    [
        ("*.whl", "a.whl", True),
        ("*.whl", "deep/er/a.whl", True),
        ("*.whl", "a.whl.txt", False),
        ("doc/*.md", "doc/a.md", True),
        ("doc/*.md", "doc/sub/a.md", False),
        ("doc/*.md", "x/doc/a.md", False),
        ("/a.md", "a.md", True),
        ("doc/**/a.md", "doc/a.md", True),
        ("doc/**/a.md", "doc/x/y/a.md", True),
        ("doc/**", "doc/x/y", True),
        ("**/x", "a/b/x", True),
        ("?.c", "a.c", True),
        ("?.c", "ab.c", False),
        ("[ab].c", "a.c", True),
        ("[!ab].c", "a.c", False),
        ("[^ab].c", "c.c", True),
        ("[]]", "]", True),
        ("[a-c]", "b", True),
        ("[", "[", True),
        ("a[b", "a[b", True),
        ("a.c", "abc", False),
        ("größe*", "größe\n1", True),
    ],
)
def test_globs(glob: str, path: str, matches: bool) -> None:
    only = wanted([glob], [])
    never = wanted([], [glob])
    assert only is not None
    assert never is not None
    assert only(path, False) is matches
    assert never(path, False) is not matches


def test_directories_are_entered_unless_excluded() -> None:
    keep = wanted(["*.py"], [".git", "build/"])
    assert keep is not None
    assert keep("src", True)
    assert not keep(".git", True)
    assert not keep("src/build", True)
    assert keep("src/build.py", False)
    assert not keep("src/build", False)  # a file, and not *.py
    only = wanted([], ["build/"])
    assert only is not None
    assert only("build", False)


@given(st.text("ab[]!^-*?/\\.", max_size=8), st.text("ab/]\\-", min_size=1, max_size=6))
@settings(deadline=None)
def test_any_text_is_a_glob(glob: str, path: str) -> None:
    keep = wanted([glob], [])
    assert keep is not None
    assert keep(path, False) in (True, False)


GLOBS = st.text("abc*?[]!-", min_size=1, max_size=6).filter(lambda glob: "**" not in glob)


@given(GLOBS, st.text("abc]-", min_size=1, max_size=6))
@settings(deadline=None)
def test_within_one_name_globs_are_the_usual_ones(glob: str, name: str) -> None:
    keep = wanted([glob], [])
    assert keep is not None
    assert keep(name, False) is fnmatch.fnmatchcase(name, glob)
