"""Our server with the clients that people have: curl, lftp, ncftp, tnftp, wget, rclone, ftplib."""

from __future__ import annotations

import filecmp
from pathlib import Path

import pytest

from tests.interop.conftest import Serve
from tests.interop.deeds import FILES, content, cut_upload, plant_tree, read_tree, sized, stands
from tests.interop.tools import TOOLS, Tool, plain_session
from tests.peers.servers import Tls

pytestmark = pytest.mark.interop


def ways(*needs: str, once: bool = False) -> list[object]:
    """Each tool that can do what is needed, in clear and over TLS; `once`: only the stricter way of each."""
    found = []
    for name, tool in TOOLS.items():
        modes = [Tls.OFF, Tls.EXPLICIT] if "tls" in tool.can else [Tls.OFF]
        if tool.can.issuperset(needs):
            found += [pytest.param(name, tls, id=f"{name}-{tls.value}") for tls in (modes[-1:] if once else modes)]
    return found


def make(name: str, scratch: Path) -> Tool:
    tool = TOOLS[name](scratch)
    if reason := tool.missing():
        pytest.skip(reason)
    return tool


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(("name", "tls"), ways("put"))
def test_put(name: str, tls: Tls, file: str, serve: Serve, tmp_path: Path) -> None:
    tool, place = make(name, tmp_path), serve("ftlite", tls)
    local = tmp_path / "source"
    local.write_bytes(sized(file))
    tool.put(place.server, local, place.remote(file))
    assert (place.path / file).read_bytes() == sized(file)
    assert [path.name for path in place.path.iterdir()] == [file]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(("name", "tls"), ways())
def test_get(name: str, tls: Tls, file: str, serve: Serve, tmp_path: Path) -> None:
    tool, place = make(name, tmp_path), serve("ftlite", tls)
    place.write(file, sized(file))
    local = tmp_path / "target"
    tool.get(place.server, place.remote(file), local)
    assert local.read_bytes() == sized(file)


@pytest.mark.parametrize(("name", "tls"), ways())
def test_list(name: str, tls: Tls, serve: Serve, tmp_path: Path) -> None:
    tool, place = make(name, tmp_path), serve("ftlite", tls)
    for file in FILES:
        place.write(file, sized(file))
    (place.path / "a directory").mkdir()
    listed = tool.names(place.server, place.name)
    assert {entry.rstrip("/@*") for entry in listed} == {*FILES, "a directory"}


@pytest.mark.parametrize(("name", "tls"), ways("put", once=True))
def test_put_and_get_100_mib(name: str, tls: Tls, serve: Serve, large: Path, tmp_path: Path) -> None:
    tool, place = make(name, tmp_path), serve("ftlite", tls)
    tool.put(place.server, large, place.remote("large.bin"))
    assert filecmp.cmp(place.path / "large.bin", large, shallow=False)
    tool.get(place.server, place.remote("large.bin"), tmp_path / "back")
    assert filecmp.cmp(tmp_path / "back", large, shallow=False)
    (place.path / "large.bin").unlink()


@pytest.mark.parametrize(("name", "tls"), ways("get_resumed"))
def test_get_goes_on_after_a_cut(name: str, tls: Tls, serve: Serve, tmp_path: Path) -> None:
    tool, place = make(name, tmp_path), serve("ftlite", tls)
    data = content(name)
    place.write("whole.bin", data)
    local = tmp_path / "whole.bin"
    # A wrong first byte shows who did not go on but began again.
    local.write_bytes(b"!" + data[1:200_000])
    tool.get(place.server, place.remote("whole.bin"), local, resume=True)
    assert local.read_bytes() == b"!" + data[1:]


@pytest.mark.parametrize(("name", "tls"), ways("put_resumed"))
def test_put_goes_on_after_a_cut(name: str, tls: Tls, serve: Serve, tmp_path: Path) -> None:
    tool, place = make(name, tmp_path), serve("ftlite", tls)
    data = content(name)
    local = tmp_path / "whole.bin"
    local.write_bytes(data)
    cut_upload(place.server, place.remote("whole.bin"), b"!" + data[1:200_000])
    assert 0 < (there := stands(place.server, place.remote("whole.bin"))) <= 200_000
    assert not (place.path / "whole.bin").exists()
    tool.put(place.server, local, place.remote("whole.bin"), resume=True)
    assert (place.path / "whole.bin").read_bytes() == b"!" + data[1:], f"after {there} bytes"


@pytest.mark.parametrize(("name", "tls"), ways("get_tree"))
def test_get_a_tree(name: str, tls: Tls, serve: Serve, tmp_path: Path) -> None:
    tool, place = make(name, tmp_path), serve("ftlite", tls)
    files = plant_tree(place.path / "a tree")
    tool.get_tree(place.server, place.remote("a tree"), tmp_path / "back")
    assert read_tree(tmp_path / "back") == files


@pytest.mark.parametrize(("name", "tls"), ways("put_tree"))
def test_put_a_tree(name: str, tls: Tls, serve: Serve, tmp_path: Path) -> None:
    tool, place = make(name, tmp_path), serve("ftlite", tls)
    files = plant_tree(tmp_path / "source tree")
    tool.put_tree(place.server, tmp_path / "source tree", place.remote("there"))
    assert read_tree(place.path / "there") == files


@pytest.mark.parametrize("name", [name for name, tool in TOOLS.items() if "implicit" in tool.can])
def test_implicit_tls(name: str, serve: Serve, tmp_path: Path) -> None:
    tool, place = make(name, tmp_path), serve("ftlite", Tls.IMPLICIT)
    local = tmp_path / "source"
    local.write_bytes(content("implicit"))
    if "put" in tool.can:
        tool.put(place.server, local, place.remote("file"))
        assert (place.path / "file").read_bytes() == content("implicit")
    place.write("other", content("implicit"))
    tool.get(place.server, place.remote("other"), tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content("implicit")


@pytest.mark.parametrize("tls", [Tls.OFF, Tls.EXPLICIT], ids=["clear", "tls"])
def test_a_cut_upload_is_seen_by_nobody(tls: Tls, serve: Serve) -> None:
    place = serve("ftlite", tls)
    place.write("old.bin", b"old")
    cut_upload(place.server, place.remote("old.bin"), content("new")[:100_000])
    with plain_session(place.server) as ftp:
        assert [name for name, _ in ftp.mlsd(place.name) if name not in (".", "..")] == ["old.bin"]
    assert (place.path / "old.bin").read_bytes() == b"old"
