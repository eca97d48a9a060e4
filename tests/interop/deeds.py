"""What both directions share: a place on a server, the names and trees that travel, uploads that were cut."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
from pathlib import Path

from attrs import frozen

from tests.interop.tools import ToolFailed, plain_session
from tests.peers.servers import Running

#: What files are called, and how long they are.
FILES = {
    "plain.bin": 70_001,
    "empty.bin": 0,
    "with two  spaces.bin": 4096,
    "größe übung ß.bin": 12_345,
}


@frozen
class Place:
    """A directory on a server, seen from both sides: `path` on this disk, `name` to a client."""

    server: Running
    path: Path
    name: str

    @staticmethod
    def fresh(server: Running, name: str) -> Place:
        place = Place(server, server.root / name, name)
        place.path.mkdir()
        place.give(place.path)
        return place

    def give(self, path: Path) -> None:
        """Hands what a test put there to the server's account."""
        if os.geteuid() == 0:
            owner = self.server.root.stat()
            os.chown(path, owner.st_uid, owner.st_gid)

    def write(self, name: str, data: bytes) -> Path:
        path = self.path / name
        path.write_bytes(data)
        self.give(path)
        return path

    def remote(self, name: str) -> str:
        return f"{self.name}/{name}"


def content(name: str) -> bytes:
    """Bytes that differ from name to name, with every value and every line end in them."""
    seed = name.encode()
    return (bytes(range(256)) + seed + b"\r\n\n\r\xff\xff\x00") * 2000


def sized(name: str) -> bytes:
    data = content(name)[: FILES[name]]
    assert len(data) == FILES[name]
    return data


def plant_tree(top: Path) -> dict[str, bytes]:
    """Makes a small tree; path -> content of each file."""
    files = {
        "a.txt": content("a")[:10_000],
        "empty": b"",
        "sub/with space.bin": content("b")[:5000],
        "sub/deep/größe.bin": content("c")[:300],
    }
    for name, data in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return files


def read_tree(top: Path) -> dict[str, bytes]:
    return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}


def cut_upload(server: Running, remote: str, data: bytes) -> None:
    """Uploads `data` as the beginning of something longer: data and control connection are reset, not closed."""
    with plain_session(server) as ftp:
        ftp.voidcmd("TYPE I")
        connection = ftp.ntransfercmd(f"STOR {remote}")[0]
        before = stored(server.root)
        connection.sendall(data)
        # A reset takes away what the peer has not read yet, so it gets the time to.
        deadline = time.monotonic() + 20
        while _unread(connection) or stored(server.root) <= before:
            assert time.monotonic() < deadline, "nothing of it is stored"
            time.sleep(0.01)
        for cut in (ftp.sock, connection):
            assert cut is not None
            cut.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            cut.close()
        ftp.sock = None
        ftp.quit = lambda: ""  # type: ignore[method-assign]


def stands(server: Running, remote: str, seconds: float = 20.0) -> int:
    """The length that SIZE tells, as soon as it tells one."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with plain_session(server) as ftp:
                ftp.voidcmd("TYPE I")
                return ftp.size(remote) or 0
        except ToolFailed:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def stored(top: Path) -> int:
    """Bytes in all files below `top`: an upload may grow in a hidden place."""
    total = 0
    for path in top.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def _unread(connection: socket.socket) -> int:
    import array
    import fcntl
    import termios

    waiting = array.array("i", [0])
    fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, waiting)
    return waiting[0]
