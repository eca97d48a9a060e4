"""Errors of storage, network and movers as replies: the one table, and the exception that carries its rows.

A handler that cannot go on raises `Refused`; the session sends the reply. What is not listed here is a bug and is
logged as one.
"""

from __future__ import annotations

from ftlite.movers.errors import DiskFault, MoverError
from ftlite.net.errors import NetError
from ftlite.protocol.replies import Reply, reply
from ftlite.protocol.text import printable
from ftlite.storage.errors import Kind, StorageError, from_os_error


class Refused(Exception):
    """The command is answered with `reply` and nothing more happens."""

    def __init__(self, answer: Reply) -> None:
        super().__init__(answer.text)
        self.reply = answer


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
