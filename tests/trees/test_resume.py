"""Going on after a break: at each entry, inside a big file, after kill -9 at any octet of the journal."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ftlite.trees import (
    COMPRESSIONS,
    LEAST_INSIDE,
    Journal,
    Kind,
    Packer,
    Position,
    TreeError,
    Unpacker,
    measure,
)
from tests.trees.support import contents, directory, journal, make_tree, open_descriptors, pack
from tests.trees.test_hostile import file, folder, link, refused, world  # noqa: F401

BIG = LEAST_INSIDE + 300_000
END = bytes(1024)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "source")


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """A small file, a big one between others in a directory, and something after them."""
    root = tmp_path / "big-source"
    (root / "d").mkdir(parents=True)
    (root / "a").write_bytes(b"first")
    (root / "d/big").write_bytes(os.urandom(BIG))
    (root / "d/small").write_bytes(b"small")
    (root / "z").write_bytes(b"last")
    os.utime(root / "d", ns=(0, 7))
    return root


def receive(stream: bytes, staging: Path, log: Path) -> Position:
    """Take a stream, which may be cut; what stood before."""
    staging.mkdir(exist_ok=True)
    with directory(staging) as fd, journal(log, fd) as opened:
        unpacker = Unpacker(fd, journal=opened, umask=0)
        unpacker.write(stream)
        if stream.endswith(END):
            unpacker.finish()
        unpacker.close()
        return opened.position


def standing(staging: Path, log: Path) -> Position:
    with directory(staging) as fd, journal(log, fd) as opened:
        return opened.position


def rest(source: Path, position: Position, comp: str | None = None) -> tuple[bytes, Packer]:
    """What the source sends after `position`, which it proves."""
    with directory(source) as fd:
        packer = Packer(fd, skip=position, comp=comp)
        assert packer.prefix() == position
        stream = b"".join(bytes(piece) for piece in iter(lambda: packer.read(1 << 17), b""))
        packer.close()
    return stream, packer


def ends_of_entries(stream: bytes, scratch: Path) -> list[int]:
    """Where each entry is just complete."""
    ends = []
    scratch.mkdir()
    with directory(scratch) as fd:
        unpacker = Unpacker(fd)
        for at in range(0, len(stream), 512):
            entries = unpacker.entries
            unpacker.write(stream[at : at + 512])
            if unpacker.entries > entries:
                ends.append(at + 512)
        unpacker.close()
    return ends


def test_at_each_entry(source: Path, tmp_path: Path) -> None:
    whole, packer = pack(source)
    seen = set()
    for end in ends_of_entries(whole, tmp_path / "once"):
        staging, log = tmp_path / "staging", tmp_path / "log"
        receive(whole[:end], staging, log)
        position = standing(staging, log)
        seen.add(position.entries)
        stream, second = rest(source, position)
        before = open_descriptors()
        with directory(staging) as fd, journal(log, fd) as opened:
            assert opened.position == position
            unpacker = Unpacker(fd, journal=opened, umask=0)
            unpacker.write(stream)
            unpacker.finish()
            unpacker.close()
        assert open_descriptors() <= before
        assert unpacker.manifest.digest() == packer.manifest.digest() == second.manifest.digest()
        assert contents(staging) == contents(source)
        shutil.rmtree(staging)
        log.unlink()
    assert seen == set(range(1, packer.entries + 1))


@pytest.mark.parametrize("comp", [None, *COMPRESSIONS])
@pytest.mark.parametrize("cut", [100_000, LEAST_INSIDE, BIG - 10])
def test_inside_a_big_file(big: Path, tmp_path: Path, cut: int, comp: str | None) -> None:
    whole, packer = pack(big)
    staging, log = tmp_path / "staging", tmp_path / "log"
    content = (big / "d/big").read_bytes()
    begin = whole.index(content[:100])
    receive(whole[: begin + cut], staging, log)
    position = standing(staging, log)
    assert (position.entries, position.inside) == (2, cut)
    assert position.head == hashlib.sha256(content[:cut]).hexdigest()
    stream, second = rest(big, position, comp)
    assert len(stream) < BIG - cut + 10_000
    with directory(staging) as fd, journal(log, fd) as opened:
        unpacker = Unpacker(fd, journal=opened, umask=0, comp=comp)
        unpacker.write(stream)
        unpacker.finish()
        unpacker.close()
    assert contents(staging) == contents(big)
    assert unpacker.manifest.digest() == packer.manifest.digest() == second.manifest.digest()


def test_inside_twice(big: Path, tmp_path: Path) -> None:
    whole, packer = pack(big)
    staging, log = tmp_path / "staging", tmp_path / "log"
    receive(whole[: 3 << 20], staging, log)
    first = standing(staging, log)
    stream, _ = rest(big, first)
    receive(stream[: 3 << 20], staging, log)
    second = standing(staging, log)
    assert second.entries == 2
    assert second.inside > first.inside + (2 << 20)
    stream, _ = rest(big, second)
    assert receive(stream, staging, log) == second
    done = standing(staging, log)
    assert (done.entries, done.digest) == (packer.entries, packer.manifest.digest())
    assert contents(staging) == contents(big)


def test_a_part_that_the_stream_does_not_go_on_with(big: Path, tmp_path: Path) -> None:
    whole, packer = pack(big)
    staging, log = tmp_path / "staging", tmp_path / "log"
    receive(whole[: 3 << 20], staging, log)
    position = standing(staging, log)
    assert position.inside
    stream, _ = rest(big, Position(position.entries, position.digest))
    receive(stream[: 2 << 20], staging, log)
    again = standing(staging, log)
    assert 0 < again.inside < position.inside
    stream, _ = rest(big, Position(again.entries, again.digest))
    receive(stream, staging, log)
    assert contents(staging) == contents(big)
    assert standing(staging, log).digest == packer.manifest.digest()


def test_a_part_that_is_not_in_the_tree_any_more(big: Path, tmp_path: Path) -> None:
    whole, _ = pack(big)
    staging, log = tmp_path / "staging", tmp_path / "log"
    receive(whole[: 3 << 20], staging, log)
    assert standing(staging, log).inside
    receive(END, staging, log)
    assert sorted(contents(staging)) == [b"a", b"d"]
    assert standing(staging, log) == Position(2, standing(staging, log).digest)


def test_a_part_that_became_another_file(big: Path, tmp_path: Path) -> None:
    whole, _ = pack(big)
    staging, log = tmp_path / "staging", tmp_path / "log"
    receive(whole[: 3 << 20], staging, log)
    receive(file(b"d/big", b"x" * 1000)[:-700], staging, log)  # small now, and cut
    position = standing(staging, log)
    assert (position.entries, position.inside) == (2, 0)
    assert sorted(contents(staging)) == [b"a", b"d"]


def test_what_does_not_fit_the_part_is_refused(big: Path, tmp_path: Path) -> None:
    whole, _ = pack(big)
    staging, log = tmp_path / "staging", tmp_path / "log"
    receive(whole[: 3 << 20], staging, log)
    position = standing(staging, log)
    with directory(big) as fd:
        packer = Packer(fd, skip=Position(position.entries, "", position.inside - 512))
        stream = bytes(packer.read(1 << 17))
        packer.close()
    with directory(staging) as fd, journal(log, fd) as opened:
        unpacker = Unpacker(fd, journal=opened)
        with pytest.raises(TreeError) as caught:
            unpacker.write(stream)
        unpacker.close()
    assert caught.value.kind is Kind.MALFORMED


def test_any_end_of_the_journal(source: Path, tmp_path: Path) -> None:
    """Whatever octets of the journal reached the disk, what it counts stands, and the rest comes again."""
    whole, packer = pack(source)
    staging, log = tmp_path / "staging", tmp_path / "log"
    receive(whole, staging, log)
    complete = log.read_bytes()
    counts = []
    for end in range(0, len(complete), 61):
        shutil.copytree(staging, tmp_path / "copy", symlinks=True)
        log.write_bytes(complete[:end])
        position = standing(tmp_path / "copy", log)
        counts.append(position.entries)
        assert len(contents(tmp_path / "copy")) == position.entries
        receive(rest(source, position)[0], tmp_path / "copy", log)
        assert contents(tmp_path / "copy") == contents(source)
        shutil.rmtree(tmp_path / "copy")
    assert counts == sorted(counts)
    assert counts[-1] >= packer.entries - 1


def test_a_journal_of_garbage_counts_nothing(source: Path, tmp_path: Path) -> None:
    whole, _ = pack(source)
    staging, log = tmp_path / "staging", tmp_path / "log"
    receive(whole, staging, log)
    data = bytearray(log.read_bytes())
    data[200] ^= 1
    log.write_bytes(data)
    assert standing(staging, log).entries < 5
    log.write_bytes(os.urandom(5000))
    assert standing(staging, log) == Position(0, hashlib.sha256().hexdigest())
    assert contents(staging) == {}


@pytest.mark.parametrize("harm", ["remove", "shorten", "replace by a link", "other link", "replace by a directory"])
def test_what_is_not_there_is_not_counted(source: Path, tmp_path: Path, harm: str) -> None:
    whole, _ = pack(source)
    staging, log = tmp_path / "staging", tmp_path / "log"
    receive(whole, staging, log)
    path = staging / "dir/size-512"
    if harm == "shorten":
        os.truncate(path, 100)
    elif harm == "other link":
        path = staging / "dangling"
        path.unlink()
        path.symlink_to("elsewhere")
    else:
        path.unlink()
        if harm == "replace by a link":
            path.symlink_to(source / "dir/size-512")
        elif harm == "replace by a directory":
            path.mkdir()
            (path / "below").write_bytes(b"")
    position = standing(staging, log)
    names = sorted(contents(source), key=lambda name: name.replace(b"/", b"\0"))
    assert position.entries == names.index(os.fsencode(path.relative_to(staging)))
    assert sorted(contents(staging), key=lambda name: name.replace(b"/", b"\0")) == names[: position.entries]
    assert (source / "dir/size-512").exists()
    receive(rest(source, position)[0], staging, log)
    assert contents(staging) == contents(source)


def test_after_a_restart_of_the_machine_files_are_read_again(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, packer = pack(source)
    staging, log = tmp_path / "staging", tmp_path / "log"
    receive(whole, staging, log)
    with open(staging / "dir/size-70000", "r+b") as lost:
        lost.write(bytes(1000)[:999] + b"x")
    os.utime(staging / "dir/size-70000", ns=(0, 0))
    assert standing(staging, log).entries == packer.entries  # nothing looks: the process was killed, not the machine
    monkeypatch.setattr("ftlite.trees.journal._boot", lambda: b"f" * 36)
    position = standing(staging, log)
    assert position.entries < packer.entries
    receive(rest(source, position)[0], staging, log)
    assert contents(staging) == contents(source)


def test_a_journal_of_another_algorithm_does_not_count(source: Path, tmp_path: Path) -> None:
    staging, log = tmp_path / "staging", tmp_path / "log"
    receive(pack(source)[0], staging, log)
    log.write_bytes(log.read_bytes().replace(b"sha256", b"shaXXX", 1))
    assert standing(staging, log).entries == 0


def test_a_stop(source: Path, tmp_path: Path) -> None:
    staging, log = tmp_path / "staging", tmp_path / "log"
    receive(pack(source)[0], staging, log)
    before = open_descriptors()
    with directory(staging) as fd, open(log, "r+b") as opened:
        assert Journal.open(opened.fileno(), fd, stop=lambda: True) is None
    assert open_descriptors() <= before
    assert contents(staging).keys() == contents(source).keys()


def test_only_what_came_in_order_counts(tmp_path: Path) -> None:
    staging, log = tmp_path / "staging", tmp_path / "log"
    staging.mkdir()
    with directory(staging) as fd, journal(log, fd) as opened:
        unpacker = Unpacker(fd, journal=opened, umask=0)
        with pytest.raises(TreeError) as caught:
            unpacker.write(file(b"a") + file(b"c") + file(b"b") + file(b"d"))
        unpacker.close()
    assert caught.value.kind is Kind.MALFORMED
    assert standing(staging, log).entries == 2
    assert sorted(contents(staging)) == [b"a", b"c"]


def test_links_of_before_are_judged_in_the_end(world: Path) -> None:  # noqa: F811
    staging, log = world / "target", world / "target.log"
    receive(folder(b"d") + link(b"d/a", b"up/../x"), staging, log)
    with directory(staging) as fd, journal(log, fd) as opened:
        unpacker = Unpacker(fd, journal=opened)
        unpacker.write(link(b"d/up", b"..") + END)
        with pytest.raises(TreeError) as caught:
            unpacker.finish()
        unpacker.close()
    assert caught.value.kind is Kind.UNSAFE


def test_the_other_end_has_another_tree(big: Path) -> None:
    with directory(big) as fd:
        manifest = measure(fd)
        assert manifest is not None
        for skip, expected in [
            (Position(99), Position(5, manifest.digest())),
            (Position(5), Position(5, manifest.digest())),
            (Position(5, "", 7), Position(5, manifest.digest())),
            (Position(4, "", 7), Position(4)),
            (Position(2, "", BIG), Position(2)),
        ]:
            packer = Packer(fd, skip=skip)
            found = packer.prefix()
            assert (found.entries, found.inside) == (expected.entries, 0)
            assert not expected.digest or found.digest == expected.digest
            while packer.read(1 << 17):
                pass
            assert packer.manifest.digest() == manifest.digest()
            packer.close()


def test_the_whole_stands_already(source: Path, tmp_path: Path) -> None:
    staging, log = tmp_path / "staging", tmp_path / "log"
    receive(pack(source)[0], staging, log)
    stream, packer = rest(source, standing(staging, log))
    assert stream == END
    receive(stream, staging, log)
    assert standing(staging, log).digest == packer.manifest.digest()
    assert contents(staging) == contents(source)


def test_advance_reads_in_steps(big: Path) -> None:
    with directory(big) as fd:
        packer = Packer(fd, skip=Position(9))
        steps = 1
        while packer.advance(1 << 20) is None:
            steps += 1
        packer.close()
    assert steps >= 8


def test_kill_9(source: Path, tmp_path: Path) -> None:
    """A process that is killed in the middle of a tree: what it wrote down stands, the rest comes again."""
    for number in range(2000):
        (source / f"many-{number:04}").write_bytes(b"%d" % number)
    whole, packer = pack(source)
    staging, log = tmp_path / "staging", tmp_path / "log"
    staging.mkdir()
    script = """
import os, signal, sys
from ftlite.trees import Journal, Unpacker
root = os.open(sys.argv[1], os.O_RDONLY)
journal = Journal.open(os.open(sys.argv[2], os.O_RDWR | os.O_CREAT), root)
unpacker = Unpacker(root, journal=journal, umask=0)
while piece := os.read(0, 3000):
    unpacker.write(piece)
    if unpacker.entries > 1500:
        os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", script, staging, log], input=whole, check=False)
    assert done.returncode == -signal.SIGKILL
    position = standing(staging, log)
    assert 1200 < position.entries <= 1510
    stream, _ = rest(source, position)
    receive(stream, staging, log)
    assert contents(staging) == contents(source)
    assert standing(staging, log).digest == packer.manifest.digest()


def test_limits_count_what_came_before(world: Path) -> None:  # noqa: F811
    from ftlite.trees import TreeLimits

    staging, log = world / "target", world / "target.log"
    receive(file(b"a", b"12") + file(b"b", b"34"), staging, log)
    with directory(staging) as fd, journal(log, fd) as opened:
        unpacker = Unpacker(fd, journal=opened, limits=TreeLimits(entries=2))
        with pytest.raises(TreeError) as caught:
            unpacker.write(file(b"c"))
        unpacker.close()
    assert caught.value.kind is Kind.TOO_MUCH


def test_the_setgid_bit_of_the_directory_above_outlives_a_break(source: Path, tmp_path: Path) -> None:
    staging, log = tmp_path / "staging", tmp_path / "log"
    staging.mkdir()
    os.chmod(staging, 0o2755)
    receive(pack(source)[0], staging, log)
    assert os.stat(staging / "dir").st_mode & 0o7777 == 0o2755
    standing(staging, log)
    assert os.stat(staging / "dir").st_mode & 0o7777 == 0o2755
