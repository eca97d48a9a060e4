"""Chapter 61: GET, PUT and DONE, what goes on after a cut, ABOR, HASH, MLSD and WAIT (docs/protocol.md s.4 and s.8)."""

from __future__ import annotations

import time

from conformance.chapters.checks import want, want_alive
from conformance.chapters.native import Answer, Native, native, offer, sha256, switch_on
from conformance.place import Place, place
from conformance.registry import Failed, Level, Skipped, case
from conformance.wire import Target

_MUST, _SHOULD = Level.MUST, Level.SHOULD
_GET, _PUT = "docs/protocol.md s.4 GET", "docs/protocol.md s.4 PUT and DONE"
_WAIT, _ABOR = "docs/protocol.md s.4 WAIT", "docs/protocol.md s.4 ABOR"
_TEXT = b"hello native world\n" * 50
_SIZE = len(_TEXT)


def _is(answer: Answer, code: int, kind: str, what: str) -> None:
    if (answer.code, answer.kind) != (code, kind):
        raise Failed(f"{what} is answered {answer.shown}, and {code} kind={kind} was due")


def _put(session: Native, path: str = "file", content: bytes = _TEXT, facts: str = "") -> Answer:
    """A PUT that has to work."""
    final = session.put(path, content, facts)[1]
    if final.code != 226:
        raise Failed(f"PUT is answered {final.shown}")
    return final


def _absent(session: Native, path: str = "file") -> None:
    if session.here.exists(path):
        raise Failed(f"{path} can be read, and should have no name yet")


@case(
    "native-get-missing",
    _GET,
    _MUST,
    "GET of what does not exist is refused with 550 not-found.",
    "A program cannot tell a missing file from another fault.",
)
def get_missing(target: Target) -> None:
    with native(target) as session:
        _is(session.ask("GET  none")[1], 550, "not-found", "GET of nothing")


@case(
    "native-get-directory",
    _GET,
    _MUST,
    "GET of a directory is refused with 550 is-directory.",
    "A program cannot tell that it should ask for a tree.",
)
def get_directory(target: Target) -> None:
    with native(target) as session:
        session.here.make_directory("dir")
        _is(session.ask("GET  dir")[1], 550, "is-directory", "GET of a directory")


@case(
    "native-get-offset",
    _GET,
    _MUST,
    "GET with an offset brings the rest, and a digest of the whole.",
    "A download that went on cannot be verified.",
)
def get_offset(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", _TEXT)
        begun, content, final = session.get("file", "offset=100;")
        if begun.facts.get("offset") != "100" or content != _TEXT[100:]:
            raise Failed(f"{begun.shown} and {len(content)} bytes")
        if (final.facts.get("bytes"), final.facts.get("sha256")) != (str(_SIZE - 100), sha256(_TEXT)):
            raise Failed(final.shown)


@case(
    "native-get-offset-beyond",
    _GET,
    _MUST,
    "GET with an offset beyond the end begins at 0.",
    "A file that became shorter is glued to what it was before.",
)
def get_beyond(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", _TEXT)
        begun, content, _ = session.get("file", f"offset={_SIZE + 1};")
        if begun.facts.get("offset") != "0" or content != _TEXT:
            raise Failed(f"{begun.shown} and {len(content)} bytes")


@case(
    "native-get-if",
    _GET,
    _MUST,
    "GET with the version that stands goes on, with another it begins at 0.",
    "Two contents are mixed in one file.",
)
def get_if(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", _TEXT)
        version = session.get("file")[0].facts.get("version", "")
        for given, offset in ((version, "100"), ("of-another-file", "0")):
            begun = session.get("file", f"offset=100;if={given};")[0]
            if begun.facts.get("offset") != offset:
                raise Failed(f"with if={given}: {begun.shown}")


@case(
    "native-version-changes",
    "docs/protocol.md s.4",
    _MUST,
    "Two contents under one name never have the same version, even of one size within a second.",
    "A download goes on with another file.",
)
def version_changes(target: Target) -> None:
    with native(target) as session:
        versions = set()
        for content in (b"one", b"two", b"six"):
            _put(session, content=content)
            versions.add(session.ask("HASH  file")[1].facts.get("version"))
        if len(versions) != 3:
            raise Failed(f"three contents have the versions {versions}")


@case(
    "native-get-blake3",
    "docs/protocol.md s.4",
    _MUST,
    "A digest that FEAT offers is told when it is asked for, and one that is not is refused with 504 unsupported.",
    "Client and server compare different digests.",
)
def get_hash(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", _TEXT)
        for name in offer(session.here).get("hash", "sha256").split(","):
            final = session.get("file", f"hash={name};")[2]
            if final.code != 226 or name not in final.facts:
                raise Failed(f"with hash={name}: {final.shown}")
        _is(session.ask("GET hash=md5; file")[1], 504, "unsupported", "GET with hash=md5")


@case(
    "native-put",
    _PUT,
    _MUST,
    "PUT publishes what was sent, and its 226 states bytes, size, digest and version.",
    "Nothing can be uploaded, or nobody knows whether it arrived.",
)
def put(target: Target) -> None:
    with native(target) as session:
        final = _put(session)
        said = {name: final.facts.get(name) for name in ("bytes", "size", "sha256")}
        if said != {"bytes": str(_SIZE), "size": str(_SIZE), "sha256": sha256(_TEXT)} or "version" not in final.facts:
            raise Failed(final.shown)
        if session.here.fetch("file") != _TEXT:
            raise Failed("another content stands under the name")


@case(
    "native-put-not-before-done",
    _PUT,
    _MUST,
    "Before DONE the file has no name, and the old one stays.",
    "Others read half a file.",
)
def not_before_done(target: Target) -> None:
    with native(target) as session:
        session.here.make("old", b"old")
        for path in ("file", "old"):
            tag = session.tag()
            session.send(f"PUT tag={tag};size={_SIZE}; {path}")
            session.begun(tag)
            session.fill(tag, _TEXT)
            time.sleep(0.2)  # a server that does not wait has published by now
            if path == "file":
                _absent(session)
            elif session.here.fetch("old") != b"old":
                raise Failed("the new content can be read before DONE")
            session.send(f"DONE tag={tag};bytes={_SIZE};sha256={sha256(_TEXT)};")
            if (final := session.final(tag)).code != 226 or session.here.fetch(path) != _TEXT:
                raise Failed(f"after DONE: {final.shown}")


@case(
    "native-put-done-first",
    _PUT,
    _MUST,
    "DONE may come before the data connection does.",
    "Whether an upload works depends on which packet is faster.",
)
def done_first(target: Target) -> None:
    with native(target) as session:
        tag = session.tag()
        session.send(f"PUT tag={tag}; file")
        session.send(f"DONE tag={tag};bytes={_SIZE};sha256={sha256(_TEXT)};")
        session.fill(tag, _TEXT)
        if (final := session.final(tag)).code != 226 or session.here.fetch("file") != _TEXT:
            raise Failed(final.shown)


@case(
    "native-put-wrong-digest",
    _PUT,
    _MUST,
    "A DONE whose digest is not that of what came is refused with 451 integrity, and nothing is published.",
    "A file that was damaged on the way is taken for whole.",
)
def wrong_digest(target: Target) -> None:
    with native(target) as session:
        final = session.put("file", _TEXT, f"size={_SIZE};", done=f"bytes={_SIZE};sha256={sha256(b'other')};")[1]
        _is(final, 451, "integrity", "a wrong digest")
        _absent(session)
        begun = session.put("file", _TEXT, f"size={_SIZE};")[0]
        if begun.facts.get("offset") != "0":
            raise Failed(f"what was refused is offered again: {begun.shown}")


@case(
    "native-put-too-little",
    _PUT,
    _MUST,
    "A DONE that states more bytes than came is refused with 426 truncated, and nothing is published.",
    "A connection that was cut looks like the end of the file.",
)
def too_little(target: Target) -> None:
    with native(target) as session:
        done = f"bytes={_SIZE};sha256={sha256(_TEXT)};"
        _is(session.put("file", _TEXT[:100], f"size={_SIZE};", done=done)[1], 426, "truncated", "a cut upload")
        _absent(session)


@case(
    "native-put-too-much",
    _PUT,
    _MUST,
    "A DONE that states fewer bytes than came is refused with 451 integrity.",
    "What somebody else added on the way is published.",
)
def too_much(target: Target) -> None:
    with native(target) as session:
        done = f"bytes=100;sha256={sha256(_TEXT[:100])};"
        final = session.put("file", _TEXT, done=done)[1]
        if final.code not in (451, 426):
            raise Failed(f"it is answered {final.shown}")
        _absent(session)


@case(
    "native-put-other-size",
    _PUT,
    _MUST,
    "An upload of another size than PUT announced is not published.",
    "Half a file is taken for the whole one that was announced.",
)
def other_size(target: Target) -> None:
    with native(target) as session:
        final = session.put("file", _TEXT, f"size={_SIZE + 1};")[1]
        if final.code < 400:
            raise Failed(f"it is answered {final.shown}")
        _absent(session)


def _interrupted(session: Native, facts: str = "") -> None:
    """An upload that ends after 100 bytes, by ABOR when they are surely there."""
    tag = session.tag()
    session.send(f"PUT tag={tag};size={_SIZE};modify=20261122101500;{facts} file")
    session.begun(tag)
    session.fill(tag, _TEXT[:100])
    if (own := session.abort(tag)).code != 426:
        raise Failed(f"after ABOR the upload is answered {own.shown}")


_AGAIN = f"size={_SIZE};modify=20261122101500;"


@case(
    "native-put-goes-on",
    _PUT,
    _MUST,
    "The same PUT after a cut offers what stands with its digest, and the rest completes it.",
    "Large uploads begin from the start after each fault of the line.",
)
def goes_on(target: Target) -> None:
    with native(target) as session:
        _interrupted(session)
        _absent(session)
        tag = session.tag()
        session.send(f"PUT tag={tag};{_AGAIN} file")
        begun = session.begun(tag)
        offset = int(begun.facts.get("offset", "0"))
        if offset == 0:
            raise Failed(f"nothing is offered: {begun.shown}")
        if begun.facts.get("sha256") != sha256(_TEXT[:offset]):
            raise Failed(f"the digest of the first {offset} bytes is wrong: {begun.shown}")
        session.fill(tag, _TEXT[offset:])
        session.send(f"DONE tag={tag};bytes={_SIZE - offset};sha256={sha256(_TEXT)};")
        if (final := session.final(tag)).code != 226 or session.here.fetch("file") != _TEXT:
            raise Failed(final.shown)


@case(
    "native-put-goes-on-elsewhere",
    _PUT,
    _MUST,
    "What stands of an upload is offered in another session of the same user.",
    "After a line that broke, which ended the session, uploads begin from the start.",
)
def goes_on_elsewhere(target: Target) -> None:
    with native(target) as session:
        _interrupted(session)
        with place(target) as other_place:
            other = switch_on(other_place, target)
            tag = other.tag()
            other.send(f"PUT tag={tag};{_AGAIN} {session.here.path}/file")
            begun = other.begun(tag)
            if begun.facts.get("offset") in (None, "0"):
                raise Failed(f"nothing is offered: {begun.shown}")
            other.abort(tag)


@case(
    "native-put-fresh",
    _PUT,
    _MUST,
    "fresh=1 discards what stands of an earlier attempt.",
    "A client whose file changed cannot get rid of the old beginning.",
)
def fresh(target: Target) -> None:
    with native(target) as session:
        _interrupted(session)
        begun, final = session.put("file", _TEXT, f"{_AGAIN}fresh=1;")
        if begun.facts.get("offset") != "0" or final.code != 226:
            raise Failed(f"{begun.shown}, then {final.shown}")


@case(
    "native-put-other-file-starts",
    _PUT,
    _MUST,
    "What stands is not offered to a PUT of another size or time.",
    "Two files are glued together.",
)
def other_starts(target: Target) -> None:
    with native(target) as session:
        _interrupted(session)
        begun, final = session.put("file", _TEXT, f"size={_SIZE};modify=20261122101501;")
        if begun.facts.get("offset") != "0" or final.code != 226:
            raise Failed(f"{begun.shown}, then {final.shown}")


@case(
    "native-put-if-absent",
    _PUT,
    _MUST,
    "if=absent is refused with 553 exists when the name is taken, and what stands stays.",
    "Two producers overwrite each other.",
)
def if_absent(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", b"first")
        _is(session.ask(f"PUT size={_SIZE};if=absent; file")[1], 553, "exists", "PUT with if=absent")
        if session.here.fetch("file") != b"first":
            raise Failed("what stood there has changed")
        _put(session, "other", facts="if=absent;")


@case(
    "native-put-if-absent-at-the-end",
    _PUT,
    _MUST,
    "if=absent holds at the moment of publishing, too.",
    "Of two producers that begin at once, the second overwrites the first.",
)
def if_absent_end(target: Target) -> None:
    with native(target) as session:
        tag = session.tag()
        session.send(f"PUT tag={tag};size={_SIZE};if=absent; file")
        session.begun(tag)
        session.fill(tag, _TEXT)
        session.here.make("file", b"first")
        session.send(f"DONE tag={tag};bytes={_SIZE};sha256={sha256(_TEXT)};")
        _is(session.final(tag), 553, "exists", "DONE of a PUT with if=absent")
        if session.here.fetch("file") != b"first":
            raise Failed("what came first has been overwritten")


@case(
    "native-put-same",
    _PUT,
    _MUST,
    "A PUT with the digest of what stands is answered 226 same=1 at once, and moves nothing.",
    "What is there already is sent again.",
)
def same(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", _TEXT)
        said = session.ask(f"PUT size={_SIZE};sha256={sha256(_TEXT)}; file")[1]
        if (said.code, said.facts.get("same"), said.facts.get("bytes")) != (226, "1", "0"):
            raise Failed(f"it is answered {said.shown}")


@case(
    "native-put-no-parent",
    _PUT,
    _MUST,
    "PUT below a directory that does not exist is refused with 553 not-found.",
    "A program cannot tell that a directory is missing.",
)
def no_parent(target: Target) -> None:
    with native(target) as session:
        _is(session.ask("PUT  none/file")[1], 553, "not-found", "PUT below nothing")


@case(
    "native-put-modify-mode",
    _PUT,
    _SHOULD,
    "The time and the permissions that PUT states are those of the file.",
    "Programs cannot be run, and a mirror copies again each time.",
)
def modify_mode(target: Target) -> None:
    with native(target) as session:
        _put(session, facts="modify=20140703112233;mode=0750;")
        begun = session.get("file")[0]
        if not begun.facts.get("modify", "").startswith("20140703112233") or begun.facts.get("mode") != "0750":
            raise Failed(f"it was stated, and GET says {begun.shown}")


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
        _is(session.final(tag), 426, "aborted", "a transfer after ABOR")
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
        session.here.make("file", _TEXT)
        said = session.ask("HASH  file")[1]
        if (said.facts.get("size"), said.facts.get("sha256")) != (str(_SIZE), sha256(_TEXT)):
            raise Failed(said.shown)
        _is(session.ask("HASH hash=crc32; file")[1], 504, "unsupported", "HASH with hash=crc32")
        _is(session.ask("HASH  .")[1], 550, "not-plain", "HASH of a directory")


@case(
    "native-mlsd",
    "docs/protocol.md s.4 LIST, NLST, MLSD",
    _MUST,
    "MLSD with a tag sends the listing over the tag's connection, and states its count and digest.",
    "A listing that was cut looks whole, and a mirror removes what it misses.",
)
def mlsd(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", _TEXT)
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
        _is(session.ask("WAIT timeout=1; none")[1], 450, "timeout", "WAIT")
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
                _put(producer, whole)
            else:
                producer.here.make(whole, _TEXT)
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
        session.fill(put_tag, _TEXT)
        said = session.final(tag)
        _is(said, 450, "timeout", "WAIT while an upload runs")
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
        version = _put(session).facts["version"]
        _is(session.ask(f"WAIT timeout=0;since={version}; file")[1], 450, "timeout", "WAIT since what stands")
        tag = _waiter(session, "file", f"timeout=20;since={version};")
        _put(session, content=b"another")
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
        _is(session.final(tag), 550, "failed", "WAIT after failed=1")
        _put(session)
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
        _is(session.ask("WAIT timeout=0; dir")[1], 450, "timeout", "WAIT for a directory")
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
        here.make("file", _TEXT)
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
            _put(session, f"f{number}", b"%d" % number)
            content = session.get(f"f{number}")[1]
            if content != b"%d" % number:
                raise Failed(f"file {number} came back as {content[:40]!r}")
    if session.most < 1:
        raise Skipped("no transfer is allowed")
