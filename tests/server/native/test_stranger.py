"""A client written from docs/protocol.md alone: blocking sockets, TLS by memory BIOs, and nothing of ours in it."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import socket
import ssl
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from tests.server.native.support import in_thread, native_server
from tests.server.support import PASSWORD


class Tls:
    """TLS on a socket, by memory BIOs, so that what comes in clear before it can be taken out."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> None:
        self.sock = sock
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._in, self._out, server_hostname="localhost", session=session)

    def push(self) -> None:
        """Send what TLS has to say."""
        if data := self._out.read():
            self.sock.sendall(data)

    def pull(self, before: bytes | None = None) -> None:
        """Hand TLS what comes; `before`: octets that came already."""
        data = self.sock.recv(65536) if before is None else before
        if data:
            self._in.write(data)
        elif before is None:
            self._in.write_eof()

    def handshake(self) -> None:
        while True:
            try:
                self.tls.do_handshake()
                return
            except ssl.SSLWantReadError:
                self.push()
                self.pull()

    def sendall(self, data: bytes) -> None:
        self.tls.write(data)
        self.push()

    def recv(self) -> bytes:
        while True:
            try:
                return self.tls.read(65536)
            except ssl.SSLWantReadError:
                self.push()
                self.pull()
            except ssl.SSLZeroReturnError:  # close_notify; the end of TCP without it is an SSLEOFError
                return b""

    def end(self) -> None:
        """close_notify and FIN (s.3 "End")."""
        with suppress(ssl.SSLWantReadError):  # the other's end comes later
            self.tls.unwrap()
        self.push()
        self.sock.shutdown(socket.SHUT_WR)


class Stranger:
    """A native session over TLS. Blocking; one transfer at a time, which the protocol does not ask for."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname, self._context.verify_mode = False, ssl.CERT_NONE
        sock = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._plain, self._held, self._tag = sock, b"", 0
        self.control: Tls | None = None
        assert self.hear()[0] == 220
        assert self.say("AUTH TLS")[0] == 234
        self.control = Tls(sock, self._context)
        self.control.handshake()
        for line in ("USER ann", f"PASS {PASSWORD}", "PBSZ 0", "PROT P"):
            assert self.say(line)[0] < 400, line
        assert re.search(r"^ FTLITE 1 ", self.say("FEAT")[1], re.MULTILINE)
        granted = re.fullmatch(r"FTLITE 1 (\S+)", self.say("OPTS FTLITE 1")[1])
        assert granted
        facts = dict(fact.split("=", 1) for fact in granted[1].split(";") if fact)
        self._id, self._key = facts["id"], bytes.fromhex(facts["key"])

    def say(self, line: str) -> tuple[int, str]:
        self.send(line)
        return self.hear()

    def send(self, line: str) -> None:
        (self.control or self._plain).sendall(f"{line}\r\n".encode())

    def hear(self) -> tuple[int, str]:
        """One reply: its code, and its text."""
        lines: list[str] = []
        while not lines or not (lines[-1].startswith(lines[0][:3] + " ")):
            while b"\r\n" not in self._held:
                self._held += self.control.recv() if self.control else self._plain.recv(4096)
            line, _, self._held = self._held.partition(b"\r\n")
            lines.append(line.decode())
        return int(lines[0][:3]), "\n".join([lines[0][4:], *lines[1:]])

    def tagged(self, *, final: bool) -> tuple[int, dict[str, str]]:
        """The next reply of our tag that counts: signs of life (s.4 "stage=") are passed over."""
        while True:
            code, text = self.hear()
            facts = dict(fact.split("=", 1) for fact in text.partition(" ")[0].split(";") if fact)
            assert facts.pop("tag") == str(self._tag), text
            if "stage" not in facts and (code >= 200 or not final):
                return code, facts

    def dial(self) -> Tls:
        """The data connection of our tag: data-line, greeting, TLS, PROOF (s.3)."""
        name = f"{self._id}.{self._tag:010}"
        sock = socket.create_connection(("127.0.0.1", self._port), timeout=30)
        sock.sendall(f"DATA {name}\r\n".encode())
        assert self.control is not None
        data = Tls(sock, self._context, self.control.tls.session)
        try:
            data.tls.do_handshake()
        except ssl.SSLWantReadError:
            data.push()  # the ClientHello follows the data-line at once
        head = b""
        while not (greeting := re.match(rb"(\d\d\d) [^\n]*\n|(\d\d\d)-(?s:.*?)\n\2 [^\n]*\n", head)):
            head += sock.recv(4096)
        data.pull(head[greeting.end() :])
        data.handshake()
        proof = hmac.new(self._key, name.encode(), "sha256").hexdigest()
        data.sendall(f"PROOF {proof}\r\n".encode())
        return data

    def get(self, path: str, have: bytes = b"", version: str = "") -> tuple[bytes, str]:
        """The whole file and its version; `have`: what an earlier attempt left of that version."""
        self._tag += 1
        self.send(f"GET tag={self._tag};offset={len(have)};{f'if={version};' if version else ''} {path}")
        data = self.dial()
        code, begun = self.tagged(final=False)
        assert code == 150, begun
        offset, came = int(begun["offset"]), b""
        while block := data.recv():
            came += block
        data.end()
        code, done = self.tagged(final=True)
        whole = have[:offset] + came
        assert code == 226, done
        assert (int(done["bytes"]), offset + len(came)) == (len(came), int(begun["size"]))
        assert hashlib.sha256(whole).hexdigest() == done["sha256"]
        return whole, begun["version"]

    def put(self, path: str, content: bytes, *, most: int | None = None, fresh: bool = False) -> int:
        """Publish `content`; octets that moved. `most`: be cut after so many, which leaves a part."""
        self._tag += 1
        self.send(f"PUT tag={self._tag};size={len(content)};{'fresh=1;' if fresh else ''} {path}")
        data = self.dial()
        code, begun = self.tagged(final=False)
        assert code == 150, begun
        offset = int(begun["offset"])
        if offset and hashlib.sha256(content[:offset]).hexdigest() != begun["sha256"]:
            self.send(f"ABOR tag={self._tag};")  # the part is of another file
            assert self.tagged(final=True)[1]["kind"] == "aborted"
            assert self.hear()[0] == 226
            return self.put(path, content, fresh=True)
        rest = content[offset:][:most]
        data.sendall(rest)
        if most is not None:
            data.sock.shutdown(socket.SHUT_WR)  # no close_notify: cut
            assert self.tagged(final=True) == (426, {"kind": "truncated"})
            return len(rest)
        data.end()
        self.send(f"DONE tag={self._tag};bytes={len(rest)};sha256={hashlib.sha256(content).hexdigest()};")
        code, done = self.tagged(final=True)
        assert code == 226, done
        assert int(done["bytes"]) == len(rest)
        data.recv()  # to the other's end
        return len(rest)


CONTENT = os.urandom(3_000_000)


@pytest.mark.parametrize("path", ["plain", "name with spaces;and=odd", "ünïcode"])
async def test_a_stranger_gets_and_puts(root: Path, path: str) -> None:
    def work(port: int) -> None:
        client = Stranger(port)
        assert client.put(path, CONTENT) == len(CONTENT)
        whole, version = client.get(path)
        assert whole == CONTENT
        assert client.get(path, CONTENT[:1_000_000], version)[0] == CONTENT
        assert client.get(path, b"of another version", "0123456789abcdef")[0] == CONTENT
        assert client.say("PWD")[0] == 257

    async with native_server(root, tls=True) as (box, _):
        with trio.fail_after(60):
            await in_thread(lambda: work(box.port))
    assert (root / path).read_bytes() == CONTENT


async def test_a_stranger_goes_on_with_a_put_that_was_cut(root: Path) -> None:
    def work(port: int) -> None:
        cut = Stranger(port)
        assert cut.put("f", CONTENT, most=2_000_000) == 2_000_000
        assert not (root / "f").exists()
        assert Stranger(port).put("f", CONTENT) == 1_000_000

    async with native_server(root, tls=True) as (box, _):
        with trio.fail_after(60):
            await in_thread(lambda: work(box.port))
    assert (root / "f").read_bytes() == CONTENT


async def test_a_part_of_another_file_is_discarded(root: Path) -> None:
    other = bytes(len(CONTENT))

    def work(port: int) -> None:
        client = Stranger(port)
        client.put("f", other, most=2_000_000)
        assert client.put("f", CONTENT) == len(CONTENT)

    async with native_server(root, tls=True) as (box, _):
        with trio.fail_after(60):
            await in_thread(lambda: work(box.port))
    assert (root / "f").read_bytes() == CONTENT
