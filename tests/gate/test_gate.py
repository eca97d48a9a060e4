"""The gate judges names, rights and links; each test says what a client may learn or reach, and what not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ftlite.config.models import Rule, User
from ftlite.config.rights import ALL, READ, Right, parse_rights
from ftlite.gate.beneath import Resolver, Walk, best_resolver
from ftlite.gate.gate import Gate
from ftlite.storage.errors import Kind, StorageError, WouldBlock
from ftlite.storage.granted import Granted
from tests.descriptors import descriptors

MakeGate = Callable[..., Gate]


@pytest.fixture(params=["best", "walk"])
def resolver(request: pytest.FixtureRequest) -> Resolver:
    return best_resolver() if request.param == "best" else Walk()


@pytest.fixture
def gate_for(tmp_path: Path, resolver: Resolver) -> Iterator[MakeGate]:
    gates = []

    def make(*rules: Rule, root: str = ".") -> Gate:
        fd = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
        try:
            gate = Gate(fd, User("ann", root=root, rules=rules or (Rule(),)), resolver=resolver)
        finally:
            os.close(fd)
        gates.append(gate)
        return gate

    yield make
    for gate in gates:
        gate.close()


def test_a_gate_to_the_served_root_opens_without_a_wait(tmp_path: Path) -> None:
    """So that a login whose password is remembered needs no worker; any other root may lie on a slow disk."""
    (tmp_path / "ann").mkdir()
    (tmp_path / "file").write_text("x")
    fd = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    try:
        try:
            gate = Gate(fd, User("all"), nowait=True)
        except WouldBlock:
            pytest.skip("this kernel or sandbox has no RESOLVE_CACHED")
        with gate, gate.grant("/file", Right.GET) as place:
            assert place.name == b"file"
        before = descriptors()
        with pytest.raises(WouldBlock):
            Gate(fd, User("ann", root="ann"), nowait=True)
        assert descriptors() == before
    finally:
        os.close(fd)


def plant(top: Path) -> None:
    """A small tree with a link of every sort."""
    (top / "pub").mkdir()
    (top / "pub" / "file").write_text("pub")
    (top / "secret" / "deep").mkdir(parents=True)
    (top / "secret" / "file").write_text("secret")
    for link, target in {
        "to-pub": "pub",
        "to-file": "pub/file",
        "pub/launder": "../secret/file",
        "pub/self": ".",
        "pub/slash": "../pub/",
        "pub/file-slash": "file/",
        "dangling": "pub/nothing",
        "pub/lost": "../secret/nothing/x",
        "absolute": str(top / "pub"),
        "up": "../..",
        "pub/top": "..",
        "loop": "loop",
    }.items():
        os.symlink(target, top / link)


def refused(gate: Gate, path: str, right: Right = Right.NONE, *, follow: bool = True) -> Kind:
    with pytest.raises(StorageError) as caught:
        gate.grant(path, right, follow=follow).close()
    return caught.value.kind


def leads(gate: Gate, path: str, *, follow: bool = True) -> tuple[str, bytes, bool]:
    """Resolved path, name and existence; asserts that parent and name really are that place."""
    with gate.grant(path, follow=follow) as place:
        expected = os.readlink(f"/proc/self/fd/{place.parent}")
        assert place.path == "/" or expected.endswith(os.path.dirname(place.path).rstrip("/"))
        assert os.access(place.name, os.F_OK, dir_fd=place.parent, follow_symlinks=False) == place.exists
        return place.path, place.name, place.exists


class TestPlaces:
    def test_the_root_itself(self, gate_for: MakeGate) -> None:
        assert leads(gate_for(), "/") == ("/", b".", True)

    def test_names_there_and_not_there(self, gate_for: MakeGate, tmp_path: Path) -> None:
        plant(tmp_path)
        gate = gate_for()
        assert leads(gate, "/pub/file") == ("/pub/file", b"file", True)
        assert leads(gate, "/pub/new") == ("/pub/new", b"new", False)
        assert refused(gate, "/nothing/new") == Kind.NOT_FOUND
        assert refused(gate, "/pub/file/new") == Kind.NOT_DIRECTORY

    def test_links_lead_to_their_resolved_place(self, gate_for: MakeGate, tmp_path: Path) -> None:
        plant(tmp_path)
        gate = gate_for()
        assert leads(gate, "/to-file") == ("/pub/file", b"file", True)
        assert leads(gate, "/to-pub/new") == ("/pub/new", b"new", False)
        assert leads(gate, "/pub/self") == ("/pub", b"pub", True)
        assert leads(gate, "/pub/slash") == ("/pub", b"pub", True)
        assert leads(gate, "/pub/self/self/top/to-pub/launder") == ("/secret/file", b"file", True)
        assert leads(gate, "/pub/top") == ("/", b".", True)

    def test_a_link_itself_when_not_followed(self, gate_for: MakeGate, tmp_path: Path) -> None:
        plant(tmp_path)
        gate = gate_for()
        for link in ("/to-pub", "/dangling", "/absolute", "/up", "/loop"):
            assert leads(gate, link, follow=False) == (link, link[1:].encode(), True)

    @pytest.mark.parametrize(
        ("path", "kind"),
        [
            ("/dangling", Kind.NOT_FOUND),
            ("/dangling/x", Kind.NOT_FOUND),
            ("/pub/file-slash", Kind.NOT_DIRECTORY),
            ("/absolute", Kind.OUTSIDE),
            ("/absolute/file", Kind.OUTSIDE),
            ("/up", Kind.OUTSIDE),
            ("/up/etc", Kind.OUTSIDE),
            ("/loop", Kind.OUTSIDE),
        ],
    )
    def test_links_that_lead_nowhere_or_out(self, gate_for: MakeGate, tmp_path: Path, path: str, kind: Kind) -> None:
        plant(tmp_path)
        assert refused(gate_for(), path) == kind

    def test_forty_links_and_not_one_more(self, gate_for: MakeGate, tmp_path: Path) -> None:
        (tmp_path / "0").write_text("")
        for number in range(1, 42):
            os.symlink(str(number - 1), tmp_path / str(number))
        assert leads(gate_for(), "/40") == ("/0", b"0", True)
        assert refused(gate_for(), "/41") == Kind.OUTSIDE

    def test_bytes_that_are_no_utf8_are_kept(self, gate_for: MakeGate, tmp_path: Path) -> None:
        name = b"gr\xfc\xdfe"
        (Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))).write_text("")
        path = "/" + name.decode("utf-8", "surrogateescape")
        assert leads(gate_for(), path) == (path, name, True)

    def test_deeper_than_path_max(self, gate_for: MakeGate, tmp_path: Path) -> None:
        at = os.open(tmp_path, os.O_PATH)
        for _ in range(20):
            os.mkdir("d" * 250, dir_fd=at)
            below = os.open("d" * 250, os.O_PATH, dir_fd=at)
            os.close(at)
            at = below
        os.close(at)
        path = ("/" + "d" * 250) * 20
        with gate_for().grant(path) as place:
            assert (place.path, place.exists) == (path, True)
            assert os.stat(place.name, dir_fd=place.parent)

    def test_a_user_root_is_that_users_top(self, gate_for: MakeGate, tmp_path: Path) -> None:
        plant(tmp_path)
        gate = gate_for(root="to-pub/")
        assert leads(gate, "/file") == ("/file", b"file", True)
        assert refused(gate, "/launder") == Kind.OUTSIDE
        assert refused(gate, "/top") == Kind.OUTSIDE

    @pytest.mark.parametrize(
        ("root", "kind"),
        [
            ("nothing", Kind.NOT_FOUND),
            ("pub/file", Kind.NOT_DIRECTORY),
            ("/etc", Kind.OUTSIDE),
            ("up", Kind.OUTSIDE),
            ("absolute", Kind.OUTSIDE),
            ("../x", Kind.BAD_NAME),
            (".ftlite", Kind.BAD_NAME),
        ],
    )
    def test_a_user_root_that_cannot_be(self, gate_for: MakeGate, tmp_path: Path, root: str, kind: Kind) -> None:
        plant(tmp_path)
        with pytest.raises(StorageError) as caught:
            gate_for(root=root)
        assert caught.value.kind == kind


class TestNames:
    @pytest.mark.parametrize(
        "path",
        [
            "",
            "pub",
            "/a\0",
            "/a\r",
            "/\nb",
            "/a//b",
            "/a/",
            "/.",
            "/..",
            "/a/../b",
            "/a/./b",
            "/" + "x" * 256,
            "/\ud800",
        ],
    )
    def test_unfit(self, gate_for: MakeGate, path: str) -> None:
        assert refused(gate_for(), path) == Kind.BAD_NAME

    @pytest.mark.parametrize("name", ["...", "..a", ".a", "x" * 255, "ü" * 127, " ", "-rf", "*", "a\tb", ".ftlitex"])
    def test_fit(self, gate_for: MakeGate, name: str) -> None:
        assert leads(gate_for(), "/" + name)[2] is False

    @pytest.mark.parametrize("follow", [True, False])
    @pytest.mark.parametrize(
        "path",
        ["/.ftlite", "/.ftlite/parts", "/pub/.ftlite", "/.ftlite-abc", "/.FTLite", "/.ft\u200blite", "/.FTLİTE-1"],
    )
    def test_reserved(self, gate_for: MakeGate, tmp_path: Path, path: str, follow: bool) -> None:
        (tmp_path / ".ftlite" / "parts").mkdir(parents=True)
        assert refused(gate_for(), path, follow=follow) == Kind.BAD_NAME

    def test_reserved_through_a_link(self, gate_for: MakeGate, tmp_path: Path) -> None:
        (tmp_path / ".ftlite" / "parts").mkdir(parents=True)
        os.symlink(".ftlite", tmp_path / "innocent")
        os.symlink("a\nb", tmp_path / "odd")
        (tmp_path / "a\nb").write_text("")
        gate = gate_for()
        assert refused(gate, "/innocent") == Kind.BAD_NAME
        assert refused(gate, "/innocent/parts") == Kind.BAD_NAME
        assert refused(gate, "/odd") == Kind.BAD_NAME


class TestRights:
    def test_the_longest_rule_decides_alone(self, gate_for: MakeGate, tmp_path: Path) -> None:
        gate = gate_for(Rule("/", READ), Rule("/in/", Right.PUT), Rule("/in/keep", ALL))
        assert gate.rights("/") == READ
        assert gate.rights("/inside") == READ
        assert gate.rights("/in") == Right.PUT
        assert gate.rights("/in/x") == Right.PUT
        assert gate.rights("/in/keep/x/y") == ALL
        assert gate_for(Rule("/a", ALL)).rights("/") == Right.NONE

    def test_what_is_missing_is_named(self, gate_for: MakeGate) -> None:
        gate = gate_for(Rule("/", READ))
        with pytest.raises(StorageError, match="/x: no right to put, delete here") as caught:
            gate.grant("/x", Right.GET | Right.PUT | Right.DELETE)
        assert caught.value.kind == Kind.DENIED

    def test_granted_carries_rights_and_owner(self, gate_for: MakeGate) -> None:
        with gate_for(Rule("/", READ)).grant("/x", Right.GET) as place:
            assert (place.rights, place.owner) == (READ, "ann")

    def test_a_link_launders_nothing(self, gate_for: MakeGate, tmp_path: Path) -> None:
        plant(tmp_path)
        gate = gate_for(Rule("/", ALL), Rule("/secret", Right.NONE))
        assert refused(gate, "/pub/launder", Right.GET) == Kind.DENIED
        with gate.grant("/pub/launder", Right.DELETE, follow=False) as place:
            assert place.path == "/pub/launder"

    def test_without_the_right_nothing_is_learnt(self, gate_for: MakeGate, tmp_path: Path) -> None:
        plant(tmp_path)
        gate = gate_for(Rule("/", ALL), Rule("/secret", Right.NONE))
        there = ["/secret/file", "/secret/deep/x", "/pub/launder"]
        absent = ["/secret/none", "/secret/none/x", "/secret/file/x", "/pub/lost"]
        assert {refused(gate, path, Right.LIST) for path in there + absent} == {Kind.DENIED}

    def test_covers_looks_below(self, gate_for: MakeGate) -> None:
        gate = gate_for(Rule("/", ALL), Rule("/a/b/locked", READ))
        assert gate.covers("/a/b/locked", Right.GET)
        assert not gate.covers("/a", Right.RENAME)
        assert not gate.covers("/", Right.RENAME)
        assert gate.covers("/a/b/lock", Right.RENAME)
        assert not gate.covers("/a/b/locked/x", Right.RENAME)


class TestDescriptors:
    def test_none_is_left_open(self, gate_for: MakeGate, tmp_path: Path) -> None:
        plant(tmp_path)
        gate = gate_for(Rule("/", ALL), Rule("/secret", Right.NONE))
        before = descriptors()
        for path in ("/", "/pub/file", "/pub/top/pub/self/new", "/up", "/loop", "/pub/launder", "/dangling", "/x/y"):
            for follow in (True, False):
                try:
                    gate.grant(path, Right.GET, follow=follow).close()
                except StorageError:
                    continue
        assert descriptors() <= before

    def test_grants_outlive_the_gate(self, gate_for: MakeGate) -> None:
        gate = gate_for()
        place = gate.grant("/")
        gate.close()
        gate.close()
        assert os.stat(place.name, dir_fd=place.parent)
        assert refused(gate, "/") == Kind.FAULT
        place.close()


class TestNowait:
    def test_a_cached_path_is_granted_and_a_link_is_left_to_a_worker(
        self, gate_for: MakeGate, resolver: Resolver, tmp_path: Path
    ) -> None:
        plant(tmp_path)
        gate = gate_for()
        leads(gate, "/pub/file")
        with pytest.raises(WouldBlock):
            gate.grant("/to-file", nowait=True)
        try:
            place: Granted | None = gate.grant("/pub/file", nowait=True)
        except WouldBlock:
            place = None
        if isinstance(resolver, Walk):
            assert place is None
        elif place is not None:
            assert place.path == "/pub/file"
            place.close()


def test_real_is_where_a_name_is_or_would_be(tmp_path: Path) -> None:
    """From the served root, so users with different roots agree on it; also where the way is still to be made."""
    (tmp_path / "home" / "ann" / "d").mkdir(parents=True)
    (tmp_path / "home" / "ann" / "link").symlink_to("d")
    (tmp_path / "home" / "ann" / "out").symlink_to("../..")
    (tmp_path / "ann").symlink_to("home/ann")
    fd = os.open(tmp_path, os.O_PATH)
    with Gate(fd, User(name="ann", root="ann")) as gate, Gate(fd, User(name="all")) as whole:
        assert gate.foresee("/").real == gate.grant("/").real == b"home/ann"
        assert gate.foresee("/link/a").real == gate.grant("/link/a").real == b"home/ann/d/a"
        assert gate.foresee("/link/x/y/z").real == whole.foresee("/ann/d/x/y/z").real == b"home/ann/d/x/y/z"
        assert whole.foresee("/").real == whole.grant("/").real == b""
        assert whole.foresee("/new").real == whole.grant("/new").real == b"new"
        with pytest.raises(StorageError) as caught:
            gate.foresee("/out/a")
        assert caught.value.kind is Kind.OUTSIDE
        with pytest.raises(StorageError) as caught:
            gate.foresee("/.ftlite/a")
        assert caught.value.kind is Kind.BAD_NAME
        gate.close()
        with pytest.raises(StorageError) as caught:
            gate.foresee("/a")
        assert caught.value.kind is Kind.FAULT
    os.close(fd)


def test_what_may_be_done_where_a_name_would_be(tmp_path: Path) -> None:
    """The rules at the path and at where links lead both count, so that no link launders a right."""
    (tmp_path / "d").mkdir()
    (tmp_path / "link").symlink_to("d/new")
    rules = (Rule("/", parse_rights("put")), Rule("/d", parse_rights("list")), Rule("/link", parse_rights("all")))
    fd = os.open(tmp_path, os.O_PATH)
    with Gate(fd, User(name="ann", rules=rules)) as gate:
        assert gate.foresee("/no/where").rights == parse_rights("put")
        assert gate.foresee("/d/no/where").rights == parse_rights("list")
        assert gate.foresee("/link/a").rights == parse_rights("list")
        assert gate.foresee("/link/a").real == b"d/new/a"
        assert gate.foresee("/d").rights == parse_rights("list")
    os.close(fd)
