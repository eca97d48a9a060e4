"""Ways in which a server breaks the RFCs, each with the case that claims to notice it.

Most are mistakes that servers in the field have made. A fault is planted in our own handlers and tables; where it is no
more than a wrong word on the control connection, in what goes out there.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

import pytest
import trio
from attrs import evolve

from ftlite.net import passive
from ftlite.net.wire import Wire
from ftlite.protocol import arguments, listings, replies, states
from ftlite.protocol.entries import Entry
from ftlite.protocol.facts import format_time
from ftlite.protocol.listings import MLSX_FACTS, mlsx_line
from ftlite.protocol.native.tags import Event, Tags
from ftlite.protocol.replies import Reply, reply
from ftlite.server import data, listing, native, session
from ftlite.server.call import Call
from ftlite.server.channel import Channel
from ftlite.server.handlers import info, names, ports, transfers
from ftlite.server.handlers.native import uploads
from ftlite.server.tagged import Tagged
from ftlite.trees import unpack
from tests.conformance_server.tools import Fault, both, demands_nothing, handles, says, sets, wraps

_HOUR = 3600 * 1_000_000_000


async def _yes(call: Call) -> Reply:
    call.session.free_port()
    return reply(200, "Noted.")


async def _never_in(call: Call) -> Reply:
    return reply(530, "No.")


async def _asks_ann_alone(call: Call, right: Any) -> Reply:
    answer: Reply = await right(call)
    return answer if call.command.value == "ann" else reply(530, "Nobody of that name.")


async def _stays_logged_in(call: Call) -> Reply:
    await call.session.make_context()
    return reply(234, "Go ahead with TLS.")


async def _nothing_in_it(call: Call) -> Reply:
    """An empty listing, of whatever it is."""
    with await data.data_connection(call, "Here it comes.") as link:
        await link.send(b"")
    return reply(226, "That was all.")


def _digests_by_name(patch: pytest.MonkeyPatch) -> None:
    """Digests that are kept by name alone."""
    kept: dict[str, Reply] = {}

    async def first(call: Call, right: Any) -> Reply:
        if call.path() not in kept:
            kept[call.path()] = await right(call)
        return kept[call.path()]

    wraps("HASH", first)(patch)


async def _typed(call: Call, right: Any) -> Reply:
    """A digest of what TYPE A would send."""
    answer: Reply = await right(call)
    if call.session.dialogue.type_ == "A":
        return reply(answer.code, answer.first.translate(str.maketrans("0123456789", "1234567890")))
    return answer


async def _modify_first(call: Call, right: Any) -> Reply:
    """MFF that sets what it can, and then looks at the rest."""
    facts, name = call.command.value
    if "Modify" in facts and len(facts) > 1:
        await names._set_time(call, call.path(name), names.parse_time(facts["Modify"]))
    answer: Reply = await right(call)
    return answer


async def _published_at_once(call: Call, right: Any) -> Reply:
    """STOR that makes the file before anything has come."""
    place = await call.on_disk(lambda: transfers._begun(call, call.store.begin, call.path()))
    with place.place:
        await call.on_disk(lambda: call.store.publish(place, lambda: call.judge(call.path()), replace=True))
    answer: Reply = await right(call)
    return answer


def _line(**changes: Any) -> Any:
    """MLSx lines of entries that are changed so."""

    def line(entry: Entry, facts: Any = MLSX_FACTS) -> str:
        return mlsx_line(evolve(entry, **{key: make(entry) for key, make in changes.items()}), facts)

    return line


def _other_line(make: Any) -> Any:
    return lambda entry, facts=MLSX_FACTS: make(mlsx_line(entry, facts))


def _raw_names(patch: pytest.MonkeyPatch) -> None:
    """Line ends in names go out as they are."""
    patch.setattr(listings, "_shown", lambda name: name)
    patch.setattr(replies, "_FORBIDDEN", {})
    patch.setattr(replies, "_MISTAKABLE", replies.re.compile("never"))


_parse_time = arguments.parse_time


def _bars_only(patch: pytest.MonkeyPatch) -> None:
    bar = states.Demand(lambda _, command: command.text.startswith("|"), 501, "Use the bar.")
    patch.setitem(states.DEMANDS, "EPRT", (bar,))  # type: ignore[arg-type]


def _keeps_what_came_in_clear(patch: pytest.MonkeyPatch) -> None:
    """A buffer of the control connection that outlives the handshake."""
    secure = Channel.secure

    async def keeping(self: Channel, context: Any) -> None:
        before = self._lines
        await secure(self, context)
        self._lines = before

    patch.setattr(Channel, "secure", keeping)
    patch.setattr(Channel, "leftover", False)


def _cut_is_an_end(patch: pytest.MonkeyPatch) -> None:
    secure = Wire.secure

    async def lenient(sock: socket.socket, context: Any, **options: Any) -> Wire:
        return await secure(sock, context, **{**options, "require_close_notify": False})

    patch.setattr(Wire, "secure", lenient)


def _no_close_notify(self: Wire) -> bool:
    with suppress(OSError):
        socket.socket.shutdown(self.socket, socket.SHUT_WR)
    return True


def _clear_too(patch: pytest.MonkeyPatch) -> None:
    """Data in clear are taken under PROT P."""
    secured = data._secured

    async def either(call: Call, sock: socket.socket) -> Wire:
        await trio.lowlevel.wait_readable(sock)
        return Wire(sock) if sock.recv(1, socket.MSG_PEEK) != b"\x16" else await secured(call, sock)

    patch.setattr(data, "_secured", either)


async def _in_clear(call: Call, sock: socket.socket) -> Wire:
    return Wire(sock)


def _login_outlives_auth(patch: pytest.MonkeyPatch) -> None:
    handles("AUTH", _stays_logged_in)(patch)
    patch.setattr(states.ServerDialogue, "secure", lambda self: setattr(self, "secured", True))


def _directory_outlives_auth(patch: pytest.MonkeyPatch) -> None:
    kept: list[str] = []

    async def keeps(call: Call, right: Any) -> Reply:
        kept.append(call.session.cwd)
        answer: Reply = await right(call)
        return answer

    async def gives_back(call: Call, right: Any) -> Reply:
        answer: Reply = await right(call)
        if kept:
            call.session.cwd = kept.pop()
        return answer

    wraps("AUTH", keeps)(patch)
    wraps("PASS", gives_back)(patch)


def _one_for_all(patch: pytest.MonkeyPatch) -> None:
    """What OPTS sets holds for everybody."""
    shared = session.Options()
    patch.setattr(session, "Options", lambda: shared)


def _takes_any_digest(patch: pytest.MonkeyPatch) -> None:
    async def only_wait(tagged: Tagged, offset: int, moved: int, digest: str) -> None:
        await uploads.stated(tagged)

    patch.setattr(uploads, "_compare", only_wait)


async def _not_even_wait(tagged: Tagged, offset: int, moved: int, digest: str) -> None:
    tagged.state.step(Event.DONE)


def _rest_stays(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(states.KEEPS, "restart", frozenset(states.KEEPS["restart"] | {"RETR"}))  # type: ignore[index]


def _rest_is_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(transfers, "_restart", lambda call: 0)
    handles("RETR", transfers.retrieve)(patch)


#: What is wrong -> how, and which case notices.
FAULTS: dict[str, Fault] = {
    # the grammar of replies
    "257 without quotes": Fault("reply-pwd-quoted", says(rb'^257 "([^"]*)"', rb"257 \1")),
    "features not indented": Fault("reply-feat-lines", says(rb"^ (?=[A-Z])", b"")),
    "a name on the disk splits a reply": Fault("stat-newline-in-name", _raw_names),
    "a name on the disk splits a listing": Fault("mlsd-newline-in-name", _raw_names),
    "bare LF in replies": Fault("reply-grammar", says(rb"\r\n", b"\n")),
    # transfers
    "226 before the upload has ended": Fault(
        "data-final-reply-late", says(rb"^150 Send it\.\r$", b"150 Go.\r\n226 Done.\r")
    ),
    "226 twice": Fault("data-one-final-reply", says(rb"^226 (.*)\r$", rb"226 \1\r\n226 \1\r")),
    "an upload has its name before its end": Fault("store-unfinished-hidden", wraps("STOR", _published_at_once)),
    "REST is passed over": Fault("rest-retr", _rest_is_nothing),
    "REST counts for ever": Fault("state-rest-forgotten", _rest_stays),
    "REST is not in FEAT": Fault("rest-feat", says(rb"^ REST STREAM\r\n", b"")),
    # addresses
    "PASV names another host": Fault(
        "passive-own-host", sets(ports, "format_pasv", lambda host, port: f"Go (127,0,0,9,{port >> 8},{port & 255}).")
    ),
    "PASV after EPSV ALL": Fault("epsv-all-refuses-pasv", demands_nothing("PASV")),
    "PORT after EPSV ALL": Fault("epsv-all-refuses-port", both(demands_nothing("PORT"), handles("PORT", _yes))),
    "EPRT after EPSV ALL": Fault("epsv-all-refuses-eprt", both(demands_nothing("EPRT"), handles("EPRT", _yes))),
    "229 with an address": Fault("epsv-form", sets(ports, "format_epsv", lambda port: f"Go (|1|127.0.0.1|{port}|)")),
    "522 is 501": Fault("epsv-unknown-protocol", says(rb"^522 ", b"501 ")),
    "EPRT knows the bar alone": Fault("eprt-any-delimiter", _bars_only),
    "PORT to strangers": Fault("bounce-port", handles("PORT", _yes)),
    "EPRT to strangers": Fault("bounce-eprt", handles("EPRT", _yes)),
    "PORT below 1024": Fault("bounce-low-port", handles("PORT", _yes)),
    "passive ports open to everybody": Fault("theft-of-download", sets(passive, "comparable", lambda host: "anybody")),
    # logins
    "names of users are told apart": Fault("login-user-unknown", wraps("USER", _asks_ann_alone)),
    "passwords may be tried for ever": Fault("guessing-ends", handles("PASS", _never_in)),
    # times, sizes, facts
    "SIZE is off by one": Fault("size-exact", says(rb"^213 (\d+)\r$", lambda found: b"213 %d\r" % (int(found[1]) + 1))),
    "SIZE counts bytes in TYPE A": Fault("size-type-a", says(rb"^550 SIZE is answered.*\r$", b"213 14\r")),
    "MDTM in local time": Fault("mdtm-utc", sets(names, "format_time", lambda ns: format_time(ns + 5 * _HOUR))),
    "MFMT in local time": Fault("mfmt-sets", sets(arguments, "parse_time", lambda text: _parse_time(text) - 5 * _HOUR)),
    "MFF sets what it can": Fault("mff-all-or-nothing", wraps("MFF", _modify_first)),
    "MLST without a blank": Fault("mlst-form", says(rb"^ (?=type=)", b"")),
    "MLST says file of a directory": Fault("mlst-directory", says(rb"^ type=dir;", b" type=file;")),
    "MLSD with paths": Fault(
        "mlsd-bare-names", sets(listing, "mlsx_line", _line(name=lambda entry: f"dir/{entry.name}"))
    ),
    "MLSD with a bare name": Fault("mlsd-form", sets(listing, "mlsx_line", lambda entry, facts: entry.name)),
    "MLSD without the last semicolon": Fault(
        "mlsd-form", sets(listing, "mlsx_line", _other_line(lambda line: line.replace("; ", " ")))
    ),
    "one unique for all": Fault("mlsd-unique", sets(listing, "mlsx_line", _line(unique=lambda entry: "1"))),
    "letters that perm has not": Fault(
        "mlsd-perm-letters", sets(listing, "mlsx_line", _line(perm=lambda entry: "rwx"))
    ),
    "MLSD of a file is empty": Fault("mlsd-of-file", handles("MLSD", _nothing_in_it)),
    "OPTS MLST changes nothing": Fault("opts-mlst-choose", sets(info, "choose_facts", lambda wanted: MLSX_FACTS)),
    "FEAT does not see OPTS MLST": Fault(
        "opts-mlst-in-feat", sets(info, "mlst_feature", lambda facts: listings.mlst_feature(MLSX_FACTS))
    ),
    "OPTS MLST for everybody": Fault("opts-mlst-own-session", _one_for_all),
    # digests
    "wrong digests": Fault("hash-right", says(rb"^(213 \S+ \S+ )[0-9a-f]{4}", rb"\g<1>0000")),
    "digests of what was there before": Fault("hash-of-new-content", _digests_by_name),
    "no asterisk in FEAT's HASH": Fault("hash-feat", says(rb"\*(?=[;\r])", b"")),
    "HASH in TYPE A is of another text": Fault("hash-any-type", wraps("HASH", _typed)),
    "wrong XCRC": Fault("x-digests-right", says(rb"^250 [0-9A-F]{8}\r$", b"250 00000000\r")),
    # TLS
    "commands in clear behind AUTH": Fault("tls-injection", _keeps_what_came_in_clear),
    "USER in clear behind AUTH": Fault("tls-injection-login", _keeps_what_came_in_clear),
    "a login in clear outlives AUTH": Fault("tls-auth-ends-login", _login_outlives_auth),
    "the directory in clear outlives AUTH": Fault("auth-begins-afresh", _directory_outlives_auth),
    "a handshake that failed is a 425": Fault("data-tls-garbage-522", says(rb"^522 ", b"425 "), tls=True),
    "AUTH inside TLS": Fault("tls-auth-again", says(rb"^503 The session is encrypted already", b"234 Again"), tls=True),
    "no PROT in FEAT": Fault("tls-feat", says(rb"(?m)^ PROT\r\n", b"")),
    "no TLS behind FEAT's AUTH": Fault("tls-feat-mechanism", says(rb"(?m)^ AUTH TLS\r", b" AUTH GSSAPI\r")),
    "PROT P in clear": Fault("prot-in-clear", demands_nothing("PROT")),
    "CCC is granted and not done": Fault("ccc", says(rb"^533 ", b"200 "), tls=True),
    "QUIT without close_notify": Fault("tls-quit-close-notify", sets(Wire, "_tell_end", _no_close_notify), tls=True),
    "downloads without close_notify": Fault(
        "data-tls-close-notify", sets(Wire, "_tell_end", _no_close_notify), tls=True
    ),
    "a cut upload is whole": Fault("data-tls-truncated", _cut_is_an_end, tls=True),
    "a cut native upload is whole": Fault("data-native-cut", _cut_is_an_end, tls=True),
    "data in clear under PROT P": Fault("data-tls-there-and-back", sets(data, "_secured", _in_clear), tls=True),
    "uploads in clear under PROT P": Fault("data-tls-clear-upload", _clear_too, tls=True),
    # the native dialect
    "any proof is right": Fault("data-line-forged", sets(native, "proves", lambda *_: True)),
    "tags may be used again": Fault("tag-used-once", sets(Tags, "take", lambda self, tag: True)),
    "any digest is right": Fault("native-put-wrong-digest", _takes_any_digest),
    "a native upload has its name before DONE": Fault(
        "native-put-not-before-done", sets(uploads, "_compare", _not_even_wait)
    ),
    "no digest in the last reply": Fault("native-get", says(rb"sha256=[0-9a-f]+;", b"")),
    "absent is not looked for": Fault(
        "native-put-if-absent", says(rb"^553 (tag=\d+;)kind=exists; .*\r$", rb"226 \1bytes=0; ok\r")
    ),
    "an archive writes outside": Fault("tree-dot-dot", sets(unpack, "check_path", lambda path: None)),
    "an archive links outside": Fault("tree-link-absolute", sets(unpack, "check_link", lambda path, target: False)),
}
