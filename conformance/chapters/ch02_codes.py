"""Chapter 2, the replies of RFC 959 s.5.4 verb by verb: RFC 1123 s.4.1.2.11 asks for them wherever they fit.

Each row is a situation and the codes that s.5.4 lists for it, besides those that s.4.2.2 gives to every verb. Whether
success is success and a refusal a refusal is a MUST of other chapters; here the exact code is judged.
"""

from __future__ import annotations

from dataclasses import dataclass

from conformance.chapters.checks import want, want_alive
from conformance.data import Outcome, download, upload
from conformance.place import Place, place
from conformance.registry import Level, Skipped, case
from conformance.wire import Reply, Target

_NOT_KNOWN = (500, 502)
_EXACT = "Clients that go by the exact code do the wrong thing next."


@dataclass(frozen=True)
class _Row:
    """`lines` are sent one after the other, and the reply to the last is judged."""

    lines: tuple[str, ...]
    codes: tuple[int, ...]
    says: str
    means: str = _EXACT


_FURNITURE = {"file", "empty", "full"}  #: what a place holds: a file and two directories, "full" with a file in it
_ROWS = {
    "noop": _Row(("NOOP",), (200,), "NOOP is answered 200."),
    "syst": _Row(("SYST",), (215,), "SYST is answered 215.", "Clients do not learn the system and misread listings."),
    "help": _Row(("HELP",), (211, 214), "HELP is answered 211 or 214."),
    "help-verb": _Row(("HELP RETR",), (211, 214), "HELP with a verb is answered 211 or 214."),
    "help-unknown": _Row(
        ("HELP XYZZ",), (211, 214, 501, 504), "HELP with a verb that nobody knows is help or a refusal."
    ),
    "stat": _Row(("STAT",), (211,), "STAT of the session is answered 211."),
    "stat-file": _Row(("STAT file",), (212, 213), "STAT of a file is answered 213 (or 212)."),
    "stat-directory": _Row(("STAT full",), (212, 213), "STAT of a directory is answered 212 (or 213)."),
    "stat-missing": _Row(("STAT none",), (450, 550), "STAT of a name that is not there is answered 450 (or 550)."),
    "cwd": _Row(("CWD full",), (250,), "CWD is answered 250.", "Clients believe that they are somewhere else."),
    "cwd-missing": _Row(("CWD none",), (550,), "CWD to a name that is not there is answered 550."),
    "cwd-file": _Row(("CWD file",), (550,), "CWD to a file is answered 550."),
    "cdup": _Row(("CWD full", "CDUP"), (200, 250), "CDUP is answered 200, or 250 as CWD is."),
    "pwd": _Row(("PWD",), (257,), "PWD is answered 257.", "Clients do not learn where they are."),
    "mkd": _Row(("MKD new",), (257,), "MKD is answered 257.", "Clients take the directory for not made."),
    "mkd-again": _Row(
        ("MKD empty",), (521, 550), "MKD of a directory that is there is answered 521 or 550.",
        "Clients that upload a tree once more stop, since they cannot tell that the directory is there.",
    ),
    "mkd-below-missing": _Row(("MKD none/new",), (550,), "MKD below a directory that is not there is answered 550."),
    "rmd": _Row(("RMD empty",), (250,), "RMD is answered 250."),
    "rmd-missing": _Row(("RMD none",), (550,), "RMD of a name that is not there is answered 550."),
    "rmd-full": _Row(("RMD full",), (550,), "RMD of a directory that is not empty is answered 550."),
    "rmd-file": _Row(("RMD file",), (550,), "RMD of a file is answered 550."),
    "dele": _Row(("DELE file",), (250,), "DELE is answered 250."),
    "dele-missing": _Row(("DELE none",), (450, 550), "DELE of a name that is not there is answered 550 (or 450)."),
    "dele-directory": _Row(("DELE empty",), (450, 550), "DELE of a directory is answered 550 (or 450)."),
    "rnfr": _Row(("RNFR file",), (350,), "RNFR is answered 350."),
    "rnfr-missing": _Row(("RNFR none",), (450, 550), "RNFR of a name that is not there is answered 550 (or 450)."),
    "rnto": _Row(("RNFR file", "RNTO new"), (250,), "RNTO is answered 250."),
    "rnto-below-missing": _Row(
        ("RNFR file", "RNTO none/new"), (550, 553), "RNTO below a missing directory is answered 553 (or 550)."
    ),
    "allo": _Row(("ALLO 1000",), (200, 202), "ALLO is answered 200 or 202."),
    "allo-record": _Row(("ALLO 1000 R 80",), (200, 202, 504), "ALLO with a record size is answered 200, 202 or 504."),
    "rest": _Row(("REST 0",), (350,), "REST is answered 350."),
    "acct": _Row(("ACCT none",), (202, 230, 503), "ACCT is answered 202, 230 or 503."),
    "site-unknown": _Row(("SITE XYZZ",), (202, 500, 501, 502, 504), "SITE with an unknown word is 5xx or 202."),
    "type": _Row(("TYPE I",), (200,), "TYPE is answered 200."),
    "mode": _Row(("MODE S",), (200,), "MODE is answered 200."),
    "stru": _Row(("STRU F",), (200,), "STRU is answered 200."),
    "type-unknown": _Row(("TYPE Q",), (501, 504), "TYPE with an unknown letter is answered 501 or 504."),
    "type-l-36": _Row(("TYPE L 36",), (501, 504), "TYPE L with a word that is not ours is answered 504 (or 501)."),
    "mode-unknown": _Row(("MODE Q",), (501, 504), "MODE with an unknown letter is answered 501 or 504."),
    "stru-unknown": _Row(("STRU Q",), (501, 504), "STRU with an unknown letter is answered 501 or 504."),
    "pasv": _Row(("PASV",), (227,), "PASV is answered 227.", "Clients do not learn the port, and transfer nothing."),
    "unknown-verb": _Row(("XYZZ",), (500, 502), "An unknown verb is answered 500 or 502."),
    "abor": _Row(("ABOR",), (225, 226), "ABOR with nothing to abort is answered 225 or 226."),
    "quit": _Row(("QUIT",), (221,), "QUIT is answered 221."),
}  # fmt: skip
_DOWNLOADS = {
    "retr-missing": ("RETR none", (450, 550), "RETR of a name that is not there is answered 550 (or 450)."),
    "retr-directory": ("RETR full", (450, 550), "RETR of a directory is answered 550 (or 450)."),
    "list-missing": ("LIST none", (226, 250, 450, 550), "LIST of a name that is not there is 450, or an empty list."),
    "nlst-missing": ("NLST none", (226, 250, 450, 550), "NLST of a name that is not there is 450, or an empty list."),
}
_UPLOADS = {
    "stor-directory": ("STOR full", (550, 553), "STOR onto a directory is answered 553 (or 550)."),
    "stor-below-missing": ("STOR none/new", (550, 553), "STOR below a missing directory is answered 553 (or 550)."),
    "stor-no-name": ("STOR", (500, 501), "STOR without a name is answered 501 (or 500)."),
    "appe-directory": ("APPE full", (550, 553), "APPE to a directory is answered 550 (or 553)."),
}
_MOVING = {"retr": "RETR file", "list": "LIST", "nlst": "NLST", "stor": "STOR new", "appe": "APPE file", "stou": "STOU"}


def _clause(line: str) -> str:
    verb = line.partition(" ")[0]
    return "RFC 959 s.5.4" + ("" if verb == "XYZZ" else f" {verb}")


def _furnish(here: Place) -> None:
    here.make("file")
    here.make_directory("empty")
    here.make_directory("full")
    here.make("full/inside")


def _judge(reply: Reply, codes: tuple[int, ...], line: str) -> None:
    """A verb that is not known has no code to be right; whether it has to be known, chapter `minimum` asks."""
    if reply.code in _NOT_KNOWN and not set(_NOT_KNOWN) & set(codes):
        raise Skipped(f"{line.partition(' ')[0]} is not known here")
    want(reply, codes, line)


def _situation(name: str, row: _Row) -> None:
    @case(f"code-{name}", _clause(row.lines[-1]), Level.SHOULD, row.says, row.means)
    def check(target: Target) -> None:
        with place(target) as here:
            if any(_FURNITURE & set(line.split()[1:]) for line in row.lines):
                _furnish(here)
            for line in row.lines[:-1]:
                here.command(line)
            _judge(here.command(row.lines[-1]), row.codes, row.lines[-1])


def _refused(name: str, line: str, codes: tuple[int, ...], says: str, *, storing: bool) -> None:
    @case(f"code-{name}", _clause(line), Level.SHOULD, says, _EXACT)
    def check(target: Target) -> None:
        with place(target) as here:
            _furnish(here)
            outcome = upload(here.wire, line, b"content") if storing else download(here.wire, line)
            _judge(outcome.last, codes, line)
            want_alive(here.wire, line)


def _begins_and_ends(verb: str, line: str) -> None:
    means = "Clients wait for another reply, or do not see that the transfer began."

    @case(f"code-{verb}-begin", _clause(line), Level.SHOULD, f"{verb.upper()} begins with 125 or 150.", means)
    def begin(target: Target) -> None:
        with place(target) as here:
            _judge(_move(here, line).first, (125, 150), line)

    means = "Clients take a transfer that worked for one that failed."

    @case(f"code-{verb}-end", _clause(line), Level.SHOULD, f"{verb.upper()} ends with 226 or 250.", means)
    def end(target: Target) -> None:
        with place(target) as here:
            _judge(_move(here, line).last, (226, 250), line)


def _move(here: Place, line: str) -> Outcome:
    here.make("file")
    storing = line.startswith(("STO", "APPE"))
    return upload(here.wire, line, b"content") if storing else download(here.wire, line)


for _name, _row in _ROWS.items():
    _situation(_name, _row)
for _name, (_line, _codes, _says) in _DOWNLOADS.items():
    _refused(_name, _line, _codes, _says, storing=False)
for _name, (_line, _codes, _says) in _UPLOADS.items():
    _refused(_name, _line, _codes, _says, storing=True)
for _name, _line in _MOVING.items():
    _begins_and_ends(_name, _line)
