"""Kinds of argument: values, and the code for what is none."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlite.protocol.arguments import MOST, Argument, TransferType, parse_argument
from ftlite.protocol.errors import BadArgument
from ftlite.protocol.facts import format_time, parse_time
from ftlite.protocol.text import decode

NOON = "20240229120000"
NOON_NS = parse_time(NOON)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Argument.NONE, "", None),
        (Argument.TEXT, "two words", "two words"),
        (Argument.OPTIONAL_TEXT, "", None),
        (Argument.SECRET, "", ""),
        (Argument.SECRET, " s p ", " s p "),
        (Argument.PATH, " a ", " a "),
        (Argument.PATH, " ", " "),
        (Argument.OPTIONAL_PATH, "", None),
        (Argument.OPTIONAL_PATH, "-la", "-la"),
        (Argument.LISTING, "", None),
        (Argument.LISTING, "-la", None),
        (Argument.LISTING, "-la ", None),
        (Argument.LISTING, "-la dir", "dir"),
        (Argument.LISTING, "-a -l1 dir with -x", "dir with -x"),
        (Argument.LISTING, "-a  dir", " dir"),
        (Argument.LISTING, "./-x", "./-x"),
        (Argument.LISTING, "-x.txt", "-x.txt"),
        (Argument.LISTING, "dir -la", "dir -la"),
        (Argument.LISTING, "-", "-"),
        (Argument.ALLOCATION, "512", 512),
        (Argument.ALLOCATION, "512 R 80", 512),
        (Argument.OFFSET, "0", 0),
        (Argument.OFFSET, str(MOST), MOST),
        (Argument.BUFFER, "0", 0),
        (Argument.BUFFER, "4294967295", 4294967295),
        (Argument.PORT, "127,0,0,1,4,1", ("127.0.0.1", 1025)),
        (Argument.EPRT, "|2|::1|1025|", ("::1", 1025)),
        (Argument.EPSV, "", None),
        (Argument.EPSV, "1", 1),
        (Argument.EPSV, "2", 2),
        (Argument.EPSV, "all", "ALL"),
        (Argument.TYPE, "a", TransferType.ASCII),
        (Argument.TYPE, "A N", TransferType.ASCII),
        (Argument.TYPE, "a t", TransferType.ASCII),
        (Argument.TYPE, "I", TransferType.IMAGE),
        (Argument.TYPE, "l 8", TransferType.IMAGE),
        (Argument.MODE, "s", "S"),
        (Argument.STRUCTURE, "F", "F"),
        (Argument.MAYBE_TIMED_PATH, "a", (None, "a")),
        (Argument.MAYBE_TIMED_PATH, f"{NOON} a b", (NOON_NS, "a b")),
        (Argument.MAYBE_TIMED_PATH, f"{NOON}.5 a", (NOON_NS + 500_000_000, "a")),
        (Argument.MAYBE_TIMED_PATH, NOON, (None, NOON)),
        (Argument.MAYBE_TIMED_PATH, "20239999999999 a", (None, "20239999999999 a")),
        (Argument.TIMED_PATH, f"{NOON} a  b", (NOON_NS, "a  b")),
        (Argument.MODE_PATH, "755 a b", (0o755, "a b")),
        (Argument.MODE_PATH, "0644 a", (0o644, "a")),
        (Argument.UTIME, f"{NOON} a b", (NOON_NS, "a b")),
        (Argument.UTIME, f"{NOON[:12]} a", (NOON_NS, "a")),
        (Argument.UTIME, f"a b 19700101000000 {NOON} 19700101000000 UTC", (NOON_NS, "a b")),
        (Argument.OPTION, "utf8 ON", ("UTF8", "ON")),
        (Argument.OPTION, "MLST", ("MLST", "")),
        (Argument.OPTION, "MLST type;size;", ("MLST", "type;size;")),
        (Argument.LEVEL, "p", "P"),
        (Argument.LEVEL, "C", "C"),
        (Argument.MECHANISM, "tls", "TLS"),
        (Argument.MECHANISM, "TLS-C", "TLS"),
        (Argument.MECHANISM, "SSL", "TLS"),
        (Argument.SITE, "HELP", "HELP"),
    ],
)
def test_values(kind: Argument, text: str, value: Any) -> None:
    assert parse_argument(kind, text) == value


@pytest.mark.parametrize(
    ("kind", "text", "code"),
    [
        (Argument.NONE, "x", 501),
        (Argument.TEXT, "", 501),
        (Argument.PATH, "", 501),
        (Argument.PATH, "a\0b", 501),
        (Argument.PATH, "a\rb", 501),
        (Argument.SECRET, "a\nb", 501),
        (Argument.LISTING, "-la \0", 501),
        (Argument.ALLOCATION, "", 501),
        (Argument.ALLOCATION, "x", 501),
        (Argument.ALLOCATION, "5 R", 501),
        (Argument.ALLOCATION, "5 R x", 501),
        (Argument.OFFSET, "-1", 501),
        (Argument.OFFSET, "+1", 501),
        (Argument.OFFSET, " 1", 501),
        (Argument.OFFSET, "1_0", 501),
        (Argument.OFFSET, "\u0661", 501),
        (Argument.OFFSET, str(MOST + 1), 501),
        (Argument.OFFSET, "9" * 5000, 501),
        (Argument.BUFFER, "4294967296", 501),
        (Argument.PORT, "1,2,3", 501),
        (Argument.PORT, "256,0,0,1,4,1", 501),
        (Argument.EPRT, "|3|::1|1|", 522),
        (Argument.EPRT, "|1|::1|1025|", 501),
        (Argument.EPRT, "", 501),
        (Argument.EPSV, "3", 522),
        (Argument.EPSV, "x", 501),
        (Argument.TYPE, "", 501),
        (Argument.TYPE, "E", 504),
        (Argument.TYPE, "E N", 504),
        (Argument.TYPE, "A C", 504),
        (Argument.TYPE, "L 7", 504),
        (Argument.MODE, "", 501),
        (Argument.MODE, "Z", 504),
        (Argument.MODE, "B", 504),
        (Argument.STRUCTURE, "R", 504),
        (Argument.STRUCTURE, "P", 504),
        (Argument.MAYBE_TIMED_PATH, "", 501),
        (Argument.TIMED_PATH, NOON, 501),
        (Argument.TIMED_PATH, f"{NOON} ", 501),
        (Argument.TIMED_PATH, "2024 a", 501),
        (Argument.FACTS_PATH, "modify=20240101000000;", 501),
        (Argument.FACTS_PATH, "modify=20240101000000; ", 501),
        (Argument.FACTS_PATH, " a", 501),
        (Argument.MODE_PATH, "888 a", 501),
        (Argument.MODE_PATH, "755", 501),
        (Argument.MODE_PATH, "755 ", 501),
        (Argument.UTIME, "a", 501),
        (Argument.UTIME, "99999999999999 a", 501),
        (Argument.OPTION, "", 501),
        (Argument.OPTION, " ON", 501),
        (Argument.LEVEL, "", 501),
        (Argument.LEVEL, "S", 536),
        (Argument.LEVEL, "E", 536),
        (Argument.LEVEL, "X", 504),
        (Argument.MECHANISM, "GSSAPI", 504),
        (Argument.MECHANISM, "", 501),
        (Argument.SITE, "", 501),
    ],
)
def test_refusals(kind: Argument, text: str, code: int) -> None:
    with pytest.raises(BadArgument) as caught:
        parse_argument(kind, text)
    assert caught.value.code == code
    assert str(caught.value).isprintable()


def test_facts_for_a_path() -> None:
    facts, path = parse_argument(Argument.FACTS_PATH, f"Modify={NOON};UNIX.mode=644; a b")
    assert dict(facts) == {"modify": NOON, "unix.mode": "644"}
    assert path == "a b"


paths = st.binary(min_size=1, max_size=30).map(decode).filter(lambda path: not set(path) & set("\r\n\0"))


@given(paths)
@settings(deadline=None)
def test_any_path_is_kept_to_the_letter(path: str) -> None:
    assert parse_argument(Argument.PATH, path) == path
    assert parse_argument(Argument.TIMED_PATH, f"{NOON} {path}") == (NOON_NS, path)
    assert parse_argument(Argument.MODE_PATH, f"644 {path}") == (0o644, path)
    assert parse_argument(Argument.UTIME, f"{path} {NOON} {NOON} {NOON} UTC") == (NOON_NS, path)
    assert parse_argument(Argument.LISTING, f"./{path}") == f"./{path}"


@given(st.integers(0, 253402300799 * 10**9), paths)
@settings(deadline=None)
def test_any_time_can_be_set(ns: int, path: str) -> None:
    assert parse_argument(Argument.TIMED_PATH, f"{format_time(ns, fraction=True)} {path}") == (ns, path)
    assert parse_argument(Argument.MAYBE_TIMED_PATH, f"{format_time(ns, fraction=True)} {path}") == (ns, path)


@given(st.sampled_from(Argument), st.text(max_size=30))
@settings(deadline=None, max_examples=500)
def test_any_text_gives_a_value_or_the_one_error(kind: Argument, text: str) -> None:
    with contextlib.suppress(BadArgument):
        parse_argument(kind, text)
