"""Globs pick what they say, and no glob is an error."""

from __future__ import annotations

import fnmatch
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlite.cli.exits import CliError
from ftlite.cli.filters import Chosen, wanted
from ftlite.protocol.native.patterns import Filter


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


@pytest.mark.parametrize(
    ("exclude", "path", "stays"),
    [
        (["*.o", "!keep.o"], "keep.o", True),
        (["*.o", "!keep.o"], "d/keep.o", True),
        (["*.o", "!keep.o"], "other.o", False),
        (["!keep.o", "*.o"], "keep.o", False),
        (["*", "!*.c", "secret.c"], "secret.c", False),
        (["/a", "!a/b"], "x/a", True),
        ([r"\!odd", "!x"], "!odd", False),
        (["!odd"], "!odd", True),
    ],
)
def test_a_glob_takes_back_what_those_before_it_said(exclude: list[str], path: str, stays: bool) -> None:
    keep = wanted([], exclude)
    assert keep is not None
    assert keep(path, False) is stays


def test_inclusions_are_taken_back_too() -> None:
    keep = wanted(["*.c", "!test_*"], ["build/"])
    assert keep is not None
    wants = {path: keep(path, path.endswith("build")) for path in ("a.c", "test_a.c", "a.h", "build", "d")}
    assert wants == {"a.c": True, "test_a.c": False, "a.h": False, "build": False, "d": False}
    assert keep("d", True)


def test_a_name_with_an_exclamation_mark_can_be_told_to_a_server() -> None:
    keep = wanted([], [r"\!odd"])
    assert isinstance(keep, Filter)
    assert keep.exclude == ("!odd",)
    assert not keep("!odd", False)


_parts = st.lists(st.sampled_from(["a", "b", "c d", "é"]), min_size=1, max_size=4).map("/".join)


@given(st.sets(_parts, min_size=1, max_size=5), _parts)
def test_chosen_paths_by_their_meaning(paths: set[str], path: str) -> None:
    with TemporaryDirectory() as scratch:
        file = Path(scratch, "list")
        file.write_text("".join(f"./{each}/\r\n\n" for each in sorted(paths)))
        chosen = Chosen.read(file, nul=False)
        file.write_text("\0".join(sorted(paths)))
        assert Chosen.read(file, nul=True) == chosen
    at_or_below = any(path == each or path.startswith(f"{each}/") for each in paths)
    leads = any(each.startswith(f"{path}/") for each in paths)
    assert chosen.wants(path, False) is at_or_below
    assert chosen.wants(path, True) is (at_or_below or leads)
    assert chosen.only_leads(path) is (leads and not at_or_below)


@pytest.mark.parametrize("text", ["/etc/passwd\n", "a/../b\n", "..\n", ".\n", "\n\n", ""])
def test_paths_that_lead_out_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "list").write_text(text)
    with pytest.raises(CliError):
        Chosen.read(tmp_path / "list", nul=False)
