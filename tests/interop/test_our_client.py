"""Our client, as library and as command, with vsftpd, ProFTPD, Pure-FTPd, pyftpdlib and, in both dialects, ourselves.

Over TLS, vsftpd and ProFTPD refuse data connections that do not resume the control connection's session; a test here
holds that they do, so that the others mean what they say.
"""

from __future__ import annotations

import filecmp
import ftplib
import signal
import ssl
import time
from pathlib import Path
from typing import Any

import pytest

from tests.interop.conftest import Serve
from tests.interop.deeds import FILES, content, cut_upload, plant_tree, read_tree, sized, stands, stored
from tests.interop.faces import FACES, Command
from tests.interop.tools import PATIENCE, Tool
from tests.peers.servers import SERVERS, Tls

pytestmark = pytest.mark.interop

FACE = pytest.mark.parametrize("face", FACES)
OURS = {f"ftlite {dialect}": dialect for dialect in ("stock", "native")}
SERVER = pytest.mark.parametrize("server", [*(name for name in SERVERS if name != "ftlite"), *OURS])
TLS = pytest.mark.parametrize("tls", [Tls.OFF, Tls.EXPLICIT], ids=["clear", "tls"])


def make(face: str, scratch: Path) -> Tool:
    return FACES[face](scratch)


@pytest.mark.parametrize("server", ["vsftpd", "proftpd"])
def test_the_peer_demands_session_reuse(server: str, serve: Serve) -> None:
    place = serve(server, Tls.EXPLICIT)
    running = place.server
    assert running.certificate is not None
    context = ssl.create_default_context(cafile=running.certificate.authority)
    with ftplib.FTP_TLS(context=context, timeout=20) as ftp:
        ftp.connect(running.host, running.port)
        ftp.login(running.user, running.password)
        ftp.prot_p()
        # ftplib starts a session of its own for data.
        with pytest.raises((ftplib.Error, OSError, EOFError)):
            ftp.retrlines("LIST", lambda line: None)


@FACE
@TLS
@SERVER
def test_put_and_get(server: str, tls: Tls, face: str, serve: Serve, tmp_path: Path) -> None:
    client, place = make(face, tmp_path), serve(server, tls)
    for file in FILES:
        local, back = tmp_path / "source", tmp_path / "back"
        local.write_bytes(sized(file))
        client.put(place.server, local, place.remote(file))
        assert (place.path / file).read_bytes() == sized(file)
        client.get(place.server, place.remote(file), back)
        assert back.read_bytes() == sized(file)
        back.unlink()


@FACE
@TLS
@SERVER
def test_list(server: str, tls: Tls, face: str, serve: Serve, tmp_path: Path) -> None:
    client, place = make(face, tmp_path), serve(server, tls)
    for file in FILES:
        place.write(file, sized(file))
    (place.path / "a directory").mkdir()
    place.give(place.path / "a directory")
    assert client.names(place.server, place.name) == {*FILES, "a directory"}


@TLS
@SERVER
def test_put_and_get_100_mib(server: str, tls: Tls, serve: Serve, large: Path, tmp_path: Path) -> None:
    client, place = make("command", tmp_path), serve(server, tls)
    client.put(place.server, large, place.remote("large.bin"))
    assert filecmp.cmp(place.path / "large.bin", large, shallow=False)
    client.get(place.server, place.remote("large.bin"), tmp_path / "back")
    assert filecmp.cmp(tmp_path / "back", large, shallow=False)
    (place.path / "large.bin").unlink()
    (tmp_path / "back").unlink()


@FACE
@TLS
@SERVER
def test_put_goes_on_after_a_cut(server: str, tls: Tls, face: str, serve: Serve, tmp_path: Path) -> None:
    client, place = make(face, tmp_path), serve(server, tls)
    data = content(server)
    local = tmp_path / "source"
    local.write_bytes(data)
    cut_upload(place.server, place.remote("whole.bin"), data[:200_000])
    assert 0 < stands(place.server, place.remote("whole.bin")) <= 200_000
    client.put(place.server, local, place.remote("whole.bin"), resume=True)
    assert (place.path / "whole.bin").read_bytes() == data


@TLS
@SERVER
def test_get_goes_on_after_kill_9(server: str, tls: Tls, serve: Serve, large: Path, tmp_path: Path) -> None:
    place = serve(server, tls)
    client = Command(tmp_path)
    place.write("large.bin", large.read_bytes())
    target = tmp_path / "down" / "large.bin"
    target.parent.mkdir()
    words = ["--limit-rate", "20M", Command.address(place.server, place.remote("large.bin")), str(target)]
    killed = client.start(place.server, "get", *words)
    _await_growth(target.parent, killed)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=PATIENCE)
    assert not target.exists(), "a part stands under the name"
    assert 0 < stored(target.parent) < large.stat().st_size
    client.get(place.server, place.remote("large.bin"), target, resume=True)
    assert filecmp.cmp(target, large, shallow=False)
    assert [path.name for path in target.parent.iterdir()] == ["large.bin"]
    (place.path / "large.bin").unlink()


@TLS
@SERVER
def test_put_goes_on_after_kill_9(server: str, tls: Tls, serve: Serve, large: Path, tmp_path: Path) -> None:
    place = serve(server, tls)
    client = Command(tmp_path)
    killed = client.start(
        place.server, "put", "--limit-rate", "20M", str(large), Command.address(place.server, place.remote("large.bin"))
    )
    # Not the place alone: ours grows hidden elsewhere below the root.
    _await_growth(place.server.root, killed)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=PATIENCE)
    client.put(place.server, large, place.remote("large.bin"), resume=True)
    assert filecmp.cmp(place.path / "large.bin", large, shallow=False)
    (place.path / "large.bin").unlink()


@FACE
@pytest.mark.parametrize("server", ["vsftpd", "proftpd", *OURS])
def test_implicit_tls(server: str, face: str, serve: Serve, tmp_path: Path) -> None:
    client, place = make(face, tmp_path), serve(server, Tls.IMPLICIT)
    local, back = tmp_path / "source", tmp_path / "back"
    local.write_bytes(content("implicit"))
    client.put(place.server, local, place.remote("file"))
    assert (place.path / "file").read_bytes() == content("implicit")
    client.get(place.server, place.remote("file"), back)
    assert back.read_bytes() == content("implicit")


def _await_growth(directory: Path, growing: Any) -> None:
    deadline = time.monotonic() + PATIENCE
    before = stored(directory)
    while stored(directory) < before + (2 << 20):
        assert growing.poll() is None, growing.communicate()
        assert time.monotonic() < deadline, "nothing arrives"
        time.sleep(0.02)


@FACE
@TLS
@SERVER
def test_a_tree_there_and_back(server: str, tls: Tls, face: str, serve: Serve, tmp_path: Path) -> None:
    client, place = make(face, tmp_path), serve(server, tls)
    files = plant_tree(tmp_path / "source tree")
    client.put_tree(place.server, tmp_path / "source tree", place.remote("a tree"))
    assert read_tree(place.path / "a tree") == files
    client.get_tree(place.server, place.remote("a tree"), tmp_path / "back")
    assert read_tree(tmp_path / "back") == files
