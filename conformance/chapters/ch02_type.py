"""Chapter 2, representation: TYPE A converts line ends, TYPE I nothing, and both last (RFC 959 s.3.1.1, s.3.3)."""

from __future__ import annotations

import time
from collections.abc import Callable

from conformance.chapters.checks import want, want_class
from conformance.data import download, transfer, upload
from conformance.place import Place, place, want_done
from conformance.registry import Failed, Level, Skipped, case
from conformance.wire import Target

_ASCII = "RFC 959 s.3.1.1.1"
_WRONG_ENDS = "Text has the wrong line ends at one side."


def _unix(here: Place) -> None:
    """What a file holds after TYPE A can be told only where lines end in LF."""
    system = here.command("SYST")
    if b"UNIX" not in system.lines[0].upper():
        raise Skipped(f"how lines end there is not known: {system.shown}")


def _comes(name: str, stored: bytes, sent: bytes, says: str, level: Level = Level.MUST) -> None:
    @case(f"type-a-download-{name}", _ASCII, level, says, _WRONG_ENDS)
    def check(target: Target) -> None:
        with place(target) as here:
            _unix(here)
            here.make("text", stored)
            want(here.command("TYPE A"), (200,), "TYPE A")
            outcome = download(here.wire, "RETR text")
            want_done(outcome, "RETR in TYPE A")
            if outcome.content != sent:
                raise Failed(f"{stored!r} came as {outcome.content!r}")


def _goes(name: str, sent: bytes, stored: bytes, says: str, level: Level = Level.MUST) -> None:
    @case(f"type-a-upload-{name}", _ASCII, level, says, _WRONG_ENDS)
    def check(target: Target) -> None:
        with place(target) as here:
            _unix(here)
            want(here.command("TYPE A"), (200,), "TYPE A")
            want_done(upload(here.wire, "STOR text", sent), "STOR in TYPE A")
            want(here.command("TYPE I"), (200,), "TYPE I")
            if (content := here.fetch("text")) != stored:
                raise Failed(f"{sent!r} was stored as {content!r}")


_comes("lines", b"one\ntwo\n", b"one\r\ntwo\r\n", "In TYPE A lines come with CRLF.")
_comes("no-last-end", b"one\ntwo", b"one\r\ntwo", "In TYPE A a last line without an end comes without one.")
_comes("empty-lines", b"\n\none\n\n", b"\r\n\r\none\r\n\r\n", "In TYPE A empty lines stay.")
_goes("lines", b"one\r\ntwo\r\n", b"one\ntwo\n", "In TYPE A lines that go with CRLF are stored with LF.")
_goes("no-last-end", b"one\r\ntwo", b"one\ntwo", "In TYPE A a last line without an end is stored without one.")
_goes("empty-lines", b"\r\n\r\none\r\n\r\n", b"\n\none\n\n", "In TYPE A empty lines stay.")
_goes("lone-lf", b"one\ntwo\r\n", b"one\ntwo\n", "In TYPE A an LF without CR is stored as it is.", Level.MAY)
_goes("lone-cr", b"one\rtwo\r\n", b"one\rtwo\n", "In TYPE A a CR without LF is stored as it is.", Level.MAY)
_comes("large", b"0123456\n" * 40_000, b"0123456\r\n" * 40_000, "In TYPE A each of 40,000 lines comes with CRLF.")
_goes("large", b"0123456\r\n" * 40_000, b"0123456\n" * 40_000, "In TYPE A each of 40,000 lines is stored with LF.")


@case(
    "type-a-upload-split",
    _ASCII,
    Level.MUST,
    "In TYPE A a line end whose CR and LF arrive apart is one line end.",
    "A packet boundary at the wrong place damages a text, once in a while.",
)
def upload_split(target: Target) -> None:
    with place(target) as here:
        _unix(here)
        want(here.command("TYPE A"), (200,), "TYPE A")
        with transfer(here.wire, "STOR text") as moving:
            for piece in (b"one\r", b"\ntwo\r", b"\n"):
                moving.data.send(piece)
                time.sleep(0.1)
            moving.data.end()
        want(here.wire.reply(), (226, 250), "STOR in TYPE A")
        here.command("TYPE I")
        if (content := here.fetch("text")) != b"one\ntwo\n":
            raise Failed(f"it was stored as {content!r}")


@case(
    "type-a-append",
    _ASCII,
    Level.MUST,
    "In TYPE A what APPE adds has its line ends converted too.",
    _WRONG_ENDS,
)
def append(target: Target) -> None:
    with place(target) as here:
        _unix(here)
        here.make("text", b"one\n")
        want(here.command("TYPE A"), (200,), "TYPE A")
        outcome = upload(here.wire, "APPE text", b"two\r\n")
        if outcome.first.code in (500, 502):
            raise Skipped("APPE is not known here")
        want_done(outcome, "APPE in TYPE A")
        here.command("TYPE I")
        if (content := here.fetch("text")) != b"one\ntwo\n":
            raise Failed(f"the file is now {content!r}")


@case(
    "type-i-crlf",
    "RFC 959 s.3.1.1.3",
    Level.MUST,
    "In TYPE I line ends go and come as they are.",
    "Archives and pictures are damaged.",
)
def image_crlf(target: Target) -> None:
    content = b"one\r\ntwo\nthree\rfour\n\r"
    with place(target) as here:
        here.make("mixed", content)
        if (came := here.fetch("mixed")) != content:
            raise Failed(f"{content!r} came as {came!r}")


def _lasts(name: str, clause: str, says: str, between: Callable[[Place], object]) -> None:
    @case(name, clause, Level.MUST, says, "The second file of a session is damaged.")
    def check(target: Target) -> None:
        with place(target) as here:
            _unix(here)
            here.make("text", b"one\n")
            between(here)
            if (content := here.fetch("text")) != b"one\n":
                raise Failed(f"in TYPE I b'one\\n' comes as {content!r}")


_lasts(
    "type-lasts", "RFC 959 s.4.1.2 TYPE", "TYPE I holds for all transfers that follow.", lambda here: here.fetch("text")
)
_lasts("type-survives-list", "RFC 1123 s.4.1.2.7", "TYPE I holds after LIST.", lambda here: download(here.wire, "LIST"))
_lasts("type-survives-nlst", "RFC 1123 s.4.1.2.7", "TYPE I holds after NLST.", lambda here: here.names())
_lasts(
    "type-refused-changes-nothing",
    "RFC 959 s.4.1.2 TYPE",
    "A TYPE that is refused leaves the one before.",
    lambda here: want_class(here.command("TYPE Q"), "5", "TYPE Q"),
)
_lasts(
    "type-i-after-a",
    "RFC 959 s.4.1.2 TYPE",
    "TYPE I after TYPE A counts.",
    lambda here: (here.command("TYPE A"), here.command("TYPE I")),
)
_lasts(
    "type-survives-cwd",
    "RFC 959 s.4.1.2 TYPE",
    "TYPE I holds after CWD.",
    lambda here: here.command(f"CWD {here.path}"),
)
_lasts(
    "type-l8-is-image",
    "RFC 1123 s.4.1.2.1",
    "TYPE L 8, where it is taken, converts nothing.",
    lambda here: _ascii_and(here, "TYPE L 8"),
)


def _ascii_and(here: Place, line: str) -> None:
    want(here.command("TYPE A"), (200,), "TYPE A")
    _taken(here, line)


def _taken(here: Place, line: str) -> None:
    if here.command(line).code != 200:
        raise Skipped(f"{line} is not taken here")


@case(
    "type-l-wrong-size",
    "RFC 959 s.3.1.1.4",
    Level.SHOULD,
    "TYPE L with a byte size that the server does not do is refused.",
    "A machine with other words believes that its words are kept.",
)
def local_wrong_size(target: Target) -> None:
    with target.session() as wire:
        want_class(wire.command("TYPE L 7"), "5", "TYPE L 7")


@case(
    "type-a-t-converts",
    "RFC 1123 s.4.1.2.2",
    Level.SHOULD,
    "TYPE A T, where it is taken, is TYPE A N.",
    _WRONG_ENDS,
)
def telnet_format(target: Target) -> None:
    with place(target) as here:
        _unix(here)
        here.make("text", b"one\n")
        _taken(here, "TYPE A T")
        outcome = download(here.wire, "RETR text")
        want_done(outcome, "RETR in TYPE A T")
        if outcome.content != b"one\r\n":
            raise Failed(f"b'one\\n' came as {outcome.content!r}")


@case(
    "type-mode-refused-changes-nothing",
    "RFC 959 s.4.1.2 MODE",
    Level.MUST,
    "A MODE and a STRU that are refused leave what was before.",
    "A client that asks for compression and is refused cannot go on without.",
)
def refused_changes_nothing(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        for line in ("MODE Q", "STRU Q"):
            want_class(here.command(line), "5", line)
        if here.fetch("file") != b"content\n":
            raise Failed("the file did not come as it was")
