"""What the cases have in common: how to say that a reply is not one of those allowed."""

from __future__ import annotations

from collections.abc import Container

from conformance.registry import Failed
from conformance.wire import Reply, Wire


def want(reply: Reply, allowed: Container[int], after: str) -> None:
    """Failed unless the reply's code is one of `allowed`."""
    if reply.code not in allowed:
        raise Failed(f"{after} is answered {reply.shown}")


def want_class(reply: Reply, digits: str, after: str) -> None:
    """Failed unless the code begins with one of `digits`."""
    if str(reply.code)[0] not in digits:
        raise Failed(f"{after} is answered {reply.shown}")


def want_alive(wire: Wire, after: str) -> None:
    """Failed unless the dialogue is in step: NOOP gets its one reply, which is NOOP's.

    Where NOOP is not known, PWD stands in for it: a refusal alone could be anybody's.
    """
    line = "NOOP"
    reply = wire.command(line)
    if reply.code in (500, 502):
        line = "PWD"
        reply = wire.command(line)
    if reply.code not in ((257, 530) if line == "PWD" else (200, 530)):
        raise Failed(f"after {after}, {line} is answered {reply.shown}: the dialogue is out of step")


def want_clean(reply: Reply) -> None:
    """Failed when the reader saw broken grammar."""
    if reply.faults:
        raise Failed("; ".join(reply.faults))
