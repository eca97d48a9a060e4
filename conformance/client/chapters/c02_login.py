"""Login, features and transfer parameters: RFC 959 s.3.1 and s.5.4, RFC 1123 s.4.1.2.13, RFC 2389."""

from __future__ import annotations

from conformance.client.cases import case
from conformance.client.judges import after, refused, succeeded, truthful
from conformance.client.record import Deed, Seen
from conformance.client.script import Script
from conformance.client.session import Session
from conformance.registry import Failed, Level

MUST, SHOULD = Level.MUST, Level.SHOULD
GET, PUT = Deed.GET, Deed.PUT


def _no_password(session: Session, _: bytes) -> None:
    session.inside = True
    session.say(b"230 In without a password.\r\n")


def _wanted_503(session: Session, _: bytes) -> None:
    session.say(b"503 Nobody asked for it.\r\n")


def _superfluous(session: Session, _: bytes) -> None:
    session.inside = True
    session.say(b"202 Not needed here.\r\n")


def _refused_login(seen: Seen) -> str | None:
    remark = refused(seen)
    for verb in ("TYPE", "EPSV", "PASV", "RETR"):
        if seen.record.lines(verb):
            raise Failed(f"sent {verb} though the login was refused")
    tried = len(seen.record.lines("PASS"))
    if tried > 5:
        raise Failed(f"tried the refused password {tried} times")
    return remark


case(
    "login-without-password",
    "RFC 959 s.5.4",
    MUST,
    GET,
    succeeded,
    Script(answers={"USER": _no_password, "PASS": _wanted_503}),
    "USER alone is answered 230. A client that sends PASS nevertheless and minds its 503 cannot log in.",
)
case(
    "login-202",
    "RFC 959 s.5.4",
    SHOULD,
    GET,
    succeeded,
    Script(answers={"PASS": _superfluous}),
    "PASS is answered 202, which the RFC lists as success. A client that goes by 230 alone cannot log in.",
)
case(
    "login-530",
    "RFC 959 s.5.4",
    MUST,
    GET,
    _refused_login,
    Script(answers={"PASS": b"530 No.\r\n"}),
    "The password is refused. A client must fail, not go on, and not knock until the account is locked.",
)
case(
    "login-530-at-user",
    "RFC 959 s.5.4",
    MUST,
    GET,
    _refused_login,
    Script(answers={"USER": b"530 No.\r\n"}),
    "The user is refused before any password. A client must fail and not go on.",
)
case(
    "login-account",
    "RFC 959 s.4.1.1",
    MUST,
    GET,
    _refused_login,
    Script(answers={"PASS": b"332 And the account?\r\n", "ACCT": b"530 No.\r\n"}),
    "An account is asked for, and the client was given none. It must fail and not go on as if it were in.",
)
case(
    "login-put-530",
    "RFC 959 s.5.4",
    MUST,
    PUT,
    refused,
    Script(answers={"PASS": b"530 No.\r\n"}),
    "The login for an upload is refused. A client that exits 0 makes people believe that the file is there.",
)

_NEWER = (
    "FEAT", "OPTS", "SYST", "EPSV", "EPRT", "MLSD", "MLST", "SIZE", "MDTM", "CLNT", "SITE", "STAT", "HELP", "ALLO",
    "HOST", "LANG", "XPWD", "MFMT", "ABOR",
)  # fmt: skip
_MINIMAL = Script(answers=dict.fromkeys(_NEWER, b"500 What?\r\n"))

for deed in (GET, PUT):
    case(
        f"minimum-server-{deed.value}",
        "RFC 1123 s.4.1.2.13",
        MUST,
        deed,
        succeeded,
        _MINIMAL,
        "The server knows the minimum alone, and answers 500 to FEAT, EPSV, SIZE and all that is newer. A client that "
        "needs more cannot use old servers and devices.",
    )
case(
    "feat-502",
    "RFC 2389 s.3.2",
    MUST,
    GET,
    succeeded,
    Script(answers={"FEAT": b"502 Not here.\r\n"}),
    "FEAT is not implemented. A client that stops there cannot use old servers.",
)
case(
    "feat-none",
    "RFC 2389 s.3.2",
    MUST,
    GET,
    succeeded,
    Script(answers={"FEAT": b"211 No features.\r\n"}),
    "FEAT has one line, since there are no features. A client that waits for more hangs.",
)
case(
    "feat-unknown",
    "RFC 2389 s.3.2",
    MUST,
    GET,
    succeeded,
    Script(features=(b"EPSV", b"XYZZY 1;2;3", b"size", b"LANG EN*", b"  odd", b"REST STREAM", b"A" * 300)),
    "FEAT lists features that nobody knows, in odd forms. A client must pass over them.",
)
case(
    "feat-many",
    "RFC 2389 s.3.2",
    MUST,
    GET,
    succeeded,
    Script(features=(b"EPSV", *(b"FEATURE%d" % number for number in range(500)))),
    "FEAT lists 500 features. A client that keeps a few only must stay in step.",
)
case(
    "opts-refused",
    "RFC 2389 s.4",
    MUST,
    GET,
    after("OPTS", succeeded),
    Script(answers={"OPTS": b"501 No.\r\n"}),
    "OPTS is refused, which changes nothing. A client that stops there cannot use such servers.",
)
case(
    "syst-other",
    "RFC 959 s.4.1.3",
    MUST,
    GET,
    succeeded,
    Script(answers={"SYST": b"215 TOPS20\r\n"}),
    "The system is none that anybody runs. A client must not depend on knowing it.",
)

case(
    "type-image-get",
    "RFC 959 s.3.1.1.1",
    MUST,
    GET,
    succeeded,
    Script(),
    "The default type is ASCII, and this server converts line ends in it. A client that does not ask for TYPE I brings "
    "home a broken file.",
)
case(
    "type-image-put",
    "RFC 959 s.3.1.1.1",
    MUST,
    PUT,
    succeeded,
    Script(),
    "The same for uploads: without TYPE I the server stores another file than was sent.",
)


def _stays_ascii(session: Session, argument: bytes) -> None:
    if argument.upper().startswith(b"A"):
        session.right("TYPE", argument)
    else:
        session.say(b"504 Only ASCII here.\r\n")


case(
    "type-image-refused",
    "RFC 959 s.3.1.1.1",
    MUST,
    GET,
    truthful,
    Script(answers={"TYPE": _stays_ascii}),
    "TYPE I is refused and the server goes on converting. A client that exits 0 made a broken file.",
)
case(
    "type-image-refused-put",
    "RFC 959 s.3.1.1.1",
    MUST,
    PUT,
    truthful,
    Script(answers={"TYPE": _stays_ascii}),
    "The same for uploads: a client that exits 0 had its file broken on the way.",
)
