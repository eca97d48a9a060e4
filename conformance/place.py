"""A directory of a case's own on the server, made for it and removed after it, with what cases do in one."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from conformance.data import Outcome, download, upload
from conformance.registry import Failed, Skipped
from conformance.wire import Reply, Target, Wire

_numbers = itertools.count(1)
_SETTLING = 1.0  #: seconds for a server to be done with its last command
_CLEANING = 20.0  #: seconds for removing what a case left


@dataclass(frozen=True)
class Place:
    """A logged-in session (TYPE I) whose working directory is empty and nobody else's.

    `path` is the directory as the server names it, `disk` as this machine does, if it can.
    """

    wire: Wire
    path: str
    disk: Path | None

    def command(self, line: str | bytes) -> Reply:
        return self.wire.command(line)

    def known(self, line: str | bytes) -> Reply:
        """Like `command`; Skipped when the server does not know the verb."""
        reply = self.wire.command(line)
        if reply.code in (500, 502):
            shown = line if isinstance(line, str) else line.decode("utf-8", "backslashreplace")
            raise Skipped(f"{shown.partition(' ')[0]} is not known here")
        return reply

    def make(self, name: str | bytes, content: bytes = b"content\n") -> None:
        """A file for the case to work on; Skipped when it cannot be had."""
        outcome = upload(self.wire, b"STOR " + _bytes(name), content)
        if not outcome.done:
            raise Skipped(f"the file for it could not be stored: {outcome.last.shown}")

    def make_directory(self, name: str | bytes) -> None:
        reply = self.wire.command(b"MKD " + _bytes(name))
        if reply.code != 257:
            raise Skipped(f"the directory for it could not be made: {reply.shown}")

    def fetch(self, name: str | bytes) -> bytes:
        """The content of a file; Failed when it cannot be had."""
        outcome = download(self.wire, b"RETR " + _bytes(name))
        if not outcome.done:
            raise Failed(f"RETR {name!r} is answered {outcome.last.shown}")
        return outcome.content

    def exists(self, name: str | bytes) -> bool:
        """Whether RETR finds a file there."""
        return not download(self.wire, b"RETR " + _bytes(name)).refused

    def names(self, argument: str | bytes = b"") -> list[bytes]:
        """What NLST lists but "." and "..", as last names; an empty directory may be answered 450 or 550."""
        outcome = download(self.wire, b" ".join([b"NLST", _bytes(argument)]).rstrip(b" "))
        if outcome.last.code in (500, 502):
            raise Skipped("NLST is not known here")
        if outcome.last.code in (450, 550):
            return []
        if not outcome.done:
            raise Failed(f"NLST is answered {outcome.last.shown}")
        names = [line.rpartition(b"/")[2] for line in outcome.content.split(b"\r\n")]
        return [name for name in names if name not in (b"", b".", b"..")]

    def on_disk(self, name: str | bytes = b"") -> Path:
        """Where this machine sees `name`; Skipped without --root."""
        if self.disk is None:
            raise Skipped("it looks at the server's disk: give --root")
        return self.disk / os.fsdecode(name) if name else self.disk


@contextlib.contextmanager
def place(target: Target) -> Iterator[Place]:
    """A place, gone afterwards whatever the case left in it."""
    name = f"conformance-{os.getpid()}-{next(_numbers)}"
    with target.session() as wire:
        if target.start and wire.command(f"CWD {target.start}").code != 250:
            raise Skipped(f"the directory {target.start} of the URL cannot be entered")
        made = wire.command(f"MKD {name}")
        if made.code != 257:
            raise Skipped(f"a directory of its own could not be made: {made.shown}")
        disk = target.root / name if target.root else None
        try:
            wire.command("TYPE I")
            entered = wire.command(f"CWD {name}")
            if entered.code != 250:
                raise Failed(f"CWD into a directory just made is answered {entered.shown}")
            yield Place(wire, working_directory(wire), disk)
            with contextlib.suppress(OSError, Failed):  # pyftpdlib leaves a directory after it has said 250
                wire.send(b"NOOP\r\n")
                wire.silent(_SETTLING)
        finally:
            if disk is not None:
                shutil.rmtree(disk, ignore_errors=True)
            if disk is None or disk.exists():
                with contextlib.suppress(OSError, Failed, Skipped):
                    _remove(replace(target, deadline=time.monotonic() + _CLEANING), name)


def working_directory(wire: Wire) -> str:
    """What PWD names, with doubled quotes undone (RFC 959 appendix II)."""
    return quoted(wire.command("PWD"))


def quoted(reply: Reply) -> str:
    """The path between the quotes of a 257."""
    text = reply.lines[0][4:].decode("utf-8", "surrogateescape")
    if reply.code != 257 or not text.startswith('"'):
        raise Failed(f"a path in quotes was due, and {reply.shown} came")
    path, rest = "", text[1:]
    while True:
        head, quote, rest = rest.partition('"')
        if not quote:
            raise Failed(f"the quotes of {reply.shown} do not end")
        path += head
        if not rest.startswith('"'):
            return path
        path, rest = path + '"', rest[1:]


def want_done(outcome: Outcome, what: str) -> None:
    """Failed unless the transfer began, ended cleanly and was confirmed."""
    if not outcome.done:
        why = outcome.broke or ("" if outcome.clean else "the data connection ended without close_notify; ")
        raise Failed(f"{what}: {why}{outcome.last.shown}")


def _remove(target: Target, name: str) -> None:
    with target.session() as wire:
        if target.start:
            wire.command(f"CWD {target.start}")
        if wire.command(f"RMD {name}").code != 250 and wire.command(f"CWD {name}").code == 250:
            here = Place(wire, "", None)
            _empty(here)
            wire.command("CDUP")
            wire.command(f"RMD {name}")


def _empty(here: Place) -> None:
    for name in here.names():
        if here.command(b"DELE " + name).code == 250:
            continue
        if here.command(b"RMD " + name).code != 250 and here.command(b"CWD " + name).code == 250:
            _empty(here)
            here.command("CDUP")
            here.command(b"RMD " + name)


def _bytes(name: str | bytes) -> bytes:
    return name.encode("utf-8", "surrogateescape") if isinstance(name, str) else name
