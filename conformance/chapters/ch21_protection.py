"""Chapter 21: what is said about protection on the control connection: PBSZ, PROT, CCC, REIN (RFC 2228, RFC 4217)."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from conformance.chapters.checks import want, want_alive, want_class
from conformance.chapters.secured import before_auth, context, protected, shaken, tls_socket, want_in_step
from conformance.place import place
from conformance.registry import Failed, Level, Skipped, case
from conformance.wire import Closed, Target, TlsMode, Wire


@contextmanager
def _logged_in(target: Target) -> Iterator[Wire]:
    """A session over TLS in which nothing was said of protection yet."""
    with shaken(target, context()) as wire:
        answer = target.login(wire)
        if answer.code != 230:
            raise Failed(f"the login is answered {answer.shown}")
        yield wire


@case(
    "pbsz-0",
    "RFC 4217 s.9",
    Level.MUST,
    "PBSZ 0 inside TLS is answered 200.",
    "Clients cannot ask for protected data.",
)
def pbsz(target: Target) -> None:
    with _logged_in(target) as wire:
        want(wire.command("PBSZ 0"), (200,), "PBSZ 0")


@case(
    "pbsz-in-clear",
    "RFC 2228 s.3 PBSZ",
    Level.SHOULD,
    "PBSZ without TLS is answered 503.",
    "A client that lost its TLS does not notice.",
)
def pbsz_in_clear(target: Target) -> None:
    with before_auth(target) as wire:
        want(wire.command("PBSZ 0"), (503,), "PBSZ in clear")


@case(
    "pbsz-unreadable",
    "RFC 2228 s.3 PBSZ",
    Level.SHOULD,
    "PBSZ with an argument that is no number is answered 501.",
    "A mistake of the client goes unseen.",
)
def pbsz_unreadable(target: Target) -> None:
    with _logged_in(target) as wire:
        want(wire.command("PBSZ many"), (501,), "PBSZ many")


@case(
    "pbsz-too-large",
    "RFC 2228 s.3 PBSZ",
    Level.SHOULD,
    "PBSZ with a number beyond 32 bits is answered 501.",
    "A mistake of the client goes unseen.",
)
def pbsz_too_large(target: Target) -> None:
    with _logged_in(target) as wire:
        want(wire.command("PBSZ 4294967296"), (501,), "PBSZ 4294967296")


@case(
    "pbsz-other-size",
    "RFC 2228 s.3 PBSZ",
    Level.SHOULD,
    "PBSZ with a size that TLS does not use is answered 200 with PBSZ=0 in the text, or 501.",
    "The client believes that data come in blocks of that size.",
)
def pbsz_other_size(target: Target) -> None:
    with _logged_in(target) as wire:
        reply = wire.command("PBSZ 16384")
        want(reply, (200, 501), "PBSZ 16384")
        if reply.code == 200 and b"PBSZ=0" not in reply.lines[0].replace(b" ", b""):
            raise Failed(f"PBSZ 16384 is answered {reply.shown}, which does not say PBSZ=0")


@case(
    "prot-p",
    "RFC 4217 s.9",
    Level.MUST,
    "PROT P after PBSZ 0 is answered 200.",
    "Files travel in clear although the password does not.",
)
def prot_p(target: Target) -> None:
    with _logged_in(target) as wire:
        wire.command("PBSZ 0")
        want(wire.command("PROT P"), (200,), "PROT P")


@case(
    "prot-in-clear",
    "RFC 2228 s.3 PROT",
    Level.MUST,
    "PROT P without TLS is refused.",
    "A client believes that its files are protected when they are not.",
)
def prot_in_clear(target: Target) -> None:
    with before_auth(target) as wire:
        want_class(wire.command("PROT P"), "45", "PROT P in clear")


@case(
    "prot-in-clear-503",
    "RFC 2228 s.3 PROT",
    Level.SHOULD,
    "The refusal of PROT without TLS is 503.",
    "A client cannot tell that AUTH has to come first.",
)
def prot_in_clear_503(target: Target) -> None:
    with before_auth(target) as wire:
        want(wire.command("PROT P"), (503,), "PROT P in clear")


@case(
    "prot-without-pbsz",
    "RFC 2228 s.3 PROT",
    Level.SHOULD,
    "PROT without PBSZ before it is answered 503.",
    "Clients that leave PBSZ out work here and nowhere else.",
)
def prot_without_pbsz(target: Target) -> None:
    if target.tls is TlsMode.IMPLICIT:
        raise Skipped("implicit TLS may take PBSZ and PROT as said")
    with _logged_in(target) as wire:
        want(wire.command("PROT P"), (503,), "PROT P without PBSZ")


@case(
    "prot-c",
    "RFC 4217 s.9",
    Level.MUST,
    "PROT C is answered 200, or 534 where data must be protected.",
    "A client cannot tell why its choice is not taken.",
)
def prot_c(target: Target) -> str:
    with _logged_in(target) as wire:
        wire.command("PBSZ 0")
        reply = wire.command("PROT C")
        want(reply, (200, 534), "PROT C")
        return "data in clear are allowed" if reply.code == 200 else "data in clear are refused"


@case(
    "prot-s-e",
    "RFC 4217 s.9",
    Level.MUST,
    "PROT S and PROT E, which TLS has not, are refused.",
    "A client believes in a protection that does not exist.",
)
def prot_s_e(target: Target) -> None:
    with _logged_in(target) as wire:
        wire.command("PBSZ 0")
        for level in "SE":
            want_class(wire.command(f"PROT {level}"), "5", f"PROT {level}")


@case(
    "prot-s-e-536",
    "RFC 2228 s.3 PROT",
    Level.SHOULD,
    "The refusal of PROT S and PROT E is 536.",
    "A client takes the level for one that nobody knows.",
)
def prot_s_e_536(target: Target) -> None:
    with _logged_in(target) as wire:
        wire.command("PBSZ 0")
        for level in "SE":
            want(wire.command(f"PROT {level}"), (536,), f"PROT {level}")


@case(
    "prot-unknown",
    "RFC 2228 s.3 PROT",
    Level.MUST,
    "PROT with a level that does not exist is refused, and the one before stays.",
    "A typing mistake changes how files travel.",
)
def prot_unknown(target: Target) -> None:
    with protected(target) as wire:
        want_class(wire.command("PROT Q"), "5", "PROT Q")
        want_alive(wire, "PROT Q")


@case(
    "prot-unknown-504",
    "RFC 2228 s.3 PROT",
    Level.SHOULD,
    "The refusal of a level that does not exist is 504.",
    "A client cannot tell a wrong level from a wrong command.",
)
def prot_unknown_504(target: Target) -> None:
    with protected(target) as wire:
        want(wire.command("PROT Q"), (504,), "PROT Q")


@case(
    "prot-nothing",
    "RFC 2228 s.3 PROT",
    Level.MUST,
    "PROT without a level is refused.",
    "Client and server differ on how files travel.",
)
def prot_nothing(target: Target) -> None:
    with protected(target) as wire:
        want_class(wire.command("PROT"), "5", "PROT without a level")


@case(
    "ccc-in-clear",
    "RFC 2228 s.3 CCC",
    Level.MUST,
    "CCC on a connection that is in clear is refused.",
    "Client and server differ on whether they are protected.",
)
def ccc_in_clear(target: Target) -> None:
    with before_auth(target) as wire:
        want_class(wire.command("CCC"), "5", "CCC in clear")


@case(
    "ccc",
    "RFC 2228 s.3 CCC",
    Level.MUST,
    "CCC is answered 200 and the connection goes on in clear, or it is refused and goes on in TLS.",
    "The session breaks where a firewall has to read along.",
)
def ccc(target: Target) -> str:
    with _logged_in(target) as wire:
        reply = wire.command("CCC")
        if reply.code != 200:
            want_class(reply, "5", "CCC")
            want_alive(wire, "CCC refused")
            return "refused"
        _back_in_clear(wire)
        want_alive(wire, "CCC, in clear")
        return "granted"


@case(
    "ccc-refusal",
    "RFC 4217 s.5",
    Level.SHOULD,
    "A refusal of CCC is 533 or 534, or 500 or 502 where it is not known.",
    "A client cannot tell a ban from a mistake of its own.",
)
def ccc_refusal(target: Target) -> None:
    with _logged_in(target) as wire:
        want(wire.command("CCC"), (200, 533, 534, 500, 502), "CCC")


@case(
    "adat-refused",
    "RFC 2228 s.3 ADAT",
    Level.MUST,
    "ADAT, which TLS does not use, is refused.",
    "Client and server differ on whether the security exchange is over.",
)
def adat(target: Target) -> None:
    with shaken(target, context()) as wire:
        want_class(wire.command("ADAT AAAA"), "5", "ADAT")
        want_in_step(target, wire, "ADAT")


@case(
    "wrapped-commands-refused",
    "RFC 2228 s.3 MIC, CONF, ENC",
    Level.MUST,
    "MIC, CONF and ENC, which TLS does not use, are refused.",
    "A wrapped command is taken for one that was protected.",
)
def wrapped(target: Target) -> None:
    with shaken(target, context()) as wire:
        for verb in ("MIC", "CONF", "ENC"):
            want_class(wire.command(f"{verb} Tk9PUA=="), "5", verb)
        want_in_step(target, wire, "MIC, CONF and ENC")


@case(
    "auth-begins-afresh",
    "RFC 4217 s.4.2",
    Level.MUST,
    "AUTH after a login in clear takes back the working directory, too.",
    "What somebody in the middle sent in clear decides where protected uploads go.",
)
def auth_begins_afresh(target: Target) -> None:
    with place(target) as here, before_auth(target) as wire:
        if target.login(wire).code != 230:
            raise Skipped("a login in clear is refused")
        home = wire.command("PWD").shown
        want(wire.command(f"CWD {here.path}"), (200, 250), "CWD")
        if (reply := wire.command("AUTH TLS")).code != 234:
            raise Skipped(f"after a login AUTH is answered {reply.shown}")
        wire.secure(target.host)
        want(target.login(wire), (230,), "the login after AUTH TLS")
        if (now := wire.command("PWD").shown) != home:
            raise Failed(f"PWD is answered {now}, and after the login in clear it was {home}")


@case(
    "rein-answered-inside",
    "RFC 4217 s.13",
    Level.MUST,
    "The reply to REIN comes inside TLS, and the login is gone.",
    "The next user of the session has the rights of the one before.",
)
def rein_inside(target: Target) -> str | None:
    with _logged_in(target) as wire:
        reply = wire.command("REIN")
        if reply.code not in (120, 220):
            want_class(reply, "5", "REIN")
            want(wire.command("PWD"), (257,), "PWD after REIN was refused")
            return f"REIN is refused: {reply.shown}"
    return None


@case(
    "rein-ends-tls",
    "RFC 4217 s.13",
    Level.MUST,
    "After REIN is answered TLS ends, and the connection goes on in clear.",
    "Client and server differ on whether they are protected.",
)
def rein_ends_tls(target: Target) -> None:
    if target.tls is TlsMode.IMPLICIT:
        raise Skipped("on this port nothing is in clear")
    with _logged_in(target) as wire:
        reply = wire.command("REIN")
        if reply.code not in (120, 220):
            raise Skipped(f"REIN is refused: {reply.shown}")
        _back_in_clear(wire)
        want(wire.command("AUTH TLS"), (234,), "AUTH TLS in clear after REIN")


@case(
    "stat-inside",
    "RFC 959 s.4.1.3 STAT",
    Level.SHOULD,
    "STAT inside TLS tells that the control connection is protected.",
    "Users cannot see whether they are protected.",
)
def stat_inside(target: Target) -> None:
    with _logged_in(target) as wire:
        reply = wire.command("STAT")
        if reply.code in (500, 502):
            raise Skipped("STAT is not known here")
        told = b" ".join(reply.lines).upper()
        if not any(word in told for word in (b"TLS", b"SSL", b"ENCRYPT", b"PROTECT")):
            raise Failed(f"STAT says nothing of it: {reply.shown}")


@case(
    "abor-inside",
    "RFC 4217 s.14",
    Level.SHOULD,
    "ABOR inside TLS is obeyed without Telnet signals, which TLS cannot carry.",
    "A transfer that was begun by mistake cannot be stopped.",
)
def abor_inside(target: Target) -> None:
    with protected(target) as wire:
        reply = wire.command("ABOR")
        want(reply, (225, 226, 500, 502), "ABOR")
        want_alive(wire, "ABOR")


def _back_in_clear(wire: Wire) -> None:
    """Ends TLS on the control connection and goes on without it; Failed when the server does not take part."""
    wire.socket.settimeout(wire.seconds(3.0))
    try:
        wire.socket = tls_socket(wire).unwrap()
    except (ssl.SSLError, OSError) as error:
        raise Closed(f"TLS does not end in order: {error}") from error
    wire.context, wire.protected = None, False
