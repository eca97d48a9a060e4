"""Chapter 2, odd names: whatever a name is made of but CR and LF is part of it (RFC 959 s.5.3.1, s.5.3.2)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from conformance.chapters.checks import want, want_alive, want_class, want_clean
from conformance.data import download
from conformance.place import Place, place, want_done
from conformance.registry import Failed, Level, Skipped, case
from conformance.wire import Closed, Reply, Target

_CLAUSE = "RFC 959 s.5.3.2"
_LOST = "Files with such names cannot be stored, had, renamed or removed, or others are touched in their place."
#: What is odd -> (name, level): printable ASCII is in the grammar of pathnames, what lies beyond is asked of nobody.
_ODD = {
    "space": (b"two words", Level.MUST),
    "spaces": (b"three   blanks   in a row", Level.MUST),
    "leading-space": (b" leading", Level.SHOULD),
    "trailing-space": (b"trailing ", Level.SHOULD),
    "double-quote": (b'say "so"', Level.MUST),
    "single-quote": (b"it's", Level.MUST),
    "backquote": (b"`id`", Level.MUST),
    "leading-dash": (b"-rf", Level.MUST),
    "dash": (b"-", Level.MUST),
    "option": (b"--help", Level.MUST),
    "backslash": (b"back\\slash", Level.MUST),
    "star": (b"all*", Level.MUST),
    "question": (b"what?", Level.MUST),
    "brackets": (b"[abc]", Level.MUST),
    "braces": (b"{a,b}", Level.MUST),
    "tilde": (b"~user", Level.MUST),
    "dollar": (b"$HOME", Level.MUST),
    "percent": (b"100%s%n%2F", Level.MUST),
    "semicolon": (b"a;b=c; d", Level.MUST),
    "pipe": (b"a|b", Level.MUST),
    "colon": (b"a:b", Level.MUST),
    "hash": (b"#1", Level.MUST),
    "hidden": (b".hidden", Level.MUST),
    "three-dots": (b"...", Level.MUST),
    "reply": (b"226 Done", Level.MUST),
    "verb": (b"QUIT", Level.MUST),
    "arrow": (b"a -> b", Level.MUST),
    "long": (b"n" * 200, Level.MUST),
    "tab": (b"a\tb", Level.MAY),
    "escape": (b"\x1b[31mred", Level.MAY),
    "delete": (b"a\x7fb", Level.MAY),
    "latin-1": (b"gr\xf6\xdfe", Level.MAY),
    "iac-doubled": (b"a\xff\xffb", Level.MAY),
}


def _round_trip(kind: str, name: bytes, level: Level) -> None:
    shown = name.decode("ascii", "backslashreplace")
    says = f"A file called `{shown if len(shown) < 60 else '200 letters'}` is stored, listed, had, renamed and removed."

    @case(f"path-{kind}", _CLAUSE, level, says, _LOST)
    def check(target: Target) -> None:
        with place(target) as here:
            here.make("other", b"other\n")
            _store(here, name)
            stored = name.replace(b"\xff\xff", b"\xff")
            names = here.names()
            if name.startswith(b".") and stored not in names:  # hidden, as `ls` hides it
                names = here.names("-a")
            if sorted(names) != sorted([stored, b"other"]):
                raise Failed(f"NLST gives {names!r}")
            if here.fetch(name) != b"content\n":
                raise Failed("RETR gives another file")
            want(here.command(b"RNFR " + name), (350,), f"RNFR {shown}")
            want(here.command("RNTO plain"), (250,), "RNTO plain")
            want(here.command("RNFR plain"), (350,), "RNFR plain")
            want(here.command(b"RNTO " + name), (250,), f"RNTO {shown}")
            want(here.command(b"DELE " + name), (250,), f"DELE {shown}")
            if here.exists(name) or here.fetch("other") != b"other\n":
                raise Failed("DELE removed another file")


def _store(here: Place, name: bytes) -> None:
    try:
        here.make(name)
    except Skipped as refusal:
        raise Failed(f"it is not stored: {refusal}") from refusal


for _kind, (_name, _level) in _ODD.items():
    _round_trip(_kind, _name, _level)


def _directory(kind: str, name: str) -> None:
    says = f"A directory called `{name}` is made, entered, named by PWD, left and removed."

    @case(f"path-directory-{kind}", _CLAUSE, Level.MUST, says, _LOST)
    def check(target: Target) -> None:
        with place(target) as here:
            want(here.command(f"MKD {name}"), (257,), f"MKD {name}")
            want(here.command(f"CWD {name}"), (250,), f"CWD {name}")
            here.make("file")
            here.fetch(f"{here.path}/{name}/file")
            want(here.command("DELE file"), (250,), "DELE")
            want(here.command("CDUP"), (200, 250), "CDUP")
            want(here.command(f"RMD {name}"), (250,), f"RMD {name}")


_directory("space", "two words")
_directory("dash", "-l")
_directory("star", "all*")
_directory("brackets", "[abc]")


def _means(kind: str, path: str, level: Level, says: str) -> None:
    @case(f"path-{kind}", _CLAUSE, level, says, "Clients that build paths build some that lead nowhere.")
    def check(target: Target) -> None:
        with place(target) as here:
            here.make_directory("dir")
            here.make("dir/file")
            outcome = download(here.wire, "RETR " + path.format(here=here.path))
            want_done(outcome, f"RETR {path}")
            if outcome.content != b"content\n":
                raise Failed("another file came")


_means("absolute", "{here}/dir/file", Level.MUST, "A path from the root, as PWD gives it, leads to the file.")
_means("relative", "dir/file", Level.SHOULD, "A path from the working directory leads to the file.")
_means("dot", "./dir/./file", Level.MAY, "A dot in a path stands for where it is.")
_means("dots", "dir/../dir/file", Level.MAY, "Two dots in a path stand for the directory above.")
_means("slashes", "dir//file", Level.MAY, "Two slashes in a path are one.")


def _literal(kind: str, pattern: str, victim: str, line: str) -> None:
    says = f"{line.split()[0]} takes `{pattern}` as a name and not as a pattern."

    @case(f"path-literal-{kind}", _CLAUSE, Level.MUST, says, "A file that nobody named is touched.")
    def check(target: Target) -> None:
        with place(target) as here:
            here.make(victim)
            want_class(_asked(here, line.format(pattern)), "45", line.format(pattern))
            here.fetch(victim)


def _asked(here: Place, line: str) -> Reply:
    return download(here.wire, line).last if line.startswith("RETR") else here.command(line)


_literal("retr", "vict*", "victim", "RETR {}")
_literal("dele", "vict*", "victim", "DELE {}")
_literal("rnfr", "vict?m", "victim", "RNFR {}")


@case(
    "path-too-long",
    "RFC 959 s.5.4",
    Level.MUST,
    "A name of 300 letters, too long for most file systems, is refused, and the session goes on.",
    "One long name ends the session, or is cut to another.",
)
def too_long(target: Target) -> None:
    with place(target) as here:
        want_class(here.command("MKD " + "n" * 300), "45", "MKD of a name of 300 letters")
        want_alive(here.wire, "it")
        if names := here.names():
            raise Failed(f"it made {names!r}")


@case(
    "path-too-deep",
    "RFC 959 s.5.4",
    Level.MUST,
    "A path of 1,500 names is refused or ends its session, and nothing else happens.",
    "One long path takes the service away from others.",
)
def too_deep(target: Target) -> None:
    with place(target) as here, target.session() as other:
        with contextlib.suppress(Closed):
            want_class(here.command("CWD " + "d/" * 1500), "45", "CWD to a path of 1,500 names")
        want_alive(other, "another session's long path")


@case(
    "path-cr-nul",
    "RFC 2640 s.3.1",
    Level.MUST,
    "CR NUL in a name, which Telnet writes for CR, is one CR, or the name is refused.",
    "A file gets a name that no client can send again.",
)
def cr_nul(target: Target) -> None:
    with place(target) as here:
        try:
            reply = here.command(b"MKD a\r\0b")
        except Closed:
            return
        if reply.code == 257 and (names := here.names()) not in ([b"a\rb"], []):
            raise Failed(f"it made {names!r}")
        want_alive(here.wire, "it")


def _newline(name: str, says: str, judge: Callable[[Place], None], level: Level, clause: str) -> None:
    @case(name, clause, level, says, "A file's name puts words into the server's mouth.")
    def check(target: Target) -> None:
        with place(target) as here:
            (here.on_disk() / "a\r\n226 not me").write_bytes(b"x")
            (here.on_disk() / "b\n213 nor me").write_bytes(b"x")
            judge(here)


def _stat_in_step(here: Place) -> None:
    reply = here.known("STAT .")
    want_clean(reply)
    if said := here.wire.silent(0.2):
        raise Failed(f"after the reply {reply.shown} came {said[:80]!r}")
    want_alive(here.wire, "STAT")


def _listed_once(line: str) -> Callable[[Place], None]:
    def judge(here: Place) -> None:
        outcome = download(here.wire, line)
        if outcome.first.code in (500, 502):
            raise Skipped(f"{line} is not known here")
        want_done(outcome, line)
        entries = [entry for entry in outcome.content.splitlines() if entry not in (b".", b"..")]
        entries = [
            entry for entry in entries if not entry.startswith(b"total ") and not entry.endswith((b" .", b" .."))
        ]
        if len(entries) > 2:
            raise Failed(f"of two files {line} makes {entries!r}")

    return judge


_newline(
    "path-newline-stat",
    "STAT of a directory with line ends in names keeps the grammar of replies.",
    _stat_in_step,
    Level.MUST,
    "RFC 959 s.4.2",
)
_newline(
    "path-newline-list",
    "LIST of a directory with line ends in names makes one line of each file.",
    _listed_once("LIST"),
    Level.SHOULD,
    "RFC 959 s.4.1.3",
)
_newline(
    "path-newline-nlst",
    "NLST of a directory with line ends in names makes no two names of one.",
    _listed_once("NLST"),
    Level.SHOULD,
    "RFC 1123 s.4.1.2.7",
)
