"""The client commands against a real server, in both dialects: what they do, say and return."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.cli.conftest import Ftlite, Served, clean_environment


@pytest.fixture(params=["stock", "native"], autouse=True)
def dialect(request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What every command of the test speaks."""
    monkeypatch.setenv("FTLITE_DIALECT", request.param)
    return str(request.param)


@pytest.fixture
def spot(at: Served) -> str:
    """The name of a fresh directory on the server."""
    name = uuid.uuid4().hex
    (at.root / name).mkdir()
    return name


def events(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def make_tree(root: Path) -> None:
    (root / "sub dir" / "empty").mkdir(parents=True)
    (root / "sub dir" / "größe.txt").write_text("hällo\n")
    (root / "zero").touch()
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)


def names(root: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(root)): path.read_bytes() if path.is_file() else None for path in root.rglob("*")}


def test_put_and_get_a_file_with_its_time_and_mode(at: Served, spot: str, ftlite: Ftlite) -> None:
    source = Path("a b.bin")
    source.write_bytes(os.urandom(100_000))
    source.chmod(0o754)
    os.utime(source, (1_600_000_000, 1_600_000_000))
    put = ftlite("put", "a b.bin", at.url(f"{spot}/"))
    assert (put.code, put.out) == (0, ""), put.err
    assert "a b.bin" in put.err
    assert "verified: " in put.err
    got = ftlite("get", at.url(f"{spot}/a%20b.bin"), "back.bin")
    assert (got.code, got.out) == (0, "")
    assert Path("back.bin").read_bytes() == source.read_bytes()
    assert Path("back.bin").stat().st_mtime == 1_600_000_000
    assert Path("back.bin").stat().st_mode & 0o777 == 0o754


def test_where_a_file_goes(at: Served, spot: str, ftlite: Ftlite) -> None:
    for name in ("one", "two"):
        Path(name).write_text(name)
    assert ftlite("put", "one", at.url(f"{spot}/renamed")).code == 0
    assert ftlite("put", "one", "two", at.url(spot)).code == 0
    (at.root / spot / "sub").mkdir()
    assert ftlite("put", "two", at.url(f"{spot}/sub")).code == 0
    found = names(at.root / spot)
    assert found == {"renamed": b"one", "one": b"one", "two": b"two", "sub": None, "sub/two": b"two"}
    Path("dir").mkdir()
    assert ftlite("get", at.url(f"{spot}/two"), "dir").code == 0
    assert Path("dir/two").read_text() == "two"
    Path("two").unlink()
    assert ftlite("get", at.url(f"{spot}/two")).code == 0
    assert Path("two").read_text() == "two"


def test_a_directory_there_and_back(at: Served, spot: str, ftlite: Ftlite) -> None:
    make_tree(Path("tree"))
    put = ftlite("put", "-r", "-P", "2", "tree", at.url(f"{spot}/tree"))
    assert put.code == 0
    assert "3 files in 2 directories" in put.err
    assert ftlite("get", "-r", at.url(f"{spot}/tree"), "back").code == 0
    assert names(Path("back")) == names(Path("tree"))
    assert ftlite("get", "-r", at.url(f"{spot}/tree"), "back").code == 0  # it is there now: under its own name
    assert names(Path("back/tree")) == names(Path("tree"))


@pytest.mark.parametrize(("dialect", "remedies"), [("stock", {"--merge"}), ("native", {"--merge", "--replace"})])
def test_a_tree_is_not_mixed_into_another_unasked(
    at: Served, spot: str, ftlite: Ftlite, dialect: str, remedies: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTLITE_DIALECT", dialect)
    make_tree(Path("tree"))
    (at.root / spot / "tree").mkdir()
    (at.root / spot / "tree" / "other").touch()
    refused = ftlite("put", "-r", "tree", at.url(f"{spot}/tree"))
    assert refused.code == 9
    assert {word for word in ("--merge", "--replace") if word in refused.err} == remedies
    assert "--if-absent" in ftlite("put", "-r", "--if-absent", "tree", at.url(f"{spot}/tree")).err
    assert set(names(at.root / spot / "tree")) == {"other"}
    assert ftlite("put", "-r", "--merge", "tree", at.url(f"{spot}/tree")).code == 0
    assert set(names(at.root / spot / "tree")) == {"other", *names(Path("tree"))}


def test_include_and_exclude(at: Served, spot: str, ftlite: Ftlite) -> None:
    make_tree(Path("tree"))
    said = ftlite("put", "-r", "--exclude", "sub dir/", "--include", "*.sh", "tree", at.url(f"{spot}/t"))
    assert said.code == 0
    assert set(names(at.root / spot / "t")) == {"run.sh"}


def test_dry_run_changes_nothing(at: Served, spot: str, ftlite: Ftlite) -> None:
    make_tree(Path("tree"))
    there = at.root / spot / "old"
    make_tree(there)
    before = names(at.root)
    put = ftlite("put", "-rn", "tree", at.url(f"{spot}/new"), "--json")
    assert {event["path"] for event in events(put.out)[:-1]} == {f"{spot}/new/{name}" for name in names(Path("tree"))}
    assert "would put tree/zero" in put.err
    assert ftlite("put", "-n", "tree/zero", at.url(f"{spot}/zero")).code == 0
    assert ftlite("get", "-rn", at.url(f"{spot}/old"), "got").code == 0
    assert "would get" in ftlite("get", "-n", at.url(f"{spot}/old/zero"), "got").err
    assert "would remove" in ftlite("rm", "-rn", at.url(f"{spot}/old")).err
    assert names(at.root) == before
    assert not Path("got").exists()


@pytest.mark.parametrize(
    ("dialect", "files", "left", "there"),
    [
        ("stock", {"file", "to-file"}, {"to-dir", "to-nothing", "out"}, ["file", "sub", "to-file"]),
        ("native", {"file"}, {"out"}, ["file", "sub", "to-dir", "to-file", "to-nothing"]),
    ],
)
def test_dry_run_of_links_is_as_the_run(
    at: Served, spot: str, ftlite: Ftlite, dialect: str, files: set[str], left: set[str], there: list[str]
) -> None:
    Path("tree/sub").mkdir(parents=True)
    Path("tree/file").write_text("12345")
    for name, target in (("to-file", "file"), ("to-dir", "sub"), ("to-nothing", "nix"), ("out", "../..")):
        Path("tree", name).symlink_to(target)
    for extra in ("-n", "-v"):
        said = ftlite("put", "-r", extra, "tree", at.url(f"{spot}/t"), "--json", "--dialect", dialect)
        told = {Path(event["path"]).name: event for event in events(said.out)[:-1] if event["event"] != "warning"}
        assert {name for name, event in told.items() if event["event"] == "skipped"} == left
        sizes = {name: event["size"] for name, event in told.items() if name not in {"sub", *left}}
        assert sizes == dict.fromkeys(files, 5)
    assert sorted(os.listdir(at.root / spot / "t")) == there
    assert os.path.islink(at.root / spot / "t" / "to-file") == (dialect == "native")


def test_a_full_standard_output_is_10(at: Served, spot: str, home: Path) -> None:
    (at.root / spot / "f").write_bytes(b"x" * 100_000)
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-m", "ftlite", "cat", at.url(f"{spot}/f")]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 10
    assert "standard output: no space left" in done.stderr


@pytest.mark.parametrize("command", ["ls", "ls -l", "hash", "stat"])
def test_nothing_was_done_that_could_not_be_told(command: str, at: Served, spot: str, home: Path) -> None:
    """One entry for a full standard output was counted as done, so the exit code was 8."""
    (at.root / spot / "f").write_bytes(b"x")
    with open("/dev/full", "wb") as full:
        words = [sys.executable, "-m", "ftlite", *command.split(), at.url(f"{spot}/f")]
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert done.returncode == 10, done.stderr


def test_a_full_standard_error_changes_no_exit_code(at: Served, spot: str, home: Path) -> None:
    (at.root / spot / "f").write_bytes(b"x")
    for words, code in ((["cat", at.url(f"{spot}/f")], 0), (["cat", at.url(f"{spot}/missing")], 3), (["cat", "-Z"], 2)):
        with open("/dev/full", "wb") as full:
            command = [sys.executable, "-m", "ftlite", *words]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, check=False, timeout=60)
        assert done.returncode == code, words


def test_json_tells_each_file_and_ends_with_a_summary(at: Served, spot: str, ftlite: Ftlite) -> None:
    make_tree(Path("tree"))
    said = ftlite("put", "-r", "--json", "tree", at.url(f"{spot}/tree"))
    *files, summary = events(said.out)
    assert said.out.isascii()
    assert {event["local"] for event in files} == {"tree/zero", "tree/run.sh", "tree/sub dir/größe.txt"}
    assert all(event["path"] == f"{spot}/{event['local']}" for event in files)
    assert all(event["verified"] in ("size", "digest") for event in files)
    assert (summary["event"], summary["ok"], summary["exit"], summary["done"]) == ("summary", True, 0, 3)


def test_streams(at: Served, spot: str, served: Served, home: Path) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    data = os.urandom(3_000_000)
    put = [sys.executable, "-m", "ftlite", "put", "-", at.url(f"{spot}/stream")]
    subprocess.run(put, input=data, env=environment, check=True)
    assert (at.root / spot / "stream").read_bytes() == data
    for words in (["cat", at.url(f"{spot}/stream")], ["get", at.url(f"{spot}/stream"), "-"]):
        command = [sys.executable, "-m", "ftlite", *words]
        done = subprocess.run(command, capture_output=True, env=environment, check=True)
        assert done.stdout == data


def test_a_reader_who_leaves_is_no_reason_to_complain(at: Served, spot: str) -> None:
    with (at.root / spot / "big").open("wb") as big:
        big.truncate(50_000_000)
    command = f"{sys.executable} -m ftlite cat {at.url(f'{spot}/big')} | head -c 1"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == (b"\0", b"")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_a_transfer_with_their_code(at: Served, spot: str, number: int, code: int) -> None:
    with (at.root / spot / "big").open("wb") as big:
        big.truncate(50_000_000)
    command = [sys.executable, "-m", "ftlite", "get", at.url(f"{spot}/big"), "-", "--limit-rate", "1M", "-v"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.read(1) == b"\0"  # it is under way
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert b"Traceback" not in said
    assert said.startswith(b"ftlite get: ")


def test_resume(at: Served, spot: str, ftlite: Ftlite) -> None:
    data = os.urandom(200_000)
    (at.root / spot / "whole").write_bytes(data)
    assert ftlite("get", at.url(f"{spot}/whole"), "got").code == 0
    again = ftlite("get", "-c", "--json", at.url(f"{spot}/whole"), "got")
    assert again.code == 0
    assert events(again.out)[0]["bytes"] == 0
    assert Path("got").read_bytes() == data


def test_expect(at: Served, spot: str, ftlite: Ftlite) -> None:
    Path("a").write_bytes(b"right")
    digest = hashlib.sha256(b"right").hexdigest()
    assert ftlite("put", "--expect", f"sha256:{digest.upper()}", "a", at.url(f"{spot}/a")).code == 0
    Path("a").write_bytes(b"wrong")
    said = ftlite("put", "--expect", f"sha256:{digest}", "a", at.url(f"{spot}/a"))
    assert said.code == 7
    assert digest in said.err
    assert (at.root / spot / "a").read_bytes() == b"right"


def test_expect_of_a_stream_keeps_the_wrong_one_from_being_published(at: Served, spot: str) -> None:
    command = [sys.executable, "-m", "ftlite", "put", "-", at.url(f"{spot}/a"), "--expect", f"sha256:{'0' * 64}"]
    done = subprocess.run(command, input=b"x", capture_output=True, check=False)
    assert done.returncode == 7
    assert names(at.root / spot) == {}


def test_if_absent(at: Served, spot: str, ftlite: Ftlite) -> None:
    Path("a").write_text("new")
    assert ftlite("put", "--if-absent", "a", at.url(f"{spot}/a")).code == 0
    Path("a").write_text("newer")
    assert ftlite("put", "--if-absent", "a", at.url(f"{spot}/a")).code == 9
    assert (at.root / spot / "a").read_text() == "new"


def test_ls(at: Served, spot: str, ftlite: Ftlite) -> None:
    make_tree(at.root / spot)
    assert ftlite("ls", at.url(spot)).out.splitlines() == ["run.sh", "sub dir", "zero"]
    recursive = ftlite("ls", "-r", at.url(spot)).out.splitlines()
    assert set(recursive) == set(names(at.root / spot))
    long = ftlite("ls", "-l", at.url(spot)).out.splitlines()
    assert long[0].startswith("-rwxr-xr-x ")
    assert long[0].endswith(" run.sh")
    assert " 10 " in long[0]
    assert long[1].startswith("drwx")
    assert "10 Bytes" in ftlite("ls", "-lh", at.url(spot)).out
    assert ftlite("ls", at.url(f"{spot}/zero")).out == f"{spot}/zero\n"
    *entries, summary = events(ftlite("ls", "--json", at.url(spot)).out)
    assert [(entry["path"], entry["kind"]) for entry in entries] == [
        (f"{spot}/run.sh", "file"), (f"{spot}/sub dir", "dir"), (f"{spot}/zero", "file"),
    ]  # fmt: skip
    assert summary["done"] == 3


def test_ls_of_nothing(at: Served, spot: str, ftlite: Ftlite) -> None:
    assert ftlite("ls", "-l", at.url(spot)) == ftlite("ls", at.url(spot))
    assert ftlite("ls", at.url(spot)).code == 0


def test_names_that_are_no_utf8(at: Served, spot: str, ftlite: Ftlite) -> None:
    (at.root / spot / os.fsdecode(b"gr\xf6\xdfe")).write_bytes(b"x")
    listed = events(ftlite("ls", "--json", at.url(spot)).out)[0]
    assert listed["path_b64"]


def test_stat(at: Served, spot: str, ftlite: Ftlite) -> None:
    place = at.root / spot / "x"
    place.write_bytes(b"12345")
    place.chmod(0o640)
    os.utime(place, (1_600_000_000, 1_600_000_000))
    said = dict(line.split(":", 1) for line in ftlite("stat", at.url(f"{spot}/x")).out.splitlines())
    assert {key: value.strip() for key, value in said.items()} | {
        "path": f"{spot}/x", "kind": "file", "size": "5", "modify": "2020-09-13T12:26:40Z", "mode": "0640",
    } == {key: value.strip() for key, value in said.items()}  # fmt: skip
    assert events(ftlite("stat", "--json", at.url(spot)).out)[0]["kind"] == "dir"


def test_hash_is_what_sha256sum_reads(at: Served, spot: str, ftlite: Ftlite) -> None:
    make_tree(Path(spot))
    (Path(spot) / "back\\slash").write_text("x")
    shutil.copytree(spot, at.root / spot, dirs_exist_ok=True)
    said = ftlite("hash", "-r", at.url(spot))
    assert (said.code, len(said.out.splitlines())) == (0, 4)
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "-"], input=said.out, text=True, check=True)
    single = ftlite("hash", "-a", "sha512", "--json", at.url(f"{spot}/zero"))
    assert events(single.out)[0]["digest"] == hashlib.sha512(b"").hexdigest()


def test_names_come_and_go(at: Served, spot: str, ftlite: Ftlite) -> None:
    root = at.root / spot
    assert ftlite("mkdir", at.url(f"{spot}/a/b")).code == 3
    assert ftlite("mkdir", "-p", at.url(f"{spot}/a/b")).code == 0
    assert ftlite("mkdir", at.url(f"{spot}/a/b")).code == 9
    assert ftlite("mkdir", "-p", at.url(f"{spot}/a/b")).code == 0
    (root / "f").write_text("f")
    assert ftlite("mv", at.url(f"{spot}/f"), f"{spot}/g").code == 0
    assert ftlite("mv", at.url(f"{spot}/g"), at.url(f"{spot}/a/b")).code == 0
    assert (root / "a/b/g").read_text() == "f"
    refused = ftlite("rm", at.url(f"{spot}/a"))
    assert refused.code == 2
    assert "-r" in refused.err
    assert ftlite("rm", "-r", at.url(f"{spot}/a")).code == 0
    assert names(root) == {}


def test_rm_of_some(at: Served, spot: str, ftlite: Ftlite) -> None:
    (at.root / spot / "a").touch()
    said = ftlite("rm", at.url(f"{spot}/nix"), at.url(f"{spot}/a"), "--json")
    assert said.code == 8
    assert names(at.root / spot) == {}
    error, removed, summary = events(said.out)
    assert (error["outcome"], error["path"]) == ("not-found", f"{spot}/nix")
    assert removed == {"event": "removed", "path": f"{spot}/a"}
    assert (summary["done"], summary["failed"], summary["exit"]) == (1, 1, 8)


@pytest.mark.parametrize("command", ["get", "cat", "rm", "hash"])
def test_a_directory_where_a_file_is_wanted_is_2(at: Served, spot: str, ftlite: Ftlite, command: str) -> None:
    for path in (spot, f"{spot}/"):
        said = ftlite(command, at.url(path))
        assert (said.code, said.out) == (2, "")
        assert f"{spot} is a directory" in said.err.replace("/ is", " is")
    assert (at.root / spot).is_dir()


@pytest.mark.parametrize("command", ["get", "ls", "cat", "rm", "stat", "hash"])
def test_what_is_not_there_is_3(at: Served, ftlite: Ftlite, command: str) -> None:
    said = ftlite(command, at.url("nix"))
    assert (said.code, said.out) == (3, "")
    assert "nix" in said.err


def test_local_files(at: Served, spot: str, ftlite: Ftlite) -> None:
    assert ftlite("put", "nix", at.url(f"{spot}/")).code == 3
    (at.root / spot / "x").touch()
    assert ftlite("get", at.url(f"{spot}/x"), "no/such/dir/x").code == 3
    assert ftlite("get", at.url(spot), "x").code == 2
    assert not Path("x").exists()


def test_who_is_not_let_in_is_4(at: Served, ftlite: Ftlite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FTLITE_PASSWORD", "wrong")
    assert ftlite("ls", at.url()).code == 4


def test_whom_nobody_answers_is_5(at: Served, ftlite: Ftlite, unused_port: int) -> None:
    said = ftlite("ls", "--retries", "0", f"ftp://ftlite@127.0.0.1:{unused_port}/", "--json")
    assert said.code == 5
    assert events(said.out)[-1]["exit"] == 5


def test_an_unknown_or_wrong_key_is_5(at: Served, ftlite: Ftlite, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = ftlite("ls", "--pin", "sha256//" + "A" * 43 + "=", at.url())
    assert wrong.code == 5
    monkeypatch.delenv("FTLITE_PIN")
    unknown = ftlite("ls", at.url())
    assert unknown.code == 5
    assert "--accept-new" in unknown.err
    assert ftlite("ls", "--accept-new", at.url()).code == 0
    assert ftlite("ls", at.url()).code == 0  # known by now


def test_commands_work_as_a_process_too(served: Served, tmp_path: Path) -> None:
    environment = {**clean_environment(tmp_path), "FTLITE_PASSWORD": served.fact("password") or ""}
    command = [sys.executable, "-m", "ftlite", "ls", "--pin", served.fact("pin") or "", served.url(), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert events(done.stdout)[-1]["event"] == "summary"
    assert done.stderr == ""


def test_stdin_may_be_closed(at: Served, spot: str, home: Path, dialect: str) -> None:
    (at.root / spot / "file").write_text("content")
    environment = clean_environment(home) | {
        name: os.environ[name] for name in ("FTLITE_PASSWORD", "FTLITE_PIN", "FTLITE_DIALECT")
    }
    command = f"exec {sys.executable} -m ftlite cat {at.url(spot)}/file <&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stdout) == (0, "content"), done.stderr
    del environment["FTLITE_PASSWORD"], environment["FTLITE_PIN"]
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode in (4, 5)
    assert "unexpected" not in done.stderr
