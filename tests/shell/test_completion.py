from __future__ import annotations

import click
import pytest
from attrs import evolve
from hypothesis import example, given
from hypothesis import strategies as st

from ftlite.shell import table
from ftlite.shell.completion import Insertion, Kind, Name, Wanted, insertions, wanted
from ftlite.shell.errors import BadLine
from ftlite.shell.settings import flags
from ftlite.shell.words import cut, parse, unfinished

ALIASES = {"wheels": "get --parallel 4", "fetch": "get"}
NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda name: name not in (".", "..")
)


def at(text: str) -> Wanted | None:
    return wanted(text, ALIASES, flags)


def kind(text: str) -> Kind | None:
    want = at(text)
    return want.kind if want is not None else None


def offered(text: str, *names: str | Name) -> list[str]:
    """The lines that `text` may become."""
    want = at(text)
    if want is None:
        return []
    held = [Name(name) if isinstance(name, str) else name for name in names] or list(want.names)
    return [text[: len(text) - one.length] + one.text for one in insertions(text, want, held)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Kind.COMMAND), ("ge", Kind.COMMAND), ("ls; ", Kind.COMMAND), ("ls && ge", Kind.COMMAND),
        ("ls\nge", Kind.COMMAND), ("get ", Kind.REMOTE), ("get a ", Kind.LOCAL), ("get a b ", None),
        ("get -r ", Kind.REMOTE), ("get --limit-rate 2M ", Kind.REMOTE), ("get --limit-rate ", None),
        ("get -P 4 ", Kind.REMOTE), ("get -rP ", None), ("get -P4 ", Kind.REMOTE), ("get --", Kind.FLAG),
        ("get -", Kind.FLAG), ("get -- -", Kind.REMOTE),
        ("put ", Kind.LOCAL), ("cat a b ", Kind.REMOTE), ("cd ", Kind.REMOTE_DIRECTORY),
        ("lcd ", Kind.LOCAL_DIRECTORY), ("open ", Kind.SITE), ("fg ", Kind.JOB), ("kill %1 ", Kind.JOB),
        ("set ", Kind.SETTING), ("unset ", Kind.SETTING), ("set tls ", Kind.CHOICE), ("set json ", Kind.CHOICE),
        ("set limit-rate ", None), ("get --tls=", Kind.CHOICE), ("get --tls ", Kind.CHOICE), ("debug ", Kind.CHOICE),
        ("get --cacert ", Kind.LOCAL), ("get --cacert=", Kind.LOCAL), ("set cacert ", Kind.LOCAL),
        ("cat a > ", Kind.LOCAL), ("cat a >> x/", Kind.LOCAL), ("put - b < ", Kind.LOCAL), ("ls | gr", Kind.LOCAL),
        ("!cat ", Kind.LOCAL), ("help ", Kind.COMMAND), ("unalias ", Kind.ALIAS), ("wheels ", Kind.REMOTE),
        ("fetch --par", Kind.FLAG), ("queue ", Kind.COMMAND), ("queue -P 2 ge", Kind.COMMAND),
        ("queue get ", Kind.REMOTE), ("queue get a ", Kind.LOCAL), ("dir ", Kind.REMOTE), ("nonsense ", None),
        ("# ge", None), ("| gr", None), ("get *.wh", None), ("get 'a b", Kind.REMOTE), ('get "a', Kind.REMOTE),
        ("mv a ", Kind.REMOTE), ("wait %", Kind.JOB), ("wait rel", Kind.REMOTE), ("pwd ", None),
        ("lls ", Kind.LOCAL), ("quote ", None),
    ],
)  # fmt: skip
def test_what_a_word_is(text: str, expected: Kind | None) -> None:
    assert kind(text) is expected


def test_flags_with_what_they_do() -> None:
    want = at("get --par")
    assert want is not None
    (option,) = (one for one in table.find("get").params if one.name == "parallel")
    assert isinstance(option, click.Option)
    (found,) = insertions("get --par", want, want.names)
    assert evolve(found, told="") == Insertion("--parallel ", 5, "--parallel")
    assert (option.help or "").startswith(found.told)
    assert found.told


@pytest.mark.parametrize(
    ("text", "names", "lines"),
    [
        ("get my", ["my file.txt"], ["get my\\ file.txt "]),
        ("get my\\ f", ["my file.txt"], ["get my\\ file.txt "]),
        ("get 'my f", ["my file.txt"], ["get 'my file.txt' "]),
        ('get "my', ['my "$5" file'], ['get "my \\"\\$5\\" file" ']),
        ("get rel/1", [Name("1.4", directory=True)], ["get rel/1.4/"]),
        ("get 'rel dir/1", [Name("1.4", directory=True)], ["get 'rel dir/1.4/"]),
        ("get ", [".hidden", "seen"], ["get seen "]),
        ("get .", [".hidden", "seen"], ["get .hidden "]),
        ("cd ", ["file", Name("directory", directory=True)], ["cd directory/"]),
        ("get read", ["README"], ["get README "]),
        ("get R", ["README", "red"], ["get README "]),
        ("get -- -", ["-r"], ["get -- ./-r "]),
        ("get ", ["-r", "~x"], ["get ./-r ", "get ./~x "]),
        ("get --tls=o", [], ["get --tls=off ", "get --tls=optional "]),
        ("get --cacert=ca/x", ["x.pem"], ["get --cacert=ca/x.pem "]),
        ("open bu", ["build7:"], ["open build7:"]),
        ("ls | grep x f", ["f b"], ["ls | grep x f\\ b "]),
        ("get a\\ b/", ["c"], ["get a\\ b/c "]),
        ("ls; cat r", ["ré"], ["ls; cat ré "]),
    ],
)
def test_how_a_line_goes_on(text: str, names: list[str | Name], lines: list[str]) -> None:
    assert offered(text, *names) == lines


@given(NAMES, st.integers(0, 12), st.sampled_from(["", "'", '"']), st.booleans())
@example("a'b", 3, "'", False)
@example("\\", 0, "", False)
@example("a\nb", 1, '"', True)
def test_what_is_inserted_means_the_name(name: str, typed: int, mark: str, directory: bool) -> None:
    """Whatever of it was typed, and however it was quoted."""
    begun = name[:typed]
    if mark and (mark in begun or "\\" in begun or '"' in begun or "$" in begun or "`" in begun):
        mark = ""
    if not mark:
        begun = "" if any(not char.isalnum() for char in begun) else begun
    text = f"get {mark}{begun}"
    if name.startswith(".") and not begun.startswith("."):
        return
    (line,) = offered(text, Name(name, directory=directory))
    if unfinished(line):  # a directory's quotation stays open for what is in it
        assert directory
        line += mark
    (statement,) = parse(line)
    word = statement.words[1].removeprefix("./")
    assert word == name + ("/" if directory else "")
    assert statement.words[1].pattern is None


@given(st.text(alphabet="abc '\"\\;&|<>#*?!\n-/", max_size=30))
def test_a_line_is_cut_as_it_would_be_read(text: str) -> None:
    """The words before the cursor are those that the line would have, and the rest begins where it is said."""
    found = cut(text)
    if found is None or found.role != "word":
        return
    assert 0 <= found.start <= len(text)
    try:
        (*_, last) = parse(text + found.mark)
    except (BadLine, ValueError):
        return
    if found.typed or found.mark:
        assert last.words == (*found.words, found.typed)


@given(st.text(max_size=40))
def test_no_line_is_too_odd(text: str) -> None:
    want = at(text)
    if want is not None:
        insertions(text, want, [*want.names, Name("a b"), Name("d", directory=True)])


def test_every_argument_of_every_command_is_known_or_free() -> None:
    """A new command whose argument nobody named here would silently complete nothing."""
    unknown = set()
    for name in table.rows():
        try:
            command = table.find(name)
        except (ImportError, AttributeError):
            continue
        for index, one in enumerate(one for one in command.params if isinstance(one, click.Argument)):
            before = " ".join(["x"] * index)
            if kind(f"{name} {before} ".replace("  ", " ")) is None:
                unknown.add((name, one.name))
    assert unknown == {
        ("quote", "words"), ("site", "words"), ("set", "value"), ("alias", "name"), ("alias", "line"),
        ("history", "count"), ("exit", "code"), ("chmod", "bits"),
    }  # fmt: skip
