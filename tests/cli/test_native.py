"""The commands that the native dialect brings, against a real server, and the same over stock."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from tests.cli.conftest import Ftlite, Served


@pytest.fixture
def spot(at: Served) -> str:
    """The name of a fresh directory on the server."""
    name = uuid.uuid4().hex
    (at.root / name).mkdir()
    return name


def events(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def later(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "ftlite", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_every_result_is_verified_by_digest(at: Served, spot: str, ftlite: Ftlite) -> None:
    Path("a").write_bytes(b"content")
    digest = f"sha256:{hashlib.sha256(b'content').hexdigest()}"
    for words, skipped in ((["put", "a", at.url(f"{spot}/a")], False), (["get", at.url(f"{spot}/a"), "b"], False),
                           (["put", "a", at.url(f"{spot}/a")], True)):  # fmt: skip
        said = events(ftlite(*words, "--json").out)[0]
        assert (said["verified"], said["digest"], said["skipped"]) == ("digest", digest, skipped)
        assert said["bytes"] == (0 if skipped else 7)
    assert ftlite("put", "--require", "digest", "a", at.url(f"{spot}/c")).code == 0


def _may_be_wide() -> bool:
    out, into = os.pipe()
    try:
        fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, 1 << 20)
    except (OSError, AttributeError):
        return False
    finally:
        os.close(out)
        os.close(into)
    return True


@pytest.mark.skipif(not _may_be_wide(), reason="the system lets us have no wide pipes")
def test_pipes_are_widened(at: Served, spot: str) -> None:
    """A pipe of 64 KiB is a turn for every 64 KiB."""
    data = os.urandom(300_000)
    (at.root / spot / "f").write_bytes(data)
    put = subprocess.Popen([sys.executable, "-m", "ftlite", "put", "-", at.url(f"{spot}/g")], stdin=subprocess.PIPE)
    assert put.stdin is not None
    while fcntl.fcntl(put.stdin, fcntl.F_GETPIPE_SZ) < len(data):
        assert put.poll() is None
        time.sleep(0.01)
    put.communicate(data, timeout=60)
    assert put.returncode == 0
    assert (at.root / spot / "g").read_bytes() == data
    for words in (["cat", at.url(f"{spot}/f")], ["get", at.url(f"{spot}/f"), "-"]):
        with subprocess.Popen([sys.executable, "-m", "ftlite", *words], stdout=subprocess.PIPE) as got:
            assert got.stdout is not None
            assert got.wait(timeout=60) == 0, "all of it fits into the pipe"
            assert got.stdout.read() == data


@pytest.mark.parametrize("dialect", ["stock", "native"])
def test_the_dialect_can_be_chosen(
    at: Served, spot: str, ftlite: Ftlite, dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = os.urandom(200_000)
    Path("a").write_bytes(data)
    monkeypatch.setenv("FTLITE_DIALECT", dialect)
    assert ftlite("put", "a", at.url(f"{spot}/a")).code == 0
    assert ftlite("get", at.url(f"{spot}/a"), "b").code == 0
    assert Path("b").read_bytes() == data
    assert ftlite("put", "--if-absent", "a", at.url(f"{spot}/a")).code == 9
    assert ftlite("put", "--expect", f"sha256:{'0' * 64}", "a", at.url(f"{spot}/n")).code == 7
    assert ftlite("put", "a", at.url(spot)).code == 0
    for words in (["cat", at.url(f"{spot}/a")], ["get", at.url(f"{spot}/a"), "-"]):
        done = subprocess.run([sys.executable, "-m", "ftlite", *words], capture_output=True, check=True)
        assert done.stdout == data
    command = [sys.executable, "-m", "ftlite", "put", "-", at.url(f"{spot}/stream"), "--json"]
    done = subprocess.run(command, input=data, capture_output=True, check=True)
    assert (at.root / spot / "stream").read_bytes() == data
    assert json.loads(done.stdout.splitlines()[0])["verified"] == ("digest" if dialect == "native" else "size")
    assert sorted(os.listdir(at.root / spot)) == ["a", "stream"]


@pytest.mark.parametrize("dialect", ["stock", "native"])
def test_a_stream_into_a_directory_is_2(at: Served, spot: str, dialect: str) -> None:
    command = [sys.executable, "-m", "ftlite", "put", "-", at.url(spot), "--dialect", dialect]
    done = subprocess.run(command, input=b"x", capture_output=True, check=False)
    assert done.returncode == 2
    assert b"is a directory" in done.stderr


@pytest.mark.parametrize("dialect", ["stock", "native"])
def test_wait_ends_when_it_is_published(at: Served, spot: str, ftlite: Ftlite, dialect: str) -> None:
    Path("a").write_text("new")
    waits = later("wait", at.url(f"{spot}/a"), "--timeout", "60", "--json", "--dialect", dialect)
    gets = later("get", "--wait", "60", at.url(f"{spot}/a"), "got", "--dialect", dialect)
    assert ftlite("put", "a", at.url(f"{spot}/a")).code == 0
    out, _ = waits.communicate(timeout=60)
    assert waits.returncode == 0
    published, summary = events(out)
    assert (published["event"], published["path"], published["kind"]) == ("published", f"{spot}/a", "file")
    assert published["size"] == 3
    assert summary["ok"]
    gets.communicate(timeout=60)
    assert gets.returncode == 0
    assert Path("got").read_text() == "new"
    again = ftlite("wait", at.url(f"{spot}/a"), "--timeout", "1", "--since", str(published["version"]),
                   "--dialect", dialect)  # fmt: skip
    assert again.code == 6


@pytest.mark.parametrize("dialect", ["stock", "native"])
def test_wait_in_vain_is_6(at: Served, spot: str, ftlite: Ftlite, dialect: str) -> None:
    began = time.monotonic()
    for command, flag in (("wait", "--timeout"), ("get", "--wait")):
        said = ftlite(command, flag, "1", at.url(f"{spot}/nix"), "--dialect", dialect)
        assert (said.code, said.out) == (6, "")
        assert "nix" in said.err
        assert flag in said.err, "the remedy is one of this command"
    assert time.monotonic() - began >= 2
    assert not Path("nix").exists()


def test_a_producer_that_failed_is_11(at: Served, spot: str, ftlite: Ftlite) -> None:
    waits = later("wait", at.url(f"{spot}/a"), "--timeout", "60")
    assert ftlite("put", "--failed", at.url(f"{spot}/a")).code == 0
    _, said = waits.communicate(timeout=60)
    assert waits.returncode == 11
    assert f"{spot}/a" in said
    assert ftlite("get", "--wait", "5", at.url(f"{spot}/a")).code == 11
    Path("a").write_text("new")
    assert ftlite("put", "a", at.url(f"{spot}/a")).code == 0
    assert ftlite("wait", at.url(f"{spot}/a")).code == 0
    assert ftlite("put", "--failed", "a", at.url(f"{spot}/a")).code == 2
    assert ftlite("put", "--failed", at.url(f"{spot}/b"), "--dialect", "stock").code == 1
    assert ftlite("put", at.url(f"{spot}/b")).code == 2


@pytest.mark.parametrize("dialect", ["stock", "native"])
def test_digests_of_many_files_come_in_order(at: Served, spot: str, ftlite: Ftlite, dialect: str) -> None:
    for number in range(20):
        (at.root / spot / f"f{number:02}").write_bytes(os.urandom(number * 10_000))
    alone = ftlite("hash", "-r", at.url(spot), "--dialect", dialect)
    many = ftlite("hash", "-r", "-P", "8", at.url(spot), "--dialect", dialect)
    assert (alone.code, many.code) == (0, 0)
    assert alone.out == many.out
    assert len(many.out.splitlines()) == 20
    subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", "-"], input=many.out, text=True, check=True, cwd=at.root
    )
    missing = ftlite("hash", at.url(f"{spot}/f00"), at.url(f"{spot}/nix"))
    assert (missing.code, len(missing.out.splitlines())) == (8, 1)


def killed_in_the_middle(words: list[str], part: Path) -> None:
    """Run a slow transfer and kill -9 it when a few MiB of it are in what `part` matches."""
    process = later(*words, "--limit-rate", "20M")
    deadline = time.monotonic() + 60
    while not any(path.is_file() and path.stat().st_size > 3 << 20 for path in part.parent.glob(part.name)):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.communicate(timeout=60)


def test_a_killed_download_goes_on(at: Served, spot: str, ftlite: Ftlite) -> None:
    data = os.urandom(40 << 20)
    (at.root / spot / "big").write_bytes(data)
    killed_in_the_middle(["get", at.url(f"{spot}/big"), "got"], Path(".got*"))
    assert not Path("got").exists()
    said = events(ftlite("get", at.url(f"{spot}/big"), "got", "--json").out)[0]
    assert Path("got").read_bytes() == data
    assert said["verified"] == "digest"
    assert int(str(said["offset"])) > 2 << 20
    assert said["bytes"] == len(data) - int(str(said["offset"]))
    assert os.listdir() == ["got"]


def test_a_killed_upload_goes_on(at: Served, spot: str, ftlite: Ftlite) -> None:
    data = os.urandom(60 << 20)
    Path("big").write_bytes(data)
    process = later("put", "big", at.url(f"{spot}/big"), "--limit-rate", "30M")
    deadline = time.monotonic() + 60
    while _held(at) < 35 << 20:  # beyond two checkpoints
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.communicate(timeout=60)
    assert not (at.root / spot / "big").exists()
    said = events(ftlite("put", "big", at.url(f"{spot}/big"), "--json").out)[0]
    assert (at.root / spot / "big").read_bytes() == data
    assert (said["verified"], said["skipped"]) == ("digest", False)
    assert int(str(said["offset"])) >= 16 << 20


def _held(at: Served) -> int:
    """Bytes in the parts of the server."""
    return sum(path.stat().st_size for path in at.root.glob(".ftlite/**/*") if path.is_file())
