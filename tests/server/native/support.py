"""A hand-written client of the native dialect over real sockets, in clear and over TLS; it uses nothing of ours.

Facts are read with a regular expression, digests are hashlib's, TLS is Python's: a mistake of our own code cannot
hide here.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import trio
from attrs import define, field, frozen

from ftlite.config.models import TlsConfig, TlsMode
from ftlite.net.tls import ServerTls, ensure_self_signed
from tests.server.support import Box, Talker, serving

T = TypeVar("T")
PATIENCE = 30.0  #: seconds until a test gives up: much more than anything here takes


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@frozen
class Line:
    """A tagged reply."""

    code: int
    facts: dict[str, str]
    text: str

    @property
    def tag(self) -> int:
        return int(self.facts["tag"])

    @property
    def kind(self) -> str:
        return self.facts.get("kind", "")


def parse(code: int, text: str) -> Line:
    found = re.fullmatch(r"\d{3} ((?:[^ ;=]+=[^ ;]*;)*)(?: (.*))?", text)
    assert found, text
    facts = dict(fact.split("=", 1) for fact in found[1].split(";") if fact)
    return Line(code, facts, found[2] or "")


@define
class Native:
    """A native session: says commands, hears replies of tags, dials data connections."""

    talker: Talker
    port: int
    id: str
    key: bytes
    context: ssl.SSLContext | None = None
    implicit: bool = False
    _next: int = 0
    _held: dict[int, list[Line]] = field(factory=dict)
    plain: list[tuple[int, str]] = field(factory=list)

    def tag(self) -> int:
        self._next += 1
        return self._next

    async def send(self, line: str | bytes) -> None:
        await self.talker.send(line)

    async def hear(self, tag: int) -> Line:
        """The next reply of `tag`; what belongs to others is kept for them."""
        with trio.fail_after(PATIENCE):
            while not self._held.get(tag):
                await self._hear_one()
        return self._held[tag].pop(0)

    async def final(self, tag: int) -> Line:
        """The last reply of `tag`; those before it are passed over."""
        while (line := await self.hear(tag)).code < 200:
            pass
        return line

    async def ask(self, line: str) -> tuple[int, str]:
        """An untagged command and its reply."""
        await self.send(line)
        with trio.fail_after(PATIENCE):
            while not self.plain:
                await self._hear_one()
        return self.plain.pop(0)

    async def _hear_one(self) -> None:
        code, text = await self.talker.hear()
        if text[4:8] == "tag=":
            line = parse(code, text)
            self._held.setdefault(line.tag, []).append(line)
        else:
            self.plain.append((code, text))

    def proof(self, tag: int) -> str:
        return hmac.new(self.key, f"{self.id}.{tag:010}".encode(), "sha256").hexdigest()

    def dial(self, tag: int, *, proof: str | None = None, id: str | None = None) -> socket.socket:
        """A proven data connection, greeting read; blocks. `proof` and `id` replace what is right."""
        said = self.proof(tag) if proof is None else proof
        line = f"DATA {id or self.id}.{tag:010}"
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        try:
            if self.context is None:
                sock.sendall(f"{line} {said}\r\n".encode())
                self._skip_greeting(sock)
                return sock
            sock.sendall(f"{line}\r\n".encode())
            self._skip_greeting(sock)
            tls = self.context.wrap_socket(sock, server_hostname="localhost", suppress_ragged_eofs=False)
            tls.sendall(f"PROOF {said}\r\n".encode())
            return tls
        except BaseException:
            sock.close()
            raise

    def _skip_greeting(self, sock: socket.socket) -> None:
        if self.implicit:
            return
        greeting = b""
        while not greeting.endswith(b"\r\n"):  # ours has one line
            octet = sock.recv(1)
            if not octet:
                raise ConnectionResetError(greeting)
            greeting += octet

    async def dialled(self, tag: int, **changes: Any) -> socket.socket:
        return await in_thread(lambda: self.dial(tag, **changes))

    async def refused(self, tag: int, **changes: Any) -> bool:
        """Whether a data connection is closed without a byte of content, during the handshake perhaps."""

        def work() -> bool:
            try:
                return is_closed(self.dial(tag, **changes))
            except (ConnectionError, ssl.SSLError):
                return True

        return await in_thread(work)

    async def has_early(self, box: Box, tag: int) -> None:
        """Wait until the server keeps a proven data connection for `tag`."""
        native = box.server.services.natives[self.id]
        await until(lambda: tag in native._early)

    async def get(self, path: str, facts: str = "") -> tuple[Line, bytes, Line]:
        """GET: the 150, the content, the final reply. Refused: the final reply twice, and nothing."""
        tag = self.tag()
        await self.send(f"GET tag={tag};{facts} {path}")
        first = await self.hear(tag)
        if first.code >= 200:
            return first, b"", first
        sock = await self.dialled(tag)
        data = await in_thread(partial(read_all, sock))
        return first, data, await self.final(tag)

    async def put(self, path: str, data: bytes, facts: str = "") -> Line:
        """PUT of all of `data`: the final reply."""
        tag = self.tag()
        await self.send(f"PUT tag={tag};size={len(data)};{facts} {path}")
        first = await self.hear(tag)
        if first.code >= 200:
            return first
        rest = data[int(first.facts["offset"]) :]
        sock = await self.dialled(tag)
        await in_thread(lambda: write_all(sock, rest))
        await self.send(f"DONE tag={tag};bytes={len(rest)};sha256={sha256(data)};")
        return await self.final(tag)


async def in_thread(work: Callable[[], T]) -> T:
    return await trio.to_thread.run_sync(work, abandon_on_cancel=True)


def read_all(sock: socket.socket) -> bytes:
    """Everything to the clean end, then ours."""
    data = bytearray()
    while block := sock.recv(65536):
        data += block
    end(sock)
    return bytes(data)


def write_all(sock: socket.socket, data: bytes) -> None:
    """Everything, our end, and the server's."""
    sock.sendall(data)
    end(sock)


def end(sock: socket.socket) -> None:
    """Our end, and wait for the server's."""
    plain = sock.unwrap() if isinstance(sock, ssl.SSLSocket) else sock
    with plain:
        plain.shutdown(socket.SHUT_WR)
        while plain.recv(65536):
            pass


def is_closed(sock: socket.socket) -> bool:
    """Whether the server closes without a byte of content; blocks until it says one or the other."""
    with sock:
        try:
            return sock.recv(1) == b""
        except (ConnectionError, ssl.SSLError):
            return True


async def closed(sock: socket.socket) -> bool:
    return await in_thread(partial(is_closed, sock))


async def until(condition: Callable[[], object]) -> None:
    """Wait for `condition`."""
    with trio.fail_after(PATIENCE):
        while not condition():
            await trio.sleep(0.01)


async def native(box: Box, *, context: ssl.SSLContext | None = None, user: str = "ann") -> Native:
    """A logged-in native session on a new connection."""
    talker = await box.connect()
    if context is not None:
        await talker.encrypt(context)
    await talker.log_in(user)
    return await switched(box, talker, context)


async def switched(box: Box, talker: Talker, context: ssl.SSLContext | None = None) -> Native:
    code, text = await talker.ask("OPTS FTLITE 1")
    assert code == 200, text
    found = re.fullmatch(r"200 FTLITE 1 id=([0-9a-f]{16});key=([0-9a-f]{32});max=(\d+);spares=(\d+);", text)
    assert found, text
    return Native(talker, box.port, found[1], bytes.fromhex(found[2]), context)


@asynccontextmanager
async def native_server(root: Path, *, tls: bool = False, **changes: Any) -> AsyncIterator[tuple[Box, Native]]:
    """A server and a native session with it, in clear or over TLS."""
    pair, context = None, None
    if tls:
        pair = ServerTls(*ensure_self_signed(root.parent / "state"), root.parent / "state")
        changes.setdefault("tls", TlsConfig(mode=TlsMode.REQUIRED))
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with serving(root, pair=pair, **changes) as box:
        yield box, await native(box, context=context)


def logged(box: Box, text: str) -> bool:
    """Whether the log says `text`; it is written ten times a second."""
    return text in box.log.getvalue()
