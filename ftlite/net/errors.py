"""What can go wrong between two sockets, as kinds. No OSError and no ssl.SSLError leaves this floor."""

from __future__ import annotations

import enum
import ssl


class Kind(enum.Enum):
    """Why a connection could not be made or kept. Values are for logs and JSON; people read the message."""

    REFUSED = "refused"  #: nobody listens there
    UNREACHABLE = "unreachable"  #: no way to that address, or from the source address asked for
    NAME = "name"  #: the host name means nothing
    TLS = "tls"  #: the handshake failed, or the record stream is broken
    PIN = "pin"  #: the certificate is not the pinned one
    TIMEOUT = "timeout"
    LOST = "lost"  #: reset, broken, or aborted from this side
    TRUNCATED = "truncated"  #: TLS ended without close_notify: bytes may be missing
    NO_PORT = "no-port"  #: every passive port is taken
    WRONG_PEER = "wrong-peer"  #: the other end is not who it must be
    PROXY = "proxy"  #: the proxy in between does not want to, or is none
    FAULT = "fault"  #: descriptors, memory, an address that cannot be bound: our own side


class NetError(Exception):
    """A connection failed.

    Attributes:
        kind: the class of failure.
        message: one sentence for people.
    """

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


def from_broken(error: OSError, what: str) -> NetError:
    """The `NetError` for an error on an established connection; `what` names the connection in the sentence."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return NetError(Kind.TLS, f"{what}: the certificate is not trusted: {error.verify_message}")
    if isinstance(error, ssl.SSLEOFError):
        return NetError(Kind.TRUNCATED, f"{what} ended without TLS close_notify, bytes may be missing")
    if isinstance(error, ssl.SSLError) and error.reason:
        return NetError(Kind.TLS, f"{what}: TLS failed: {error.reason.replace('_', ' ').lower()}")
    return NetError(Kind.LOST, f"{what} was lost: {error.strerror or error}")
