"""The one table of verbs: a verb is a row, and everything that is said about verbs is derived from the rows.

A row says what a verb takes, what may answer it, and when it may come; what it does is for the server to say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from attrs import evolve, frozen

from ftlite.protocol.arguments import Argument, parse_argument
from ftlite.protocol.errors import BadArgument, BadCommand, BadFacts
from ftlite.protocol.native.requests import Request, parse_request, parse_wait
from ftlite.protocol.text import decode, encode, ends_a_line, printable

#: Replies that any verb may get (RFC 959 s.5.4; 530 wherever a login is needed).
ALWAYS: Final = frozenset({421, 500, 501, 503, 504, 530})
#: Replies of the disk: busy, fault, no room, not there, too large, not a name, not from there.
_DISK: Final = frozenset({450, 451, 452, 550, 552, 553, 554})
#: Replies of a transfer (RFC 959 s.5.4, RFC 1123 s.4.1.2.13, RFC 4217 s.10.2 for 521 and 522).
_DATA: Final = frozenset({125, 150, 226, 250, 425, 426, 521, 522, 551}) | _DISK
#: Replies of a digest, which may take as long as a transfer and is ended by ABOR like one (RFC 959 s.4.1.3).
_DIGEST: Final = frozenset({213, 426, 551}) | _DISK


@frozen
class Verb:
    """One row.

    Attributes:
        name: the verb in capitals.
        argument: the kind of its argument.
        replies: codes that may answer it, besides `ALWAYS`.
        summary: a line for HELP.
        login: it needs a login; without one it gets 530.
        masked: its argument is a secret and stays out of logs.
        feat: its line in FEAT, less the space at the start; for MLST, HASH and FTLITE the first word of it.
        during: it is answered while a transfer runs.
        alias_of: the verb that it is another name of.
        transfer: it uses a data connection.
    """

    name: str
    argument: Argument
    replies: frozenset[int]
    summary: str
    login: bool = True
    masked: bool = False
    feat: str | None = None
    during: bool = False
    alias_of: str | None = None
    transfer: bool = False

    def may_reply(self, code: int) -> bool:
        """Whether `code` may answer this verb."""
        return code in self.replies or code in ALWAYS


def _is(*codes: int) -> frozenset[int]:
    return frozenset(codes)


_A = Argument
_ROWS: Final = (
    # Who: RFC 959 s.4.1.1, RFC 7151 (HOST)
    Verb("USER", _A.TEXT, _is(230, 331), "USER name: begin to log in.", login=False),
    Verb("PASS", _A.SECRET, _is(202, 230), "PASS password: log in.", login=False, masked=True),
    Verb("ACCT", _A.SECRET, _is(202, 230), "ACCT account: not needed here.", login=False, masked=True),
    Verb("HOST", _A.OPTIONAL_TEXT, _is(502), "HOST name: not offered; there is one host here.", login=False),
    Verb("QUIT", _A.NONE, _is(221), "QUIT: end the session.", login=False, during=True),
    Verb("REIN", _A.NONE, _is(120, 220, 502), "REIN: begin again as at the greeting.", login=False),
    Verb("SMNT", _A.OPTIONAL_TEXT, _is(502), "SMNT: not offered.", login=False),
    # How it is kept secret: RFC 2228 s.3, RFC 4217
    Verb("AUTH", _A.MECHANISM, _is(234, 431, 502, 534), "AUTH TLS: encrypt.", login=False, feat="AUTH TLS"),
    Verb("PBSZ", _A.BUFFER, _is(200), "PBSZ 0: needed before PROT.", login=False, feat="PBSZ"),
    Verb("PROT", _A.LEVEL, _is(200, 431, 534, 536), "PROT C|P: data in clear or encrypted.", login=False, feat="PROT"),
    Verb("CCC", _A.NONE, _is(502, 533, 534), "CCC: refused; the control connection stays encrypted.", login=False),
    # Asking: RFC 959 s.4.1.3, RFC 2389, RFC 2640 s.4 (LANG)
    Verb("NOOP", _A.NONE, _is(200), "NOOP: nothing.", login=False, during=True),
    Verb("SYST", _A.NONE, _is(215), "SYST: the kind of system.", login=False),
    Verb("STAT", _A.OPTIONAL_PATH, _DISK | {211, 212, 213}, "STAT [path]: how things stand.", during=True),
    Verb("HELP", _A.OPTIONAL_TEXT, _is(211, 214), "HELP [verb]: this text.", login=False),
    Verb("FEAT", _A.NONE, _is(211), "FEAT: what goes beyond RFC 959.", login=False),
    Verb("OPTS", _A.OPTION, _is(200, 202, 451), "OPTS verb options: choose.", login=False),
    Verb("CLNT", _A.TEXT, _is(200), "CLNT name: who is calling.", login=False, feat="CLNT"),
    Verb("LANG", _A.OPTIONAL_TEXT, _is(502), "LANG: not offered; replies are in English.", login=False),
    # How data travel: RFC 959 s.4.1.2, RFC 2428
    Verb("TYPE", _A.TYPE, _is(200), "TYPE A|I: text or bytes."),
    Verb("MODE", _A.MODE, _is(200), "MODE S: stream, the only one."),
    Verb("STRU", _A.STRUCTURE, _is(200), "STRU F: file, the only one."),
    Verb("ALLO", _A.ALLOCATION, _is(200, 202), "ALLO bytes: how long the next upload is."),
    Verb("PASV", _A.NONE, _is(227, 425, 522), "PASV: wait for a data connection (IPv4)."),
    Verb("EPSV", _A.EPSV, _is(200, 229, 425, 522), "EPSV [1|2|ALL]: wait for a data connection.", feat="EPSV"),
    Verb("PORT", _A.PORT, _is(200), "PORT h1,h2,h3,h4,p1,p2: where to connect for data."),
    Verb("EPRT", _A.EPRT, _is(200, 522), "EPRT |protocol|address|port|: where to connect for data.", feat="EPRT"),
    # Transfers: RFC 959 s.4.1.3, RFC 3659 s.5 (REST) and s.7 (MLSD)
    Verb("RETR", _A.PATH, _DATA, "RETR path: send a file.", transfer=True),
    Verb("STOR", _A.PATH, _DATA, "STOR path: take a file.", transfer=True),
    Verb("STOU", _A.OPTIONAL_PATH, _DATA, "STOU: take a file under a name of its own.", transfer=True),
    Verb("APPE", _A.PATH, _DATA, "APPE path: take bytes for the end of a file.", transfer=True),
    Verb("LIST", _A.LISTING, _DATA, "LIST [path]: a directory, for people.", transfer=True),
    Verb("NLST", _A.LISTING, _DATA, "NLST [path]: names alone.", transfer=True),
    Verb("MLSD", _A.OPTIONAL_PATH, _DATA, "MLSD [path]: a directory, for programs.", transfer=True),
    Verb("REST", _A.OFFSET, _is(350), "REST offset: where the next transfer begins.", feat="REST STREAM"),
    Verb("ABOR", _A.NONE, _is(225, 226), "ABOR: end the running transfer.", login=False, during=True),
    # Names: RFC 959 s.4.1.3, RFC 1123 s.4.1.3.1
    Verb("PWD", _A.NONE, _DISK | {257}, "PWD: the working directory."),
    Verb("CWD", _A.PATH, _DISK | {250}, "CWD path: work there."),
    Verb("CDUP", _A.NONE, _DISK | {200, 250}, "CDUP: work in the directory above."),
    Verb("MKD", _A.PATH, _DISK | {257}, "MKD path: make a directory."),
    Verb("RMD", _A.PATH, _DISK | {250}, "RMD path: remove an empty directory."),
    Verb("DELE", _A.PATH, _DISK | {250}, "DELE path: remove a file."),
    Verb("RNFR", _A.PATH, _DISK | {350}, "RNFR path: rename this ..."),
    Verb("RNTO", _A.PATH, _DISK | {250}, "RNTO path: ... to this."),
    # Facts: RFC 3659, draft-somers-ftp-mfxx
    Verb("MLST", _A.OPTIONAL_PATH, _DISK | {250}, "MLST [path]: the facts of one name.", feat="MLST"),
    Verb("SIZE", _A.PATH, _DISK | {213}, "SIZE path: bytes in a file.", feat="SIZE"),
    Verb("MDTM", _A.MAYBE_TIMED_PATH, _DISK | {213}, "MDTM [time] path: when it changed, or set it.", feat="MDTM"),
    Verb("MFMT", _A.TIMED_PATH, _DISK | {213}, "MFMT time path: set when it changed.", feat="MFMT"),
    Verb("MFF", _A.FACTS_PATH, _DISK | {213}, "MFF facts path: set facts.", feat="MFF modify;UNIX.mode;"),
    # Digests: draft-bryan-ftpext-hash and what came before it
    Verb("HASH", _A.PATH, _DIGEST | {556}, "HASH path: a file's digest, as OPTS HASH says.", feat="HASH"),
    Verb("XSHA256", _A.PATH, _DIGEST | {250}, "XSHA256 path: a file's SHA-256.", feat="XSHA256"),
    Verb("XCRC", _A.PATH, _DIGEST | {250}, "XCRC path: a file's CRC-32.", feat="XCRC"),
    Verb("XMD5", _A.PATH, _DIGEST | {250}, "XMD5 path: a file's MD5.", feat="XMD5"),
    # The native dialect: docs/protocol.md. DONE has no reply of its own; WAIT has a plain form (s.8)
    Verb("DONE", _A.TAGGED, _is(), "DONE tag=n;bytes=n;sha256=hex;: what a native PUT sent.", feat="FTLITE"),
    Verb("WAIT", _A.WAIT, _DISK | {213, 426}, "WAIT [timeout=s;][since=v;][any=1; ]path: until it is published."),
    Verb("SITE", _A.SITE, _DISK | {200, 202, 214}, "SITE CHMOD|UTIME|HELP: what is particular here."),
)
_ALIASES: Final = {
    "XPWD": "PWD",
    "XCWD": "CWD",
    "XCUP": "CDUP",
    "XMKD": "MKD",
    "XRMD": "RMD",
    "GET": "RETR",
    "PUT": "STOR",
}


def _table() -> dict[str, Verb]:
    table = {row.name: row for row in _ROWS}
    for name, meaning in _ALIASES.items():
        table[name] = evolve(
            table[meaning], name=name, alias_of=meaning, feat=None, summary=f"{name}: another name of {meaning}."
        )
    return table


#: Every verb by name, other names of a verb among them (they have `alias_of`).
VERBS: Final[Mapping[str, Verb]] = _table()

#: What may stand behind SITE.
SITE_VERBS: Final[Mapping[str, Verb]] = {
    "CHMOD": Verb("CHMOD", _A.MODE_PATH, _DISK | {200}, "SITE CHMOD mode path: set permissions, in octal."),
    "UTIME": Verb("UTIME", _A.UTIME, _DISK | {200}, "SITE UTIME time path: set when it changed."),
    "HELP": Verb("HELP", _A.OPTIONAL_TEXT, _is(200, 211, 214), "SITE HELP: this text."),
}


@frozen(repr=False)
class Command:
    """A command that was understood.

    Attributes:
        name: the verb as sent, in capitals.
        verb: the row that answers it: for another name of a verb, that verb's own.
        text: the argument as sent, "" when there was none.
        value: the argument's value; its type is with the members of `Argument`. Behind SITE it is a `Command` itself,
            in native mode behind a tag a `Request`.
    """

    name: str
    verb: Verb
    text: str
    value: Any

    @property
    def tag(self) -> int | None:
        """The tag of a tagged command, None for all others."""
        return self.value.tag if isinstance(self.value, Request) else None

    @property
    def request(self) -> Request | None:
        """What a tagged command, or a WAIT with or without a tag, asks for; None for all others."""
        return self.value if isinstance(self.value, Request) else None

    @property
    def shown(self) -> str:
        """The command for logs: printable, secrets masked."""
        return shown(self.name, self.text)

    def __repr__(self) -> str:
        return f"<Command {self.shown}>"  # a traceback must not show a password


def parse_command(line: bytes, native: bool = False) -> Command:
    """The command in `line`, which comes without its end; `native` where the session speaks the native dialect.

    Raises `BadCommand` (500) for an unknown verb, `BadArgument` (501, 504, or what the kind of argument says) with
    the tag of a tagged command, where that could be read.
    """
    name, argument = _split(line)
    row = VERBS.get(name)
    if row is None:
        raise BadCommand(f"'{printable(name[:20])}' is not a command here.")
    verb = VERBS[row.alias_of] if row.alias_of else row
    if native and (request := _parse_tagged(name, argument)) is not None:
        return Command(name, verb, argument, request)
    value = parse_argument(verb.argument, argument)
    if verb.argument is Argument.SITE:
        value = _parse_site(encode(value))
    elif verb.argument is Argument.WAIT:
        value = parse_wait(value)
    return Command(name, verb, argument, value)


def _parse_tagged(name: str, argument: str) -> Request | None:
    try:
        return parse_request(name, argument)
    except BadFacts as error:
        raise BadArgument(f"{name}: {printable(str(error))}.", error.code, tag=error.tag) from error


def _parse_site(line: bytes) -> Command:
    name, argument = _split(line)
    verb = SITE_VERBS.get(name)
    if verb is None:
        raise BadArgument(f"There is no SITE {printable(name[:20])}.", 504)
    return Command(name, verb, argument, parse_argument(verb.argument, argument))


def _split(line: bytes) -> tuple[str, str]:
    name, _, argument = line.partition(b" ")
    return decode(name.upper()), decode(argument)


def shown(name: str, argument: str) -> str:
    """A command for logs: printable, and with a mask for the argument of a verb that carries secrets."""
    row = VERBS.get(name.upper())
    if row is not None and row.masked:
        return f"{name} ****"
    return printable(f"{name} {argument}" if argument else name)


def format_command(name: str, argument: str = "") -> bytes:
    """The bytes of a command, its end included; byte 255 is doubled for Telnet (RFC 854).

    Raises `BadArgument` for CR, LF or NUL in the argument, and for a name that is not letters and digits.
    """
    if not re.fullmatch("[A-Za-z0-9]+", name):
        raise BadArgument(f"'{printable(name)}' is not a verb: a verb is letters and digits")
    if ends_a_line(argument):
        raise BadArgument(f"{shown(name, argument)}: CR, LF and NUL cannot be sent")
    line = f"{name} {argument}" if argument else name
    return encode(line).replace(b"\xff", b"\xff\xff") + b"\r\n"


_HTTP_LINE: Final = re.compile(rb" HTTP/1\.[0-9]\s*\Z")
_HTTP_VERBS: Final = frozenset({b"GET", b"PUT", b"POST", b"HEAD", b"OPTIONS", b"CONNECT", b"PATCH"})


def looks_like_http(line: bytes, logged_in: bool) -> bool:
    """Whether a browser, or somebody through one, is at the other end and the connection should end at once.

    A line that ends in ``HTTP/1.x`` always does; an HTTP verb does before a login, where GET and PUT mean nothing else.
    """
    if _HTTP_LINE.search(line):
        return True
    return not logged_in and line.partition(b" ")[0].upper() in _HTTP_VERBS
