"""Downloads that go well in odd ways, and those that do not: RFC 959 s.3.4.1, s.4.2 and s.5.4."""

from __future__ import annotations

import time

from conformance.client.cases import case
from conformance.client.judges import after, kept_old, nothing_partial, refused, succeeded, truthful
from conformance.client.record import Deed, Seen
from conformance.client.script import CONTENT, LARGE, Script
from conformance.client.session import Session
from conformance.registry import Level, Skipped

MUST, SHOULD, MAY = Level.MUST, Level.SHOULD, Level.MAY
GET = Deed.GET
_OLD = b"what stood here before\n"


def _open(session: Session) -> None:
    session.say(b"150 Here it comes.\r\n")


def opening(reply: bytes, closing: bytes = b"226 Done.\r\n") -> Script:
    def retr(session: Session, content: bytes) -> None:
        session.say(reply)
        with session.data() as data:
            data.send(content)
        session.say(closing)

    return Script(retr=retr)


def ending(reply: bytes, *, half: bool = True, **more: object) -> Script:
    """A server that sends half the file, or all of it, ends the data connection well and says `reply`."""

    def retr(session: Session, content: bytes) -> None:
        _open(session)
        with session.data() as data:
            data.send(session.until(content, len(CONTENT) // 2) if half else content)
        session.say(reply)

    return Script(retr=retr, **more)  # type: ignore[arg-type]


def _at_once(session: Session, content: bytes) -> None:
    with session.data() as data:
        session.say(b"150 Here it comes.\r\n226 It has come.\r\n")
        time.sleep(0.2)
        data.send(content)


def _early_226(session: Session, content: bytes) -> None:
    _open(session)
    with session.data() as data:
        data.send(content[:1000])
        session.say(b"226 Sent.\r\n")
        time.sleep(0.4)
        data.send(content[1000:])


def _late_226(session: Session, content: bytes) -> None:
    _open(session)
    with session.data() as data:
        data.send(content)
    time.sleep(1.2)
    session.say(b"226 Done.\r\n")


def _drop_by_drop(session: Session, content: bytes) -> None:
    _open(session)
    with session.data() as data:
        for start in range(0, len(content), 10_000):
            data.send(content[start : start + 10_000])
            time.sleep(0.05)
    session.say(b"226 Done.\r\n")


def _unannounced(session: Session, content: bytes) -> None:
    with session.data() as data:
        data.send(content)
    session.say(b"226 Done.\r\n")


def _file_of(content: bytes) -> Script:
    return Script(files={b"/file.bin": content})


case(
    "retr-125",
    "RFC 959 s.5.4",
    MUST,
    GET,
    succeeded,
    opening(b"125 Already open.\r\n"),
    "RETR is opened by 125. A client that knows 150 alone fails where the data connection came first.",
)
case(
    "retr-250",
    "RFC 959 s.5.4",
    MUST,
    GET,
    succeeded,
    opening(b"150 Here.\r\n", b"250 Done.\r\n"),
    "RETR is ended by 250. A client that knows 226 alone takes a good file for a bad one.",
)
case(
    "retr-150-size-wrong",
    "RFC 1123 s.4.1.2.11",
    SHOULD,
    GET,
    succeeded,
    opening(b"150 Opening (17 bytes).\r\n"),
    "The text of 150 names another size, which is prose. A client that believes it cuts the file.",
)
case(
    "retr-replies-together",
    "RFC 959 s.4.2",
    MUST,
    GET,
    succeeded,
    Script(retr=_at_once),
    "150 and 226 come in one packet, before the data. A client that drops what follows the first waits for ever.",
)
case(
    "retr-226-early",
    "RFC 959 s.5.4",
    MUST,
    GET,
    succeeded,
    Script(retr=_early_226),
    "226 comes while data is on its way, as it may on two connections. A client that stops reading has a short file.",
)
case(
    "retr-226-late",
    "RFC 959 s.5.4",
    MUST,
    GET,
    succeeded,
    Script(retr=_late_226),
    "226 comes a second after the data. A client must wait for it.",
)
case(
    "retr-slow",
    "RFC 959 s.3.4.1",
    MUST,
    GET,
    succeeded,
    Script(retr=_drop_by_drop),
    "The data comes in small pieces with pauses. Only the end of the connection is the end of the file.",
)
case(
    "retr-empty",
    "RFC 959 s.3.4.1",
    MUST,
    GET,
    succeeded,
    _file_of(b""),
    "The file is empty. A client must make an empty file, and take it for no failure.",
    content=b"",
)
case(
    "retr-large",
    "RFC 959 s.3.4.1",
    MUST,
    GET,
    succeeded,
    _file_of(LARGE),
    "A file of 16 MB comes whole.",
    content=LARGE,
)
case(
    "retr-no-150",
    "RFC 959 s.5.4",
    MAY,
    GET,
    truthful,
    Script(retr=_unannounced),
    "The data comes without 150 or 125. A client may give up, or bring the whole file.",
)

for code, text, why in (
    ("550", b"550 No such file.\r\n", "there is no such file"),
    ("450", b"450 Busy.\r\n", "the file is in use"),
    ("451", b"451 Disk fault.\r\n", "the server cannot read it"),
    ("500", b"500 What?\r\n", "the server does not know the command"),
):
    case(
        f"retr-{code}",
        "RFC 959 s.5.4",
        MUST,
        GET,
        refused,
        Script(answers={"RETR": text}),
        f"RETR is refused, since {why}. A client that exits 0 lets a script go on without the file.",
    )
for code, text in (("426", b"426 Cut.\r\n"), ("451", b"451 Disk fault.\r\n"), ("421", b"421 Going down.\r\n")):
    case(
        f"retr-half-{code}",
        "RFC 959 s.5.4",
        MUST,
        GET,
        refused,
        ending(text),
        f"Half the file comes, then {code}. A client that exits 0 passes half a file for a whole one.",
    )
    case(
        f"retr-whole-{code}",
        "RFC 959 s.5.4",
        MUST,
        GET,
        refused,
        ending(text, half=False),
        f"All data comes, then {code}: the server knows of a fault that the client cannot see, so it must fail.",
    )


def _asked_size(seen: Seen) -> bool:
    return any(seen.record.lines(verb) for verb in ("SIZE", "MLST", "MLSD", "LIST"))


def _noticed(seen: Seen) -> str | None:
    if not _asked_size(seen):
        raise Skipped("the client never asks for the size")
    return refused(seen)


case(
    "retr-half-226",
    "RFC 3659 s.4",
    SHOULD,
    GET,
    _noticed,
    ending(b"226 All of it.\r\n"),
    "Half the file comes, then 226, though the server stated the size when asked. A client that compares nothing "
    "passes "
    "half a file for a whole one.",
)


_NO_SIZES = dict.fromkeys(("SIZE", "MLST", "MLSD", "MDTM", "LIST", "NLST", "STAT"), b"500 What?\r\n")
case(
    "retr-half-226-no-size",
    "RFC 959 s.3.4.1",
    MAY,
    GET,
    refused,
    ending(b"226 All of it.\r\n", answers=_NO_SIZES, features=(b"EPSV", b"REST STREAM")),
    "Half the file comes, then 226, and the server states no size anywhere. Nobody can tell; a client may say that it "
    "verified nothing, and fail where it was told to verify.",
)


def _twice(session: Session, content: bytes) -> None:
    _open(session)
    with session.data() as data:
        data.send(content + content[:1000])
    session.say(b"226 Done.\r\n")


case(
    "retr-more-than-size",
    "RFC 3659 s.4",
    MAY,
    GET,
    _noticed,
    Script(retr=_twice),
    "More comes than the size that the server states. A client that compares would notice.",
)


def _reset(session: Session, content: bytes) -> None:
    _open(session)
    data = session.data()
    data.send(session.until(content, 1000))
    time.sleep(0.1)
    data.reset()
    session.say(b"226 All of it.\r\n")


def _control_dies(session: Session, content: bytes) -> None:
    _open(session)
    data = session.data()
    data.send(session.until(content, 1000))
    session.hang_up()


def _both_die(session: Session, content: bytes) -> None:
    _open(session)
    with session.data() as data:
        data.send(session.until(content, len(CONTENT) // 2))
    session.hang_up()


def _unconfirmed(session: Session, content: bytes) -> None:
    _open(session)
    with session.data() as data:
        data.send(content)
    session.hang_up()


def _never_confirmed(session: Session, content: bytes) -> None:
    _open(session)
    with session.data() as data:
        data.send(content)
    session.hold()


def _stalls(session: Session, content: bytes) -> None:
    _open(session)
    data = session.data()
    data.send(session.until(content, 1000))
    session.hold()


case(
    "retr-reset",
    "RFC 959 s.3.4.1",
    MUST,
    GET,
    refused,
    Script(retr=_reset),
    "The data connection is reset in the middle, and 226 follows. A reset is no end of file.",
)
case(
    "retr-control-dies",
    "RFC 959 s.5.4",
    MUST,
    GET,
    refused,
    Script(retr=_control_dies),
    "The control connection ends while data stands still. No 226 came, so the client must fail, and soon.",
)
case(
    "retr-both-die",
    "RFC 959 s.5.4",
    MUST,
    GET,
    refused,
    Script(retr=_both_die),
    "Both connections end in the middle, as when a server is killed. A client that goes by the data connection passes "
    "half a file for a whole one.",
)
case(
    "retr-unconfirmed",
    "RFC 959 s.5.4",
    MUST,
    GET,
    refused,
    Script(retr=_unconfirmed),
    "All data comes, and the control connection ends without 226. Nobody said that this was all, so it is a failure.",
)
case(
    "retr-no-final-reply",
    "RFC 959 s.5.4",
    SHOULD,
    GET,
    refused,
    Script(retr=_never_confirmed),
    "All data comes, and then nothing. A client must not call it whole, and should not wait for ever.",
)
case(
    "retr-stalls",
    "RFC 959 s.5.4",
    SHOULD,
    GET,
    refused,
    Script(retr=_stalls),
    "The data stops in the middle, both connections stay open. A client without a clock hangs for ever.",
)

for name, script, what in (
    ("550", Script(answers={"RETR": b"550 No such file.\r\n"}), "The file is not there"),
    ("426", ending(b"426 Cut.\r\n"), "Half the file comes, then 426"),
    ("both-die", Script(retr=_both_die), "Both connections end in the middle"),
):
    case(
        f"partial-{name}",
        "RFC 959 s.3.4.1",
        SHOULD,
        GET,
        nothing_partial,
        script,
        f"{what}. No RFC says where octets go, but a partial or empty file under the name is taken for the file by "
        "whoever comes next.",
    )
    case(
        f"old-kept-{name}",
        "RFC 959 s.3.4.1",
        SHOULD,
        GET,
        kept_old(_OLD),
        script,
        f"{what}, and an older copy stands under the name. Giving it up for nothing leaves the user with neither.",
        before=_OLD,
    )


_ABSURD = b"213 999999999999999999999\r\n"


def _without_facts(verb: str, reply: bytes) -> Script:
    return Script(answers={verb: reply}, features=(b"EPSV", b"REST STREAM", b"SIZE", b"MDTM", b"UTF8"))


case(
    "size-absurd",
    "RFC 3659 s.4",
    SHOULD,
    GET,
    after("SIZE", truthful),
    _without_facts("SIZE", _ABSURD),
    "SIZE is more than any disk has. A client may fail, and must not crash or fill the disk beforehand.",
)
case(
    "size-wrong-form",
    "RFC 3659 s.4",
    SHOULD,
    GET,
    after("SIZE", succeeded),
    _without_facts("SIZE", b"213 many\r\n"),
    "SIZE is answered by no number. A client should do without, as for servers that have no SIZE.",
)
case(
    "mdtm-wrong-form",
    "RFC 3659 s.3",
    SHOULD,
    GET,
    after("MDTM", succeeded),
    _without_facts("MDTM", b"213 noon\r\n"),
    "MDTM is answered by no time. A client should keep the file and leave its time alone.",
)
