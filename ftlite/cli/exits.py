"""Outcomes -> exit codes: the one table, frozen (docs/cli.md). Whatever was raised is told in one sentence here."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator

from attrs import frozen

from ftlite.protocol.text import printable

OK = 0
USAGE = 2
UNCHANGED = 12
INTERRUPTED = 130
TERMINATED = 143

#: Keyed by the names of `ftlite.client.errors.Outcome`, which is not imported here since it brings trio along.
CODES: dict[str, int] = {
    "OTHER": 1,
    "PROTOCOL": 1,
    "USAGE": USAGE,
    "NOT_FOUND": 3,
    "LOGIN": 4,
    "DENIED": 4,
    "CONNECT": 5,
    "TLS": 5,
    "PIN": 5,
    "TIMEOUT": 6,
    "INTEGRITY": 7,
    "PARTIAL": 8,
    "EXISTS": 9,
    "NO_ROOM": 10,
    "FAILED": 11,
}

_ERRNO: dict[int, str] = {
    errno.ENOENT: "NOT_FOUND",
    errno.ENOTDIR: "NOT_FOUND",
    errno.EACCES: "DENIED",
    errno.EPERM: "DENIED",
    errno.EROFS: "DENIED",
    errno.EEXIST: "EXISTS",
    errno.ENOSPC: "NO_ROOM",
    errno.EDQUOT: "NO_ROOM",
}


class CliError(Exception):
    """The command line itself found something wrong.

    Attributes:
        outcome: a key of `CODES`.
        message: one sentence, with the thing, the cause and the remedy.
    """

    def __init__(self, outcome: str, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.message = message


@frozen
class Told:
    """A failure as people, scripts and the shell get to hear it: printable sentence, outcome word, exit code."""

    sentence: str
    outcome: str
    code: int


def aside(line: str) -> None:
    """Write a line to stderr. What cannot be written there (a full disk under a log) changes no exit code.

    Raises:
        BrokenPipeError: nobody reads.
    """
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
    except BrokenPipeError:
        raise
    except OSError:
        pass


def tell(error: BaseException) -> Told:
    """What to say of `error`, whatever it is; of a group, its gravest member speaks."""
    return min((_tell_one(leaf) for leaf in leaves(error)), key=_gravity)


def leaves(error: BaseException) -> Iterator[BaseException]:
    """`error`, or the exceptions that a group of groups holds."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def _gravity(told: Told) -> int:
    """An unforeseen error hides behind the one that explains it."""
    return 1 if told.outcome == "other" else 0


def _tell_one(error: BaseException) -> Told:
    outcome = _outcome_name(error)
    return Told(_sentence(error), outcome.lower().replace("_", "-"), CODES[outcome])


def _outcome_name(error: BaseException) -> str:
    outcome = getattr(error, "outcome", None)
    name = getattr(outcome, "name", outcome)
    if isinstance(name, str) and name in CODES:
        return name
    if isinstance(error, OSError):
        return _ERRNO.get(error.errno or 0, "OTHER")
    return "USAGE" if type(error).__name__ == "ConfigError" else "OTHER"


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError):
        thing = error.filename if error.filename is not None else "local file"
        thing = thing.decode(errors="surrogateescape") if isinstance(thing, bytes) else str(thing)
        return f"{printable(thing)}: {(error.strerror or str(error) or 'input/output error').lower()}"
    if type(error).__module__.startswith("ftlite."):
        return printable(str(error))
    kind = type(error).__name__
    return f"unexpected {kind}: {printable(str(error))}; this is a defect of ftlite, -vv shows where"
