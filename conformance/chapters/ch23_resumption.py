"""Chapter 23: sessions of TLS that data connections resume, and PROT C and P in turn (RFC 4217 s.9, s.10.2)."""

from __future__ import annotations

import contextlib
import ssl
import time

from conformance.chapters.checks import want, want_alive
from conformance.chapters.secured import NAME, SECRET, context, gone, opened, protected, shaken, tls_socket
from conformance.data import Data, download, open_data, transfer, upload
from conformance.place import want_done
from conformance.registry import Failed, Level, Skipped, case
from conformance.wire import Closed, Target, TlsMode, Wire


def _resumed(target: Target, own: ssl.SSLContext) -> bool:
    """Whether a data connection resumes the control connection's session; Failed when it does not work at all."""
    with protected(target, own) as wire, gone(wire):
        want_done(upload(wire, f"STOR {NAME}", b"x"), "STOR over TLS")
        with opened(wire, f"RETR {NAME}") as opening:
            data: Data = opening.data()
            assert isinstance(data.socket, ssl.SSLSocket)
            reused = bool(data.socket.session_reused)
            data.receive_all()
            data.end()
            want(wire.reply(), (226, 250), "RETR over a resumed session")
        return reused


@case(
    "data-tls-resumed-1-2",
    "RFC 4217 s.10.2",
    Level.MAY,
    "With TLS 1.2 a data connection can resume the control connection's session.",
    "Each file costs a whole handshake, and clients cannot know that both connections go to one server.",
)
def resumed_1_2(target: Target) -> None:
    if not _resumed(target, context(highest=ssl.TLSVersion.TLSv1_2)):
        raise Failed("the server does not resume the session")


@case(
    "data-tls-resumed-1-3",
    "RFC 4217 s.10.2",
    Level.MAY,
    "With TLS 1.3 a data connection can resume the control connection's session.",
    "Each file costs a whole handshake, and clients cannot know that both connections go to one server.",
)
def resumed_1_3(target: Target) -> None:
    if not _resumed(target, context(ssl.TLSVersion.TLSv1_3)):
        raise Failed("the server does not resume the session")


@case(
    "data-tls-fresh-session",
    "RFC 4217 s.10.2",
    Level.MAY,
    "A data connection with a TLS session of its own is taken.",
    "Clients whose library cannot resume sessions get no files.",
)
def fresh_session(target: Target) -> None:
    with protected(target) as wire, gone(wire):
        want_done(upload(wire, f"STOR {NAME}", SECRET), "STOR over TLS")
        with opened(wire, f"RETR {NAME}") as opening:
            opening.socket.settimeout(wire.seconds())
            content = b""
            with contextlib.suppress(OSError), context().wrap_socket(opening.socket) as fresh:
                while piece := fresh.recv(65536):
                    content += piece
        reply = wire.reply()
        if content != SECRET:
            raise Failed(f"without resumption: {reply.shown}")


@case(
    "data-tls-same-certificate",
    "RFC 4217 s.15.1.1",
    Level.SHOULD,
    "The data connection shows the certificate of the control connection.",
    "Clients cannot tell the server's data connection from somebody else's.",
)
def same_certificate(target: Target) -> None:
    # Python's client keeps the certificate of a resumed session, so the session must be a fresh one.
    with protected(target) as wire, opened(wire, "NLST") as opening:
        own = tls_socket(wire).getpeercert(binary_form=True)
        opening.socket.settimeout(wire.seconds())
        try:
            with context().wrap_socket(opening.socket, server_hostname=target.host) as fresh:
                shown = fresh.getpeercert(binary_form=True)
        except OSError as error:
            raise Skipped(f"without resumption there is no handshake: {error}") from error
        if shown != own:
            raise Failed("the data connection shows another certificate")


@case(
    "data-prot-c",
    "RFC 4217 s.9",
    Level.MUST,
    "After PROT C is answered 200, data travel in clear.",
    "The client reads TLS where it expects a file.",
)
def prot_c(target: Target) -> None:
    with protected(target) as wire, gone(wire):
        _store_in_clear(wire)
        if download(wire, f"RETR {NAME}").content != SECRET:
            raise Failed("another content came back")


@case(
    "data-prot-back",
    "RFC 2228 s.3 PROT",
    Level.MUST,
    "PROT P after PROT C protects the next transfer again.",
    "Files travel in clear although protection was asked for.",
)
def prot_back(target: Target) -> None:
    with protected(target) as wire, gone(wire):
        _store_in_clear(wire)
        want(wire.command("PROT P"), (200,), "PROT P after PROT C")
        wire.protected = True
        if download(wire, f"RETR {NAME}").content != SECRET:
            raise Failed("another content came back")


def _store_in_clear(wire: Wire) -> None:
    """PROT C and an upload; Skipped where either is refused, as it may be at any step."""
    reply = wire.command("PROT C")
    if reply.code == 200:
        wire.protected = False
        try:
            outcome = upload(wire, f"STOR {NAME}", SECRET)
        except Failed as refused:
            raise Skipped(f"data in clear are refused: {refused}") from refused
        if not outcome.refused:
            want_done(outcome, "STOR under PROT C")
            return
        reply = outcome.last
    raise Skipped(f"data in clear are refused: {reply.shown}")


@case(
    "data-prot-default",
    "RFC 2228 s.3 PROT",
    Level.MUST,
    "Without PROT data travel in clear, or the transfer is refused.",
    "The client reads TLS where it expects a file, and hangs.",
)
def prot_default(target: Target) -> str:
    if target.tls is TlsMode.IMPLICIT:
        raise Skipped("implicit TLS may take PBSZ and PROT as said")
    with shaken(target, context()) as wire:
        want(target.login(wire), (230,), "the login")
        try:
            opening = open_data(wire)
        except Failed:
            return "refused"
        try:
            first = wire.command("NLST")
            if first.code >= 400:
                return f"refused: {first.shown}"
            data = opening.data()
            got = data.receive_all()
        finally:
            opening.close()
        last = wire.reply()
        if got[:1] == b"\x15":
            raise Failed("in clear came a TLS alert")
        return f"in clear: {last.shown}"


@case(
    "data-tls-abor",
    "RFC 4217 s.14",
    Level.SHOULD,
    "ABOR over TLS ends a running download, and the session goes on.",
    "A transfer that was begun by mistake cannot be stopped.",
)
def abor(target: Target) -> None:
    with protected(target) as wire, gone(wire):
        want_done(upload(wire, f"STOR {NAME}", bytes(8_000_000)), "STOR over TLS")
        with transfer(wire, f"RETR {NAME}") as moving:
            moving.data.receive(1)
            wire.send(b"ABOR\r\n")
            time.sleep(0.1)
            with contextlib.suppress(Failed, Closed):
                moving.data.receive_all()
        want(wire.reply(), (426, 226, 250, 225), "ABOR of a transfer")
        want(wire.reply(), (226, 225), "ABOR itself")
        want_alive(wire, "ABOR")
