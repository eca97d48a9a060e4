"""There and back by us alone: packing, unpacking, what is left out, what changes meanwhile."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlite.trees import (
    ALGORITHMS,
    COMPRESSIONS,
    EntryKind,
    Kind,
    Packer,
    Position,
    TreeEntry,
    TreeError,
    Unpacker,
    Walk,
    clear,
    measure,
)
from ftlite.trees.header import END, encode
from ftlite.trees.safety import is_fit
from tests.trees.support import contents, directory, make_tree, open_descriptors, pack, unpack


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "source")


@pytest.mark.parametrize("comp", [None, *COMPRESSIONS])
@pytest.mark.parametrize("block", [100, 5000, 1 << 17, 1 << 20])
def test_there_and_back(source: Path, tmp_path: Path, block: int, comp: str | None) -> None:
    before = open_descriptors()
    stream, packer = pack(source, block=block, comp=comp)
    unpacker = unpack(stream, tmp_path / "target", block=block, comp=comp)
    assert contents(tmp_path / "target") == contents(source)
    assert packer.manifest.digest() == unpacker.manifest.digest()
    assert packer.entries == unpacker.entries == len(contents(source))
    assert packer.sent == unpacker.received == len(stream)
    assert open_descriptors() <= before


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_digest_is_that_of_the_protocol(tmp_path: Path, algorithm: str) -> None:
    from ftlite.trees.manifest import maker

    make = maker(algorithm)
    source = tmp_path / "source"
    (source / "d").mkdir(parents=True)
    (source / "d/run").write_bytes(b"go")
    os.chmod(source / "d/run", 0o754)
    (source / "d-").write_bytes(b"")
    os.symlink("run", source / "d/link")

    def hashed(data: bytes) -> bytes:
        hasher = make()
        hasher.update(data)
        return hasher.hexdigest().encode()

    records = (
        b"D\0d\0"
        + b"L\0d/link\0run\0"
        + (b"F\0x\x002\0" + hashed(b"go") + b"\0d/run\0")
        + (b"F\0-\x000\0" + hashed(b"") + b"\0d-\0")
    )
    stream, packer = pack(source, algorithm=algorithm)
    assert packer.manifest.digest().encode() == hashed(records)
    assert unpack(stream, tmp_path / "target", algorithm=algorithm).manifest.digest().encode() == hashed(records)


def test_many_small_files_make_one_block(tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / f"{number:03}").write_bytes(b"x" * 100)
    with directory(tmp_path) as fd:
        packer = Packer(fd)
        assert len(packer.read(1 << 17)) == 1 << 17
        packer.close()


def test_a_block_stays_until_the_next_call_but_one(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(os.urandom(1 << 20))
    with directory(tmp_path) as fd:
        packer = Packer(fd)
        first = packer.read(4096)
        copy = bytes(first)
        second = packer.read(4096)
        assert bytes(first) == copy != bytes(second)
        packer.close()


times = st.integers(-(2**60), 2**60)


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(
        st.binary(min_size=1, max_size=40).filter(lambda name: is_fit(name)),
        st.tuples(st.sampled_from("FDL"), st.binary(max_size=2000), st.integers(0, 0o777), times),
        max_size=8,
    ),
    st.integers(1, 3000),
)
def test_any_tree(things: dict[bytes, tuple[str, bytes, int, int]], block: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch, "source")
        source.mkdir()
        below = b""
        for name, (kind, data, mode, time) in things.items():
            path = os.fsencode(source) + b"/" + below + name
            if kind == "D":
                os.mkdir(path, mode | 0o700)
                below += name + b"/" if len(below) < 200 else b""
            elif kind == "L":
                os.symlink(b"x" + data.replace(b"\0", b"").replace(b".", b"")[:1000], path)
            else:
                with open(path, "wb") as file:
                    file.write(data)
                os.chmod(path, mode)
            os.utime(path, ns=(time, time), follow_symlinks=False)
        stream, packer = pack(source, block=block)
        unpack(stream, Path(scratch, "target"), block=block, umask=0)
        assert contents(Path(scratch, "target")) == contents(source)
        assert packer.left == 0


def test_the_umask_and_the_bits_that_do_not_travel(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "d").mkdir(parents=True)
    (source / "f").write_bytes(b"")
    os.chmod(source / "f", 0o6777)
    os.chmod(source / "d", 0o3733)
    stream, _ = pack(source)
    previous = os.umask(0o077)
    try:
        unpack(stream, tmp_path / "strict", umask=0o027)
    finally:
        os.umask(previous)
    assert stat.S_IMODE(os.stat(tmp_path / "strict/f").st_mode) == 0o750
    assert stat.S_IMODE(os.stat(tmp_path / "strict/d").st_mode) == 0o710 | 0o500
    with directory(source) as fd:
        assert [(entry.kind, entry.mode) for entry, fd in Walk(fd) if fd < 0 or os.close(fd) is None] == [
            (EntryKind.DIR, 0o733),
            (EntryKind.FILE, 0o777),
        ]


def test_what_is_left_out(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / ".ftlite").mkdir(parents=True)
    (source / ".ftlite/part").write_bytes(b"")
    (source / ".FTLITE-x").write_bytes(b"")
    (source / ".ftlite.toml").write_bytes(b"taken")
    os.mkfifo(source / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(source / "sock"))
    os.symlink("/etc/passwd", source / "absolute")
    os.symlink("../out", source / "out")
    os.symlink(".", source / "here")
    os.symlink("here/../../x", source / "winding")
    os.symlink("here/../here", source / "winding-back")
    (source / "line\nbreak").write_bytes(b"")
    stream, packer = pack(source)
    assert packer.left_out == ["absolute", "fifo", "line\nbreak", "out", "sock", "winding", "winding-back"]
    assert packer.left == 7
    unpack(stream, tmp_path / "target")
    assert sorted(os.listdir(tmp_path / "target")) == [".ftlite.toml", "here"]


def test_what_is_not_wanted_and_what_is_not_allowed(source: Path, tmp_path: Path) -> None:
    asked: list[tuple[str, bool]] = []

    def wanted(path: str, is_directory: bool) -> bool:
        asked.append((path, is_directory))
        return path != "dir/deep" and not path.startswith(("l", "n"))

    stream, packer = pack(source, wanted=wanted, may=lambda path, _: path != "dir/size-1" and path != "empty")
    assert packer.left_out == ["dir/size-1", "empty"]
    assert ("dir/deep", True) in asked
    assert not any(path.startswith("dir/deep/") for path, _ in asked)
    unpack(stream, tmp_path / "target")
    kept = contents(tmp_path / "target")
    assert kept == {
        path: value
        for path, value in contents(source).items()
        if not path.startswith((b"dir/deep", b"l", b"n", b"empty")) and path != b"dir/size-1"
    } | {b"empty.txt": contents(source)[b"empty.txt"]}


def test_measure_is_the_digest_of_the_stream(source: Path) -> None:
    with directory(source) as fd:
        manifest = measure(fd)
        assert measure(fd, stop=lambda: True) is None
    assert manifest is not None
    assert manifest.digest() == pack(source)[1].manifest.digest()


@pytest.mark.parametrize("change", ["shrink", "grow", "touch", "remove"])
@pytest.mark.parametrize("skipped", [False, True])
def test_a_source_that_changes(tmp_path: Path, change: str, skipped: bool) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_bytes(bytes(1 << 20))
    (source / "b").write_bytes(b"")
    before = open_descriptors()
    with directory(source) as fd:
        packer = Packer(fd, skip=Position(entries=5 if skipped else 0))
        if skipped:
            packer.advance(1000)
        else:
            packer.read(1 << 16)
        if change == "shrink":
            os.truncate(source / "a", 100)
        elif change == "grow":
            with open(source / "a", "ab") as file:
                file.write(b"more")
        elif change == "touch":
            os.utime(source / "a", ns=(0, 0))
        else:
            os.unlink(source / "b")
        with pytest.raises(TreeError) as caught:
            while packer.read(1 << 17):
                pass
        packer.close()
    assert caught.value.kind is Kind.CHANGED
    assert caught.value.path == ("b" if change == "remove" else "a")
    assert open_descriptors() <= before


def test_a_file_that_becomes_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    source = tmp_path / "source"
    (source / "z").mkdir(parents=True)
    (source / "a").write_bytes(b"x")
    (source / "y").write_bytes(b"x")
    for name in ("y", "z"):
        with directory(source) as fd:
            walk = Walk(fd)
            os.close(next(walk)[1])
            (source / "z").rmdir() if name == "z" else (source / "y").unlink()
            os.symlink("../secret", source / name)
            with pytest.raises(TreeError) as caught:
                for _, opened in walk:
                    os.close(opened)
            assert caught.value.kind is Kind.CHANGED
        (source / name).unlink()
        (source / name).mkdir() if name == "z" else (source / name).write_bytes(b"x")
        (source / "y").unlink(missing_ok=True)


def test_the_same_name_in_two_cases(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_bytes(b"1")
    (source / "A").write_bytes(b"2")
    unpack(pack(source)[0], tmp_path / "target")
    assert contents(tmp_path / "target") == contents(source)


def test_a_disk_error_leaves_as_it_is(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream, _ = pack(source)

    def full(fd: int, data: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    before = open_descriptors()
    with pytest.raises(OSError, match="No space left"):
        unpack(stream, tmp_path / "target")
    assert open_descriptors() <= before


def test_short_writes(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream, _ = pack(source)
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[: max(1, len(data) // 2)]))
    unpack(stream, tmp_path / "target")
    monkeypatch.undo()
    assert contents(tmp_path / "target") == contents(source)


def test_a_path_of_four_thousand_octets(tmp_path: Path) -> None:
    """Longer than the system takes in one call, once the directory is counted in."""
    folders = [b"/".join([b"d" * 250] * depth) for depth in range(1, 16)]
    last = TreeEntry(folders[-1] + b"/" + b"\xff" * 234, EntryKind.FILE, 0o644, 5, 4)
    assert len(last.path) == 3999
    stream = b"".join(encode(TreeEntry(path, EntryKind.DIR, 0o755, 7)) for path in folders)
    stream += encode(last) + b"deep" + bytes(508) + END
    unpacker = unpack(stream, tmp_path / "target")
    again, packer = pack(tmp_path / "target")
    assert again == stream
    assert packer.manifest.digest() == unpacker.manifest.digest()
    with directory(tmp_path / "target") as fd:
        clear(fd)


def test_an_empty_tree(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    stream, packer = pack(tmp_path / "source")
    assert stream == bytes(1024)
    assert unpack(stream, tmp_path / "target").manifest.digest() == packer.manifest.digest()


def test_a_stream_that_ends_early(source: Path, tmp_path: Path) -> None:
    stream, _ = pack(source)
    for end in (0, 100, 512, 1000, 50_000, len(stream) - 1024, len(stream) - 512, len(stream) - 1):
        with pytest.raises(TreeError) as caught:
            unpack(stream[:end], tmp_path / "target")
        assert caught.value.kind is Kind.MALFORMED
        shutil.rmtree(tmp_path / "target")


def test_clear(source: Path, tmp_path: Path) -> None:
    os.symlink(tmp_path, source / "dir/out")
    with directory(source) as fd:
        clear(fd)
    assert os.listdir(source) == []
    assert tmp_path.exists()


def test_as_an_ordinary_user() -> None:
    """Directories without w for their owner are filled, unreadable files left out; root would not notice."""
    if os.getuid() != 0:
        pytest.skip("needs root to become another user")
    with tempfile.TemporaryDirectory() as scratch:
        os.chmod(scratch, 0o777)
        os.seteuid(65534)
        try:
            source = make_tree(Path(scratch, "source"))
            (source / "secret").write_bytes(b"")
            os.chmod(source / "secret", 0)
            stream, packer = pack(source)
            assert packer.left_out == ["secret"]
            unpack(stream, Path(scratch, "target"), umask=0)
        finally:
            os.seteuid(0)
        os.unlink(source / "secret")
        assert contents(source) == contents(Path(scratch, "target"))


def test_allowed_is_asked_for_each_entry(source: Path, tmp_path: Path) -> None:
    stream, _ = pack(source)
    asked: list[tuple[str, bool]] = []

    def allowed(path: str, is_directory: bool) -> bool:
        asked.append((path, is_directory))
        return path != "dir/size-1"

    with pytest.raises(TreeError) as caught:
        unpack(stream, tmp_path / "target", allowed=allowed)
    assert (caught.value.kind, caught.value.path) == (Kind.DENIED, "dir/size-1")
    assert asked[-1] == ("dir/size-1", False)
    assert ("dir", True) in asked
    assert not (tmp_path / "target/dir/size-1").exists()


def test_after_the_end_nothing_is_taken(tmp_path: Path) -> None:
    with directory(tmp_path) as fd:
        unpacker = Unpacker(fd)
        unpacker.write(bytes(1024))
        unpacker.write(bytes(9216))  # as GNU tar fills its last record
        with pytest.raises(TreeError):
            unpacker.write(b"x")
        unpacker.close()
