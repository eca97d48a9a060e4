"""Chapter 2, what every server must have: the commands and parameters of RFC 1123 s.4.1.2.13, each a case.

Here a verb is there unless the server says that it does not know it. Whether it does its work is for other chapters.
"""

from __future__ import annotations

import socket

from conformance.chapters.checks import want
from conformance.data import Way, download, open_data, upload
from conformance.place import place, want_done
from conformance.registry import Failed, Level, Skipped, case
from conformance.wire import Reply, Target

_NOT_KNOWN = (500, 502)
#: Verb -> the line that asks for it, and what a user misses without it.
_COMMANDS = {
    "CWD": ("CWD /", "Nobody gets anywhere but to the login directory."),
    "CDUP": ("CDUP", "The button for the directory above does nothing."),
    "TYPE": ("TYPE A N", "Clients that set the type before each transfer give up."),
    "MODE": ("MODE S", "Clients that set the mode before each transfer give up."),
    "STRU": ("STRU F", "Clients that set the structure before each transfer give up."),
    "RNFR": ("RNFR conformance-none", "Files cannot be renamed, and uploads cannot be made whole by a rename."),
    "DELE": ("DELE conformance-none", "Files cannot be removed."),
    "RMD": ("RMD conformance-none", "Directories cannot be removed."),
    "PWD": ("PWD", "Clients do not know where they are."),
    "STAT": ("STAT", "Clients that ask how the session stands get an error."),
    "SYST": ("SYST", "Clients guess wrongly how listings are to be read."),
    "HELP": ("HELP", "Whoever tries the server by hand is not helped."),
    "NOOP": ("NOOP", "Clients cannot keep a session open."),
}
_PARAMETERS = {
    "minimum-type-i": ("TYPE I", "RFC 1123 s.4.1.2.1", Level.MUST, "No file but text arrives as it was."),
    "minimum-type-l8": ("TYPE L 8", "RFC 1123 s.4.1.2.1", Level.MUST, "Clients of machines with odd words fail."),
    "minimum-type-a-t": ("TYPE A T", "RFC 1123 s.4.1.2.2", Level.SHOULD, "Clients that print what they get fail."),
    "minimum-type-a-c": ("TYPE A C", "RFC 959 s.3.1.1.5.3", Level.MAY, "FORTRAN's printer files are not marked."),
    "minimum-type-e": ("TYPE E", "RFC 959 s.3.1.1.2", Level.MAY, "Mainframes must convert by themselves."),
    "minimum-mode-b": ("MODE B", "RFC 959 s.3.4.2", Level.MAY, "Ends of files cannot be told from cuts in clear."),
    "minimum-mode-c": ("MODE C", "RFC 959 s.3.4.3", Level.MAY, "Nothing is compressed on the way."),
    "minimum-stru-p": ("STRU P", "RFC 959 s.3.1.2.3", Level.MAY, "TOPS-20's files with holes lose them."),
}


def _there(reply: Reply, line: str) -> None:
    if reply.code in _NOT_KNOWN:
        raise Failed(f"{line} is answered {reply.shown}")


def _command(verb: str, line: str, means: str) -> None:
    @case(f"minimum-{verb.lower()}", "RFC 1123 s.4.1.2.13", Level.MUST, f"{verb} is known.", means)
    def check(target: Target) -> None:
        with target.session() as wire:
            _there(wire.command(line), line)


def _parameter(name: str, line: str, clause: str, level: Level, means: str) -> None:
    @case(name, clause, level, f"{line} is taken.", means)
    def check(target: Target) -> None:
        with target.session() as wire:
            want(wire.command(line), (200,), line)


for _verb, (_line, _means) in _COMMANDS.items():
    _command(_verb, _line, _means)
for _name, _row in _PARAMETERS.items():
    _parameter(_name, *_row)


def _transfer(verb: str, line: str, means: str) -> None:
    @case(f"minimum-{verb.lower()}", "RFC 1123 s.4.1.2.13", Level.MUST, f"{verb} is known.", means)
    def check(target: Target) -> None:
        with place(target) as here:
            opening = open_data(here.wire)
            try:
                _there(here.command(line), line)
            finally:
                opening.close()


@case(
    "minimum-acct",
    "RFC 1123 s.4.1.2.13",
    Level.SHOULD,  # a MUST but for systems that have no such thing; nearly none has accounts, nor misses them
    "ACCT is known.",
    "Clients that always send ACCT cannot log in.",
)
def acct(target: Target) -> None:
    with target.session() as wire:
        _there(wire.command("ACCT none"), "ACCT none")


_transfer("RETR", "RETR conformance-none", "No file can be had.")
_transfer("LIST", "LIST", "Nobody sees what there is.")
_transfer("NLST", "NLST", "Programs cannot ask which files there are.")


def _stores(verb: str, means: str) -> None:
    @case(f"minimum-{verb.lower()}", "RFC 1123 s.4.1.2.13", Level.MUST, f"{verb} is known.", means)
    def check(target: Target) -> None:
        with place(target) as here:
            _there(upload(here.wire, f"{verb} new", b"content").first, verb)


_stores("STOR", "No file can be left.")
_stores("APPE", "Logs cannot be added to, and many clients cannot resume an upload.")


@case(
    "minimum-pasv",
    "RFC 1123 s.4.1.2.6",
    Level.MUST,
    "PASV is known.",
    "Clients behind a firewall or an address translation can transfer nothing.",
)
def pasv(target: Target) -> None:
    with target.session() as wire:
        _there(wire.command("PASV"), "PASV")


@case(
    "minimum-port",
    "RFC 1123 s.4.1.2.13",
    Level.MUST,
    "PORT to the client's own address is taken.",
    "Clients that know no passive mode can transfer nothing.",
)
def port(target: Target) -> None:
    with target.session() as wire:
        try:
            open_data(wire, Way.PORT).close()
        except Skipped as unknown:
            if wire.socket.family == socket.AF_INET:
                raise Failed(str(unknown)) from unknown
            raise


@case(
    "minimum-mkd",
    "RFC 1123 s.4.1.2.13",
    Level.MUST,
    "MKD is known.",
    "Trees cannot be uploaded.",
)
def mkd(target: Target) -> None:
    with target.session() as wire:
        _there(wire.command("MKD conformance-none/none"), "MKD")


@case(
    "minimum-rnto",
    "RFC 1123 s.4.1.2.13",
    Level.MUST,
    "RNTO is known.",
    "Files cannot be renamed, and uploads cannot be made whole by a rename.",
)
def rnto(target: Target) -> None:
    with target.session() as wire:
        _there(wire.command("RNTO conformance-none"), "RNTO")


@case(
    "minimum-defaults",
    "RFC 959 s.5.1",
    Level.MUST,
    "A transfer without TYPE, MODE and STRU before it is in ASCII, stream and file: text comes with CRLF.",
    "Text of a simple client has the wrong line ends at one side.",
)
def defaults(target: Target) -> None:
    with place(target) as here:
        here.make("text", b"one\ntwo\n")
        with target.session() as wire:
            wire.command(f"CWD {here.path}")
            outcome = download(wire, "RETR text")
            want_done(outcome, "RETR in a session without TYPE")
            if outcome.content != b"one\r\ntwo\r\n":
                raise Failed(f"the lines one and two came as {outcome.content!r}")
