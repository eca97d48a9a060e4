"""Trees there and back against the real server: what survives, what is refused, what goes on, what is left behind."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define

from ftlite import connect
from ftlite.client import Client, ClientError, Outcome, TreeFile, Verified
from ftlite.client.native import treeparts, treework
from ftlite.config.models import TlsConfig, TlsMode
from ftlite.net.tls import ServerTls, ensure_self_signed, spki_pin
from ftlite.protocol.native.patterns import Filter
from ftlite.trees import Packer, Unpacker, walk
from tests.descriptors import descriptors
from tests.server.support import PASSWORD, Box, serving
from tests.trees.support import contents, make_tree

MEBI = 1 << 20


@define
class World:
    """A server, a client of it, and a directory of the client's own."""

    box: Box
    client: Client
    here: Path
    terms: dict[str, Any]

    @property
    def root(self) -> Path:
        """What the server serves."""
        return self.box.root

    def asked(self) -> str:
        """What the server was told so far."""
        return self.box.log.getvalue()

    @asynccontextmanager
    async def another(self, **terms: Any) -> AsyncIterator[Client]:
        async with connect(f"ftp://ann@127.0.0.1:{self.box.port}/", **{**self.terms, **terms}) as client:
            yield client


@asynccontextmanager
async def world(tmp_path: Path, *, tls: bool = False, **terms: Any) -> AsyncIterator[World]:
    root, here = tmp_path / "served" / "root", tmp_path / "here"
    root.mkdir(parents=True)
    here.mkdir()
    known: dict[str, Any] = {"password": PASSWORD, "retries": 0, "dialect": "native", "tls": "off", **terms}
    changes: dict[str, Any] = {}
    if tls:
        state = tmp_path / "state"
        certificate, key = ensure_self_signed(state)
        changes = {"pair": ServerTls(certificate, key, state), "tls": TlsConfig(mode=TlsMode.REQUIRED)}
        known |= {"tls": "required", "pin": spki_pin(ssl.PEM_cert_to_DER_cert(certificate.read_text()))}
    async with serving(root, **changes) as box:
        async with connect(f"ftp://ann@127.0.0.1:{box.port}/", **known) as client:
            yield World(box, client, here, known)


def fill(root: Path, **files: str | bytes) -> Path:
    """`files`: a name, with "__" for "/", and its content."""
    root.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def read(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def left(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def busy() -> list[str]:
    """Threads that work for the client; trio names them after the task, and idle ones have no task."""
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if " from " in name and "ftlite.server" not in name]


async def fails(action: Any, outcome: Outcome) -> ClientError:
    with pytest.raises(ClientError) as caught:
        await action
    assert caught.value.outcome is outcome, caught.value
    return caught.value


# ---- what survives


@pytest.mark.parametrize("tls", [False, True])
async def test_a_tree_there_and_back(tmp_path: Path, tls: bool) -> None:
    async with world(tmp_path, tls=tls) as w:
        source = make_tree(w.here / "source")
        deep = source / "/".join("d" * (number % 3 + 1) for number in range(120))
        deep.mkdir(parents=True)
        (deep / "bottom").write_bytes(b"deep")
        (source / "zlarge").write_bytes(os.urandom(MEBI) * 9)
        before = contents(source)
        for dots in (True, False):  # the name of a directory may end in a slash
            name = "a/b/tree/" if dots else "a/b/tree"
            put = await w.client.put_tree(source, name)
            assert (put.verified, put.whole, put.same) == (Verified.DIGEST, True, not dots)
        assert contents(w.root / "a/b/tree") == before
        got = await w.client.get_tree("a/b/tree", w.here / "x/y/back")
        assert contents(w.here / "x/y/back") == before == contents(source)
        assert (got.verified, got.whole, got.same, got.skipped, got.left) == (Verified.DIGEST, True, False, (), 0)
        assert got.files == sum(not path.is_symlink() and path.is_file() for path in source.rglob("*"))
        assert got.directories == sum(not path.is_symlink() and path.is_dir() for path in source.rglob("*"))
        assert got.moved > 9 * MEBI
        assert left(w.here / "x/y") == ["back"]


async def test_content_full_of_holes_is_no_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(treework, "_FAR", 0.0)
    async with world(tmp_path) as it:
        holes = fill(it.here / "holes", small="hi") / "big"
        with holes.open("wb") as file:
            file.truncate(120 * MEBI)
        report = await it.client.put_tree(it.here / "holes", "holes")
        assert (report.files, report.verified) == (2, Verified.DIGEST)
        assert (it.root / "holes" / "big").stat().st_size == 120 * MEBI
        async with it.another() as client:  # one that has not met it before
            report = await client.get_tree("holes", it.here / "back")
        assert (report.files, report.verified) == (2, Verified.DIGEST)
        assert (it.here / "back" / "big").stat().st_size == 120 * MEBI
        assert sorted(os.listdir(it.here)) == ["back", "holes"]


async def test_compression_over_a_long_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(treework, "_FAR", 0.0)
    async with world(tmp_path) as w:
        source = fill(make_tree(w.here / "source"), zeros=bytes(20 * MEBI))
        put = await w.client.put_tree(source, "tree")
        got = await w.client.get_tree("tree", w.here / "back")
        assert contents(w.here / "back") == contents(source) == contents(w.root / "tree")
        assert max(put.moved, got.moved) < MEBI
        assert (await w.client.get_tree("tree", w.here / "back")).same
        assert (await w.client.put_tree(source, "tree")).same


async def test_thousands_of_small_files(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        source = w.here / "source"
        for number in range(3000):
            if number % 300 == 0:
                (source / f"d{number}").mkdir(parents=True)
            (source / f"d{number // 300 * 300}" / f"f{number}").write_bytes(b"x" * (number % 50))
        told: list[TreeFile] = []
        assert (await w.client.put_tree(source, "tree")).files == 3000
        assert (await w.client.get_tree("tree", w.here / "back", on_file=told.append)).files == 3000
        assert contents(w.here / "back") == contents(source)
        assert {file.path for file in told} == {str(p.relative_to(source)) for p in source.rglob("f*")}


async def test_an_empty_tree(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        (w.here / "source").mkdir()
        for same in (False, True):
            put = await w.client.put_tree(w.here / "source", "tree")
            assert (put.files, put.directories, put.verified, put.same) == (0, 0, Verified.DIGEST, same)
        for _ in range(2):
            got = await w.client.get_tree("tree", w.here / "back")
            assert (got.files, got.verified, left(w.here)) == (0, Verified.DIGEST, ["back", "source"])
        assert left(w.root / "tree") == left(w.here / "back") == []


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (Filter(("*.txt",), ()), {"a.txt", "d/b.txt"}),
        (Filter((), ("d/",)), {"a.txt", "c"}),
        (Filter((), ("*.txt",)), {"c", "d/e"}),
    ],
)
async def test_patterns_choose_in_both_directions(tmp_path: Path, wanted: Filter, names: set[str]) -> None:
    async with world(tmp_path) as w:
        source = fill(w.here / "source", **{"a.txt": "a", "d__b.txt": "b", "c": "c", "d__e": "e"})
        await w.client.put_tree(source, "some", wanted=wanted)
        assert set(read(w.root / "some")) == names
        await w.client.put_tree(source, "all")
        told: list[str] = []
        got = await w.client.get_tree("all", w.here / "back", wanted=wanted, on_file=lambda f: told.append(f.path))
        assert set(read(w.here / "back")) == names == set(told)
        assert (got.files, got.whole) == (len(names), True)
        assert (await w.client.get_tree("all", w.here / "back", wanted=wanted)).same
        assert (await w.client.put_tree(source, "some", wanted=wanted)).same
        function: Callable[[str, bool], bool] = lambda path, directory: wanted(path, directory)  # noqa: E731
        got = await w.client.get_tree("all", w.here / "one by one", wanted=function)
        assert (set(read(w.here / "one by one")), got.whole) == (names, False)


async def test_what_cannot_travel_is_left_out_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look = walk._look

    def unreadable(here: int, name: bytes, *rest: Any) -> Any:
        if name == b"secret":
            raise PermissionError(errno.EACCES, "no")
        return look(here, name, *rest)

    async with world(tmp_path) as w:
        source = fill(w.here / "source", a="a", secret="s")
        os.mkfifo(source / "fifo")
        (source / "out").symlink_to("../here")
        (source / "line\nfeed").write_text("x")
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(source / "socket"))
        monkeypatch.setattr(walk, "_look", unreadable)
        put = await w.client.put_tree(source, "tree")
        assert (put.skipped, put.left, put.files) == (("fifo", "line\nfeed", "out", "secret", "socket"), 0, 1)
        assert read(w.root / "tree") == {"a": "a"}
        os.mkfifo(w.root / "tree" / "fifo")
        (w.root / "tree" / "secret").write_text("s")
        got = await w.client.get_tree("tree", w.here / "back")
        assert (got.skipped, got.left, read(w.here / "back")) == ((), 2, {"a": "a"})
        assert (await w.client.get_tree("tree", w.here / "back")).left == 2


async def test_the_umask_holds_for_what_a_server_sends(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        tree = fill(w.root / "tree", d__a="a")
        for path in (tree / "d", tree / "d/a"):
            path.chmod(0o777)
        before = os.umask(0o027)
        try:
            await w.client.get_tree("tree", w.here / "back")
        finally:
            os.umask(before)
        assert [(w.here / "back" / name).stat().st_mode & 0o777 for name in ("", "d", "d/a")] == [0o750] * 3


# ---- what stands there


async def test_put_where_something_stands(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        first = fill(w.here / "first", a="1", d__b="1")
        second = fill(w.here / "second", a="2", d__c="2")
        assert not (await w.client.put_tree(first, "t")).same
        for replace, merge in ((False, False), (True, False), (False, True)):
            same = await w.client.put_tree(first, "t", replace=replace, merge=merge)
            assert (same.same, same.moved, same.files, same.verified) == (True, 0, 2, Verified.DIGEST)
        await fails(w.client.put_tree(second, "t"), Outcome.EXISTS)
        assert read(w.root / "t") == {"a": "1", "d/b": "1"}
        assert not (await w.client.put_tree(second, "t", merge=True)).same
        assert read(w.root / "t") == {"a": "2", "d/b": "1", "d/c": "2"}
        await w.client.put_tree(first, "t", replace=True)
        assert read(w.root / "t") == {"a": "1", "d/b": "1"}
        (first / "a").write_text("3")  # the same counts as what stands
        await w.client.put_tree(first, "t", replace=True)
        assert read(w.root / "t") == {"a": "3", "d/b": "1"}
        (w.root / "file").write_text("file")
        for replace, merge in ((False, False), (True, False), (False, True)):
            await fails(w.client.put_tree(first, "file", replace=replace, merge=merge), Outcome.EXISTS)
        assert (w.root / "file").read_text() == "file"
        await fails(w.client.put_tree(w.here / "none", "n"), Outcome.NOT_FOUND)
        await fails(w.client.put_tree(first / "a", "n"), Outcome.NOT_FOUND)
        assert [name for name in left(w.root) if not name.startswith(".")] == ["file", "t"]


async def test_get_where_something_stands(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        fill(w.root / "t", a="1", d__b="1")
        target = w.here / "t"
        assert not (await w.client.get_tree("t", target)).same
        for replace, merge in ((False, False), (True, False), (False, True)):
            told: list[TreeFile] = []
            same = await w.client.get_tree("t", target, replace=replace, merge=merge, on_file=told.append)
            assert (same.same, same.moved, same.files, same.verified) == (True, 0, 2, Verified.DIGEST)
            assert [(file.path, file.result and file.result.skipped) for file in told] == [("a", True), ("d/b", True)]
        (target / "a").write_text("x")
        (target / "mine").write_text("x")
        error = await fails(w.client.get_tree("t", target), Outcome.EXISTS)
        assert "--replace" in str(error)
        assert read(target) == {"a": "x", "d/b": "1", "mine": "x"}
        told = []
        await w.client.get_tree("t", target, merge=True, on_file=told.append)
        assert read(target) == {"a": "1", "d/b": "1", "mine": "x"}
        assert [file.path for file in told] == ["a", "d/b"], "what was there before is nobody's news"
        await w.client.get_tree("t", target, replace=True)
        assert read(target) == {"a": "1", "d/b": "1"}
        (w.here / "file").write_text("file")
        for replace, merge in ((False, False), (True, False), (False, True)):
            await fails(w.client.get_tree("t", w.here / "file", replace=replace, merge=merge), Outcome.EXISTS)
            await fails(w.client.get_tree("t", w.here / "file/t", replace=replace, merge=merge), Outcome.EXISTS)
        assert (w.here / "file").read_text() == "file"
        await fails(w.client.get_tree("none", w.here / "p/none"), Outcome.NOT_FOUND)
        await fails(w.client.get_tree("t/a", w.here / "p/none"), Outcome.NOT_FOUND)
        (w.here / "link").symlink_to("t")
        (w.root / "t/a").write_text("2")
        await w.client.get_tree("t", w.here / "link", replace=True)
        assert (w.here / "link").is_symlink()
        assert read(target) == {"a": "2", "d/b": "1"}
        assert left(w.here) == ["file", "link", "t"]


async def test_a_tree_that_is_a_prefix_of_the_other_is_another_tree(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        fill(w.root / "t", a="1", b="2")
        await w.client.get_tree("t", w.here / "t")
        fill(w.root / "t", c="3")
        await fails(w.client.get_tree("t", w.here / "t"), Outcome.EXISTS)
        fill(w.root / "t", d=b"4" * MEBI)
        await fails(w.client.get_tree("t", w.here / "t"), Outcome.EXISTS)
        assert read(w.here / "t") == {"a": "1", "b": "2"}
        await w.client.get_tree("t", w.here / "t", replace=True)
        assert len(read(w.here / "t")) == 4
        await fails(w.client.put_tree(fill(w.here / "p", a="1", b="2"), "t"), Outcome.EXISTS)


async def test_progress_and_files_are_told(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        source = fill(w.here / "source", a=os.urandom(3 * MEBI), d__b="b")  # a busy machine is far away: it compresses
        for name in ("put", "get"):
            steps: list[int] = []
            told: list[TreeFile] = []
            step: Any = lambda done, total, steps=steps: steps.append(done)  # noqa: E731
            if name == "put":
                done = await w.client.put_tree(source, "t", progress=step, on_file=told.append)
            else:
                done = await w.client.get_tree("t", w.here / "t", progress=step, on_file=told.append)
            assert steps == sorted(steps)
            assert steps[-1] == done.moved > 3 * MEBI
            assert [(file.path, file.result and file.result.size) for file in told] == [("a", 3 * MEBI), ("d/b", 1)]
            assert all(file.result and file.result.verified is Verified.DIGEST for file in told)
            assert [file.result and file.result.remote for file in told] == ["t/a", "t/d/b"]


async def test_what_the_callers_own_function_raises_comes_out_as_it_is(tmp_path: Path) -> None:
    def closed(_file: TreeFile) -> None:
        raise BrokenPipeError

    async with world(tmp_path) as w:
        source = fill(w.here / "source", a="a")
        with pytest.raises(BrokenPipeError):
            await w.client.put_tree(source, "t", on_file=closed)
        with pytest.raises(BrokenPipeError):
            await w.client.get_tree("t", w.here / "t", on_file=closed)
        assert read(w.here / "t") == read(w.root / "t") == {"a": "a"}


# ---- what goes on


async def broken_off(action: Callable[..., Any], after: int) -> None:
    """Cancel `action` when so many bytes have moved."""
    with trio.CancelScope() as scope:
        await action(progress=lambda done, _total: scope.cancel() if done >= after else None)
    assert scope.cancelled_caught


def large(root: Path) -> Path:
    """24 MiB: many files, and one that goes on inside."""
    for number in range(12):
        fill(root, **{f"d__f{number:02}": os.urandom(MEBI)})
    return fill(root, z=os.urandom(12 * MEBI))


@pytest.mark.parametrize("after", [5 * MEBI, 22 * MEBI])
async def test_a_download_that_was_cancelled_goes_on(tmp_path: Path, after: int) -> None:
    async with world(tmp_path, limit_rate=200 * MEBI) as w:
        tree = large(w.root / "t")
        await w.client.list()
        base = descriptors()
        await broken_off(lambda **more: w.client.get_tree("t", w.here / "t", **more), after)
        assert left(w.here)[0].endswith(".ftlite-tree")
        assert (len(left(w.here)), busy()) == (1, [])
        await w.client.list()  # the server has closed its end by then, or will soon
        with trio.fail_after(10):
            while descriptors() > base:
                await trio.sleep(0.01)
        async with w.another() as second:
            await fails(second.get_tree("none", w.here / "t"), Outcome.NOT_FOUND)
            got = await second.get_tree("t", w.here / "t")
            assert got.moved < 28 * MEBI - after
        assert contents(w.here / "t") == contents(tree)
        assert left(w.here) == ["t"]


@pytest.mark.parametrize("after", [5 * MEBI, 22 * MEBI])
async def test_an_upload_that_was_cancelled_goes_on(tmp_path: Path, after: int) -> None:
    async with world(tmp_path, limit_rate=200 * MEBI) as w:
        source = large(w.here / "t")
        await w.client.list()
        base = descriptors()
        await broken_off(lambda **more: w.client.put_tree(source, "t", **more), after)
        assert not (w.root / "t").exists()
        assert busy() == []
        with trio.fail_after(10):
            while descriptors() > base:
                await trio.sleep(0.01)
        async with w.another() as second:
            put = await second.put_tree(source, "t")
            assert put.moved < 38 * MEBI - after  # what was on its way, in buffers of the system, is lost
        assert contents(w.root / "t") == contents(source)


async def test_another_tree_in_between_comes_afresh(tmp_path: Path) -> None:
    async with world(tmp_path, limit_rate=200 * MEBI) as w:
        tree = large(w.root / "t")
        await broken_off(lambda **more: w.client.get_tree("t", w.here / "t", **more), 6 * MEBI)
        (tree / "d/f00").write_bytes(os.urandom(MEBI))
        got = await w.client.get_tree("t", w.here / "t")
        assert got.moved > 24 * MEBI
        assert contents(w.here / "t") == contents(tree)
        source = large(w.here / "u")
        await broken_off(lambda **more: w.client.put_tree(source, "u", **more), 6 * MEBI)
        (source / "d/f00").write_bytes(os.urandom(MEBI))
        while w.asked().count("426 tag=") < 2:  # until then the server holds what it has
            await trio.sleep(0.01)
        put = await w.client.put_tree(source, "u")
        assert put.moved > 24 * MEBI
        assert w.asked().count('verb=PUT reply="150') == 3, "what stood was looked at, and discarded"
        assert contents(w.root / "u") == contents(source)
        assert left(w.here) == ["t", "u"]


async def test_what_another_question_left_is_not_used(tmp_path: Path) -> None:
    async with world(tmp_path, limit_rate=200 * MEBI) as w:
        tree = large(w.root / "t")
        await broken_off(lambda **more: w.client.get_tree("t", w.here / "t", **more), 6 * MEBI)
        wanted = Filter((), ("z",))
        got = await w.client.get_tree("t", w.here / "t", wanted=wanted)
        assert got.moved > 12 * MEBI
        assert set(read_names(w.here / "t")) == set(read_names(tree)) - {"z"}
        assert len(left(w.here)) == 2, "what the other question left is still there for it"


def read_names(root: Path) -> list[str]:
    return [str(path.relative_to(root)) for path in root.rglob("*")]


async def test_two_downloads_to_one_target(tmp_path: Path) -> None:
    async with world(tmp_path, limit_rate=20 * MEBI) as w:
        tree = large(w.root / "t")
        async with trio.open_nursery() as nursery:
            begun = trio.Event()

            async def first() -> None:
                await w.client.get_tree("t", w.here / "t", progress=lambda *_: begun.set())

            nursery.start_soon(first)
            await begun.wait()
            error = await fails(w.client.get_tree("t", w.here / "t"), Outcome.EXISTS)
            assert "another download" in str(error)
        assert contents(w.here / "t") == contents(tree)
        assert left(w.here) == ["t"]


async def test_cancelling_while_a_tree_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(tmp_path) as w:
        fill(w.root / "t", a="1")
        fill(w.here / "t", b="2")
        began, base = trio.Event(), descriptors()
        token = trio.lowlevel.current_trio_token()

        def measuring(_fd: int, *, stop: Callable[[], bool], **_: object) -> None:
            token.run_sync_soon(began.set)
            while not stop():
                pass

        monkeypatch.setattr(treework, "measure", measuring)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(w.client.get_tree, "t", w.here / "t")
            await began.wait()
            nursery.cancel_scope.cancel()
        assert nursery.cancel_scope.cancelled_caught
        assert (busy(), descriptors()) == ([], base)
        assert left(w.here) == ["t"]


async def test_a_swap_that_was_cut_short_is_undone_by_the_next_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def cannot(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "not supported")

    rename = Path.rename

    def dying(self: Path, other: Path) -> Path:
        if self.name == "tree":
            raise Killed
        return rename(self, other)

    async with world(tmp_path) as w:
        fill(w.root / "t", a="new")
        fill(w.here / "t", a="old")
        monkeypatch.setattr(treeparts, "rename_exchange", cannot)
        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", dying)
            with pytest.raises(Killed):
                await w.client.get_tree("t", w.here / "t", replace=True)
        assert "t" not in left(w.here)
        await fails(w.client.get_tree("t", w.here / "t"), Outcome.EXISTS)
        assert read(w.here / "t") == {"a": "old"}
        await w.client.get_tree("t", w.here / "t", replace=True)
        assert read(w.here / "t") == {"a": "new"}
        assert left(w.here) == ["t"]


# ---- the disk


@pytest.mark.parametrize(
    ("number", "outcome", "kept"),
    [
        (errno.ENOSPC, Outcome.NO_ROOM, False),
        (errno.EDQUOT, Outcome.NO_ROOM, False),
        (errno.EACCES, Outcome.DENIED, True),
        (errno.EIO, Outcome.OTHER, True),
    ],
)
async def test_a_disk_that_fails_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, outcome: Outcome, kept: bool
) -> None:
    write = Unpacker.write

    def failing(self: Unpacker, data: memoryview) -> None:
        write(self, data)
        if self.received > 6 * MEBI:
            raise OSError(number, os.strerror(number))

    async with world(tmp_path) as w:
        tree = large(w.root / "t")
        base = descriptors()
        with monkeypatch.context() as patch:
            patch.setattr(Unpacker, "write", failing)
            error = await fails(w.client.get_tree("t", w.here / "t"), outcome)
        assert "(local)" in str(error)
        assert bool(left(w.here)) is kept
        await w.client.list()
        with trio.fail_after(10):
            while descriptors() > base:
                await trio.sleep(0.01)
        await w.client.get_tree("t", w.here / "t")
        assert contents(w.here / "t") == contents(tree)


async def test_a_source_that_fails_or_changes_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(tmp_path) as w:
        source = large(w.here / "t")
        read_on = Packer.read

        def broken(self: Packer, most: int) -> bytes | memoryview:
            if self.sent > 6 * MEBI:
                raise OSError(errno.EIO, "input/output error")
            return read_on(self, most)

        def touching(self: Packer, most: int) -> bytes | memoryview:
            os.utime(source / "z")
            return read_on(self, most)

        with monkeypatch.context() as patch:
            patch.setattr(Packer, "read", broken)
            await fails(w.client.put_tree(source, "t"), Outcome.OTHER)
            patch.setattr(Packer, "read", touching)
            error = await fails(w.client.put_tree(source, "t"), Outcome.INTEGRITY)
        assert error.transient
        assert not (w.root / "t").exists()
        await w.client.put_tree(source, "t")
        assert contents(w.root / "t") == contents(source)
