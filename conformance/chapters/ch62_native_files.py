"""Chapter 62: GET, PUT and DONE, and what goes on after a cut (docs/protocol.md s.4)."""

from __future__ import annotations

import time

from conformance.chapters.native import (
    TEXT,
    Native,
    absent,
    is_refusal,
    native,
    offer,
    put_file,
    sha256,
    switch_on,
)
from conformance.place import place
from conformance.registry import Failed, Level, case
from conformance.wire import Target

_MUST, _SHOULD = Level.MUST, Level.SHOULD
_GET, _PUT = "docs/protocol.md s.4 GET", "docs/protocol.md s.4 PUT and DONE"
_SIZE = len(TEXT)


@case(
    "native-get-missing",
    _GET,
    _MUST,
    "GET of what does not exist is refused with 550 not-found.",
    "A program cannot tell a missing file from another fault.",
)
def get_missing(target: Target) -> None:
    with native(target) as session:
        is_refusal(session.ask("GET  none")[1], 550, "not-found", "GET of nothing")


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
        is_refusal(session.ask("GET  dir")[1], 550, "is-directory", "GET of a directory")


@case(
    "native-get-offset",
    _GET,
    _MUST,
    "GET with an offset brings the rest, and a digest of the whole.",
    "A download that went on cannot be verified.",
)
def get_offset(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", TEXT)
        begun, content, final = session.get("file", "offset=100;")
        if begun.facts.get("offset") != "100" or content != TEXT[100:]:
            raise Failed(f"{begun.shown} and {len(content)} bytes")
        if (final.facts.get("bytes"), final.facts.get("sha256")) != (str(_SIZE - 100), sha256(TEXT)):
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
        session.here.make("file", TEXT)
        begun, content, _ = session.get("file", f"offset={_SIZE + 1};")
        if begun.facts.get("offset") != "0" or content != TEXT:
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
        session.here.make("file", TEXT)
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
            put_file(session, content=content)
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
        session.here.make("file", TEXT)
        for name in offer(session.here).get("hash", "sha256").split(","):
            final = session.get("file", f"hash={name};")[2]
            if final.code != 226 or name not in final.facts:
                raise Failed(f"with hash={name}: {final.shown}")
        is_refusal(session.ask("GET hash=md5; file")[1], 504, "unsupported", "GET with hash=md5")


@case(
    "native-put",
    _PUT,
    _MUST,
    "PUT publishes what was sent, and its 226 states bytes, size, digest and version.",
    "Nothing can be uploaded, or nobody knows whether it arrived.",
)
def put(target: Target) -> None:
    with native(target) as session:
        final = put_file(session)
        said = {name: final.facts.get(name) for name in ("bytes", "size", "sha256")}
        if said != {"bytes": str(_SIZE), "size": str(_SIZE), "sha256": sha256(TEXT)} or "version" not in final.facts:
            raise Failed(final.shown)
        if session.here.fetch("file") != TEXT:
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
            session.fill(tag, TEXT)
            time.sleep(0.2)  # a server that does not wait has published by now
            if path == "file":
                absent(session)
            elif session.here.fetch("old") != b"old":
                raise Failed("the new content can be read before DONE")
            session.send(f"DONE tag={tag};bytes={_SIZE};sha256={sha256(TEXT)};")
            if (final := session.final(tag)).code != 226 or session.here.fetch(path) != TEXT:
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
        session.send(f"DONE tag={tag};bytes={_SIZE};sha256={sha256(TEXT)};")
        session.fill(tag, TEXT)
        if (final := session.final(tag)).code != 226 or session.here.fetch("file") != TEXT:
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
        final = session.put("file", TEXT, f"size={_SIZE};", done=f"bytes={_SIZE};sha256={sha256(b'other')};")[1]
        is_refusal(final, 451, "integrity", "a wrong digest")
        absent(session)
        begun = session.put("file", TEXT, f"size={_SIZE};")[0]
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
        done = f"bytes={_SIZE};sha256={sha256(TEXT)};"
        is_refusal(session.put("file", TEXT[:100], f"size={_SIZE};", done=done)[1], 426, "truncated", "a cut upload")
        absent(session)


@case(
    "native-put-too-much",
    _PUT,
    _MUST,
    "A DONE that states fewer bytes than came is refused with 451 integrity.",
    "What somebody else added on the way is published.",
)
def too_much(target: Target) -> None:
    with native(target) as session:
        done = f"bytes=100;sha256={sha256(TEXT[:100])};"
        final = session.put("file", TEXT, done=done)[1]
        if final.code not in (451, 426):
            raise Failed(f"it is answered {final.shown}")
        absent(session)


@case(
    "native-put-other-size",
    _PUT,
    _MUST,
    "An upload of another size than PUT announced is not published.",
    "Half a file is taken for the whole one that was announced.",
)
def other_size(target: Target) -> None:
    with native(target) as session:
        final = session.put("file", TEXT, f"size={_SIZE + 1};")[1]
        if final.code < 400:
            raise Failed(f"it is answered {final.shown}")
        absent(session)


def _interrupted(session: Native, facts: str = "") -> None:
    """An upload that ends after 100 bytes, by ABOR when they are surely there."""
    tag = session.tag()
    session.send(f"PUT tag={tag};size={_SIZE};modify=20261122101500;{facts} file")
    session.begun(tag)
    session.fill(tag, TEXT[:100])
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
        absent(session)
        tag = session.tag()
        session.send(f"PUT tag={tag};{_AGAIN} file")
        begun = session.begun(tag)
        offset = int(begun.facts.get("offset", "0"))
        if offset == 0:
            raise Failed(f"nothing is offered: {begun.shown}")
        if begun.facts.get("sha256") != sha256(TEXT[:offset]):
            raise Failed(f"the digest of the first {offset} bytes is wrong: {begun.shown}")
        session.fill(tag, TEXT[offset:])
        session.send(f"DONE tag={tag};bytes={_SIZE - offset};sha256={sha256(TEXT)};")
        if (final := session.final(tag)).code != 226 or session.here.fetch("file") != TEXT:
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
        begun, final = session.put("file", TEXT, f"{_AGAIN}fresh=1;")
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
        begun, final = session.put("file", TEXT, f"size={_SIZE};modify=20261122101501;")
        if begun.facts.get("offset") != "0" or final.code != 226:
            raise Failed(f"{begun.shown}, then {final.shown}")


@case(
    "native-put-if-absent",
    _PUT,
    _MUST,
    "if=absent is refused with 553 exists when the name is taken, and what stands stays.",
    "Two producers overwrite each other.",
)
def ifabsent(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", b"first")
        is_refusal(session.ask(f"PUT size={_SIZE};if=absent; file")[1], 553, "exists", "PUT with if=absent")
        if session.here.fetch("file") != b"first":
            raise Failed("what stood there has changed")
        put_file(session, "other", facts="if=absent;")


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
        session.fill(tag, TEXT)
        session.here.make("file", b"first")
        session.send(f"DONE tag={tag};bytes={_SIZE};sha256={sha256(TEXT)};")
        is_refusal(session.final(tag), 553, "exists", "DONE of a PUT with if=absent")
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
        session.here.make("file", TEXT)
        said = session.ask(f"PUT size={_SIZE};sha256={sha256(TEXT)}; file")[1]
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
        is_refusal(session.ask("PUT  none/file")[1], 553, "not-found", "PUT below nothing")


@case(
    "native-put-modify-mode",
    _PUT,
    _SHOULD,
    "The time and the permissions that PUT states are those of the file.",
    "Programs cannot be run, and a mirror copies again each time.",
)
def modify_mode(target: Target) -> None:
    with native(target) as session:
        put_file(session, facts="modify=20140703112233;mode=0750;")
        begun = session.get("file")[0]
        if not begun.facts.get("modify", "").startswith("20140703112233") or begun.facts.get("mode") != "0750":
            raise Failed(f"it was stated, and GET says {begun.shown}")
