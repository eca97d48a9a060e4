"""What two ends agree on: one digest over the records of all entries, in order (docs/protocol.md s.5 "Digest")."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
from typing import Protocol, Self

from ftlite.trees.entry import DIR, FILE, TreeEntry


class Hasher(Protocol):
    """What hashlib and blake3 have in common."""

    def update(self, data: bytes | memoryview, /) -> object: ...

    def hexdigest(self) -> str: ...

    def copy(self) -> Self: ...


class Maker(Protocol):
    """Makes a hasher that has seen `data`: at once costs less than an update of its own."""

    def __call__(self, data: bytes | memoryview = b"", /) -> Hasher: ...


def _blake3(data: bytes | memoryview = b"", /) -> Hasher:
    hasher: Hasher = importlib.import_module("blake3").blake3(data)
    return hasher


_HASHERS: dict[str, Maker] = {"sha256": hashlib.sha256}
if importlib.util.find_spec("blake3") is not None:
    _HASHERS["blake3"] = _blake3

#: The algorithms that are here, as facts are named.
ALGORITHMS = tuple(_HASHERS)


def maker(algorithm: str) -> Maker:
    """What makes hashers of one of `ALGORITHMS`; KeyError for another."""
    return _HASHERS[algorithm]


class Manifest:
    """The running digest of a tree.

    Attributes:
        algorithm: one of `ALGORITHMS`.
        entries, files, directories: how many so far; links are entries only.
        size: octets of file content so far.
    """

    def __init__(self, algorithm: str = "sha256") -> None:
        """Raises KeyError unless `algorithm` is one of `ALGORITHMS`."""
        self.algorithm = algorithm
        self.entries = self.files = self.directories = 0
        self.size = 0
        self._hasher = maker(algorithm)()

    def add(self, entry: TreeEntry, digest: str | None = None) -> None:
        """Count one more entry; `digest` is that of a file's content. A hard link comes as the FILE that it is."""
        path, kind, mode, _, size, target = entry
        if kind is FILE:
            self.files += 1
            executable = b"x" if mode & 0o100 else b"-"
            record = b"F\0%b\0%d\0%b\0%b\0" % (executable, size, (digest or "").encode(), path)
        elif kind is DIR:
            self.directories += 1
            record = b"D\0%b\0" % path
        else:
            record = b"L\0%b\0%b\0" % (path, target)
        self._hasher.update(record)
        self.entries += 1
        self.size += size

    def digest(self) -> str:
        """Of all that was added so far, hexadecimal."""
        return self._hasher.copy().hexdigest()
