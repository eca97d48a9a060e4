"""Grants for storage tests: the real gate over a real directory, for one user with all rights unless told otherwise."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from ftlite.config.models import Rule, StorageConfig, User
from ftlite.config.rights import ALL, Right
from ftlite.gate.gate import Gate
from ftlite.protocol.entries import Entry
from ftlite.storage.errors import Kind, StorageError
from ftlite.storage.granted import Granted
from ftlite.storage.local import LocalStore
from ftlite.storage.native import NativePart, UploadKey
from ftlite.storage.parts import Part

P = TypeVar("P", bound=Part)


@contextmanager
def refused(kind: Kind) -> Iterator[pytest.ExceptionInfo[StorageError]]:
    """Expect a `StorageError` of this kind."""
    with pytest.raises(StorageError) as caught:
        yield caught
    assert caught.value.kind is kind, caught.value


class House:
    """A store over `root` with gates for its users."""

    def __init__(self, root: Path, config: StorageConfig | None = None) -> None:
        self.root = root
        self.store = LocalStore(root, config or StorageConfig())
        self._gates: dict[tuple[str, Right], Gate] = {}

    def gate(self, owner: str = "ann", allow: Right = ALL) -> Gate:
        key = (owner, allow)
        if key not in self._gates:
            self._gates[key] = Gate(self.store.root_fd, User(name=owner, rules=(Rule("/", allow),)))
        return self._gates[key]

    def at(self, path: str, *, owner: str = "ann", allow: Right = ALL, follow: bool = True) -> Granted:
        return self.gate(owner, allow).grant(path, follow=follow)

    def begin(self, path: str, data: bytes = b"", *, owner: str = "ann") -> Part:
        """A part of `path` in which `data` has arrived."""
        return write(self.store.begin(self.at(path, owner=owner)), data)

    def native(self, path: str, key: UploadKey, *, owner: str = "ann", **how: Any) -> NativePart:
        """A part of a native upload."""
        return self.store.begin_native(self.at(path, owner=owner), key, **how)

    def cut_native(self, path: str, key: UploadKey, data: bytes, *points: int, owner: str = "ann") -> None:
        """A native upload that ended early, and was kept, with checkpoints there."""
        part = write(self.native(path, key, owner=owner), data)
        for point in points:
            part.checkpoint(point, sha256(data[:point]))
        self.store.release(part, keep=True)

    def cut(self, path: str, data: bytes, *, owner: str = "ann") -> None:
        """An upload of `path` that ended early and was kept."""
        self.store.release(self.begin(path, data, owner=owner), keep=True)

    def publish(self, part: Part, **how: object) -> Entry:
        """Publish as the part's owner, at the path it was begun for."""
        again = part.place
        options = {"replace": True, **how}
        return self.store.publish(part, lambda: self.at(again.path, owner=again.owner), **options)  # type: ignore[arg-type]

    def put(self, path: str, data: bytes, *, owner: str = "ann", **how: object) -> Entry:
        """A whole upload."""
        return self.publish(self.begin(path, data, owner=owner), **how)

    def parts(self) -> list[Path]:
        """All parts below the root, wherever they are."""
        shared = self.root / ".ftlite" / "parts"
        beside = self.root.rglob(".ftlite-part-*")
        return sorted(path for path in (*shared.glob("*/*"), *beside) if path.suffix != ".journal")

    def journals(self) -> list[Path]:
        """All journals below the root."""
        return sorted(path for path in self.root.rglob("*.journal") if ".ftlite" in str(path.relative_to(self.root)))

    def close(self) -> None:
        for gate in self._gates.values():
            gate.close()
        self.store.close()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write(part: P, data: bytes) -> P:
    """What a mover does: put bytes into the part from its offset on."""
    view = memoryview(data)
    at = part.offset
    while view:
        count = os.pwrite(part.fd, view, at)
        at += count
        view = view[count:]
    return part
