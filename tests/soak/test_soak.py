"""The short form of the soak; `make soak` is the long one."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.soak.clients import connected
from tests.soak.contents import NotWhole, check_file, check_tree, make_file, make_tree
from tests.soak.soak import soak


def test_contents_tell_whether_they_are_whole(tmp_path: Path) -> None:
    import random

    chance = random.Random(1)
    make_file(tmp_path / "one", chance, 1000)
    make_file(tmp_path / "two", chance, 1000)
    one, two = (tmp_path / "one").read_bytes(), (tmp_path / "two").read_bytes()
    check_file(one, "one")
    for broken in (one[:-1], b"", one[:500] + two[500:], one + b"x"):
        with pytest.raises(NotWhole):
            check_file(broken, "broken")
    make_tree(tmp_path / "tree", chance)
    check_tree(tmp_path / "tree")
    make_file(tmp_path / "tree" / "d0" / "file0", chance, 10)
    with pytest.raises(NotWhole):
        check_tree(tmp_path / "tree")


def test_who_has_a_connection_may_wait_for_us() -> None:
    script = "import socket, sys; at = sys.argv[1]; one = at and socket.create_connection(('127.0.0.1', int(at)))\n"
    script += "print('ready', flush=True); sys.stdin.read()"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for port in ("", str(listener.getsockname()[1])):
            command = [sys.executable, "-c", script, port]
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
                assert process.stdout is not None
                process.stdout.readline()
                assert connected(process.pid) is bool(port)
                process.communicate()


@pytest.mark.timeout(240)
def test_a_short_soak() -> None:
    with tempfile.TemporaryDirectory(prefix="ftlite-soak-") as place:
        report = soak(Path(place), 10.0, 959)
    assert not report.wrong, report.wrong
    assert report.looks
    assert any(name.startswith("ftlite put native: well") for name in report.done), report.done
