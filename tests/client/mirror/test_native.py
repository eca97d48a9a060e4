"""Mirroring from and to our own server, by its trees, also where the login directory itself is mirrored."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftlite.client import Client, ClientError, Outcome
from ftlite.client.mirror import Done, Links, LocalSide, Policy, RemoteSide, carry_out, compare
from tests.client.native.test_server import speaking


def plant(root: Path, *directories: str) -> Path:
    root.mkdir(exist_ok=True)
    for name in directories:
        (root / name).mkdir()
        for number in range(20):
            (root / name / str(number)).write_text(name * number)
    (root / "alone").write_text("x")
    return root


def read(root: Path) -> dict[str, str]:
    """All files, without what the server keeps for itself."""
    found = (path for path in root.rglob("*") if path.is_file() and ".ftlite" not in path.parts)
    return {str(path.relative_to(root)): path.read_text() for path in found}


async def mirrored(source: LocalSide | RemoteSide, target: LocalSide | RemoteSide) -> int:
    """How many things were done; none may fail."""
    report = await carry_out(await compare(source, target, Policy()))
    assert report.failed == 0
    return sum(report.done.values())


async def test_the_login_directory_goes_by_the_trees_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trees: list[str] = []
    for name in ("get_tree", "put_tree"):
        real = getattr(Client, name)

        async def spy(self: Client, one: object, two: object, *, _real: object = real, **more: object) -> object:
            trees.append(f"{one} {two}")
            return await _real(self, one, two, **more)  # type: ignore[operator]

        monkeypatch.setattr(Client, name, spy)
    source, back = plant(tmp_path / "source", "d", "e"), tmp_path / "back"
    async with speaking(tmp_path / "root", "ftp") as client:
        there = RemoteSide(client, "", 2)
        assert await mirrored(LocalSide(source), there) == 43
        assert read(tmp_path / "root") == read(source)
        assert await mirrored(there, LocalSide(back)) == 43
        assert read(back) == read(source)
        assert await mirrored(there, LocalSide(back)) == await mirrored(LocalSide(back), there) == 0
    assert trees == [f"{source}/d d", f"{source}/e e", f"d {back}/d", f"e {back}/e"]


async def test_where_a_tree_is_refused_its_files_go_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: object, **__: object) -> object:
        raise ClientError(Outcome.DENIED, "no trees today")

    monkeypatch.setattr(Client, "get_tree", refused)
    monkeypatch.setattr(Client, "put_tree", refused)
    source, told = plant(tmp_path / "source", "d"), []
    async with speaking(tmp_path / "root", "ftp") as client:
        there = RemoteSide(client, "t", 2)
        report = await carry_out(await compare(LocalSide(source), there, Policy()), parallel=4, notice=told.append)
        assert report.failed == 0
        assert read(tmp_path / "root" / "t") == read(source)
        assert await mirrored(there, LocalSide(tmp_path / "back")) == 22
    assert read(tmp_path / "back") == read(source)
    assert told == ["t: its files go one by one: no trees today"]


async def test_a_link_that_a_tree_leaves_out_is_a_failure(tmp_path: Path) -> None:
    source, back, policy = plant(tmp_path / "source", "d"), tmp_path / "back", Policy(links=Links.KEEP, delete=True)
    root = tmp_path / "root"
    for name, target in {"in": "alone", "out": "../../etc", "d/winding": "../in/../../x"}.items():
        (source / name).symlink_to(target)
    async with speaking(root, "ftp") as client:
        there, told = RemoteSide(client, "t", 2), list[Done]()
        report = await carry_out(await compare(LocalSide(source), there, policy), on_done=told.append)
        assert {done.action.path: str(done.error) for done in told if done.error is not None}.keys() == {
            "out", "d/winding",
        }  # fmt: skip
        assert (report.failed, (root / "t" / "in").readlink()) == (2, Path("alone"))
        (root / "t" / "out").symlink_to("../../etc")
        report = await carry_out(await compare(there, LocalSide(back), policy))
    assert report.failed == 1
    assert (back / "in").readlink() == Path("alone")
