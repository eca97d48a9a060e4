"""Data connections: RFC 959 s.3.2, RFC 1123 s.4.1.2.6, RFC 2428, RFC 2577."""

from __future__ import annotations

import contextlib

from conformance.client.cases import case
from conformance.client.judges import after, both, not_misled, refused, succeeded, truthful
from conformance.client.record import Deed, Seen
from conformance.client.script import Script
from conformance.client.session import Session
from conformance.registry import Failed, Level

MUST, SHOULD = Level.MUST, Level.SHOULD
GET, PUT = Deed.GET, Deed.PUT
_NO_EPSV = b"500 What?\r\n"


def pasv(form: bytes) -> Script:
    """A server without EPSV whose 227 has that form; %s is where the numbers are."""

    def answer(session: Session, _: bytes) -> None:
        session.say(form % session.pasv_numbers())

    return Script(answers={"EPSV": _NO_EPSV, "PASV": answer})


def epsv(form: bytes) -> Script:
    """A server whose 229 has that form; %d is where the port is."""

    def answer(session: Session, _: bytes) -> None:
        session.say(form % session.open_port())

    return Script(answers={"EPSV": answer})


def says_pasv(reply: bytes) -> Script:
    """A server without EPSV, whose 227 is wrong, and without active connections."""
    no = b"502 Not here.\r\n"
    return Script(answers={"EPSV": _NO_EPSV, "PASV": reply, "PORT": no, "EPRT": no})


for code in (b"500", b"501", b"502", b"522"):
    case(
        f"epsv-{code.decode()}",
        "RFC 2428 s.3",
        MUST,
        GET,
        succeeded,
        Script(answers={"EPSV": code + b" No (1,2)\r\n"}),
        f"EPSV is answered {code.decode()}. A client must go on with PASV, or it cannot use servers without EPSV.",
    )
case(
    "epsv-only",
    "RFC 2428 s.3",
    SHOULD,
    GET,
    succeeded,
    Script(answers={"PASV": b"502 Only EPSV.\r\n", "PORT": b"502 Only EPSV.\r\n"}),
    "The server knows EPSV alone. A client without it cannot get through.",
)
case(
    "epsv-delimiter",
    "RFC 2428 s.3",
    MUST,
    GET,
    after("EPSV", succeeded),
    epsv(b"229 Extended Passive Mode (!!!%d!)\r\n"),
    "The delimiter in 229 is not the usual one. A client that looks for bars alone finds no port.",
)
case(
    "epsv-text",
    "RFC 2428 s.3",
    MUST,
    GET,
    after("EPSV", succeeded),
    epsv(b"229 Here, at port 21 not: (|||%d|).\r\n"),
    "The text of 229 holds another number, and a full stop after the bracket. Only what is in brackets counts.",
)


def _closed_port(session: Session, _: bytes) -> None:
    port = session.open_port()
    session.forget_port()
    session.say(b"229 Extended Passive Mode (|||%d|)\r\n" % port)


case(
    "epsv-closed-port",
    "RFC 2428 s.3",
    MUST,
    GET,
    truthful,
    Script(answers={"EPSV": _closed_port}),
    "Nothing listens where 229 says. A client may try PASV, and must tell when nothing came.",
)
case(
    "ipv6",
    "RFC 2428 s.3",
    SHOULD,
    GET,
    succeeded,
    Script(address="::1"),
    "The server is reached over IPv6, for which PASV has no words. A client without EPSV or EPRT cannot get through.",
)

_FORMS = {
    "plain": b"227 Entering Passive Mode (%s).\r\n",
    "bare": b"227 Entering Passive Mode %s\r\n",
    "equals": b"227 =%s\r\n",
    "stop": b"227 Entering Passive Mode. %s.\r\n",
    "square": b"227 Passive [%s]\r\n",
}
for form, reply in _FORMS.items():
    case(
        f"pasv-form-{form}",
        "RFC 1123 s.4.1.2.6",
        MUST,
        GET,
        after("PASV", succeeded),
        pasv(reply),
        f"227 is written {reply.decode().strip().replace('%s', 'h1,h2,h3,h4,p1,p2')!r}. A client must look for the "
        "first digits and not for brackets, or servers that write it so are closed to it.",
    )
case(
    "pasv-digits-in-text",
    "RFC 1123 s.4.1.2.6",
    SHOULD,
    GET,
    after("PASV", succeeded),
    pasv(b"227 Mode 2 is passive (%s).\r\n"),
    "227 has a number before the address. A client should still find the six that belong together.",
)
case(
    "pasv-multiline",
    "RFC 959 s.4.2",
    SHOULD,
    GET,
    after("PASV", succeeded),
    pasv(b"227-Passive\r\n 1,2,3,4,5,6 is no address\r\n227 Entering Passive Mode (%s).\r\n"),
    "227 has several lines, and the address is in the last. A client that takes the first has no data connection.",
)
case(
    "pasv-numbers-too-big",
    "RFC 959 s.5.3.2",
    MUST,
    GET,
    after("PASV", refused),
    says_pasv(b"227 Entering Passive Mode (127,0,0,1,300,1).\r\n"),
    "A number in 227 is no octet. A client must fail, and not dial whatever remains of it.",
)
case(
    "pasv-few-numbers",
    "RFC 959 s.5.3.2",
    MUST,
    GET,
    after("PASV", refused),
    says_pasv(b"227 Entering Passive Mode (127,0,0,1).\r\n"),
    "227 has no port. A client must fail, and not crash or dial port 0.",
)
case(
    "pasv-port-0",
    "RFC 959 s.5.3.2",
    MUST,
    GET,
    after("PASV", refused),
    says_pasv(b"227 Entering Passive Mode (127,0,0,1,0,0).\r\n"),
    "227 names port 0, where nobody listens. A client must fail soon.",
)


def _elsewhere(session: Session, _: bytes) -> None:
    numbers = session.pasv_numbers("127.0.0.2")
    assert session.listener is not None
    with contextlib.suppress(OSError):
        session.play.lure("127.0.0.2", session.listener.getsockname()[1])
    session.say(b"227 Entering Passive Mode (%s).\r\n" % numbers)


_LIES = Script(answers={"EPSV": _NO_EPSV, "PASV": _elsewhere})
for deed in (GET, PUT):
    case(
        f"pasv-other-host-{deed.value}",
        "RFC 2577 s.4",
        SHOULD,
        deed,
        after("PASV", not_misled),
        _LIES,
        "227 names another host than the server's. A client that dials it can be sent into networks that only it can "
        "reach, and misses servers behind NAT.",
    )


def _as_refusal(code: bytes) -> Script:
    answers = {"EPSV": code, "PASV": code, "PORT": code, "EPRT": code}
    return Script(answers=answers)


case(
    "data-refused-425",
    "RFC 959 s.5.4",
    MUST,
    GET,
    refused,
    _as_refusal(b"425 No port is free.\r\n"),
    "No data connection can be had at all. A client that exits 0 hides that nothing was fetched.",
)
case(
    "retr-425",
    "RFC 959 s.5.4",
    MUST,
    GET,
    refused,
    Script(answers={"RETR": b"425 Cannot open data connection.\r\n"}),
    "The data connection cannot be used. A client must read the refusal and not wait for data.",
)


def _no_data_port(session: Session, content: bytes) -> None:
    session.hold()


case(
    "data-silence",
    "RFC 959 s.5.4",
    SHOULD,
    GET,
    refused,
    Script(retr=_no_data_port),
    "Neither a reply nor data comes after RETR. A client without a clock hangs in a script for ever.",
)


def _epsv_first(seen: Seen) -> None:
    if not seen.record.lines("EPSV"):
        raise Failed("never sends EPSV, so that NATs which know nothing of FTP are closed to it")


case(
    "epsv-used",
    "RFC 2428 s.4",
    Level.MAY,
    GET,
    both(succeeded, _epsv_first),
    Script(),
    "EPSV needs no address and so passes NATs that do not read along. It is the better first try over IPv4 too.",
)
case(
    "data-closed-well",
    "RFC 959 s.3.3",
    MUST,
    PUT,
    lambda seen: _closed_well(seen),
    Script(),
    "The end of an upload is the end of its data connection: a FIN. A reset there can take the last octets away.",
)


def _closed_well(seen: Seen) -> None:
    succeeded(seen)
    if broken := [data.fault for data in seen.record.data if data.upload and not data.clean]:
        raise Failed(f"the data connection did not end well: {broken[0]}")
