"""The staging directory of a download: published, kept, given back after a kill between the two steps of a swap."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from ftlite.client import ClientError, Outcome
from ftlite.client.native import treemerge, treeparts
from ftlite.client.native.treeparts import TreePart, find_place
from ftlite.trees import Unpacker
from tests.descriptors import no_descriptor_leaks
from tests.trees.support import contents, pack


def make(root: Path, **files: str) -> Path:
    """`files`: a name, with "__" for "/", and its content."""
    root.mkdir(parents=True)
    for name, content in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def grown(target: Path, source: Path, asked: str = "question") -> TreePart:
    """A part of `target` in which `source` has arrived."""
    part = opened(target, asked)
    unpacker = Unpacker(part.root_fd, umask=part.umask, journal=part.journal)
    unpacker.write(pack(source)[0])
    unpacker.finish()
    unpacker.close()
    return part


def opened(target: Path, asked: str = "question") -> TreePart:
    part = TreePart.open(find_place(target), asked, "sha256")
    assert part is not None
    return part


def killed(part: TreePart) -> None:
    """What a kill leaves: descriptors are gone, and all else stays."""
    os.close(part._fd)
    os.close(part.root_fd)
    part._fd = -1


def read(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def left(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return make(tmp_path / "source" / "new", a="new", dir__b="new")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "here").mkdir()
    return tmp_path / "here" / "target"


@pytest.fixture
def two_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(treeparts, "rename_exchange", cannot)


def test_a_tree_gets_its_name_and_nothing_is_left(new: Path, target: Path) -> None:
    with no_descriptor_leaks():
        part = grown(target, new)
        assert not target.exists()
        part.publish(replace=False, merge=False)
        part.close(keep=True)
    assert contents(target) == contents(new)
    assert left(target.parent) == ["target"]


def test_what_stands_is_not_replaced_without_a_word(new: Path, target: Path) -> None:
    make(target, old="old")
    part = grown(target, new)
    with pytest.raises(ClientError, match="--replace") as caught:
        part.publish(replace=False, merge=False)
    assert caught.value.outcome is Outcome.EXISTS
    part.close(keep=True)
    assert read(target) == {"old": "old"}
    assert opened(target).journal.position.entries == 3


@pytest.mark.parametrize("steps", [1, 2])
def test_a_tree_takes_the_place_of_another(
    new: Path, target: Path, steps: int, request: pytest.FixtureRequest
) -> None:
    if steps == 2:
        request.getfixturevalue("two_steps")
    make(target, old="old", dir__c="old")
    (target / "dir").chmod(0o555)
    with no_descriptor_leaks():
        grown(target, new).publish(replace=True, merge=False)
    assert read(target) == {"a": "new", "dir/b": "new"}
    assert left(target.parent) == ["target"]


@pytest.mark.parametrize("steps", [1, 2])
def test_a_file_gives_way_to_no_tree(new: Path, target: Path, steps: int, request: pytest.FixtureRequest) -> None:
    if steps == 2:
        request.getfixturevalue("two_steps")
    target.write_text("file")
    for replace, merge in ((True, False), (False, True), (False, False)):
        part = grown(target, new)
        with pytest.raises(ClientError) as caught:
            part.publish(replace=replace, merge=merge)
        assert caught.value.outcome is Outcome.EXISTS
        part.close(keep=False)
    assert target.read_text() == "file"


class Killed(BaseException):
    """The process ends here."""


def dies_at(monkeypatch: pytest.MonkeyPatch, source: str, name: str) -> None:
    """End the process instead of moving something called `source` to `name`."""
    rename = Path.rename

    def dying(self: Path, other: Path) -> Path:
        if (self.name, Path(other).name) == (source, name):
            raise Killed
        return rename(self, other)

    monkeypatch.setattr(Path, "rename", dying)


@pytest.mark.parametrize("asked", ["question", "another"])
@pytest.mark.usefixtures("two_steps")
def test_a_tree_is_given_back_that_was_moved_aside(
    new: Path, target: Path, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    make(target, old="old")
    part = grown(target, new)
    with monkeypatch.context() as patch:
        dies_at(patch, "tree", "target")
        with pytest.raises(Killed):
            part.publish(replace=True, merge=False)
    killed(part)
    assert not target.exists()
    with no_descriptor_leaks():
        assert find_place(target) == target
    assert read(target) == {"old": "old"}
    assert left(target.parent) == ["target"]
    grown(target, new, asked).publish(replace=True, merge=False)
    assert read(target) == read(new)


@pytest.mark.usefixtures("two_steps")
def test_a_second_step_that_fails_takes_the_first_one_back(
    new: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(target, old="old")
    part = grown(target, new)
    rename = Path.rename

    def failing(self: Path, other: Path) -> Path:
        if self.name == "tree":
            raise OSError(errno.ENOSPC, "no space left")
        return rename(self, other)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(ClientError) as caught:
        part.publish(replace=True, merge=False)
    assert caught.value.outcome is Outcome.NO_ROOM
    assert read(target) == {"old": "old"}
    part.close(keep=False)
    assert left(target.parent) == ["target"]


@pytest.mark.usefixtures("two_steps")
def test_what_somebody_else_put_into_the_gap_stays_and_so_does_the_old_tree(
    new: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(target, old="old")
    part = grown(target, new)
    with monkeypatch.context() as patch:
        dies_at(patch, "tree", "target")
        with pytest.raises(Killed):
            part.publish(replace=True, merge=False)
    killed(part)
    make(target, theirs="theirs")
    with pytest.raises(ClientError, match="replaced") as caught, no_descriptor_leaks():
        opened(target)
    assert caught.value.outcome is Outcome.EXISTS
    assert read(target) == {"theirs": "theirs"}
    assert read(part.place / "replaced") == {"old": "old"}


@pytest.mark.parametrize("steps", [1, 2])
def test_an_old_tree_that_was_not_removed_yet_is_not_taken_for_the_new_one(
    new: Path, target: Path, steps: int, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if steps == 2:
        request.getfixturevalue("two_steps")
    make(target, a="old", dir__b="old")  # the same names and sizes
    part = grown(target, new)
    with monkeypatch.context() as patch:
        patch.setattr(TreePart, "close", lambda *_, **__: None)
        part.publish(replace=True, merge=False)
    killed(part)
    assert read(target) == read(new)
    again = TreePart.open(target, "question", "sha256") if steps == 1 else opened(target)  # with and without tidying up
    assert again is not None
    assert again.journal.position.entries == 0
    assert read(again.place / "tree") == {}
    again.close(keep=False)
    assert find_place(target) == target
    assert left(target.parent) == ["target"]


def test_what_has_served_is_removed_by_whoever_comes_next(new: Path, target: Path) -> None:
    make(target, old="old")
    part = grown(target, new)
    part._swap(part.place / "tree")
    killed(part)
    other = grown(target.with_name("target.more"), new)  # a name that begins alike
    killed(other)
    assert find_place(target) == target
    assert left(target.parent) == ["target", other.place.name] or left(target.parent) == [other.place.name, "target"]


def test_a_part_goes_on_after_a_kill_and_another_question_begins_anew(new: Path, target: Path) -> None:
    killed(grown(target, new))
    other = opened(target, "another")
    assert other.journal.position.entries == 0
    other.close(keep=True)
    part = opened(target)
    assert part.journal.position.entries == 3
    part.begin_anew()
    assert (part.journal.position.entries, os.listdir(part.root_fd)) == (0, [])
    part.close(keep=True)
    assert left(target.parent) == [], "nothing stood in it"


def test_two_downloads_of_one_tree_do_not_meet(new: Path, target: Path) -> None:
    part = grown(target, new)
    with pytest.raises(ClientError, match="another download") as caught, no_descriptor_leaks():
        opened(target)
    assert caught.value.outcome is Outcome.EXISTS
    part.publish(replace=False, merge=False)
    assert read(target) == read(new)


def test_a_place_that_goes_away_while_it_is_opened_is_made_again(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock, first = fcntl.flock, opened(target)

    def late(fd: int, how: int) -> None:
        if first._fd >= 0:
            first.close(keep=False)
        flock(fd, how)

    monkeypatch.setattr(fcntl, "flock", late)
    part = opened(target)
    assert (part.place / "journal").exists()
    part.close(keep=False)


def test_directories_made_for_nothing_go_away_again(tmp_path: Path, new: Path) -> None:
    target = tmp_path / "x/y/z"
    opened(target).close(keep=True)
    assert left(tmp_path) == ["source"]
    grown(target, new).publish(replace=False, merge=False)
    assert read(target) == read(new)


def test_the_place_of_somebody_else_is_not_used(target: Path) -> None:
    place = opened(target)
    place.close(keep=False)
    place.place.mkdir()
    place.place.chmod(0o777)
    with pytest.raises(ClientError, match="in the way") as caught, no_descriptor_leaks():
        opened(target)
    assert caught.value.outcome is Outcome.EXISTS


def test_names_of_all_lengths_have_places_of_their_own(tmp_path: Path) -> None:
    places = set()
    for name in ("n" * 255, "n" * 254 + "m", "ü" * 127, "n" * 200, "a.b", "a"):
        part = opened(tmp_path / name)
        assert len(os.fsencode(part.place.name)) <= 255
        places.add(part.place)
        part.close(keep=True)
    assert len(places) == 6


def test_where_a_name_leads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path / "real")
    assert find_place(tmp_path / "link") == tmp_path / "real"
    assert find_place(Path()) == tmp_path / "real"
    assert find_place(Path("..")) == tmp_path
    with pytest.raises(ClientError) as caught:
        find_place(Path("/"))
    assert caught.value.outcome is Outcome.USAGE


def test_the_umask_shows(target: Path) -> None:
    before = os.umask(0o027)
    try:
        part = opened(target)
    finally:
        os.umask(before)
    assert part.umask == 0o027
    part.close(keep=False)


# ---- merging


def test_a_tree_is_merged_name_by_name(new: Path, target: Path) -> None:
    make(target, a="old", old="old", dir__c="old")
    make(new / "fresh", x="new", deep__y="new")
    (new / "fresh").chmod(0o555)
    os.utime(new / "fresh", ns=(0, 5_000_000_007))
    (new / "dir" / "link").symlink_to("b")
    with no_descriptor_leaks():
        named = grown(target, new).publish(replace=False, merge=True, name=True)
        assert named is not None
        assert list(named) == [(b"a", 3), (b"dir/b", 3), (b"fresh/deep/y", 3), (b"fresh/x", 3)]
        named.close()
    assert read(target) == {
        "a": "new", "dir/b": "new", "dir/c": "old", "dir/link": "new", "fresh/deep/y": "new", "fresh/x": "new",
        "old": "old",
    }  # fmt: skip
    fresh = (target / "fresh").stat()
    assert (fresh.st_mode & 0o777, fresh.st_mtime_ns) == (0o555, 5_000_000_007)
    assert left(target.parent) == ["target"]


@pytest.mark.parametrize("stands", ["file for directory", "directory for file", "link for directory"])
def test_what_does_not_go_together_is_found_before_anything_moves(new: Path, target: Path, stands: str) -> None:
    make(target, a="old")
    if stands == "directory for file":
        (target / "a").unlink()
        make(target / "a", x="old")
    elif stands == "file for directory":
        (target / "dir").write_text("old")
    else:
        make(target.parent / "elsewhere", b="old")
        (target / "dir").symlink_to("../elsewhere")
    before = contents(target.parent)
    part = grown(target, new)
    with pytest.raises(ClientError, match="nothing was merged") as caught, no_descriptor_leaks():
        part.publish(replace=False, merge=True, name=True)
    assert caught.value.outcome is Outcome.EXISTS
    part.close(keep=False)
    assert contents(target.parent) == before


def test_a_merge_that_breaks_goes_on_when_it_is_asked_again(
    new: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(target, a="old", dir__b="old")
    part = grown(target, new)
    with monkeypatch.context() as patch:
        patch.setattr(treemerge, "_move", lambda *_: (new / "a").replace(target / "a") and os.stat(target / "gone"))
        with pytest.raises(ClientError):
            part.publish(replace=False, merge=True)
    part.close(keep=True)
    (new / "a").write_text("new")
    grown_again = opened(target)
    assert grown_again.journal.position.entries == 3
    grown_again.publish(replace=False, merge=True)
    assert read(target) == read(new)
