"""Chapter 2, names: directories, removal, renaming, and what PWD and MKD quote (RFC 959 s.4.1 and appendix II)."""

from __future__ import annotations

from conformance.chapters.checks import want, want_class
from conformance.place import Place, place, quoted, working_directory
from conformance.registry import Failed, Level, Skipped, case
from conformance.wire import Target

_ACCESS, _SERVICE, _QUOTES = "RFC 959 s.4.1.1", "RFC 959 s.4.1.3", "RFC 959 app.II"
_LOST = "Clients do not know where they are, and put files in the wrong directory."


def _cwd(here: Place, argument: str) -> None:
    want(here.command(f"CWD {argument}"), (250,), f"CWD {argument}")


def _at(here: Place, path: str) -> None:
    if (now := working_directory(here.wire)) != path:
        raise Failed(f"PWD says {now!r} where it should say {path!r}")


@case("names-cwd-relative", "RFC 959 s.4.1.1 CWD", Level.MUST, "CWD with a name goes to the directory below.", _LOST)
def cwd_relative(target: Target) -> None:
    with place(target) as here:
        here.make_directory("dir")
        _cwd(here, "dir")
        _at(here, f"{here.path}/dir")


@case("names-cwd-absolute", "RFC 959 s.4.1.1 CWD", Level.MUST, "CWD with the path that PWD gave leads there.", _LOST)
def cwd_absolute(target: Target) -> None:
    with place(target) as here:
        _cwd(here, "/")
        _cwd(here, here.path)
        _at(here, here.path)


@case(
    "names-cwd-deep", "RFC 959 s.4.1.1 CWD", Level.SHOULD, "CWD with a path of several names goes all the way.", _LOST
)
def cwd_deep(target: Target) -> None:
    with place(target) as here:
        here.make_directory("one")
        here.make_directory("one/two")
        _cwd(here, "one/two")
        _at(here, f"{here.path}/one/two")


@case("names-cwd-dots", "RFC 959 s.4.1.1 CWD", Level.MAY, "CWD .. goes up.", "People who type it stay where they are.")
def cwd_dots(target: Target) -> None:
    with place(target) as here:
        here.make_directory("dir")
        _cwd(here, "dir")
        _cwd(here, "..")
        _at(here, here.path)


@case("names-cdup", "RFC 959 s.4.1.1 CDUP", Level.MUST, "CDUP goes to the directory above.", _LOST)
def cdup(target: Target) -> None:
    with place(target) as here:
        here.make_directory("dir")
        _cwd(here, "dir")
        want(here.command("CDUP"), (200, 250), "CDUP")
        _at(here, here.path)


@case("names-cdup-at-root", "RFC 959 s.4.1.1 CDUP", Level.MUST, "CDUP at the root stays there or is refused.", _LOST)
def cdup_at_root(target: Target) -> str:
    with target.session() as wire:
        wire.command("CWD /")
        reply = wire.command("CDUP")
        want(reply, (200, 250, 550), "CDUP at the root")
        if (now := working_directory(wire)) != "/":
            raise Failed(f"PWD says {now!r}")
        return reply.shown


@case(
    "names-cwd-missing-stays",
    "RFC 959 s.4.1.1 CWD",
    Level.MUST,
    "A CWD that is refused leaves the session where it was.",
    _LOST,
)
def cwd_missing_stays(target: Target) -> None:
    with place(target) as here:
        want_class(here.command("CWD none"), "5", "CWD to what is not there")
        _at(here, here.path)


@case(
    "names-cwd-file",
    "RFC 959 s.4.1.1 CWD",
    Level.MUST,
    "CWD to a file is refused.",
    "Clients take a file for a directory.",
)
def cwd_file(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        want_class(here.command("CWD file"), "5", "CWD to a file")
        _at(here, here.path)


@case(
    "names-cwd-own-session",
    "RFC 959 s.2.2",
    Level.MUST,
    "CWD in one session moves no other.",
    "Two transfers at once mix their files up.",
)
def cwd_own_session(target: Target) -> None:
    with place(target) as here, target.session() as other:
        before = working_directory(other)
        here.make_directory("dir")
        _cwd(here, "dir")
        if (now := working_directory(other)) != before:
            raise Failed(f"another session is now in {now!r}")


@case(
    "names-pwd-quotes-doubled",
    "RFC 959 app.II PWD",
    Level.MUST,
    "A double quote in a directory's name is doubled in the reply to PWD, where the file system has such names.",
    _LOST,
)
def pwd_quotes_doubled(target: Target) -> None:
    with place(target) as here:
        here.make_directory('say "so"')
        _cwd(here, 'say "so"')
        _at(here, f'{here.path}/say "so"')


@case(
    "names-mkd-quotes-doubled",
    "RFC 959 app.II MKD",
    Level.MUST,
    "A double quote in a name is doubled in the reply to MKD, where the file system has such names.",
    "Clients believe that another directory was made.",
)
def mkd_quotes_doubled(target: Target) -> None:
    with place(target) as here:
        reply = here.command('MKD a"b')
        if reply.code != 257:
            raise Skipped(f"the directory could not be made: {reply.shown}")
        if not quoted(reply).endswith('a"b'):
            raise Failed(f"MKD is answered {reply.shown}")


@case(
    "names-mkd-usable",
    "RFC 959 app.II MKD",
    Level.MUST,
    "The path that MKD gives in quotes leads to the new directory by CWD.",
    "Clients that go by the reply end up elsewhere.",
)
def mkd_usable(target: Target) -> None:
    with place(target) as here:
        reply = here.command("MKD new")
        want(reply, (257,), "MKD")
        path = quoted(reply)
        _cwd(here, path)
        _at(here, f"{here.path}/new")


@case(
    "names-mkd-absolute",
    "RFC 959 app.II MKD",
    Level.SHOULD,
    "The path that MKD gives in quotes begins at the root.",
    "Clients that have moved on since cannot use it.",
)
def mkd_absolute(target: Target) -> None:
    with place(target) as here:
        reply = here.command("MKD new")
        want(reply, (257,), "MKD")
        if quoted(reply) != f"{here.path}/new":
            raise Failed(f"in {here.path} MKD new is answered {reply.shown}")


@case(
    "names-mkd-makes",
    "RFC 959 s.4.1.3 MKD",
    Level.MUST,
    "MKD makes a directory that files can be stored in.",
    "Trees cannot be uploaded.",
)
def mkd_makes(target: Target) -> None:
    with place(target) as here:
        want(here.command("MKD new"), (257,), "MKD")
        here.make("new/file")
        if here.fetch("new/file") != b"content\n":
            raise Failed("a file stored in it did not come back")


@case(
    "names-mkd-path",
    "RFC 959 s.4.1.3 MKD",
    Level.MUST,
    "MKD with an absolute path makes the directory there.",
    "Trees are uploaded to the wrong place.",
)
def mkd_path(target: Target) -> None:
    with place(target) as here:
        here.make_directory("dir")
        _cwd(here, "dir")
        want(here.command(f"MKD {here.path}/new"), (257,), "MKD")
        _cwd(here, f"{here.path}/new")


@case(
    "names-mkd-over-file",
    "RFC 959 s.4.1.3 MKD",
    Level.MUST,
    "MKD of a name that a file has is refused, and the file stays.",
    "A slip removes a file.",
)
def mkd_over_file(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        want_class(here.command("MKD file"), "5", "MKD of a file's name")
        if here.fetch("file") != b"content\n":
            raise Failed("the file is not what it was")


@case(
    "names-rmd-removes",
    "RFC 959 s.4.1.3 RMD",
    Level.MUST,
    "RMD removes an empty directory.",
    "Directories cannot be removed.",
)
def rmd_removes(target: Target) -> None:
    with place(target) as here:
        here.make_directory("dir")
        want(here.command("RMD dir"), (250,), "RMD")
        want_class(here.command("CWD dir"), "5", "CWD to a directory that was removed")


@case(
    "names-rmd-full",
    "RFC 959 s.4.1.3 RMD",
    Level.SHOULD,
    "RMD of a directory that is not empty is refused, and nothing is lost.",
    "One command removes what nobody meant.",
)
def rmd_full(target: Target) -> None:
    with place(target) as here:
        here.make_directory("dir")
        here.make("dir/file")
        want_class(here.command("RMD dir"), "5", "RMD of a directory with a file in it")
        here.fetch("dir/file")


@case(
    "names-dele-removes",
    "RFC 959 s.4.1.3 DELE",
    Level.MUST,
    "DELE removes a file, and no other.",
    "Files cannot be removed.",
)
def dele_removes(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        here.make("other")
        want(here.command("DELE file"), (250,), "DELE")
        if here.exists("file"):
            raise Failed("the file is still there")
        here.fetch("other")


@case(
    "names-dele-directory",
    "RFC 959 s.4.1.3 DELE",
    Level.MUST,
    "DELE of a directory is refused, and the directory stays.",
    "A slip removes a directory.",
)
def dele_directory(target: Target) -> None:
    with place(target) as here:
        here.make_directory("dir")
        want_class(here.command("DELE dir"), "45", "DELE of a directory")
        _cwd(here, "dir")


def _rename(here: Place, old: str, new: str) -> None:
    want(here.command(f"RNFR {old}"), (350,), f"RNFR {old}")
    want(here.command(f"RNTO {new}"), (250,), f"RNTO {new}")


@case(
    "names-rename-file",
    "RFC 959 s.4.1.3 RNTO",
    Level.MUST,
    "RNFR and RNTO give a file another name; its content stays, its old name goes.",
    "Uploads under a name for the time being cannot be made whole.",
)
def rename_file(target: Target) -> None:
    with place(target) as here:
        here.make("old")
        _rename(here, "old", "new")
        if here.fetch("new") != b"content\n" or here.exists("old"):
            raise Failed("the file is not where it should be")


@case(
    "names-rename-directory",
    "RFC 959 s.4.1.3 RNTO",
    Level.MUST,
    "RNFR and RNTO give a directory another name, with all that is in it.",
    "Trees cannot be renamed.",
)
def rename_directory(target: Target) -> None:
    with place(target) as here:
        here.make_directory("old")
        here.make("old/file")
        _rename(here, "old", "new")
        here.fetch("new/file")


@case(
    "names-rename-into",
    "RFC 959 s.4.1.3 RNTO",
    Level.MUST,
    "RNTO with a path moves a file to another directory.",
    "Files cannot be moved once they are checked.",
)
def rename_into(target: Target) -> None:
    with place(target) as here:
        here.make_directory("dir")
        here.make("file")
        _rename(here, "file", "dir/file")
        here.fetch("dir/file")
        if here.exists("file"):
            raise Failed("the file is still at its old place")


@case(
    "names-rename-over",
    "RFC 959 s.4.1.3 RNTO",
    Level.MAY,
    "RNTO to a name that a file has replaces that file.",
    "Publishing by a rename needs the old file removed first, and readers find nothing for a moment.",
)
def rename_over(target: Target) -> None:
    with place(target) as here:
        here.make("new", b"new\n")
        here.make("old", b"old\n")
        _rename(here, "new", "old")
        if (content := here.fetch("old")) != b"new\n":
            raise Failed(f"the file is now {content!r}")


@case(
    "names-rename-missing",
    "RFC 959 s.5.4 RNTO",
    Level.MUST,
    "RNTO after an RNFR that was refused is refused, and makes nothing.",
    "Another file than the one that was meant is renamed.",
)
def rename_missing(target: Target) -> None:
    with place(target) as here:
        want_class(here.command("RNFR none"), "45", "RNFR of what is not there")
        want(here.command("RNTO new"), (503, 501, 550), "RNTO after it")


@case(
    "names-rename-missing-503",
    "RFC 959 s.5.4 RNTO",
    Level.SHOULD,
    "RNTO after an RNFR that was refused is out of order, which is 503.",
    "Clients cannot tell it from a name that may not be given.",
)
def rename_missing_503(target: Target) -> None:
    with place(target) as here:
        here.command("RNFR none")
        want(here.command("RNTO new"), (503,), "RNTO after an RNFR that was refused")


@case(
    "names-rename-failed-keeps",
    "RFC 959 s.4.1.3 RNTO",
    Level.MUST,
    "An RNTO that is refused leaves the file under its old name.",
    "A rename that fails loses the file.",
)
def rename_failed_keeps(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        want(here.command("RNFR file"), (350,), "RNFR")
        want_class(here.command("RNTO none/new"), "45", "RNTO below a missing directory")
        here.fetch("file")


@case(
    "names-syst-unix-paths",
    _SERVICE,
    Level.SHOULD,
    "A server that calls itself UNIX divides paths with slashes.",
    "Clients that build paths build wrong ones.",
)
def unix_paths(target: Target) -> None:
    with place(target) as here:
        if b"UNIX" not in here.command("SYST").lines[0].upper():
            raise Skipped("the server does not call itself UNIX")
        here.make_directory("dir")
        here.make("dir/file")
        here.fetch(f"{here.path}/dir/file")
