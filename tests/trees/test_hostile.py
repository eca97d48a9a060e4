"""Archives that mean harm: each is refused for its reason, and nothing outside of the directory changes."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest

from ftlite.trees import COMPRESSIONS, EntryKind, Kind, TreeEntry, TreeError, TreeLimits
from ftlite.trees.compress import compressor, decompressor
from ftlite.trees.header import END, encode, padding
from tests.trees.support import contents, open_descriptors, unpack
from tests.trees.test_header import block


def file(path: bytes, data: bytes = b"") -> bytes:
    return encode(TreeEntry(path, EntryKind.FILE, 0o644, 0, len(data))) + data + bytes(padding(len(data)))


def folder(path: bytes) -> bytes:
    return encode(TreeEntry(path, EntryKind.DIR, 0o755))


def link(path: bytes, target: bytes) -> bytes:
    return encode(TreeEntry(path, EntryKind.LINK, 0o777, 0, 0, target))


def hard(path: bytes, target: bytes) -> bytes:
    return encode(TreeEntry(path, EntryKind.HARD, 0o644, 0, 0, target))


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """What is around the target: nothing of it may change."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_bytes(b"precious")
    (tmp_path / "file").write_bytes(b"precious")
    return tmp_path


def refused(stream: bytes, world: Path, **options: object) -> TreeError:
    def around() -> dict[bytes, tuple[object, ...]]:
        return {p: v for p, v in contents(world).items() if not p.startswith(b"target")}

    before, descriptors = around(), open_descriptors()
    inode = os.stat(world / "file")
    with pytest.raises(TreeError) as caught:
        unpack(stream, world / "target", **options)
    assert around() == before
    assert os.stat(world / "file").st_nlink == inode.st_nlink
    assert open_descriptors() <= descriptors
    return caught.value


UNSAFE = {
    "absolute": file(b"/tmp/evil"),
    "dot-dot": file(b"../evil"),
    "dot-dot inside": folder(b"a") + file(b"a/../../evil"),
    "dot-dot at the end": folder(b"a") + folder(b"a/.."),
    "dot": folder(b"."),
    "dot-slash": file(b"./a"),
    "empty": block(b""),
    "empty component": folder(b"a") + file(b"a//b"),
    "file with a slash": file(b"a/", b"x"),
    "CR": file(b"a\rb"),
    "LF": file(b"a\nb"),
    "NUL": file(b"a\0b" + b"x" * 100),
    "reserved": folder(b".ftlite"),
    "reserved below": folder(b"a") + file(b"a/.ftlite-part"),
    "reserved in capitals": file(b".FTLITE"),
    "reserved with an invisible character": file(".ft\u200dlite".encode()),
    "reserved, composed": file(".\uff46tlite".encode()),
    "character device": block(b"a", b"3"),
    "block device": block(b"a", b"4"),
    "FIFO": block(b"a", b"6"),
    "twice": file(b"a") + file(b"a"),
    "twice, directory": folder(b"a") + folder(b"a"),
    "twice, later": folder(b"a") + file(b"a/b") + file(b"c") + file(b"a/b"),
    "file over directory": folder(b"a") + file(b"a"),
    "directory over file": file(b"a") + folder(b"a"),
    "link over file": file(b"a") + link(b"a", b"b"),
    "file over link": link(b"a", b"b") + file(b"a"),
    "absolute link": link(b"a", b"/etc"),
    "link out": link(b"a", b".."),
    "link out, deeper": folder(b"d") + link(b"d/a", b"../../x"),
    "link out and in again": link(b"a", b"../target/x"),
    "link with words that lead out": folder(b"d") + link(b"a", b"d/../../x"),
    "link without a target": link(b"a", b""),
    "link out through another": folder(b"d") + link(b"d/up", b"..") + link(b"e", b"d/up/.."),
    "link out through a later one": link(b"a", b"d/up/../x") + folder(b"d") + link(b"d/up", b".."),
    "link out through two": link(b"a", b"d/e/b/../x") + folder(b"d") + folder(b"d/e") + link(b"d/e/b", b"c")
    + link(b"d/e/c", b"../.."),
    "file below a link": folder(b"d") + link(b"l", b"d") + file(b"l/evil"),
    "file below a link that leads out": link(b"l", b"..") + file(b"l/evil"),
    "file below a link in the middle": folder(b"d") + folder(b"d/e") + link(b"l", b"d") + file(b"l/e/evil"),
    "directory below a link": folder(b"d") + link(b"l", b"d") + folder(b"l/evil"),
    "file below a file": file(b"a") + file(b"a/b"),
    "hard link out": hard(b"a", b"../file"),
    "hard link, absolute": hard(b"a", b"/etc/passwd"),
    "hard link to nothing": hard(b"a", b"b"),
    "hard link to a later file": hard(b"a", b"b") + file(b"b"),
    "hard link to a directory": folder(b"d") + hard(b"e", b"d"),
    "hard link to a link": file(b"f") + link(b"l", b"f") + hard(b"m", b"l"),
    "hard link below a link": folder(b"d") + file(b"d/f") + link(b"l", b"d") + hard(b"m", b"l/f"),
    "hard link to itself": hard(b"a", b"a"),
    "hard link over its target": file(b"a") + hard(b"a", b"a"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNSAFE)
@pytest.mark.parametrize("step", [1 << 17, 1])
def test_unsafe(world: Path, case: str, step: int) -> None:
    error = refused(UNSAFE[case] + END, world, block=step)
    assert error.kind is Kind.UNSAFE, error
    assert not (world / "evil").exists()
    assert not (world / "target/d/evil").exists()


FINE = {
    "link to the root": folder(b"d") + link(b"d/l", b".."),
    "link to itself": link(b"a", b"a"),
    "link around": link(b"a", b"b") + link(b"b", b"a/../a"),
    "dangling": link(b"a", b"b/c/d"),
    "dots and slashes": folder(b"d") + link(b"e", b".//d/./"),
    "back after a name": folder(b"d") + link(b"d/a", b"../e/../d") + folder(b"e"),
    "back after a dangling name": link(b"a", b"x/../y"),
    "through another, within": folder(b"d") + folder(b"d/e") + link(b"l", b"d/e") + link(b"m", b"l/../x"),
    "hard link": folder(b"d") + file(b"d/f", b"x") + hard(b"e", b"d/f"),
    "hard link to a hard link": file(b"f", b"x") + hard(b"g", b"f") + hard(b"h", b"g"),
    "three dots": folder(b"...") + file(b".../a") + file(b"..a"),
    "nearly reserved": file(b".ftliterc"),
}


@pytest.mark.parametrize("case", FINE)
def test_fine(world: Path, case: str) -> None:
    unpack(FINE[case] + END, world / "target")


def test_a_hard_link_counts_as_the_file_that_it_is(tmp_path: Path) -> None:
    linked = unpack(script(b"a") + hard(b"b", b"a") + END, tmp_path / "linked")
    twice = unpack(script(b"a") + script(b"b") + END, tmp_path / "twice")
    assert linked.manifest.digest() == twice.manifest.digest()
    assert linked.manifest.size == 4


def script(path: bytes) -> bytes:
    return encode(TreeEntry(path, EntryKind.FILE, 0o755, 0, 2)) + b"hi" + bytes(510)


def test_a_hard_link_to_a_file_that_is_no_longer_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ftlite.trees.unpack._RECENT", 1)
    linked = unpack(script(b"a") + file(b"b") + file(b"c") + hard(b"d", b"a") + END, tmp_path / "linked")
    twice = unpack(script(b"a") + file(b"b") + file(b"c") + script(b"d") + END, tmp_path / "twice")
    assert linked.manifest.digest() == twice.manifest.digest()


def test_a_file_before_its_directory(world: Path) -> None:
    assert refused(file(b"d/f") + END, world).kind is Kind.MALFORMED


def test_inside_without_a_part(world: Path) -> None:
    stream = encode(TreeEntry(b"a", EntryKind.FILE, 0o644, 0, 9 << 20), offset=8 << 20) + bytes(1 << 20) + END
    assert refused(stream, world).kind is Kind.MALFORMED


def test_a_directory_that_is_entered_again(tmp_path: Path) -> None:
    """Below another one: what the one above had is given back when it is left for good."""
    closed = encode(TreeEntry(b"d", EntryKind.DIR, 0o555, 5_000_000_000))
    inner = encode(TreeEntry(b"d/a", EntryKind.DIR, 0o555, 6_000_000_000))
    unpack(closed + inner + file(b"d/a/f") + file(b"d/b") + file(b"e") + END, tmp_path / "target")
    assert contents(tmp_path / "target")[b"d"] == ("directory", 0o555, 5_000_000_000)
    assert contents(tmp_path / "target")[b"d/a"] == ("directory", 0o555, 6_000_000_000)


@pytest.mark.parametrize(
    "names",
    [(b"b", b"a"), (b"d/", b"d/b", b"d/a"), (b"d/", b"d/f", b"e", b"d/g"), (b"a/", b"a.b", b"a/f"), (b"a.b", b"a/"),
     (b"b", b"a/", b"c")],
)  # fmt: skip
def test_out_of_order(names: tuple[bytes, ...], world: Path) -> None:
    """The digest would not be that of a walk; `a` with all below it comes before `a.b`, though `.` sorts before `/`."""
    stream = b"".join(folder(name[:-1]) if name.endswith(b"/") else file(name) for name in names)
    error = refused(stream + END, world)
    assert error.kind is Kind.MALFORMED
    assert "order" in error.reason
    in_order = sorted(names, key=lambda name: name.rstrip(b"/").split(b"/"))
    stream = b"".join(folder(name[:-1]) if name.endswith(b"/") else file(name) for name in in_order)
    unpack(stream + END, world / "in order")


@pytest.mark.parametrize("again", [b"a", b"d", b"d/f"])
def test_a_name_that_came_before_others(again: bytes, world: Path) -> None:
    stream = file(b"a") + folder(b"d") + file(b"d/f") + file(b"x")
    assert refused(stream + file(again) + END, world).kind is Kind.UNSAFE


@pytest.mark.parametrize(
    ("stream", "limits"),
    [
        (file(b"a") + file(b"b") + file(b"c"), TreeLimits(entries=2)),
        (file(b"a", b"12") + file(b"b", b"34"), TreeLimits(size=3)),
        (encode(TreeEntry(b"a", EntryKind.FILE, 0o644, 0, 1 << 50)), TreeLimits()),
        (file(b"a", b"12") + hard(b"b", b"a"), TreeLimits(size=3)),
        (file(b"a" * 200), TreeLimits(path=199)),
        (file(b"a" * 256), TreeLimits()),
        (file(b"d" * 256 + b"/a"), TreeLimits()),
        (link(b"a", b"a" * 4096), TreeLimits()),
        (link(b"a", b"a" * 200), TreeLimits(path=199)),
        (folder(b"a") + folder(b"a/b") + file(b"a/b/c"), TreeLimits(depth=2)),
        (b"".join(folder(b"/".join([b"d"] * n)) for n in range(1, 130)), TreeLimits()),
        (file(b"a", bytes(3000)) + hard(b"b", b"a") * 4, TreeLimits(free=4096, ratio=1)),
    ],
)
def test_too_much(world: Path, stream: bytes, limits: TreeLimits) -> None:
    assert refused(stream + END, world, limits=limits, block=512).kind is Kind.TOO_MUCH


@pytest.mark.parametrize("seconds", [10**18 - 1, -(10**18) + 1, 2**33, -(2**40)])
def test_far_times(tmp_path: Path, seconds: int) -> None:
    """The file system takes what it can; nothing else may come of it."""
    times = [
        encode(TreeEntry(name, kind, 0o755, seconds * 10**9 + 999_999_999 * (seconds > 0), 0, target))
        for name, kind, target in (
            (b"d", EntryKind.DIR, b""),
            (b"f", EntryKind.FILE, b""),
            (b"l", EntryKind.LINK, b"f"),
        )
    ]
    unpack(b"".join(times) + END, tmp_path / "target")
    assert sorted(os.listdir(tmp_path / "target")) == ["d", "f", "l"]


def test_too_many_winding_links(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ftlite.trees.unpack._MOST_WINDING", 2)
    stream = b"".join(link(b"%d" % n, b"x/../y") for n in range(3))
    assert refused(stream + END, world).kind is Kind.TOO_MUCH


@pytest.mark.skipif("zstd" not in COMPRESSIONS, reason="no zstd here")
class TestCompressed:
    def bomb(self, head: bytes, octets: int) -> bytes:
        machine = compressor("zstd")
        piece = bytes(1 << 20)
        return b"".join(
            [machine.compress(head), *(machine.compress(piece) for _ in range(octets >> 20)), machine.flush()]
        )

    @pytest.mark.parametrize(
        "head",
        [encode(TreeEntry(b"a", EntryKind.FILE, 0o644, 0, 1 << 34)), END],
        ids=["a file of zeros", "zeros after the end"],
    )
    def test_a_bomb(self, world: Path, head: bytes) -> None:
        bomb = self.bomb(head, 256 << 20)
        limits = TreeLimits(free=1 << 20)
        assert refused(bomb, world, comp="zstd", limits=limits).kind is Kind.TOO_MUCH
        written = sum(path.stat().st_size for path in (world / "target").iterdir())
        assert written <= (1 << 20) + 1000 * len(bomb)

    def test_a_bomb_needs_no_memory(self, world: Path) -> None:
        bomb = self.bomb(END, 64 << 20)
        tracemalloc.start()
        try:
            for _ in decompressor("zstd").feed(bomb):
                pass
            assert tracemalloc.get_traced_memory()[1] < 8 << 20
        finally:
            tracemalloc.stop()

    def test_a_window_beyond_8_mib(self, world: Path) -> None:
        from importlib import import_module

        from ftlite.trees.compress import _ZSTD

        assert _ZSTD is not None
        zstd = import_module(_ZSTD)
        options = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.compression_level: 3}
        machine = zstd.ZstdCompressor(options=options)
        frame = machine.compress(END) + machine.flush()
        assert refused(frame, world, comp="zstd").kind is Kind.MALFORMED

    @pytest.mark.parametrize("case", ["garbage", "cut", "trailing", "second frame", "tail in a block of its own"])
    def test_malformed(self, world: Path, case: str) -> None:
        machine = compressor("zstd")
        frame = machine.compress(file(b"a", b"x") + END) + machine.flush()
        stream = {
            "garbage": b"garbage!" * 10,
            "cut": frame[:-1],
            "trailing": frame + b"x",
            "second frame": frame + frame,
            "tail in a block of its own": frame + b"x",
        }[case]
        block = len(frame) if case == "tail in a block of its own" else 1 << 17
        assert refused(stream, world, comp="zstd", block=block).kind is Kind.MALFORMED


def test_memory_stays_flat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More directories and files need no more memory."""
    monkeypatch.setattr("ftlite.trees.unpack._RECENT", 100)

    def peak(count: int, target: Path) -> int:
        stream = b"".join(folder(b"%06d" % n) + file(b"%06d/f" % n) for n in range(count)) + END
        tracemalloc.start()
        try:
            unpack(stream, target)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10, tmp_path / "warm")
    spare = 2000 * 104  # Python keeps so many tuples of each length, which its entries are, for the next ones
    assert peak(3000, tmp_path / "many") < peak(300, tmp_path / "few") + (64 << 10) + spare


@pytest.mark.parametrize("piece", [bytes(1 << 16), block(b"x", b"g"), block(b"x", b"x")])
def test_a_stream_that_comes_to_nothing(world: Path, piece: bytes) -> None:
    stream = (END if not any(piece) else b"") + piece * ((4 << 20) // len(piece) + 1)
    assert refused(stream, world).kind is Kind.TOO_MUCH
    unpack(file(b"a") + END + bytes(1 << 20), world / "fine")


@pytest.mark.skipif("zstd" not in COMPRESSIONS, reason="no zstd here")
def test_a_compression_that_only_makes_more(world: Path) -> None:
    frame = b"\x28\xb5\x2f\xfd\0\0" + bytes(3 * (6 << 20))  # empty blocks, none of them the last
    assert refused(frame, world, comp="zstd").kind is Kind.TOO_MUCH
