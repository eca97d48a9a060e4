"""What we write: read back by our own parsers, and held to the letter where people and tools look."""

from __future__ import annotations

import stat
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlite.protocol.entries import Entry, Kind, perm_letters
from ftlite.protocol.facts import parse_facts
from ftlite.protocol.listings import MLSX_FACTS, choose_facts, list_line, mlst_feature, mlsx_line, nlst
from ftlite.protocol.listparse import parse_list, parse_mlsx

SECOND = 1_000_000_000


def ns(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp()) * SECOND  # type: ignore[arg-type,misc]


NOW = ns(2026, 11, 22, 12, 0)
FILE = Entry("a b", Kind.FILE, 17, ns(2026, 11, 20, 10, 15) + 5, 0o640, "alice", "staff", "fd00g1", "adfrw")


def test_mlsx_line_to_the_letter() -> None:
    assert mlsx_line(FILE) == (
        "type=file;size=17;modify=20261120101500;perm=adfrw;unique=fd00g1;"
        "UNIX.mode=0640;UNIX.owner=alice;UNIX.group=staff; a b"
    )


def test_only_chosen_facts_are_written() -> None:
    assert mlsx_line(FILE, choose_facts(["SIZE", "unix.MODE", "nonsense"])) == "size=17;UNIX.mode=0640; a b"
    assert mlsx_line(FILE, ()) == " a b"


def test_choice_keeps_the_order_of_feat() -> None:
    assert choose_facts(["unix.group", "Modify", "TYPE"]) == ("type", "modify", "UNIX.group")
    assert mlst_feature(("type", "size")) == ("MLST type*;size*;modify;perm;unique;UNIX.mode;UNIX.owner;UNIX.group;")


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        (Entry("d", Kind.DIR, size=4096), "type=dir; d"),
        (Entry(".", Kind.CDIR), "type=cdir; ."),
        (Entry("..", Kind.PDIR), "type=pdir; .."),
        (Entry("l", Kind.LINK, target="../t"), "type=OS.unix=slink:../t; l"),
        (Entry("l", Kind.LINK, target="a b"), "type=OS.unix=symlink; l"),
        (Entry("l", Kind.LINK), "type=OS.unix=symlink; l"),
        (Entry("p", Kind.OTHER), "type=OS.unix=other; p"),
        (Entry("f", Kind.FILE, modify_ns=2**70, owner="two words", group="semi;colon", perm=""), "type=file;perm=; f"),
        (Entry("f", Kind.FILE, unique="a\nb", mode=0o104755), "type=file;UNIX.mode=4755; f"),
    ],
)
def test_mlsx_of_other_entries(entry: Entry, line: str) -> None:
    assert mlsx_line(entry) == line


@pytest.mark.parametrize("name", ["a\rb", "a\nb", "a\0b", "a\r\nb"])
def test_a_name_that_no_command_can_hold_never_splits_a_line(name: str) -> None:
    entry = Entry(name, Kind.LINK, target=name, owner=name, group=name, unique=name)
    for line in (mlsx_line(entry), list_line(entry, NOW), nlst(entry)):
        assert not set("\r\n\0") & set(line)
        assert "\ufffd" in line


def test_list_line_to_the_letter() -> None:
    assert list_line(FILE, NOW) == "-rw-r-----   1 alice    staff              17 Nov 20 10:15 a b"
    link = Entry("l", Kind.LINK, 3, ns(2020, 1, 2), target="a/b")
    assert list_line(link, NOW) == "lrwxrwxrwx   1 ftp      ftp                 3 Jan  2  2020 l -> a/b"
    assert list_line(Entry("d", Kind.DIR), NOW) == "drwxr-xr-x   1 ftp      ftp                 0 Jan  1  1970 d"
    assert list_line(Entry("s", Kind.FILE, mode=0o4755), NOW).startswith("-rwsr-xr-x ")
    assert "  1 a_b      c_d      " in list_line(Entry("x", Kind.FILE, owner="a b", group=" c\td "), NOW)


@pytest.mark.parametrize(
    ("moment", "columns"),
    [
        ((2026, 11, 22, 12, 0), "Nov 22 12:00"),
        ((2026, 11, 22, 12, 1), "Nov 22  2026"),
        ((2026, 5, 23, 12, 0), "May 23  2026"),
        ((2026, 5, 23, 12, 1), "May 23 12:01"),
        ((7, 3, 1), "Mar  1  0007"),
        ((1969, 12, 31, 23, 59), "Dec 31  1969"),
    ],
)
def test_half_a_year_decides_between_time_and_year(moment: tuple[int, ...], columns: str) -> None:
    assert f" {columns} x" in list_line(Entry("x", Kind.FILE, modify_ns=ns(*moment)), NOW)


@pytest.mark.parametrize("modify_ns", [2**63 - 1, -(2**63), 2**80, -(2**80)])
def test_no_time_on_a_disk_breaks_a_listing(modify_ns: int) -> None:
    entry = Entry("x", Kind.FILE, modify_ns=modify_ns)
    assert list_line(entry, NOW).endswith(" x")
    assert mlsx_line(entry).endswith(" x")


def test_nlst_is_the_name_behind_what_was_asked() -> None:
    assert nlst(FILE) == "a b"
    assert nlst(FILE, "sub/") == "sub/a b"


names = st.text(st.characters(blacklist_characters="/\r\n\0", blacklist_categories=["Cs"]), min_size=1, max_size=12)
column = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, blacklist_characters=";"), min_size=1, max_size=9
)
words = st.none() | column
entries = st.builds(
    Entry,
    name=names.filter(lambda name: name not in (".", "..")),
    kind=st.sampled_from([Kind.FILE, Kind.DIR, Kind.LINK, Kind.OTHER]),
    size=st.none() | st.integers(0, 2**62),
    modify_ns=st.none()
    | st.integers(-(2**40), 2**33).map(lambda seconds: seconds * SECOND).filter(lambda n: n > -6e19),
    mode=st.none() | st.integers(0, 0o7777),
    owner=words,
    group=words,
    unique=words,
    perm=st.none() | st.text("acdeflmprw", max_size=4),
    target=st.none() | words,
)


@settings(deadline=None)
@given(entries)
def test_mlsx_lines_are_read_back(entry: Entry) -> None:
    got = parse_mlsx(mlsx_line(entry))
    assert (got.name, got.kind, got.modify_ns, got.mode) == (entry.name, entry.kind, entry.modify_ns, entry.mode)
    assert (got.owner, got.group, got.unique, got.perm) == (entry.owner, entry.group, entry.unique, entry.perm)
    assert got.size == (entry.size if entry.kind is Kind.FILE else None)
    assert got.target == (entry.target if entry.kind is Kind.LINK else None)


@settings(deadline=None)
@given(
    names.filter(lambda name: name not in (".", "..")),
    st.integers(0, 10**18),
    st.integers(NOW // SECOND - 10**9, NOW // SECOND),
    st.integers(0, 0o7777),
)
def test_list_lines_are_read_back(name: str, size: int, seconds: int, mode: int) -> None:
    entry = Entry(name, Kind.FILE, size, seconds * SECOND, mode, "alice", "staff")
    (got,) = parse_list([list_line(entry, NOW)], NOW)
    assert (got.name, got.kind, got.size, got.owner, got.group) == (name, Kind.FILE, size, "alice", "staff")
    assert got.mode == mode
    assert got.modify_ns is not None
    assert 0 <= seconds - got.modify_ns // SECOND < (60 if NOW // SECOND - seconds < 180 * 86400 else 86400)


@settings(deadline=None)
@given(st.text(max_size=30), st.sampled_from(Kind), st.text(max_size=10), st.integers())
def test_anything_at_all_is_one_line(name: str, kind: Kind, odd: str, number: int) -> None:
    entry = Entry(name, kind, number, number, number, odd, odd, odd, None, odd)
    for line in (mlsx_line(entry), list_line(entry, NOW), nlst(entry, odd)):
        assert not set("\r\n\0") & set(line)
    parse_facts(mlsx_line(entry, MLSX_FACTS))


def test_modes_agree_with_the_standard_library() -> None:
    for mode in range(0, 0o10000, 37):
        line = list_line(Entry("x", Kind.FILE, mode=mode), NOW)
        assert line[:10] == stat.filemode(stat.S_IFREG | mode)


@pytest.mark.parametrize(
    ("kind", "rights", "letters"),
    [
        (Kind.FILE, {}, ""),
        (Kind.FILE, {"get": True}, "r"),
        (Kind.FILE, {"put": True, "mkdir": True, "listing": True}, ""),
        (Kind.FILE, {"get": True, "overwrite": True, "delete": True, "rename": True}, "adfrw"),
        (Kind.DIR, {"listing": True}, "el"),
        (Kind.DIR, {"put": True, "mkdir": True}, "cm"),
        (Kind.CDIR, {"listing": True, "delete": True, "rename": True, "rmdir": True}, "deflp"),
        (Kind.OTHER, {"get": True, "overwrite": True, "delete": True}, "d"),
    ],
)
def test_perm_letters(kind: Kind, rights: dict[str, bool], letters: str) -> None:
    assert perm_letters(kind, **rights) == letters
