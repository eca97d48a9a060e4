"""Chapter 64: trees as one transfer: published, replaced, merged, gone on with (docs/protocol.md s.5)."""

from __future__ import annotations

import io
import tarfile
import time

from conformance.chapters.archives import OTHER, TREE, Item, archive, digest, has_to_work, nothing, put_tree
from conformance.chapters.native import native
from conformance.registry import Failed, Level, case
from conformance.wire import Target

_MUST = Level.MUST
_TREES, _REFUSED = "docs/protocol.md s.5", "docs/protocol.md s.5 Refused"
_GOING_ON = "docs/protocol.md s.5 Going on"


@case(
    "tree-put",
    _TREES,
    _MUST,
    "A tree is published with its files, links and modes, and the 226 states entries, size and digest.",
    "Trees arrive damaged, or nobody knows whether they did.",
)
def put(target: Target) -> None:
    with native(target) as session:
        final = has_to_work(session, TREE)
        said = {name: final.facts.get(name) for name in ("entries", "size", "sha256")}
        if said != {"entries": "3", "size": "5", "sha256": digest(TREE)}:
            raise Failed(final.shown)
        if session.here.fetch("tree/bin/run") != b"hello" or session.here.fetch("tree/note") != b"hello":
            raise Failed("a file of the tree has another content")


@case(
    "tree-get",
    _TREES,
    _MUST,
    "A tree comes back as a tar whose entries and digest are those that went up.",
    "Trees arrive damaged.",
)
def get(target: Target) -> None:
    with native(target) as session:
        has_to_work(session, TREE)
        begun, stream, final = session.get("tree", "type=tree;")
        if final.code != 226:
            raise Failed(f"{begun.shown}, then {final.shown}")
        with tarfile.open(fileobj=io.BytesIO(stream)) as tar:
            names = [info.name for info in tar]
        if names != [item.name for item in TREE] or final.facts.get("sha256") != digest(TREE):
            raise Failed(f"{names} came, and {final.shown}")


@case(
    "tree-get-goes-on",
    _GOING_ON,
    _MUST,
    "GET of a tree that states what the client has brings the rest.",
    "Large trees begin from the start after each fault of the line.",
)
def get_goes_on(target: Target) -> None:
    with native(target) as session:
        has_to_work(session, TREE)
        begun, stream, final = session.get("tree", f"type=tree;entries=1;sha256={digest(TREE[:1])};")
        with tarfile.open(fileobj=io.BytesIO(stream)) as tar:
            names = [info.name for info in tar]
        if begun.facts.get("entries") != "1" or names != ["bin/run", "note"] or final.code != 226:
            raise Failed(f"{begun.shown}, {names}, {final.shown}")


@case(
    "tree-not-before-done",
    _TREES,
    _MUST,
    "A tree has no name before DONE.",
    "Others read half a tree.",
)
def not_before_done(target: Target) -> None:
    with native(target) as session:
        tag, stream = session.tag(), archive(TREE)
        session.send(f"PUT tag={tag};type=tree; tree")
        session.begun(tag)
        session.fill(tag, stream)
        time.sleep(0.2)  # a server that does not wait has published by now
        nothing(session)
        session.send(f"DONE tag={tag};bytes={len(stream)};entries=3;sha256={digest(TREE)};")
        if (final := session.final(tag)).code != 226:
            raise Failed(final.shown)


@case(
    "tree-wrong-digest",
    _TREES,
    _MUST,
    "A tree whose digest differs from that of DONE is refused with 451 integrity.",
    "A tree that was damaged on the way is taken for whole.",
)
def wrong_digest(target: Target) -> None:
    with native(target) as session:
        tag, stream = session.tag(), archive(TREE)
        session.send(f"PUT tag={tag};type=tree; tree")
        session.begun(tag)
        session.fill(tag, stream)
        session.send(f"DONE tag={tag};bytes={len(stream)};entries=3;sha256={digest(OTHER)};")
        final = session.final(tag)
        if (final.code, final.kind) != (451, "integrity"):
            raise Failed(final.shown)
        nothing(session)


@case(
    "tree-exists",
    _TREES,
    _MUST,
    "Without replace or merge a tree does not take the place of what stands: 553 exists.",
    "A tree is lost by mistake.",
)
def exists(target: Target) -> None:
    with native(target) as session:
        has_to_work(session, TREE)
        final = put_tree(session, OTHER)
        if (final.code, final.kind) != (553, "exists"):
            raise Failed(final.shown)
        if session.here.fetch("tree/bin/run") != b"hello":
            raise Failed("what stood there has changed")


@case(
    "tree-same",
    _TREES,
    _MUST,
    "A PUT with the digest of the tree that stands is answered 226 same=1 and moves nothing.",
    "What is there already is sent again.",
)
def same(target: Target) -> None:
    with native(target) as session:
        has_to_work(session, TREE)
        said = session.ask(f"PUT type=tree;sha256={digest(TREE)}; tree")[1]
        if (said.code, said.facts.get("same"), said.facts.get("bytes")) != (226, "1", "0"):
            raise Failed(said.shown)


@case(
    "tree-replace",
    _TREES,
    _MUST,
    "With replace=1 the new tree takes the place of the old, of which nothing is left; or it is 553 unsupported.",
    "Files of two versions are mixed.",
)
def replace(target: Target) -> str | None:
    with native(target) as session:
        has_to_work(session, TREE)
        final = put_tree(session, OTHER, "replace=1;")
        if (final.code, final.kind) == (553, "unsupported"):
            return "the file system cannot exchange"
        if final.code != 226 or session.here.fetch("tree/bin") != b"world" or session.here.exists("tree/note"):
            raise Failed(final.shown)
        return None


@case(
    "tree-replace-foreign",
    _TREES,
    _MUST,
    "replace=1 is refused with 553 foreign when a file would vanish that no tree put there.",
    "What somebody else stored is lost.",
)
def foreign(target: Target) -> None:
    with native(target) as session:
        has_to_work(session, TREE)
        session.here.make("tree/late", b"somebody else's")
        final = put_tree(session, OTHER, "replace=1;")
        if (final.code, final.kind) not in ((553, "foreign"), (553, "unsupported")):
            raise Failed(final.shown)
        if session.here.fetch("tree/late") != b"somebody else's":
            raise Failed("it has vanished")


@case(
    "tree-merge",
    _TREES,
    _MUST,
    "With merge=1 files that stand beside those of the new tree stay, and the 226 says merged=1.",
    "What was there is lost, or nobody is told that it was no single step.",
)
def merge(target: Target) -> None:
    with native(target) as session:
        has_to_work(session, TREE)
        final = put_tree(session, (Item("more", content=b"more"),), "merge=1;")
        if final.code != 226 or final.facts.get("merged") != "1":
            raise Failed(final.shown)
        if session.here.fetch("tree/more") != b"more" or session.here.fetch("tree/bin/run") != b"hello":
            raise Failed("a file is missing")


@case(
    "tree-goes-on",
    _GOING_ON,
    _MUST,
    "After a cut the same PUT offers the entries that stand with their digest, and the rest completes it.",
    "Large trees begin from the start after each fault of the line.",
)
def goes_on(target: Target) -> None:
    with native(target) as session:
        tag = session.tag()
        session.send(f"PUT tag={tag};type=tree; tree")
        session.begun(tag)
        session.fill(tag, archive(TREE[:1])[:512])
        session.abort(tag)
        nothing(session)
        tag = session.tag()
        session.send(f"PUT tag={tag};type=tree; tree")
        begun = session.begun(tag)
        if (begun.facts.get("entries"), begun.facts.get("sha256")) != ("1", digest(TREE[:1])):
            raise Failed(f"it offers {begun.shown}")
        rest = archive(TREE[1:])
        session.fill(tag, rest)
        session.send(f"DONE tag={tag};bytes={len(rest)};entries=3;sha256={digest(TREE)};")
        if (final := session.final(tag)).code != 226:
            raise Failed(final.shown)


@case(
    "tree-cut",
    _REFUSED,
    _MUST,
    "A stream without its end is refused, and nothing is published.",
    "Half a tree is taken for whole.",
)
def cut(target: Target) -> None:
    with native(target) as session:
        final = put_tree(session, TREE[:1], raw=archive(TREE[:1])[:512])
        if final.code < 400:
            raise Failed(final.shown)
        nothing(session)


@case(
    "tree-wait",
    _TREES,
    _MUST,
    "A tree that is published ends a WAIT for its name.",
    "A job starts late, or never.",
)
def wait(target: Target) -> None:
    with native(target) as session:
        tag = session.tag()
        session.send(f"WAIT tag={tag};timeout=20; tree")
        has_to_work(session, TREE)
        said = session.final(tag)
        if (said.code, said.facts.get("type")) != (213, "dir"):
            raise Failed(said.shown)


@case(
    "tree-of-file",
    _TREES,
    _MUST,
    "GET of a tree is refused for what does not exist, and for a file.",
    "A program takes a file for an empty tree.",
)
def of_file(target: Target) -> None:
    with native(target) as session:
        session.here.make("file", b"x")
        for path, kind in (("none", "not-found"), ("file", "not-directory")):
            said = session.ask(f"GET type=tree; {path}")[1]
            if (said.code, said.kind) != (550, kind):
                raise Failed(f"{path}: {said.shown}")
