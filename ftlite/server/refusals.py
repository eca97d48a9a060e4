"""Errors of storage, network and movers as replies: the one table, and the exceptions that carry its rows.

A native refusal has a kind beside the code (docs/protocol.md s.4), which for errors of storage is the kind's own word.

A handler that cannot go on raises `Refused`; the session sends the reply. What is not listed here is a bug and is
logged as one.
"""

from __future__ import annotations

from ftlite.movers import errors as movers
from ftlite.movers.errors import DiskFault, MoverError
from ftlite.net import errors as net
from ftlite.net.errors import NetError
from ftlite.protocol.errors import ProtocolError
from ftlite.protocol.native.answers import Refusal, refuse
from ftlite.protocol.replies import Reply, reply
from ftlite.protocol.text import printable
from ftlite.storage.errors import Kind, StorageError, from_os_error
from ftlite.trees.errors import TreeError


class Refused(Exception):
    """The command is answered with `reply` and nothing more happens."""

    def __init__(self, answer: Reply) -> None:
        super().__init__(answer.text)
        self.reply = answer


class Unwilling(Exception):
    """A tag ends with `kind` (docs/protocol.md s.4), for a reason that no error below tells."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


#: Kind of storage error -> reply code (RFC 959 s.5.4) for a command that reads or removes, and for one that names
#: something new (STOR and its kin, RNTO), where RFC 959 keeps 553 for "that name is not allowed". MKD has no 553.
CODES: dict[Kind, tuple[int, int]] = {
    Kind.NOT_FOUND: (550, 553),
    Kind.EXISTS: (550, 553),
    Kind.IS_DIRECTORY: (550, 553),
    Kind.NOT_DIRECTORY: (550, 553),
    Kind.NOT_EMPTY: (550, 550),
    Kind.NOT_PLAIN: (550, 553),
    Kind.DENIED: (550, 553),
    Kind.OUTSIDE: (550, 553),
    Kind.BAD_NAME: (550, 553),
    Kind.BUSY: (450, 450),
    Kind.NO_ROOM: (452, 452),
    Kind.QUOTA: (552, 552),
    Kind.TOO_LARGE: (552, 552),
    Kind.BAD_OFFSET: (554, 554),
    Kind.READ_ONLY: (550, 553),
    Kind.UNSUPPORTED: (550, 553),
    Kind.FOREIGN: (553, 553),
    Kind.FAULT: (451, 451),
}


def for_storage(error: StorageError, *, names_new: bool = False) -> Reply:
    """The reply that tells a client of `error`."""
    return reply(CODES[error.kind][names_new], f"{printable(error.path)}: {error.reason}.")


def for_transfer(error: MoverError | DiskFault | NetError, path: str) -> Reply:
    """The reply for a transfer that broke while it ran: 426 when the wire failed, the disk's own code when it did."""
    if isinstance(error, DiskFault):
        return for_storage(from_os_error(error.error, path), names_new=True)
    return reply(426, f"{printable(path)}: {error}; the transfer is incomplete.")


#: What can end a tag, beside a bug.
Known = Unwilling | StorageError | ProtocolError | MoverError | DiskFault | NetError | TreeError


def for_tag(error: Known, tag: int | None, path: str, *, names_new: bool = False) -> Refusal:
    """The final reply of `tag`, which met `error` at `path`."""
    if isinstance(error, DiskFault):
        error = from_os_error(error.error, path)
    if isinstance(error, Unwilling):
        kind, text = error.kind, str(error)
    elif isinstance(error, StorageError):
        kind, text = error.kind.value, f"{printable(error.path)}: {error.reason}."
    elif isinstance(error, TreeError):
        kind, text = error.kind.value, f"{printable(str(error))}."
    elif isinstance(error, ProtocolError):
        kind, text = "bad-fact", str(error)
    else:
        kind, text = MOVED.get(error.kind, "lost"), f"{printable(path)}: {error}."
    return refuse(tag, kind, text, names_new=names_new)


#: Kind of error on a data connection -> kind of a tag's end; all that are not here are "lost".
MOVED: dict[movers.Kind | net.Kind, str] = {
    movers.Kind.STALLED: "stalled",
    movers.Kind.TRUNCATED: "truncated",
    movers.Kind.TOO_LONG: "integrity",
    movers.Kind.CHANGED: "changed",
    net.Kind.TRUNCATED: "truncated",
}
