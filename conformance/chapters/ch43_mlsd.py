"""Chapter 43: MLSD, directories for programs, and TVFS, what paths mean (RFC 3659 s.6 and s.7)."""

from __future__ import annotations

import re

from conformance.chapters.ch40_time_size import features, moment
from conformance.chapters.checks import want, want_alive, want_class
from conformance.chapters.facts import listed, mlsd, mlst
from conformance.data import download, upload
from conformance.place import Place, place
from conformance.registry import Failed, Level, Skipped, case
from conformance.wire import Target

_TYPES = re.compile(r"file|cdir|pdir|dir|os\.[^;= ]+=?.*", re.IGNORECASE)
_LETTERS = set("acdeflmprw")


@case(
    "mlsd-form",
    "RFC 3659 s.7.2",
    Level.MUST,
    "Each line of MLSD is facts that end with semicolons, a blank, a name and CRLF.",
    "Programs cannot read the listing, or lose names of it.",
)
def mlsd_form(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        here.make_directory("dir")
        names = set(listed(here))
        if names != {b"file", b"dir"}:
            raise Failed(f"a file and a directory were made, and {sorted(names)!r} are listed")


@case(
    "mlsd-bare-names",
    "RFC 3659 s.7.2",
    Level.MUST,
    "Names in MLSD have no directory before them, whatever directory was asked for.",
    "Programs look for files in the wrong place, or write out of their own directory.",
)
def mlsd_bare(target: Target) -> None:
    with place(target) as here:
        here.make_directory("dir")
        here.make("dir/file")
        for argument in ("dir", f"{here.path}/dir"):
            if (names := set(listed(here, argument))) != {b"file"}:
                raise Failed(f"MLSD {argument} lists {sorted(names)!r}")


@case(
    "mlsd-types",
    "RFC 3659 s.7.5.1",
    Level.MUST,
    "The type of a file is file, that of a directory dir, and no others but cdir, pdir and OS.x are used.",
    "Programs leave files out or try to download directories.",
)
def mlsd_types(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        here.make_directory("dir")
        for entry in mlsd(here):
            if "type" in entry.facts and not _TYPES.fullmatch(entry.facts["type"]):
                raise Failed(f"the type of {entry.name!r} is {entry.facts['type']!r}")
        found = listed(here)
        if found[b"file"].type != "file" or found[b"dir"].type != "dir":
            raise Failed(f"types are {found[b'file'].type!r} of a file and {found[b'dir'].type!r} of a directory")


@case(
    "mlsd-dots",
    "RFC 3659 s.7.5.1",
    Level.SHOULD,
    "`.` and `..` are left out, or have the types cdir and pdir.",
    "A mirror goes round and round, or out of its directory.",
)
def mlsd_dots(target: Target) -> str:
    with place(target) as here:
        entries = mlsd(here)
        for entry in entries:
            if entry.name in (b".", b"..") and entry.type != {b".": "cdir", b"..": "pdir"}[entry.name]:
                raise Failed(f"the type of {entry.name!r} is {entry.type!r}")
        return "listed" if entries else "left out"


@case(
    "mlsd-size",
    "RFC 3659 s.7.5.7",
    Level.SHOULD,
    "The size in MLSD is the number of bytes in the file.",
    "A mirror copies what it has, or takes half a file for a whole one.",
)
def mlsd_size(target: Target) -> None:
    with place(target) as here:
        here.make("file", bytes(12345))
        if (said := listed(here)[b"file"].facts.get("size")) != "12345":
            raise Failed(f"12345 bytes were stored, and the size is {said}")


@case(
    "mlsd-modify",
    "RFC 3659 s.7.5.3",
    Level.MUST,
    "Times in MLSD are time values, the same as in MLST.",
    "A mirror copies everything again each time.",
)
def mlsd_modify(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        said = listed(here)[b"file"].facts.get("modify")
        if said is None:
            raise Skipped("there is no fact modify")
        if moment(said) != moment(mlst(here, "file").facts.get("modify", "")):
            raise Failed(f"MLSD says {said}, MLST {mlst(here, 'file').facts.get('modify')}")


@case(
    "mlsd-unique",
    "RFC 3659 s.7.5.2",
    Level.MUST,
    "Two files have two values of unique, and MLST gives a file the same as MLSD.",
    "A mirror takes different files for one and leaves them out.",
)
def mlsd_unique(target: Target) -> None:
    with place(target) as here:
        here.make("one")
        here.make("two")
        found = listed(here)
        one, two = (found[name].facts.get("unique") for name in (b"one", b"two"))
        if one is None:
            raise Skipped("there is no fact unique")
        if one == two:
            raise Failed(f"both have unique={one}")
        if (other := mlst(here, "one").facts.get("unique")) != one:
            raise Failed(f"MLSD says unique={one}, MLST {other}")


@case(
    "mlsd-perm-letters",
    "RFC 3659 s.7.5.5",
    Level.MUST,
    "The fact perm has no letters but those that are defined.",
    "Programs offer what is not allowed, or hide what is.",
)
def perm_letters(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        here.make_directory("dir")
        for entry in mlsd(here):
            if strange := set(entry.facts.get("perm", "").lower()) - _LETTERS:
                raise Failed(f"perm of {entry.name!r} has {''.join(sorted(strange))!r}")


@case(
    "mlsd-perm-of-kind",
    "RFC 3659 s.7.5.5",
    Level.MUST,
    "In perm, letters for directories alone (c, e, l, m, p) do not stand with files, nor the others' with directories.",
    "Programs try to enter files.",
)
def perm_kind(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        here.make_directory("dir")
        found = listed(here)
        for name, foreign in ((b"file", "celmp"), (b"dir", "arw")):
            if strange := set(found[name].facts.get("perm", "").lower()) & set(foreign):
                raise Failed(f"perm of {name.decode()} has {''.join(sorted(strange))!r}")


@case(
    "mlsd-perm-true",
    "RFC 3659 s.7.5.5",
    Level.SHOULD,
    "What this user may do with a file and a directory (read, write, remove; enter, list, remove) stands in perm.",
    "Programs hide from users what they may do.",
)
def perm_true(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        here.make_directory("dir")
        found = listed(here)
        if "perm" not in found[b"file"].facts:
            raise Skipped("there is no fact perm")
        want(here.command("CWD dir"), (250,), "CWD")
        here.command("CDUP")
        here.fetch("file")
        for name, letters in ((b"file", "rwd"), (b"dir", "eld")):
            if missing := set(letters) - set(found[name].facts["perm"].lower()):
                raise Failed(f"perm of {name.decode()} lacks {''.join(sorted(missing))!r}")


@case(
    "mlsd-of-file",
    "RFC 3659 s.7.2",
    Level.MUST,
    "MLSD of a file, which is no directory, is refused.",
    "Programs take a file for a directory.",
)
def of_file(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        mlsd(here)
        got = download(here.wire, "MLSD file")
        want_class(got.last, "45", "MLSD of a file")


@case(
    "mlsd-of-file-501",
    "RFC 3659 s.7.2",
    Level.SHOULD,
    "The refusal of MLSD for a file is 501.",
    "Programs cannot tell a file from what does not exist.",
)
def of_file_501(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        mlsd(here)
        want(download(here.wire, "MLSD file").last, (501,), "MLSD of a file")


@case(
    "mlsd-missing",
    "RFC 3659 s.7.2",
    Level.MUST,
    "MLSD of what does not exist is refused.",
    "A mirror takes a directory that is missing for an empty one, and removes all its copies.",
)
def missing(target: Target) -> None:
    with place(target) as here:
        mlsd(here)
        want_class(download(here.wire, "MLSD none").last, "45", "MLSD of nothing")
        want_alive(here.wire, "MLSD of nothing")


@case(
    "mlsd-empty",
    "RFC 3659 s.7.2",
    Level.MUST,
    "MLSD of an empty directory succeeds with nothing, or with cdir and pdir.",
    "Programs take an empty directory for a fault.",
)
def empty(target: Target) -> None:
    with place(target) as here:
        here.make_directory("dir")
        if names := listed(here, "dir"):
            raise Failed(f"an empty directory lists {sorted(names)!r}")


@case(
    "mlsd-any-type",
    "RFC 3659 s.7.2",
    Level.MUST,
    "MLSD sends the same in TYPE A and TYPE I.",
    "Names get line ends in them, or lose them.",
)
def any_type(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        image = download(here.wire, "MLSD")
        if image.last.code in (500, 502):
            raise Skipped("MLSD is not known here")
        here.command("TYPE A")
        if (text := download(here.wire, "MLSD")).content != image.content:
            raise Failed(f"{image.content[:80]!r} in TYPE I, {text.content[:80]!r} in TYPE A")


@case(
    "mlsd-names",
    "RFC 3659 s.7.3",
    Level.MUST,
    "Names come back as they were given: with blanks, semicolons, equals signs and letters beyond ASCII.",
    "Files with such names are lost on the way.",
)
def names(target: Target) -> None:
    with place(target) as here:
        mlsd(here)
        given = [b"two words", b"a;b=c;", b"x=1; y", "größe-日本".encode(), b'"quoted"', b"%41"]
        made = []
        for name in given:
            if upload(here.wire, b"STOR " + name, b"").done:
                made.append(name)
        if lost := set(made) - set(listed(here)):
            raise Failed(f"{sorted(lost)!r} were stored and are not listed")


@case(
    "mlsd-leading-blank",
    "RFC 3659 s.7.2",
    Level.MUST,
    "A name that begins with a blank is listed with it.",
    "Such a file cannot be fetched nor removed.",
)
def leading_blank(target: Target) -> None:
    with place(target) as here:
        mlsd(here)
        if not upload(here.wire, b"STOR  led", b"").done:
            raise Skipped("a name that begins with a blank cannot be stored")
        found = listed(here)
        if b" led" not in found:
            if b"led" in found and here.exists("led"):
                raise Skipped("the blank was taken off when the file was stored")
            raise Failed(f"{sorted(found)!r} are listed")


@case(
    "mlsd-newline-in-name",
    "RFC 3659 s.7.2",
    Level.MUST,
    "A name on the disk with a line end in it makes no second entry of MLSD.",
    "Whoever may make files forges entries, and a mirror fetches what somebody else chose.",
)
def newline(target: Target) -> None:
    with place(target) as here:
        directory = here.on_disk("dir")
        directory.mkdir()
        directory.chmod(0o777)
        (directory / "a\r\ntype=file;size=1; forged").write_bytes(b"")
        if b"forged" in listed(here, "dir"):
            raise Failed("it made an entry of its own")


@case(
    "mlsd-of-another",
    "RFC 3659 s.7.1",
    Level.MUST,
    "MLSD with a path leaves the current directory as it was.",
    "The next file goes to another directory.",
)
def of_another(target: Target) -> None:
    with place(target) as here:
        here.make_directory("dir")
        mlsd(here, "dir")
        here.make("file")
        if b"file" not in listed(here):
            raise Failed("a file stored afterwards is not here")


def _tvfs(here: Place) -> None:
    if b"TVFS" not in [line.upper() for line in features(here)]:
        raise Skipped("FEAT does not list TVFS")


@case(
    "tvfs-slash",
    "RFC 3659 s.6",
    Level.MUST,
    "Where TVFS is offered, names are put together with `/`.",
    "Programs cannot reach files below directories.",
)
def tvfs_slash(target: Target) -> None:
    with place(target) as here:
        _tvfs(here)
        here.make_directory("a")
        here.make_directory("a/b")
        here.make("a/b/file", b"deep")
        if here.fetch("a/b/file") != b"deep" or here.fetch(f"{here.path}/a/b/file") != b"deep":
            raise Failed("the same file by its whole path is another one")


@case(
    "tvfs-dots",
    "RFC 3659 s.6",
    Level.SHOULD,
    "Where TVFS is offered, `.` is the directory itself and `..` the one above.",
    "Programs that make paths shorter, or do not, miss their files.",
)
def tvfs_dots(target: Target) -> None:
    with place(target) as here:
        _tvfs(here)
        here.make_directory("a")
        here.make("file", b"above")
        for path in ("./file", "a/../file", "a/./../file"):
            if here.fetch(path) != b"above":
                raise Failed(f"{path} leads elsewhere")


@case(
    "tvfs-root",
    "RFC 3659 s.6",
    Level.MUST,
    "Where TVFS is offered, the current directory is an absolute path that begins with `/`.",
    "Programs cannot come back to where they were.",
)
def tvfs_root(target: Target) -> None:
    with place(target) as here:
        _tvfs(here)
        if not here.path.startswith("/"):
            raise Failed(f"the current directory is {here.path!r}")
        want(here.command(f"CWD {here.path}"), (250,), "CWD to where one is")


@case(
    "tvfs-above-root",
    "RFC 3659 s.6",
    Level.MUST,
    "`..` at the root leads nowhere else.",
    "Users read what is not theirs.",
)
def tvfs_above(target: Target) -> None:
    with place(target) as here:
        _tvfs(here)
        here.make("file", b"mine")
        climbing = "/".join([".."] * 30)
        got = download(here.wire, f"RETR {climbing}/etc/passwd")
        if b"root:" in got.content:
            raise Failed("it brought /etc/passwd")
