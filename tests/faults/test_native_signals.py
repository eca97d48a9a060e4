"""SIGTERM while tagged transfers run, to a real process: they end, nothing new begins, and the exit code is 0."""

from __future__ import annotations

import hashlib
import hmac
import os
import random
import re
import signal
import socket
from pathlib import Path

from tests.faults.support import PATIENCE, parts, said, served, session, until
from tests.faults.test_signals import ended, exit_code
from tests.peers.servers import Running

DATA = random.Random(11).randbytes(20_000_000)


class Tagged:
    """A native session, by hand: lines out, replies of tags in."""

    def __init__(self, server: Running) -> None:
        self.server = server
        self.ftp = session(server)
        granted = self.ftp.voidcmd("OPTS FTLITE 1")
        self.facts = dict(re.findall(r"(\w+)=([^;]*);", granted))
        self.held: dict[str, list[str]] = {}

    def say(self, line: str) -> None:
        self.ftp.putcmd(line)

    def hear(self, tag: int) -> str:
        """The next reply of `tag`; what others are told is kept for them."""
        while not self.held.get(str(tag)):
            line = self.ftp.getline()
            found = re.match(r"\d{3} tag=(\d+);", line)
            assert found, line
            self.held.setdefault(found[1], []).append(line)
        return self.held[str(tag)].pop(0)

    def final(self, tag: int) -> str:
        while (line := self.hear(tag)).startswith("150"):
            pass
        return line

    def dial(self, tag: int) -> socket.socket:
        """A proven data connection, greeting read."""
        name = f"{self.facts['id']}.{tag:010}"
        proof = hmac.new(bytes.fromhex(self.facts["key"]), name.encode(), "sha256").hexdigest()
        data = socket.create_connection((self.server.host, self.server.port), timeout=PATIENCE)
        data.sendall(f"DATA {name} {proof}\r\n".encode())
        while data.recv(1) != b"\n":
            pass
        return data

    def put(self, tag: int, name: str, first: bytes) -> socket.socket:
        """An upload of DATA that has begun with `first`."""
        self.say(f"PUT tag={tag};size={len(DATA)}; {name}")
        assert self.hear(tag).startswith("150 ")
        data = self.dial(tag)
        data.sendall(first)
        return data

    def get(self, tag: int, name: str) -> tuple[socket.socket, bytes]:
        """A download that has begun, and what came of it."""
        self.say(f"GET tag={tag}; {name}")
        assert self.hear(tag).startswith("150 ")
        data = self.dial(tag)
        return data, data.recv(1000)


def stated(data: bytes) -> str:
    return f"bytes={len(data)};sha256={hashlib.sha256(data).hexdigest()};"


def test_sigterm_lets_tags_end_and_begins_no_new_ones(tmp_path: Path) -> None:
    with served(tmp_path / "root", extra=["--drain", "60s"]) as server:
        (server.root / "file").write_bytes(DATA)
        client = Tagged(server)
        upward = client.put(1, "new", DATA[:1000])
        downward, got = client.get(2, "file")
        client.say("WAIT tag=3;timeout=600; never")
        client.say("PUT tag=4;size=7; spare")  # taken, but its data connection is yet to come
        assert client.hear(4).startswith("150 ")
        os.kill(server.pid, signal.SIGTERM)
        until(lambda: said(server, "server.drain"), "the drain")

        assert re.match(r"450 tag=3;kind=timeout;", client.final(3))
        client.say("GET tag=5; file")
        assert re.match(r"450 tag=5;kind=too-many;", client.final(5))
        client.say("HASH tag=6; file")
        assert re.match(r"450 tag=6;kind=too-many;", client.final(6))
        with socket.create_connection((server.host, server.port), timeout=PATIENCE) as late:
            assert late.recv(1000).startswith(b"421 ")
        assert not ended(server)

        with client.dial(4) as spare:
            spare.sendall(b"content")
        client.say(f"DONE tag=4;{stated(b'content')}")
        upward.sendall(DATA[1000:])
        upward.close()
        client.say(f"DONE tag=1;{stated(DATA)}")
        while block := downward.recv(1 << 20):
            got += block
        downward.close()
        assert got == DATA
        assert f"226 tag=2;bytes={len(DATA)};" in client.final(2)
        assert client.final(1).startswith("226 ")
        assert client.final(4).startswith("226 ")
        assert exit_code(server) == 0
        assert (server.root / "new").read_bytes() == DATA
        assert (server.root / "spare").read_bytes() == b"content"


def test_the_drain_of_tags_has_an_end_and_their_parts_stay(tmp_path: Path) -> None:
    with served(tmp_path / "root", extra=["--drain", "1s"]) as server:
        (server.root / "file").write_bytes(DATA)
        client = Tagged(server)
        with client.put(1, "new", DATA[:1_000_000]), client.get(2, "file")[0]:
            os.kill(server.pid, signal.SIGTERM)
            assert exit_code(server) == 0
        assert not (server.root / "new").exists()
        assert parts(server.root)
    with served(tmp_path / "root") as server:
        client = Tagged(server)
        client.say(f"PUT tag=1;size={len(DATA)}; new")
        found = re.match(r"150 tag=1;offset=(\d+);sha256=(\w+);", client.hear(1))
        assert found
        offset = int(found[1])
        assert 0 < offset <= 1_000_000
        assert found[2] == hashlib.sha256(DATA[:offset]).hexdigest()
        with client.dial(1) as data:
            data.sendall(DATA[offset:])
        rest = hashlib.sha256(DATA).hexdigest()
        client.say(f"DONE tag=1;bytes={len(DATA) - offset};sha256={rest};")
        assert client.final(1).startswith("226 ")
        assert (server.root / "new").read_bytes() == DATA
        client.ftp.quit()


def test_a_session_without_tags_is_dismissed_at_once(tmp_path: Path) -> None:
    with served(tmp_path / "root", extra=["--drain", "1h"]) as server:
        client = Tagged(server)
        os.kill(server.pid, signal.SIGTERM)
        assert client.ftp.getline().startswith("421 ")
        assert exit_code(server) == 0
