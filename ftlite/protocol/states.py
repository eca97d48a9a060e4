"""The order of commands on a server's control connection. The tables are the rule; the code only walks them.

`ServerDialogue` holds what a session remembers between commands. Before a command runs, `DEMANDS` says whether it may
come now; when it has been answered, `LOGIN` moves the login, `EFFECTS` remembers what it set, and `KEEPS` says which
half-finished matters (RNFR, REST) outlive it. The client's end of the connection is in `ftlite.protocol.pairing`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import frozen

from ftlite.protocol.arguments import TransferType
from ftlite.protocol.errors import OutOfStep
from ftlite.protocol.native.requests import ENDS_NATIVE, AbortRequest
from ftlite.protocol.native.values import read_tag
from ftlite.protocol.replies import Reply, reply
from ftlite.protocol.verbs import Command


class Login(enum.Enum):
    """How far the login is (RFC 959 s.6)."""

    NEW = "new"
    NAMED = "named"  #: USER was accepted, PASS is due
    IN = "in"


class Plan(enum.Enum):
    """Who will open the next data connection."""

    NONE = "none"
    PASSIVE = "passive"  #: the client, to a port that we named
    ACTIVE = "active"  #: we, to an address that the client named


@frozen
class DataPlan:
    """How the next data connection comes about; `address` is (host, port) for an active one."""

    kind: Plan = Plan.NONE
    address: tuple[str, int] | None = None


@frozen
class Demand:
    """What must hold before a verb may run, and the reply when it does not."""

    holds: Callable[[ServerDialogue, Command], bool]
    code: int
    text: str


_TRANSFER: Final = (
    Demand(lambda d, _: d.protection == "P" or not d.protect_data, 521, "Encrypt data first: PBSZ 0, then PROT P."),
    Demand(lambda d, _: d.data.kind is not Plan.NONE, 425, "Say how data travels first: EPSV, PASV, EPRT or PORT."),
)
_WHOLE: Final = (Demand(lambda d, _: not d.restart, 503, "REST goes with RETR and STOR only."), *_TRANSFER)
_SECURED: Final = Demand(lambda d, _: d.secured, 503, "Encrypt the session first: AUTH TLS.")
_NOT_EPSV_ONLY: Final = Demand(lambda d, _: not d.epsv_only, 503, "After EPSV ALL there is only EPSV.")

_NATIVE_OFFER: Final = "FTLITE"  #: the name that OPTS turns the native dialect on by (docs/protocol.md s.2)

#: Verb -> what it asks for, in order; the first demand that does not hold is the answer. RFC 959 s.5.4 and s.6, RFC
#: 2428 s.4 (EPSV ALL), RFC 2228 s.3 and RFC 4217 s.9 (PBSZ before PROT, both on a secured connection). A second AUTH
#: would put TLS into TLS. REIN would have to end TLS and go on in clear (RFC 4217 s.13), which nothing here ever does.
DEMANDS: Final[Mapping[str, tuple[Demand, ...]]] = {
    "USER": (Demand(lambda d, _: d.secured or not d.tls_required, 530, "Encrypt the session first: AUTH TLS."),),
    "PASS": (Demand(lambda d, _: d.login is Login.NAMED, 503, "Give a name first: USER."),),
    "ACCT": (Demand(lambda d, _: d.login is Login.IN, 503, "Log in first: USER and PASS."),),
    "REIN": (Demand(lambda d, _: not d.secured, 502, "An encrypted session is not begun again: QUIT and connect."),),
    "AUTH": (Demand(lambda d, _: not d.secured, 503, "The session is encrypted already."),),
    "PBSZ": (_SECURED,),
    "PROT": (
        _SECURED,
        Demand(lambda d, _: d.pbsz, 503, "PBSZ 0 comes before PROT."),
        Demand(lambda d, c: c.value == "P" or not d.protect_data, 534, "Data must be encrypted here: PROT P."),
    ),
    "PASV": (_NOT_EPSV_ONLY,),
    "PORT": (_NOT_EPSV_ONLY,),
    "EPRT": (_NOT_EPSV_ONLY,),
    "RNTO": (Demand(lambda d, _: d.rename_from is not None, 503, "Say what to rename first: RNFR."),),
    "RETR": _TRANSFER,
    "STOR": _TRANSFER,
    "STOU": _WHOLE,
    "APPE": _WHOLE,
    "LIST": _TRANSFER,
    "NLST": _TRANSFER,
    "MLSD": _TRANSFER,
    "OPTS": (
        Demand(lambda d, c: d.login is Login.IN or not _to_native(c), 530, "Log in first: USER and PASS."),
        Demand(
            lambda d, c: d.protection == "P" or not d.protect_data or not _to_native(c),
            503,
            "Encrypt data first: PBSZ 0, then PROT P.",
        ),
    ),
    "DONE": (Demand(lambda _, __: False, 503, "DONE belongs to the native dialect: OPTS FTLITE 1."),),
}

#: (verb, code of its final reply) -> where the login goes; anything else leaves it where it is. USER begins afresh at
#: any time (RFC 959 s.4.1.1), so a refused one ends the login that was. AUTH moves it too, in `ServerDialogue.secure`.
LOGIN: Final[Mapping[Login, Mapping[tuple[str, int], Login]]] = {
    Login.NEW: {
        ("USER", 230): Login.IN,
        ("USER", 331): Login.NAMED,
    },
    Login.NAMED: {
        ("USER", 230): Login.IN,
        ("USER", 331): Login.NAMED,
        ("USER", 530): Login.NEW,
        ("PASS", 202): Login.IN,
        ("PASS", 230): Login.IN,
        ("PASS", 421): Login.NEW,
        ("PASS", 530): Login.NEW,
        ("REIN", 220): Login.NEW,
    },
    Login.IN: {
        ("USER", 230): Login.IN,
        ("USER", 331): Login.NAMED,
        ("USER", 530): Login.NEW,
        ("REIN", 220): Login.NEW,
    },
}

#: (verb, code of its final reply) -> what to remember: attribute, and its value made of the command's value.
EFFECTS: Final[Mapping[tuple[str, int], tuple[str, Callable[[Any], Any]]]] = {
    ("USER", 230): ("user", str),
    ("USER", 331): ("user", str),
    ("TYPE", 200): ("type_", TransferType),
    ("PBSZ", 200): ("pbsz", lambda _: True),
    ("PROT", 200): ("protection", str),
    ("PASV", 227): ("data", lambda _: DataPlan(Plan.PASSIVE)),
    ("EPSV", 229): ("data", lambda _: DataPlan(Plan.PASSIVE)),
    ("EPSV", 200): ("epsv_only", lambda _: True),
    ("PORT", 200): ("data", lambda address: DataPlan(Plan.ACTIVE, address)),
    ("EPRT", 200): ("data", lambda address: DataPlan(Plan.ACTIVE, address)),
    ("RNFR", 350): ("rename_from", str),
    ("REST", 350): ("restart", int),
    ("ALLO", 200): ("allocated", int),
}

#: Attribute -> the verbs that leave it as it is; the final reply to any other verb clears it. RNTO must follow RNFR
#: at once (RFC 959 s.4.1.3), the transfer must follow REST (RFC 3659 s.5.3) but for what prepares a transfer.
KEEPS: Final[Mapping[str, frozenset[str]]] = {
    "rename_from": frozenset({"NOOP", "STAT", "ABOR"}),
    "restart": frozenset(
        {"PASV", "EPSV", "PORT", "EPRT", "TYPE", "MODE", "STRU", "ALLO", "NOOP", "STAT"},
    ),
}

_UPLOADS: Final = frozenset({"STOR", "STOU", "APPE"})
#: Replies after which the data connection that was planned is used up, even where no preliminary reply came.
_USED_UP: Final = frozenset({425, 426, 522})


class ServerDialogue:
    """The order of commands on one control connection, and what they leave behind.

    Call `admit` before a command runs; send what it returns, or run the command. Call `answered` with every reply to
    it, preliminary or final, in the order in which they are sent. Commands run one at a time, but for verbs whose row
    says `during`, which may be admitted and answered while a transfer runs.

    Args:
        tls_required: no login in clear.
        protect_data: no transfer under PROT C, and no PROT C; as `tls_required` when not given.
        secured: TLS is there from the first byte (an implicit port).
    """

    tls_required: bool
    protect_data: bool
    secured: bool  #: TLS is on
    login: Login
    user: str | None  #: the name that USER gave
    restart: int | None  #: offset in bytes that REST set for the next RETR or STOR
    rename_from: str | None  #: the path that RNFR named, as sent
    allocated: int | None  #: size in bytes that ALLO announced for the next upload
    data: DataPlan
    epsv_only: bool  #: EPSV ALL was given (RFC 2428 s.4)
    type_: TransferType  #: I until told otherwise
    pbsz: bool  #: PBSZ was given
    protection: str  #: "C" or "P", as PROT set it
    transfer: Command | None  #: the one that has its preliminary reply and not yet its final one
    native: bool  #: the native dialect is on; lines are to be parsed so

    def __init__(self, *, tls_required: bool = False, protect_data: bool | None = None, secured: bool = False) -> None:
        self.tls_required = tls_required
        self.protect_data = tls_required if protect_data is None else protect_data
        self.secured = secured
        self.reset()

    def reset(self) -> None:
        """Everything as at the greeting (REIN, RFC 959 s.4.1.1), but TLS, which stays."""
        self.login = Login.NEW
        self.user = self.restart = self.rename_from = self.allocated = self.transfer = None
        self.data = DataPlan()
        self.epsv_only = self.pbsz = self.native = False
        self.type_ = TransferType.IMAGE
        self.protection = "C"

    def secure(self) -> None:
        """TLS is on since now: what was said in clear is forgotten, a login too (RFC 2228 s.3 AUTH, RFC 4217 s.4.2)."""
        if self.secured:
            raise OutOfStep("the session is encrypted already")
        self.reset()
        self.secured = True

    def admit(self, command: Command) -> Reply | None:
        """The reply that refuses `command` because it comes out of order, or None: run it.

        A tagged command may come at any time while native mode is on. Raises `OutOfStep` when another one has to wait
        for the running transfer.
        """
        if command.tag is not None:
            return None if self.native else reply(503, "The native dialect is off: OPTS FTLITE 1.")
        if self.transfer is not None and not command.verb.during:
            raise OutOfStep(f"{command.verb.name} has to wait for the end of {self.transfer.verb.name}")
        if command.verb.login and self.login is not Login.IN:
            return reply(530, self._how_to_log_in())
        for demand in DEMANDS.get(command.verb.name, ()):
            if not demand.holds(self, command):
                return reply(demand.code, demand.text)
        return None

    def answered(self, command: Command, answer: Reply) -> None:
        """Advance: `answer` is what `command` gets.

        Replies with a tag need not be told here: they change nothing, but are checked to carry it. Raises `OutOfStep`
        for one that does not, a code that is not in the verb's row, a second preliminary reply, or one to a verb that
        is no transfer.
        """
        verb, code, tag = command.verb, answer.code, command.tag
        if tag is not None and self.native and not isinstance(command.value, AbortRequest):
            if read_tag(answer.first) != tag:
                raise OutOfStep(f"{verb.name} of tag {tag} is answered without it")
            return
        if not verb.may_reply(code):
            raise OutOfStep(f"{verb.name} is never answered with {code}")
        if tag is not None:
            return
        if answer.preliminary:
            self._begin(command)
            return
        self._forget(command, answer)
        self._move(verb.name, code)
        if (verb.name, code) == ("REIN", 220):
            self.reset()
        if verb.name in ENDS_NATIVE:
            self.native = False
        elif _to_native(command) and code == 200:
            self.native = True
        if (effect := EFFECTS.get((verb.name, code))) is not None:
            attribute, value = effect
            setattr(self, attribute, value(command.value))

    def _begin(self, command: Command) -> None:
        if not command.verb.transfer or self.transfer is not None:
            raise OutOfStep(f"{command.verb.name} cannot begin now")
        self.transfer = command

    def _move(self, verb: str, code: int) -> None:
        """Take the step of `LOGIN`. A port that was opened for one user is not for the next."""
        step = LOGIN[self.login].get((verb, code))
        if step is None:
            return
        self.login = step
        if verb == "USER":
            self.data = DataPlan()
        if step is Login.NEW:
            self.user = None

    def _forget(self, command: Command, answer: Reply) -> None:
        """Clear what the final `answer` to `command` makes void."""
        for attribute, keepers in KEEPS.items():
            if command.verb.name not in keepers:
                setattr(self, attribute, None)
        if command.verb.transfer:
            if self.transfer is not None or answer.code in _USED_UP:
                self.data = DataPlan()
            self.transfer = None
            if command.verb.name in _UPLOADS:
                self.allocated = None

    def _how_to_log_in(self) -> str:
        if self.tls_required and not self.secured:
            return "Encrypt the session first: AUTH TLS, then USER and PASS."
        return "Log in first: USER and PASS."


def _to_native(command: Command) -> bool:
    """Whether `command` is OPTS FTLITE."""
    return command.verb.name == "OPTS" and command.value[0] == _NATIVE_OFFER
