"""Listings as the servers of the world write them, and as no server should."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ftlite.protocol.entries import Entry, Kind
from ftlite.protocol.errors import BadFacts, BadListing, ProtocolError
from ftlite.protocol.listparse import (
    forms,
    listing_lines,
    parse_list,
    parse_mlst,
    parse_mlsx,
    parse_nlst,
    safe_name,
)
from ftlite.protocol.text import decode


def ns(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp()) * 1_000_000_000


NOW = ns(2026, 11, 22, 12, 0)
RECENT = ns(2026, 11, 20, 10, 15)
MAY = ns(2026, 5, 3)


def one(line: str, now: int = NOW) -> Entry:
    (entry,) = parse_list([line], now)
    return entry


FILES = [
    # GNU ls, BSD, busybox
    ("-rw-r--r--   1 root     root         1234 Nov 20 10:15 a", "a", 1234, RECENT),
    ("-rw-r--r-- 1 root root 0 Nov 20 10:15 empty", "empty", 0, RECENT),
    ("-rw-r--r--   1 1000     1000     5368709120 Nov 20 10:15 numeric owner", "numeric owner", 5368709120, RECENT),
    ("-rw-r--r--   1 root     root         1234 Nov 20  2025 old", "old", 1234, ns(2025, 11, 20)),
    ("-rw-r--r--   1 root     root         1234 Dec 24 23:59 last year", "last year", 1234, ns(2025, 12, 24, 23, 59)),
    ("-rw-r--r--   1 root     root         1234 Nov 23 11:59 zone ahead", "zone ahead", 1234, ns(2026, 11, 23, 11, 59)),
    ("-rw-r--r--   1 root     root         1234 Nov 23 12:01 too far", "too far", 1234, ns(2025, 11, 23, 12, 1)),
    ("-rw-r--r--   1 root     root         1234 Feb 29 12:00 leap", "leap", 1234, ns(2024, 2, 29, 12)),
    ("-rw-r--r--   1 root     root         1234 Feb 30 12:00 no day", "no day", 1234, None),
    ("-rw-r--r--+  1 root     root         1234 Nov 20 10:15 acl", "acl", 1234, RECENT),
    ("-rw-r--r--.  1 root     root         1234 Nov 20 10:15 selinux", "selinux", 1234, RECENT),
    ("-rw-r--r--@  1 root     wheel        1234 Nov 20 10:15 mac", "mac", 1234, RECENT),
    ("-rw-r--r--1234 root     root         1234 Nov 20 10:15 many links", "many links", 1234, RECENT),
    ("-rw-r--r--   1 root         1234 Nov 20 10:15 no group", "no group", 1234, RECENT),
    ("-rw-r--r--   1 1234 Nov 20 10:15 nobody", "nobody", 1234, RECENT),
    ("-rw-r--r--   user     1234 Nov 20 10:15 no links", "no links", 1234, RECENT),
    ("-rw-r--r--   1 DOM\\bob  Domain Users  1234 Nov 20 10:15 windows", "windows", 1234, RECENT),
    ("-rw-r--r--   1 root     root         1234 Nov 20 10:15  two leading", " two leading", 1234, RECENT),
    ("-rw-r--r--   1 root     root         1234 Nov 20 10:15 trailing  ", "trailing  ", 1234, RECENT),
    ("-rw-r--r--   1 root     root         1234 Nov 20 10:15 not -> a link", "not -> a link", 1234, RECENT),
    ("-rw-r--r--   1 root     root         1234 Nov 20 10:15 12 Nov 20 10:15 x", "12 Nov 20 10:15 x", 1234, RECENT),
    ("-rw-r--r--   1 root     root         1234 Nov 20 10:15 \u00fcml\u00e4ut", "\u00fcml\u00e4ut", 1234, RECENT),
    ("-rw-r--r--   1 root     root         1234 Nov 20 10:15 \u2028", "\u2028", 1234, RECENT),
    ("-rw-r--r--   1 root     root         1234 Nov 20 10:15:30 2026 -lT", "-lT", 1234, RECENT + 30 * 10**9),
    ("-rw-r--r--   1 root     root        1,234 Nov 20 10:15 thousands", "thousands", 1234, RECENT),
    # the day first, and other languages
    ("-rw-r--r--   1 root     root         1234 20 Nov 10:15 day first", "day first", 1234, RECENT),
    ("-rw-r--r--   1 root     root           12 20 Nov 10:15 day first", "day first", 12, RECENT),
    ("-rw-r--r--   1 1000     1000           12 Nov 20 10:15 small", "small", 12, RECENT),
    ("-rw-r--r--   1 root     root         1234 3. Mai 2026 deutsch", "deutsch", 1234, MAY),
    ("-rw-r--r--   1 root     root         1234 20. M\u00e4r 2026 m\u00e4rz", "m\u00e4rz", 1234, ns(2026, 3, 20)),
    ("-rw-r--r--   1 root     root         1234 3 mai 2026 fran\u00e7ais", "fran\u00e7ais", 1234, MAY),
    ("-rw-r--r--   1 root     root         1234 d\u00e9c. 24 2025 d\u00e9c", "d\u00e9c", 1234, ns(2025, 12, 24)),
    ("-rw-r--r--   1 root     root         1234 11\u6708 20 10:15 kanji", "kanji", 1234, RECENT),
    ("-rw-r--r--   1 root     root         1234 11\uc6d4 20 10:15 hangul", "hangul", 1234, RECENT),
    ("-rw-r--r--   1 root     root         1234 Quux 20 10:15 unknown month", "unknown month", 1234, None),
    # ISO styles of GNU ls
    ("-rw-r--r-- 1 root root 1234 2026-11-20 10:15 long-iso", "long-iso", 1234, RECENT),
    ("-rw-r--r-- 1 root root 1234 11-20 10:15 iso", "iso", 1234, RECENT),
    ("-rw-r--r-- 1 root root 1234 2026-05-03  iso old", "iso old", 1234, MAY),
    ("-rw-r--r-- 1 root root 1234 2026-11-20 11:15:00.000000005 +0100 full", "full", 1234, RECENT + 5),
    ("-rw-r--r-- 1 root root 1234 2026-11-20 05:45:00.000000000 -0430 west", "west", 1234, RECENT),
    ("-rw-r--r-- 1 root root 1234 2026-11-20 10:15:00 no zone", "no zone", 1234, RECENT),
    ("-rw-r--r-- 1 root root 1234 2026-11-20 10:15:00 +0000 busybox", "busybox", 1234, RECENT),
    ("-rw-r--r-- 1 root root 1234 2026-13-20 10:15 no month", "no month", 1234, None),
    # NetPresenz, NetWare
    ("-------r--         286   500000   500286 May  3  2026 Atlas.sit", "Atlas.sit", 500286, MAY),
    ("- [R----F--] jrd                31337       Nov 20 10:15    padded.exe", "padded.exe", 31337, RECENT),
    ("-[RWCEAFMS] jrd                    192 Nov 20 10:15 x.nlm", "x.nlm", 192, RECENT),
    # DOS, IIS
    ("11-20-26  10:15AM                 1234 dos", "dos", 1234, RECENT),
    ("11-20-2026  10:15AM                 1234 year in four", "year in four", 1234, RECENT),
    ("11-20-26  12:15AM                 1234 midnight", "midnight", 1234, ns(2026, 11, 20, 0, 15)),
    ("11-20-26  12:15PM                 1234 noon", "noon", 1234, ns(2026, 11, 20, 12, 15)),
    ("11-20-26  22:15                 1234 24 hours", "24 hours", 1234, ns(2026, 11, 20, 22, 15)),
    ("11-20-99  10:15AM              1,234,567 last century", "last century", 1234567, ns(1999, 11, 20, 10, 15)),
    ("20-20-26  10:15AM                 1234 odd month", "odd month", 1234, None),
    ("11/20/2026  10:15 AM                 1234  leading", " leading", 1234, RECENT),
    # EPLF
    ("+i2049.77,m1795342500,r,s4096,\teplf", "eplf", 4096, 1795342500 * 10**9),
    ("+r,\tspaces in  it", "spaces in  it", None, None),
    # VMS
    ("HOW-TO.MEM;1  97/99  3-MAY-2026 00:00:00  [GUESTS,GUEST]   (RWED,RE,,)", "HOW-TO.MEM", None, MAY),
    ("LOGIN.COM;14      3 20-NOV-2026 10:15 [ADMIN] (RWED,RWED,RE,)", "LOGIN.COM", None, RECENT),
    ("X.;1  20-NOV-2026 10:15:00.07", "X.", None, RECENT),
    # OS/400, MVS
    ("QPGMR          31337 11/20/26 10:15:00 *STMF      report.txt", "report.txt", 31337, None),
    ("QPGMR                                    *MEM       LIB.LIB", "LIB.LIB", None, None),
    ("DISK01 3390   2026/11/20  1   15  FB      80 27920  PS  PAYROLL.DATA", "PAYROLL.DATA", None, None),
    (" MEMBER1  01.05 2026/11/01 2026/11/20 10:15    20    20     0 USER01", "MEMBER1", None, RECENT),
]  # fmt: skip


@pytest.mark.parametrize(("line", "name", "size", "modify_ns"), FILES, ids=[row[1] for row in FILES])
def test_files_are_read(line: str, name: str, size: int | None, modify_ns: int | None) -> None:
    entry = one(line)
    assert (entry.name, entry.kind, entry.size, entry.modify_ns) == (name, Kind.FILE, size, modify_ns)


@pytest.mark.parametrize(
    ("line", "name", "kind"),
    [
        ("drwxr-xr-x   2 root     root         4096 Nov 20 10:15 dir", "dir", Kind.DIR),
        ("drwxr-xr-x   2 root     root         4096 Nov 20 10:15 .", ".", Kind.CDIR),
        ("drwxr-xr-x   2 root     root         4096 Nov 20 10:15 ..", "..", Kind.PDIR),
        ("drwxrwxr-x               folder        7 May  3  2026 maps", "maps", Kind.DIR),
        ("d [RWCEAFMS] admin                 512       Nov 20 10:15    public", "public", Kind.DIR),
        ("brw-rw----   1 root     disk       8,   0 Nov 20 10:15 sda", "sda", Kind.OTHER),
        ("crw-rw----   1 root     tty        5,0 Nov 20 10:15 tty", "tty", Kind.OTHER),
        ("prw-r--r--   1 root     root         0 Nov 20 10:15 pipe", "pipe", Kind.OTHER),
        ("srwxr-xr-x   1 root     root         0 Nov 20 10:15 socket", "socket", Kind.OTHER),
        ("11-20-26  10:15AM       <DIR>          dir", "dir", Kind.DIR),
        ("11-20-26  10:15AM       <DIR>           leading", " leading", Kind.DIR),
        ("11-20-26  10:15AM       <DIR> narrow", "narrow", Kind.DIR),
        ("11-20-26  10:15AM       <DIR>          ..", "..", Kind.PDIR),
        ("+i2049.78,m1795342500,/,\tdir", "dir", Kind.DIR),
        ("+i2049.79,m1795342500,\tneither", "neither", Kind.OTHER),
        ("TOOLS.DIR;1         1  3-MAY-2026 16:09 [ADMIN] (RWE,RWE,RE,RE)", "TOOLS", Kind.DIR),
        ("QPGMR          32768 11/20/26 10:15:00 *DIR       reports/", "reports", Kind.DIR),
        ("DISK02 3390   2026/11/20  2   30  FB      80 27920  PO  PAYROLL.COBOL", "PAYROLL.COBOL", Kind.DIR),
    ],
)
def test_other_kinds_are_told_apart(line: str, name: str, kind: Kind) -> None:
    entry = one(line)
    assert (entry.name, entry.kind, entry.size) == (name, kind, None)


@pytest.mark.parametrize(
    ("line", "name", "target"),
    [
        ("lrwxrwxrwx 1 root root 3 Nov 20 10:15 a -> b/c", "a", "b/c"),
        ("lrwxrwxrwx 1 root root 6 Nov 20 10:15 a -> b -> c", "a", "b -> c"),
        ("lrwxrwxrwx 1 root root 1 Nov 20 10:15 a -> b -> c", "a -> b", "c"),
        ("lrwxrwxrwx 1 root root 2 Nov 20 10:15 a -> b -> \u00fc", "a -> b", "\u00fc"),
        ("lrwxrwxrwx 1 root root 99 Nov 20 10:15 a -> b -> c", "a", "b -> c"),
        ("lrwxrwxrwx 1 root root 3 Nov 20 10:15 bare", "bare", None),
        ("11-20-26  10:15AM    <SYMLINKD>     name [C:\\inetpub]", "name", "C:\\inetpub"),
        ("11-20-26  10:15AM    <JUNCTION>     name", "name", None),
    ],
)
def test_links_are_split_where_they_point(line: str, name: str, target: str | None) -> None:
    entry = one(line)
    assert (entry.name, entry.kind, entry.target, entry.size) == (name, Kind.LINK, target, None)


@pytest.mark.parametrize(
    ("letters", "mode"),
    [("rw-r--r--", 0o644), ("rwxr-x---", 0o750), ("rwsr-sr-t", 0o7755), ("rwSr-Sr-T", 0o7644), ("rw-r-lr--", 0o2644)],
)
def test_modes(letters: str, mode: int) -> None:
    assert one(f"-{letters} 1 u g 1 Nov 20 10:15 x").mode == mode


@pytest.mark.parametrize(
    ("columns", "owner", "group"),
    [("1 u g", "u", "g"), ("1 u", "u", None), ("u g", "u", "g"), ("1 7 8", "7", "8"), ("1 u g h", "u", "g h")],
)
def test_owners(columns: str, owner: str, group: str | None) -> None:
    entry = one(f"-rw-r--r-- {columns} 123 Nov 20 10:15 x")
    assert (entry.owner, entry.group) == (owner, group)


def test_facts_of_eplf() -> None:
    entry = one("+i2049.77,m1795342500,up640,uq,r,\tx")
    assert (entry.mode, entry.unique, entry.owner) == (0o640, "2049.77", None)


def test_a_vms_name_that_stays_alone_is_no_entry() -> None:
    lines = ["ALONE.TXT;1", "A.TXT;1   1  3-MAY-2026 00:00", "LAST.TXT;1"]
    assert [entry.name for entry in parse_list(lines, NOW)] == ["A.TXT"]
    with pytest.raises(BadListing):
        parse_list([".DIR;1   1  3-MAY-2026 00:00"], NOW)


@pytest.mark.parametrize("now", [2**80, -(2**80), ns(1, 1, 2)])
def test_a_clock_beyond_the_calendar_leaves_the_time_out(now: int) -> None:
    assert one("-rw-r--r-- 1 u g 1 Nov 20 10:15 x", now).modify_ns is None


def test_vms_owners_long_names_and_versions() -> None:
    lines = [
        "",
        "Directory DISK$USER:[ANONYMOUS]",
        "",
        "A_NAME_THAT_DOES_NOT_LEAVE_ROOM.TXT;2",
        "                    5/6      20-NOV-2026 10:15  [STAFF,ALICE]  (RWED,RE,,)",
        "SAME.TXT;2   1  20-NOV-2026 10:15",
        "SAME.TXT;1   1  3-MAY-2026 00:00",
        "",
        "Total of 3 files, 8/9 blocks",
    ]
    long, same = parse_list(lines, NOW)
    assert (long.name, long.owner, long.group, long.modify_ns) == (
        "A_NAME_THAT_DOES_NOT_LEAVE_ROOM.TXT",
        "ALICE",
        "STAFF",
        RECENT,
    )
    assert (same.name, same.modify_ns) == ("SAME.TXT", RECENT)


@pytest.mark.parametrize(
    "lines", [[], [""], ["total 0"], ["insgesamt 0"], ["total 4.0K", ""], ["Directory SYS$X:[A]", "Total of 0 files"]]
)
def test_an_empty_directory_is_no_error(lines: list[str]) -> None:
    assert parse_list(lines, NOW) == []


def test_a_line_nobody_knows_is_passed_over_among_others() -> None:
    lines = ["total 4", "who knows what this is", "-rw-r--r-- 1 u g 1 Nov 20 10:15 x"]
    assert [entry.name for entry in parse_list(lines, NOW)] == ["x"]


def test_a_listing_nobody_knows_is_named_by_its_first_line() -> None:
    with pytest.raises(BadListing, match="ls: cannot access"):
        parse_list(["total 0", "ls: cannot access '\u202e\x1b[2J': no such file", "second"], NOW)


def test_the_message_cannot_move_a_cursor() -> None:
    with pytest.raises(BadListing) as caught:
        parse_list(["\u202e\x1b[2J nonsense here"], NOW)
    assert str(caught.value).isprintable()


def test_every_form_is_used_by_a_sample() -> None:
    lines = [row[0] for row in FILES]
    assert all(any(form(line, NOW) for line in lines) for form in forms())


def test_no_two_forms_take_one_line() -> None:
    for line, *_ in FILES:
        assert sum(form(line, NOW) is not None for form in forms()) == 1, line


@settings(deadline=None, max_examples=300)
@given(st.lists(st.text(max_size=60), max_size=6), st.integers(-(2**70), 2**70))
@example(["-rw-r--r-- " + "9" * 5000 + " 9 9 Nov 20 10:15 x"], NOW)
def test_any_text_is_entries_or_one_error(lines: list[str], now: int) -> None:
    try:
        entries = parse_list(lines, now)
    except BadListing:
        return
    assert all(entry.name for entry in entries)


WORDS = ["-rw-r--r--", "lrwxrwxrwx", "drwx------", "brw-rw----", "1", "8,", "0,0", "root", "4096", "Nov", "30", "Feb",
         "29", "10:15", "2026", "0000", "2026-11-20", "99999999999999999999", "->", "[RWCEAFMS]", "<DIR>", "11-20-26",
         "A.B;1", "30-DEC-1996", "*DIR", "+0000", "10:15:61.5", "\t", "+i1,r,\tx", "\udcff", "", " "]  # fmt: skip


@settings(deadline=None, max_examples=500)
@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join), max_size=4))
def test_shuffled_columns_are_entries_or_one_error(lines: list[str]) -> None:
    try:
        entries = parse_list(lines, NOW)
    except BadListing:
        return
    assert all(entry.name for entry in entries)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_lines_that_give_the_bytes_back(data: bytes) -> None:
    lines = listing_lines(data)
    assert all("\n" not in line for line in lines)
    joined = "\n".join(lines).encode("utf-8", "surrogateescape")
    assert joined == data.replace(b"\r\n", b"\n").removesuffix(b"\n").removesuffix(b"\r" if data[-1:] == b"\r" else b"")


def test_hostile_lines_are_refused_in_no_time() -> None:
    for line in (
        "-rw-r--r-- " + "9 " * 200_000,
        "l" + "rwxrwxrwx 1 1 1 Nov 20 10:15 " + " -> " * 100_000,
        "A;1 " + " " * 200_000 + "x",
        "A;1" + ";1" * 200_000 + "x",
        "+" + "s," * 200_000,
        "11-20-26 10:15 " + "9" * 200_000,
        "A *" + " " * 200_000,
        "d[" + " " * 200_000,
    ):
        assert len(parse_list([line, "-rw-r--r-- 1 u g 1 Nov 20 10:15 x"], NOW)) <= 2


# MLSx


def test_mlsx_is_read() -> None:
    line = "Type=file;Size=17;Modify=20261120101500.5;UNIQUE=8I4;Perm=adfr;UNIX.mode=0640;x.y=z;UNIX.owner=u;  a; b"
    assert parse_mlsx(line) == Entry(
        " a; b", Kind.FILE, 17, RECENT + 500_000_000, 0o640, "u", None, "8I4", "adfr", None
    )


@pytest.mark.parametrize(
    ("line", "kind", "target"),
    [
        ("type=cdir; /home/x", Kind.CDIR, None),
        ("type=pdir; /home", Kind.PDIR, None),
        ("type=dir; .", Kind.CDIR, None),
        ("type=dir; ..", Kind.PDIR, None),
        ("type=DIR; d", Kind.DIR, None),
        ("type=OS.unix=slink:../t; l", Kind.LINK, "../t"),
        ("type=OS.UNIX=symlink; l", Kind.LINK, None),
        ("type=OS.unix=chr-8/1; c", Kind.OTHER, None),
        ("type=OS.mvs=vsam; c", Kind.OTHER, None),
        ("size=4; f", Kind.FILE, None),
        (" f", Kind.FILE, None),
    ],
)
def test_mlsx_kinds(line: str, kind: Kind, target: str | None) -> None:
    entry = parse_mlsx(line)
    assert (entry.kind, entry.target) == (kind, target)


@pytest.mark.parametrize(
    "fact", ["size=-1", "size=1e3", "size=" + "9" * 5000, "modify=yesterday", "UNIX.mode=rw", "size=\u0661"]
)
def test_a_value_without_sense_is_none(fact: str) -> None:
    entry = parse_mlsx(f"type=file;{fact}; x")
    assert (entry.size, entry.modify_ns, entry.mode) == (None, None, None)


def test_names_of_owners_come_before_numbers() -> None:
    entry = parse_mlsx("UNIX.uid=0;UNIX.gid=7;UNIX.owner=1;UNIX.ownername=root;UNIX.group=5; x")
    assert (entry.owner, entry.group) == ("root", "5")


@pytest.mark.parametrize("line", ["", "type=file;", "type=file; ", "nonsense x", "=v; x", "a=1;;b=2; x", "a=1;a=2; x"])
def test_broken_mlsx_is_refused(line: str) -> None:
    with pytest.raises(BadFacts):
        parse_mlsx(line)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=80))
def test_any_bytes_are_an_entry_or_bad_facts(line: bytes) -> None:
    try:
        entry = parse_mlsx(decode(line))
    except BadFacts:
        return
    assert entry.name


def test_mlst_takes_the_line_between() -> None:
    assert parse_mlst(["Listing x", " type=file;size=4; /a b", "End"]).name == "/a b"
    assert parse_mlst(["Listing x", "type=file;size=4; /a b", "End"]).size == 4
    with pytest.raises(BadFacts):
        parse_mlst(["nothing"])


# NLST and names


def test_nlst_names_alone_or_behind_the_directory() -> None:
    assert parse_nlst(["a", "", ".", "..", "a", " b "]) == ["a", " b "]
    assert parse_nlst(["dir/a", "b", "other/c"], "dir") == ["a", "b", "other/c"]
    assert parse_nlst(["./a", "/x/b"], "/x/") == ["a", "b"]
    assert parse_nlst(["/a"], "/") == ["a"]


@pytest.mark.parametrize("name", ["", ".", "..", "/", "/etc/passwd", "../x", "a/b", "a/", "nul\0"])
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(BadListing):
        safe_name(name)


@pytest.mark.parametrize("name", ["a", "...", " ", "-rf", "a\\b", "C:", "\u202e", "\udcff", "..a"])
def test_other_names_are_kept(name: str) -> None:
    assert safe_name(name) == name


@settings(deadline=None)
@given(st.text(max_size=20))
def test_a_safe_name_is_one_component(name: str) -> None:
    try:
        safe = safe_name(name)
    except ProtocolError:
        return
    assert safe == name
    assert safe.split("/") == [safe]
    assert safe not in ("", ".", "..")
