"""What the cases about TLS have in common: ways to it, contexts of their own, and ends that are no ends."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace

from conformance.data import Opening, open_data
from conformance.registry import Failed, Skipped
from conformance.wire import Closed, Target, TlsMode, Wire

NAME = "conformance-tls"  #: of the file that cases over TLS make
SECRET = b"nobody may read this\n" * 8


def with_tls(target: Target) -> Target:
    """The target over TLS; Skipped when it offers none."""
    if target.tls is not TlsMode.NONE:
        return target
    with target.greeted() as wire:
        answer = wire.command("AUTH TLS")
    if answer.code != 234:
        raise Skipped(f"no TLS is offered: AUTH TLS is answered {answer.shown}")
    return replace(target, tls=TlsMode.EXPLICIT)


@contextlib.contextmanager
def before_auth(target: Target) -> Iterator[Wire]:
    """A greeted connection in clear to a server that offers AUTH TLS."""
    if target.tls is TlsMode.IMPLICIT:
        raise Skipped("on this port TLS comes first")
    with_tls(target)
    with replace(target, tls=TlsMode.NONE).greeted() as wire:
        yield wire


@contextlib.contextmanager
def after_auth(target: Target) -> Iterator[Wire]:
    """A connection in clear that was told 234 and has not shaken hands."""
    with before_auth(target) as wire:
        answer = wire.command("AUTH TLS")
        if answer.code != 234:
            raise Failed(f"AUTH TLS is answered {answer.shown}")
        yield wire


def context(
    lowest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
    highest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED,
    ciphers: str = "",
    protocols: tuple[str, ...] = (),
) -> ssl.SSLContext:
    """A client's context that takes any certificate. Skipped when this machine's library cannot offer the ciphers."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # old versions are offered to see them refused
        made.maximum_version = highest
        made.minimum_version = lowest
    if ciphers:
        try:
            made.set_ciphers(ciphers)
        except ssl.SSLError as error:
            raise Skipped(f"this machine cannot offer {ciphers}") from error
    if protocols:
        made.set_alpn_protocols(list(protocols))
    return made


@contextlib.contextmanager
def shaken(target: Target, own: ssl.SSLContext) -> Iterator[Wire]:
    """A connection over TLS with a context of the caller's, greeted and not logged in."""
    target = with_tls(target)
    if target.tls is TlsMode.EXPLICIT:
        with after_auth(target) as wire:
            wire.secure(target.host, own)
            yield wire
        return
    with replace(target, tls=TlsMode.NONE).raw() as wire:
        wire.secure(target.host, own)
        greeting = wire.reply()
        if greeting.code != 220:
            raise Failed(f"the greeting is {greeting.shown}")
        yield wire


@contextlib.contextmanager
def protected(target: Target, own: ssl.SSLContext | None = None) -> Iterator[Wire]:
    """A session with PROT P in TYPE I; Skipped where data cannot be protected."""
    target = with_tls(target)
    with shaken(target, own or context()) as wire:
        answer = target.login(wire)
        if answer.code != 230:
            raise Failed(f"the login is answered {answer.shown}")
        wire.command("PBSZ 0")
        wire.protected = wire.command("PROT P").code == 200
        if not wire.protected:
            raise Skipped("PROT P is refused")
        wire.command("TYPE I")
        yield wire


def refused_handshake(wire: Wire, host: str, own: ssl.SSLContext) -> bool:
    """Whether the server refuses to shake hands with `own`; Skipped when this machine's library cannot even ask."""
    try:
        wire.secure(host, own)
        # In TLS 1.3 a refusal comes behind the client's own end of the handshake.
        wire.command("NOOP")
    except Closed as error:
        if isinstance(error.__cause__, ssl.SSLError) and "NO_PROTOCOLS" in str(error.__cause__.reason):
            raise Skipped("this machine cannot offer it") from error
        return True
    return False


def hello_in_pieces(wire: Wire, host: str, cuts: tuple[int, ...]) -> None:
    """Shakes hands by hand, so that the ClientHello leaves in pieces cut at `cuts`; Failed when that does not work."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context().wrap_bio(incoming, outgoing, server_hostname=host)
    wire.socket.settimeout(wire.seconds())
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = outgoing.read()
    for start, end in zip((0, *cuts), (*cuts, len(hello)), strict=True):
        wire.send(hello[start:end])
        time.sleep(0.05)
    for _ in range(20):
        try:
            got = wire.socket.recv(65536)
        except OSError as error:
            raise Failed(f"the handshake ends: {error}") from error
        if not got:
            raise Failed("the server closes in the handshake")
        incoming.write(got)
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLError as error:
            raise Failed(f"the handshake fails: {error.reason}") from error
        finally:
            wire.send(outgoing.read())
        return
    raise Failed("the handshake does not end")


@contextlib.contextmanager
def gone(wire: Wire, name: str = NAME) -> Iterator[None]:
    """Removes `name` behind the block, whatever became of it."""
    try:
        yield
    finally:
        with contextlib.suppress(Failed):
            wire.command(f"DELE {name}")


@contextlib.contextmanager
def opened(wire: Wire, line: str) -> Iterator[Opening]:
    """A data connection after the 1xx to `line`, without its handshake."""
    opening = open_data(wire)
    try:
        first = wire.command(line)
        if first.code >= 200:
            raise Skipped(f"{line.split()[0]} is answered {first.shown}")
        yield opening
    finally:
        opening.close()


def want_in_step(target: Target, wire: Wire, after: str) -> None:
    """Failed unless a login can begin: before one, servers need not know more than USER."""
    reply = wire.command(f"USER {target.user}")
    if reply.code not in (230, 331, 332):
        raise Failed(f"after {after}, USER is answered {reply.shown}")


def tls_socket(wire: Wire) -> ssl.SSLSocket:
    """The socket of a wire that is over TLS."""
    assert isinstance(wire.socket, ssl.SSLSocket)
    return wire.socket


def cut(connection: socket.socket) -> None:
    """FIN without close_notify, and the socket kept: a close with bytes unread would be a reset instead."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
