from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ftlite.config.models import Durability, StorageConfig, TreeReplace
from ftlite.config.rights import ALL, Right
from ftlite.storage import treepublish, trees
from ftlite.storage.digests import Stopped
from ftlite.storage.errors import Kind, StorageError
from ftlite.storage.news import Change
from ftlite.storage.treepublish import Replace
from tests.descriptors import no_descriptor_leaks
from tests.storage.groves import Link, Tree, begin, grove, plant, publish, shown, stagings, unpack
from tests.storage.places import House, refused
from tests.storage.test_publish import GIVEN, set_acl

OLD: Tree = {"a": b"old", "d": None, "d/b": b"old too", "d/gone": b"x"}
NEW: Tree = {"a": b"new", "d": None, "d/b": b"new too", "d/e": None, "d/e/c": b"", "l": Link("d/b")}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = grove(tmp_path)
    yield house
    house.close()


def cannot(*_arguments: object) -> None:
    raise OSError(95, "Operation not supported")


# a new name


def test_a_tree_gets_its_name_and_is_known_as_one(house: House) -> None:
    plant(house, "/first", OLD)  # opens what stays open
    with no_descriptor_leaks():
        done = plant(house, "/t", NEW)
    assert shown(house.root / "t") == NEW
    assert (done.merged, done.version) == (False, house.store.version(house.at("/t")))
    assert house.store.is_tree(house.at("/t"))
    assert not house.store.is_tree(house.at("/t/d"))
    assert not house.store.is_tree(house.at("/t/a"))
    assert not house.store.is_tree(house.at("/nothing"))
    house.store.mkdir(house.at("/made"))
    assert not house.store.is_tree(house.at("/made"))
    assert stagings(house) == []


def test_nobody_sees_it_before(house: House) -> None:
    staging = begin(house, "/t")
    manifest = unpack(staging, NEW)
    assert house.store.scan(house.at("/"), 10) == []
    publish(house, staging, manifest)
    assert [entry.name for entry in house.store.scan(house.at("/"), 10)] == ["t"]


def test_it_is_as_mkdir_would_make_it(tmp_path: Path) -> None:
    house = grove(tmp_path, umask=0o027)
    (tmp_path / "up").mkdir()
    os.chown(tmp_path / "up", -1, 0)
    (tmp_path / "up").chmod(0o2775)
    plant(house, "/up/t", NEW)
    plant(house, "/t", NEW)
    house.store.mkdir(house.at("/up/m"))
    house.store.mkdir(house.at("/m"))
    for tree, directory in (("up/t", "up/m"), ("t", "m")):
        ours, made = (tmp_path / tree).stat(), (tmp_path / directory).stat()
        assert (ours.st_mode, ours.st_gid) == (made.st_mode, made.st_gid)
        assert abs(ours.st_mtime - made.st_mtime) < 600
    assert stat.S_IMODE((tmp_path / "t").stat().st_mode) == 0o750
    house.close()


def test_it_inherits_the_group_of_a_setgid_parent(house: House) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a directory to a group that it is not in")
    (house.root / "up").mkdir()
    os.chown(house.root / "up", -1, 4321)
    (house.root / "up").chmod(0o2775)
    plant(house, "/up/t", NEW)
    for path in ("t", "t/a", "t/d", "t/d/b", "t/d/e/c"):
        facts = (house.root / "up" / path).stat()
        assert facts.st_gid == 4321, path
        assert bool(facts.st_mode & stat.S_ISGID) is stat.S_ISDIR(facts.st_mode), path


def test_it_inherits_the_default_acl(house: House) -> None:
    (house.root / "up").mkdir()
    set_acl(house.root / "up", "default", GIVEN)
    plant(house, "/up/t", NEW)
    (house.root / "up" / "kernel").mkdir(0o777)
    for name in ("access", "default"):
        kernel = os.getxattr(house.root / "up" / "kernel", f"system.posix_acl_{name}")
        assert os.getxattr(house.root / "up" / "t", f"system.posix_acl_{name}") == kernel
    assert os.getxattr(house.root / "up" / "t" / "d" / "e", "system.posix_acl_default") == GIVEN
    assert os.getxattr(house.root / "up" / "t" / "a", "system.posix_acl_access")


def test_the_acl_of_a_replaced_tree_stays_and_none_is_left_over(house: House) -> None:
    plant(house, "/t", OLD)
    set_acl(house.root / "t", "access", GIVEN)
    plant(house, "/t", NEW, replace=Replace.REPLACE)
    assert os.getxattr(house.root / "t", "system.posix_acl_access") == GIVEN
    os.removexattr(house.root / "t", "system.posix_acl_access")
    set_acl(house.root, "default", GIVEN)  # what replaces takes after the replaced one
    plant(house, "/t", NEW, replace=Replace.REPLACE)
    with pytest.raises(OSError):
        os.getxattr(house.root / "t", "system.posix_acl_access")


def test_listeners_hear_of_it(house: House) -> None:
    heard: list[tuple[bytes, Change]] = []
    house.store.listen(lambda real, change: heard.append((real, change)))
    plant(house, "/t", OLD)
    plant(house, "/t", NEW, replace=Replace.REPLACE)
    plant(house, "/t", NEW, replace=Replace.MERGE)
    assert heard == [(b"t", Change.PUBLISH)] * 3


# what stands there


def test_what_exists_is_refused_early(house: House) -> None:
    plant(house, "/t", OLD)
    house.put("/file", b"x")
    with refused(Kind.EXISTS):
        begin(house, "/t")
    with refused(Kind.EXISTS):
        begin(house, "/file")
    for replace in (Replace.REPLACE, Replace.MERGE):
        with refused(Kind.NOT_DIRECTORY):
            begin(house, "/file", replace=replace)
        with refused(Kind.DENIED):
            begin(house, "/", replace=replace)
    with refused(Kind.NOT_FOUND):
        begin(house, "/none/t")
    assert stagings(house) == []


def test_what_appears_meanwhile_is_refused_and_the_tree_can_go_on(house: House) -> None:
    staging = begin(house, "/t")
    manifest = unpack(staging, NEW)
    house.put("/t", b"a file")
    with refused(Kind.EXISTS):
        publish(house, staging, manifest)
    house.store.release_tree(staging, keep=True)
    assert (house.root / "t").read_bytes() == b"a file"
    house.store.unlink(house.at("/t"))
    staging = begin(house, "/t")
    assert staging.position.entries == len(NEW)
    publish(house, staging, unpack(staging, NEW))
    assert shown(house.root / "t") == NEW


@pytest.mark.parametrize(
    ("allow", "replace", "kind"),
    [
        (ALL & ~Right.PUT, Replace.REFUSE, Kind.DENIED),
        (ALL & ~Right.OVERWRITE, Replace.REPLACE, Kind.DENIED),
    ],
)
def test_rights_are_judged_again(house: House, allow: Right, replace: Replace, kind: Kind) -> None:
    if replace is not Replace.REFUSE:
        plant(house, "/t", OLD)
    staging = begin(house, "/t", replace=replace)
    manifest = unpack(staging, NEW)
    before = shown(house.root)
    with refused(kind):
        house.store.publish_tree(staging, lambda: house.at("/t", allow=allow), manifest, replace=replace)
    assert shown(house.root) == before
    publish(house, staging, manifest, replace=replace)
    assert shown(house.root / "t") == NEW


def test_a_mount_point_is_never_replaced(house: House, mount: Callable[..., None]) -> None:
    mount(house.root / "m", "-t", "tmpfs", "tmpfs")
    with refused(Kind.BUSY):
        begin(house, "/m", replace=Replace.REPLACE)


def test_a_directory_with_a_mount_in_it_is_not_replaced(house: House, mount: Callable[..., None]) -> None:
    (house.root / "t" / "d").mkdir(parents=True)
    mount(house.root / "t" / "d" / "m", "-t", "tmpfs", "tmpfs")
    with refused(Kind.BUSY):
        begin(house, "/t", replace=Replace.REPLACE)
    assert stagings(house) == []


# replacing


def test_a_tree_takes_the_place_of_another(house: House) -> None:
    plant(house, "/t", OLD)
    before = house.store.version(house.at("/t"))
    with no_descriptor_leaks():
        done = plant(house, "/t", NEW, replace=Replace.REPLACE)
        assert shown(house.root / "t") == NEW
        assert done.version == house.store.version(house.at("/t")) != before
        assert len(stagings(house)) == 1
        assert house.store.bury() == 1
    assert stagings(house) == []
    assert house.store.is_tree(house.at("/t"))
    assert len(list((house.root / ".ftlite" / "published").iterdir())) == 1


def test_the_new_one_takes_the_mode_and_group_of_the_old(house: House) -> None:
    plant(house, "/t", OLD)
    (house.root / "t").chmod(0o2770)
    if os.geteuid() == 0:
        os.chown(house.root / "t", -1, 4321)
        (house.root / "t").chmod(0o2770)
    before = (house.root / "t").stat()
    plant(house, "/t", NEW, replace=Replace.REPLACE)
    after = (house.root / "t").stat()
    assert (after.st_mode, after.st_gid) == (before.st_mode, before.st_gid)
    assert after.st_ino != before.st_ino


def test_a_reader_keeps_the_old_tree(house: House) -> None:
    plant(house, "/t", OLD)
    with house.store.open_tree(house.at("/t")) as whole:
        plant(house, "/t", NEW, replace=Replace.REPLACE)
        assert house.store.bury() == 0
        assert sorted(os.listdir(whole)) == ["a", "d"]
    assert house.store.bury() == 1
    assert stagings(house) == []


def test_a_reader_of_a_directory_within_keeps_it_too(house: House) -> None:
    plant(house, "/t", OLD)
    with house.store.open_tree(house.at("/t/d")) as inner:
        plant(house, "/t", NEW, replace=Replace.REPLACE)
        assert house.store.bury() == 0
        assert sorted(os.listdir(inner)) == ["b", "gone"]
        with house.store.open_tree(house.at("/t/d")) as now:
            assert sorted(os.listdir(now)) == ["b", "e"]
    assert house.store.bury() == 1


def test_nobody_begins_to_read_what_is_being_removed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(house, "/t", OLD)
    inside, root = house.at("/t/d"), house.at("/t/a")
    plant(house, "/t", NEW, replace=Replace.REPLACE)
    monkeypatch.setattr("ftlite.storage.staging.remove", lambda *_a, **_k: False)
    assert house.store.bury() == 0
    with refused(Kind.BUSY):
        house.store.open_tree(inside).__enter__()
    monkeypatch.undo()
    assert house.store.bury() == 1
    with refused(Kind.NOT_FOUND):
        house.store.open_tree(inside).__enter__()
    root.close()


def test_many_replaced_trees_do_not_pile_up(house: House) -> None:
    plant(house, "/t", OLD)
    for _ in range(40):
        plant(house, "/t", OLD, replace=Replace.REPLACE)
    assert len(stagings(house)) <= 17
    house.store.close()
    later = grove(house.root)
    later.store.sweep(0)
    assert stagings(later) == []
    later.close()


# files that no tree put there


def test_an_upload_into_a_tree_makes_replacing_fail(house: House) -> None:
    plant(house, "/t", OLD)
    house.put("/t/d/single", b"mine")
    with refused(Kind.FOREIGN) as caught:
        plant(house, "/t", NEW, replace=Replace.REPLACE)
    assert caught.value.path == "/t/d/single"
    house.store.unlink(house.at("/t/d/single"))
    plant(house, "/t", NEW, replace=Replace.REPLACE)


def test_an_upload_over_a_trees_file_makes_replacing_fail(house: House) -> None:
    plant(house, "/t", OLD)
    staging = begin(house, "/t", replace=Replace.REPLACE)
    manifest = unpack(staging, NEW)
    house.put("/t/a", b"mine")
    with refused(Kind.FOREIGN) as caught:
        publish(house, staging, manifest, replace=Replace.REPLACE)
    assert caught.value.path == "/t/a"
    assert shown(house.root / "t") == {**OLD, "a": b"mine"}
    house.store.release_tree(staging, keep=False)


def test_what_is_removed_dated_or_moded_is_not_foreign(house: House) -> None:
    plant(house, "/t", OLD)
    house.store.unlink(house.at("/t/d/gone"))
    house.store.set_times(house.at("/t/a"), 5)
    house.store.set_mode(house.at("/t/a"), 0o600)
    house.store.mkdir(house.at("/t/empty"))
    plant(house, "/t", NEW, replace=Replace.REPLACE)
    assert shown(house.root / "t") == NEW


def test_a_trees_file_by_another_name_is_foreign(house: House) -> None:
    plant(house, "/t", OLD)
    house.store.rename(house.at("/t/a"), house.at("/t/kept"), replace=False)
    with refused(Kind.FOREIGN):
        begin(house, "/t", replace=Replace.REPLACE)


def test_a_tree_that_was_renamed_is_still_one(house: House) -> None:
    plant(house, "/t", OLD)
    house.store.rename(house.at("/t"), house.at("/u"), replace=False)
    assert house.store.is_tree(house.at("/u"))
    house.put("/u/single", b"mine")
    with refused(Kind.FOREIGN):
        begin(house, "/u", replace=Replace.REPLACE)


def test_a_directory_that_no_tree_made_is_replaced_whole(house: House) -> None:
    house.store.mkdir(house.at("/t"))
    house.put("/t/single", b"x")
    plant(house, "/t", NEW, replace=Replace.REPLACE)
    assert shown(house.root / "t") == NEW


@pytest.mark.parametrize("name", ["other", "single"])
def test_but_not_with_what_came_since_the_transfer_began(house: House, name: str) -> None:
    house.store.mkdir(house.at("/t"))
    house.put("/t/single", b"x")
    staging = begin(house, "/t", replace=Replace.REPLACE)
    manifest = unpack(staging, NEW)
    house.put(f"/t/{name}", b"just now")
    with refused(Kind.FOREIGN) as caught:
        publish(house, staging, manifest, replace=Replace.REPLACE)
    assert caught.value.path == f"/t/{name}"
    house.store.release_tree(staging, keep=True)
    staging = begin(house, "/t", replace=Replace.REPLACE)  # who tries again knows of it
    assert staging.position.entries == len(NEW)
    publish(house, staging, unpack(staging, NEW), replace=Replace.REPLACE)
    assert shown(house.root / "t") == NEW


def test_a_directory_made_and_filled_since_is_kept(house: House) -> None:
    staging = begin(house, "/t", replace=Replace.REPLACE)
    manifest = unpack(staging, NEW)
    house.store.mkdir(house.at("/t"))
    house.put("/t/single", b"x")
    with refused(Kind.FOREIGN):
        publish(house, staging, manifest, replace=Replace.REPLACE)
    house.store.release_tree(staging, keep=False)


def test_an_acknowledged_upload_never_vanishes(house: House) -> None:
    """Uploads and replacements of the tree around them race; what was acknowledged is there, whoever won."""
    for number in range(40):
        path = f"/t{number}"
        house.store.mkdir(house.at(path))
        if number % 2:
            house.store.rmdir(house.at(path))
            plant(house, path, OLD)
        staging = begin(house, path, replace=Replace.REPLACE)
        manifest = unpack(staging, NEW)
        part = house.begin(f"{path}/single", b"mine")
        start = threading.Barrier(2)

        def upload(part=part, start=start) -> None:  # type: ignore[no-untyped-def]
            start.wait()
            house.publish(part)

        thread = threading.Thread(target=upload)
        thread.start()
        start.wait()
        try:
            publish(house, staging, manifest, replace=Replace.REPLACE)
        except StorageError as error:
            assert error.kind is Kind.FOREIGN  # noqa: PT017
        house.store.release_tree(staging, keep=False)
        thread.join()
        assert (house.root / path[1:] / "single").read_bytes() == b"mine"


# merging


def test_merging_goes_into_what_stands_there(house: House) -> None:
    plant(house, "/t", OLD)
    before = house.store.version(house.at("/t"))
    inode = (house.root / "t").stat().st_ino
    with no_descriptor_leaks():
        done = plant(house, "/t", NEW, replace=Replace.MERGE)
    assert shown(house.root / "t") == {**OLD, **NEW}
    assert (house.root / "t").stat().st_ino == inode
    assert done.merged
    assert done.version == house.store.version(house.at("/t")) != before
    assert stagings(house) == []


def test_merging_into_nothing_is_a_plain_publish(house: House) -> None:
    assert not plant(house, "/t", NEW, replace=Replace.MERGE).merged
    assert shown(house.root / "t") == NEW


@pytest.mark.parametrize(
    "there", [{"z": b"file"}, {"d": b"a file"}, {"d/e": Link("nowhere")}, {"a": None}, {"l": None}]
)
def test_types_that_clash_are_refused_before_anything_moves(house: House, there: Tree) -> None:
    new = {**NEW, "z": None, "z/y": b""}
    plant(house, "/t", there)
    before = shown(house.root / "t")
    with refused(Kind.EXISTS) as caught:
        plant(house, "/t", new, replace=Replace.MERGE)
    assert caught.value.path.startswith("/t/")
    assert shown(house.root / "t") == before


def test_merging_does_not_write_through_links(house: House, tmp_path: Path) -> None:
    (house.root / "t").mkdir()
    (house.root / "aside").mkdir()
    (house.root / "t" / "d").symlink_to("../aside")
    with refused(Kind.EXISTS):
        plant(house, "/t", NEW, replace=Replace.MERGE)
    assert list((house.root / "aside").iterdir()) == []
    assert os.listdir(house.root / "t") == ["d"]


def test_merging_asks_for_each_file_it_would_replace(house: House) -> None:
    plant(house, "/t", OLD)
    asked: list[str] = []
    staging = begin(house, "/t", replace=Replace.MERGE)
    manifest = unpack(staging, NEW)

    def no(path: str) -> bool:
        asked.append(path)
        return path != "d/b"

    with refused(Kind.DENIED) as caught:
        publish(house, staging, manifest, replace=Replace.MERGE, may_replace=no)
    assert caught.value.path == "/t/d/b"
    assert set(asked) <= {"a", "d/b"}
    assert shown(house.root / "t") == OLD
    with refused(Kind.DENIED):
        house.store.publish_tree(
            staging, lambda: house.at("/t", allow=ALL & ~Right.OVERWRITE), manifest, replace=Replace.MERGE
        )
    assert shown(house.root / "t") == OLD
    publish(house, staging, manifest, replace=Replace.MERGE, may_replace=lambda _: True)
    assert shown(house.root / "t") == {**OLD, **NEW}


def test_a_device_is_not_merged_over(house: House) -> None:
    (house.root / "t").mkdir()
    os.mkfifo(house.root / "t" / "a")
    with refused(Kind.NOT_PLAIN):
        plant(house, "/t", NEW, replace=Replace.MERGE)


def test_what_was_merged_is_the_trees(house: House) -> None:
    house.store.mkdir(house.at("/t"))
    house.put("/t/mine", b"x")
    plant(house, "/t", OLD, replace=Replace.MERGE)
    assert house.store.is_tree(house.at("/t"))
    plant(house, "/t", NEW, replace=Replace.MERGE)
    house.put("/t/single", b"later")
    with refused(Kind.FOREIGN) as caught:
        begin(house, "/t", replace=Replace.REPLACE)
    assert caught.value.path == "/t/single"
    house.store.unlink(house.at("/t/single"))
    plant(house, "/t", NEW, replace=Replace.REPLACE)
    assert shown(house.root / "t") == NEW


def test_a_merge_that_breaks_is_over(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was moved stays, and nobody can go on with the rest of the staging as if it were whole."""
    plant(house, "/t", OLD)
    staging = begin(house, "/t", replace=Replace.MERGE)
    manifest = unpack(staging, NEW)
    rename = os.rename

    def breaks(old: bytes, new: bytes, **where: int) -> None:
        if old == b"b":
            raise OSError(5, "Input/output error")
        rename(old, new, **where)

    monkeypatch.setattr("ftlite.storage.merging.os.rename", breaks)
    with refused(Kind.FAULT):
        publish(house, staging, manifest, replace=Replace.MERGE)
    monkeypatch.undo()
    house.store.release_tree(staging, keep=True)
    assert stagings(house) == []
    plant(house, "/t", NEW, replace=Replace.MERGE)
    assert shown(house.root / "t") == {**OLD, **NEW}


# file systems that cannot


def test_without_exchange_replacing_is_refused_early(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(house, "/t", OLD)
    monkeypatch.setattr(treepublish, "rename_exchange", cannot)
    with refused(Kind.UNSUPPORTED):
        begin(house, "/t", replace=Replace.REPLACE)
    assert stagings(house) == []
    staging = begin(house, "/new", replace=Replace.REPLACE)
    manifest = unpack(staging, NEW)
    plant(house, "/new", OLD, owner="bob")
    with refused(Kind.UNSUPPORTED):
        publish(house, staging, manifest, replace=Replace.REPLACE)
    assert shown(house.root / "new") == OLD
    house.store.release_tree(staging, keep=False)


def test_a_kill_while_that_was_tried_does_no_harm(house: House) -> None:
    plant(house, "/t", OLD)
    staging = begin(house, "/t", replace=Replace.REPLACE)
    os.mkdir("one", dir_fd=staging.held.top)
    manifest = unpack(staging, NEW)
    staging.close()
    house.store._trees._exchanges.clear()
    staging = begin(house, "/t", replace=Replace.REPLACE)
    assert staging.position.entries == manifest.entries
    publish(house, staging, unpack(staging, NEW), replace=Replace.REPLACE)


def test_two_steps_where_they_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = grove(tmp_path, tree_replace=TreeReplace.TWO_STEP)
    plant(house, "/t", OLD)
    monkeypatch.setattr(treepublish, "rename_exchange", cannot)
    plant(house, "/t", NEW, replace=Replace.REPLACE)
    assert shown(tmp_path / "t") == NEW
    assert house.store.bury() == 1
    assert stagings(house) == []
    house.close()


def test_a_second_step_that_fails_brings_the_old_tree_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = grove(tmp_path, tree_replace=TreeReplace.TWO_STEP)
    plant(house, "/t", OLD)
    monkeypatch.setattr(treepublish, "rename_exchange", cannot)
    rename_new = treepublish.rename_new

    def breaks(source: int, old: bytes, target: int, new: bytes) -> None:
        if old == b"tree":
            raise OSError(5, "Input/output error")
        rename_new(source, old, target, new)

    with monkeypatch.context() as patch:
        patch.setattr(treepublish, "rename_new", breaks)
        staging = begin(house, "/t", replace=Replace.REPLACE)
        with refused(Kind.FAULT):
            publish(house, staging, unpack(staging, NEW), replace=Replace.REPLACE)
    assert shown(tmp_path / "t") == OLD
    house.store.release_tree(staging, keep=True)
    staging = begin(house, "/t", replace=Replace.REPLACE)
    assert staging.position.entries == len(NEW)
    publish(house, staging, unpack(staging, NEW), replace=Replace.REPLACE)
    assert shown(tmp_path / "t") == NEW
    house.close()


def test_a_directory_of_a_lower_layer_is_not_replaced(tmp_path: Path, mount: Callable[..., None]) -> None:
    for name in ("lower/t", "upper", "work"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "lower" / "t" / "a").write_bytes(b"image")
    layers = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work,redirect_dir=off"
    mount(tmp_path / "merged", "-t", "overlay", "overlay", "-o", layers)
    house = grove(tmp_path / "merged")
    with refused(Kind.UNSUPPORTED):
        plant(house, "/t", NEW, replace=Replace.REPLACE)
    assert shown(house.root / "t") == {"a": b"image"}
    plant(house, "/u", OLD)
    plant(house, "/u", NEW, replace=Replace.REPLACE)
    assert shown(house.root / "u") == NEW
    house.store.bury()
    assert stagings(house) == []
    house.close()


# what a tree comes to


def test_its_digest_is_that_of_the_manifest(house: House) -> None:
    staging = begin(house, "/t")
    manifest = unpack(staging, NEW)
    entries, size, digest = manifest.entries, manifest.size, manifest.digest()
    publish(house, staging, manifest)
    facts = house.store.tree_digest(house.at("/t"), "sha256")
    assert (facts.entries, facts.size, facts.digest) == (entries, size, digest)
    assert house.store.tree_size(house.at("/t")) == (entries, size)
    wanted = house.store.tree_digest(house.at("/t"), "sha256", wanted=lambda path, _: path != "l")
    assert wanted.entries == entries - 1
    with refused(Kind.UNSUPPORTED):
        house.store.tree_digest(house.at("/t"), "md5")
    with refused(Kind.NOT_DIRECTORY):
        house.store.tree_digest(house.at("/t/a"), "sha256")
    with pytest.raises(Stopped):
        house.store.tree_digest(house.at("/t"), "sha256", lambda: True)


def test_digests_that_are_kept_are_not_made_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(house, "/t", NEW)
    first = house.store.tree_digest(house.at("/t"), "sha256")
    ctimes = [path.lstat().st_ctime_ns for path in (house.root / "t").rglob("*")]
    monkeypatch.setattr(house.store._digests, "_clock", lambda: max(ctimes) + 10**10)
    assert house.store.tree_digest(house.at("/t"), "sha256") == first

    def read(*_arguments: object) -> bool:
        raise AssertionError("a file was read")

    monkeypatch.setattr("ftlite.storage.digests._feed", read)
    assert house.store.tree_digest(house.at("/t"), "sha256") == first


def test_it_is_durable_in_the_right_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(tmp_path, StorageConfig(native_durability=Durability.FSYNC))
    done: list[str] = []
    monkeypatch.setattr(trees, "sync_filesystem", lambda _: done.append("tree"))
    monkeypatch.setattr(house.store._trees._group, "sync", lambda fd: done.append(os.readlink(f"/proc/self/fd/{fd}")))
    rename_new = treepublish.rename_new

    def noted(*arguments: object) -> None:
        done.append("rename")
        rename_new(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(treepublish, "rename_new", noted)
    plant(house, "/t", NEW)
    assert done == ["tree", "rename", str(tmp_path)]
    house.close()
