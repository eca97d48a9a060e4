"""A disk of 4 MiB that is full: 452, nothing under the name, room again at once, and exit code 10."""

from __future__ import annotations

import ftplib
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Ftlite
from tests.faults.support import get, parts, put, served, session, settled
from tests.peers.servers import Running

BIG = random.Random(5).randbytes(8_000_000)
DIALECT = pytest.mark.parametrize("dialect", ["stock", "native"])
OLD = b"old content"


@pytest.fixture
def small(tmp_path: Path, mount: Callable[..., None]) -> Path:
    """A mounted tmpfs of 4 MiB."""
    mount(tmp_path / "small", "-t", "tmpfs", "-o", "size=4m", "tmpfs")
    return tmp_path / "small"


@pytest.fixture
def server(small: Path) -> Iterator[Running]:
    with served(small) as server:
        (small / "old").write_bytes(OLD)
        with session(server) as ftp:
            put(ftp, "first", b"x")  # what the store makes at its first use takes room too
            ftp.delete("first")
        yield server


def room(place: Path) -> int:
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize


def upload(ftp: ftplib.FTP, command: str) -> str:
    """The refusal of an upload of `BIG`."""
    try:
        with ftp.transfercmd(command) as connection:
            connection.sendall(BIG)
    except OSError:  # reset under our hands: the reply says why
        pass
    except ftplib.Error as error:
        return str(error)
    with pytest.raises(ftplib.Error) as caught:
        ftp.voidresp()
    return str(caught.value)


def test_an_upload_that_does_not_fit(server: Running) -> None:
    free = room(server.root)
    with session(server) as ftp:
        for name in ("new", "old"):
            assert upload(ftp, f"STOR {name}")[:3] in ("452", "552")
            assert parts(server.root) == []
            assert room(server.root) == free
            assert ftp.pwd() == "/"
        assert upload(ftp, "APPE old")[:3] in ("452", "552")
        assert upload(ftp, "STOU")[:3] in ("452", "552")
        assert ftp.nlst() == ["old"]
        assert get(ftp, "old") == OLD
        assert ftp.sendcmd(f"ALLO {len(BIG)}").startswith("200")
        assert upload(ftp, "STOR new")[:3] in ("452", "552")
        assert parts(server.root) == []
        assert room(server.root) == free
        put(ftp, "new", BIG[:3_000_000])
        assert get(ftp, "new") == BIG[:3_000_000]


def test_a_full_disk_refuses_what_else_wants_room_and_serves_the_rest(server: Running) -> None:
    with (server.root / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError):
        while True:
            filler.write(b"x" * 4096)
    assert room(server.root) == 0
    with session(server) as ftp:
        assert upload(ftp, "STOR new")[:3] in ("452", "552")
        assert get(ftp, "old") == OLD
        assert sorted(ftp.nlst()) == ["filler", "old"]
        ftp.delete("filler")
        put(ftp, "new", OLD)


@DIALECT
@pytest.mark.parametrize("said", ["with its size", "without"])
def test_put_exits_10(
    server: Running, ftlite: Ftlite, monkeypatch: pytest.MonkeyPatch, said: str, dialect: str
) -> None:
    monkeypatch.setenv("FTLITE_DIALECT", dialect)
    monkeypatch.setenv("FTLITE_PASSWORD", server.password)
    monkeypatch.setenv("FTLITE_TLS", "off")
    free = room(server.root)
    Path("big").write_bytes(BIG)
    address = f"ftp://{server.user}@127.0.0.1:{server.port}/new"
    with Path("big").open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        done = ftlite("put", "big" if said == "with its size" else "-", address)  # nobody knows the length of a stream
    assert done.code == 10, done
    assert len(done.err.splitlines()) == 1, done
    settled(server)
    assert sorted(path.name for path in server.root.iterdir()) == [".ftlite", "old"]
    assert room(server.root) == free
    Path("fits").write_bytes(OLD)
    assert ftlite("put", "fits", address).code == 0


@DIALECT
def test_get_onto_a_full_disk_exits_10(
    tmp_path: Path, small: Path, ftlite: Ftlite, monkeypatch: pytest.MonkeyPatch, dialect: str
) -> None:
    monkeypatch.setenv("FTLITE_DIALECT", dialect)
    with served(tmp_path / "root") as server:
        (server.root / "big").write_bytes(BIG)
        (small / "big").write_bytes(OLD)
        monkeypatch.setenv("FTLITE_PASSWORD", server.password)
        monkeypatch.setenv("FTLITE_TLS", "off")
        free = room(small)
        done = ftlite("get", f"ftp://{server.user}@127.0.0.1:{server.port}/big", str(small / "big"))
        assert done.code == 10, done
        assert len(done.err.splitlines()) == 1, done
        assert os.listdir(small) == ["big"]
        assert (small / "big").read_bytes() == OLD
        assert room(small) == free
