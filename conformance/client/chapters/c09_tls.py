"""TLS, for clients told to insist on it: RFC 4217, RFC 2228, RFC 8446, RFC 8996."""

from __future__ import annotations

from conformance.client.cases import case
from conformance.client.judges import no_login, nothing_in_clear, refused, succeeded, truthful
from conformance.client.record import Deed, Seen
from conformance.client.script import CONTENT, Script
from conformance.client.session import Refused, Session
from conformance.registry import Failed, Level

MUST, SHOULD, MAY = Level.MUST, Level.SHOULD, Level.MAY
GET, PUT, LIST = Deed.GET, Deed.PUT, Deed.LIST
_NO_FACTS = (b"EPSV", b"REST STREAM", b"UTF8")
_NO_SIZES = dict.fromkeys(("SIZE", "MLST", "MLSD", "MDTM"), b"500 What?\r\n")


def _protected(seen: Seen) -> None:
    """Went well, and nothing of it in clear."""
    succeeded(seen)
    if any(not heard.secured for heard in seen.record.heard if heard.verb in ("USER", "PASS")):
        raise Failed("sent user or password before TLS")
    if any(not data.secured for data in seen.record.data):
        raise Failed("opened a data connection in clear")


def _pbsz_first(seen: Seen) -> None:
    succeeded(seen)
    verbs = seen.record.verbs()
    if "PROT" in verbs and "PBSZ" not in verbs[: verbs.index("PROT")]:
        raise Failed("sent PROT without PBSZ before it")


def _resumed(seen: Seen) -> None:
    succeeded(seen)
    if not seen.record.data or not all(data.resumed for data in seen.record.data):
        raise Failed("opened a data connection with a TLS session of its own")


def _ended_well(seen: Seen) -> None:
    succeeded(seen)
    if broken := [data.fault for data in seen.record.data if data.upload and not data.clean]:
        raise Failed(f"the data connection ended without close_notify: {broken[0]}")


for deed in (GET, PUT, LIST):
    case(
        f"tls-{deed.value}",
        "RFC 4217 s.4.1",
        MUST,
        deed,
        _protected,
        Script(tls=True),
        "Explicit TLS with a good certificate: user, password and data travel under TLS only.",
    )
case(
    "tls-pbsz-first",
    "RFC 4217 s.9",
    MUST,
    GET,
    _pbsz_first,
    Script(tls=True),
    "PBSZ comes before PROT, as the RFC wants. Strict servers answer 503 otherwise.",
)
case(
    "tls-1.2",
    "RFC 4217 s.4.1",
    MUST,
    GET,
    _protected,
    Script(tls=True, versions=("TLSv1_2", "TLSv1_2")),
    "The server speaks TLS 1.2 and no later.",
)
case(
    "tls-1.3",
    "RFC 8446 s.4.1.3",
    SHOULD,
    GET,
    _protected,
    Script(tls=True, versions=("TLSv1_3", "TLSv1_3")),
    "The server speaks TLS 1.3 alone. A client without it is shut out by ever more servers.",
)
case(
    "tls-1.1",
    "RFC 8996 s.5",
    MUST,
    GET,
    no_login,
    Script(tls=True, versions=("TLSv1", "TLSv1_1")),
    "The server speaks TLS 1.1 and less, which is broken. A client must not log in over it.",
)
case(
    "tls-close-notify",
    "RFC 8446 s.6.1",
    MUST,
    PUT,
    _ended_well,
    Script(tls=True),
    "An upload ends by close_notify. Without it the server cannot tell an end from a cut, and strict ones refuse.",
)
case(
    "tls-session-reused",
    "RFC 4217 s.10.2",
    MAY,
    GET,
    _resumed,
    Script(tls=True),
    "The data connection resumes the session of the control connection. Servers that want proof that both have one "
    "owner "
    "refuse others.",
)

for name, reply in (("502", b"502 No TLS.\r\n"), ("534", b"534 Policy.\r\n"), ("431", b"431 Not now.\r\n")):
    for deed in (GET, PUT):
        case(
            f"tls-auth-{name}-{deed.value}",
            "RFC 4217 s.10.3",
            MUST,
            deed,
            nothing_in_clear,
            Script(answers={"AUTH": reply}),
            f"AUTH TLS is refused by {name}, as a man in the middle would. A client told to insist must not go on in "
            f"clear.",
        )
case(
    "tls-not-offered",
    "RFC 4217 s.10.3",
    MUST,
    GET,
    nothing_in_clear,
    Script(answers={"AUTH": b"500 What?\r\n"}),
    "FEAT does not list AUTH, which is refused. A client told to insist must not go on in clear.",
)


def _no_handshake(session: Session, _: bytes) -> None:
    session.say(b"234 Begin.\r\n")
    session.say(b"220 No, let us go on like this.\r\n")
    session.hold()


def _logged_in_already(session: Session, _: bytes) -> None:
    session.inside = True
    session.say(b"230 In already.\r\n")


case(
    "tls-no-handshake",
    "RFC 4217 s.10.3",
    MUST,
    GET,
    nothing_in_clear,
    Script(answers={"AUTH": _no_handshake}),
    "234 is followed by plain text. A client must not take it for anything but a failure.",
)
case(
    "tls-stripped-by-230",
    "RFC 4217 s.10.3",
    MUST,
    GET,
    nothing_in_clear,
    Script(lambda session, _: _preauth(session), answers={"AUTH": b"503 You are in.\r\n", "USER": _logged_in_already}),
    "The greeting is 230, as if no login were needed. A client that skips AUTH for it loses its TLS.",
)


def _preauth(session: Session) -> None:
    session.inside = True
    session.say(b"230 In already.\r\n")


for name, why in (
    ("self-signed", "is signed by itself"),
    ("expired", "has expired"),
    ("other-name", "is another host's"),
):
    case(
        f"tls-{name}",
        "RFC 4217 s.15.1.1" if name != "other-name" else "RFC 9525 s.6",
        MUST,
        GET,
        no_login,
        Script(tls=True, certificate=name),
        f"The certificate {why}. A client that logs in gives the password to whoever answers.",
    )
case(
    "tls-data-other-certificate",
    "RFC 4217 s.15.1.1",
    SHOULD,
    GET,
    refused,
    Script(tls=True, data_certificate="self-signed"),
    "The data connection has another certificate, which nobody vouches for. A client that reads on takes data from "
    "whoever won the race to the port.",
)


def _clear_data(session: Session, content: bytes) -> None:
    session.protected = False
    session.say(b"150 Here.\r\n")
    with session.data() as data:
        data.send(content)
    session.say(b"226 Done.\r\n")


def _clear_upload(session: Session, path: bytes) -> None:
    session.protected = False
    session.say(b"150 Go on.\r\n")
    with session.data() as data:
        data.socket.settimeout(1.0)
        session.keep(path, data.receive(100))
    session.say(b"226 Done.\r\n")


def _nothing_taken(seen: Seen) -> str | None:
    if seen.run.exit == 0:
        raise Failed("exit 0 for data that came in clear")
    return refused(seen)


def _no_file_in_clear(seen: Seen) -> str | None:
    if any(kept and kept[:100] == seen.content[:100] for kept in seen.record.stored.values()):
        raise Failed("sent the file in clear")
    return refused(seen)


case(
    "tls-data-clear",
    "RFC 4217 s.9",
    MUST,
    GET,
    _nothing_taken,
    Script(tls=True, retr=_clear_data),
    "PROT P is accepted, but the data comes in clear. A client that takes it takes it from anyone.",
)
case(
    "tls-data-clear-put",
    "RFC 4217 s.9",
    MUST,
    PUT,
    _no_file_in_clear,
    Script(tls=True, stor=_clear_upload),
    "PROT P is accepted, but the server does no TLS for an upload. A client must not send the file in clear.",
)
for deed in (GET, PUT):
    case(
        f"tls-prot-refused-{deed.value}",
        "RFC 4217 s.9",
        MUST,
        deed,
        nothing_in_clear,
        Script(tls=True, answers={"PROT": b"536 Not at that level.\r\n"}),
        "PROT P is refused. A client told to insist must not move the file in clear.",
    )
case(
    "tls-pbsz-refused",
    "RFC 4217 s.9",
    SHOULD,
    GET,
    lambda seen: _protected_or_not_at_all(seen),
    Script(tls=True, answers={"PBSZ": b"500 What?\r\n"}),
    "PBSZ is refused, PROT would not be. Either is good that moves nothing in clear.",
)


def _protected_or_not_at_all(seen: Seen) -> str | None:
    if seen.run.exit == 0:
        _protected(seen)
    return truthful(seen)


def _truncated(session: Session, content: bytes) -> None:
    session.say(b"150 Here.\r\n")
    data = session.data()
    data.send(session.until(content, len(CONTENT) // 2))
    data.cut()
    session.say(b"226 Done.\r\n")


def _truncated_listing(session: Session, content: bytes) -> None:
    session.say(b"150 Here.\r\n")
    data = session.data()
    data.send(content[: len(content) // 2])
    data.cut()
    session.say(b"226 Done.\r\n")


case(
    "tls-truncated",
    "RFC 8446 s.6.1",
    MUST,
    GET,
    refused,
    Script(tls=True, retr=_truncated, answers=_NO_SIZES, features=_NO_FACTS),
    "Half the data comes and ends without close_notify, and 226 follows; no size is stated. That is how a man in the "
    "middle cuts a file, and a client that exits 0 passes it for whole.",
)
case(
    "tls-truncated-list",
    "RFC 8446 s.6.1",
    MUST,
    LIST,
    refused,
    Script(tls=True, listing=_truncated_listing),
    "The same for a listing.",
)


def _injects(session: Session, _: bytes) -> None:
    session.say(b"234 Begin.\r\n200 a\r\n331 b\r\n230 In.\r\n200 c\r\n200 d\r\n200 e\r\n")
    session.secure()


def _nobody(session: Session, _: bytes) -> None:
    session.buffer += session.quiet(0.6)  # before the answer, since a client that fails may reset the connection
    session.say(b"530 No.\r\n")


case(
    "tls-injected",
    "RFC 2228 s.3 CCC",
    MUST,
    GET,
    lambda seen: _fooled(seen),
    Script(tls=True, versions=("TLSv1_2", "TLSv1_2"), answers={"AUTH": _injects, "USER": _nobody, "PASS": _nobody}),
    "Replies in clear ride behind the 234 in one packet. A client that uses them after the handshake believes a man in "
    "the middle.",
)


def _fooled(seen: Seen) -> str | None:
    verbs = seen.record.verbs()
    after_user = verbs[verbs.index("USER") + 1 :] if "USER" in verbs else []
    if more := [verb for verb in after_user if verb != "QUIT"]:
        raise Failed(f"sent {more[0]} on the strength of replies that came in clear")
    return refused(seen)


def _data_tls_fails(session: Session, content: bytes) -> None:
    session.say(b"150 Here.\r\n")
    session.protected = False
    data = session.data()
    data.send(b"\x15\x03\x03\x00\x02\x02\x28")
    data.close()
    session.say(b"522 TLS failed on the data connection.\r\n")
    raise Refused


case(
    "tls-data-alert",
    "RFC 4217 s.9",
    MUST,
    GET,
    refused,
    Script(tls=True, retr=_data_tls_fails),
    "The server breaks the handshake of the data connection off, and says 522. A client must fail and say so.",
)


case(
    "tls-certificate-changed",
    "RFC 4217 s.15.1.1",
    MUST,
    Deed.TRUST,
    no_login,
    Script(tls=True, certificate="renewed"),
    "A client that trusts on first use meets another key the second time. It must not log in, and say what changed.",
    prelude=Script(tls=True, certificate="self-signed"),
)
