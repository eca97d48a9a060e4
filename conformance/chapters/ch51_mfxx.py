"""Chapter 51: MFMT, MFCT and MFF, facts that a client sets (draft-somers-ftp-mfxx-04)."""

from __future__ import annotations

import re

from conformance.chapters.ch40_time_size import feature, told
from conformance.chapters.checks import want, want_alive, want_class
from conformance.chapters.facts import mlst
from conformance.place import Place, place
from conformance.registry import Failed, Level, Skipped, case
from conformance.wire import Target

_OLD, _OLDER = "20140703112233", "19991231235959"


def _mdtm(here: Place) -> str:
    return told(here.command("MDTM file"), "MDTM").partition(".")[0]


def _mfmt(here: Place, stamp: str = _OLD, path: str = "file") -> None:
    want(here.known(f"MFMT {stamp} {path}"), (213,), f"MFMT {stamp} {path}")


def _mff(here: Place, facts: str, path: str = "file") -> None:
    want(here.known(f"MFF {facts} {path}"), (213,), f"MFF {facts} {path}")


@case(
    "mfmt-sets",
    "draft-somers-ftp-mfxx s.3.1",
    Level.MUST,
    "After MFMT the file has that time, in UTC, by MDTM and MLST.",
    "Times of copies are wrong, and a mirror copies again each time.",
)
def mfmt_sets(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        _mfmt(here)
        if (said := _mdtm(here)) != _OLD:
            raise Failed(f"{_OLD} was set, and MDTM tells {said}")
        if (said := mlst(here, "file").facts.get("modify", _OLD).partition(".")[0]) != _OLD:
            raise Failed(f"{_OLD} was set, and MLST tells {said}")


@case(
    "mfmt-answer",
    "draft-somers-ftp-mfxx s.3.1",
    Level.MUST,
    "MFMT is answered 213 with the fact Modify, the time, and the path.",
    "Clients cannot tell which time was set.",
)
def mfmt_answer(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        reply = here.known(f"MFMT {_OLD} file")
        if not re.fullmatch(rb"213 Modify=" + _OLD.encode() + rb"(\.0+)?; .*file", reply.lines[-1], re.IGNORECASE):
            raise Failed(f"MFMT is answered {reply.shown}")


@case(
    "mfmt-feat",
    "draft-somers-ftp-mfxx s.3.3",
    Level.MUST,
    "Where MFMT is known FEAT lists it.",
    "Clients lose the times of what they copy.",
)
def mfmt_feat(target: Target) -> None:
    with place(target) as here:
        here.known(f"MFMT {_OLD} none")
        feature(here, b"MFMT")


@case(
    "mfmt-blanks",
    "draft-somers-ftp-mfxx s.3.1",
    Level.MUST,
    "MFMT takes a name with blanks in it.",
    "Files with blanks in their names lose their times.",
)
def mfmt_blanks(target: Target) -> None:
    with place(target) as here:
        here.make("two words")
        _mfmt(here, path="two words")


@case(
    "mfmt-content-stays",
    "draft-somers-ftp-mfxx s.3.1",
    Level.MUST,
    "MFMT changes nothing but the time.",
    "Setting a time damages the file.",
)
def mfmt_content(target: Target) -> None:
    with place(target) as here:
        here.make("file", b"stays")
        _mfmt(here)
        if (got := here.fetch("file")) != b"stays":
            raise Failed(f"afterwards the file is {got!r}")


@case(
    "mfmt-missing",
    "draft-somers-ftp-mfxx s.3.2",
    Level.MUST,
    "MFMT of what does not exist is refused and makes nothing.",
    "Empty files appear where a name was misspelled.",
)
def mfmt_missing(target: Target) -> None:
    with place(target) as here:
        want_class(here.known(f"MFMT {_OLD} none"), "5", "MFMT of nothing")
        if here.exists("none"):
            raise Failed("afterwards the file exists")


@case(
    "mfmt-no-time",
    "draft-somers-ftp-mfxx s.3.2",
    Level.MUST,
    "MFMT with something that is no time is refused, and the time stays.",
    "Files get times that nobody meant.",
)
def mfmt_no_time(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        _mfmt(here)
        for stamp in ("yesterday", "20141303112233", "20140703"):
            want_class(here.command(f"MFMT {stamp} file"), "5", f"MFMT {stamp}")
        if (said := _mdtm(here)) != _OLD:
            raise Failed(f"afterwards MDTM tells {said} in place of {_OLD}")


@case(
    "mfmt-no-time-501",
    "draft-somers-ftp-mfxx s.3.2",
    Level.SHOULD,
    "The refusal of what is no time is 501.",
    "Clients cannot tell their own mistake from a missing file.",
)
def mfmt_501(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        _mfmt(here)
        want(here.command("MFMT yesterday file"), (501,), "MFMT yesterday")


@case(
    "mfmt-no-path",
    "draft-somers-ftp-mfxx s.3.2",
    Level.MUST,
    "MFMT without a path, or with nothing at all, is refused.",
    "A time is set on something that nobody named.",
)
def mfmt_no_path(target: Target) -> None:
    with place(target) as here:
        for line in ("MFMT", f"MFMT {_OLD}"):
            want_class(here.command(line), "5", line)
        want_alive(here.wire, "MFMT without a path")


@case(
    "mfmt-old",
    "draft-somers-ftp-mfxx s.3.1",
    Level.MUST,
    "MFMT takes times of another century and before the summer of another year's clock.",
    "Old files lose their times, or winter's times are an hour off.",
)
def mfmt_old(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        for stamp in (_OLDER, "20200101000000", "20200701000000", "20380119031408"):
            _mfmt(here, stamp)
            if (said := _mdtm(here)) != stamp:
                raise Failed(f"{stamp} was set, and MDTM tells {said}")


@case(
    "mfmt-directory",
    "draft-somers-ftp-mfxx s.3.1",
    Level.MAY,
    "MFMT sets the time of a directory.",
    "Directories of a mirror are all of today.",
)
def mfmt_directory(target: Target) -> None:
    with place(target) as here:
        here.make_directory("dir")
        _mfmt(here, path="dir")


@case(
    "mfmt-needs-login",
    "RFC 959 s.5.4",
    Level.MUST,
    "MFMT and MFF before login are refused.",
    "Strangers change what a mirror goes by.",
)
def mfmt_login(target: Target) -> None:
    with target.greeted() as wire:
        for line in (f"MFMT {_OLD} /", f"MFF Modify={_OLD}; /"):
            want_class(wire.command(line), "5", f"{line.split()[0]} before login")


@case(
    "mfct-offered",
    "draft-somers-ftp-mfxx s.4",
    Level.MAY,
    "MFCT sets the time when a file was made.",
    "That time is lost in copies.",
)
def mfct(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        want(here.command(f"MFCT {_OLD} file"), (213,), "MFCT")


@case(
    "mff-feat",
    "draft-somers-ftp-mfxx s.5.3",
    Level.MUST,
    "Where MFF is known FEAT lists it with the facts that it sets.",
    "Clients cannot tell which facts they may set.",
)
def mff_feat(target: Target) -> None:
    with place(target) as here:
        here.known(f"MFF Modify={_OLD}; none")
        if not re.fullmatch(
            rb"MFF ([A-Za-z0-9._/-]+;)*[A-Za-z0-9._/-]+;?", line := feature(here, b"MFF"), re.IGNORECASE
        ):
            raise Failed(f"FEAT lists {line!r}")


@case(
    "mff-modify",
    "draft-somers-ftp-mfxx s.5.1",
    Level.MUST,
    "MFF with Modify sets the time.",
    "Times of copies are wrong.",
)
def mff_modify(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        _mff(here, f"Modify={_OLDER};")
        if (said := _mdtm(here)) != _OLDER:
            raise Failed(f"{_OLDER} was set, and MDTM tells {said}")


@case(
    "mff-answer",
    "draft-somers-ftp-mfxx s.5.1",
    Level.MUST,
    "MFF is answered 213 with the facts that were set, and the path.",
    "Clients cannot tell what was set.",
)
def mff_answer(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        reply = here.known(f"MFF Modify={_OLDER}; file")
        if not re.fullmatch(rb"213 Modify=" + _OLDER.encode() + rb"(\.0+)?; .*file", reply.lines[-1], re.IGNORECASE):
            raise Failed(f"MFF is answered {reply.shown}")


@case(
    "mff-unknown",
    "draft-somers-ftp-mfxx s.5.2",
    Level.MUST,
    "MFF with a fact that cannot be set is refused.",
    "Clients believe that it was set.",
)
def mff_unknown(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        _mff(here, f"Modify={_OLD};")
        want_class(here.command("MFF X-Unheard-Of=1; file"), "5", "MFF with an unknown fact")


@case(
    "mff-unknown-504",
    "draft-somers-ftp-mfxx s.5.2",
    Level.SHOULD,
    "The refusal of a fact that cannot be set is 504.",
    "Clients cannot tell that other facts could be set.",
)
def mff_unknown_504(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        _mff(here, f"Modify={_OLD};")
        want(here.command("MFF X-Unheard-Of=1; file"), (504,), "MFF with an unknown fact")


@case(
    "mff-all-or-nothing",
    "draft-somers-ftp-mfxx s.5.1",
    Level.SHOULD,
    "When one fact of several cannot be set, none is.",
    "Clients that were refused have changed the file none the less.",
)
def mff_all(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        _mff(here, f"Modify={_OLD};")
        if here.command(f"MFF Modify={_OLDER};X-Unheard-Of=1; file").code == 213:
            raise Skipped("the unknown fact is taken")
        if (said := _mdtm(here)) != _OLD:
            raise Failed(f"it was refused, and MDTM tells {said} in place of {_OLD}")


@case(
    "mff-mode",
    "draft-somers-ftp-mfxx s.5.1",
    Level.MAY,
    "MFF with UNIX.mode sets permissions.",
    "Programs lose the right to be run.",
)
def mff_mode(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        _mff(here, "UNIX.mode=0600;")
        said = mlst(here, "file").facts.get("unix.mode", "")
        if not said:
            raise Skipped("MLST tells no UNIX.mode")
        if int(said, 8) & 0o777 != 0o600:
            raise Failed(f"0600 was set, and MLST tells {said}")


@case(
    "mff-missing",
    "draft-somers-ftp-mfxx s.5.2",
    Level.MUST,
    "MFF of what does not exist is refused.",
    "Clients believe that a file is there.",
)
def mff_missing(target: Target) -> None:
    with place(target) as here:
        want_class(here.known(f"MFF Modify={_OLD}; none"), "5", "MFF of nothing")
