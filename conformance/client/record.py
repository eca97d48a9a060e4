"""What was seen while a client ran: commands, data connections, and what the client left."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from conformance.client.script import Script


class Deed(enum.Enum):
    """What the client is told to do; recipes have a command for each.

    `RESUME` follows a `GET` that was cut. `TRUST` fetches as `GET` does and remembers the server's key, for clients
    that trust on first use; it is called twice.
    """

    GET = "get"
    PUT = "put"
    LIST = "list"
    TREE = "tree"
    RESUME = "resume"
    TRUST = "trust"


@dataclass(frozen=True)
class Heard:
    """One command line, without its line end. `ahead`: it came before the answer to the one before it."""

    session: int
    line: bytes
    ending: bytes
    secured: bool
    ahead: bool

    @property
    def verb(self) -> str:
        return self.line.partition(b" ")[0].decode("ascii", "replace").upper()


@dataclass
class DataSeen:
    """One data connection. `clean`: the client's bytes ended by FIN, and with close_notify under TLS."""

    secured: bool = False
    upload: bool = False
    resumed: bool = False
    clean: bool = False
    fault: str = ""


@dataclass
class Record:
    """All sessions of one case together."""

    heard: list[Heard] = field(default_factory=list)
    data: list[DataSeen] = field(default_factory=list)
    stored: dict[bytes, bytes] = field(default_factory=dict)
    sessions: int = 0
    misled: int = 0  #: connections to an address that only the server named
    early: bytes = b""  #: what came before the greeting

    def verbs(self) -> list[str]:
        return [heard.verb for heard in self.heard]

    def lines(self, verb: str) -> list[Heard]:
        return [heard for heard in self.heard if heard.verb == verb]


@dataclass(frozen=True)
class Run:
    """How the command ended. `killed`: not by itself."""

    exit: int
    seconds: float
    killed: bool
    out: bytes
    err: bytes

    @property
    def last_words(self) -> str:
        said = (self.err.strip() or self.out.strip()).decode("utf-8", "backslashreplace")
        line = said.rpartition("\n")[2].strip()
        return line if len(line) <= 160 else line[:157] + "..."


@dataclass(frozen=True)
class Seen:
    """What a judge looks at.

    `left`: what stands under the name that a download was to get. `content`: what it should have brought, or what an
    upload was to send. `tree`: what a tree brought, by relative path. `strays`: what was written elsewhere.
    """

    script: Script
    record: Record
    run: Run
    deed: Deed
    content: bytes
    left: bytes | None = None
    tree: Mapping[str, bytes] = field(default_factory=dict)
    strays: tuple[str, ...] = ()
