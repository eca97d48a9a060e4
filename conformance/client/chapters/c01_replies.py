"""Greetings and replies: RFC 959 s.4.2 and s.5.4, RFC 1123 s.4.1.2.11."""

from __future__ import annotations

import time

from conformance.client.cases import case
from conformance.client.judges import ended, refused, succeeded
from conformance.client.record import Deed, Seen
from conformance.client.script import Script
from conformance.client.session import Session
from conformance.registry import Failed, Level

MUST, SHOULD = Level.MUST, Level.SHOULD
GET, PUT = Deed.GET, Deed.PUT


def _late_greeting(session: Session, _: bytes) -> None:
    session.play.record.early += session.quiet(0.6)
    session.say(b"220 Ready.\r\n")


def _waits_for_greeting(seen: Seen) -> None:
    if seen.record.early:
        raise Failed(f"sent {seen.record.early[:40]!r} before the greeting")
    succeeded(seen)


def _announced(session: Session, _: bytes) -> None:
    session.say(b"120 Ready in a moment.\r\n")
    time.sleep(0.3)
    session.say(b"220 Ready.\r\n")


def _silent(session: Session, _: bytes) -> None:
    session.hold()


def _hangs_up(session: Session, _: bytes) -> None:
    session.hang_up()


def _endless(session: Session, _: bytes) -> None:
    session.say(b"220-Welcome\r\n")
    while True:
        session.say(b"x" * 65534 + b"\r\n")


def _by_lines(seen: Seen) -> None:
    succeeded(seen)
    for heard in seen.record.heard:
        if heard.ending != b"\r\n":
            raise Failed(f"{heard.line[:40]!r} ends in LF without CR")


def _in_turn(seen: Seen) -> None:
    succeeded(seen)
    for heard in seen.record.heard:
        if heard.ahead and heard.verb not in ("ABOR", "STAT", "QUIT"):
            raise Failed(f"sent {heard.verb} before the answer to the command before it")


case(
    "greeting",
    "RFC 959 s.5.4",
    MUST,
    GET,
    succeeded,
    Script(),
    "A plain server with one file. A failure means that nothing else here says much about this client.",
)
case(
    "greeting-waited-for",
    "RFC 959 s.5.4",
    SHOULD,
    GET,
    _waits_for_greeting,
    Script(_late_greeting),
    "The greeting comes late, and the client should say nothing before it; servers that answer early input with an "
    "error drop such clients.",
)
case(
    "greeting-120",
    "RFC 959 s.5.4",
    SHOULD,
    GET,
    succeeded,
    Script(_announced),
    "120 comes before 220. A client that takes it for a refusal cannot use a server that is starting.",
)
case(
    "greeting-421",
    "RFC 959 s.5.4",
    MUST,
    GET,
    refused,
    Script(b"421 Too many users.\r\n"),
    "The server is full and says 421. A client that exits 0 hides that nothing was fetched.",
)
case(
    "greeting-554",
    "RFC 1123 s.4.1.2.11",
    MUST,
    GET,
    refused,
    Script(b"554 Not you.\r\n"),
    "The greeting is a refusal with a code that is not in the RFC; its first digit must be enough to fail.",
)
case(
    "greeting-none",
    "RFC 959 s.5.4",
    SHOULD,
    GET,
    refused,
    Script(_silent),
    "The server accepts and never greets. A client without a clock hangs in a script for ever.",
)
case(
    "greeting-closed",
    "RFC 959 s.5.4",
    MUST,
    GET,
    refused,
    Script(_hangs_up),
    "The server accepts and closes. A client that exits 0 hides that nothing was fetched.",
)
case(
    "greeting-other-protocol",
    "RFC 959 s.4.2",
    MUST,
    GET,
    refused,
    Script(b"HTTP/1.0 400 Bad Request\r\n\r\n<html>\r\n"),
    "What answers is no FTP server. A client must say so and not take digits anywhere in a line for a code.",
)
case(
    "greeting-multiline",
    "RFC 1123 s.4.1.2.11",
    MUST,
    GET,
    succeeded,
    Script(b"220-Welcome\r\n220-to this\r\n\r\n   server\r\n220 Ready.\r\n"),
    "A greeting of several lines, an empty one among them. A client that reads one line is out of step from then on.",
)
case(
    "greeting-multiline-padded",
    "RFC 959 s.4.2",
    MUST,
    GET,
    succeeded,
    Script(b"220-Welcome\r\n 331 is no question\r\n  220 is no end\r\n220-220 nor this\r\n220 Ready.\r\n"),
    "Lines inside a greeting hold codes behind a space or a hyphen. A client that ends there is out of step.",
)
case(
    "greeting-multiline-codes",
    "RFC 959 s.4.2",
    SHOULD,
    GET,
    succeeded,
    Script(b"220-Welcome\r\n331 is no question\r\n530 is no end\r\n220 Ready.\r\n"),
    "Lines inside a greeting begin with another code and a space, which the server should have padded; the same code "
    "ends a reply, no other. A client that ends there is out of step with careless servers.",
)
case(
    "greeting-multiline-long",
    "RFC 1123 s.4.1.2.11",
    MUST,
    GET,
    succeeded,
    Script(b"220-Rules\r\n" + b"".join(b"220-rule %d of this house\r\n" % n for n in range(400)) + b"220 Ready.\r\n"),
    "A greeting of 400 lines. A client with a limit must skip the excess and stay in step.",
)
case(
    "greeting-endless",
    "RFC 1123 s.4.1.2.11",
    SHOULD,
    GET,
    refused,
    Script(_endless),
    "A greeting that never ends. A client that reads on for ever hangs, or fills the memory.",
)
case(
    "greeting-utf8",
    "RFC 2640 s.3.1",
    SHOULD,
    GET,
    succeeded,
    Script("220 Grüß Gott, 您好\r\n".encode()),
    "A greeting that is not ASCII. A client that fails to decode it cannot be used there.",
)
case(
    "greeting-latin1",
    "RFC 2640 s.3.1",
    SHOULD,
    GET,
    succeeded,
    Script(b"220 Gr\xfc\xdf Gott\r\n"),
    "A greeting in Latin-1, which is no UTF-8. A client that dies of it cannot use an old server.",
)
case(
    "reply-in-pieces",
    "RFC 959 s.4.2",
    MUST,
    GET,
    succeeded,
    Script(in_pieces=True),
    "Every reply comes octet by octet. A client that takes one read for one reply works on fast networks only.",
)
case(
    "reply-in-pieces-put",
    "RFC 959 s.4.2",
    MUST,
    PUT,
    succeeded,
    Script(in_pieces=True),
    "Every reply to an upload comes octet by octet, with the same danger.",
)
case(
    "reply-without-text",
    "RFC 959 s.4.2",
    MUST,
    GET,
    succeeded,
    Script(b"220 \r\n", {"USER": b"331 \r\n"}),
    "Replies without text; only the code counts.",
)
case(
    "reply-long",
    "RFC 959 s.4.2",
    MUST,
    GET,
    succeeded,
    Script(b"220 " + b"long " * 800 + b"\r\n"),
    "A greeting line of 4,000 octets. No limit is given, and a client with a short buffer gets out of step.",
)
case(
    "reply-text-misleads",
    "RFC 1123 s.4.1.2.11",
    MUST,
    GET,
    succeeded,
    Script(b"220 550 ERROR failed\r\n", {"USER": b"331 230 logged in, no 530 error\r\n"}),
    "Texts hold other codes and bad words. A client must go by the code alone.",
)
case(
    "reply-multiline-login",
    "RFC 1123 s.4.1.2.11",
    MUST,
    GET,
    succeeded,
    Script(answers={"USER": b"331-Who\r\n 230 are you\r\n331 ?\r\n", "PASS": lambda session, _: _welcome(session)}),
    "331 and 230 of several lines. A client that reads one line takes the next for an answer.",
)


def _welcome(session: Session) -> None:
    session.inside = True
    session.say(b"230-Welcome.\r\n 530 is how refusals begin\r\n230-So be polite.\r\n230 In.\r\n")


def _wordy(session: Session, content: bytes) -> None:
    session.say(b"150-Here\r\n 226 is what comes later\r\n150 it comes.\r\n")
    with session.data() as data:
        data.send(content)
    session.say(b"226-All\r\n226-of it was sent.\r\n 226 not yet\r\n226 Done.\r\n")


def _other_codes(session: Session, content: bytes) -> None:
    session.say(b"151 Here.\r\n")
    with session.data() as data:
        data.send(content)
    session.say(b"259 Done.\r\n")


def _login_232(session: Session, argument: bytes) -> None:
    session.inside = True
    session.say(b"232 In.\r\n")


case(
    "reply-multiline-transfer",
    "RFC 1123 s.4.1.2.11",
    MUST,
    GET,
    succeeded,
    Script(retr=_wordy),
    "150 and 226 of several lines. A client that takes the text for the end reports too early.",
)
case(
    "reply-unknown-transfer",
    "RFC 1123 s.4.1.2.11",
    SHOULD,
    GET,
    succeeded,
    Script(retr=_other_codes),
    "151 and 259 in place of 150 and 226. The first digit should do, or other servers' codes break the client.",
)
case(
    "reply-unknown-login",
    "RFC 1123 s.4.1.2.11",
    SHOULD,
    GET,
    succeeded,
    Script(answers={"PASS": _login_232}),
    "232 in place of 230. The first digit should do.",
)
case(
    "reply-garbage",
    "RFC 959 s.4.2",
    MUST,
    GET,
    refused,
    Script(answers={"RETR": b"<html>what?</html>\r\n"}),
    "RETR is answered by what is no reply. A client must fail, and not wait or report success.",
)
case(
    "reply-none",
    "RFC 959 s.5.4",
    SHOULD,
    GET,
    refused,
    Script(answers={"USER": _silent}),
    "USER is never answered. A client without a clock hangs in a script for ever.",
)
case(
    "reply-endless-line",
    "RFC 959 s.4.2",
    SHOULD,
    GET,
    ended,
    Script(answers={"USER": lambda session, _: _flood(session)}),
    "A reply line without an end. A client that reads on for ever hangs, or fills the memory.",
)
case(
    "commands-end-in-crlf",
    "RFC 959 s.5.3",
    MUST,
    GET,
    _by_lines,
    Script(),
    "Every command ends in CR LF. Strict servers never see the end of other lines.",
)
case(
    "commands-in-turn",
    "RFC 959 s.5.4",
    SHOULD,
    GET,
    _in_turn,
    Script(in_pieces=True),
    "No command is sent before the last answer has come; servers with small buffers lose the second one.",
)


def _flood(session: Session) -> None:
    while True:
        session.say(b"331" + b"x" * 65533)


def _close_at(verb: str) -> Script:
    return Script(answers={verb: _hangs_up})


for verb, what in (("USER", "at login"), ("PASS", "after the password"), ("RETR", "instead of the file")):
    case(
        f"closed-at-{verb.lower()}",
        "RFC 1123 s.4.1.2.11",
        MUST,
        GET,
        refused,
        _close_at(verb),
        f"The control connection ends {what}. A client that exits 0 hides that nothing was fetched.",
    )
    case(
        f"421-at-{verb.lower()}",
        "RFC 959 s.5.4",
        MUST,
        GET,
        refused,
        Script(answers={verb: b"421 Going down.\r\n"}, closes_after=verb),
        f"421 comes {what}, and the connection ends. A client that exits 0 hides that nothing was fetched.",
    )


def _no_goodbye(session: Session, _: bytes) -> None:
    session.hold()


case(
    "quit-unanswered",
    "RFC 959 s.4.1.1",
    SHOULD,
    GET,
    succeeded,
    Script(answers={"QUIT": _no_goodbye}),
    "QUIT is never answered. The file is whole, so a client should end soon and well.",
)
case(
    "quit-closed",
    "RFC 959 s.4.1.1",
    SHOULD,
    GET,
    succeeded,
    Script(answers={"QUIT": _hangs_up}),
    "QUIT is answered by closing. The file is whole, so a client should end well.",
)


def _says_goodbye(seen: Seen) -> None:
    succeeded(seen)
    if "QUIT" not in seen.record.verbs():
        raise Failed("closed the connection without QUIT")


case(
    "quit-said",
    "RFC 959 s.4.1.1",
    SHOULD,
    GET,
    _says_goodbye,
    Script(),
    "A client says QUIT before it leaves; without it some servers keep its place until their idle clock ends.",
)
