"""The one function that decides whether a transfer happened (DESIGN 5). Pure.

Success takes three things: the data connection ended cleanly, the final 2xx came, and the count or digest match the
best that the server can state. A closed socket alone never means success. One end counts as clean though it is not:
TLS without close_notify, when the size that the server states over TLS is met exactly, for then nothing can
have been cut off; servers that never send close_notify are many.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import contextmanager

from attrs import frozen

from ftlite.client.errors import ClientError, Outcome, from_reply
from ftlite.protocol.replies import Reply


class Verified(enum.Enum):
    """What stands behind a green result: nothing but the server's word, an equal count, or an equal digest."""

    NONE = "none"
    SIZE = "size"
    DIGEST = "digest"

    def covers(self, least: Verified) -> bool:
        """Whether this is at least as much as `least`."""
        order = list(Verified)
        return order.index(self) >= order.index(least)


class Ending(enum.Enum):
    """How the data connection ended."""

    CLEAN = "clean"  #: FIN, and close_notify before it under TLS; for an upload: everything was handed over
    TRUNCATED = "truncated"  #: TLS without close_notify: somebody may have cut it
    LOST = "lost"  #: reset, or closed with our bytes unread
    STALLED = "stalled"  #: no byte within the stall clock


@frozen
class Evidence:
    """Everything that is known when a transfer is over.

    Attributes:
        thing: what was moved, for messages.
        command: the verb that moved it.
        moved: bytes that crossed the data connection.
        offset: where the transfer began.
        ending: how the data connection ended.
        final: the last reply to the command; None when the control connection ended or stayed silent.
        silent: with no final reply: the connection stands but nothing came within the stall clock.
        stated: size of the whole file as the server states it (SIZE, MLST); None: it cannot.
        ours, theirs: digests of the whole file as "algorithm:hex"; None when not known.
        require: the least that counts as success; None: the best that this server can state.
        needed: False when nothing had to move, so that only size and digest speak.
        counted: bytes of this data connection as the other side counted them (native); None: it does not say.
        refusal: what `final` means when it is none of the stock dialect.
    """

    thing: str
    command: str
    moved: int
    offset: int
    ending: Ending
    final: Reply | None
    silent: bool = False
    stated: int | None = None
    ours: str | None = None
    theirs: str | None = None
    require: Verified | None = None
    needed: bool = True
    counted: int | None = None
    refusal: ClientError | None = None


def judge(evidence: Evidence) -> Verified:
    """Decide. Returns what the success rests on.

    Raises:
        ClientError: TIMEOUT (silence), PARTIAL (cut, or no final reply), INTEGRITY (count or digest differ, or less
            could be verified than required), or what the server's refusal means.
    """
    if evidence.needed:
        _reply_came(evidence)
        _ended_whole(evidence)
    verified = _compared(evidence)
    if evidence.require is not None and not verified.covers(evidence.require):
        raise ClientError(
            Outcome.INTEGRITY,
            f"{evidence.thing}: the bytes moved, but this server states no {evidence.require.value} to compare",
            remedy="require less, or use a server that offers SIZE or HASH",
        )
    return verified


def _reply_came(evidence: Evidence) -> None:
    final = evidence.final
    if evidence.refusal is not None:
        raise evidence.refusal
    if final is not None and not final.completed:
        raise from_reply(evidence.thing, evidence.command, final)
    if evidence.ending is Ending.STALLED or (final is None and evidence.silent):
        where = "data connection" if evidence.ending is Ending.STALLED else "server after the last byte"
        raise ClientError(Outcome.TIMEOUT, f"{evidence.thing}: nothing more came from the {where}", transient=True)
    if final is None:
        raise _unfinished(evidence.thing, "the server confirmed the transfer")


def cut_off(thing: str, broken: ClientError, before: str = "the server confirmed the transfer") -> ClientError:
    """What it means that `broken` ended the control connection after a transfer's command was sent.

    A connection that is gone, or that 421 took away, is PARTIAL: what is there may be all, some or nothing of it.
    Silence and garbage stay what they are.
    """
    return _unfinished(thing, before) if broken.outcome is Outcome.CONNECT else broken


@contextmanager
def behind(thing: str, before: str = "it could be compared") -> Iterator[None]:
    """Ask within this what belongs to the transfer of `thing`, behind its 226: see `cut_off`."""
    try:
        yield
    except ClientError as error:
        meant = cut_off(thing, error, before)
        if meant is error:
            raise
        raise meant from error


def _unfinished(thing: str, before: str) -> ClientError:
    return ClientError(Outcome.PARTIAL, f"{thing}: the control connection ended before {before}", transient=True)


def _ended_whole(evidence: Evidence) -> None:
    how = ""
    if evidence.ending is Ending.LOST:
        how = "was lost"
    elif evidence.ending is Ending.TRUNCATED and evidence.stated != evidence.offset + evidence.moved:
        how = "was cut (TLS without close_notify)"
    if how:
        message = f"{evidence.thing}: the data connection {how} after {evidence.moved} bytes"
        raise ClientError(Outcome.PARTIAL, message, transient=True)


def _compared(evidence: Evidence) -> Verified:
    compared = evidence.ours is not None and evidence.theirs is not None
    if compared and evidence.ours != evidence.theirs:
        raise ClientError(
            Outcome.INTEGRITY,
            f"{evidence.thing}: the digests differ, {evidence.ours} here and {evidence.theirs} there",
            transient=True,
        )
    if evidence.counted is not None and evidence.counted != evidence.moved:
        raise ClientError(
            Outcome.INTEGRITY,
            f"{evidence.thing}: {evidence.moved} bytes moved, but the server counted {evidence.counted}",
            transient=True,
        )
    total = evidence.offset + evidence.moved
    if evidence.stated is not None and evidence.stated != total:
        raise ClientError(
            Outcome.INTEGRITY,
            f"{evidence.thing}: {total} bytes here, but the server states {evidence.stated}",
            remedy="the file changed meanwhile, or the transfer was cut",
            transient=True,
        )
    if compared:
        return Verified.DIGEST
    return Verified.NONE if evidence.stated is None else Verified.SIZE
