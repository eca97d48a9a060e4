"""The local side: parts, what is skipped, what must not be overwritten, and what trees do with links."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ftlite import connect
from ftlite.client import ClientError, Outcome
from ftlite.client.parts import DownloadPart, part_path
from ftlite.client.retry import pause, retrying
from tests.client.fake import FakeServer


def quick(server: FakeServer, **more: Any) -> Any:
    return connect(f"ftp://ann@127.0.0.1:{server.port}/", **{"password": "p", "tls": "off", "retries": 0, **more})


def test_importing_the_package_does_not_bring_trio() -> None:
    code = "import sys, ftlite; assert 'trio' not in sys.modules; ftlite.connect; assert 'trio' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_client_loads_no_more_than_a_single_file_needs() -> None:
    """Each command pays for what is imported here."""
    late = ("ftlite.trees", "ftlite.config.models", "ftlite.protocol.listparse.unix", "cryptography", "sqlite3")
    code = f"import sys, ftlite.client; sys.exit(' '.join(sorted(set({late!r}) & set(sys.modules))) or 0)"
    ran = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_a_part_is_kept_by_what_it_is_a_part_of(tmp_path: Path) -> None:
    target = tmp_path / ("n" * 255)
    part = DownloadPart.open(target, 10, 1, resume=True)
    os.pwrite(part.fd, b"12345", 0)
    with pytest.raises(ClientError) as caught:
        DownloadPart.open(target, 10, 1, resume=True)
    assert caught.value.outcome is Outcome.EXISTS
    part.close(keep=True)
    for size, modify_ns, resume, offset in ((10, 2, True, 0), (9, 1, True, 0), (10, 1, True, 5), (10, 1, False, 0)):
        again = DownloadPart.open(target, size, modify_ns, resume=resume)
        assert again.offset == offset
        again.close(keep=True)
    assert part_path(target, 10, 1).parent == tmp_path


@pytest.mark.parametrize("kind", ["fifo", "directory"])
async def test_what_is_no_plain_file_is_not_replaced(kind: str, tmp_path: Path) -> None:
    target = tmp_path / "t"
    if kind == "fifo":
        os.mkfifo(target)
    else:
        (target / "f").mkdir(parents=True)
    async with FakeServer({"/f": b"1"}).running() as server:
        async with quick(server) as client:
            with pytest.raises(ClientError) as caught:
                await client.get("f", target)
    assert caught.value.outcome is Outcome.EXISTS
    assert os.listdir(tmp_path) == ["t"]


async def test_a_link_named_as_target_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    async with FakeServer({"/f": b"new"}).running() as server:
        async with quick(server) as client:
            await client.get("f", tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


async def test_resume_skips_what_stands(tmp_path: Path) -> None:
    async with FakeServer({"/f": b"123"}).running() as server:
        async with quick(server) as client:
            assert not (await client.get("f", tmp_path / "f", resume=True)).skipped
            assert (await client.get("f", tmp_path / "f", resume=True)).skipped
            assert not (await client.get("f", tmp_path / "f")).skipped
            os.utime(tmp_path / "f", (1, 1))
            assert not (await client.get("f", tmp_path / "f", resume=True)).skipped


async def test_local_failures_have_outcomes(tmp_path: Path) -> None:
    async with FakeServer({"/f": b"1"}).running() as server:
        async with quick(server) as client:
            for call, outcome in (
                (lambda: client.get("f", tmp_path / "no" / "f"), Outcome.NOT_FOUND),
                (lambda: client.put(tmp_path / "none", "f"), Outcome.NOT_FOUND),
                (lambda: client.put(tmp_path, "f"), Outcome.USAGE),
            ):
                with pytest.raises(ClientError) as caught:
                    await call()
                assert caught.value.outcome is outcome


async def test_trees_send_links_to_files_and_name_the_rest(tmp_path: Path) -> None:
    source = tmp_path / "src"
    (source / "d").mkdir(parents=True)
    (source / "d" / "f").write_bytes(b"1")
    (source / "to_file").symlink_to("d/f")
    (source / "to_dir").symlink_to("d")
    (source / "dangling").symlink_to("nowhere")
    os.mkfifo(source / "pipe")
    told: list[str] = []
    async with FakeServer().running() as server:
        async with quick(server) as client:
            report = await client.put_tree(source, "t", on_file=lambda file: told.append(file.path))
            assert sorted(report.skipped) == ["dangling", "pipe", "to_dir"]
            assert report.error is None
            assert sorted(told) == ["d/f", "to_file"]
            assert server.files == {"/t/d/f": b"1", "/t/to_file": b"1"}
            back = await client.get_tree("t", tmp_path / "back", wanted=lambda path, _: path != "d")
    assert back.files == 1
    assert os.listdir(tmp_path / "back") == ["to_file"]


async def test_a_failing_file_does_not_stop_the_tree(tmp_path: Path) -> None:
    class Grudging(FakeServer):
        async def do_RETR(self, talk: Any, argument: str) -> None:
            await (talk.say("550 Permission denied.") if argument.endswith("bad") else talk.do_RETR(argument))

    async with Grudging({"/a": b"1", "/bad": b"2", "/c": b"3"}).running() as server:
        async with quick(server, connections=2) as client:
            seen: list[tuple[int, int | None]] = []
            report = await client.get_tree("", tmp_path / "t", progress=lambda *told: seen.append(told))
    assert report.files == 2
    assert [failure.path for failure in report.failures] == ["bad"]
    assert report.error is not None
    assert report.error.outcome is Outcome.PARTIAL
    assert seen[-1] == (2, 3)
    assert sorted(os.listdir(tmp_path / "t")) == ["a", "c"]


def test_pauses_grow_and_differ() -> None:
    assert [pause(attempt, 0.5) for attempt in (1, 2, 3, 20)] == [0.5, 1.0, 2.0, 30.0]
    assert pause(1, 0.0) < pause(1, 1.0)


async def test_retrying_only_what_can_heal(autojump_clock: object) -> None:
    tries: list[int] = []

    async def failing(attempt: int) -> None:
        tries.append(attempt)
        raise ClientError(Outcome.OTHER, "no", transient=attempt < 5)

    for retries, expected in ((3, [0, 1, 2, 3]), (9, [0, 1, 2, 3, 4, 5]), (0, [0])):
        tries.clear()
        with pytest.raises(ClientError):
            await retrying(failing, retries=retries)
        assert tries == expected
