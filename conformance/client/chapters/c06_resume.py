"""Going on with a download that was cut: RFC 3659 s.5, RFC 1123 s.4.1.3.4.

The client first gets a server that cuts the file in half, then the command for resuming and the server of the case.
"""

from __future__ import annotations

from collections.abc import Callable

from conformance.client.cases import case
from conformance.client.chapters.c04_downloads import ending
from conformance.client.judges import refused, succeeded, truthful
from conformance.client.record import Deed, Seen
from conformance.client.script import CONTENT, Script
from conformance.registry import Failed, Level, Skipped

MUST = Level.MUST
_CUT = ending(b"426 Cut.\r\n")


def _with_rest(judge: Callable[[Seen], str | None]) -> Callable[[Seen], str | None]:
    """A client that begins anew, since it kept nothing, has nothing to be judged here."""

    def judged(seen: Seen) -> str | None:
        remark = judge(seen)
        if not any(line.line.upper() != b"REST 0" for line in seen.record.lines("REST")):
            raise Skipped("the client begins anew")
        return remark

    return judged


def _in_order(seen: Seen) -> None:
    succeeded(seen)
    for earlier, later in zip(seen.record.heard, seen.record.heard[1:], strict=False):
        if earlier.verb == "REST" and not earlier.line.endswith(b" 0") and later.verb != "RETR":
            raise Failed(f"{later.verb} came between REST and RETR, so that the server may forget the offset")


case(
    "resume",
    "RFC 3659 s.5.3",
    MUST,
    Deed.RESUME,
    _with_rest(succeeded),
    Script(),
    "The rest comes after REST. A client that gets the offset wrong makes a broken file of the right or a wrong "
    "length.",
    prelude=_CUT,
)
case(
    "resume-order",
    "RFC 3659 s.5.3",
    MUST,
    Deed.RESUME,
    _with_rest(_in_order),
    Script(),
    "Nothing comes between REST and RETR. Else the server may send all of it, behind what is there.",
    prelude=_CUT,
)
case(
    "resume-rest-502",
    "RFC 3659 s.5.3",
    MUST,
    Deed.RESUME,
    truthful,
    Script(answers={"REST": b"502 Not here.\r\n"}, features=(b"EPSV", b"SIZE", b"MDTM")),
    "REST is refused, and RETR would send all. A client that appends it to what is there makes a broken file.",
    prelude=_CUT,
)
case(
    "resume-retr-554",
    "RFC 3659 s.5.3",
    MUST,
    Deed.RESUME,
    _with_rest(refused),
    Script(answers={"RETR": b"554 Not from there.\r\n"}),
    "REST is accepted and RETR refused for it. A client that exits 0 passes half a file for a whole one.",
    prelude=_CUT,
)
case(
    "resume-cut-again",
    "RFC 959 s.5.4",
    MUST,
    Deed.RESUME,
    _with_rest(refused),
    _CUT,
    "The rest is cut again. A client that exits 0 passes a part for the whole.",
    prelude=_CUT,
)


def _shorter(content: bytes) -> Script:
    return Script(files={b"/file.bin": content})


def _not_mixed(seen: Seen) -> str | None:
    if seen.run.exit == 0 and seen.left is not None and len(seen.left) > 1000:
        raise Failed(f"exit 0, and {len(seen.left)} octets stand under the name of a file that has 1000 now")
    return None if seen.run.exit == 0 else f"exit {seen.run.exit}: {seen.run.last_words}"


case(
    "resume-file-shorter",
    "RFC 3659 s.5.3",
    Level.SHOULD,
    Deed.RESUME,
    _not_mixed,
    _shorter(CONTENT[-1000:]),
    "Meanwhile the file became another, shorter than what is here. A client that exits 0 passes the old beginning for "
    "the new file.",
    prelude=_CUT,
    content=CONTENT[-1000:],
)
