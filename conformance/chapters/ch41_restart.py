"""Chapter 41: REST in stream mode, transfers that go on where they ended (RFC 3659 s.5)."""

from __future__ import annotations

from conformance.chapters.ch40_time_size import features
from conformance.chapters.checks import want, want_alive, want_class
from conformance.data import download, upload
from conformance.place import Place, place, want_done
from conformance.registry import Failed, Level, Skipped, case
from conformance.wire import Target

_CONTENT = b"0123456789abcdef"


def _rest(here: Place, offset: int) -> None:
    want(here.known(f"REST {offset}"), (350,), f"REST {offset}")


def _from(here: Place, offset: int) -> bytes:
    """What RETR sends after REST."""
    _rest(here, offset)
    got = download(here.wire, "RETR file")
    want_done(got, f"RETR after REST {offset}")
    return got.content


@case(
    "rest-feat",
    "RFC 3659 s.5.4",
    Level.MUST,
    "Where REST is known FEAT lists it as REST STREAM.",
    "Clients begin large downloads from the start after each fault of the line.",
)
def rest_feat(target: Target) -> None:
    with place(target) as here:
        _rest(here, 0)
        listed = [line.upper() for line in features(here)]
        if b"REST STREAM" not in listed:
            raise Failed("FEAT does not list REST STREAM")


@case(
    "rest-retr",
    "RFC 3659 s.5.1",
    Level.MUST,
    "RETR after REST sends the file from that byte on, and all of it.",
    "A download that went on has a hole or a double piece.",
)
def rest_retr(target: Target) -> None:
    with place(target) as here:
        here.make("file", _CONTENT)
        for offset in (1, 10, len(_CONTENT) - 1):
            if (got := _from(here, offset)) != _CONTENT[offset:]:
                raise Failed(f"after REST {offset} came {got!r}")


@case(
    "rest-retr-zero",
    "RFC 3659 s.5.3",
    Level.MUST,
    "RETR after REST 0 sends the whole file.",
    "Clients that always say where to begin get nothing.",
)
def rest_retr_zero(target: Target) -> None:
    with place(target) as here:
        here.make("file", _CONTENT)
        if (got := _from(here, 0)) != _CONTENT:
            raise Failed(f"after REST 0 came {got!r}")


@case(
    "rest-retr-end",
    "RFC 3659 s.5.1",
    Level.SHOULD,
    "RETR after REST to the very end sends nothing and succeeds.",
    "A client that has it all already takes its file for broken.",
)
def rest_retr_end(target: Target) -> None:
    with place(target) as here:
        here.make("file", _CONTENT)
        if got := _from(here, len(_CONTENT)):
            raise Failed(f"after REST to the end came {got!r}")


@case(
    "rest-retr-beyond",
    "RFC 3659 s.5.1",
    Level.MUST,
    "RETR after REST beyond the end sends no content.",
    "A file that became shorter is glued to pieces of what it was before.",
)
def rest_retr_beyond(target: Target) -> str:
    with place(target) as here:
        here.make("file", _CONTENT)
        if here.known("REST 1000").code != 350:
            return "REST is refused"
        got = download(here.wire, "RETR file")
        if got.content:
            raise Failed(f"after REST beyond the end came {got.content!r}")
        return got.last.shown


@case(
    "rest-retr-beyond-refused",
    "RFC 3659 s.5.2",
    Level.SHOULD,
    "RETR after REST beyond the end is refused.",
    "A client takes a file that became shorter for one that it has.",
)
def rest_beyond_refused(target: Target) -> None:
    with place(target) as here:
        here.make("file", _CONTENT)
        if here.known("REST 1000").code == 350:
            want_class(download(here.wire, "RETR file").last, "45", "RETR after REST beyond the end")


@case(
    "rest-once-refused",
    "RFC 3659 s.5.3",
    Level.SHOULD,
    "REST is used up by a RETR that fails, too.",
    "The next file has lost its beginning.",
)
def rest_once_refused(target: Target) -> None:
    with place(target) as here:
        here.make("file", _CONTENT)
        _rest(here, 10)
        download(here.wire, "RETR none")
        if (got := here.fetch("file")) != _CONTENT:
            raise Failed(f"after a RETR that failed came {got!r}")


@case(
    "rest-last-counts",
    "RFC 3659 s.5.3",
    Level.MUST,
    "Of two REST the last one counts.",
    "A client that changed its mind gets a file from the wrong byte on.",
)
def rest_last(target: Target) -> None:
    with place(target) as here:
        here.make("file", _CONTENT)
        _rest(here, 12)
        if (got := _from(here, 4)) != _CONTENT[4:]:
            raise Failed(f"after REST 12 and REST 4 came {got!r}")


@case(
    "rest-stor",
    "RFC 3659 s.5.1",
    Level.SHOULD,
    "STOR after REST keeps the bytes before and puts the new ones behind them.",
    "An upload that goes on destroys what was there.",
)
def rest_stor(target: Target) -> None:
    with place(target) as here:
        here.make("file", _CONTENT)
        _rest(here, 10)
        outcome = upload(here.wire, "STOR file", b"ABCDEF")
        if outcome.refused:
            raise Failed(f"STOR after REST 10 is answered {outcome.last.shown}")
        want_done(outcome, "STOR after REST 10")
        if (got := here.fetch("file")) != _CONTENT[:10] + b"ABCDEF":
            raise Failed(f"afterwards the file is {got!r}")


@case(
    "rest-stor-no-hole",
    "RFC 3659 s.5.1",
    Level.SHOULD,
    "STOR after REST beyond the end makes no file with a hole.",
    "A file that was never sent as a whole looks whole.",
)
def rest_hole(target: Target) -> str:
    with place(target) as here:
        here.make("file", b"0123")
        _rest(here, 10)
        outcome = upload(here.wire, "STOR file", b"ABCDEF")
        if outcome.refused or outcome.last.code >= 400:
            return f"refused: {outcome.last.shown}"
        got = here.fetch("file")
        if got[:10] == b"0123" + bytes(6):
            raise Failed(f"the file is {got!r}")
        return f"the file is {got!r}"


@case(
    "rest-unreadable",
    "RFC 3659 s.5.3",
    Level.MUST,
    "REST with something that is no number is refused, and counts for nothing.",
    "The next file begins at a byte that nobody named.",
)
def rest_unreadable(target: Target) -> None:
    with place(target) as here:
        here.make("file", _CONTENT)
        _rest(here, 0)
        for argument in ("x", "-1", "1x"):
            want_class(here.command(f"REST {argument}"), "5", f"REST {argument}")
        if (got := here.fetch("file")) != _CONTENT:
            raise Failed(f"after a REST that was refused came {got!r}")


@case(
    "rest-nothing",
    "RFC 3659 s.5.3",
    Level.MUST,
    "REST without an argument is refused.",
    "A mistake of the client is taken for a wish.",
)
def rest_nothing(target: Target) -> None:
    with place(target) as here:
        want_class(here.command("REST"), "5", "REST without an argument")
        want_alive(here.wire, "REST without an argument")


@case(
    "rest-large",
    "RFC 3659 s.5.3",
    Level.MUST,
    "REST takes offsets beyond 4 GiB.",
    "Large files cannot be gone on with.",
)
def rest_large(target: Target) -> None:
    with place(target) as here:
        _rest(here, 5_000_000_000)


@case(
    "rest-large-not-wrapped",
    "RFC 3659 s.5.3",
    Level.MUST,
    "An offset beyond 4 GiB is not cut to 32 bits.",
    "A large file that goes on has its beginning in its middle.",
)
def rest_wrapped(target: Target) -> None:
    with place(target) as here:
        here.make("file", _CONTENT)
        if here.known(f"REST {2**32 + 4}").code != 350:
            raise Skipped("offsets beyond 4 GiB are refused")
        if download(here.wire, "RETR file").content == _CONTENT[4:]:
            raise Failed("REST 4294967300 counted as REST 4")
