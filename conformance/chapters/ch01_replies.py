"""Chapter 1, replies: their grammar (RFC 959 s.4.2) and which one each command may get (s.5.4)."""

from __future__ import annotations

from conformance.chapters.checks import want, want_alive, want_class, want_clean
from conformance.registry import Failed, Level, Skipped, case
from conformance.wire import Reply, Target

_BATTERY = (
    "NOOP", "SYST", "PWD", "XPWD", "HELP", "HELP USER", "STAT", "FEAT", "TYPE A", "TYPE I", "MODE S", "STRU F", "PASV",
    "EPSV", "CWD /", "CDUP", "ALLO 1", "REST 0", "SITE HELP", "OPTS UTF8 ON", "SIZE conformance-none",
    "RETR conformance-none", "DELE conformance-none", "RNFR conformance-none", "RNTO conformance-none", "MODE Q",
    "TYPE Q", "STRU Q", "XYZZ", "PORT 1", "ACCT", "SMNT x", "ABOR",
)  # fmt: skip
#: Verb -> the replies that RFC 959 s.5.4 (and the RFC that made the verb) lists for a request that is in order.
_LISTED: dict[str, tuple[int, ...]] = {
    "NOOP": (200,),
    "SYST": (215,),
    "PWD": (257,),
    "CWD /": (250,),
    "CDUP": (200, 250),  # s.5.4 lists 200; appendix II and the errata 250
    "TYPE I": (200,),
    "TYPE A": (200,),
    "TYPE A N": (200,),
    "MODE S": (200,),
    "STRU F": (200,),
    "PASV": (227,),
    "ALLO 1000": (200, 202),
    "REST 0": (350, 500, 501, 502),
    "HELP": (211, 214),
    "STAT": (211, 212, 213, 500, 502),
    "SITE HELP": (200, 202, 211, 214, 500, 501, 502, 504),
    "SMNT x": (202, 250, 500, 501, 502, 550),
    "ABOR": (225, 226, 500, 501, 502),
    "CWD conformance-none": (550,),
    "RNFR conformance-none": (450, 550),
    "DELE conformance-none": (450, 550),
    "RMD conformance-none": (550,),
}
_WRONG = {
    "reply-unknown-verb": ("XYZZ", (500, 502), "A verb that nobody knows"),
    "reply-unknown-long-verb": ("ABCDEFGHIJKLMNOP x", (500, 502), "A verb that is far too long"),
    "reply-rnto-alone": ("RNTO conformance-none", (503,), "RNTO without RNFR"),
    "reply-type-unknown": ("TYPE Q", (500, 501, 504), "An unknown TYPE"),
    "reply-mode-unknown": ("MODE Q", (500, 501, 504), "An unknown MODE"),
    "reply-stru-unknown": ("STRU Q", (500, 501, 504), "An unknown STRU"),
    "reply-port-malformed": ("PORT 1,2,3", (500, 501), "PORT with too few numbers"),
    "reply-port-too-big": ("PORT 127,0,0,1,300,1", (500, 501), "PORT with a number above 255"),
}


def _battery(target: Target) -> list[tuple[str, Reply]]:
    with target.session() as wire:
        return [(line, wire.command(line)) for line in _BATTERY]


@case(
    "reply-grammar",
    "RFC 959 s.4.2",
    Level.MUST,
    "Every reply is code, space or hyphen, text and CRLF.",
    "Clients hang or get out of step, each in a way of its own.",
)
def grammar(target: Target) -> None:
    for line, reply in _battery(target):
        if reply.faults:
            raise Failed(f"{line}: {'; '.join(reply.faults)}")


@case(
    "reply-first-digit",
    "RFC 959 s.4.2.1",
    Level.MUST,
    "The first digit of every code is 1 to 5.",
    "Clients cannot tell whether a command worked.",
)
def first_digit(target: Target) -> None:
    for line, reply in _battery(target):
        want_class(reply, "12345", line)


@case(
    "reply-second-digit",
    "RFC 959 s.4.2.1",
    Level.SHOULD,
    "The second digit of every code is 0 to 5.",
    "Clients that go by the second digit draw wrong conclusions.",
)
def second_digit(target: Target) -> None:
    for line, reply in _battery(target):
        if (reply.code // 10) % 10 > 5:
            raise Failed(f"{line} is answered {reply.shown}")


@case(
    "reply-text",
    "RFC 959 s.4.2",
    Level.SHOULD,
    "Every reply has a text for people, free of control characters.",
    "People are told nothing, and terminals are sent control characters.",
)
def text(target: Target) -> None:
    for line, reply in _battery(target):
        if not reply.lines[0][4:].strip() and len(reply.lines) == 1:
            raise Failed(f"{line} is answered {reply.shown!r}, without a text")
        if any(byte < 0x20 and byte != 0x09 for said in reply.lines for byte in said):
            raise Failed(f"{line} is answered with a control character: {reply.lines!r}")


@case(
    "reply-one-each",
    "RFC 959 s.5.4",
    Level.MUST,
    "Each command gets exactly one reply.",
    "From the extra reply on, each answer is taken for that of another command.",
)
def one_each(target: Target) -> None:
    with target.session() as wire:
        for line in _BATTERY:
            wire.command(line)
        if said := wire.silent(0.3):
            raise Failed(f"after all replies came {said[:80]!r}")
        want_alive(wire, "all of them")


def _multiline(target: Target, line: str, codes: tuple[int, ...]) -> str | None:
    with target.session() as wire:
        reply = wire.command(line)
        if reply.code in (500, 502):
            raise Skipped(f"{line} is not known here")
        want(reply, codes, line)
        want_clean(reply)
        want_alive(wire, line)
    return None if len(reply.lines) > 1 else "in one line"


@case(
    "reply-multiline-feat",
    "RFC 959 s.4.2",
    Level.MUST,
    "FEAT's reply of many lines begins and ends as it must.",
    "Clients hang at FEAT, or read its lines as later replies.",
)
def multiline_feat(target: Target) -> str | None:
    return _multiline(target, "FEAT", (211,))


@case(
    "reply-multiline-help",
    "RFC 959 s.4.2",
    Level.MUST,
    "HELP's reply of many lines begins and ends as it must.",
    "Clients hang at HELP, or read its lines as later replies.",
)
def multiline_help(target: Target) -> str | None:
    return _multiline(target, "HELP", (211, 214))


@case(
    "reply-multiline-stat",
    "RFC 959 s.4.2",
    Level.MUST,
    "STAT's reply of many lines begins and ends as it must.",
    "Clients hang at STAT, or read its lines as later replies.",
)
def multiline_stat(target: Target) -> str | None:
    return _multiline(target, "STAT", (211, 212, 213))


@case(
    "reply-feat-lines",
    "RFC 2389 s.3.2",
    Level.MUST,
    "Each feature stands on a line of its own after one space.",
    "Clients do not find the features, and do without them.",
)
def feat_lines(target: Target) -> None:
    with target.session() as wire:
        reply = wire.command("FEAT")
        if reply.code in (500, 502):
            raise Skipped("FEAT is not known here")
        for line in reply.lines[1:-1]:
            if not (line.startswith(b" ") and line[1:2].isalnum()):
                raise Failed(f"{line!r} is not one space and a feature")


@case(
    "reply-class",
    "RFC 959 s.4.2.1",
    Level.MUST,
    "Commands in order get a code of the class that RFC 959 lists.",
    "Clients take success for failure or failure for success.",
)
def listed_class(target: Target) -> None:
    with target.session() as wire:
        for line, codes in _LISTED.items():
            want_class(wire.command(line), "".join({str(code)[0] for code in codes}), line)


@case(
    "reply-minimum",
    "RFC 959 s.5.1",
    Level.MUST,
    "TYPE A, MODE S and STRU F are there.",
    "The simplest clients cannot transfer anything.",
)
def minimum(target: Target) -> None:
    with target.session() as wire:
        for line in ("TYPE A", "TYPE A N", "MODE S", "STRU F"):
            want(wire.command(line), (200,), line)


@case(
    "reply-stru-record",
    "RFC 1123 s.4.1.2.13",
    Level.MAY,
    "STRU R is there (a MUST where files have records).",
    "Files of records cannot be kept as such.",
)
def stru_record(target: Target) -> None:
    with target.session() as wire:
        want(wire.command("STRU R"), (200,), "STRU R")


@case(
    "reply-pwd-quoted",
    "RFC 959 app.II PWD",
    Level.MUST,
    "PWD gives the path in double quotes right after 257.",
    "Clients cannot tell where they are, and build wrong paths.",
)
def pwd_quoted(target: Target) -> None:
    with target.session() as wire:
        reply = wire.command("PWD")
        if not reply.lines[0].startswith(b'257 "/'):
            raise Failed(f"PWD is answered {reply.shown}")


@case(
    "reply-mkd",
    "RFC 959 app.II MKD",
    Level.SHOULD,
    "MKD answers 257 and the path, MKD again 521 or 550.",
    "Mirrors stop at directories that are there already, or do not learn what they made.",
)
def mkd(target: Target) -> None:
    with target.session() as wire:
        made = wire.command("MKD conformance-made")
        if made.code == 550:
            raise Skipped("the account may not make directories")
        again = wire.command("MKD conformance-made")
        removed = wire.command("RMD conformance-made")
        if made.code != 257 or b'"' not in made.lines[0]:
            raise Failed(f"MKD is answered {made.shown}")
        # rclone takes these two for "somebody else made it", and nothing else.
        want(again, (521, 550), "MKD of a directory that is there")
        want(removed, (250,), "RMD")


@case(
    "reply-x-forms",
    "RFC 1123 s.4.1.3.1",
    Level.SHOULD,
    "XPWD, XCWD and XCUP mean PWD, CWD and CDUP.",
    "Old clients cannot change directories.",
)
def x_forms(target: Target) -> None:
    with target.session() as wire:
        for line, code in (("XPWD", (257,)), ("XCWD /", (250,)), ("XCUP", (200, 250))):
            want(wire.command(line), code, line)


@case(
    "reply-syst-name",
    "RFC 959 s.5.4 SYST",
    Level.MUST,
    "SYST names a system in the first word after 215.",
    "Clients that go by the system guess the wrong form of listings.",
)
def syst_name(target: Target) -> None:
    with target.session() as wire:
        reply = wire.command("SYST")
        if not (reply.code == 215 and reply.lines[0][4:5].isalpha()):
            raise Failed(f"SYST is answered {reply.shown}")


def _refusal(name: str, line: str, codes: tuple[int, ...], what: str) -> None:
    says = f"{what} is refused with {' or '.join(map(str, codes))}."

    @case(name, "RFC 959 s.4.2.2", Level.MUST, says, "Clients take it for done, or do not understand the refusal.")
    def check(target: Target) -> None:
        with target.session() as wire:
            reply = wire.command(line)
            want(reply, codes, line)
            want_clean(reply)
            want_alive(wire, line)


for _name, (_line, _codes, _what) in _WRONG.items():
    _refusal(_name, _line, _codes, _what)


@case(
    "reply-argument-missing",
    "RFC 959 s.5.4",
    Level.MUST,
    "A verb without the argument that it needs is refused.",
    "A command does something although nobody said to what.",
)
def argument_missing(target: Target) -> None:
    with target.session() as wire:
        for line in ("TYPE", "MODE", "STRU", "PORT", "RETR", "DELE", "MKD", "RNFR"):
            want_class(wire.command(line), "45", f"{line} without an argument")


@case(
    "reply-argument-501",
    "RFC 959 s.4.2.2",
    Level.SHOULD,
    "A missing argument is a 501.",
    "Clients cannot tell a slip from a refusal.",
)
def argument_501(target: Target) -> None:
    with target.session() as wire:
        for line in ("TYPE", "MODE", "STRU", "PORT", "RETR", "DELE", "MKD", "RNFR"):
            want(wire.command(line), (501,), f"{line} without an argument")
