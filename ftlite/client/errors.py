"""What a failure means to whoever asked. One outcome each; the command line's one table turns outcomes into exit codes.

`from_reply` is the only place that reads meaning into a stock server's refusal, `from_refusal` into a native one's,
`from_net` and `from_mover` the only ones that do so for a broken connection. OSError of the local disk becomes
`from_os_error`.
"""

from __future__ import annotations

import enum
import errno
import re

from ftlite.movers import errors as movers
from ftlite.net import errors as net
from ftlite.protocol.replies import Reply
from ftlite.protocol.text import printable


class Outcome(enum.Enum):
    """The classes of failure that a script tells apart."""

    NOT_FOUND = "not-found"
    DENIED = "denied"
    LOGIN = "login"
    CONNECT = "connect"
    TLS = "tls"
    PIN = "pin"
    TIMEOUT = "timeout"
    INTEGRITY = "integrity"
    PARTIAL = "partial"
    EXISTS = "exists"
    NO_ROOM = "no-room"
    FAILED = "failed"
    USAGE = "usage"
    PROTOCOL = "protocol"
    OTHER = "other"


class ClientError(Exception):
    """Something asked of the client was not done.

    Attributes:
        outcome: the class of failure.
        message: one sentence that names the thing and the cause; printable, whatever a server sent.
        remedy: what a person can do about it; may be empty.
        reply: the server's refusal, when there was one.
        transient: trying again, unchanged, can heal it.
    """

    def __init__(
        self,
        outcome: Outcome,
        message: str,
        *,
        remedy: str = "",
        reply: Reply | None = None,
        transient: bool = False,
    ) -> None:
        self.outcome = outcome
        self.message = printable(message)
        self.remedy = printable(remedy)
        self.reply = reply
        self.transient = transient
        super().__init__(f"{self.message}; {self.remedy}" if remedy else self.message)


class Unsupported(ClientError):
    """The server cannot do this at all; asking again, or for another name, is pointless."""

    def __init__(self, message: str, *, remedy: str = "", reply: Reply | None = None) -> None:
        super().__init__(Outcome.OTHER, message, remedy=remedy, reply=reply)


class CannotRestart(ClientError):
    """The server would not begin a transfer in the middle of a file; `refusal` is what its answer means otherwise."""

    def __init__(self, refusal: ClientError) -> None:
        super().__init__(
            refusal.outcome, refusal.message, remedy=refusal.remedy, reply=refusal.reply, transient=refusal.transient
        )


#: Codes with one meaning, whatever the text says (RFC 959 s.4.2.2, RFC 2228 s.5, RFC 4217).
_CODES: dict[int, Outcome] = {
    332: Outcome.LOGIN,
    421: Outcome.CONNECT,
    425: Outcome.CONNECT,
    430: Outcome.LOGIN,
    431: Outcome.TLS,
    452: Outcome.NO_ROOM,
    521: Outcome.TLS,
    522: Outcome.TLS,
    530: Outcome.LOGIN,
    532: Outcome.LOGIN,
    533: Outcome.TLS,
    534: Outcome.TLS,
    535: Outcome.TLS,
    536: Outcome.TLS,
    537: Outcome.TLS,
    552: Outcome.NO_ROOM,
}
_TRANSIENT = frozenset({421, 425, 426, 434, 450, 451})
#: Codes that say "not done" and leave the reason to their text (RFC 959 s.4.2.2).
_TOLD_BY_TEXT = frozenset({426, 450, 451, 501, 550, 551, 553})
#: What such texts say; the first match wins. Servers differ in words, few in more than these.
_WORDS: tuple[tuple[str, Outcome], ...] = (
    (r"no right to", Outcome.DENIED),
    (r"no space|disk (is )?full|no room|quota|(insufficient|not enough|out of) (disk |storage )?(space|storage)",
     Outcome.NO_ROOM),
    (r"no such|not found|(n['o]t|cannot) exist|(cannot|can't|could not|couldn't|unable to) find|unknown file"
     r"|not a directory|not a regular|not a plain|not retrievable", Outcome.NOT_FOUND),
    (r"permission|permitted|denied|not allowed|may not|privilege|forbidden|prohibited|read.only|authori[sz]ed"
     r"|no access|outside|leads out|not followed|is the root|reserved", Outcome.DENIED),
    (r"already (exists|there|in)|\bexists\b|not empty", Outcome.EXISTS),
    (r"name (is )?(too long|invalid|not valid)|(invalid|not a valid|illegal) ((file|path|directory) ?)?name"
     r"|name is longer|syntax is incorrect|is inside of", Outcome.USAGE),
)  # fmt: skip
_READING = frozenset(
    {"RETR", "GET", "WAIT", "SIZE", "MDTM", "MLST", "MLSD", "LIST", "NLST", "CWD", "DELE", "RMD", "RNFR", "HASH",
     "MFMT", "SITE"}
)  # fmt: skip
_IS_DIRECTORY = r"\bis a directory|^a directory"
_TLS_REMEDY = "the server and this client disagree about encryption; see --tls"


def meaning(code: int, text: str, command: str = "") -> Outcome | None:
    """What a 4xx or 5xx reply to `command` says; None when it says no more than that nothing was done."""
    if code == 521 and command == "MKD":
        return Outcome.EXISTS  # RFC 959 app. II, older than the 521 of RFC 4217 s.10.2
    if code == 552 and command in ("LIST", "NLST", "MLSD"):
        return None  # too much to list, which is no lack of room
    if code in _CODES:
        return _CODES[code]
    if code in _TOLD_BY_TEXT:
        if re.search(_IS_DIRECTORY, text, re.I):  # compiled when the first is looked for: most runs see none
            return Outcome.USAGE if command in _READING else Outcome.EXISTS
        for words, outcome in _WORDS:
            if re.search(words, text, re.I) and (code != 426 or outcome is Outcome.NO_ROOM):
                return outcome
    if code == 426:
        return Outcome.PARTIAL
    return Outcome.PROTOCOL if 500 <= code <= 504 else None


def outcome_of(code: int, text: str, command: str = "") -> Outcome:
    """`meaning`; for a 550 or 553 without one what is likely: nothing there to read, no right to write."""
    told = meaning(code, text, command)
    if told is not None:
        return told
    if code in (550, 553):
        return Outcome.NOT_FOUND if command in _READING else Outcome.DENIED
    return Outcome.OTHER


def reason(reply: Reply, thing: str) -> str:
    """The text of `reply` without the name that it is about: a file may be called "permission denied"."""
    text = reply.text
    for name in {thing, printable(thing)} - {""}:
        escaped = re.escape(name)
        rest = re.sub(rf"\A(?:.*?[\s/\"'`])??{escaped}[\"'`]?:\s*", "", text, count=1, flags=re.S)
        rest = re.sub(rf":\s+(?:\S*/)?[\"'`]?{escaped}[\"'`.]*\Z", "", rest, flags=re.S)
        text = re.sub(rf"([\"'`])(?:\S*/)?{escaped}\1", "", rest).strip() or text
    return text


def says_unsupported(reply: Reply) -> bool:
    """The server does not know this verb or parameter, or does nothing for it (RFC 959 s.4.2.2: 202, 500, 502, 504)."""
    return reply.code in (202, 500, 501, 502, 504)


def from_reply(thing: str, command: str, reply: Reply) -> ClientError:
    """The error for a final reply that is no success; `thing` names what it was about."""
    outcome = outcome_of(reply.code, reason(reply, thing), command)
    said = " ".join(reason(reply, thing).split()).rstrip(".") or "refused"
    message = f"{thing}: {said} ({command}: {reply.code})"
    remedy = _TLS_REMEDY if outcome is Outcome.TLS else ""
    return ClientError(outcome, message, remedy=remedy, reply=reply, transient=reply.code in _TRANSIENT)


#: What the kinds of a native refusal mean (docs/protocol.md s.4), and whether the same again can heal it.
_KINDS: dict[str, tuple[Outcome, bool]] = {
    "no-data": (Outcome.CONNECT, True),
    "aborted": (Outcome.PARTIAL, True),
    "lost": (Outcome.PARTIAL, True),
    "truncated": (Outcome.PARTIAL, True),
    "stalled": (Outcome.TIMEOUT, True),
    "busy": (Outcome.OTHER, True),
    "too-many": (Outcome.OTHER, True),
    "timeout": (Outcome.TIMEOUT, False),
    "integrity": (Outcome.INTEGRITY, True),
    "changed": (Outcome.INTEGRITY, True),
    "fault": (Outcome.OTHER, True),
    "no-room": (Outcome.NO_ROOM, False),
    "quota": (Outcome.NO_ROOM, False),
    "too-large": (Outcome.NO_ROOM, False),
    "too-much": (Outcome.NO_ROOM, False),
    "bad-fact": (Outcome.PROTOCOL, False),
    "bad-tag": (Outcome.PROTOCOL, False),
    "malformed": (Outcome.INTEGRITY, False),
    "not-found": (Outcome.NOT_FOUND, False),
    "not-directory": (Outcome.NOT_FOUND, False),
    "not-plain": (Outcome.NOT_FOUND, False),
    "denied": (Outcome.DENIED, False),
    "outside": (Outcome.DENIED, False),
    "unsafe": (Outcome.INTEGRITY, False),
    "read-only": (Outcome.DENIED, False),
    "bad-name": (Outcome.USAGE, False),
    "is-directory": (Outcome.EXISTS, False),
    "exists": (Outcome.EXISTS, False),
    "not-empty": (Outcome.EXISTS, False),
    "foreign": (Outcome.EXISTS, False),
    "failed": (Outcome.FAILED, False),
}


def from_refusal(thing: str, command: str, kind: str, reply: Reply) -> ClientError:
    """The error for a native refusal of `kind`; `reply` is its code and what it says to people."""
    if kind not in _KINDS and kind not in ("unsupported", "bad-offset"):
        return from_reply(thing, command, reply)
    said = " ".join(reason(reply, thing).split()).rstrip(".") or "refused"
    message = f"{thing}: {said} ({command}: {reply.code} {kind})"
    if kind == "unsupported":
        return Unsupported(message, reply=reply)
    if kind == "bad-offset":
        return CannotRestart(ClientError(Outcome.PROTOCOL, message, reply=reply))
    outcome, transient = _KINDS[kind]
    if kind == "is-directory" and command in _READING:
        outcome = Outcome.USAGE
    return ClientError(outcome, message, reply=reply, transient=transient)


_NET: dict[net.Kind, tuple[Outcome, bool]] = {
    net.Kind.NAME: (Outcome.CONNECT, False),
    net.Kind.REFUSED: (Outcome.CONNECT, True),
    net.Kind.UNREACHABLE: (Outcome.CONNECT, True),
    net.Kind.TLS: (Outcome.TLS, False),
    net.Kind.PIN: (Outcome.PIN, False),
    net.Kind.TIMEOUT: (Outcome.TIMEOUT, True),
    net.Kind.LOST: (Outcome.PARTIAL, True),
    net.Kind.TRUNCATED: (Outcome.PARTIAL, True),
    net.Kind.WRONG_PEER: (Outcome.CONNECT, False),
    net.Kind.NO_PORT: (Outcome.CONNECT, True),
    net.Kind.PROXY: (Outcome.CONNECT, False),
    net.Kind.FAULT: (Outcome.OTHER, False),
}


def from_net(thing: str, error: net.NetError) -> ClientError:
    """The error for a connection that did not come about, or broke."""
    outcome, transient = _NET[error.kind]
    message = str(error)
    return ClientError(outcome, message if thing in message else f"{thing}: {message}", transient=transient)


_MOVER: dict[movers.Kind, Outcome] = {
    movers.Kind.STALLED: Outcome.TIMEOUT,
    movers.Kind.LOST: Outcome.PARTIAL,
    movers.Kind.TRUNCATED: Outcome.PARTIAL,
    movers.Kind.TOO_LONG: Outcome.PROTOCOL,
    movers.Kind.CHANGED: Outcome.INTEGRITY,
}


def from_mover(thing: str, error: movers.MoverError) -> ClientError:
    """The error for bytes that stopped on their way."""
    outcome = _MOVER[error.kind]
    return ClientError(outcome, f"{thing}: {error}", transient=error.kind is not movers.Kind.TOO_LONG)


_ERRNO: dict[int, Outcome] = {
    errno.ENOENT: Outcome.NOT_FOUND,
    errno.ENOTDIR: Outcome.NOT_FOUND,
    errno.EACCES: Outcome.DENIED,
    errno.EPERM: Outcome.DENIED,
    errno.EROFS: Outcome.DENIED,
    errno.EEXIST: Outcome.EXISTS,
    errno.ENOTEMPTY: Outcome.EXISTS,
    errno.EISDIR: Outcome.EXISTS,
    errno.ENOSPC: Outcome.NO_ROOM,
    errno.EDQUOT: Outcome.NO_ROOM,
}


def from_os_error(thing: str, error: OSError) -> ClientError:
    """The error for the local disk, in our words."""
    outcome = _ERRNO.get(error.errno or 0, Outcome.OTHER)
    return ClientError(outcome, f"{thing} (local): {(error.strerror or 'input/output error').lower()}")
