"""Trees to pack, and what is in a directory, for comparing."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ftlite.trees import Journal, Packer, Unpacker


@contextmanager
def directory(path: Path | bytes) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)


def make_tree(root: Path) -> Path:
    """A tree with one of everything that travels."""
    os.makedirs(root / "dir/deep/deeper")
    os.makedirs(root / "empty")
    os.makedirs(root / ".dots")
    (root / ".dots/.hidden").write_bytes(b"dot")
    (root / "empty.txt").write_bytes(b"")
    for size in (1, 511, 512, 513, 70_000):
        (root / f"dir/size-{size}").write_bytes(bytes(i % 251 for i in range(size)))
    (root / "dir/deep/run.sh").write_bytes(b"#!/bin/sh\n")
    os.chmod(root / "dir/deep/run.sh", 0o755)
    os.chmod(root / "dir/size-1", 0o400)
    os.symlink("../size-512", root / "dir/deep/up")
    os.symlink("nowhere", root / "dangling")
    os.symlink("deep", root / "dir/to-directory")
    os.symlink("t" * 300, root / "long-target")
    (root / "dir-x").write_bytes(b"between dir and what is in it, for who sorts whole paths")
    (root / "grün-日本").write_bytes("ü".encode())
    (Path(os.fsdecode(os.fsencode(root) + b"/no-utf8-\xff\xfe"))).write_bytes(b"octets")
    (root / ("n" * 255)).write_bytes(b"long name")
    long = root / "/".join(["l" * 120] * 3)
    os.makedirs(long)
    (long / ("f" * 90)).write_bytes(b"long path")
    os.utime(root / "dir/size-511", ns=(0, -1_500_000_000))
    os.utime(root / "dir/size-512", ns=(0, 123_456_789))
    os.utime(root / "dir/size-513", ns=(0, 1_700_000_000_000_000_000))
    os.utime(root / "dangling", ns=(0, 86_400_000_000_001), follow_symlinks=False)
    os.chmod(root / "dir/deep/deeper", 0o555)
    os.utime(root / "dir/deep/deeper", ns=(0, 5_000_000_000))
    os.utime(root / "dir/deep", ns=(0, 6_123_000_000))
    os.chmod(root / "dir/deep", 0o555)
    os.utime(root / "dir", ns=(0, -7_000_000_000))
    return root


def contents(root: Path, *, times: bool = True, whole_seconds: bool = False) -> dict[bytes, tuple[object, ...]]:
    """All that a tree should keep, by path."""
    found: dict[bytes, tuple[object, ...]] = {}
    top = os.fsencode(root)
    for here, directories, files in os.walk(top):
        for name in directories + files:
            path = os.path.join(here, name)
            status = os.lstat(path)
            time = (status.st_mtime_ns // (1_000_000_000 if whole_seconds else 1)) if times else None
            if stat.S_ISLNK(status.st_mode):
                found[path[len(top) + 1 :]] = ("link", os.readlink(path))
            elif stat.S_ISDIR(status.st_mode):
                found[path[len(top) + 1 :]] = ("directory", stat.S_IMODE(status.st_mode), time)
            else:
                with open(path, "rb") as file:
                    found[path[len(top) + 1 :]] = (file.read(), stat.S_IMODE(status.st_mode), time)
    return found


def pack(root: Path, *, block: int = 1 << 17, **options: object) -> tuple[bytes, Packer]:
    """The whole stream of a tree, and the (closed) packer."""
    with directory(root) as fd:
        packer = Packer(fd, **options)  # type: ignore[arg-type]
        try:
            pieces = []
            while piece := packer.read(block):
                assert len(piece) <= block
                pieces.append(bytes(piece))
        finally:
            packer.close()
    return b"".join(pieces), packer


def unpack(stream: bytes, root: Path, *, block: int = 1 << 17, **options: object) -> Unpacker:
    """Unpack a whole stream into a directory, which is made."""
    os.makedirs(root, exist_ok=True)
    with directory(root) as fd:
        unpacker = Unpacker(fd, **options)  # type: ignore[arg-type]
        try:
            for at in range(0, len(stream), block):
                unpacker.write(memoryview(stream)[at : at + block])
            unpacker.finish()
        finally:
            unpacker.close()
    return unpacker


@contextmanager
def journal(path: Path, root_fd: int, algorithm: str = "sha256") -> Iterator[Journal]:
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        opened = Journal.open(fd, root_fd, algorithm=algorithm)
        assert opened is not None
        yield opened
    finally:
        os.close(fd)


def open_descriptors() -> int:
    """Not fewer than there are: garbage of earlier tests may hold some, and be collected at any time."""
    return len(os.listdir("/proc/self/fd"))
