"""Targets that are whole sessions: hostile clients of our server in memory, and hostile servers of our client.

A session ends in time, leaves no descriptor open, meets no fault of its own, and publishes nothing by half.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import re
import socket
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import trio

from ftlite import connect
from ftlite.client import Client
from ftlite.client.errors import ClientError
from ftlite.net.wire import Wire
from ftlite.protocol.native.lines import data_line, proof
from ftlite.server import EventLog, Server
from tests.fuzz.target import Target
from tests.server.support import PASSWORD, config_for

_PATIENCE = 20.0  #: seconds until a session counts as one that hangs
_QUIET = 0.3  #: seconds of a session that waits for something that nobody will send
_REPLY = re.compile(rb"[1-6][0-9][0-9][ -][^\n]*|[ \x00-\xff]*")
_LIMITS = {"failure_delay": 0.0, "accept": 0.2, "stall": 0.5, "prove": 0.2, "stranger": 0.5, "spare": 0.5}


class Broken(AssertionError):
    """What a session must keep was not kept."""


# --- our server -------------------------------------------------------------------------------------------------------


def _server(data: bytes) -> None:
    """The first byte says whether the client is logged in before, speaks natively, or is a stranger; the rest it says.

    Data connections come where the server's replies say, with the input's last line, and take what they are given.
    """
    with _place() as place:
        root = place / "root"
        (root / "dir").mkdir(parents=True)
        (root / "file").write_bytes(b"line one\r\nline two\n" * 40)
        (root / "dir" / "small").write_bytes(b"small")
        os.symlink("/etc/passwd", root / "out")
        log = io.StringIO()
        before = _descriptors()
        trio.run(_converse, root, log, data)
        _none_left_open(before)
        if "session.fault" in log.getvalue():
            raise Broken(log.getvalue())


async def _converse(root: Path, log: io.StringIO, data: bytes) -> None:
    events = EventLog(log)
    server = Server(config_for(root, limits=_LIMITS), events, None)
    mode, said = data[:1], data[1:]
    if mode in b"an" and mode:
        said = b"USER ann\r\nPASS %s\r\n" % PASSWORD.encode() + said
    if mode == b"n":
        said = said.replace(PASSWORD.encode() + b"\r\n", PASSWORD.encode() + b"\r\nOPTS FTLITE 1\r\n", 1)
    payload = data.rpartition(b"\n")[2]
    try:
        with trio.fail_after(_PATIENCE):
            async with trio.open_nursery() as nursery:
                client = _Hostile(server, nursery, payload)
                await client.speak(said + b"\r\nQUIT\r\n")
                # What the client has left behind ends by itself, within its limits.
    except* trio.TooSlowError as slow:
        raise Broken("the session does not end") from slow
    finally:
        server.services.passive.close()
        server.services.store.close()
        events.close()


class _Hostile:
    """Says its piece at once, and opens every data connection that a reply offers."""

    def __init__(self, server: Server, nursery: trio.Nursery, payload: bytes) -> None:
        self._server = server
        self._nursery = nursery
        self._payload = payload
        self._seen = b""
        self._dialled: set[bytes] = set()

    async def speak(self, said: bytes) -> None:
        stream = self._connect()
        async with stream:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send, stream, said)
                await self._hear(stream)
                nursery.cancel_scope.cancel()
        for line in self._seen.split(b"\r\n"):
            if not _REPLY.fullmatch(line):
                raise Broken(f"{line!r} is no line of a reply")

    def _connect(self) -> trio.SocketStream:
        ours, theirs = socket.socketpair()
        serve = partial(self._server.serve, peer="127.0.0.1", local="127.0.0.1")
        self._nursery.start_soon(serve, Wire(theirs))
        ours.setblocking(False)
        return trio.SocketStream(trio.socket.from_stdlib_socket(ours))

    async def _send(self, stream: trio.SocketStream, said: bytes) -> None:
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await stream.send_all(said)

    async def _hear(self, stream: trio.SocketStream) -> None:
        while True:
            block = b""
            with trio.move_on_after(_QUIET), contextlib.suppress(trio.BrokenResourceError):
                block = await stream.receive_some(65536)
            if not block:
                return
            self._seen += block
            self._offered()

    def _offered(self) -> None:
        for found in re.finditer(rb"229 [^\n]*\(\|\|\|(\d+)\|\)|227 [^\n]*?(\d+),(\d+)\)", self._seen):
            port = int(found[1]) if found[1] else int(found[2]) << 8 | int(found[3])
            if found[0] not in self._dialled:
                self._dialled.add(found[0])
                self._nursery.start_soon(self._passive, port)
        for grant in re.finditer(rb"id=([0-9a-f]{16});key=([0-9a-f]{32})", self._seen):
            for tag in range(1, 4):
                line = data_line(
                    grant[1].decode(), tag, proof(bytes.fromhex(grant[2].decode()), grant[1].decode(), tag)
                )
                if line not in self._dialled:
                    self._dialled.add(line)
                    self._nursery.start_soon(self._carry, self._connect(), line)

    async def _passive(self, port: int) -> None:
        with contextlib.suppress(OSError):
            await self._carry(await trio.open_tcp_stream("127.0.0.1", port), b"")

    async def _carry(self, stream: trio.SocketStream, first: bytes) -> None:
        """Send what there is to send, end, and take what comes."""
        async with stream:
            with contextlib.suppress(trio.BrokenResourceError, OSError):
                with trio.move_on_after(_QUIET):
                    await stream.send_all(first + self._payload)
                    await stream.send_eof()
                    while await stream.receive_some(65536):
                        pass


# --- our client -------------------------------------------------------------------------------------------------------


def _client(data: bytes) -> None:
    """The first byte chooses what the client does; the server answers each command with the replies that come next.

    ``%PORT%`` in a reply is a port where the server listens for data; behind an empty line stands what it sends there.
    """
    with _place() as place:
        (place / "here").mkdir()
        (place / "here" / "file").write_bytes(b"ours" * 1000)
        before = _descriptors()
        trio.run(_act, place, data)
        _none_left_open(before)


async def _act(place: Path, data: bytes) -> None:
    script, _, payload = data[1:].partition(b"\n\n")
    deed = _DEEDS[data[0] % len(_DEEDS) if data else 0]
    try:
        with trio.fail_after(_PATIENCE):
            async with trio.open_nursery() as nursery:
                listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
                server = _Scripted(listener, script.splitlines(keepends=True), payload)
                nursery.start_soon(trio.serve_listeners, server.serve, [listener])
                done = False
                with contextlib.suppress(ClientError):
                    async with connect(
                        f"ftp://127.0.0.1:{server.port}", user="a", password="b", tls="off", retries=0,
                        connect_timeout=0.3, stall_timeout=0.3, max_time=3.0,
                    ) as client:  # fmt: skip
                        await deed(client, place)
                        done = True
                nursery.cancel_scope.cancel()
    except* trio.TooSlowError as slow:
        raise Broken("the client does not end") from slow
    if (place / "back").exists() and not done:
        raise Broken("a download that failed has its name")


class _Scripted:
    """Answers whatever it is asked by what comes next in its script."""

    def __init__(self, listener: trio.SocketListener, script: list[bytes], payload: bytes) -> None:
        self.port: int = listener.socket.getsockname()[1]
        self._script = iter(script)
        self._payload = payload

    async def serve(self, stream: trio.SocketStream) -> None:
        """The first connection is the control connection until it is gone; data goes to the same port."""
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async with stream:
                await self._answer(stream)
                while block := await stream.receive_some(4096):
                    if block.startswith(b"DATA "):  # a native data connection, greeted as any
                        await stream.send_all(self._payload)
                        await stream.send_eof()
                        continue
                    for _ in range(block.count(b"\n")):
                        await self._answer(stream)

    async def _answer(self, stream: trio.SocketStream) -> None:
        """One reply as far as the script makes one: lines up to the first that looks like the end of it."""
        for line in self._script:
            if b"%PORT%" in line:
                line = line.replace(b"%PORT%", b"%d" % await self._listen(stream))
            await stream.send_all(line)
            if re.match(rb"[2-6]\d\d ", line):
                return

    async def _listen(self, stream: trio.SocketStream) -> int:
        listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
        trio.lowlevel.spawn_system_task(self._send_data, listener)
        port: int = listener.socket.getsockname()[1]
        return port

    async def _send_data(self, listener: trio.SocketListener) -> None:
        with contextlib.suppress(trio.BrokenResourceError, OSError), trio.move_on_after(1.0):
            async with listener, await listener.accept() as stream:
                await stream.send_all(self._payload)
                await stream.send_eof()
                while await stream.receive_some(65536):
                    pass


async def _list(client: Client, place: Path) -> None:
    await client.list("d")


async def _get(client: Client, place: Path) -> None:
    await client.get("file", place / "back")


async def _put(client: Client, place: Path) -> None:
    await client.put(place / "here" / "file", "file")


async def _stat(client: Client, place: Path) -> None:
    await client.stat("file")
    await client.hash("file")


async def _get_tree(client: Client, place: Path) -> None:
    report = await client.get_tree("d", place / "back")
    if report.error is not None:
        raise report.error


async def _put_tree(client: Client, place: Path) -> None:
    await client.put_tree(place / "here", "d")


async def _names(client: Client, place: Path) -> None:
    await client.mkdir("d", parents=True)
    await client.rename("a", "b")
    await client.wait("b", 0.1)


_DEEDS: tuple[Callable[[Client, Path], Awaitable[None]], ...] = (_list, _get, _put, _stat, _get_tree, _put_tree, _names)


# --- both -------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _place() -> Iterator[Path]:
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=where, prefix="ftlite-fuzz-") as place:
        yield Path(place)


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def _none_left_open(before: int) -> None:
    """What an error's traceback still held goes with the garbage."""
    if _descriptors() > before:
        gc.collect()
    if _descriptors() > before:
        raise Broken("a descriptor stays open")


_LOGIN = b"220 hi\r\n211-f\r\n EPSV\r\n MLST type*;size*;modify*;\r\n SIZE\r\n211 end\r\n331 p\r\n230 in\r\n200 I\r\n"
_NATIVE = (
    b"220 hi\r\n211-f\r\n FTLITE 1 max=4;hash=sha256;comp=zstd;spares=1;\r\n211 end\r\n331 p\r\n230 in\r\n200 I\r\n"
    b"200 FTLITE 1 id=8c6f00112233449a;key=000102030405060708090a0b0c0d0e0f;max=4;spares=0;\r\n"
)

TARGETS: Final[Mapping[str, Target]] = {
    "server": Target(
        _server,
        (
            b"aEPSV\r\nRETR file\r\nPASV\r\nMLSD\r\nSTAT dir\r\nHASH file\r\nSIZE file\r\nMDTM file\r\nx",
            b"aEPSV\r\nSTOR new\r\nRNFR new\r\nRNTO dir/new\r\nEPSV\r\nAPPE dir/new\r\nDELE dir/new\r\npayload",
            b"aMKD a\r\nCWD a\r\nPWD\r\nCDUP\r\nRMD a\r\nTYPE A\r\nEPSV\r\nRETR file\r\nREST 5\r\nRETR file\r\n",
            b"aSITE CHMOD 600 file\r\nMFMT 20240101000000 file\r\nALLO 7\r\nEPSV\r\nSTOR a\r\nABOR\r\nREIN\r\n",
            b"sUSER ann\r\nPASS wrong\r\nAUTH TLS\r\nPORT 127,0,0,1,4,1\r\nLIST\r\nHELP\r\nFEAT\r\nACCT\r\nHOST x\r\n",
            b"sGET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"sDATA 8c6f00112233449a.0000000001\r\n",
            b"nGET tag=1; file\r\nPUT tag=2; new\r\nMLSD tag=3; dir\r\nHASH tag=4; file\r\nWAIT tag=5; x\r\npay",
            b"nPUT tag=1;size=3; n\r\nDONE tag=1;bytes=3;sha256=" + b"0f" * 32 + b";\r\nABOR tag=1;\r\nNOOP\r\nabc",
            b"nGET tag=1;type=tree; dir\r\nPUT tag=2;type=tree; t\r\nDONE tag=2;bytes=0;entries=0;sha256="
            + b"0f" * 32
            + b";\r\nPUT tag=3;failed=1; x\r\nOPTS FTLITE 1\r\n",
        ),
        rounds=20,
        share=6.0,
    ),
    "client": Target(
        _client,
        (
            b"\0" + _LOGIN + b"229 (|||%PORT%|)\r\n150 x\r\n226 y\r\n\n\ntype=file;size=1;modify=20240101000000; a\r\n",
            b"\1" + _LOGIN + b"213 5\r\n213 20240101000000\r\n229 (|||%PORT%|)\r\n150 x\r\n226 y\r\n221 z\r\n\n\nhello",
            b"\2" + _LOGIN + b"229 (|||%PORT%|)\r\n150 x\r\n226 y\r\n213 4000\r\n221 bye\r\n\n\n",
            b"\3" + _LOGIN + b"250-x\r\n type=file;size=5; file\r\n250 end\r\n213 SHA-256 0-5 00 file\r\n",
            b"\4" + _NATIVE + b"150 tag=1;type=tree; d\r\n226 tag=1;bytes=5;entries=0;sha256=00; d\r\n\n\nhello",
            b"\1" + _NATIVE + b"150 tag=1;size=5;version=a; file\r\n226 tag=1;bytes=5;sha256=00; file\r\n\n\nhello",
            b"\2" + _NATIVE + b"150 tag=1;offset=0; file\r\n226 tag=1;bytes=4000;sha256=00; file\r\n\n\n",
            b"\5" + _NATIVE + b"150 tag=1;type=tree;entries=0; d\r\n553 tag=1;kind=exists; d\r\n\n\n",
            b"\6" + _LOGIN + b"257 made\r\n350 on\r\n250 done\r\n550 no\r\n",
        ),
        rounds=20,
        share=6.0,
    ),
}
