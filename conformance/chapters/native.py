"""A client of the native dialect as docs/protocol.md describes it, for the cases about it: small, and made of nothing
else."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import re
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from conformance.data import Data
from conformance.place import Place, place
from conformance.registry import Failed, Skipped
from conformance.wire import Closed, Reply, Target, TlsMode

TEXT = b"hello native world\n" * 50  #: what most cases move
_REPLY = re.compile(rb"(\d{3})(?: tag=(\d{1,10});)?((?:(?<=;)| )(?:[A-Za-z0-9.-]+=[^ ;]+;)*)(?: (.*))?", re.DOTALL)
_FEATURE = re.compile(rb"FTLITE 1(?: ((?:[A-Za-z0-9.-]+=[^ ;]+;)+))?")
_GRANTED = re.compile(rb"200 FTLITE 1 ((?:[A-Za-z0-9.-]+=[^ ;]+;)+)")


@dataclass(frozen=True)
class Answer:
    """A reply in native mode: its tag (None: untagged), facts, and what stands behind them."""

    code: int
    tag: int | None
    facts: Mapping[str, str]
    text: bytes
    shown: str

    @property
    def kind(self) -> str:
        return self.facts.get("kind", "")


def read_facts(text: bytes) -> dict[str, str]:
    """`a=b;c=d;` as a dictionary. Failed for a fact given twice with two values."""
    facts: dict[str, str] = {}
    for each in text.strip(b" ").split(b";")[:-1]:
        name, _, value = each.decode("utf-8", "surrogateescape").partition("=")
        if facts.setdefault(name.lower(), value) != value:
            raise Failed(f"the fact {name} is given twice, and differs")
    return facts


def read_answer(reply: Reply) -> Answer:
    """Failed when the reply is not of the form of s.4."""
    line = reply.lines[0]
    if b" tag=" not in line[:8]:
        return Answer(reply.code, None, {}, line[4:], reply.shown)
    found = _REPLY.fullmatch(line)
    if len(reply.lines) != 1 or not found:
        raise Failed(f"{reply.shown} is not one line of code, tag, facts and text")
    return Answer(reply.code, int(found[2]), read_facts(found[3]), found[4] or b"", reply.shown)


@dataclass
class Native:
    """A session in native mode, in a place of its own."""

    here: Place
    target: Target
    id: str
    key: bytes
    most: int
    spares: int
    _last: int = 0
    _waiting: list[Answer] = field(default_factory=list)

    def tag(self) -> int:
        self._last += 1
        return self._last

    def send(self, line: str | bytes) -> None:
        self.here.wire.send((line.encode("utf-8", "surrogateescape") if isinstance(line, str) else line) + b"\r\n")

    def answer(self, tag: int | None) -> Answer:
        """The next reply of that tag (None: untagged); those of others wait."""
        for each in self._waiting:
            if each.tag == tag:
                self._waiting.remove(each)
                return each
        while (each := read_answer(self.here.wire.reply())).tag != tag:
            self._waiting.append(each)
        return each

    def final(self, tag: int) -> Answer:
        """The final reply of a tag, behind whatever it says before."""
        while (each := self.answer(tag)).code < 200:
            pass
        return each

    def begun(self, tag: int) -> Answer:
        """The 150 that begins a transfer (no stage), or what refuses it."""
        while "stage" in (each := self.answer(tag)).facts:
            pass
        return each

    def ask(self, line: str) -> tuple[int, Answer]:
        """Sends `VERB rest` under a fresh tag; its final reply. For what has no data connection, or is refused."""
        tag, (verb, _, rest) = self.tag(), line.partition(" ")
        self.send(f"{verb} tag={tag};{rest}")
        return tag, self.final(tag)

    def proof(self, tag: int) -> str:
        return hmac.new(self.key, f"{self.id}.{tag:010}".encode(), hashlib.sha256).hexdigest()

    @property
    def secured(self) -> bool:
        return self.here.wire.protected

    def dial(self, tag: int, *, proof: str | None = None, known_as: str | None = None) -> Data:
        """A data connection for `tag`, proven; `proof` and `known_as` (in place of the id) are for wrong ones."""
        proof = self.proof(tag) if proof is None else proof
        line = f"DATA {known_as or self.id}.{tag:010}" + ("" if self.secured or not proof else f" {proof}") + "\r\n"
        connection = self.plain(line.encode())
        data = Data(connection, self.here.wire)
        if self.secured:
            data.secure()
            data.send(f"PROOF {proof}\r\n".encode())
        return data

    def plain(self, line: bytes) -> socket.socket:
        """A connection that has said `line` and, where there is one, heard the greeting."""
        connection = socket.create_connection((self.target.host, self.target.port), timeout=self.here.wire.seconds())
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            connection.sendall(line)
            if self.target.tls is not TlsMode.IMPLICIT:
                self._greeting(connection)
        except OSError:
            connection.close()
            raise
        return connection

    def _greeting(self, connection: socket.socket) -> None:
        """Skips one reply and takes no byte more: TLS follows it."""
        first = line = _line(connection)
        while line[:3] == first[:3] and first[3:4] == b"-" and line[3:4] != b" ":
            line = _line(connection)

    def get(self, path: str, facts: str = "") -> tuple[Answer, bytes, Answer]:
        """GET: the 150, the content, the final reply. What is refused is all three at once, with no content."""
        tag = self.tag()
        self.send(f"GET tag={tag};{facts} {path}")
        begun = self.begun(tag)
        if begun.code != 150:
            return begun, b"", begun
        data = self.dial(tag)
        content = data.receive_all()
        if not data.clean:
            raise Failed("the data connection ended without close_notify")
        data.end()
        return begun, content, self.final(tag)

    def put(
        self, path: str, content: bytes, facts: str = "", *, done: str | None = None, whole: bytes | None = None
    ) -> tuple[Answer, Answer]:
        """PUT: the 150 and the final reply. `done` are other facts of DONE than the right ones; `whole` the file that
        `content` is the rest of."""
        tag = self.tag()
        self.send(f"PUT tag={tag};{facts} {path}")
        begun = self.begun(tag)
        if begun.code != 150:
            return begun, begun
        self.fill(tag, content)
        self.send(f"DONE tag={tag};" + (done or f"bytes={len(content)};sha256={sha256(whole or content)};"))
        return begun, self.final(tag)

    def fill(self, tag: int, content: bytes) -> None:
        """Sends `content` over a data connection of the tag, and ends it."""
        data = self.dial(tag)
        with contextlib.suppress(Closed):  # the final reply tells why
            data.send(content)
        data.end()

    def abort(self, tag: int) -> Answer:
        """ABOR of a tag that runs: its own final reply; the one of ABOR is read too."""
        self.send(f"ABOR tag={tag};")
        own = self.final(tag)
        self.answer(None)
        return own


def _line(connection: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            raise Closed("the data connection ended in the greeting")
        line += byte
    return line


def ended(data: Data, seconds: float = 3.0) -> bool:
    """Whether the server closes the data connection in that time and sends no content."""
    deadline = time.monotonic() + seconds
    with contextlib.suppress(OSError, Closed):
        while time.monotonic() < deadline:
            data.socket.settimeout(max(deadline - time.monotonic(), 0.01))
            try:
                got = data.socket.recv(4096)
            except TimeoutError:
                return False
            if got:
                raise Failed(f"the data connection brings {got[:40]!r}")
            return True
        return False
    return True


def fetched(session: Native, path: str) -> None:
    """Failed unless GET brings `TEXT`."""
    begun, content, final = session.get(path)
    if final.code != 226 or content != TEXT:
        raise Failed(f"GET is answered {begun.shown}, {final.shown} and {len(content)} bytes")


def put_file(session: Native, path: str = "file", content: bytes = TEXT, facts: str = "") -> Answer:
    """A PUT that has to work."""
    final = session.put(path, content, facts)[1]
    if final.code != 226:
        raise Failed(f"PUT is answered {final.shown}")
    return final


def absent(session: Native, path: str = "file") -> None:
    """Failed when `path` can be read."""
    if session.here.exists(path):
        raise Failed(f"{path} can be read, and should have no name yet")


def is_refusal(answer: Answer, code: int, kind: str, what: str) -> None:
    """Failed unless `answer` has this code and kind."""
    if (answer.code, answer.kind) != (code, kind):
        raise Failed(f"{what} is answered {answer.shown}, and {code} kind={kind} was due")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def offer(here: Place) -> dict[str, str]:
    """The facts of FEAT's FTLITE line. Skipped when there is none."""
    reply = here.known("FEAT")
    for line in reply.lines[1:-1]:
        if line.startswith(b" FTLITE "):
            found = _FEATURE.fullmatch(line[1:])
            if not found:
                raise Failed(f"FEAT lists {line!r}")
            return read_facts(found[1] or b"")
    raise Skipped("the native dialect is not offered")


def switch_on(here: Place, target: Target) -> Native:
    """OPTS FTLITE 1. Skipped where the dialect is not offered; Failed when the answer is not of its form (s.2)."""
    offer(here)
    reply = here.command("OPTS FTLITE 1")
    found = _GRANTED.fullmatch(reply.lines[0])
    if not found:
        raise Failed(f"OPTS FTLITE 1 is answered {reply.shown}")
    facts = read_facts(found[1])
    if not re.fullmatch("[0-9a-f]{16}", facts.get("id", "")) or not re.fullmatch("[0-9a-f]{32}", facts.get("key", "")):
        raise Failed(f"OPTS FTLITE 1 is answered {reply.shown}, without an id and a key of their form")
    most, spares = facts.get("max", "1"), facts.get("spares", "0")
    return Native(here, target, facts["id"], bytes.fromhex(facts["key"]), int(most), int(spares))


@contextlib.contextmanager
def native(target: Target) -> Iterator[Native]:
    """A session in native mode, in a directory of its own."""
    with place(target) as here:
        yield switch_on(here, target)
