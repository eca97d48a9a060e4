"""known_servers as a file."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from ftlite.client.errors import ClientError, Outcome
from ftlite.client.known import KnownServers, server_name

PIN = "sha256//" + "A" * 43 + "="
TODAY = time.strftime("since=%Y-%m-%d", time.gmtime())


def test_names() -> None:
    assert server_name("Host.Example.", 21) == "host.example:21"
    assert server_name("2001:DB8::1", 990) == "[2001:db8::1]:990"


def test_lines_of_others_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "known"
    path.write_text(f"# mine\nh:21 ca later-word\n\nbroken\nz:1 later {PIN}\n")
    known = KnownServers(path)
    assert known.look_up("h:21") == "ca"
    assert known.look_up("z:1") == PIN
    assert known.look_up("broken") is None
    known.record("new:21", PIN)
    assert path.read_text() == f"# mine\nh:21 ca later-word\n\nbroken\nz:1 later {PIN}\nnew:21 {PIN} {TODAY}\n"


def test_recording_never_changes_what_stands(tmp_path: Path) -> None:
    known = KnownServers(tmp_path / "known", accept_new=True)
    known.record("h:21", "ca")
    known.record("h:21", "ca")
    with pytest.raises(ClientError) as caught:
        known.record("h:21", PIN)
    assert caught.value.outcome is Outcome.PIN
    assert known.path.read_text() == f"h:21 ca {TODAY}\n"


def test_native_stands_behind_the_verdict_that_stands(tmp_path: Path) -> None:
    known = KnownServers(tmp_path / "known", accept_new=True)
    known.path.write_text(f"# h:21 native\nh:21 ca later-word\nz:1 {PIN}\n")
    assert not known.was_native("h:21")
    for _ in range(2):
        known.record_native("H:21".lower())
    known.record_native("never-met:21")
    assert known.was_native("h:21")
    assert not known.was_native("z:1")
    assert not known.was_native("never-met:21")
    assert known.path.read_text() == f"# h:21 native\nh:21 ca later-word native\nz:1 {PIN}\n"
    known.record("h:21", "ca")
    with pytest.raises(ClientError):
        known.record("h:21", PIN)
    assert known.was_native("h:21")
    assert known.look_up("h:21") == "ca"


def test_many_writers_lose_nothing(tmp_path: Path) -> None:
    known = KnownServers(tmp_path / "a" / "known")
    writers = [threading.Thread(target=known.record, args=(f"h{number}:21", PIN)) for number in range(20)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(known.path.read_text().splitlines()) == sorted(f"h{number}:21 {PIN} {TODAY}" for number in range(20))


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "known").mkdir()
    with pytest.raises(ClientError, match="known"):
        KnownServers(tmp_path / "known").look_up("h:21")
    (tmp_path / "file").touch()
    with pytest.raises(ClientError, match="known"):
        KnownServers(tmp_path / "file" / "known").record("h:21", PIN)
