"""Both ways of finding a place: alike on any tree, alike with the kernel's own RESOLVE_BENEATH, and never outside,
whoever swaps what for what meanwhile."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlite.gate import beneath
from ftlite.gate.beneath import Found, Kernel, Resolver, Stuck, Walk, best_resolver
from ftlite.storage.errors import WouldBlock
from tests.descriptors import descriptors

NAMES = st.sampled_from(["a", "b", "c"])
PLACES = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
TARGETS = st.one_of(
    st.lists(st.sampled_from(["a", "b", "c", ".", "..", ""]), min_size=1, max_size=4).map("/".join),
    st.sampled_from(["/", "/etc", "ROOT", "ROOT/a"]),
).filter(bool)
ENTRIES = st.lists(st.tuples(PLACES, st.sampled_from(["directory", "file"]) | TARGETS.map("->".__add__)), max_size=12)
QUERIES = st.lists(st.tuples(st.lists(NAMES, max_size=4), st.booleans()), min_size=1, max_size=12)

Answer = tuple[object, ...]


def works() -> bool:
    fd = os.open("/", os.O_PATH)
    try:
        return Kernel().works(fd)
    finally:
        os.close(fd)


needs_openat2 = pytest.mark.skipif(not works(), reason="no openat2 here")


@pytest.fixture(params=[Walk, pytest.param(Kernel, marks=needs_openat2)])
def resolver(request: pytest.FixtureRequest) -> Resolver:
    made: Resolver = request.param()
    return made


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "root").mkdir()
    fd = os.open(tmp_path / "root", os.O_PATH)
    yield fd
    os.close(fd)


def grow(top: Path, entries: list[tuple[str, str]]) -> None:
    """Make what can be made of `entries`; what stands in the way of an earlier one is left out."""
    for place, kind in entries:
        path = top / place
        try:
            if not os.path.realpath(path.parent).startswith(os.path.realpath(top)):
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if kind.startswith("->"):
                path.symlink_to(kind[2:].replace("ROOT", str(top)))
            elif kind == "directory":
                path.mkdir()
            else:
                path.touch(exist_ok=False)
        except OSError:
            continue


def ask(resolver: Resolver, root: int, parts: list[bytes], follow: bool) -> Answer:
    try:
        found = resolver.find(root, parts, follow=follow, nowait=False)
    except Stuck as stuck:
        return ("stuck", stuck.errno, stuck.parts)
    try:
        holder = os.fstat(found.parent)
        return ("found", holder.st_dev, holder.st_ino, found.name, found.parts, found.exists)
    finally:
        os.close(found.parent)


def ask_kernel(root: int, path: bytes, follow: bool) -> Answer:
    """What openat2 says when it may follow links beneath: the device and inode, or the error."""
    flags = os.O_PATH | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    try:
        fd = Kernel()._open(root, path, beneath._How(flags, 0, beneath._BENEATH | beneath._NO_MAGICLINKS))
    except OSError as error:
        return ("stuck", error.errno)
    try:
        return ("found", os.fstat(fd).st_dev, os.fstat(fd).st_ino)
    finally:
        os.close(fd)


def expected(resolver: Resolver, root: int, parts: list[bytes], follow: bool) -> Answer:
    """Our answer in the words of `ask_kernel`."""
    try:
        found = resolver.find(root, parts, follow=follow, nowait=False)
    except Stuck as stuck:
        return ("stuck", stuck.errno)
    try:
        if not found.exists:
            return ("stuck", errno.ENOENT)
        there = os.stat(found.name, dir_fd=found.parent, follow_symlinks=False)
        return ("found", there.st_dev, there.st_ino)
    finally:
        os.close(found.parent)


@needs_openat2
@given(entries=ENTRIES, queries=QUERIES)
@settings(deadline=None, max_examples=300)
def test_both_ways_and_the_kernel_agree(entries: list[tuple[str, str]], queries: list[tuple[list[str], bool]]) -> None:
    top = Path(tempfile.mkdtemp())
    fd = os.open(top, os.O_PATH)
    try:
        grow(top, entries)
        for names, follow in queries:
            parts = [name.encode() for name in names]
            assert ask(Walk(), fd, parts, follow) == ask(Kernel(), fd, parts, follow)
            assert expected(Walk(), fd, parts, follow) == ask_kernel(fd, b"/".join(parts) or b".", follow)
    finally:
        os.close(fd)
        shutil.rmtree(top)


def test_stuck_says_where_the_way_was_leading(resolver: Resolver, root: int, tmp_path: Path) -> None:
    os.symlink("sub/../gone", tmp_path / "root" / "link")
    (tmp_path / "root" / "sub").mkdir()
    assert ask(resolver, root, [b"none", b"x", b"y"], True) == ("stuck", errno.ENOENT, (b"none", b"x", b"y"))
    assert ask(resolver, root, [b"link", b"x"], True) == ("stuck", errno.ENOENT, (b"gone", b"x"))


class TestProbing:
    def test_one_probe(self) -> None:
        assert best_resolver() is best_resolver()

    def test_without_openat2_the_walk_is_taken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(beneath, "_OPENAT2", 100_000)  # no such call: ENOSYS, as on Linux before 5.6
        best_resolver.cache_clear()
        try:
            assert isinstance(best_resolver(), Walk)
        finally:
            best_resolver.cache_clear()

    def test_without_resolve_cached_nothing_is_tried(self, monkeypatch: pytest.MonkeyPatch, root: int) -> None:
        monkeypatch.setattr(beneath, "_CACHED", 1 << 40)  # no such flag: EINVAL, as on Linux before 5.12
        kernel = Kernel()
        if kernel.works(root):
            with pytest.raises(WouldBlock):
                kernel.find(root, [b"x"], follow=True, nowait=True)

    def test_import_needs_no_linux(self) -> None:
        code = (
            "import os, sys, trio; sys.platform = 'darwin'; del os.O_PATH\n"
            "import ftlite.gate.gate, ftlite.gate.accounts\n"
            "from ftlite.gate.beneath import Walk, best_resolver\n"
            "assert isinstance(best_resolver(), Walk)"
        )
        subprocess.run([sys.executable, "-c", code], check=True)


Step = Callable[[], object]


def at_each_step(monkeypatch: pytest.MonkeyPatch, attempt: Step, change: Step, undo: Step) -> int:
    """Run `attempt` again and again, with `change` made right before its first, second ... system call of a walk.

    Returns how many moments there were; afterwards all is as before.
    """
    moment = 0
    while True:
        calls, made = 0, False

        def before(made_by: Callable[..., object], wanted: int = moment) -> Callable[..., object]:
            def call(*args: object, **keywords: object) -> object:
                nonlocal calls, made
                if calls == wanted:
                    made = True
                    change()
                calls += 1
                return made_by(*args, **keywords)

            return call

        with monkeypatch.context() as patch:
            for name in ("open", "fstat", "readlink", "dup", "close"):
                patch.setattr(beneath.os, name, before(getattr(os, name)))
            attempt()
        if not made:
            return moment
        undo()
        moment += 1


class TestSwapping:
    """A local user changes directories into links out while a path is being resolved."""

    @pytest.fixture
    def tree(self, tmp_path: Path, root: int) -> Path:
        top = tmp_path / "root"
        (top / "a" / "b").mkdir(parents=True)
        (top / "a" / "b" / "f").write_text("inside")
        (top / "a" / "f").write_text("inside")
        os.symlink("../f", top / "a" / "b" / "up")
        os.symlink("a/b/up", top / "link")
        (tmp_path / "out" / "b").mkdir(parents=True)
        for place in ("f", "b/f", "b/up"):
            (tmp_path / "out" / place).write_text("outside")
        os.symlink(tmp_path / "out", tmp_path / "evil")
        os.symlink("../out", tmp_path / "evil-relative")
        return tmp_path

    @staticmethod
    def read(resolver: Resolver, root: int, path: bytes) -> str | None:
        """As storage would: beneath the parent, by its last name, not following."""
        try:
            found: Found = resolver.find(root, path.split(b"/"), follow=True, nowait=False)
        except Stuck:
            return None
        try:
            with open(os.open(found.name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=found.parent)) as file:
                return file.read()
        except OSError:
            return None
        finally:
            os.close(found.parent)

    @pytest.mark.parametrize("path", [b"a/b/f", b"a/b/up", b"link"])
    @pytest.mark.parametrize("evil", ["evil", "evil-relative"])
    def test_a_link_for_a_directory_at_any_moment(
        self, monkeypatch: pytest.MonkeyPatch, tree: Path, root: int, path: bytes, evil: str
    ) -> None:
        victim, aside = tree / "root" / "a", tree / "root" / "aside"
        contents: set[str | None] = set()

        def change() -> None:
            os.rename(victim, aside)
            os.rename(tree / evil, victim)

        def undo() -> None:
            os.rename(victim, tree / evil)
            os.rename(aside, victim)

        moments = at_each_step(monkeypatch, lambda: contents.add(self.read(Walk(), root, path)), change, undo)
        assert moments > 5
        assert contents == {"inside", None}

    @pytest.mark.parametrize("path", [b"a/b/up", b"link"])
    def test_a_directory_moved_out_does_not_take_dot_dot_along(
        self, monkeypatch: pytest.MonkeyPatch, tree: Path, root: int, path: bytes
    ) -> None:
        home, away = tree / "root" / "a" / "b", tree / "out" / "moved"
        contents: set[str | None] = set()
        moments = at_each_step(
            monkeypatch,
            lambda: contents.add(self.read(Walk(), root, path)),
            lambda: os.rename(home, away),
            lambda: os.rename(away, home),
        )
        assert moments > 5
        assert contents == {"inside", None}

    def test_a_thread_that_swaps_all_the_time(self, resolver: Resolver, tree: Path, root: int) -> None:
        victim, aside = tree / "root" / "a", tree / "root" / "aside"
        stop = threading.Event()
        swaps = 0

        def swap() -> None:
            nonlocal swaps
            while not stop.is_set():
                for evil in (tree / "evil", tree / "evil-relative"):
                    os.rename(victim, aside)
                    os.rename(evil, victim)
                    os.rename(victim, evil)
                    os.rename(aside, victim)
                    swaps += 1

        thread = threading.Thread(target=swap)
        before = descriptors()
        thread.start()
        try:
            contents = {
                self.read(resolver, root, path) for _ in range(1500) for path in (b"a/b/f", b"a/b/up", b"link", b"a/f")
            }
        finally:
            stop.set()
            thread.join()
        assert "outside" not in contents
        assert self.read(resolver, root, b"link") == "inside"
        assert descriptors() <= before
