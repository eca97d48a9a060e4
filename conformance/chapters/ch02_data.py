"""Chapter 2, data connections: who opens them, how often, and from where (RFC 959 s.3.2, s.4.1.2, s.5.2)."""

from __future__ import annotations

import contextlib
import re
import socket
import time

from conformance.chapters.checks import want, want_alive, want_class
from conformance.data import (
    Data,
    Way,
    download,
    open_data,
    passive_address,
    transfer,
    upload,
)
from conformance.place import place, want_done
from conformance.registry import Failed, Level, Skipped, case
from conformance.wire import Reply, Target, Wire


def _works(way: Way, means: str) -> None:
    name = way.value.lower()

    @case(
        f"data-{name}-download",
        f"RFC 959 s.4.1.2 {way.value}",
        Level.MUST,
        f"A file comes over {way.value} as it is.",
        means,
    )
    def down(target: Target) -> None:
        with place(target) as here:
            here.make("file")
            outcome = download(here.wire, "RETR file", way)
            want_done(outcome, f"RETR over {way.value}")
            if outcome.content != b"content\n":
                raise Failed(f"it came as {outcome.content[:80]!r}")

    @case(
        f"data-{name}-upload",
        f"RFC 959 s.4.1.2 {way.value}",
        Level.MUST,
        f"A file goes over {way.value} as it is.",
        means,
    )
    def up(target: Target) -> None:
        with place(target) as here:
            want_done(upload(here.wire, "STOR file", b"uploaded\n", way), f"STOR over {way.value}")
            if (content := here.fetch("file")) != b"uploaded\n":
                raise Failed(f"it was stored as {content[:80]!r}")


_works(Way.PASV, "Clients behind a firewall can transfer nothing.")
_works(Way.PORT, "Clients that know no passive mode can transfer nothing.")


def _pasv(wire: Wire) -> Reply:
    reply = wire.command("PASV")
    if reply.code in (425, 500, 502, 522):
        raise Skipped(f"PASV is not to be had here: {reply.shown}")
    return reply


@case(
    "data-pasv-numbers",
    "RFC 959 s.4.1.2 PASV",
    Level.MUST,
    "227 holds six numbers from 0 to 255 with commas between them, and the port is not 0.",
    "Clients cannot read the address, and transfer nothing.",
)
def pasv_numbers(target: Target) -> None:
    with target.session() as wire:
        reply = _pasv(wire)
        _, port = passive_address(reply)
        if port == 0 or re.search(rb"(\d+,){6}", reply.lines[0]):
            raise Failed(f"PASV is answered {reply.shown}")


@case(
    "data-pasv-parentheses",
    "RFC 1123 s.4.1.2.6",
    Level.MAY,
    "227 holds its numbers in parentheses, as RFC 959's example does.",
    "Clients that look for a parenthesis, against RFC 1123, find no address.",
)
def pasv_parentheses(target: Target) -> None:
    with target.session() as wire:
        reply = _pasv(wire)
        if not re.search(rb"\((\d+,){5}\d+\)", reply.lines[0]):
            raise Failed(f"PASV is answered {reply.shown}")


@case(
    "data-pasv-address",
    "RFC 959 s.4.1.2 PASV",
    Level.SHOULD,
    "227 names the address that the control connection goes to.",
    "Clients dial a host that is not there, as behind an address translation that nobody told the server of.",
)
def pasv_address(target: Target) -> None:
    with target.session() as wire:
        host, _ = passive_address(_pasv(wire))
        if host != (peer := wire.socket.getpeername()[0]):
            raise Failed(f"it names {host}, and the session goes to {peer}")


@case(
    "data-pasv-each",
    "RFC 1123 s.4.1.2.6",
    Level.MUST,
    "Each transfer can have a PASV of its own, one after the other in a session.",
    "Only the first file of a session can be transferred.",
)
def pasv_each(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        for number in range(5):
            want_done(download(here.wire, "RETR file"), f"transfer {number + 1} in a session")


@case(
    "data-pasv-twice",
    "RFC 959 s.4.1.2 PASV",
    Level.MUST,
    "The last of two PASV is the one that counts.",
    "A client that asks anew after a failed dial waits at the wrong port.",
)
def pasv_twice(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        _pasv(here.wire)
        want_done(download(here.wire, "RETR file", Way.PASV), "RETR after two PASV")


@case(
    "data-pasv-after-port",
    "RFC 959 s.4.1.2 PASV",
    Level.MUST,
    "PASV after PORT makes the transfer passive.",
    "Clients that try the active mode first cannot fall back.",
)
def pasv_after_port(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        unused = open_data(here.wire, Way.PORT)
        try:
            want_done(download(here.wire, "RETR file", Way.PASV), "RETR after PORT and PASV")
        finally:
            unused.close()


@case(
    "data-port-after-pasv",
    "RFC 959 s.4.1.2 PORT",
    Level.MUST,
    "PORT after PASV makes the transfer active.",
    "Clients that try the passive mode first cannot fall back.",
)
def port_after_pasv(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        _pasv(here.wire)
        want_done(download(here.wire, "RETR file", Way.PORT), "RETR after PASV and PORT")


@case(
    "data-pasv-late",
    "RFC 959 s.4.1.2 PASV",
    Level.MUST,
    "After PASV the server waits for the connection, also when RETR comes first.",
    "Clients that send the command before they dial fail.",
)
def pasv_late(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        if here.wire.protected:
            raise Skipped("servers may look for TLS before they say 1xx")
        _, port = passive_address(_pasv(here.wire))
        here.wire.send(b"RETR file\r\n")
        time.sleep(0.3)
        host = here.wire.socket.getpeername()[0]
        with contextlib.closing(socket.create_connection((host, port), timeout=here.wire.seconds())) as dialled:
            want(here.wire.reply(), (125, 150), "RETR before the data connection")
            if Data(dialled, here.wire).receive_all() != b"content\n":
                raise Failed("the file did not come whole")
        want(here.wire.reply(), (226, 250), "RETR before the data connection")


@case(
    "data-after-refusal",
    "RFC 959 s.4.1.2",
    Level.MUST,
    "After a transfer that was refused, the next one with a PASV of its own works.",
    "One missing file spoils the rest of the session.",
)
def after_refusal(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        outcome = download(here.wire, "RETR none")
        want_class(outcome.last, "45", "RETR of what is not there")
        want_done(download(here.wire, "RETR file"), "RETR after one that was refused")


@case(
    "data-none-agreed",
    "RFC 959 s.3.2",
    Level.MUST,
    "A second transfer without PASV or PORT gets a reply (to the default port, or 425).",
    "Client and server wait for each other for ever.",
)
def none_agreed(target: Target) -> str:
    with place(target) as here:
        here.make("file")
        want_done(download(here.wire, "RETR file"), "RETR")
        reply = here.command("RETR file")
        want_class(reply, "145", "RETR without PASV or PORT")
        if reply.code < 200:
            reply = here.wire.reply()
            want_class(reply, "45", "RETR to a default port where nobody listens")
        return reply.shown


@case(
    "data-nobody-listens",
    "RFC 959 s.5.4",
    Level.MUST,
    "A transfer to a port where nobody listens is refused for now, and the session goes on.",
    "A client whose firewall refuses the connection is told nothing, or loses its session.",
)
def nobody_listens(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        opening = open_data(here.wire, Way.PORT)
        opening.close()
        reply = here.command("RETR file")
        if reply.code < 200:
            reply = here.wire.reply()
        want_class(reply, "4", "RETR to a closed port")
        want_alive(here.wire, "RETR to a closed port")


@case(
    "data-nobody-listens-425",
    "RFC 959 s.4.2.2",
    Level.SHOULD,
    "A data connection that cannot be opened is a 425.",
    "Clients cannot tell a firewall from a file that is not to be had.",
)
def nobody_listens_425(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        opening = open_data(here.wire, Way.PORT)
        opening.close()
        reply = here.command("RETR file")
        if reply.code < 200:
            reply = here.wire.reply()
        want(reply, (425,), "RETR to a closed port")


@case(
    "data-port-source",
    "RFC 1123 s.4.1.2.12",
    Level.MUST,
    "Active data connections come from the address that the control connection goes to.",
    "Firewalls and clients that check who dials refuse the transfer.",
)
def port_source(target: Target) -> str:
    with place(target) as here:
        here.make("file")
        with transfer(here.wire, "RETR file", Way.PORT) as moving:
            host, port = moving.data.socket.getpeername()[:2]
            if host != here.wire.socket.getpeername()[0]:
                raise Failed(f"it comes from {host}")
            moving.data.receive_all()
        return f"from port {port}"


@case(
    "data-port-source-port",
    "RFC 959 s.3.2",
    Level.MAY,
    "Active data connections come from the port below that of the control connection.",
    "Packet filters of the old kind, that know the port, refuse the transfer.",
)
def port_source_port(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        with transfer(here.wire, "RETR file", Way.PORT) as moving:
            port = moving.data.socket.getpeername()[1]
            moving.data.receive_all()
        if port != target.port - 1:
            raise Failed(f"it comes from port {port}")


def _malformed(name: str, argument: str, level: Level = Level.MUST) -> None:
    says = f"PORT {argument}".rstrip() + " is refused."
    means = "The server dials an address that nobody gave."

    @case(f"data-port-{name}", "RFC 959 s.5.3.2", level, says, means)
    def check(target: Target) -> None:
        with target.session() as wire:
            line = f"PORT {argument}".rstrip()
            want_class(wire.command(line), "5", line)
            want_alive(wire, line)


_malformed("empty", "")
_malformed("seven", "127,0,0,1,200,1,1", Level.SHOULD)
_malformed("letters", "127,0,0,x,200,1")
_malformed("negative", "127,0,0,1,-200,1")
_malformed("dots", "127.0.0.1.200.1")


@case(
    "data-released",
    "RFC 959 s.3.2",
    Level.MAY,
    "The data connection that waits is closed when its transfer is refused.",
    "Clients that read before they look at the reply hang.",
)
def released(target: Target) -> None:
    with place(target) as here:
        opening = open_data(here.wire)
        with contextlib.closing(opening.socket):
            want_class(here.command("RETR none"), "45", "RETR of what is not there")
            opening.socket.settimeout(1.0)
            try:
                if opening.socket.recv(1):
                    raise Failed("it brings bytes")
            except TimeoutError as error:
                raise Failed("it stays open") from error
            except OSError:
                pass
