"""What the server says and does in one case: a right server, with what the case replaces."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conformance.client.session import Session

#: Holds every octet there is and a network line end, so that any conversion shows, up or down.
CONTENT = (bytes(range(256)) + b"\r\n") * 400
#: More than the buffers of two sockets take, so that a sender notices when nobody reads.
LARGE = CONTENT * 160

#: Stands in every hostile name, and one that is absolute.
EVIL = "evil"
ABSOLUTE = f"{tempfile.gettempdir()}/conformance-{EVIL}-{os.getpid()}.bin"

USER, PASSWORD = "tester", "open-sesame"

Answer = bytes | Callable[["Session", bytes], None]


@dataclass(frozen=True)
class Entry:
    """A line of a listing. `kind` is file, dir or link (to `target`)."""

    name: bytes
    kind: str = "file"
    size: int = 0
    target: bytes = b""


def send(session: Session, content: bytes) -> None:
    """RETR and the listings, rightly: 150, the bytes, a clean end, 226."""
    session.say(b"150 Here it comes.\r\n")
    with session.data() as data:
        data.send(content)
    session.say(b"226 Done.\r\n")


def take(session: Session, path: bytes) -> None:
    """STOR, rightly."""
    session.say(b"150 Go on.\r\n")
    with session.data() as data:
        content = data.receive()
    session.keep(path, content)
    session.say(b"226 Done.\r\n")


@dataclass(frozen=True)
class Script:
    """A server. Replies are bytes with their line ends; paths are absolute.

    `answers` replace what a verb does: bytes are said instead, a function does all. `retr`, `stor` and `listing` run
    when the name was found and a data connection was asked for. `entries` lists a directory, None where there is none.
    """

    greeting: Answer = b"220 Ready.\r\n"
    answers: Mapping[str, Answer] = field(default_factory=dict)
    retr: Callable[[Session, bytes], None] = send
    stor: Callable[[Session, bytes], None] = take
    listing: Callable[[Session, bytes], None] = send
    files: Mapping[bytes, bytes] = field(default_factory=lambda: {b"/file.bin": CONTENT})
    entries: Callable[[bytes], list[Entry] | None] | None = None
    home: bytes = b"/"
    features: tuple[bytes, ...] = (b"EPSV", b"MLST type*;size*;modify*;", b"REST STREAM", b"SIZE", b"MDTM", b"UTF8")
    tls: bool = False
    certificate: str = "good"
    data_certificate: str = ""  #: where it is another one
    versions: tuple[str, str] = ("TLSv1_2", "TLSv1_3")
    in_pieces: bool = False  #: replies leave byte by byte
    address: str = "127.0.0.1"
    closes_after: str = ""  #: the verb after whose right answer the control connection ends

    def listed(self, path: bytes, stored: Mapping[bytes, bytes] = MappingProxyType({})) -> list[Entry] | None:
        """The entries of a directory, from the files and what was stored, unless the case says otherwise."""
        if self.entries is not None:
            return self.entries(path)
        base = path.rstrip(b"/") + b"/"
        found: dict[bytes, Entry] = {}
        for name, content in sorted({**stored, **self.files}.items()):
            first, below, _ = name.removeprefix(base).partition(b"/")
            if name.startswith(base):
                found.setdefault(first, Entry(first, "dir") if below else Entry(first, "file", len(content)))
        return list(found.values()) if found or base in (b"/", self.home.rstrip(b"/") + b"/") else None


def unix_line(entry: Entry) -> bytes:
    kind = {"file": b"-rw-r--r--", "dir": b"drwxr-xr-x", "link": b"lrwxrwxrwx"}[entry.kind]
    name = entry.name + (b" -> " + entry.target if entry.kind == "link" else b"")
    return b"%s   1 owner group %10d Jan  2  2024 %s\r\n" % (kind, entry.size, name)


def fact_line(entry: Entry) -> bytes:
    if entry.kind == "link":
        return b"type=OS.unix=slink:%s;modify=20240102030405; %s\r\n" % (entry.target, entry.name)
    size = b"size=%d;" % entry.size if entry.kind == "file" else b""
    return b"type=%s;%smodify=20240102030405; %s\r\n" % (entry.kind.encode(), size, entry.name)
