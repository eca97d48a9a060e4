"""Servers that mean harm or are broken: no tree of theirs gets a name, nothing else changes, the error says why."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from ftlite.cli import exits
from ftlite.client import Client, ClientError, Outcome, Verified
from ftlite.client.native import trees, treework
from ftlite.client.tree import Hooks
from ftlite.trees import TreeEntry, TreeLimits
from ftlite.trees.compress import compressor
from ftlite.trees.entry import EntryKind
from ftlite.trees.header import END, encode
from tests.client.fake import Conversation
from tests.client.native.fake import NativeServer, Tag, native
from tests.descriptors import descriptors
from tests.server.native.test_trees import archive, digest
from tests.trees.support import contents
from tests.trees.test_header import block
from tests.trees.test_hostile import UNSAFE, file

FILES = {"a/b": b"bee", "c": b"sea" * 1000}
FINE = archive(FILES)
ENTRIES, DIGEST = digest(FILES)


class TreeServer(NativeServer):
    """Answers GET and PUT of a tree by a script.

    Attributes:
        stream: what is sent; `endless`: and then this, for ever.
        begun: facts of the 150.
        final: the reply at the end: code and facts; %d is the count of octets sent.
        cut: the data connection is reset in the end.
        received: octets of uploads.
        offers: facts of the 150 to one PUT after the other; the last one goes on.
    """

    feat = (*NativeServer.feat[:-1], "FTLITE 1 max=16;hash=sha256;comp=zstd;spares=2;")

    def __init__(self, stream: bytes = FINE, **script: Any) -> None:
        super().__init__()
        self.stream = stream
        self.endless = b""
        self.begun = "type=tree;entries=0;"
        self.final = (226, f"bytes=%d;entries={ENTRIES};size={sum(map(len, FILES.values()))};sha256={DIGEST};")
        self.cut = False
        self.offers = ["type=tree;entries=0;"]
        self.received = 0
        for name, value in script.items():
            assert hasattr(self, name)
            setattr(self, name, value)

    async def get(self, tag: Tag) -> None:
        assert tag.facts["type"] == "tree"
        await tag.say(150, self.begun)
        stream = await self.data(tag)
        try:
            await stream.send_all(self.stream)
            while self.endless:
                await stream.send_all(self.endless)
            if not self.cut:
                await self.end(stream)
        finally:
            await trio.aclose_forcefully(stream)
        code, facts = self.final
        await tag.say(code, facts.replace("%d", str(len(self.stream))))

    async def put(self, tag: Tag) -> None:
        offer = self.offers.pop(0) if len(self.offers) > 1 else self.offers[0]
        await tag.say(int(offer[:3]) if offer[:3].isdigit() else 150, offer.lstrip("0123456789 "))
        if offer[:3].isdigit():
            return
        stream = await self.data(tag)
        try:
            while data := await stream.receive_some(65536):
                self.received += len(data)
            await self.end(stream)
        except trio.BrokenResourceError:
            await tag.say(426, "kind=lost;")
            return
        await tag.stated.wait()
        code, facts = self.final
        await tag.say(code, facts.replace("%d", tag.done["bytes"]))


@asynccontextmanager
async def client_of(server: TreeServer, **terms: Any) -> AsyncIterator[Client]:
    async with server.running(), native(server, **terms) as client:
        yield client


async def fetch(client: Client, target: Path, limits: TreeLimits | None = None) -> Any:
    get = partial(
        trees.get_tree, remote="t", local=target, terms=client._terms(False, None, None), hooks=Hooks(),
        limits=limits or TreeLimits(), replace=False, merge=False,
    )  # fmt: skip
    return await client.run(get)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Path]:
    """A directory amid precious things, none of which may change; what fails leaves nothing in it."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_bytes(b"precious")
    (tmp_path / "file").write_bytes(b"precious")
    before = contents(tmp_path)
    place = tmp_path / "here"
    place.mkdir()
    yield place
    after = contents(tmp_path)
    assert {name: found for name, found in after.items() if name.split(b"/")[0] != b"here"} == before
    assert os.stat(tmp_path / "file").st_nlink == 1


async def refused(server: TreeServer, here: Path, outcome: Outcome, limits: TreeLimits | None = None) -> ClientError:
    """What a download of it says; it left nothing, not even a thread or a descriptor."""
    async with client_of(server, spares=0) as client:  # a loaded machine looks far away, and spares are descriptors
        await client.stat("")
        before = descriptors()
        with trio.fail_after(60), pytest.raises(ClientError) as caught:
            await fetch(client, here / "t", limits)
        assert caught.value.outcome is outcome, caught.value
        assert os.listdir(here) == []
        with trio.fail_after(10):
            while descriptors() > before:  # the fake server's end closes a little later
                await trio.sleep(0.01)
        await client.stat("")  # the session is fine
    return caught.value


# ---- archives


@pytest.mark.parametrize("case", UNSAFE)
async def test_unsafe_archives(here: Path, case: str) -> None:
    error = await refused(TreeServer(UNSAFE[case] + END), here, Outcome.INTEGRITY)
    assert exits.tell(error).code == 7
    assert not error.transient


MALFORMED = {
    "empty": b"",
    "no end": FINE[: -len(FINE) + 512 * 3],
    "in a header": FINE[:1500],
    "in a file": FINE[:3600],
    "one zero block": FINE.rstrip(b"\0").ljust(3000, b"\0"),
    "noise": bytes(range(256)) * 8,
    "behind the end": FINE + b"x",
    "inside of nothing": encode(TreeEntry(b"a", EntryKind.FILE, 0o644, 0, 9 << 20), offset=8 << 20) + bytes(1 << 20),
    "sparse": block(b"a", b"S"),
}  # fmt: skip


@pytest.mark.parametrize("case", MALFORMED)
async def test_malformed_archives(here: Path, case: str) -> None:
    error = await refused(TreeServer(MALFORMED[case]), here, Outcome.INTEGRITY)
    assert exits.tell(error).code == 7


@pytest.mark.parametrize(
    ("stream", "limits"),
    [
        (FINE, TreeLimits(entries=2)),
        (FINE, TreeLimits(size=2000)),
        (FINE, TreeLimits(path=2)),
        (FINE, TreeLimits(depth=1)),
        (encode(TreeEntry(b"a", EntryKind.FILE, 0o644, 0, 1 << 50)), TreeLimits()),
    ],
)
async def test_archives_beyond_the_limits(here: Path, stream: bytes, limits: TreeLimits) -> None:
    error = await refused(TreeServer(stream), here, Outcome.NO_ROOM, limits)
    assert exits.tell(error).code == 10


async def test_a_compressed_bomb(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(treework, "_FAR", 0.0)
    machine = compressor("zstd")
    pieces = [encode(TreeEntry(b"a", EntryKind.FILE, 0o644, 0, 1 << 34)), *[bytes(1 << 20)] * 64]
    bomb = b"".join(map(machine.compress, pieces)) + machine.flush()
    server = TreeServer(bomb, begun="type=tree;entries=0;comp=zstd;")
    # Asked for it once more without compression, since holes look like a bomb too, it insists.
    await refused(server, here, Outcome.PROTOCOL, TreeLimits(free=1 << 20))


@pytest.mark.parametrize(
    ("stream", "endless", "outcome"),
    [
        (FINE, bytes(65536), Outcome.NO_ROOM),  # zeros behind the end
        (b"", block(b"x", b"g"), Outcome.NO_ROOM),  # headers without an entry
        (encode(TreeEntry(b"a", EntryKind.FILE, 0o644, 0, 1 << 30)), bytes(65536), Outcome.NO_ROOM),
        (b"", file(b"a"), Outcome.INTEGRITY),
    ],
)
async def test_streams_without_an_end(here: Path, stream: bytes, endless: bytes, outcome: Outcome) -> None:
    await refused(TreeServer(stream, endless=endless), here, outcome, TreeLimits(size=1 << 20))


async def test_a_compression_that_makes_nothing_for_ever(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(treework, "_FAR", 0.0)
    frame = b"\x28\xb5\x2f\xfd\0\0"  # whose blocks are empty, and never the last one
    server = TreeServer(frame, endless=bytes(3 << 16), begun="type=tree;entries=0;comp=zstd;")
    await refused(server, here, Outcome.PROTOCOL)


# ---- replies


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        ({"final": (226, f"bytes=%d;entries={ENTRIES};size=3003;sha256={'0' * 64};")}, Outcome.INTEGRITY),
        ({"final": (226, f"bytes=%d;entries={ENTRIES + 1};size=3003;sha256={DIGEST};")}, Outcome.INTEGRITY),
        ({"final": (226, f"bytes=1;entries={ENTRIES};size=3003;sha256={DIGEST};")}, Outcome.INTEGRITY),
        ({"final": (226, f"bytes=%d;entries={ENTRIES};size=3003;")}, Outcome.INTEGRITY),
        ({"final": (226, "bytes=much;")}, Outcome.PROTOCOL),
        ({"begun": "type=tree;entries=1;"}, Outcome.PROTOCOL),
        ({"begun": "type=tree;entries=0;inside=9;"}, Outcome.PROTOCOL),
        ({"begun": "offset=0;size=5;"}, Outcome.PROTOCOL),
        ({"begun": "type=tree;entries=0;comp=zstd;"}, Outcome.PROTOCOL),
        ({"begun": "type=tree;entries=0;comp=of-next-year;"}, Outcome.PROTOCOL),
    ],
)
async def test_replies_that_do_not_fit(here: Path, script: dict[str, Any], outcome: Outcome) -> None:
    async with client_of(TreeServer(**script)) as client:
        with pytest.raises(ClientError) as caught:
            await fetch(client, here / "t")
    assert caught.value.outcome is outcome, caught.value
    assert os.listdir(here) == []


async def test_what_is_fine_is_taken(here: Path) -> None:
    async with client_of(TreeServer()) as client:
        got = await fetch(client, here / "t")
        assert (got.verified, got.files, got.directories) == (Verified.DIGEST, 2, 1)
        assert (here / "t/c").read_bytes() == FILES["c"]


@pytest.mark.parametrize(
    ("kind", "code", "outcome", "kept"),
    [
        ("changed", 451, Outcome.INTEGRITY, True),
        ("lost", 426, Outcome.PARTIAL, True),
        ("fault", 451, Outcome.OTHER, True),
    ],
)
async def test_refusals_in_the_end_keep_what_came(
    here: Path, kind: str, code: int, outcome: Outcome, kept: bool
) -> None:
    server = TreeServer(FINE[:3600], final=(code, f"kind={kind};"))
    async with client_of(server) as client:
        with pytest.raises(ClientError) as caught:
            await fetch(client, here / "t")
        assert (caught.value.outcome, caught.value.transient) == (outcome, True)
        assert bool(os.listdir(here)) is kept
        server.stream, server.final = FINE, TreeServer().final
        assert (await fetch(client, here / "t")).verified is Verified.DIGEST
        assert server.asked[-1].facts["entries"] == "2", "it told what it has, and the server began afresh"
    assert os.listdir(here) == ["t"]


@pytest.mark.parametrize("cut", [True, False])
async def test_a_server_that_dies_leaves_what_came_to_be_gone_on_with(here: Path, cut: bool) -> None:
    """Also where the end of the data connection looks like any other."""

    class Dying(TreeServer):
        async def run(self, tag: Tag) -> None:
            await super().run(tag)
            await trio.aclose_forcefully(tag.talk.stream)

    server = Dying(FINE[:3600], cut=cut, final=(421, ""))
    async with client_of(server) as client:
        with pytest.raises(ClientError) as caught:
            await fetch(client, here / "t")
        assert caught.value.outcome in (Outcome.PARTIAL, Outcome.CONNECT, Outcome.PROTOCOL), caught.value
        assert caught.value.transient
        assert len(os.listdir(here)) == 1


async def test_a_server_that_claims_to_have_the_same(here: Path) -> None:
    """What stands is asked about; a server that says that nothing follows it must know its digest."""
    for name, content in FILES.items():
        (here / "t" / name).parent.mkdir(parents=True, exist_ok=True)
        (here / "t" / name).write_bytes(content)
    before = contents(here)
    facts = f"type=tree;entries={ENTRIES};"
    async with client_of(TreeServer(END, begun=facts)) as client:
        same = await fetch(client, here / "t")
        assert (same.same, same.moved, same.verified) == (True, 0, Verified.DIGEST)
    lies: list[dict[str, Any]] = [
        {"final": (226, f"bytes=%d;entries={ENTRIES};size=3003;sha256={'0' * 64};")},
        {"final": (226, f"bytes=%d;entries={ENTRIES};size=3003;")},
        {"endless": bytes(65536)},
    ]
    for script in lies:
        async with client_of(TreeServer(END, begun=facts, **script)) as client:
            with trio.fail_after(60), pytest.raises(ClientError) as caught:
                await fetch(client, here / "t")
            assert caught.value.outcome in (Outcome.EXISTS, Outcome.INTEGRITY)
        assert contents(here) == before


# ---- uploads


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "source" / name).write_bytes(content)
    return tmp_path / "source"


OTHER = f"type=tree;entries=1;sha256={'0' * 64};"


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        ({"offers": [OTHER]}, Outcome.PROTOCOL),
        ({"offers": [f"type=tree;entries=999999;sha256={'0' * 64};"]}, Outcome.PROTOCOL),
        ({"offers": [f"type=tree;entries=0;inside=999999999;head={'0' * 64};"]}, Outcome.PROTOCOL),
        ({"offers": ["type=tree;entries=0;stands=1;", OTHER]}, Outcome.PROTOCOL),
        ({"offers": ["226 bytes=0;entries=3;same=1;version=v;"]}, Outcome.PROTOCOL),
        ({"offers": ["553 kind=exists;", f"226 bytes=0;entries=3;sha256={'0' * 64};same=1;"]}, Outcome.INTEGRITY),
        ({"offers": ["553 kind=exists;", f"226 bytes=0;entries=9;sha256={DIGEST};same=1;"]}, Outcome.INTEGRITY),
        ({"offers": ["553 kind=exists;"]}, Outcome.EXISTS),
        ({"offers": ["553 kind=foreign;"]}, Outcome.EXISTS),
        ({"final": (226, f"bytes=%d;entries={ENTRIES};size=3003;sha256={'0' * 64};")}, Outcome.INTEGRITY),
        ({"final": (226, f"bytes=1;entries={ENTRIES};size=3003;sha256={DIGEST};")}, Outcome.INTEGRITY),
        ({"final": (226, f"bytes=%d;entries=9;size=3003;sha256={DIGEST};")}, Outcome.INTEGRITY),
        ({"final": (226, f"bytes=%d;entries={ENTRIES};size=3003;")}, Outcome.INTEGRITY),
        ({"final": (553, "kind=unsafe;")}, Outcome.INTEGRITY),
        ({"final": (553, "kind=malformed;")}, Outcome.INTEGRITY),
        ({"final": (552, "kind=too-much;")}, Outcome.NO_ROOM),
        ({"final": (552, "kind=quota;")}, Outcome.NO_ROOM),
        ({"final": (553, "kind=denied;")}, Outcome.DENIED),
    ],
)
async def test_uploads_to_servers_that_lie_or_refuse(source: Path, script: dict[str, Any], outcome: Outcome) -> None:
    before = descriptors()
    async with client_of(TreeServer(**script)) as client:
        with pytest.raises(ClientError) as caught:
            await client.put_tree(source, "t", merge="stands=1" in str(script))
    assert caught.value.outcome is outcome, caught.value
    assert descriptors() <= before


async def test_an_upload_that_is_taken(source: Path) -> None:
    server = TreeServer(offers=[OTHER, "type=tree;entries=0;"])
    async with client_of(server) as client:
        put = await client.put_tree(source, "t")
    assert (put.verified, put.moved, server.received) == (Verified.DIGEST, server.received, server.received)
    assert [("fresh" in tag.facts) for tag in server.asked] == [False, True]


async def test_a_data_connection_that_nobody_needed_may_break(
    source: Path, server_context: ssl.SSLContext, authority_file: Path
) -> None:
    """The server has the tree, so it closes the data connection; that may be seen before its reply is."""

    class Quick(TreeServer):
        async def enter(self, stream: trio.abc.Stream, line: bytes) -> None:
            await trio.aclose_forcefully(stream)

        async def put(self, tag: Tag) -> None:
            if "sha256" not in tag.facts:
                await tag.say(553, "kind=exists;")
                return
            await trio.sleep_forever()

        async def do_ABOR(self, talk: Conversation, argument: str) -> None:
            tag = self.tags.get(int(argument.removeprefix("tag=").rstrip(";")))
            if tag is not None:  # its reply was on its way
                tag.scope.cancel()
                await tag.say(226, f"bytes=0;entries={ENTRIES};size=3003;sha256={DIGEST};same=1;version=v;")
            await talk.say("225 no such transfer")

    server = Quick()
    server.context = server_context
    async with client_of(server, tls="required", cacert=authority_file) as client:
        put = await client.put_tree(source, "t")
    assert (put.same, put.moved, put.verified) == (True, 0, Verified.DIGEST)
