"""What a peer's bytes, or our own caller, can get wrong. Every parser of this floor gives a value or one of these.

`str(error)` is one sentence, fit for a reply text or a log once `protocol.text.printable` has been over it.
"""

from __future__ import annotations


class ProtocolError(ValueError):
    """Something does not follow the protocol. Base of all errors of this floor."""


class LineTooLong(ProtocolError):
    """A line went on beyond the limit."""


class BadCommand(ProtocolError):
    """A command that is not one, or not one that we know (RFC 959 s.4.2.1: 500, or 502).

    Attributes:
        code: the reply code that says so.
    """

    def __init__(self, message: str, code: int = 500) -> None:
        super().__init__(message)
        self.code = code


class BadArgument(BadCommand):
    """An argument that does not fit its verb (RFC 959 s.4.2.1: 501, or 504 for a parameter we do not have).

    Attributes:
        tag: that of a native command, where it could be read; the reply then carries it.
    """

    def __init__(self, message: str, code: int = 501, *, tag: int | None = None) -> None:
        super().__init__(message, code)
        self.tag = tag


class BadReply(ProtocolError):
    """A server's reply that breaks the grammar of RFC 959 s.4.2."""


class BadFacts(ProtocolError):
    """Facts, or a fact's value, that break the grammar of RFC 3659 s.7.2 or s.2.3, or that of docs/protocol.md s.4.

    Attributes:
        tag: that of the native command or reply they stand in, where it could be read.
        code: the reply code that says so: 501, or 504 for a value that the grammar has room for and nobody knows.
    """

    def __init__(self, message: str, *, tag: int | None = None, code: int = 501) -> None:
        super().__init__(message)
        self.tag = tag
        self.code = code


class BadListing(ProtocolError):
    """A listing that nobody can read, or a name in it that must not be used."""


class BadAddress(ProtocolError):
    """An address in PORT, EPRT, or the reply to PASV or EPSV, that is none.

    Attributes:
        code: the reply code that says so: 501, or 522 for a network protocol that we do not have (RFC 2428 s.2).
    """

    def __init__(self, message: str, code: int = 501) -> None:
        super().__init__(message)
        self.code = code


class OutOfStep(ProtocolError):
    """Our own caller broke the order of commands: the state tables do not allow what it asked for."""
