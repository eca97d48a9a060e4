"""Trees for storage tests: built by the standard library's tarfile, unpacked and published as a server would."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path
from typing import Any

from attrs import frozen

from ftlite.config.models import Durability, StorageConfig
from ftlite.storage.staging import Staging
from ftlite.storage.treepublish import Replace
from ftlite.storage.trees import TreePublished
from ftlite.trees import Manifest, Unpacker
from tests.storage.places import House


@frozen
class Link:
    target: str


#: path -> content of a file, None for a directory, or a link
Content = bytes | Link | None
Tree = dict[str, Content]


def grove(root: Path, **config: Any) -> House:
    """A house that does not wait for the disk."""
    return House(root, StorageConfig(native_durability=Durability.RENAME, **config))


def stream(tree: Tree, *, skip: int = 0) -> bytes:
    """The tree as tar, in the protocol's order, without its first `skip` entries; directories need not be named."""
    whole: Tree = {}
    for path, content in tree.items():
        parts = path.split("/")
        for depth in range(1, len(parts)):
            whole.setdefault("/".join(parts[:depth]), None)
        whole[path] = content
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(whole, key=lambda path: path.encode("utf-8", "surrogateescape").split(b"/"))[skip:]:
            content = whole[path]
            entry = tarfile.TarInfo(path)
            entry.mtime = 1_000_000_000
            if isinstance(content, Link):
                entry.type, entry.linkname = tarfile.SYMTYPE, content.target
            elif content is None:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            else:
                entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content) if isinstance(content, bytes) else None)
    return buffer.getvalue()


def unpack(staging: Staging, tree: Tree) -> Manifest:
    """Unpack what a staging has not got of a tree."""
    unpacker = Unpacker(staging.fd, journal=staging.journal)
    try:
        unpacker.write(stream(tree, skip=staging.position.entries))
        unpacker.finish()
        return unpacker.manifest
    finally:
        unpacker.close()


def unpack_some(staging: Staging, tree: Tree, octets: int) -> None:
    """Unpack the first octets of a tree's stream, and no more came."""
    unpacker = Unpacker(staging.fd, journal=staging.journal)
    unpacker.write(stream(tree)[:octets])
    unpacker.close()


def begin(
    house: House, path: str, *, owner: str = "ann", replace: Replace = Replace.REFUSE, fresh: bool = False, **how: Any
) -> Staging:
    return house.store.begin_tree(house.at(path, owner=owner), fresh=fresh, replace=replace, **how)


def publish(
    house: House, staging: Staging, manifest: Manifest, *, replace: Replace = Replace.REFUSE, **how: Any
) -> TreePublished:
    """Publish as the staging's owner, at the path it was begun for."""
    place = staging.place
    again = lambda: house.at(place.path, owner=place.owner)  # noqa: E731
    return house.store.publish_tree(staging, again, manifest, replace=replace, **how)


def plant(house: House, path: str, tree: Tree, *, replace: Replace = Replace.REFUSE, **how: Any) -> TreePublished:
    """A whole transfer of a tree; one that is refused in the end leaves nothing."""
    staging = begin(house, path, replace=replace, **how)
    try:
        return publish(house, staging, unpack(staging, tree), replace=replace)
    finally:
        house.store.release_tree(staging, keep=False)


def shown(top: Path) -> Tree:
    """What stands below a directory, but for what is hidden."""
    found: Tree = {}
    for here, directories, files in os.walk(top):
        directories[:] = [name for name in directories if not name.startswith(".ftlite")]
        for name in directories + files:
            path = Path(here) / name
            key = str(path.relative_to(top))
            if path.is_symlink():
                found[key] = Link(os.readlink(path))
            elif path.is_dir():
                found[key] = None
            elif not name.startswith(".ftlite"):
                found[key] = path.read_bytes()
    return found


def stagings(house: House) -> list[str]:
    """Names of all staging directories below the root, those that wait to be removed included."""
    shared = house.root / ".ftlite" / "trees"
    names = [path.name for path in shared.iterdir()] if shared.exists() else []
    return sorted(names + [path.name for path in house.root.rglob(".ftlite-tree-*")])
