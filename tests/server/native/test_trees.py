"""Trees through the server, with Python's tarfile at the client's end; the digest is made by hand as the text says."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from functools import partial
from pathlib import Path

import pytest

from ftlite.config.models import Rule, User
from ftlite.config.rights import parse_rights
from tests.server.native.support import Line, Native, in_thread, native_server, sha256, write_all
from tests.server.support import CHEAP

FILES = {"a/b.txt": b"bee", "a/empty": b"", "z": os.urandom(200_000)}


def archive(files: dict[str, bytes], *, names: list[str] | None = None) -> bytes:
    """A tar of `files` and their directories, in the protocol's order."""
    directories = {"/".join(name.split("/")[:end]) for name in files for end in range(1, name.count("/") + 1)}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in names or sorted([*files, *directories], key=lambda name: name.encode().split(b"/")):
            member = tarfile.TarInfo(name)
            if name in files:
                member.size, member.mode = len(files[name]), 0o644
                tar.addfile(member, io.BytesIO(files[name]))
            else:
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(member)
    return out.getvalue()


def digest(files: dict[str, bytes]) -> tuple[int, str]:
    """Entries, and the digest of their records."""
    directories = {"/".join(name.split("/")[:end]) for name in files for end in range(1, name.count("/") + 1)}
    records = b""
    for name in sorted([*files, *directories], key=lambda name: name.encode().split(b"/")):
        if name in files:
            records += b"F\0-\0%d\0%s\0%s\0" % (len(files[name]), sha256(files[name]).encode(), name.encode())
        else:
            records += b"D\0%s\0" % name.encode()
    return len(files) + len(directories), hashlib.sha256(records).hexdigest()


def on_disk(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


async def put(client: Native, path: str, files: dict[str, bytes], facts: str = "", body: bytes | None = None) -> Line:
    tag, data = client.tag(), archive(files) if body is None else body
    await client.send(f"PUT tag={tag};type=tree;{facts} {path}")
    first = await client.hear(tag)
    if first.code >= 200:
        return first
    sock = await client.dialled(tag)
    entries, whole = digest(files)
    await client.send(f"DONE tag={tag};bytes={len(data)};entries={entries};sha256={whole};")
    try:
        await in_thread(partial(write_all, sock, data))
    except OSError:  # refused while it came
        sock.close()
    return await client.final(tag)


async def get(client: Native, path: str, facts: str = "") -> tuple[Line, bytes, Line]:
    return await client.get(path, f"type=tree;{facts}")


def members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar.getmembers() if m.isfile()}  # type: ignore[union-attr]


@pytest.mark.parametrize("tls", [False, True])
async def test_a_tree_there_and_back(root: Path, tls: bool) -> None:
    entries, whole = digest(FILES)
    async with native_server(root, tls=tls) as (_box, client):
        done = await put(client, "tree", FILES)
        assert (done.code, done.facts["entries"], done.facts["sha256"]) == (226, str(entries), whole)
        assert int(done.facts["size"]) == sum(map(len, FILES.values()))
        assert on_disk(root / "tree") == FILES
        begun, data, told = await get(client, "tree")
        assert (begun.code, begun.facts["type"], begun.facts["entries"]) == (150, "tree", "0")
        assert members(data) == FILES
        assert (told.code, told.facts["bytes"], told.facts["sha256"]) == (226, str(len(data)), whole)
        assert "left" not in told.facts


async def test_what_stands_is_refused_replaced_merged_or_the_same(root: Path) -> None:
    other = {"a/b.txt": b"bee", "new": b"n"}
    async with native_server(root) as (_box, client):
        first = await put(client, "tree", FILES)
        assert (await put(client, "tree", other)).kind == "exists"
        entries, whole = digest(FILES)
        same = await put(client, "tree", FILES, f"entries={entries};sha256={whole};")
        assert (same.code, same.facts["same"], same.facts["bytes"]) == (226, "1", "0")
        assert same.facts["version"] == first.facts["version"]
        merged = await put(client, "tree", other, "merge=1;")
        assert (merged.code, merged.facts["merged"]) == (226, "1")
        assert on_disk(root / "tree") == {**FILES, **other}
        (root / "tree" / "foreign").write_bytes(b"by hand")
        assert (await put(client, "tree", other, "replace=1;")).kind == "foreign"
        (root / "tree" / "foreign").unlink()
        replaced = await put(client, "tree", other, "replace=1;")
        assert replaced.code == 226, replaced
        assert on_disk(root / "tree") == other


async def test_an_upload_goes_on_after_the_entries_that_stand(root: Path) -> None:
    async with native_server(root) as (_box, client):
        data, tag = archive(FILES), client.tag()
        await client.send(f"PUT tag={tag};type=tree; tree")
        await client.hear(tag)
        sock = await client.dialled(tag)
        await in_thread(partial(write_all, sock, data[: len(data) // 2]))
        assert (await client.ask(f"ABOR tag={tag};"))[0] == 226
        assert (await client.final(tag)).kind == "aborted", "whether that was all, DONE would have told"
        assert not (root / "tree").exists()
        entries, whole = digest(FILES)
        tag = client.tag()
        await client.send(f"PUT tag={tag};type=tree; tree")
        begun = await client.hear(tag)
        first = {name: content for name, content in FILES.items() if name.startswith("a/")}
        assert (begun.facts["entries"], begun.facts["sha256"]) == (str(digest(first)[0]), digest(first)[1])
        rest = archive(FILES, names=["z"])
        sock = await client.dialled(tag)
        await in_thread(partial(write_all, sock, rest))
        await client.send(f"DONE tag={tag};bytes={len(rest)};entries={entries};sha256={whole};")
        assert (await client.final(tag)).facts["sha256"] == whole
        assert on_disk(root / "tree") == FILES


async def test_a_download_goes_on_after_what_the_client_has(root: Path) -> None:
    async with native_server(root) as (_box, client):
        await put(client, "tree", FILES)
        first = {name: content for name, content in FILES.items() if name.startswith("a/")}
        entries, whole = digest(first)
        begun, data, done = await get(client, "tree", f"entries={entries};sha256={whole};")
        assert begun.facts["entries"] == str(entries)
        assert members(data) == {"z": FILES["z"]}
        assert done.facts["sha256"] == digest(FILES)[1]
        begun, data, _done = await get(client, "tree", f"entries={entries};sha256={'0' * 64};")
        assert (begun.facts["entries"], members(data)) == ("0", FILES)


async def test_patterns_leave_out(root: Path) -> None:
    async with native_server(root) as (_box, client):
        await put(client, "tree", FILES)
        assert set(members((await get(client, "tree", "include=*.txt;"))[1])) == {"a/b.txt"}
        assert set(members((await get(client, "tree", "exclude=a/;"))[1])) == {"z"}


def hostile(kind: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        member = tarfile.TarInfo({"up": "../out", "absolute": "/out", "reserved": ".ftlite/x"}.get(kind, "x"))
        if kind == "link":
            member.type, member.linkname = tarfile.SYMTYPE, "../../etc/passwd"
        if kind == "device":
            member.type = tarfile.CHRTYPE
        tar.addfile(member)
        if kind == "twice":
            tar.addfile(tarfile.TarInfo("x"))
        if kind == "order":
            tar.addfile(tarfile.TarInfo("w"))
    return out.getvalue()


@pytest.mark.parametrize("kind", ["up", "absolute", "reserved", "link", "device", "twice", "order"])
async def test_hostile_archives_publish_nothing(root: Path, kind: str) -> None:
    async with native_server(root) as (_box, client):
        refused = await put(client, "tree", {}, body=hostile(kind))
        assert (refused.code, refused.kind) == (553, "malformed" if kind == "order" else "unsafe")
        assert [name for name in os.listdir(root) if not name.startswith(".ftlite")] == []
        assert not (root.parent / "out").exists()


async def test_limits_of_trees_bite(root: Path) -> None:
    async with native_server(root, limits={"tree_entries": 2}) as (_box, client):
        refused = await put(client, "tree", FILES)
        assert (refused.code, refused.kind) == (552, "too-much")
        assert not (root / "tree").exists()


async def test_a_wrong_digest_or_count_is_integrity(root: Path) -> None:
    async with native_server(root) as (_box, client):
        assert (await put(client, "tree", {**FILES, "more": b""}, body=archive(FILES))).kind == "integrity"
        assert not (root / "tree").exists()


def user(**rules: str) -> User:
    made = tuple(Rule("/" + path.replace("_", "/"), parse_rights(words)) for path, words in rules.items())
    return User(name="ann", password=CHEAP, rules=(Rule("/", parse_rights("all")), *made))


async def test_rules_are_kept_entry_by_entry(root: Path) -> None:
    users = (user(tree_a="none"),)
    async with native_server(root, users=users) as (_box, client):
        assert (await put(client, "tree", FILES)).kind == "denied"
        assert not (root / "tree").exists()
        (root / "tree" / "a").mkdir(parents=True)
        (root / "tree" / "a" / "secret").write_bytes(b"s")
        (root / "tree" / "open").write_bytes(b"o")
        _begun, data, done = await get(client, "tree")
        assert members(data) == {"open": b"o"}
        assert done.facts["left"] == "1"
        assert (await put(client, "tree", {"n": b""}, "replace=1;")).kind == "denied"


async def test_what_is_not_offered(root: Path) -> None:
    async with native_server(root) as (_box, client):
        for command in ("GET tag={};type=tree;comp=lzma; .", "PUT tag={};type=tree;hash=md5; t"):
            tag = client.tag()
            await client.send(command.format(tag))
            assert (await client.hear(tag)).kind == "unsupported"
        tag = client.tag()
        await client.send(f"GET tag={tag};type=forest; .")
        assert ((line := await client.hear(tag)).code, line.kind) == (504, "unsupported")
        assert (await get(client, "nothing"))[0].kind == "not-found"


async def test_a_tree_that_is_published_ends_a_wait(root: Path) -> None:
    async with native_server(root) as (_box, client):
        wait = client.tag()
        await client.send(f"WAIT tag={wait};timeout=60; tree")
        inside = client.tag()
        await client.send(f"WAIT tag={inside};timeout=60; tree/a/b.txt")
        done = await put(client, "tree", FILES)
        told = await client.final(wait)
        assert (told.code, told.facts["type"], told.facts["version"]) == (213, "dir", done.facts["version"])
        assert (await client.final(inside)).facts["type"] == "file"


async def test_an_empty_tree(root: Path) -> None:
    async with native_server(root) as (_box, client):
        assert (await put(client, "tree", {})).code == 226
        assert (root / "tree").is_dir()
        _begun, data, done = await get(client, "tree")
        assert (members(data), done.facts["entries"]) == ({}, "0")
