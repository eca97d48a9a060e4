"""Headers: what is encoded is read back, by us and by tarfile; any octets give a value or a TreeError."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ftlite.trees.entry import EntryKind, TreeEntry
from ftlite.trees.errors import Kind, TreeError
from ftlite.trees.header import END, encode, padding, record
from ftlite.trees.reader import MOST_EXTENDED, Header, HeaderReader

names = st.binary(min_size=1, max_size=300).map(lambda name: name.replace(b"\0", b"0").strip(b"/") or b"x")
times = st.integers(-(10**18) + 1, 10**18 - 1)


@st.composite
def entries(draw: st.DrawFn) -> TreeEntry:
    kind = draw(st.sampled_from(list(EntryKind)))
    return TreeEntry(
        draw(names),
        kind,
        draw(st.integers(0, 0o777)),
        draw(times),
        draw(st.integers(0, 1 << 59)) if kind is EntryKind.FILE else 0,
        draw(names) if kind in (EntryKind.LINK, EntryKind.HARD) else b"",
    )


def read_all(data: bytes, step: int) -> list[Header] | Kind:
    """All headers of a stream whose contents are skipped; or the kind of the error."""
    reader = HeaderReader()
    found: list[Header] = []
    skip = 0
    try:
        for start in range(0, len(data), step):
            view = memoryview(data)[start : start + step]
            at = 0
            while at < len(view):
                if skip:
                    taken = min(skip, len(view) - at)
                    skip -= taken
                    at += taken
                    continue
                at = reader.read(view, at)
                if reader.header is not None:
                    found.append(reader.header)
                    skip = reader.header.left + padding(reader.header.left)
    except TreeError as error:
        return error.kind
    return found


@given(entries())
@example(TreeEntry(b"a" * 100, EntryKind.FILE, 0o644, 0, 8**11 - 1))
@example(TreeEntry(b"a" * 100 + b"/" + b"b" * 100, EntryKind.FILE, 0o644, 0, 8**11))
@example(TreeEntry(b"a" * 155 + b"/" + b"b" * 99, EntryKind.DIR, 0o755, -1))
@example(TreeEntry(b"\xff", EntryKind.LINK, 0o777, 8**11 * 10**9, 0, b"\xc3\xbc" * 80))
def test_what_is_encoded_is_read_back(entry: TreeEntry) -> None:
    data = encode(entry)
    assert len(data) % 512 == 0
    for step in (1, 512, len(data)):
        assert read_all(data, step) == [Header(entry, 0, entry.size)]


@given(entries().filter(lambda entry: entry.kind is EntryKind.FILE and entry.size > 1), st.data())
def test_a_file_that_goes_on_inside(entry: TreeEntry, data: st.DataObject) -> None:
    offset = data.draw(st.integers(1, entry.size - 1))
    assert read_all(encode(entry, offset=offset), 100) == [Header(entry, offset, entry.size - offset)]


@given(st.lists(entries().map(lambda entry: encode(entry)), max_size=4), st.data())
def test_any_octets_give_a_value_or_a_tree_error(headers: list[bytes], data: st.DataObject) -> None:
    stream = bytearray(b"".join(headers) + END)
    for _ in range(data.draw(st.integers(0, 4))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    whole = read_all(bytes(stream), len(stream))
    assert read_all(bytes(stream), data.draw(st.integers(1, 700))) == whole
    assert read_all(bytes(stream), 1) == whole


@given(st.binary(max_size=512))
def test_any_fields_under_a_right_checksum(raw: bytes) -> None:
    block = checked(raw.ljust(512, b"\0"))
    whole = read_all(block, 512)
    assert read_all(block, 7) == whole


@given(st.binary(max_size=200))
def test_any_pax_data(data: bytes) -> None:
    stream = pax(data) + encode(TreeEntry(b"a", EntryKind.FILE))
    assert read_all(stream, 512) == read_all(stream, 1)


@given(entries())
def test_tarfile_reads_the_same(entry: TreeEntry) -> None:
    if entry.size:
        entry = TreeEntry(entry.path, entry.kind, entry.mode, entry.modify_ns, 0, entry.target)
    with tarfile.open(
        fileobj=io.BytesIO(encode(entry) + END), mode="r:", encoding="utf-8", errors="surrogateescape"
    ) as archive:
        (member,) = archive.getmembers()
    assert member.name.encode("utf-8", "surrogateescape").rstrip(b"/") == entry.path.rstrip(b"/")
    assert member.mode == entry.mode
    assert member.linkname.encode("utf-8", "surrogateescape") == entry.target or entry.target.endswith(b"/")
    assert member.mtime == pytest.approx(entry.modify_ns / 1e9)


def checked(block: bytes) -> bytes:
    """A block with the right checksum."""
    block = block[:148] + b" " * 8 + block[156:]
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def block(name: bytes = b"a", kind: bytes = b"0", **fields: bytes) -> bytes:
    """A ustar block by its fields."""
    places = {"mode": (100, 8), "size": (124, 12), "mtime": (136, 12), "target": (157, 100), "magic": (257, 8)}
    made = bytearray(512)
    for key, value in {"mode": b"644", "size": b"0", "mtime": b"0", "magic": b"ustar\x0000", **fields}.items():
        at, length = places[key]
        made[at : at + length] = value.ljust(length, b"\0")
    made[: len(name)] = name
    made[156:157] = kind
    return checked(bytes(made))


def pax(data: bytes, kind: bytes = b"x") -> bytes:
    return block(b"pax", kind, size=b"%o" % len(data)) + data + bytes(padding(len(data)))


def one(stream: bytes) -> Header:
    found = read_all(stream, 512)
    assert isinstance(found, list), found
    (header,) = found
    return header


def test_gnu_long_names_and_numbers() -> None:
    name, target = b"n" * 2000, b"t" * 1500
    long = b"".join(
        block(b"././@LongLink", kind, size=b"%o" % (len(text) + 1), magic=b"ustar  ")
        + text
        + b"\0"
        + bytes(padding(len(text) + 1))
        for kind, text in ((b"L", name), (b"K", target))
    )
    found = one(long + block(b"n", b"2", target=b"t", magic=b"ustar  ")).entry
    assert (found.path, found.target, found.kind) == (name, target, EntryKind.LINK)
    size = (1 << 40).to_bytes(12)
    big = one(block(b"n", size=bytes([0x80]) + size[1:], mtime=(-5).to_bytes(12, signed=True), magic=b"ustar  "))
    assert (big.left, big.entry.modify_ns) == (1 << 40, -5_000_000_000)


def test_pax_records_for_all_entries_and_for_one() -> None:
    everywhere = pax(record(b"mtime", b"7.5") + record(b"comment", b"x") + record(b"SCHILY.xattr.user.a", b"\0"), b"g")
    own = pax(record(b"mtime", b"8"))
    found = read_all(everywhere + block(b"a") + own + block(b"b") + pax(record(b"mtime", b"")) + block(b"c"), 512)
    assert isinstance(found, list)
    assert [header.entry.modify_ns for header in found] == [7_500_000_000, 8_000_000_000, 0]


@pytest.mark.parametrize(("text", "nanoseconds"), [
    (b"-0.5", -500_000_000), (b"1.0000000019", 1_000_000_001), (b"-1", -1_000_000_000), (b"0.", 0),
])  # fmt: skip
def test_pax_times(text: bytes, nanoseconds: int) -> None:
    assert one(pax(record(b"mtime", text)) + block()).entry.modify_ns == nanoseconds


def test_an_old_archive_without_a_magic() -> None:
    assert one(block(b"dir/", b"\0", magic=b"")).entry == TreeEntry(b"dir", EntryKind.DIR)
    assert one(block(b"file", b"\0", magic=b"", size=b"   14 ")).entry.size == 12


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        (block(kind=b"3"), Kind.UNSAFE),
        (block(kind=b"4"), Kind.UNSAFE),
        (block(kind=b"6"), Kind.UNSAFE),
        (block(kind=b"S", magic=b"ustar  "), Kind.MALFORMED),
        (block(kind=b"Z"), Kind.MALFORMED),
        (pax(record(b"GNU.sparse.major", b"1")) + block(), Kind.MALFORMED),
        (pax(record(b"SCHILY.realsize", b"1")) + block(), Kind.MALFORMED),
        (pax(b"5 a=b\n") + block(), Kind.MALFORMED),
        (pax(b"99 path=b\n") + block(), Kind.MALFORMED),
        (pax(b"0 path=b\n") + block(), Kind.MALFORMED),
        (pax(record(b"size", b"-1")) + block(), Kind.MALFORMED),
        (pax(record(b"size", b"1_0")) + block(), Kind.MALFORMED),
        (pax(record(b"mtime", b"1e9")) + block(), Kind.MALFORMED),
        (pax(record(b"FTLITE.offset", b"5")) + block(size=b"1"), Kind.MALFORMED),
        (pax(record(b"FTLITE.offset", b"5") + record(b"FTLITE.size", b"5")) + block(size=b"1"), Kind.MALFORMED),
        (pax(record(b"FTLITE.offset", b"5") + record(b"FTLITE.size", b"5")) + block(kind=b"5"), Kind.MALFORMED),
        (pax(record(b"path", b"x")) + END, Kind.MALFORMED),
        (block(b"x", b"x", size=b"%o" % (MOST_EXTENDED + 1)), Kind.MALFORMED),
        (block(kind=b"5", size=b"1"), Kind.MALFORMED),
        (block(kind=b"2", size=b"1", target=b"b"), Kind.MALFORMED),
        (block(size=b"\xff" * 12), Kind.MALFORMED),
        (block(size=b"9"), Kind.MALFORMED),
        (block(size=b"0o7"), Kind.MALFORMED),
        (block(size=b"1_0"), Kind.MALFORMED),
        (block(size=b"\x80" + b"\xff" * 11), Kind.MALFORMED),
        (block()[:-1] + b"x", Kind.MALFORMED),
        (bytes(512) + block(), Kind.MALFORMED),
        (END + b"x", Kind.MALFORMED),
    ],
)
def test_refused(stream: bytes, kind: Kind) -> None:
    assert read_all(stream, 512) is kind
    assert read_all(stream, 1) is kind


def test_a_reader_holds_no_more_than_one_extended_header() -> None:
    reader = HeaderReader()
    stream = memoryview(block(b"x", b"x", size=b"%o" % MOST_EXTENDED) + b"7" * (MOST_EXTENDED - 1))
    for at in range(0, len(stream), 1000):
        reader.read(stream[at : at + 1000], 0)
    assert len(reader._held) < MOST_EXTENDED
    with pytest.raises(TreeError):
        reader.read(memoryview(b"7"), 0)


plain = st.builds(
    TreeEntry,
    st.text("ab/._ ", min_size=1, max_size=102).map(str.encode),
    st.just(EntryKind.FILE),
    st.integers(0, 0o777),
    st.integers(0, 2 * 10**18) | st.integers(10**9, 2 * 10**9).map(lambda seconds: seconds * 10**9),
    st.integers(0, 8**11),
)


@given(plain, st.lists(st.tuples(st.integers(0, 1535), st.sampled_from(b"\0 0127x/._\n\xff") | st.integers(0, 255))))
@example(TreeEntry(b"a", EntryKind.FILE, 0o644, 1_700_000_000_123_456_789, 5), [])
@example(TreeEntry(b"a", EntryKind.FILE, 0o644, 1_700_000_000_120_000_000, 5), [])
@example(TreeEntry(b"a/", EntryKind.FILE, 0o644, 1_700_000_000_000_000_000, 0), [])
def test_a_header_that_comes_whole_is_read_as_one_in_pieces(entry: TreeEntry, damage: list[tuple[int, int]]) -> None:
    """There is a short way for the former; whatever it takes is what the long way makes of it."""
    data = bytearray(encode(entry))
    for at, value in damage:
        if at < len(data):
            data[at] = value
    _mend(data)
    assert read_all(bytes(data), len(data)) == read_all(bytes(data), 100)


def _mend(data: bytearray) -> None:
    """Make the checksum of the last block right, so that something else decides."""
    block = data[-512:]
    block[148:156] = b" " * 8
    data[-512 + 148 : -512 + 156] = b"%06o\0 " % sum(block)
