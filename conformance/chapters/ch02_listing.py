"""Chapter 2, listings: LIST and NLST over the data connection, STAT over the control connection."""

from __future__ import annotations

import re

from conformance.chapters.checks import want, want_alive, want_class, want_clean
from conformance.data import download
from conformance.place import Place, place, want_done
from conformance.registry import Failed, Level, Skipped, case
from conformance.wire import Target

_SERVICE, _NAMES = "RFC 959 s.4.1.3", "RFC 1123 s.4.1.2.7"


def _listing(here: Place, line: str) -> bytes:
    outcome = download(here.wire, line)
    if outcome.first.code in (500, 502):
        raise Skipped(f"{line.partition(' ')[0]} is not known here")
    want_done(outcome, line)
    return outcome.content


def _furnish(here: Place) -> None:
    here.make_directory("dir")
    here.make("dir/inside")
    here.make("file")


def _crlf(content: bytes, line: str) -> None:
    if re.search(rb"(?<!\r)\n", content) or not content.endswith(b"\r\n"):
        raise Failed(f"{line} ends lines otherwise than in CRLF: {content[:120]!r}")


def _line_ends(name: str, line: str, kind: str, level: Level) -> None:
    says = f"{line.split()[0]} in {kind} ends its lines in CRLF."
    means = "Clients read a CR into each name, or the whole listing as one line."

    @case(name, _NAMES, level, says, means)
    def check(target: Target) -> None:
        with place(target) as here:
            _furnish(here)
            here.command(kind)
            _crlf(_listing(here, line), line)


_line_ends("list-crlf", "LIST", "TYPE A", Level.MUST)
_line_ends("nlst-crlf", "NLST", "TYPE A", Level.MUST)
_line_ends("list-crlf-image", "LIST", "TYPE I", Level.SHOULD)
_line_ends("nlst-crlf-image", "NLST", "TYPE I", Level.SHOULD)


@case(
    "list-names-all",
    "RFC 959 s.4.1.3 LIST",
    Level.MUST,
    "LIST has a line for each file and directory.",
    "Mirrors believe that files are not there.",
)
def list_names_all(target: Target) -> None:
    with place(target) as here:
        _furnish(here)
        lines = _listing(here, "LIST").split(b"\r\n")
        for name in (b"dir", b"file"):
            if sum(line.endswith((b" " + name, b"=" + name, b"\t" + name)) for line in lines) != 1:
                raise Failed(f"{name!r} is not on one line of {lines!r}")


@case(
    "list-directory",
    "RFC 959 s.4.1.3 LIST",
    Level.MUST,
    "LIST of a directory lists what is in it.",
    "Clients that look into a directory see the directory's own line.",
)
def list_directory(target: Target) -> None:
    with place(target) as here:
        _furnish(here)
        content = _listing(here, "LIST dir")
        if not re.search(rb"inside\r?$", content, re.MULTILINE):
            raise Failed(f"LIST dir gives {content[:200]!r}")


@case(
    "list-file",
    "RFC 959 s.4.1.3 LIST",
    Level.MUST,
    "LIST of a file has one line, the file's.",
    "Clients cannot look up one file.",
)
def list_file(target: Target) -> None:
    with place(target) as here:
        _furnish(here)
        lines = _listing(here, "LIST file").splitlines()
        if len(lines) != 1 or not lines[0].endswith(b"file"):
            raise Failed(f"LIST file gives {lines!r}")


@case(
    "list-empty",
    "RFC 959 s.4.1.3 LIST",
    Level.MUST,
    "LIST of an empty directory is an empty listing (but for a total), and no refusal.",
    "Clients take an empty directory for an error.",
)
def list_empty(target: Target) -> None:
    with place(target) as here:
        here.make_directory("dir")
        lines = [line for line in _listing(here, "LIST dir").splitlines() if not line.endswith((b" .", b" .."))]
        if lines and not re.fullmatch(rb"total \d+", lines[0]):
            raise Failed(f"LIST of an empty directory gives {lines!r}")


@case(
    "list-unix-form",
    "RFC 959 s.4.1.3 LIST",
    Level.MAY,
    "LIST looks like `ls -l`, which nearly all clients can read.",
    "Clients that read no other form show an empty directory.",
)
def list_unix_form(target: Target) -> None:
    with place(target) as here:
        _furnish(here)
        shape = rb"[-d][-rwxsStT]{9}[+.]?\s+\d+\s+\S+\s+\S+\s+\d+\s+[A-Z][a-z]{2}\s+\d+\s+[\d:]+\s(dir|file)"
        for line in _listing(here, "LIST").splitlines():
            if not re.fullmatch(shape, line) and not re.fullmatch(rb"total \d+|.* \.\.?", line):
                raise Failed(f"{line!r} is no line of `ls -l`")


@case(
    "list-options",
    "RFC 959 s.4.1.3 LIST",
    Level.MAY,
    "LIST -a is taken for an option, as `ls` would, and lists the directory.",
    "Clients that always send -a see nothing.",
)
def list_options(target: Target) -> None:
    with place(target) as here:
        _furnish(here)
        if b"file" not in (content := _listing(here, "LIST -a")):
            raise Failed(f"LIST -a gives {content[:200]!r}")


@case(
    "list-control-quiet",
    "RFC 959 s.4.1.3 LIST",
    Level.MUST,
    "LIST moves its lines over the data connection alone.",
    "Clients take lines of the listing for replies.",
)
def list_control_quiet(target: Target) -> None:
    with place(target) as here:
        _furnish(here)
        outcome = download(here.wire, "LIST")
        want_done(outcome, "LIST")
        want_clean(outcome.first)
        want_clean(outcome.last)
        if any(b"inside" in line or line.endswith(b" dir") for line in outcome.last.lines):
            raise Failed(f"the final reply is {outcome.last.shown}")
        want_alive(here.wire, "LIST")


@case(
    "list-many",
    "RFC 959 s.4.1.3 LIST",
    Level.MUST,
    "LIST of 120 directories has a line for each.",
    "Long directories are cut, and mirrors remove what they do not see.",
)
def list_many(target: Target) -> None:
    with place(target) as here:
        names = [f"directory-{number:03}" for number in range(120)]
        for name in names:
            here.make_directory(name)
        content = _listing(here, "LIST")
        if missing := [name for name in names if not re.search(rf"{name}\r?$".encode(), content, re.MULTILINE)]:
            raise Failed(f"{len(missing)} of 120 are missing, {missing[0]} among them")


@case(
    "list-working-directory",
    "RFC 959 s.4.1.3 LIST",
    Level.MUST,
    "LIST without a name lists the working directory.",
    "People see another directory than the one they are in.",
)
def list_working_directory(target: Target) -> None:
    with place(target) as here:
        _furnish(here)
        want(here.command("CWD dir"), (250,), "CWD")
        if b"inside" not in (content := _listing(here, "LIST")):
            raise Failed(f"LIST after CWD gives {content[:200]!r}")


@case(
    "list-large-size",
    "RFC 959 s.4.1.3 LIST",
    Level.MAY,
    "LIST tells the size of a file in bytes.",
    "Clients show a wrong size, and resume at the wrong place.",
)
def list_size(target: Target) -> None:
    with place(target) as here:
        here.make("file", b"x" * 12345)
        listing = _listing(here, "LIST")
        if not re.search(rb"(?<!\d)12345(?!\d)", listing):
            raise Failed(f"of a file of 12345 bytes LIST says {listing[:200]!r}")


@case(
    "nlst-names-only",
    _NAMES,
    Level.MUST,
    "NLST gives the bare names, one a line, and nothing else.",
    "Programs that fetch all names ask for files that are none.",
)
def nlst_names_only(target: Target) -> None:
    with place(target) as here:
        _furnish(here)
        names = sorted(line for line in _listing(here, "NLST").split(b"\r\n") if line not in (b"", b".", b".."))
        if names not in ([b"dir", b"file"], [b"file"], [b"dir/", b"file"]):
            raise Failed(f"NLST gives {names!r}")


@case(
    "nlst-retr",
    _NAMES,
    Level.MUST,
    "Each file that NLST names can be had by RETR of just that name.",
    "`mget *` fails.",
)
def nlst_retr(target: Target) -> None:
    with place(target) as here:
        for made in ("one", "two words", "-three"):
            here.make(made)
        names = [line for line in _listing(here, "NLST").split(b"\r\n") if line not in (b"", b".", b"..")]
        if len(names) != 3:
            raise Failed(f"of three files NLST names {names!r}")
        for name in names:
            here.fetch(name)


@case(
    "nlst-directory-retr",
    _NAMES,
    Level.MUST,
    "Each file that NLST of another directory names can be had by RETR of just that name.",
    "`mget dir/*` fails, or fetches a file of the same name from the wrong directory.",
)
def nlst_directory_retr(target: Target) -> None:
    with place(target) as here:
        _furnish(here)
        names = [line for line in _listing(here, "NLST dir").split(b"\r\n") if line]
        files = [name for name in names if name.rpartition(b"/")[2] not in (b".", b"..")]
        if len(files) != 1:
            raise Failed(f"of one file in dir NLST names {files!r}")
        if not here.exists(files[0]):
            raise Failed(f"NLST dir gives {files[0]!r}, and RETR of that finds nothing")


@case(
    "nlst-file",
    _NAMES,
    Level.MAY,
    "NLST of a file gives its name.",
    "Clients that look whether one file is there believe that it is not.",
)
def nlst_of_file(target: Target) -> None:
    with place(target) as here:
        _furnish(here)
        if (content := _listing(here, "NLST file")).strip() != b"file":
            raise Failed(f"NLST file gives {content!r}")


@case(
    "nlst-empty",
    _NAMES,
    Level.MUST,
    "NLST of an empty directory is empty, or refused with 450 or 550.",
    "Programs ask for files that are none.",
)
def nlst_empty(target: Target) -> str | None:
    with place(target) as here:
        outcome = download(here.wire, "NLST")
        if outcome.first.code in (500, 502):
            raise Skipped("NLST is not known here")
        if not outcome.done:
            want(outcome.last, (450, 550), "NLST of an empty directory")
            return outcome.last.shown
        if set(outcome.content.split()) - {b".", b".."}:
            raise Failed(f"NLST of an empty directory gives {outcome.content!r}")
    return None


@case(
    "nlst-empty-226",
    _NAMES,
    Level.SHOULD,
    "NLST of an empty directory is an empty list, and no refusal.",
    "Clients take an empty directory for an error.",
)
def nlst_empty_226(target: Target) -> None:
    with place(target) as here:
        _listing(here, "NLST")


@case(
    "stat-directory",
    "RFC 959 s.4.1.3 STAT",
    Level.SHOULD,
    "STAT of a directory lists it over the control connection.",
    "Clients that save themselves a data connection see nothing.",
)
def stat_directory(target: Target) -> None:
    with place(target) as here:
        _furnish(here)
        reply = here.known("STAT dir")
        want_class(reply, "2", "STAT of a directory")
        if not any(b"inside" in line for line in reply.lines):
            raise Failed(f"STAT dir is answered {reply.shown}")


@case(
    "stat-in-step",
    "RFC 959 s.4.2",
    Level.MUST,
    "STAT of a directory whose files are called like replies keeps the grammar of replies.",
    "A file's name puts client and server out of step.",
)
def stat_in_step(target: Target) -> None:
    with place(target) as here:
        for name in ("213 End", "212 End", "211 End", "226 Done"):
            here.make(name)
        reply = here.known("STAT .")
        want_clean(reply)
        if said := here.wire.silent(0.2):
            raise Failed(f"after the reply {reply.shown} came {said[:80]!r}")
        want_alive(here.wire, "STAT")
