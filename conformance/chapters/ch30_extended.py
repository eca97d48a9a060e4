"""Chapter 30: EPSV and EPRT, data connections whatever the protocol of the network (RFC 2428)."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator

from conformance.chapters.checks import want, want_alive, want_class
from conformance.data import Way, download, extended_port, open_data
from conformance.place import Place, place, want_done
from conformance.registry import Failed, Level, Skipped, case
from conformance.wire import Reply, Target

_PROTOCOLS = re.compile(rb"\((\d+)(,\d+)*\)")


def _family(here: Place) -> int:
    return 2 if here.wire.socket.family == socket.AF_INET6 else 1


def _agreed(target: Target, way: Way) -> None:
    """Skipped where this way is refused. In a session of its own: some servers dial at once."""
    with target.session() as wire:
        try:
            open_data(wire, way).close()
        except Failed as refused:
            raise Skipped(f"{way.value} is refused: {refused}") from refused


def _epsv(here: Place, argument: str = "") -> Reply:
    return here.known(f"EPSV {argument}".rstrip())


@case(
    "epsv-form",
    "RFC 2428 s.3",
    Level.MUST,
    "EPSV is answered 229 with the port between four equal delimiters in brackets, and no address.",
    "Clients find no port in the reply and cannot transfer.",
)
def epsv_form(target: Target) -> None:
    with place(target) as here:
        reply = _epsv(here)
        want(reply, (229,), "EPSV")
        found = re.search(rb"\(([!-~])\1\1(\d{1,5})\1\)", reply.lines[-1])
        if not found or not 0 < int(found[2]) < 65536:
            raise Failed(f"EPSV is answered {reply.shown}, without a (|||port|)")


@case(
    "epsv-transfer",
    "RFC 2428 s.3",
    Level.MUST,
    "A transfer over the port of EPSV, on the host of the control connection, works.",
    "Behind NAT, and over IPv6, nothing can be transferred.",
)
def epsv_transfer(target: Target) -> None:
    with place(target) as here:
        here.make("file", b"by EPSV")
        got = download(here.wire, "RETR file", Way.EPSV)
        want_done(got, "RETR after EPSV")
        if got.content != b"by EPSV":
            raise Failed(f"it brought {got.content[:40]!r}")


@case(
    "epsv-own-protocol",
    "RFC 2428 s.3",
    Level.MUST,
    "EPSV with the number of the control connection's own protocol is granted.",
    "Clients that name the protocol cannot transfer.",
)
def epsv_own(target: Target) -> None:
    with place(target) as here:
        want(_epsv(here, str(_family(here))), (229,), f"EPSV {_family(here)}")


@case(
    "epsv-other-protocol",
    "RFC 2428 s.3",
    Level.MUST,
    "EPSV with the other of IPv4 and IPv6 is granted or refused with 522.",
    "A client cannot tell that only the protocol was wrong.",
)
def epsv_other(target: Target) -> None:
    with place(target) as here:
        other = 3 - _family(here)
        want(_epsv(here, str(other)), (229, 522), f"EPSV {other}")


@case(
    "epsv-unknown-protocol",
    "RFC 2428 s.3",
    Level.MUST,
    "EPSV with a protocol that does not exist is refused with 522.",
    "A client of a future network cannot tell that another protocol might do.",
)
def epsv_unknown(target: Target) -> None:
    with place(target) as here:
        want(_epsv(here, "9"), (522,), "EPSV 9")


@case(
    "epsv-522-names-protocols",
    "RFC 2428 s.2",
    Level.SHOULD,
    "The refusal of a protocol names those that are supported, in brackets.",
    "The client has to guess what to try next.",
)
def epsv_names(target: Target) -> None:
    with place(target) as here:
        reply = _epsv(here, "9")
        if reply.code != 522:
            raise Skipped(f"EPSV 9 is answered {reply.shown}")
        if not _PROTOCOLS.search(b" ".join(reply.lines)):
            raise Failed(f"the 522 names no protocols: {reply.shown}")


@case(
    "epsv-unreadable",
    "RFC 2428 s.3",
    Level.SHOULD,
    "EPSV with an argument that is no number is refused with 501.",
    "A mistake of the client is taken for a request.",
)
def epsv_unreadable(target: Target) -> None:
    with place(target) as here:
        want(_epsv(here, "x"), (501,), "EPSV x")


@case(
    "epsv-newest-counts",
    "RFC 2428 s.3",
    Level.MUST,
    "After a second EPSV the transfer goes over the second port.",
    "A client that asked twice waits at a port where nobody is.",
)
def epsv_newest(target: Target) -> None:
    with place(target) as here:
        here.make("file", b"twice")
        want(_epsv(here), (229,), "EPSV")
        got = download(here.wire, "RETR file", Way.EPSV)
        want_done(got, "RETR after a second EPSV")


@case(
    "epsv-after-pasv",
    "RFC 2428 s.3",
    Level.MUST,
    "EPSV takes the place of a PASV before it.",
    "A client that tries the one after the other hangs.",
)
def epsv_after_pasv(target: Target) -> None:
    with place(target) as here:
        here.make("file", b"after PASV")
        here.known("PASV")
        want_done(download(here.wire, "RETR file", Way.EPSV), "RETR after PASV and EPSV")


@case(
    "epsv-all",
    "RFC 2428 s.4",
    Level.MUST,
    "EPSV ALL is granted, and EPSV works after it.",
    "Clients that tell NAT devices to stand aside cannot transfer.",
)
def epsv_all(target: Target) -> None:
    with place(target) as here:
        here.make("file", b"ALL")
        want_class(_epsv(here, "ALL"), "2", "EPSV ALL")
        want_done(download(here.wire, "RETR file", Way.EPSV), "RETR after EPSV ALL")


@case(
    "epsv-all-any-case",
    "RFC 2428 s.4",
    Level.SHOULD,
    "EPSV ALL is taken in any case.",
    "Clients that write it in lower case fail.",
)
def epsv_all_case(target: Target) -> None:
    with place(target) as here:
        want_class(_epsv(here, "all"), "2", "EPSV all")


def _after_all(target: Target, way: Way, line: str) -> None:
    with place(target) as here:
        # Before, it has to work, or its refusal says nothing.
        _agreed(target, way)
        if str(_epsv(here, "ALL").code)[0] != "2":
            raise Skipped("EPSV ALL is refused")
        want_class(here.command(line), "45", f"{way.value} after EPSV ALL")
        want_alive(here.wire, "a refusal after EPSV ALL")


@case(
    "epsv-all-refuses-pasv",
    "RFC 2428 s.4",
    Level.MUST,
    "After EPSV ALL, PASV is refused.",
    "A NAT device that stands aside no longer rewrites the address, and the transfer hangs.",
)
def all_pasv(target: Target) -> None:
    _after_all(target, Way.PASV, "PASV")


@case(
    "epsv-all-refuses-port",
    "RFC 2428 s.4",
    Level.MUST,
    "After EPSV ALL, PORT is refused.",
    "A NAT device that stands aside no longer rewrites the address, and the server dials somebody else.",
)
def all_port(target: Target) -> None:
    _after_all(target, Way.PORT, "PORT 127,0,0,1,200,1")


@case(
    "epsv-all-refuses-eprt",
    "RFC 2428 s.4",
    Level.MUST,
    "After EPSV ALL, EPRT is refused.",
    "A NAT device that stands aside no longer rewrites the address, and the server dials somebody else.",
)
def all_eprt(target: Target) -> None:
    _after_all(target, Way.EPRT, "EPRT |1|127.0.0.1|51201|")


@case(
    "epsv-all-ends-with-session",
    "RFC 2428 s.4",
    Level.MUST,
    "EPSV ALL holds for its own session alone.",
    "One client takes PASV away from everybody.",
)
def all_own_session(target: Target) -> None:
    with place(target) as here:
        _epsv(here, "ALL")
        with place(target) as other:
            want(other.known("PASV"), (227,), "PASV while another session said EPSV ALL")


@contextlib.contextmanager
def _listening(here: Place) -> Iterator[tuple[str, str, str]]:
    """A listener of the case's own: its protocol, host and port as EPRT writes them."""
    host = here.wire.socket.getsockname()[0]
    with socket.socket(here.wire.socket.family) as listener:
        listener.bind((host, 0))
        listener.listen(8)
        yield str(_family(here)), host, str(listener.getsockname()[1])


@case(
    "eprt-transfer",
    "RFC 2428 s.2",
    Level.MUST,
    "A transfer over the address of EPRT works.",
    "Over IPv6 active clients cannot transfer.",
)
def eprt_transfer(target: Target) -> None:
    with place(target) as here:
        here.make("file", b"by EPRT")
        _agreed(target, Way.EPRT)
        got = download(here.wire, "RETR file", Way.EPRT)
        want_done(got, "RETR after EPRT")
        if got.content != b"by EPRT":
            raise Failed(f"it brought {got.content[:40]!r}")


@case(
    "eprt-any-delimiter",
    "RFC 2428 s.2",
    Level.MUST,
    "EPRT takes other delimiters than the bar, such as `!` and `#`.",
    "Clients that choose another delimiter cannot transfer.",
)
def eprt_delimiter(target: Target) -> None:
    with place(target) as here:
        _agreed(target, Way.EPRT)
        with _listening(here) as (protocol, host, port):
            for delimiter in "!#~":
                line = "EPRT " + delimiter.join(("", protocol, host, port, ""))
                want(here.command(line), (200,), line)


@case(
    "eprt-unknown-protocol",
    "RFC 2428 s.2",
    Level.MUST,
    "EPRT with a protocol that does not exist is refused with 522.",
    "A client cannot tell that another protocol might do.",
)
def eprt_unknown(target: Target) -> None:
    with place(target) as here:
        _agreed(target, Way.EPRT)
        want(here.command("EPRT |9|127.0.0.1|51201|"), (522,), "EPRT with protocol 9")


@case(
    "eprt-522-names-protocols",
    "RFC 2428 s.2",
    Level.SHOULD,
    "The refusal of EPRT's protocol names those that are supported, in brackets.",
    "The client has to guess what to try next.",
)
def eprt_names(target: Target) -> None:
    with place(target) as here:
        reply = here.known("EPRT |9|127.0.0.1|51201|")
        if reply.code != 522:
            raise Skipped(f"EPRT with protocol 9 is answered {reply.shown}")
        if not _PROTOCOLS.search(b" ".join(reply.lines)):
            raise Failed(f"the 522 names no protocols: {reply.shown}")


def _eprt_refused(target: Target, arguments: tuple[str, ...], codes: tuple[int, ...] = ()) -> None:
    with place(target) as here:
        _agreed(target, Way.EPRT)
        for argument in arguments:
            reply = here.command(f"EPRT {argument}".rstrip())
            if codes:
                want(reply, codes, f"EPRT {argument}")
            want_class(reply, "45", f"EPRT {argument}")
        want_alive(here.wire, "EPRT refused")


_MALFORMED = ("", "|", "||||", "|1|127.0.0.1|", "|1|127.0.0.1|x|", "127.0.0.1,200,1")


@case(
    "eprt-malformed",
    "RFC 2428 s.2",
    Level.MUST,
    "EPRT with parts missing is refused.",
    "The server dials an address that nobody meant.",
)
def eprt_malformed(target: Target) -> None:
    _eprt_refused(target, _MALFORMED)


@case(
    "eprt-malformed-501",
    "RFC 2428 s.2",
    Level.SHOULD,
    "The refusal of EPRT with parts missing is 501.",
    "A client cannot tell its own mistake from a server without EPRT.",
)
def eprt_malformed_501(target: Target) -> None:
    _eprt_refused(target, _MALFORMED, (501, 522))


@case(
    "eprt-port-too-big",
    "RFC 2428 s.2",
    Level.MUST,
    "EPRT with a port above 65535 is refused.",
    "The server dials another port than the one that was named.",
)
def eprt_too_big(target: Target) -> None:
    _eprt_refused(target, ("|1|127.0.0.1|65536|", "|1|127.0.0.1|99999999999|"))


@case(
    "eprt-address-of-other-protocol",
    "RFC 2428 s.2",
    Level.MUST,
    "EPRT whose address is not of the protocol that it names is refused.",
    "The server dials an address that nobody meant.",
)
def eprt_mixed(target: Target) -> None:
    _eprt_refused(target, ("|1|::1|51201|", "|2|127.0.0.1|51201|"))


@case(
    "eprt-address-no-address",
    "RFC 2428 s.2",
    Level.MUST,
    "EPRT with a name or nothing in place of an address is refused.",
    "The server looks names up, or dials itself, for anybody who asks.",
)
def eprt_name(target: Target) -> None:
    _eprt_refused(target, ("|1|localhost|51201|", "|1||51201|", "|1|127.1|51201|", "|1|127.0.0.1.1|51201|"))


@case(
    "eprt-replaces-epsv",
    "RFC 2428 s.2",
    Level.MUST,
    "EPRT takes the place of an EPSV before it.",
    "A client that falls back from one to the other hangs.",
)
def eprt_replaces(target: Target) -> None:
    with place(target) as here:
        here.make("file", b"after EPSV")
        _agreed(target, Way.EPRT)
        want(_epsv(here), (229,), "EPSV")
        got = download(here.wire, "RETR file", Way.EPRT)
        want_done(got, "RETR after EPSV and EPRT")


@case(
    "epsv-replaces-eprt",
    "RFC 2428 s.3",
    Level.MUST,
    "EPSV takes the place of an EPRT before it.",
    "A client that falls back from one to the other hangs.",
)
def epsv_replaces(target: Target) -> None:
    with place(target) as here:
        here.make("file", b"after EPRT")
        _agreed(target, Way.EPRT)
        with _listening(here) as (protocol, host, port):
            want(here.command(f"EPRT |{protocol}|{host}|{port}|"), (200,), "EPRT")
            want_done(download(here.wire, "RETR file", Way.EPSV), "RETR after EPRT and EPSV")


@case(
    "epsv-port-closed-after",
    "RFC 2428 s.3",
    Level.SHOULD,
    "The port of EPSV takes no second connection after its transfer.",
    "Others reach into later transfers over ports that were left open.",
)
def epsv_closed(target: Target) -> str | None:
    with place(target) as here:
        here.make("file", b"once")
        opening = open_data(here.wire, Way.EPSV)
        try:
            want_class(here.command("RETR file"), "1", "RETR")
            data = opening.data()
            data.receive_all()
            data.end()
        finally:
            opening.close()
        want(here.wire.reply(), (226, 250), "RETR")
        port = extended_port(opening.reply)
        try:
            with socket.create_connection((target.host, port), timeout=1.0) as late:
                late.settimeout(0.5)
                try:
                    said = late.recv(4096)
                except TimeoutError:
                    return "it can be reached still, and says nothing"
                if said:
                    raise Failed(f"the port says {said[:40]!r} to whoever comes later")
        except OSError:
            return None
        return "it can be reached still, and is closed at once"
