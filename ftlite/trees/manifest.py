"""What two ends agree on: one digest over the records of all entries, in order (docs/protocol.md s.5 "Digest")."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
from collections.abc import Callable
from typing import Protocol, Self

from ftlite.trees.entry import EntryKind, TreeEntry


class Hasher(Protocol):
    """What hashlib and blake3 have in common."""

    def update(self, data: bytes | memoryview, /) -> object: ...

    def hexdigest(self) -> str: ...

    def copy(self) -> Self: ...


def _blake3() -> Hasher:
    hasher: Hasher = importlib.import_module("blake3").blake3()
    return hasher


_HASHERS: dict[str, Callable[[], Hasher]] = {"sha256": hashlib.sha256}
if importlib.util.find_spec("blake3") is not None:
    _HASHERS["blake3"] = _blake3

#: The algorithms that are here, as facts are named.
ALGORITHMS = tuple(_HASHERS)


def maker(algorithm: str) -> Callable[[], Hasher]:
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
        if entry.kind is EntryKind.FILE:
            self.files += 1
            record = b"F\0%b\0%d\0%b\0%b\0" % (
                b"x" if entry.mode & 0o100 else b"-",
                entry.size,
                (digest or "").encode(),
                entry.path,
            )
        elif entry.kind is EntryKind.DIR:
            self.directories += 1
            record = b"D\0%b\0" % entry.path
        else:
            record = b"L\0%b\0%b\0" % (entry.path, entry.target)
        self._hasher.update(record)
        self.entries += 1
        self.size += entry.size

    def digest(self) -> str:
        """Of all that was added so far, hexadecimal."""
        return self._hasher.copy().hexdigest()
