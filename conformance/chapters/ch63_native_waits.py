"""Chapter 63: ABOR, HASH, MLSD and WAIT (docs/protocol.md s.4 and s.8)."""

from __future__ import annotations

import time

from conformance.chapters.checks import want, want_alive
from conformance.chapters.native import (
    TEXT,
    Native,
    is_refusal,
    native,
    offer,
    put_file,
    sha256,
)
from conformance.place import Place, place
from conformance.registry import Failed, Level, Skipped, case
from conformance.wire import Target

_MUST, _SHOULD = Level.MUST, Level.SHOULD
_WAIT, _ABOR = "docs/protocol.md s.4 WAIT", "docs/protocol.md s.4 ABOR"
_SIZE = len(TEXT)


@case(
    "native-aborted",
    _ABOR,
    _MUST,
    "ABOR of a tag that runs ends it with 426 aborted, and is answered 226 without a tag.",
    "A transfer that was begun by mistake cannot be stopped.",
)
def aborted(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", bytes(4_000_000))
        tag = session.tag()
        session.send(f"GET tag={tag}; file")
        session.begun(tag)
        data = session.dial(tag)
        data.receive(1)
        session.send(f"ABOR tag={tag};")
        is_refusal(session.final(tag), 426, "aborted", "a transfer after ABOR")
        if (said := session.answer(None)).code != 226:
            raise Failed(f"ABOR is answered {said.shown}")
        data.socket.close()
        want_alive(session.here.wire, "ABOR")


@case(
    "native-abort-nothing",
    _ABOR,
    _MUST,
    "ABOR of a tag that does not run is answered 225.",
    "A client takes a transfer that ended for one that was stopped.",
)
def abort_nothing(target: Target) -> None:
    with native(target) as session:
        want(session.here.command("ABOR tag=7;"), (225,), "ABOR of a tag that never was")


@case(
    "native-hash",
    "docs/protocol.md s.4 HASH",
    _MUST,
    "HASH tells size, version and digest; another algorithm is refused with 504, a directory with 550 not-plain.",
    "What was copied cannot be compared.",
)
def hash_(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", TEXT)
        said = session.ask("HASH  file")[1]
        if (said.facts.get("size"), said.facts.get("sha256")) != (str(_SIZE), sha256(TEXT)):
            raise Failed(said.shown)
        is_refusal(session.ask("HASH hash=crc32; file")[1], 504, "unsupported", "HASH with hash=crc32")
        is_refusal(session.ask("HASH  .")[1], 550, "not-plain", "HASH of a directory")


@case(
    "native-mlsd",
    "docs/protocol.md s.4 LIST, NLST, MLSD",
    _MUST,
    "MLSD with a tag sends the listing over the tag's connection, and states its count and digest.",
    "A listing that was cut looks whole, and a mirror removes what it misses.",
)
def mlsd(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", TEXT)
        tag = session.tag()
        session.send(f"MLSD tag={tag};")
        if (begun := session.begun(tag)).code != 150:
            raise Failed(f"it is answered {begun.shown}")
        data = session.dial(tag)
        listing = data.receive_all()
        data.end()
        final = session.final(tag)
        if (final.facts.get("bytes"), final.facts.get("sha256")) != (str(len(listing)), sha256(listing)):
            raise Failed(f"{len(listing)} bytes came, and {final.shown}")
        if not listing.endswith(b"; file\r\n"):
            raise Failed(f"the listing is {listing!r}")


@case(
    "native-wait-timeout",
    _WAIT,
    _MUST,
    "WAIT for what does not come ends with 450 timeout at its deadline.",
    "A job that waits for another hangs.",
)
def wait_timeout(target: Target) -> None:
    with native(target) as session:
        began = time.monotonic()
        is_refusal(session.ask("WAIT timeout=1; none")[1], 450, "timeout", "WAIT")
        if not 0.9 < time.monotonic() - began < 6:
            raise Failed(f"a WAIT of 1 s ended after {time.monotonic() - began:.1f} s")


def _waiter(session: Native, path: str, facts: str = "timeout=20;") -> int:
    tag = session.tag()
    session.send(f"WAIT tag={tag};{facts} {path}")
    return tag


@case(
    "native-wait-wakes",
    _WAIT,
    _MUST,
    "WAIT is answered 213 when another session publishes the name, by PUT or by STOR.",
    "A job starts late, or never.",
)
def wait_wakes(target: Target) -> None:
    with native(target) as session, native(target) as producer:
        for path in ("by-put", "by-stor"):
            tag = _waiter(session, path)
            session.here.command("NOOP")
            whole = f"{session.here.path}/{path}"
            if path == "by-put":
                put_file(producer, whole)
            else:
                producer.here.make(whole, TEXT)
            said = session.final(tag)
            if (said.code, said.facts.get("size")) != (213, str(_SIZE)):
                raise Failed(f"after {path} it is answered {said.shown}")


@case(
    "native-wait-not-for-parts",
    _WAIT,
    _MUST,
    "An upload that is not published yet wakes nobody.",
    "A job starts with half a file.",
)
def wait_parts(target: Target) -> None:
    with native(target) as session:
        tag = _waiter(session, "file", "timeout=2;")
        put_tag = session.tag()
        session.send(f"PUT tag={put_tag};size={_SIZE}; file")
        session.begun(put_tag)
        session.fill(put_tag, TEXT)
        said = session.final(tag)
        is_refusal(said, 450, "timeout", "WAIT while an upload runs")
        session.abort(put_tag)


@case(
    "native-wait-since",
    _WAIT,
    _MUST,
    "WAIT with since waits for another version than that.",
    "A job works on the old file again.",
)
def wait_since(target: Target) -> None:
    with native(target) as session:
        version = put_file(session).facts["version"]
        is_refusal(session.ask(f"WAIT timeout=0;since={version}; file")[1], 450, "timeout", "WAIT since what stands")
        tag = _waiter(session, "file", f"timeout=20;since={version};")
        put_file(session, content=b"another")
        if (said := session.final(tag)).code != 213 or said.facts.get("version") == version:
            raise Failed(f"after another content it is answered {said.shown}")


@case(
    "native-wait-failed",
    _WAIT,
    _MUST,
    "PUT with failed=1 ends a WAIT with 550 failed, and a publish takes the mark away.",
    "A job waits for a producer that has given up.",
)
def wait_failed(target: Target) -> None:
    with native(target) as session:
        tag = _waiter(session, "file")
        if (said := session.ask("PUT failed=1; file")[1]).code != 226:
            raise Failed(f"PUT with failed=1 is answered {said.shown}")
        is_refusal(session.final(tag), 550, "failed", "WAIT after failed=1")
        put_file(session)
        if (said := session.ask("WAIT timeout=0; file")[1]).code != 213:
            raise Failed(f"after a publish it is answered {said.shown}")


@case(
    "native-wait-directory",
    _WAIT,
    _MUST,
    "A directory that MKD made counts for WAIT with any=1 alone.",
    "A job starts with a tree that is still being filled.",
)
def wait_directory(target: Target) -> None:
    with native(target) as session:
        session.here.make_directory("dir")
        is_refusal(session.ask("WAIT timeout=0; dir")[1], 450, "timeout", "WAIT for a directory")
        said = session.ask("WAIT timeout=0;any=1; dir")[1]
        if (said.code, said.facts.get("type")) != (213, "dir"):
            raise Failed(f"with any=1 it is answered {said.shown}")


@case(
    "wait-untagged",
    "docs/protocol.md s.8",
    _MUST,
    "Out of native mode WAIT is answered 213 with facts, or 450 at its deadline, without a tag.",
    "Stock clients cannot wait for a file.",
)
def wait_untagged(target: Target) -> None:
    with place(target) as here:
        offer(here)
        here.make("file", TEXT)
        _untagged(here, "WAIT timeout=5; file", 213, b"type=file;")
        _untagged(here, "WAIT timeout=0; none", 450, b"kind=timeout;")


def _untagged(here: Place, line: str, code: int, fact: bytes) -> None:
    reply = here.command(line)
    want(reply, (code,), line)
    if fact not in reply.lines[0]:
        raise Failed(f"{line} is answered {reply.shown}")


@case(
    "native-over-and-over",
    "docs/protocol.md s.4",
    _MUST,
    "Forty small files go up and come back in one session, each under a tag of its own.",
    "A mirror stops after some files.",
)
def over_and_over(target: Target) -> None:
    with native(target) as session:
        for number in range(20):
            put_file(session, f"f{number}", b"%d" % number)
            content = session.get(f"f{number}")[1]
            if content != b"%d" % number:
                raise Failed(f"file {number} came back as {content[:40]!r}")
    if session.most < 1:
        raise Skipped("no transfer is allowed")
