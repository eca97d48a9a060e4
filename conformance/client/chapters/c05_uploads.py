"""Uploads: RFC 959 s.4.1.3 and s.5.4."""

from __future__ import annotations

import time

from conformance.client.cases import case
from conformance.client.judges import refused, succeeded
from conformance.client.record import Deed
from conformance.client.script import LARGE, Script
from conformance.client.session import Session
from conformance.registry import Level

MUST, SHOULD = Level.MUST, Level.SHOULD
PUT = Deed.PUT


def taking(opening: bytes, closing: bytes, *, most: int | None = None) -> Script:
    """A server that takes the upload, or so many octets of it, and says `closing`."""

    def stor(session: Session, path: bytes) -> None:
        session.say(opening)
        data = session.data()
        content = data.receive(most)
        if most is None:
            data.close()
        else:
            data.reset()
        if closing[:1] == b"2":
            session.keep(path, content)
        session.say(closing)

    return Script(stor=stor)


_GO_ON, _DONE = b"150 Go on.\r\n", b"226 Done.\r\n"

case(
    "stor",
    "RFC 959 s.4.1.3",
    MUST,
    PUT,
    succeeded,
    Script(),
    "A plain upload. A failure means that nothing else here says much about this client's uploads.",
)
case(
    "stor-125-250",
    "RFC 959 s.5.4",
    MUST,
    PUT,
    succeeded,
    taking(b"125 Open.\r\n", b"250 Done.\r\n"),
    "STOR is opened by 125 and ended by 250. A client that knows 150 and 226 alone takes success for failure.",
)
case(
    "stor-other-codes",
    "RFC 1123 s.4.1.2.11",
    SHOULD,
    PUT,
    succeeded,
    taking(b"151 Go on.\r\n", b"259 Done.\r\n"),
    "151 and 259 in place of 150 and 226. The first digit should do.",
)
case(
    "stor-multiline",
    "RFC 1123 s.4.1.2.11",
    MUST,
    PUT,
    succeeded,
    taking(b"150-Go\r\n150 on.\r\n", b"226-Done\r\n 552 is said when there is no room\r\n226 with it.\r\n"),
    "150 and 226 of several lines. A client that takes a line of text for the end gets the outcome wrong.",
)
case(
    "stor-empty",
    "RFC 959 s.3.4.1",
    MUST,
    PUT,
    succeeded,
    Script(),
    "An empty file is sent. The server must get a data connection and its end, or the file is never made.",
    content=b"",
)
case("stor-large", "RFC 959 s.3.4.1", MUST, PUT, succeeded, Script(), "A file of 16 MB is sent whole.", content=LARGE)

for code, why in (
    ("550", "access is denied"), ("553", "the name is not allowed"), ("552", "the quota is used up"),
    ("452", "the disk is full"), ("532", "an account is needed"), ("425", "there is no data connection"),
    ("450", "the file is in use"), ("500", "the command is unknown"),
):  # fmt: skip
    case(
        f"stor-{code}",
        "RFC 959 s.5.4",
        MUST,
        PUT,
        refused,
        Script(answers={"STOR": f"{code} No.\r\n".encode()}),
        f"STOR is refused, since {why}. A client that exits 0 makes people believe that the file is there.",
    )
for code, why in (("552", "the quota is used up"), ("452", "the disk is full"), ("451", "the disk failed"),
                  ("426", "the connection broke")):  # fmt: skip
    case(
        f"stor-whole-{code}",
        "RFC 959 s.5.4",
        MUST,
        PUT,
        refused,
        taking(_GO_ON, f"{code} No.\r\n".encode()),
        f"All data is taken, then {code}: {why}. A client that goes by its own sending calls a lost file sent.",
    )
case(
    "stor-half-552",
    "RFC 959 s.5.4",
    MUST,
    PUT,
    refused,
    taking(_GO_ON, b"552 Disk full.\r\n", most=100_000),
    "The server stops reading in the middle and says 552. A client must stop, read the reply, and fail.",
    content=LARGE,
)
case(
    "stor-half-226",
    "RFC 959 s.3.4.1",
    MUST,
    PUT,
    refused,
    taking(_GO_ON, _DONE, most=100_000),
    "The server stops reading in the middle and says 226. A client knows that it could not send all, and must fail.",
    content=LARGE,
)


def _short(session: Session, path: bytes) -> None:
    session.say(_GO_ON)
    with session.data() as data:
        content = data.receive()
    session.keep(path, content[: len(content) // 2])
    session.say(_DONE)


case(
    "stor-short-226",
    "RFC 3659 s.4",
    Level.MAY,
    PUT,
    refused,
    Script(stor=_short),
    "The server keeps half of what it took, says 226, and states the half when asked for the SIZE. A client that asks "
    "notices a full disk that the server did not.",
)


def _late(session: Session, path: bytes) -> None:
    session.say(_GO_ON)
    with session.data() as data:
        content = data.receive()
    time.sleep(1.2)
    session.keep(path, content)
    session.say(_DONE)


def _late_refusal(session: Session, _: bytes) -> None:
    session.say(_GO_ON)
    with session.data() as data:
        data.receive()
    time.sleep(1.2)
    session.say(b"552 No room after all.\r\n")


def _unconfirmed(session: Session, _: bytes) -> None:
    session.say(_GO_ON)
    with session.data() as data:
        data.receive()
    session.hang_up()


def _never_confirmed(session: Session, _: bytes) -> None:
    session.say(_GO_ON)
    with session.data() as data:
        data.receive()
    session.hold()


def _stops_reading(session: Session, _: bytes) -> None:
    session.say(_GO_ON)
    session.data()
    session.hold()


def _dies(session: Session, _: bytes) -> None:
    session.say(_GO_ON)
    data = session.data()
    data.receive(100_000)
    data.reset()
    session.hang_up()


case(
    "stor-226-late",
    "RFC 959 s.5.4",
    MUST,
    PUT,
    succeeded,
    Script(stor=_late),
    "226 comes a second after the data. A client must wait for it.",
)
case(
    "stor-552-late",
    "RFC 959 s.5.4",
    MUST,
    PUT,
    refused,
    Script(stor=_late_refusal),
    "552 comes a second after the data. A client that does not wait calls a lost file sent.",
)
case(
    "stor-unconfirmed",
    "RFC 959 s.5.4",
    MUST,
    PUT,
    refused,
    Script(stor=_unconfirmed),
    "All data is taken, and the control connection ends without 226. Nobody said that it is stored.",
)
case(
    "stor-no-final-reply",
    "RFC 959 s.5.4",
    SHOULD,
    PUT,
    refused,
    Script(stor=_never_confirmed),
    "All data is taken, and then nothing. A client must not call it stored, and should not wait for ever.",
)
case(
    "stor-stalls",
    "RFC 959 s.5.4",
    SHOULD,
    PUT,
    refused,
    Script(stor=_stops_reading),
    "The server takes no more data and says nothing. A client without a clock hangs for ever.",
    content=LARGE,
)
case(
    "stor-both-die",
    "RFC 959 s.5.4",
    MUST,
    PUT,
    refused,
    Script(stor=_dies),
    "Both connections end in the middle. A client must fail, and soon.",
    content=LARGE,
)
