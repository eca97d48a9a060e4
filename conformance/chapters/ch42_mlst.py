"""Chapter 42: MLST and OPTS MLST, the facts of one name over the control connection (RFC 3659 s.7)."""

from __future__ import annotations

import re

from conformance.chapters.ch40_time_size import feature, features, moment, told
from conformance.chapters.checks import want, want_alive, want_class, want_clean
from conformance.chapters.facts import mlst
from conformance.place import Place, place
from conformance.registry import Failed, Level, Skipped, case
from conformance.wire import Reply, Target


def _offered(here: Place) -> dict[str, bool]:
    """The facts of FEAT's MLST line, in lower case: whether each has an asterisk (s.7.8)."""
    line = feature(here, b"MLST").partition(b" ")[2].decode("ascii", "replace")
    return {fact.rstrip("*").lower(): fact.endswith("*") for fact in line.split(";") if fact}


def _opts(here: Place, facts: str) -> Reply:
    mlst(here)
    return here.command(f"OPTS MLST {facts}".rstrip())


@case(
    "mlst-form",
    "RFC 3659 s.7.2",
    Level.MUST,
    "MLST is answered 250 in three lines, of which the second is a blank and one entry.",
    "Programs cannot read the answer.",
)
def mlst_form(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        want_clean(here.known("MLST file"))
        mlst(here, "file")


@case(
    "mlst-file",
    "RFC 3659 s.7.5.1",
    Level.MUST,
    "MLST of a file says type=file.",
    "Programs take files for something else and leave them out.",
)
def mlst_file(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        if (said := mlst(here, "file").type) != "file":
            raise Failed(f"the type of a file is {said!r}")


@case(
    "mlst-directory",
    "RFC 3659 s.7.5.1",
    Level.MUST,
    "MLST of a directory says type=dir, or cdir of the current one.",
    "Programs take directories for files and try to download them.",
)
def mlst_directory(target: Target) -> None:
    with place(target) as here:
        here.make_directory("dir")
        if (said := mlst(here, "dir").type) != "dir":
            raise Failed(f"the type of a directory is {said!r}")


@case(
    "mlst-of-here",
    "RFC 3659 s.7.1",
    Level.MUST,
    "MLST without a path tells of the current directory.",
    "Programs cannot learn what they may do where they are.",
)
def mlst_here(target: Target) -> None:
    with place(target) as here:
        if (said := mlst(here).type) not in ("dir", "cdir"):
            raise Failed(f"the type of the current directory is {said!r}")


@case(
    "mlst-missing",
    "RFC 3659 s.7.2",
    Level.MUST,
    "MLST of what does not exist is refused with a 5xx, and 550 is the one for it.",
    "Programs take files for existing ones.",
)
def mlst_missing(target: Target) -> None:
    with place(target) as here:
        want_class(here.known("MLST none"), "5", "MLST of nothing")
        want_alive(here.wire, "MLST of nothing")


@case(
    "mlst-size",
    "RFC 3659 s.7.5.7",
    Level.SHOULD,
    "The size of MLST is the number of bytes in the file.",
    "Downloads that are whole are taken for broken ones.",
)
def mlst_size(target: Target) -> None:
    with place(target) as here:
        here.make("file", b"12345\r\n")
        if (said := mlst(here, "file").facts.get("size")) != "7":
            raise Failed(f"7 bytes were stored, and the size is {said}")


@case(
    "mlst-modify",
    "RFC 3659 s.7.5.3",
    Level.MUST,
    "The time of MLST is a time value, and the same as MDTM's.",
    "A mirror that uses both copies files again and again.",
)
def mlst_modify(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        said = mlst(here, "file").facts.get("modify")
        if said is None:
            raise Skipped("there is no fact modify")
        reply = here.command("MDTM file")
        if reply.code == 213 and moment(told(reply, "MDTM")) != moment(said):
            raise Failed(f"MLST says {said}, MDTM {told(reply, 'MDTM')}")


@case(
    "mlst-name",
    "RFC 3659 s.7.2",
    Level.SHOULD,
    "The name in MLST's entry leads to the file that was asked for.",
    "Programs that go on with that name miss the file.",
)
def mlst_name(target: Target) -> None:
    with place(target) as here:
        here.make_directory("dir")
        here.make("dir/file", b"named")
        name = mlst(here, "dir/file").name
        if name == b"file":  # the last component, from the directory that was named
            return
        if here.fetch(name) != b"named":
            raise Failed(f"it names {name!r}")


@case(
    "mlst-feat",
    "RFC 3659 s.7.8",
    Level.MUST,
    "FEAT lists MLST with its facts, those that are sent marked with an asterisk.",
    "Clients parse listings for people, and get names and times wrong.",
)
def mlst_feat(target: Target) -> None:
    with place(target) as here:
        mlst(here)
        line = feature(here, b"MLST")
        if not re.fullmatch(rb"MLST ([A-Za-z0-9./_-]+\*?;)*([A-Za-z0-9./_-]+\*?;?)?", line, re.IGNORECASE):
            raise Failed(f"FEAT lists {line!r}")


@case(
    "mlst-feat-ends-facts",
    "RFC 3659 s.7.8",
    Level.SHOULD,
    "Each fact in FEAT's MLST line ends with a semicolon.",
    "Programs that keep to the grammar lose the last fact.",
)
def mlst_feat_ends(target: Target) -> None:
    with place(target) as here:
        mlst(here)
        if not (line := feature(here, b"MLST")).endswith(b";"):
            raise Failed(f"FEAT lists {line!r}")


@case(
    "mlst-feat-no-mlsd",
    "RFC 3659 s.7.8",
    Level.SHOULD,
    "FEAT does not list MLSD: MLST stands for both.",
    "Programs take MLSD for another extension.",
)
def mlst_feat_mlsd(target: Target) -> None:
    with place(target) as here:
        mlst(here)
        if b"MLSD" in [line.upper().split(b" ")[0] for line in features(here)]:
            raise Failed("FEAT lists MLSD")


@case(
    "mlst-feat-true",
    "RFC 3659 s.7.8",
    Level.MUST,
    "Facts that are sent are those with an asterisk in FEAT.",
    "Clients that ask for nothing more rely on facts that do not come.",
)
def mlst_feat_true(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        mlst(here)
        chosen = {fact for fact, on in _offered(here).items() if on}
        extra = set(mlst(here, "file").facts) - chosen
        if extra:
            raise Failed(f"{', '.join(sorted(extra))} came without an asterisk in FEAT")


@case(
    "mlst-required-facts",
    "RFC 3659 s.7.5.10",
    Level.SHOULD,
    "The facts type, perm, size, unique and modify are offered.",
    "Programs have to parse listings for people.",
)
def mlst_required(target: Target) -> None:
    with place(target) as here:
        mlst(here)
        missing = {"type", "perm", "size", "unique", "modify"} - set(_offered(here))
        if missing:
            raise Failed(f"{', '.join(sorted(missing))} not offered")


@case(
    "opts-mlst-choose",
    "RFC 3659 s.7.9",
    Level.MUST,
    "After OPTS MLST with some facts, those alone are sent.",
    "Clients that ask for less get what they cannot read.",
)
def opts_choose(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        want_class(_opts(here, "size;type;"), "2", "OPTS MLST size;type;")
        if (sent := set(mlst(here, "file").facts)) != {"size", "type"}:
            raise Failed(f"size and type were chosen, and {', '.join(sorted(sent))} came")


@case(
    "opts-mlst-answer",
    "RFC 3659 s.7.9",
    Level.MUST,
    "The answer to OPTS MLST is 200, MLST OPTS and the facts that hold from now on.",
    "Clients cannot tell which of their wishes were granted.",
)
def opts_answer(target: Target) -> None:
    with place(target) as here:
        reply = _opts(here, "size;type;")
        want(reply, (200,), "OPTS MLST size;type;")
        found = re.fullmatch(rb"200 MLST OPTS ?(.*)", reply.lines[-1], re.IGNORECASE)
        if not found or {fact.lower() for fact in found[1].split(b";") if fact} != {b"size", b"type"}:
            raise Failed(f"OPTS MLST size;type; is answered {reply.shown}")


@case(
    "opts-mlst-any-case",
    "RFC 3659 s.7.9",
    Level.MUST,
    "Names of facts are taken in any case.",
    "Clients that write them otherwise get no facts.",
)
def opts_case(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        want_class(_opts(here, "SIZE;Type;"), "2", "OPTS MLST SIZE;Type;")
        if (sent := set(mlst(here, "file").facts)) != {"size", "type"}:
            raise Failed(f"SIZE and Type were chosen, and {', '.join(sorted(sent)) or 'none'} came")


@case(
    "opts-mlst-unknown",
    "RFC 3659 s.7.9",
    Level.MUST,
    "Facts that are not known are passed over, and the others count.",
    "Clients that know more facts than the server get none.",
)
def opts_unknown(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        want_class(_opts(here, "size;x-unheard-of;"), "2", "OPTS MLST size;x-unheard-of;")
        if (sent := set(mlst(here, "file").facts)) != {"size"}:
            raise Failed(f"size and an unknown fact were chosen, and {', '.join(sorted(sent)) or 'none'} came")


@case(
    "opts-mlst-none",
    "RFC 3659 s.7.9",
    Level.MUST,
    "OPTS MLST without facts leaves entries of a blank and a name.",
    "Clients that want names alone read facts as names.",
)
def opts_none(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        want_class(_opts(here, ""), "2", "OPTS MLST")
        if sent := mlst(here, "file").facts:
            raise Failed(f"no facts were chosen, and {', '.join(sorted(sent))} came")


@case(
    "opts-mlst-in-feat",
    "RFC 3659 s.7.8",
    Level.MUST,
    "After OPTS MLST the asterisks in FEAT are with the chosen facts.",
    "Clients believe in facts that do not come.",
)
def opts_in_feat(target: Target) -> None:
    with place(target) as here:
        if (reply := _opts(here, "size;")).code != 200:
            raise Skipped(f"OPTS MLST is answered {reply.shown}")
        chosen = {fact for fact, on in _offered(here).items() if on}
        if chosen != {"size"}:
            raise Failed(f"size was chosen, and FEAT marks {', '.join(sorted(chosen)) or 'none'}")


@case(
    "opts-mlst-own-session",
    "RFC 3659 s.7.9",
    Level.MUST,
    "OPTS MLST holds for its own session alone.",
    "One client changes what all others read.",
)
def opts_own_session(target: Target) -> None:
    with place(target) as here:
        if (reply := _opts(here, "")).code != 200:
            raise Skipped(f"OPTS MLST is answered {reply.shown}")
        with place(target) as other:
            other.make("file")
            if not mlst(other, "file").facts:
                raise Failed("no facts come in a session that chose none away")


@case(
    "stat-newline-in-name",
    "RFC 959 s.4.2",
    Level.MUST,
    "A name on the disk with a line end in it does not split a reply of the control connection.",
    "Whoever may make files forges replies to others.",
)
def stat_newline(target: Target) -> None:
    with place(target) as here:
        directory = here.on_disk("dir")
        directory.mkdir()
        directory.chmod(0o777)
        (directory / "a\r\n226 forged").write_bytes(b"")
        reply = here.known("STAT dir")
        want_clean(reply)
        if any(line.startswith(b"226 forged") for line in reply.lines):
            raise Failed(f"STAT of its directory is answered {reply.shown}")
        want_alive(here.wire, "STAT of a directory with such a name")
