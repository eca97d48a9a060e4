"""Text: any byte survives, and nothing printable moves a cursor."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlite.protocol.errors import BadArgument, BadReply
from ftlite.protocol.text import decode, encode, join, printable, quote_path, unquote_path, without_password

names = st.binary(max_size=40).map(decode)


@given(st.binary())
@settings(deadline=None)
def test_any_byte_survives(data: bytes) -> None:
    assert encode(decode(data)) == data


def test_a_surrogate_that_is_no_byte_is_refused() -> None:
    with pytest.raises(BadArgument, match="ud800"):
        encode("a\ud800")


@given(st.text())
@settings(deadline=None)
def test_printable_holds_no_control_or_bidi_mark(text: str) -> None:
    shown = printable(text)
    assert not any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in shown)
    assert not any(
        unicodedata.bidirectional(char) in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
        for char in shown
    )
    shown.encode("utf-8")


def test_printable_shows_what_was_there() -> None:
    assert printable("a\x1b[31m\u202egpj.exe") == "a\\x1b[31m\\u202egpj.exe"
    assert printable(decode(b"caf\xe9")) == "caf\\xe9"
    assert printable("Zo\u00eb \U0001f600") == "Zo\u00eb \U0001f600"


@given(names, names)
@settings(deadline=None)
def test_a_quoted_path_is_read_back(path: str, after: str) -> None:
    assert unquote_path(quote_path(path) + " is it." + after.replace('"', "")) == path


def test_quotes_in_a_path_are_doubled() -> None:
    assert quote_path('a"b') == '"a""b"'
    assert unquote_path('The directory "/x ""y""" is current.') == '/x "y"'


@pytest.mark.parametrize("text", ["", "/no/quotes", '"open', "''"])
def test_no_quoted_path(text: str) -> None:
    with pytest.raises(BadReply):
        unquote_path(text)


@pytest.mark.parametrize(
    ("cwd", "path", "result"),
    [
        ("/", "a", "/a"),
        ("/a/b", "c", "/a/b/c"),
        ("/a/b", "../c", "/a/c"),
        ("/a", "../../../etc", "/etc"),
        ("/a", "/b/./c//d/", "/b/c/d"),
        ("/a", "", "/a"),
        ("/a", ".", "/a"),
        ("/", "..", "/"),
        ("/a", "//", "/"),
        ("/a", " b ", "/a/ b "),
        ("/a", "...", "/a/..."),
    ],
)
def test_join(cwd: str, path: str, result: str) -> None:
    assert join(cwd, path) == result


@given(names, names)
@settings(deadline=None)
def test_join_is_absolute_and_has_no_way_up(cwd: str, path: str) -> None:
    joined = join(join("/", cwd), path)
    assert joined.startswith("/")
    assert not {"", ".", ".."} & set(joined[1:].split("/")) or joined == "/"
    assert join("/anywhere", joined) == joined


@given(
    st.sampled_from(["", "ftp://", "ftpes://", "sftp://"]),
    st.from_regex(r"[a-z]{1,5}", fullmatch=True),
    st.text(min_size=1),
)
@settings(deadline=None)
def test_a_password_in_an_address_is_not_repeated(scheme: str, user: str, secret: str) -> None:
    assert without_password(f"{scheme}{user}:{secret}@host") == f"{scheme}{user}:***@host"


@pytest.mark.parametrize(
    "text", ["ftp://u@h:21/a@b", "host:path", "u@host:path", "[::1]:a@b", "ftp://[::1]:21/a@b", ""]
)
def test_an_address_without_password_stays(text: str) -> None:
    assert without_password(text) == text
