"""Chapter 2, features: FEAT lists what is there, and OPTS sets what it can (RFC 2389)."""

from __future__ import annotations

import re
import socket

from conformance.chapters.checks import want, want_alive, want_class
from conformance.registry import Failed, Level, Skipped, case
from conformance.wire import Reply, Target, Wire

#: Features that are commands -> a line that shows whether the server knows the verb.
_PROBES = {
    "SIZE": "SIZE none", "MDTM": "MDTM none", "MLST": "MLST", "MFMT": "MFMT 20200101000000 none", "EPSV": "EPSV",
    "EPRT": "", "PBSZ": "PBSZ 0", "PROT": "PROT P", "HASH": "HASH none", "CLNT": "CLNT x",
    "LANG": "LANG", "HOST": "HOST none.invalid", "REST": "REST 0", "MFF": "MFF x=y; none", "XCRC": "XCRC none",
    "XMD5": "XMD5 none", "XSHA256": "XSHA256 none", "OPTS": "OPTS", "PASV": "PASV",
    "CCC": "CCC", "TVFS": "NOOP", "CSID": "CSID Name=x;", "DSIZ": "DSIZ",
}  # fmt: skip

_LATER = ("SIZE", "MDTM", "MLST", "EPSV", "EPRT", "LANG", "HOST")  #: what RFCs after 959 made, but for RFC 2228's
_NOT_DONE = (500, 502, 504, 522)  #: a verb that is known and never done is a feature that is not there


def features(wire: Wire) -> list[str]:
    """The features without their leading blank; Skipped when there is no FEAT."""
    reply = wire.command("FEAT")
    if reply.code in (500, 502):
        raise Skipped("FEAT is not known here")
    return [line.decode("utf-8", "replace").removeprefix(" ") for line in reply.lines[1:-1]]


@case(
    "feat-there",
    "RFC 2389 s.3",
    Level.MAY,
    "FEAT is known.",
    "Clients do without everything newer than 1985, or try it out.",
)
def there(target: Target) -> None:
    with target.session() as wire:
        features(wire)


@case(
    "feat-code",
    "RFC 2389 s.3.2",
    Level.MUST,
    "FEAT is answered 211, or 500 or 502 when it is not known.",
    "Clients do not find the features, and do without them.",
)
def code(target: Target) -> None:
    with target.session() as wire:
        want(wire.command("FEAT"), (211, 500, 502), "FEAT")


@case(
    "feat-characters",
    "RFC 2389 s.3.2",
    Level.MUST,
    "Features are printable ASCII.",
    "Clients stumble over a list that they only look something up in.",
)
def characters(target: Target) -> None:
    with target.session() as wire:
        for line in features(wire):
            if not re.fullmatch(r"[\x20-\x7e]+", line):
                raise Failed(f"a feature is {line!r}")


@case(
    "feat-honest",
    "RFC 2389 s.3.2",
    Level.MUST,
    "Each command that FEAT lists is known.",
    "Clients use what they were promised, and fail.",
)
def honest(target: Target) -> str:
    with target.session() as wire:
        asked = []
        for feature in features(wire):
            verb = feature.split()[0].upper() if feature.split() else ""
            if verb in _PROBES and not (verb == "CCC" and wire.context is None):
                asked.append(verb)
                line = _own_address(wire) if verb == "EPRT" else _PROBES[verb]
                reply = wire.command(line)
                if reply.code in (500, 502):
                    raise Failed(f"{feature} is listed, and {line} answered {reply.shown}")
        want_alive(wire, "all of them")
        return " ".join(asked)


def _own_address(wire: Wire) -> str:
    """EPRT to where the client is, since servers may refuse others in any words."""
    protocol = 2 if wire.socket.family == socket.AF_INET6 else 1
    return f"EPRT |{protocol}|{wire.socket.getsockname()[0]}|50000|"


@case(
    "feat-complete",
    "RFC 2389 s.3.2",
    Level.MUST,
    "Each command of a later RFC that is known is in the list.",
    "Clients do without what they could have, since only what is listed can be relied on.",
)
def complete(target: Target) -> None:
    with target.session() as wire:
        listed = {feature.upper().split()[0] for feature in features(wire) if feature.split()}
        probes = {verb: _PROBES[verb] for verb in _LATER} | {"EPRT": _own_address(wire)}
        known = {verb for verb, line in probes.items() if wire.command(line).code not in _NOT_DONE}
        if missing := sorted(known - listed):
            raise Failed(f"{', '.join(missing)} is known and not listed")


@case(
    "feat-end",
    "RFC 2389 s.3.2",
    Level.MUST,
    "The list ends with a line that is `211 End` and nothing more.",
    "Clients that keep to the grammar take the list for broken.",
)
def end(target: Target) -> None:
    with target.session() as wire:
        features(wire)
        reply = wire.command("FEAT")
        if len(reply.lines) > 1 and reply.lines[-1].upper() != b"211 END":
            raise Failed(f"it ends with {reply.lines[-1]!r}")


@case(
    "feat-not-itself",
    "RFC 2389 s.3.2",
    Level.SHOULD,
    "Neither FEAT nor OPTS is in the list.",
    "None; whoever reads the list has them both.",
)
def not_itself(target: Target) -> None:
    with target.session() as wire:
        for feature in features(wire):
            if feature.upper().split()[:1] in (["FEAT"], ["OPTS"]):
                raise Failed(f"{feature} is listed")


@case(
    "feat-empty",
    "RFC 2389 s.3.2",
    Level.MUST,
    "A list without features is one line.",
    "Clients wait for features that do not come.",
)
def empty(target: Target) -> None:
    with target.session() as wire:
        if features(wire):
            raise Skipped("there are features")
        if len(wire.command("FEAT").lines) > 1:
            raise Failed("an empty list has several lines")


@case(
    "feat-once",
    "RFC 2389 s.3.2",
    Level.SHOULD,
    "No feature is listed twice.",
    "Clients that go by the last line miss what the first one said.",
)
def once(target: Target) -> None:
    with target.session() as wire:
        listed = [feature.upper() for feature in features(wire)]
        if twice := {feature for feature in listed if listed.count(feature) > 1}:
            raise Failed(f"{sorted(twice)} is listed twice")


@case(
    "feat-argument",
    "RFC 2389 s.3.2",
    Level.SHOULD,
    "FEAT with an argument is refused with 501, since it takes none.",
    "A slip goes unnoticed.",
)
def argument(target: Target) -> None:
    with target.session() as wire:
        features(wire)
        want(wire.command("FEAT x"), (501,), "FEAT x")


@case(
    "feat-case",
    "RFC 2389 s.3.1",
    Level.MUST,
    "feat in lower case is FEAT.",
    "Clients that write verbs in lower case do without all features.",
)
def lower_case(target: Target) -> None:
    with target.session() as wire:
        upper = features(wire)
        lower = [line.decode("utf-8", "replace").removeprefix(" ") for line in wire.command("feat").lines[1:-1]]
        if lower != upper:
            raise Failed(f"FEAT lists {upper!r}, and feat {lower!r}")


def _opts(wire: Wire, line: str) -> Reply:
    reply = wire.command(line)
    if reply.code in (500, 502) and wire.command("OPTS UTF8 ON").code in (500, 502):
        raise Skipped("OPTS is not known here")
    return reply


@case(
    "opts-with-feat",
    "RFC 2389 s.4",
    Level.MUST,
    "A server that knows FEAT knows OPTS.",
    "Clients that set an option after FEAT get an error that they do not understand.",
)
def opts_with_feat(target: Target) -> None:
    with target.session() as wire:
        features(wire)
        lines = ("OPTS NOOP", "OPTS UTF8 ON", "OPTS MLST type;", "OPTS HASH")
        replies = [wire.command(line) for line in lines]
        if all(reply.code in (500, 502) for reply in replies):
            raise Failed(f"OPTS NOOP is answered {replies[0].shown}, and no other OPTS is known either")


@case(
    "opts-unknown-refused",
    "RFC 2389 s.4",
    Level.MUST,
    "OPTS for a command that nobody knows is refused.",
    "Clients believe that an option holds.",
)
def opts_unknown_refused(target: Target) -> None:
    with target.session() as wire:
        want_class(_opts(wire, "OPTS XYZZ on"), "45", "OPTS XYZZ on")


@case(
    "opts-unknown-501",
    "RFC 2389 s.4",
    Level.SHOULD,
    "OPTS for a command that nobody knows is a 501.",
    "Clients cannot tell a refused option from a verb that is not there.",
)
def opts_unknown_501(target: Target) -> None:
    with target.session() as wire:
        want(_opts(wire, "OPTS XYZZ on"), (501,), "OPTS XYZZ on")


@case(
    "opts-no-options",
    "RFC 2389 s.4",
    Level.MUST,
    "OPTS for a command that has no options is refused.",
    "Clients believe that an option holds.",
)
def opts_no_options(target: Target) -> None:
    with target.session() as wire:
        want_class(_opts(wire, "OPTS NOOP loud"), "45", "OPTS NOOP loud")


@case(
    "opts-missing",
    "RFC 2389 s.4",
    Level.MUST,
    "OPTS without a command is refused.",
    "A slip goes unnoticed.",
)
def opts_missing(target: Target) -> None:
    with target.session() as wire:
        want_class(_opts(wire, "OPTS"), "45", "OPTS")


@case(
    "opts-utf8",
    "draft-ietf-ftpext-utf-8-option",
    Level.MAY,
    "OPTS UTF8 ON is taken with 200 (or 202).",
    "Clients that ask for UTF-8 so fall back to the letters of their own country.",
)
def opts_utf8(target: Target) -> None:
    with target.session() as wire:
        want(wire.command("OPTS UTF8 ON"), (200, 202), "OPTS UTF8 ON")
