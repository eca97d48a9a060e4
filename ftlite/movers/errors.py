"""Why a transfer stopped short: the network's doing (`MoverError`) or the disk's (`DiskFault`), never mixed up."""

from __future__ import annotations

import enum

from ftlite.net import errors as net


class Kind(enum.Enum):
    """Why bytes stopped. Values are for logs and JSON."""

    STALLED = "stalled"  #: the peer neither took nor gave a byte for too long
    LOST = "lost"  #: reset, broken or aborted
    TRUNCATED = "truncated"  #: TLS ended without close_notify
    TOO_LONG = "too-long"  #: more bytes than the caller would take
    CHANGED = "changed"  #: the source file shrank while it was sent


class MoverError(Exception):
    """A transfer did not come to its clean end.

    Attributes:
        kind: the class of failure.
        message: one sentence for people.
    """

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class DiskFault(Exception):
    """Reading the source file or writing the target file failed.

    Attributes:
        error: the OSError, for `ftlite.storage.errors.from_os_error`.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(error.strerror or str(error))
        self.error = error


def from_net(error: net.NetError) -> MoverError:
    """The `MoverError` that a failure of the wire is to a transfer."""
    kind = Kind.TRUNCATED if error.kind is net.Kind.TRUNCATED else Kind.LOST
    return MoverError(kind, error.message)
