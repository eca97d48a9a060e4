"""Archives and trees for the cases of the native dialect: made with tarfile, digested as docs/protocol.md s.5 says."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass

from conformance.chapters.native import Answer, Native, sha256
from conformance.registry import Failed


@dataclass(frozen=True)
class Item:
    """One entry of an archive; `kind` is tarfile's."""

    name: str
    kind: bytes = tarfile.REGTYPE
    content: bytes = b""
    target: str = ""
    mode: int = 0o644

    def record(self) -> bytes:
        """What the digest of a tree is made of."""
        fields: tuple[str, ...]
        if self.kind == tarfile.DIRTYPE:
            fields = ("D", self.name)
        elif self.kind == tarfile.SYMTYPE:
            fields = ("L", self.name, self.target)
        else:
            executable = "x" if self.mode & 0o100 else "-"
            fields = ("F", executable, str(len(self.content)), sha256(self.content), self.name)
        return b"".join(each.encode("utf-8", "surrogateescape") + b"\0" for each in fields)


def directory(name: str) -> Item:
    return Item(name, tarfile.DIRTYPE, mode=0o755)


def link(name: str, target: str) -> Item:
    return Item(name, tarfile.SYMTYPE, target=target)


def digest(items: Sequence[Item]) -> str:
    return sha256(b"".join(item.record() for item in items))


def archive(items: Sequence[Item]) -> bytes:
    """A whole tar stream."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8") as tar:
        for item in items:
            info = tarfile.TarInfo(item.name)
            info.type, info.mode, info.linkname, info.mtime = item.kind, item.mode, item.target, 1_700_000_000
            info.size = len(item.content)
            tar.addfile(info, io.BytesIO(item.content))
    return out.getvalue()


TREE = (directory("bin"), Item("bin/run", content=b"hello", mode=0o755), link("note", "bin/run"))
OTHER = (Item("bin", content=b"world"),)


def put_tree(
    session: Native, items: Sequence[Item], facts: str = "", path: str = "tree", raw: bytes | None = None
) -> Answer:
    """A PUT of a tree: the final reply."""
    tag = session.tag()
    session.send(f"PUT tag={tag};type=tree;{facts} {path}")
    begun = session.begun(tag)
    if begun.code != 150:
        return begun
    stream = archive(items) if raw is None else raw
    session.fill(tag, stream)
    session.send(f"DONE tag={tag};bytes={len(stream)};entries={len(items)};sha256={digest(items)};")
    return session.final(tag)


def has_to_work(session: Native, items: Sequence[Item], facts: str = "") -> Answer:
    final = put_tree(session, items, facts)
    if final.code != 226:
        raise Failed(f"a tree is answered {final.shown}")
    return final


def nothing(session: Native, path: str = "tree") -> None:
    if session.here.command(f"CWD {path}").code == 250:
        session.here.command("CDUP")
        raise Failed(f"{path} has been published")
