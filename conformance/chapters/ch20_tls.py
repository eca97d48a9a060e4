"""Chapter 20: getting to TLS (RFC 4217, RFC 2228 s.3 for AUTH), and what a server must not be talked into there."""

from __future__ import annotations

import re
import ssl
from dataclasses import replace
from typing import Any, cast

from conformance.chapters.checks import want, want_alive, want_class
from conformance.chapters.secured import (
    after_auth,
    before_auth,
    context,
    hello_in_pieces,
    refused_handshake,
    shaken,
    tls_socket,
    want_in_step,
    with_tls,
)
from conformance.registry import Failed, Level, Skipped, case
from conformance.wire import Closed, Target, TlsMode

_OBEYED = re.compile(rb"[23]\d\d[ -]")


@case(
    "tls-auth",
    "RFC 4217 s.4.2",
    Level.MUST,
    "AUTH TLS before login is answered 234, a handshake works, and commands are answered inside.",
    "Nobody can log in without sending the password in clear.",
)
def auth(target: Target) -> str:
    with after_auth(target) as wire:
        wire.secure(target.host)
        want_in_step(target, wire, "AUTH TLS and a handshake")
        return str(tls_socket(wire).version())


@case(
    "tls-feat",
    "RFC 4217 s.6",
    Level.MUST,
    "FEAT lists AUTH, PBSZ and PROT.",
    "Clients that ask before they encrypt go on in clear.",
)
def feat(target: Target) -> None:
    _want_listed(target, rb"AUTH\b.*", rb"PBSZ", rb"PROT\b.*")


@case(
    "tls-feat-mechanism",
    "RFC 4217 s.6",
    Level.SHOULD,
    "FEAT says that AUTH takes TLS.",
    "Clients that ask before they encrypt go on in clear.",
)
def feat_mechanism(target: Target) -> None:
    _want_listed(target, rb"AUTH (.*;)?\s*TLS\b.*")


def _want_listed(target: Target, *wanted: bytes) -> None:
    """Failed unless FEAT has a line for each pattern."""
    with before_auth(target) as wire:
        reply = wire.command("FEAT")
        if reply.code != 211:
            raise Skipped(f"before login FEAT is answered {reply.shown}")
        listed = [line.strip().upper() for line in reply.lines[1:-1]]
    missing = [line for line in wanted if not any(re.fullmatch(line, each) for each in listed)]
    if missing:
        raise Failed(f"no line of FEAT is {', nor '.join(line.decode() for line in missing)}")


@case(
    "tls-auth-any-case",
    "RFC 2228 s.3 AUTH",
    Level.MUST,
    "The name of the mechanism is taken in any case.",
    "A client that writes `auth tls` stays in clear or fails.",
)
def auth_any_case(target: Target) -> None:
    with before_auth(target) as wire:
        want(wire.command("auth tls"), (234,), "auth tls")
        wire.secure(target.host)
        want_in_step(target, wire, "auth tls")


@case(
    "tls-auth-unknown",
    "RFC 2228 s.3 AUTH",
    Level.MUST,
    "AUTH with a mechanism that nobody knows is refused, and the session goes on.",
    "A client believes that it is protected when it is not.",
)
def auth_unknown(target: Target) -> None:
    with before_auth(target) as wire:
        want_class(wire.command("AUTH XYZZY"), "45", "AUTH XYZZY")
        want(wire.command("AUTH TLS"), (234,), "AUTH TLS after AUTH XYZZY")


@case(
    "tls-auth-unknown-504",
    "RFC 2228 s.3 AUTH",
    Level.SHOULD,
    "The refusal of a mechanism that is not known is 504.",
    "A client cannot tell that another mechanism might be taken.",
)
def auth_unknown_504(target: Target) -> None:
    with before_auth(target) as wire:
        want(wire.command("AUTH XYZZY"), (504,), "AUTH XYZZY")


@case(
    "tls-auth-nothing",
    "RFC 2228 s.3 AUTH",
    Level.MUST,
    "AUTH without a mechanism is refused.",
    "Client and server no longer agree on what comes next, text or TLS.",
)
def auth_nothing(target: Target) -> None:
    with before_auth(target) as wire:
        want_class(wire.command("AUTH"), "5", "AUTH without a mechanism")
        want(wire.command("AUTH TLS"), (234,), "AUTH TLS after AUTH alone")


@case(
    "tls-auth-tls-c",
    "RFC 4217 s.17",
    Level.SHOULD,
    "AUTH TLS-C, an older name of AUTH TLS, is taken.",
    "Some old clients find no TLS.",
)
def auth_tls_c(target: Target) -> None:
    with before_auth(target) as wire:
        want(wire.command("AUTH TLS-C"), (234,), "AUTH TLS-C")


@case(
    "tls-auth-ssl",
    "MS-FTPS",
    Level.MAY,
    "AUTH SSL, a still older name, is taken.",
    "Very old clients find no TLS.",
)
def auth_ssl(target: Target) -> None:
    with before_auth(target) as wire:
        want(wire.command("AUTH SSL"), (234, 334), "AUTH SSL")


@case(
    "tls-auth-again",
    "RFC 2228 s.3 AUTH",
    Level.MAY,
    "AUTH TLS inside TLS is refused and the session goes on.",
    "The session breaks, or a second handshake runs inside the first.",
)
def auth_again(target: Target) -> None:
    with shaken(target, context()) as wire:
        reply = wire.command("AUTH TLS")
        want_class(reply, "45", "AUTH TLS inside TLS")
        want_in_step(target, wire, "AUTH TLS inside TLS")


@case(
    "tls-auth-ends-login",
    "RFC 2228 s.3 AUTH",
    Level.MUST,
    "AUTH after a login in clear takes the login away.",
    "What somebody in the middle began in clear goes on under the protection of TLS.",
)
def auth_ends_login(target: Target) -> None:
    with before_auth(target) as wire:
        if target.login(wire).code != 230:
            raise Skipped("a login in clear is refused")
        reply = wire.command("AUTH TLS")
        if reply.code != 234:
            return
        wire.secure(target.host)
        want_class(wire.command("PWD"), "5", "PWD after login, AUTH TLS and a handshake")


@case(
    "tls-injection",
    "RFC 2228 s.3 CCC",
    Level.MUST,
    "A command sent in clear together with AUTH TLS is not obeyed inside TLS.",
    "Somebody in the middle puts commands into a protected session.",
)
def injection(target: Target) -> str | None:
    with before_auth(target) as wire:
        wire.send(b"AUTH TLS\r\nSYST\r\n")
        try:
            if wire.reply().code != 234:
                return "AUTH is refused then"
            if (early := wire.silent(0.2)) and _OBEYED.match(early):
                raise Failed(f"behind 234 came, in clear, {early[:80]!r}")
            wire.secure(target.host)
            reply = wire.command("NOOP")
        except Closed:
            return "the session ends"
        if reply.code == 215:
            raise Failed("SYST, sent in clear behind AUTH TLS, was answered inside TLS")
        want(reply, (200, 530), "NOOP after the handshake")
        return None


@case(
    "tls-injection-login",
    "RFC 2228 s.3 CCC",
    Level.MUST,
    "USER sent in clear together with AUTH TLS does not begin a login inside TLS.",
    "Somebody in the middle logs the victim's client in as somebody else and gets its uploads.",
)
def injection_login(target: Target) -> str | None:
    with before_auth(target) as wire:
        wire.send(f"AUTH TLS\r\nUSER {target.user}\r\n".encode())
        try:
            if wire.reply().code != 234:
                return "AUTH is refused then"
            wire.secure(target.host)
            reply = wire.command(f"PASS {target.password}")
        except Closed:
            return "the session ends"
        if reply.code in (230, 202, 331):
            raise Failed(f"PASS alone is answered {reply.shown}: the USER in clear counted")
        return None


@case(
    "tls-no-fall-back",
    "RFC 2228 s.3 CCC",
    Level.MUST,
    "After 234 a command in clear is not obeyed.",
    "A client that was talked out of the handshake sends its password in clear.",
)
def no_fall_back(target: Target) -> None:
    with after_auth(target) as wire:
        wire.send(f"USER {target.user}\r\n".encode())
        try:
            said = wire.silent(1.0)
        except Closed:
            return
        if _OBEYED.match(said):
            raise Failed(f"USER in clear after 234 is answered {said[:80]!r}")


@case(
    "tls-hello-in-pieces",
    "RFC 8446 s.5.1",
    Level.MUST,
    "A ClientHello that arrives in three pieces is understood.",
    "Over slow lines and some tunnels no handshake works.",
)
def in_pieces(target: Target) -> None:
    with after_auth(target) as wire:
        hello_in_pieces(wire, target.host, (3, 40))


@case(
    "tls-stalled-handshake",
    "RFC 959 s.5.2",
    Level.SHOULD,
    "While a client does not go on with its handshake, others are served.",
    "One silent client stops the service.",
)
def stalled(target: Target) -> None:
    with after_auth(target) as silent:
        silent.send(b"\x16\x03\x01")
        with replace(target, tls=TlsMode.EXPLICIT).session() as wire:
            want_alive(wire, "a handshake of somebody else that stalls")


@case(
    "tls-1-2", "RFC 8446 s.4.2.1", Level.SHOULD, "TLS 1.2 is offered.", "Clients of the years to 2018 cannot connect."
)
def tls_1_2(target: Target) -> str:
    with shaken(target, context(highest=ssl.TLSVersion.TLSv1_2)) as wire:
        want_in_step(target, wire, "TLS 1.2")
        return str(tls_socket(wire).cipher())


@case(
    "tls-1-3",
    "RFC 9325 s.3.1.1",
    Level.SHOULD,
    "TLS 1.3 is offered.",
    "Clients that take nothing older cannot connect.",
)
def tls_1_3(target: Target) -> str:
    with shaken(target, context(ssl.TLSVersion.TLSv1_3)) as wire:
        want_in_step(target, wire, "TLS 1.3")
        return str(tls_socket(wire).cipher())


@case(
    "tls-1-1-refused",
    "RFC 8996 s.5",
    Level.MUST,
    "TLS 1.0 and 1.1 are refused.",
    "Old faults of TLS can be used against the users.",
)
def tls_1_1(target: Target) -> None:
    with after_auth(target) as wire:
        own = context(ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0")
        if not refused_handshake(wire, target.host, own):
            raise Failed(f"{tls_socket(wire).version()} is accepted")


@case(
    "tls-null-refused",
    "RFC 9325 s.4.1",
    Level.MUST,
    "Ciphers without encryption or without a certificate are refused.",
    "A connection that says TLS is in clear, or goes to anybody.",
)
def null_refused(target: Target) -> None:
    with after_auth(target) as wire:
        own = context(highest=ssl.TLSVersion.TLSv1_2, ciphers="eNULL:aNULL:@SECLEVEL=0")
        if not refused_handshake(wire, target.host, own):
            raise Failed(f"{tls_socket(wire).cipher()} is accepted")


@case(
    "tls-no-compression",
    "RFC 9325 s.3.3",
    Level.SHOULD,
    "TLS does not compress.",
    "Secrets can be guessed from the length of what is sent.",
)
def no_compression(target: Target) -> None:
    with shaken(target, context(highest=ssl.TLSVersion.TLSv1_2)) as wire:
        if (way := tls_socket(wire).compression()) is not None:
            raise Failed(f"TLS compresses by {way}")


@case(
    "tls-alpn-ftp",
    "RFC 7301 s.3.2",
    Level.MUST,
    "A client that offers the protocol `ftp` in its handshake is served.",
    "Clients that guard against cross-protocol attacks cannot connect.",
)
def alpn_ftp(target: Target) -> str | None:
    with shaken(target, context(protocols=("ftp",))) as wire:
        want_in_step(target, wire, "a handshake that offers ftp")
        return None if tls_socket(wire).selected_alpn_protocol() else "the offer is passed over"


@case(
    "tls-alpn-http",
    "RFC 7301 s.3.2",
    Level.MAY,
    "A client that offers HTTP alone in its handshake is refused.",
    "A page in a browser can be made to talk to the FTP server (ALPACA).",
)
def alpn_http(target: Target) -> None:
    with after_auth(target) as wire:
        if not refused_handshake(wire, target.host, context(protocols=("h2", "http/1.1"))):
            raise Failed("a handshake that offers h2 and http/1.1 is accepted")


@case(
    "tls-quit-close-notify",
    "RFC 8446 s.6.1",
    Level.MUST,
    "After QUIT the control connection ends with close_notify.",
    "A client cannot tell the end of the session from a connection that was cut.",
)
def quit_close_notify(target: Target) -> None:
    with shaken(target, context()) as wire:
        cast(Any, wire.socket).suppress_ragged_eofs = False  # an attribute that the types leave out
        want(wire.command("QUIT"), (221,), "QUIT")
        wire.socket.settimeout(wire.seconds())
        try:
            while wire.socket.recv(4096):
                pass
        except ssl.SSLEOFError as error:
            raise Failed("the connection ended without close_notify") from error


@case(
    "tls-login-in-clear",
    "RFC 4217 s.4.2",
    Level.MAY,
    "A login in clear is refused where TLS is offered.",
    "Passwords can be read by everybody on the way.",
)
def login_in_clear(target: Target) -> None:
    with before_auth(target) as wire:
        reply = wire.command(f"USER {target.user}")
        if reply.code == 331:
            reply = wire.command(f"PASS {target.password}")
        if reply.code == 230:
            raise Failed("a login in clear is taken")


@case(
    "tls-login-in-clear-told",
    "RFC 4217 s.10.1",
    Level.MAY,
    "Where a login in clear is refused, it is before the password was asked for.",
    "The password has been read by everybody before the client hears that TLS is needed.",
)
def login_in_clear_told(target: Target) -> None:
    with before_auth(target) as wire:
        reply = wire.command(f"USER {target.user}")
        if reply.code == 331 and wire.command(f"PASS {target.password}").code != 230:
            raise Failed("USER is answered 331, and PASS is refused")


@case(
    "tls-implicit-first",
    "MS-FTPS",
    Level.MUST,
    "On a port of implicit TLS nothing is said before the handshake, and the greeting comes inside.",
    "Clients read the greeting as TLS and give up.",
)
def implicit_first(target: Target) -> None:
    if target.tls is not TlsMode.IMPLICIT:
        raise Skipped("it needs a port of implicit TLS")
    with replace(target, tls=TlsMode.NONE).raw() as wire:
        if said := wire.silent(0.3):
            raise Failed(f"in clear it said {said[:80]!r}")
        wire.secure(target.host)
        want(wire.reply(), (220,), "connecting")


@case(
    "tls-implicit-no-clear",
    "MS-FTPS",
    Level.MUST,
    "On a port of implicit TLS a command in clear is not obeyed.",
    "A password sent to the wrong port in clear is taken, and everybody reads it.",
)
def implicit_no_clear(target: Target) -> None:
    if target.tls is not TlsMode.IMPLICIT:
        raise Skipped("it needs a port of implicit TLS")
    with replace(target, tls=TlsMode.NONE).raw() as wire:
        try:
            wire.send(f"USER {target.user}\r\n".encode())
            said = wire.silent(1.0)
        except Closed:
            return
        if _OBEYED.match(said):
            raise Failed(f"USER in clear is answered {said[:80]!r}")


@case(
    "tls-one-certificate",
    "RFC 4217 s.15.1.1",
    Level.MAY,
    "Every connection is shown the same certificate.",
    "Clients that remember the server's certificate raise the alarm for nothing.",
)
def one_certificate(target: Target) -> None:
    shown = set()
    for _ in range(2):
        with shaken(with_tls(target), context()) as wire:
            shown.add(tls_socket(wire).getpeercert(binary_form=True))
    if len(shown) != 1:
        raise Failed("two connections were shown two certificates")
