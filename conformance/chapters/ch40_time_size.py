"""Chapter 40: MDTM and SIZE (RFC 3659 s.2 to s.4)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from conformance.chapters.checks import want, want_alive, want_class, want_clean
from conformance.data import download, upload
from conformance.place import Place, place, want_done
from conformance.registry import Failed, Level, Skipped, case
from conformance.wire import Reply, Target

_TIME = re.compile(r"(\d{14})(\.\d+)?")
_SLACK = 150  # seconds between two clocks that are both right, and for a case that waits on a busy machine


def told(reply: Reply, after: str) -> str:
    """The text of a 213."""
    want(reply, (213,), after)
    return reply.lines[-1][4:].decode("ascii", "replace")


def moment(text: str) -> datetime:
    """A time value (s.2.3); Failed when it is none."""
    found = _TIME.fullmatch(text)
    if not found:
        raise Failed(f"{text!r} is not YYYYMMDDHHMMSS")
    try:
        return datetime.strptime(found[1], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError as error:
        raise Failed(f"{text!r} is no time: {error}") from error


def features(here: Place) -> list[bytes]:
    """The lines of FEAT, less their blanks, as sent; Skipped without FEAT."""
    reply = here.known("FEAT")
    want(reply, (211,), "FEAT")
    return [line.strip() for line in reply.lines[1:-1]]


def feature(here: Place, verb: bytes) -> bytes:
    """The line of FEAT whose first word is `verb`; Failed when there is none."""
    for line in features(here):
        if line.upper().split(b" ")[0] == verb:
            return line
    raise Failed(f"FEAT does not list {verb.decode()}")


@case(
    "mdtm-form",
    "RFC 3659 s.3.1",
    Level.MUST,
    "MDTM of a file is answered 213 with a time value and nothing else.",
    "Clients cannot read the time, and copy the file again each night.",
)
def mdtm_form(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        reply = here.known("MDTM file")
        want_clean(reply)
        moment(told(reply, "MDTM"))


@case(
    "mdtm-utc",
    "RFC 3659 s.2.3",
    Level.MUST,
    "MDTM of a file just stored tells the present time in UTC.",
    "Times are hours off, and a mirror takes old files for new ones.",
)
def mdtm_utc(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        here.known("MDTM file")
        said = moment(told(here.command("MDTM file"), "MDTM"))
        off = (said - datetime.now(UTC)).total_seconds()
        if abs(off) > _SLACK:
            raise Failed(f"a file just stored is said to be of {said:%Y-%m-%d %H:%M:%S}, {off:+.0f} s from now")


@case(
    "mdtm-missing",
    "RFC 3659 s.3.2",
    Level.MUST,
    "MDTM of nothing is refused with a 5xx.",
    "A client takes a file for one that exists.",
)
def mdtm_missing(target: Target) -> None:
    with place(target) as here:
        want_class(here.known("MDTM none"), "5", "MDTM of nothing")


@case(
    "mdtm-missing-550",
    "RFC 3659 s.3.2",
    Level.SHOULD,
    "The refusal of MDTM for what does not exist is 550.",
    "A client cannot tell a file that is missing from a server without MDTM.",
)
def mdtm_missing_550(target: Target) -> None:
    with place(target) as here:
        want(here.known("MDTM none"), (550,), "MDTM of nothing")


@case(
    "mdtm-nothing",
    "RFC 3659 s.3.1",
    Level.MUST,
    "MDTM without a path is refused.",
    "A mistake of the client is answered with a time.",
)
def mdtm_nothing(target: Target) -> None:
    with place(target) as here:
        want_class(here.command("MDTM"), "5", "MDTM without a path")
        want_alive(here.wire, "MDTM without a path")


@case(
    "mdtm-directory",
    "RFC 3659 s.3",
    Level.MUST,
    "MDTM of a directory is answered with a time or refused, and never with anything else.",
    "Clients that ask for the time of a directory are out of step.",
)
def mdtm_directory(target: Target) -> str:
    with place(target) as here:
        here.make_directory("dir")
        reply = here.known("MDTM dir")
        if reply.code != 213:
            want_class(reply, "5", "MDTM of a directory")
            return "refused"
        moment(told(reply, "MDTM of a directory"))
        return "a time"


@case(
    "mdtm-blanks",
    "RFC 3659 s.2.2",
    Level.MUST,
    "MDTM takes a name with blanks in it.",
    "Files with blanks in their names cannot be mirrored.",
)
def mdtm_blanks(target: Target) -> None:
    with place(target) as here:
        here.make("two words")
        moment(told(here.known("MDTM two words"), "MDTM of a name with a blank"))


@case(
    "mdtm-any-type",
    "RFC 3659 s.3",
    Level.MUST,
    "MDTM tells the same time in TYPE A and TYPE I.",
    "What a client sees depends on what it did before.",
)
def mdtm_any_type(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        image = told(here.known("MDTM file"), "MDTM")
        here.command("TYPE A")
        if (text := told(here.command("MDTM file"), "MDTM in TYPE A")) != image:
            raise Failed(f"{image} in TYPE I, {text} in TYPE A")


@case(
    "mdtm-changes",
    "RFC 3659 s.3",
    Level.MUST,
    "MDTM does not go back when a file is stored anew.",
    "A mirror misses the new content.",
)
def mdtm_changes(target: Target) -> None:
    with place(target) as here:
        here.make("file", b"old")
        before = moment(told(here.known("MDTM file"), "MDTM"))
        here.make("file", b"new content")
        if moment(told(here.command("MDTM file"), "MDTM")) < before:
            raise Failed("the time of the new content is before that of the old")


@case(
    "mdtm-feat",
    "RFC 3659 s.3.3",
    Level.MUST,
    "Where MDTM is known FEAT lists it.",
    "Clients do not ask for times and copy every file again.",
)
def mdtm_feat(target: Target) -> None:
    with place(target) as here:
        here.known("MDTM none")
        if (line := feature(here, b"MDTM")).upper() != b"MDTM":
            raise Failed(f"FEAT lists {line!r}, with something behind the verb")


@case(
    "mdtm-needs-login",
    "RFC 959 s.5.4",
    Level.MUST,
    "MDTM and SIZE before login are refused.",
    "Strangers can find out what files there are.",
)
def needs_login(target: Target) -> None:
    with target.greeted() as wire:
        for line in ("MDTM /", "SIZE /", "MLST /"):
            want_class(wire.command(line), "5", f"{line} before login")


@case(
    "size-form",
    "RFC 3659 s.4.1",
    Level.MUST,
    "SIZE of a file is answered 213 with a number and nothing else.",
    "Clients cannot tell whether a file is whole, nor go on with it.",
)
def size_form(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        reply = here.known("SIZE file")
        want_clean(reply)
        if not (text := told(reply, "SIZE")).isdigit():
            raise Failed(f"SIZE is answered {reply.shown}: {text!r} is no number")


@case(
    "size-exact",
    "RFC 3659 s.4",
    Level.MUST,
    "SIZE in TYPE I is the number of bytes that RETR sends.",
    "Downloads that are whole are taken for broken ones, or the other way round.",
)
def size_exact(target: Target) -> None:
    with place(target) as here:
        content = bytes(range(256)) * 40 + b"\r\n\n\r"
        here.make("file", content)
        size = told(here.known("SIZE file"), "SIZE")
        if size != str(len(content)) or len(here.fetch("file")) != len(content):
            raise Failed(f"{len(content)} bytes were stored, and SIZE tells {size}")


@case(
    "size-of-nothing-in-it",
    "RFC 3659 s.4",
    Level.MUST,
    "SIZE of an empty file is 0.",
    "Empty files are taken for missing ones.",
)
def size_empty(target: Target) -> None:
    with place(target) as here:
        here.make("file", b"")
        if (size := told(here.known("SIZE file"), "SIZE of an empty file")) != "0":
            raise Failed(f"SIZE of an empty file tells {size}")


@case(
    "size-missing",
    "RFC 3659 s.4.2",
    Level.MUST,
    "SIZE of what does not exist is refused with a 5xx.",
    "A client goes on with a file that is not there.",
)
def size_missing(target: Target) -> None:
    with place(target) as here:
        want_class(here.known("SIZE none"), "5", "SIZE of nothing")


@case(
    "size-missing-550",
    "RFC 3659 s.4.2",
    Level.SHOULD,
    "The refusal of SIZE for what does not exist is 550.",
    "A client cannot tell a file that is missing from a server without SIZE.",
)
def size_missing_550(target: Target) -> None:
    with place(target) as here:
        want(here.known("SIZE none"), (550,), "SIZE of nothing")


@case(
    "size-directory",
    "RFC 3659 s.4",
    Level.SHOULD,
    "SIZE of a directory, which cannot be transferred, is refused.",
    "Clients take directories for files.",
)
def size_directory(target: Target) -> None:
    with place(target) as here:
        here.make_directory("dir")
        want_class(here.known("SIZE dir"), "5", "SIZE of a directory")


@case(
    "size-nothing",
    "RFC 3659 s.4.1",
    Level.MUST,
    "SIZE without a path is refused.",
    "A mistake of the client is answered with a number.",
)
def size_nothing(target: Target) -> None:
    with place(target) as here:
        want_class(here.command("SIZE"), "5", "SIZE without a path")
        want_alive(here.wire, "SIZE without a path")


@case(
    "size-blanks",
    "RFC 3659 s.2.2",
    Level.MUST,
    "SIZE takes a name with blanks in it.",
    "Files with blanks in their names cannot be resumed.",
)
def size_blanks(target: Target) -> None:
    with place(target) as here:
        here.make("two words", b"12345")
        if (size := told(here.known("SIZE two words"), "SIZE of a name with a blank")) != "5":
            raise Failed(f"5 bytes were stored, and SIZE tells {size}")


@case(
    "size-type-a",
    "RFC 3659 s.4",
    Level.MUST,
    "SIZE in TYPE A is the number of bytes that RETR sends in TYPE A, or it is refused.",
    "Downloads of texts are taken for broken ones and begun again.",
)
def size_type_a(target: Target) -> str:
    with place(target) as here:
        here.make("text", b"one\ntwo\nthree\n")
        here.known("SIZE text")
        here.command("TYPE A")
        reply = here.command("SIZE text")
        if reply.code != 213:
            want_class(reply, "5", "SIZE in TYPE A")
            return "refused"
        got = download(here.wire, "RETR text")
        want_done(got, "RETR in TYPE A")
        if told(reply, "SIZE") != str(len(got.content)):
            raise Failed(f"SIZE tells {told(reply, 'SIZE')}, and {len(got.content)} bytes came")
        return "counted as sent"


@case(
    "size-append",
    "RFC 3659 s.4",
    Level.MUST,
    "SIZE tells the new number of bytes after APPE.",
    "A client goes on in the wrong place, and the file has a hole or a double piece.",
)
def size_append(target: Target) -> None:
    with place(target) as here:
        here.make("file", b"12345")
        if not upload(here.wire, "APPE file", b"678").done:
            raise Skipped("APPE does not work here")
        if (size := told(here.known("SIZE file"), "SIZE")) != "8":
            raise Failed(f"5 and 3 bytes were stored, and SIZE tells {size}")


@case(
    "size-feat",
    "RFC 3659 s.4.3",
    Level.MUST,
    "Where SIZE is known FEAT lists it.",
    "Clients cannot tell whether a file is whole.",
)
def size_feat(target: Target) -> None:
    with place(target) as here:
        here.known("SIZE none")
        if (line := feature(here, b"SIZE")).upper() != b"SIZE":
            raise Failed(f"FEAT lists {line!r}, with something behind the verb")


@case(
    "size-after-refused-upload",
    "RFC 3659 s.4",
    Level.SHOULD,
    "A STOR for which no data connection comes leaves the size of what stands there as it was.",
    "A failed upload empties the old file.",
)
def size_after_refusal(target: Target) -> None:
    with place(target) as here:
        here.make("file", b"12345")
        here.known("SIZE file")
        here.wire.patience = 3.0
        try:
            reply = here.command("STOR file")  # with no EPSV, PASV, EPRT or PORT before it
            reply = here.wire.reply() if reply.code < 200 else reply
        except Failed as silence:
            raise Skipped(f"STOR without a data connection: {silence}") from silence
        want_class(reply, "45", "STOR without a data connection")
        if (size := told(here.command("SIZE file"), "SIZE")) != "5":
            raise Failed(f"after a refused STOR, SIZE tells {size} in place of 5")
