"""put -r and get -r as one transfer, against a real server: what is said, the exit codes, and what goes on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from tests.cli.conftest import Ftlite, Served
from tests.trees.support import contents, make_tree


@pytest.fixture
def spot(at: Served) -> str:
    """A name on the server that nothing has."""
    return uuid.uuid4().hex


def events(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def fill(root: Path, **files: str) -> Path:
    for name, content in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def make(root: Path) -> Path:
    """One of everything, but for a link that is too long to be looked behind: the server's root is looked through."""
    make_tree(root)
    (root / "long-target").unlink()
    return root


def read(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def test_a_tree_there_and_back(at: Served, spot: str, ftlite: Ftlite) -> None:
    source = make(Path("source"))
    assert ftlite("put", "-r", "source", at.url(f"{spot}/deep/t")).code == 0
    assert contents(at.root / spot / "deep/t") == contents(source)
    said = ftlite("get", "-r", at.url(f"{spot}/deep/t"), "x/back")
    assert (said.code, said.out) == (0, "")
    assert contents(Path("x/back")) == contents(source)
    assert "verified: digest" in said.err
    assert ftlite("get", "-r", at.url(f"{spot}/deep/t"), "x").code == 0, "a directory that is there receives it"
    assert contents(Path("x/t")) == contents(source)
    assert ftlite("get", "-r", at.url(f"{spot}/deep/t")).code == 0
    assert contents(Path("t")) == contents(source)


def test_events_and_lines(at: Served, spot: str, ftlite: Ftlite) -> None:
    fill(Path("source"), a="one", d__b="three")
    for words in (["put", "-r", "source", at.url(spot)], ["get", "-r", at.url(spot), "back"]):
        for again in (False, True):
            said = ftlite(*words, "--json", "-v")
            *files, summary = events(said.out)
            assert all("path" in e for e in files), files
            assert [(e["event"], e["path"], e["verified"], e["size"]) for e in files] == [
                ("file", f"{spot}/a", "digest", 3), ("file", f"{spot}/d/b", "digest", 5),
            ]  # fmt: skip
            assert [(e["skipped"], e["bytes"]) for e in files] == [(again, 0 if again else e["size"]) for e in files]
            assert (summary["event"], summary["ok"], summary["exit"], summary["done"]) == ("summary", True, 0, 2)
            assert (summary["failed"], summary["verified"]) == (0, "digest")
            assert bool(summary["bytes"]) is not again
            lines = said.err.splitlines()
            assert [line.partition(":")[0] for line in lines[:2]] == [f"{spot}/a", f"{spot}/d/b"]
            assert ("there already" in lines[-1]) is again
            assert "2 files in 1 directory" in lines[-1]
            assert len(ftlite(*words).err.splitlines()) == 1
            assert ftlite(*words, "-q").err == ""


def test_put_over_what_stands(at: Served, spot: str, ftlite: Ftlite) -> None:
    fill(Path("one"), a="1", b="1")
    fill(Path("two"), a="2", c="2")
    there = at.root / spot
    assert ftlite("put", "-r", "one", at.url(spot)).code == 0
    assert ftlite("put", "-r", "one", at.url(spot)).code == 0
    refused = ftlite("put", "-r", "two", at.url(spot), "--json")
    assert (refused.code, read(there)) == (9, {"a": "1", "b": "1"})
    error, summary = events(refused.out)
    assert (error["event"], error["outcome"], summary["exit"], summary["done"]) == ("error", "exists", 9, 0)
    assert ftlite("put", "-r", "two", at.url(spot), "--if-absent", "--replace").code == 9
    assert ftlite("put", "-r", "--merge", "two", at.url(spot)).code == 0
    assert read(there) == {"a": "2", "b": "1", "c": "2"}
    assert ftlite("put", "-r", "--replace", "two", at.url(spot)).code == 0
    assert read(there) == {"a": "2", "c": "2"}
    assert ftlite("put", "-r", "--replace", "--merge", "two", at.url(spot)).code == 2
    (at.root / f"{spot}-file").write_text("file")
    for way in ([], ["--replace"], ["--merge"]):
        assert ftlite("put", "-r", *way, "two", at.url(f"{spot}-file")).code == 9
    assert (at.root / f"{spot}-file").read_text() == "file"


def test_get_over_what_stands(at: Served, spot: str, ftlite: Ftlite) -> None:
    fill(at.root / spot / "t", a="1", b="1")
    fill(Path("t"), a="2", c="2")
    assert ftlite("get", "-r", at.url(f"{spot}/t")).code == 9
    assert read(Path("t")) == {"a": "2", "c": "2"}
    said = ftlite("get", "-r", "--merge", at.url(f"{spot}/t"), "--json")
    assert [event.get("path") for event in events(said.out)] == [f"{spot}/t/a", f"{spot}/t/b", None]
    assert read(Path("t")) == {"a": "1", "b": "1", "c": "2"}
    assert ftlite("get", "-r", "--replace", at.url(f"{spot}/t")).code == 0
    assert read(Path("t")) == {"a": "1", "b": "1"}
    assert ftlite("get", "-r", "--replace", "--merge", at.url(f"{spot}/t")).code == 2
    Path("file").write_text("file")
    for way in ([], ["--replace"], ["--merge"]):
        assert ftlite("get", "-r", *way, at.url(f"{spot}/t"), "file").code == 9
    assert Path("file").read_text() == "file"
    assert ftlite("get", "-r", at.url(f"{spot}/none")).code == 3
    assert ftlite("get", "-r", at.url(f"{spot}/t/a"), "one").code == 0, "a file is a file"
    assert Path("one").read_text() == "1"
    assert sorted(os.listdir()) == ["file", "one", "t"]


def test_patterns_and_a_dry_run(at: Served, spot: str, ftlite: Ftlite) -> None:
    fill(Path("source"), **{"a.txt": "a", "b": "b", "d__c.txt": "c"})
    flags = ["--include", "*.txt", "--exclude", "d/"]
    would = ftlite("put", "-rn", *flags, "source", at.url(spot), "--json")
    assert [event.get("path") for event in events(would.out)] == [f"{spot}/a.txt", None]
    assert not (at.root / spot).exists()
    assert ftlite("put", "-r", *flags, "source", at.url(spot)).code == 0
    assert read(at.root / spot) == {"a.txt": "a"}
    fill(at.root / spot, b="b")
    would = ftlite("get", "-rn", *flags, at.url(spot), "back", "--json")
    assert [event.get("path") for event in events(would.out)] == [f"{spot}/a.txt", None]
    assert not Path("back").exists()
    assert ftlite("get", "-r", *flags, at.url(spot), "back").code == 0
    assert read(Path("back")) == {"a.txt": "a"}


def test_what_is_left_out_is_named_and_no_failure(at: Served, spot: str, ftlite: Ftlite) -> None:
    fill(Path("source"), a="a")
    os.mkfifo("source/fifo")
    Path("source/out").symlink_to("/etc/passwd")
    said = ftlite("put", "-r", "source", at.url(spot), "--json")
    assert said.code == 0
    assert [event["path"] for event in events(said.out) if event["event"] == "skipped"] == ["fifo", "out"]
    assert [line for line in said.err.splitlines() if "fifo was left out" in line]
    assert os.listdir(at.root / spot) == ["a"]
    os.mkfifo(at.root / spot / "fifo")
    said = ftlite("get", "-r", at.url(spot), "back", "--json")
    assert said.code == 0
    assert [event["count"] for event in events(said.out) if event["event"] == "skipped"] == [1]
    assert "1 entry left out" in said.err


def test_digests_of_a_tree(at: Served, spot: str, ftlite: Ftlite) -> None:
    source = make(Path("source"))
    os.mkfifo(source / "fifo")
    assert ftlite("put", "-r", "source", at.url(spot)).code == 0
    os.mkfifo(at.root / spot / "fifo")
    command = [sys.executable, "-m", "ftlite", "hash", "-r", at.url(spot)]
    said = subprocess.run(command, capture_output=True, check=False)
    assert said.returncode == 0, said.stderr
    for name in ("dangling", "dir/to-directory"):
        assert f"{spot}/{name} was left out" in said.stderr.decode()
    subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", "-"], input=said.stdout, check=True, cwd=at.root
    )
    files = [path for path in source.rglob("*") if not path.is_symlink() and path.is_file()]
    assert len(said.stdout.splitlines()) >= len(files)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("way", ["put", "get"])
def test_what_was_stopped_goes_on(at: Served, spot: str, ftlite: Ftlite, number: signal.Signals, way: str) -> None:
    source = Path("source") if way == "put" else at.root / spot
    source.mkdir()
    for name in range(12):
        (source / f"f{name}").write_bytes(os.urandom(1 << 20))
    words = ["put", "-r", "source", at.url(spot)] if way == "put" else ["get", "-r", at.url(spot), "back"]
    target = at.root / spot if way == "put" else Path("back")
    above = (at.root if way == "put" else Path()).resolve()
    before = held(above)
    command = [sys.executable, "-m", "ftlite", *words, "--limit-rate", "4M", "--retries", "0"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while held(above) - before < 6 << 20:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
        assert process.wait(60) == (130 if number is signal.SIGINT else -number)
    assert not target.exists()
    again = events(ftlite(*words, "--json").out)[-1]
    assert again["ok"]
    assert isinstance(again["bytes"], int)
    assert again["bytes"] < 9 << 20
    assert contents(target) == contents(source)
    assert ftlite(*words).code == 0


def held(above: Path) -> int:
    """Octets in hidden directories of ours."""
    total = 0
    for here, _, names in os.walk(above):
        if "ftlite" not in here[len(str(above)) :]:
            continue
        for name in names:
            try:
                total += os.lstat(os.path.join(here, name)).st_size
            except FileNotFoundError:
                continue
    return total


@pytest.mark.parametrize("dialect", ["stock", "native"])
def test_where_trees_go(
    at: Served, spot: str, ftlite: Ftlite, dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTLITE_DIALECT", dialect)
    one, two = f"{spot}-1", f"{spot}-2"
    fill(Path(one), a="1", d__b="1")
    fill(Path(two), a="2")
    Path("file").write_text("f")
    there = at.root / spot
    there.mkdir()
    ours = {f"{one}/a": "1", f"{one}/d/b": "1", f"{two}/a": "2"}

    assert ftlite("put", "-r", one, two, at.url(spot)).code == 0, "several go below it, under their own names"
    assert read(there) == ours
    assert ftlite("put", "-r", one, two, "file", at.url(f"{spot}/new/er")).code == 0, "what leads there is made"
    assert read(there / "new/er") == {**ours, "file": "f"}
    assert ftlite("put", "-r", f"{one}/", f"./{two}/.", at.url(f"{spot}/slash/")).code == 0, "however they are written"
    assert read(there / "slash") == ours

    for number, nothing in enumerate(("", "/", "./", ".")):
        name = f"{spot}-login{number}"
        fill(Path(name), a="1")
        assert ftlite("put", "-r", name, at.url(nothing)).code == 0, "the login directory has no other name to give"
        assert read(at.root / name) == {"a": "1"}
    fill(Path("both"), a="1")
    assert ftlite("put", "-r", "both", one, at.url()).code == 0
    assert read(at.root / "both") == {"a": "1"}
    assert read(at.root / one) == {"a": "1", "d/b": "1"}

    for address in (f"{spot}/taken", f"{spot}/taken/"):  # the name that the tree gets, with a slash or without
        fill(there / "taken", x="x")
        assert ftlite("put", "-r", one, at.url(address)).code == 9
        assert read(there / "taken") == {"x": "x"}
        assert ftlite("put", "-r", "--merge", one, at.url(address)).code == 0
        assert read(there / "taken") == {"x": "x", "a": "1", "d/b": "1"}
        shutil.rmtree(there / "taken")
    assert ftlite("put", "-r", one, at.url(f"{spot}/free/")).code == 0
    assert read(there / "free") == {"a": "1", "d/b": "1"}
    for made in at.root.glob(f"{spot}-*"):
        shutil.rmtree(made)
    shutil.rmtree(at.root / "both")
