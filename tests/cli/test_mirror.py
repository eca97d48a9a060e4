"""mirror against a real server: what is said, the exit codes, what is kept safe."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path

import pytest

from tests.cli.conftest import Ftlite, Served


@pytest.fixture(params=["native", "stock"])
def dialect(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("FTLITE_DIALECT", request.param)
    return str(request.param)


@pytest.fixture
def spot(at: Served) -> str:
    """A directory of the server that is there and empty."""
    name = uuid.uuid4().hex
    (at.root / name).mkdir()
    return name


def events(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def fill(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name}\n")
        os.utime(path, (10**9, 10**9))
    return root


def names(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_symlink() or not path.is_dir()}


def test_a_dry_run_says_what_a_run_does(at: Served, spot: str, dialect: str, ftlite: Ftlite) -> None:
    fill(Path("src"), "a", "d/b", "d/c")
    fill(at.root / spot, "a", "extra/x")
    (at.root / spot / "a").write_text("old")
    words = ("mirror", "--delete", "--json", "src", at.url(spot))
    planned, done = ftlite(*words, "-n"), ftlite(*words)
    assert (planned.code, done.code) == (0, 0)
    facts = ("path", "reason")
    plan = [tuple(event[fact] for fact in facts) for event in events(planned.out) if "reason" in event]
    assert sorted(plan) == [
        ("a", "size"), ("d", "new"), ("d/b", "new"), ("d/c", "new"), ("extra", "extra"), ("extra/x", "extra"),
    ]  # fmt: skip
    assert plan == [tuple(event[fact] for fact in facts) for event in events(done.out) if "reason" in event]
    first, *_, summary = events(done.out)
    assert first == {
        "event": "plan", "make": 1, "copy": 3, "link": 0, "touch": 0, "remove": 1, "remove_directory": 1,
        "bytes": 10, "unchanged": 0,
    }  # fmt: skip
    assert (summary["done"], summary["verified"]) == (6, "digest" if dialect == "native" else "size")
    assert names(at.root / spot) == {"a", "d/b", "d/c"}


def test_nothing_to_do_can_be_asked_about(at: Served, spot: str, ftlite: Ftlite) -> None:
    fill(Path("src"), "a")
    assert ftlite("mirror", "src", at.url(spot), "--exit-unchanged").code == 0
    said = ftlite("mirror", "src", at.url(spot), "--exit-unchanged", "--json")
    assert said.code == 12
    assert events(said.out)[-1]["ok"] is True
    assert ftlite("mirror", "src", at.url(spot)).code == 0
    assert ftlite("mirror", "src", at.url(spot), "--exit-unchanged", "-n").code == 12


def test_many_small_files_go_as_a_tree_and_come_as_one(
    at: Served, spot: str, ftlite: Ftlite, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ftlite.client import Client

    async def alone(*_: object, **__: object) -> None:
        pytest.fail("a file went by itself")

    monkeypatch.setattr(Client, "send", alone)
    monkeypatch.setattr(Client, "fetch", alone)
    files = [f"d{n % 3}/{n}" for n in range(40)]
    fill(Path("src"), *files)
    (Path("src") / "link").symlink_to("d0/3")
    assert ftlite("mirror", "src", at.url(f"{spot}/t")).code == 0
    assert names(at.root / spot / "t") == {*files, "link"}
    assert (at.root / spot / "t" / "link").is_symlink()
    fill(Path("src"), *(f"d1/more {n}" for n in range(20)))
    assert ftlite("mirror", "src", at.url(f"{spot}/t")).code == 0
    assert len(names(at.root / spot / "t")) == 61
    assert ftlite("mirror", at.url(f"{spot}/t"), "back").code == 0
    assert names(Path("back")) == names(Path("src"))
    assert os.readlink("back/link") == "d0/3"
    assert ftlite("mirror", at.url(f"{spot}/t"), "back", "--exit-unchanged").code == 12


def test_what_is_excluded_is_neither_copied_nor_removed(at: Served, spot: str, dialect: str, ftlite: Ftlite) -> None:
    fill(Path("src"), "a.py", "a.o", "d/b.py")
    fill(at.root / spot, "c.py", "c.o", "d/c.o", "e/f.o", "g/h.py")
    assert ftlite("mirror", "--delete", "--exclude", "*.o", "src", at.url(spot)).code == 0
    assert names(at.root / spot) == {"a.py", "d/b.py", "c.o", "d/c.o", "e/f.o"}
    again = ftlite("mirror", "--delete", "--exclude", "*", "--exclude", "!*.o", "--exit-unchanged", "src", at.url(spot))
    assert again.code == 0
    assert names(at.root / spot) == {"a.py", "d/b.py", "a.o", "d/c.o", "e/f.o"}, "directories are excluded too"


def test_only_what_is_named_is_mirrored(at: Served, spot: str, dialect: str, ftlite: Ftlite) -> None:
    fill(Path("src"), "a", "b", "d/x", "d/y", "deep/e/f", "deep/g")
    fill(at.root / spot, "old", "deep/e/gone", "deep/stays")
    Path("list").write_bytes(b"a\n./d/x\ndeep/e/\nmissing\n")
    words = ("mirror", "--files-from", "list", "src", at.url(spot))
    said = ftlite(*words)
    assert said.code == 8
    assert "missing: not found in src" in said.err
    assert names(at.root / spot) == {"a", "d/x", "deep/e/f", "old", "deep/e/gone", "deep/stays"}
    assert ftlite(*words, "--delete").code == 0
    assert names(at.root / spot) == {"a", "d/x", "deep/e/f", "old", "deep/stays"}
    Path("list0").write_bytes(b"b\0d\0")
    assert ftlite("mirror", "--files-from", "list0", "--from0", "src", at.url(spot)).code == 0
    assert names(at.root / spot) == {"a", "b", "d/x", "d/y", "deep/e/f", "old", "deep/stays"}
    Path("bad").write_text("../x\n")
    assert ftlite("mirror", "--files-from", "bad", "src", at.url(spot)).code == 2


def test_an_incomplete_source_removes_nothing(
    at: Served, spot: str, dialect: str, ftlite: Ftlite, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(Path("src"), "a", "d/b")
    fill(at.root / spot, "old", "d/old")
    real = os.scandir

    def denied(path: Path) -> object:
        if str(path).endswith("src/d"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", denied)
    said = ftlite("mirror", "--delete", "src", at.url(spot))
    assert said.code == 8
    assert "nothing is removed" in said.err
    assert names(at.root / spot) == {"a", "old", "d/old"}


def test_a_failure_spares_what_would_be_removed(at: Served, spot: str, dialect: str, ftlite: Ftlite) -> None:
    fill(Path("src"), "a", "b")
    fill(at.root / spot, "old", "b/c")
    said = ftlite("mirror", "src", at.url(spot), "--delete", "--exclude", "c")
    assert said.code == 8
    assert "b is a file in the source and a directory in the target" in said.err
    assert names(at.root / spot) == {"a", "old", "b/c"}
    assert "1 not removed, since something failed" in said.err


def test_an_empty_source_is_looked_at_twice(at: Served, spot: str, dialect: str, ftlite: Ftlite) -> None:
    Path("src").mkdir()
    fill(at.root / spot, "old", "d/old")
    assert ftlite("mirror", "none", at.url(spot), "--delete").code == 3
    assert ftlite("mirror", "src", at.url(spot)).code == 0
    assert names(at.root / spot) == {"old", "d/old"}
    assert ftlite("mirror", "src", at.url(spot), "--delete").code == 0
    assert list((at.root / spot).iterdir()) == []
    fill(Path("dst"), "x")
    assert ftlite("mirror", at.url(f"{spot}/none"), "dst", "--delete").code == 3
    assert names(Path("dst")) == {"x"}


def test_errors_are_counted(at: Served, spot: str, dialect: str, ftlite: Ftlite) -> None:
    fill(Path("dst"), "keep")
    fill(at.root / spot, *(f"f{n}" for n in range(4)))
    for n in range(4):
        Path("dst", f"f{n}").mkdir()
        Path("dst", f"f{n}", "x").write_text("in the way")
    said = ftlite("mirror", at.url(spot), "dst")
    assert said.code == 9
    assert said.err.count("--delete removes it") == 4
    assert ftlite("mirror", "--delete", at.url(spot), "dst").code == 0
    assert names(Path("dst")) == {f"f{n}" for n in range(4)}


def test_given_up_after_so_many_failures(
    at: Served, spot: str, dialect: str, ftlite: Ftlite, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(Path("src"), *(f"f{n}" for n in range(9)))
    from ftlite.client import uploads
    from ftlite.client.errors import from_os_error
    from ftlite.client.native import files

    def unreadable(local: Path, *_: object) -> object:
        raise from_os_error(str(local), PermissionError(13, "Permission denied"))

    monkeypatch.setattr(uploads, "open_source", unreadable)
    monkeypatch.setattr(files, "open_source", unreadable)
    said = ftlite("mirror", "--json", "--max-errors", "2", "src", at.url(spot))
    assert said.code == 8
    errors = [event for event in events(said.out) if event["event"] == "error"]
    assert len(errors) == 4
    assert "given up after 3 failures" in str(errors[-1]["message"])
    assert ftlite("mirror", "src", at.url(spot)).code == 4


@pytest.mark.parametrize("links", ["skip", "follow", "keep", "auto"])
def test_links(links: str, at: Served, spot: str, dialect: str, ftlite: Ftlite) -> None:
    fill(Path("src"), "f", "d/x")
    for name, target in {"to-f": "f", "to-d": "d", "nowhere": "none", "d/up": ".."}.items():
        Path("src", name).symlink_to(target)
    said = ftlite("mirror", "--links", links, "src", at.url(spot))
    root = at.root / spot
    kept = links == "keep" or (links == "auto" and dialect == "native")
    if kept and dialect == "native":
        assert said.code == 0
        assert {name: os.readlink(root / name) for name in ("to-f", "to-d", "nowhere", "d/up")} == {
            "to-f": "f", "to-d": "d", "nowhere": "none", "d/up": "..",
        }  # fmt: skip
        assert ftlite("mirror", "--links", links, at.url(spot), "back").code == 0
        assert os.readlink("back/to-d") == "d"
        (root / "to-f").unlink()
        (root / "to-f").symlink_to("d/x")
        assert ftlite("mirror", "--links", links, at.url(spot), "back").code == 0
        assert os.readlink("back/to-f") == "d/x"
        return
    assert said.code == (8 if kept else 0)
    expected = {"f", "d/x"}
    expected |= {"to-f"} if links in ("follow", "auto") else set()
    expected |= {"to-d/x"} if links == "follow" else set()
    assert names(root) == expected
    assert not any(path.is_symlink() for path in root.rglob("*"))


def test_links_of_a_server_are_followed_or_left(at: Served, spot: str, dialect: str, ftlite: Ftlite) -> None:
    fill(at.root / spot, "f", "d/x")
    for name, target in {"to-f": "f", "to-d": "d", "nowhere": "none", "d/up": ".."}.items():
        (at.root / spot / name).symlink_to(target)
    assert ftlite("mirror", "--links", "follow", at.url(spot), "all").code == 0
    assert {"f", "d/x", "to-f", "to-d/x"} <= names(Path("all"))
    assert not any(path.is_symlink() for path in Path("all").rglob("*"))
    assert ftlite("mirror", "--links", "skip", "--delete", at.url(spot), "all").code == 0
    assert {"to-f", "to-d/x"} <= names(Path("all")), "what is left out is not removed either"


def test_what_a_mirror_needs_to_be_told(at: Served, ftlite: Ftlite) -> None:
    assert ftlite("mirror", "here", "there").code == 2
    assert ftlite("mirror", "-R", "here", at.url("x")).code == 2
    assert ftlite("mirror", "./a:b", "c").code == 2


def test_a_part_of_a_download_is_left_alone(at: Served, spot: str, dialect: str, ftlite: Ftlite) -> None:
    fill(at.root / spot, "a")
    part = fill(Path("dst"), ".big.0123abcd.ftlite-part", "old") / ".big.0123abcd.ftlite-part"
    assert ftlite("mirror", "--delete", at.url(spot), "dst").code == 0
    assert names(Path("dst")) == {"a", part.name}
    fill(Path("dst"), "b")
    assert ftlite("mirror", "dst", at.url(spot)).code == 0
    assert names(at.root / spot) == {"a", "b"}


def test_trees_of_chosen_paths(at: Served, spot: str, dialect: str, ftlite: Ftlite) -> None:
    fill(Path("src"), "a", "b", "d/x", "d/y", "e/z")
    Path("list").write_text("a\nd\nmissing\n")
    said = ftlite("put", "-r", "--merge", "--files-from", "list", "src", at.url(f"{spot}/t"))
    assert said.code == 8
    assert "missing: --files-from names it" in said.err
    assert names(at.root / spot / "t") == {"a", "d/x", "d/y"}
    Path("list").write_bytes(b"d/y\0")
    assert ftlite("get", "-r", "--from0", "--files-from", "list", at.url(f"{spot}/t"), "back").code == 0
    assert names(Path("back")) == {"d/y"}
    assert ftlite("get", "-r", "--files-from", "none", at.url(f"{spot}/t"), "other").code == 3
