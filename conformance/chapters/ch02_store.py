"""Chapter 2, files: RETR, STOR, STOU, APPE and ALLO (RFC 959 s.4.1.3), and when what they did can be seen."""

from __future__ import annotations

import re

from conformance.chapters.checks import want, want_alive, want_class
from conformance.data import Outcome, download, transfer, upload
from conformance.place import Place, place, want_done
from conformance.registry import Failed, Level, Skipped, case
from conformance.wire import Target

_CLAUSE = "RFC 959 s.4.1.3"


@case(
    "store-replaces",
    "RFC 959 s.4.1.3 STOR",
    Level.MUST,
    "STOR of a name that is there replaces the whole content.",
    "A shorter new file keeps the end of the old one.",
)
def replaces(target: Target) -> None:
    with place(target) as here:
        here.make("file", b"a long old content\n")
        want_done(upload(here.wire, "STOR file", b"new\n"), "STOR of a name that is there")
        if (content := here.fetch("file")) != b"new\n":
            raise Failed(f"the file is now {content!r}")


@case(
    "store-empty",
    "RFC 959 s.4.1.3 STOR",
    Level.MUST,
    "STOR of nothing makes an empty file.",
    "Marker files get lost.",
)
def store_empty(target: Target) -> None:
    with place(target) as here:
        want_done(upload(here.wire, "STOR empty", b""), "STOR of nothing")
        if content := here.fetch("empty"):
            raise Failed(f"the file is now {content!r}")


@case(
    "store-visible",
    "RFC 959 s.4.2.2",
    Level.MUST,
    "After 226 another session finds the file whole.",
    "A script that tells the next one to fetch comes too early.",
)
def visible(target: Target) -> None:
    with place(target) as here, target.session() as other:
        other.command("TYPE I")
        other.command(f"CWD {here.path}")
        want_done(upload(here.wire, "STOR file", b"whole\n"), "STOR")
        outcome = download(other, "RETR file")
        want_done(outcome, "RETR in another session")
        if outcome.content != b"whole\n":
            raise Failed(f"another session gets {outcome.content!r}")


@case(
    "store-on-disk",
    "RFC 959 s.3.1.1.3",
    Level.MUST,
    "What STOR stored in TYPE I is on the server's disk byte for byte.",
    "Programs on the server find something else than was uploaded.",
)
def on_disk(target: Target) -> None:
    content = bytes(range(256)) * 20
    with place(target) as here:
        stored = here.on_disk("file")
        want_done(upload(here.wire, "STOR file", content), "STOR")
        if stored.read_bytes() != content:
            raise Failed("the file on disk differs")


@case(
    "store-unfinished-hidden",
    "RFC 959 s.4.1.3 STOR",
    Level.MAY,
    "While an upload runs, the old file under its name stays whole for readers.",
    "Readers get half a file while somebody uploads it.",
)
def unfinished_hidden(target: Target) -> None:
    with place(target) as here, target.session() as other:
        here.make("file", b"old\n")
        other.command("TYPE I")
        other.command(f"CWD {here.path}")
        with transfer(here.wire, "STOR file") as moving:
            moving.data.send(b"half")
            outcome = download(other, "RETR file")
            moving.data.end()
            here.wire.reply()
        if outcome.content != b"old\n":
            raise Failed(f"a reader gets {outcome.content!r} ({outcome.last.shown})")


@case(
    "store-below-missing",
    "RFC 959 s.4.1.3 STOR",
    Level.MUST,
    "STOR below a directory that is not there is refused.",
    "Files vanish, or turn up where nobody expects them.",
)
def below_missing(target: Target) -> None:
    with place(target) as here:
        outcome = upload(here.wire, "STOR none/file", b"content")
        want_class(outcome.last, "45", "STOR below a missing directory")
        want_alive(here.wire, "it")


@case(
    "store-onto-directory",
    "RFC 959 s.4.1.3 STOR",
    Level.MUST,
    "STOR onto a directory is refused, and the directory keeps its content.",
    "A slip removes a directory.",
)
def onto_directory(target: Target) -> None:
    with place(target) as here:
        here.make_directory("dir")
        here.make("dir/inside")
        outcome = upload(here.wire, "STOR dir", b"content")
        want_class(outcome.last, "45", "STOR onto a directory")
        if here.fetch("dir/inside") != b"content\n":
            raise Failed("what was in the directory is not there any more")


@case(
    "retrieve-leaves",
    "RFC 959 s.4.1.3 RETR",
    Level.MUST,
    "RETR changes nothing about the file.",
    "Looking at a file damages it.",
)
def retrieve_leaves(target: Target) -> None:
    with place(target) as here:
        here.make("file", b"as it was\n")
        for _ in range(2):
            if (content := here.fetch("file")) != b"as it was\n":
                raise Failed(f"it came as {content!r}")


@case(
    "retrieve-missing",
    "RFC 959 s.4.1.3 RETR",
    Level.MUST,
    "RETR of a name that is not there is refused, before any data.",
    "Clients make an empty file of what does not exist.",
)
def retrieve_missing(target: Target) -> None:
    with place(target) as here:
        outcome = download(here.wire, "RETR none")
        if not outcome.refused:
            raise Failed(f"it is answered {outcome.first.shown}, then {outcome.last.shown}")


@case(
    "retrieve-directory",
    "RFC 959 s.4.1.3 RETR",
    Level.MUST,
    "RETR of a directory is refused.",
    "Clients make a file of a directory.",
)
def retrieve_directory(target: Target) -> None:
    with place(target) as here:
        here.make_directory("dir")
        want_class(download(here.wire, "RETR dir").last, "45", "RETR of a directory")


def _known(outcome: Outcome, verb: str) -> None:
    if outcome.first.code in (500, 502):
        raise Skipped(f"{verb} is not known here")


@case(
    "append-adds",
    "RFC 959 s.4.1.3 APPE",
    Level.MUST,
    "APPE adds to the end of a file.",
    "Logs lose what they held.",
)
def append_adds(target: Target) -> None:
    with place(target) as here:
        here.make("log", b"one\n")
        outcome = upload(here.wire, "APPE log", b"two\n")
        _known(outcome, "APPE")
        want_done(outcome, "APPE")
        if (content := here.fetch("log")) != b"one\ntwo\n":
            raise Failed(f"the file is now {content!r}")


@case(
    "append-makes",
    "RFC 959 s.4.1.3 APPE",
    Level.MUST,
    "APPE to a name that is not there makes the file.",
    "The first line of a log has nowhere to go.",
)
def append_makes(target: Target) -> None:
    with place(target) as here:
        outcome = upload(here.wire, "APPE log", b"one\n")
        _known(outcome, "APPE")
        want_done(outcome, "APPE to a new name")
        if (content := here.fetch("log")) != b"one\n":
            raise Failed(f"the file is now {content!r}")


def _stou(here: Place, line: str = "STOU", content: bytes = b"unique\n") -> Outcome:
    outcome = upload(here.wire, line, content)
    _known(outcome, "STOU")
    return outcome


@case(
    "unique-stores",
    "RFC 959 s.4.1.3 STOU",
    Level.MUST,
    "STOU, where it is known, stores the content under a name that was not there.",
    "Files left by many at once are lost.",
)
def unique_stores(target: Target) -> None:
    with place(target) as here:
        here.make("file", b"before\n")
        want_done(_stou(here), "STOU")
        want_done(_stou(here, content=b"second\n"), "a second STOU")
        names = here.names()
        contents = sorted(here.fetch(name) for name in names)
        if contents != [b"before\n", b"second\n", b"unique\n"]:
            raise Failed(f"there are now {names!r} with {contents!r}")


@case(
    "unique-named",
    "RFC 1123 s.4.1.2.9",
    Level.MUST,
    "The 1xx of STOU, where it is known, is `FILE: ` and the name that the file gets.",
    "The client does not learn what its file is called.",
)
def unique_named(target: Target) -> None:
    with place(target) as here:
        first = _stou(here).first
        found = re.fullmatch(rb"1[25][05][ -]FILE: (.+)", first.lines[0])
        if not found:
            raise Failed(f"STOU is answered {first.shown}")
        if (name := found[1].rpartition(b"/")[2]) not in (names := here.names()):
            raise Failed(f"it says {name!r}, and there are {names!r}")


@case(
    "unique-named-somewhere",
    "RFC 959 s.4.1.3 STOU",
    Level.SHOULD,
    "A reply to STOU, where it is known, holds the name that the file gets.",
    "The client does not learn what its file is called.",
)
def unique_named_somewhere(target: Target) -> None:
    with place(target) as here:
        outcome = _stou(here)
        want_done(outcome, "STOU")
        [name] = here.names()
        if not any(name in line for reply in (outcome.first, outcome.last) for line in reply.lines):
            raise Failed(f"it is called {name!r}, and the replies are {outcome.first.shown}, {outcome.last.shown}")


@case(
    "unique-keeps",
    "RFC 959 s.4.1.3 STOU",
    Level.MUST,
    "STOU with the name of a file that is there leaves that file as it is.",
    "The verb made to overwrite nothing overwrites something.",
)
def unique_keeps(target: Target) -> None:
    with place(target) as here:
        here.make("file", b"old\n")
        _stou(here, "STOU file")
        if (content := here.fetch("file")) != b"old\n":
            raise Failed(f"the file is now {content!r}")


@case(
    "allocate-then-store",
    "RFC 959 s.4.1.3 ALLO",
    Level.MUST,
    "ALLO with the right size before STOR changes nothing about it.",
    "Clients that announce sizes cannot store.",
)
def allocate_then_store(target: Target) -> None:
    with place(target) as here:
        want_class(here.command("ALLO 8"), "25", "ALLO")
        want_done(upload(here.wire, "STOR file", b"content\n"), "STOR after ALLO")
        if (content := here.fetch("file")) != b"content\n":
            raise Failed(f"the file is now {content!r}")


@case(
    "allocate-malformed",
    "RFC 959 s.5.4 ALLO",
    Level.SHOULD,
    "ALLO with what is no number is refused with 501 or 504, unless ALLO is superfluous (202).",
    "A slip goes unnoticed.",
)
def allocate_malformed(target: Target) -> None:
    with place(target) as here:
        want(here.known("ALLO many"), (202, 501, 504), "ALLO many")


@case(
    "restart-malformed",
    "RFC 959 s.5.4 REST",
    Level.SHOULD,
    "REST with what is no number is refused with 501, where markers are numbers.",
    "A resumed file begins at the wrong place.",
)
def restart_malformed(target: Target) -> None:
    with place(target) as here:
        want(here.known("REST many"), (501,), "REST many")


@case(
    "restart-negative",
    "RFC 959 s.5.4 REST",
    Level.SHOULD,
    "REST with a negative number is refused with 501.",
    "A resumed file begins at the wrong place.",
)
def restart_negative(target: Target) -> None:
    with place(target) as here:
        want(here.known("REST -1"), (501,), "REST -1")
