"""One file there or back, one attempt. Verified, and under its name only then (DESIGN 5).

A resume never joins two files. What stands at an upload's name is looked at first, and what was continued or skipped
is judged afterwards:

- The server states digests: what has the name stays only when its digest is that of as many bytes here, and a file
  that was continued is compared whole. When either differs, the file is sent once more from its first byte.
- It states none: as many bytes count as the same file only when the times agree too, to the second, else all is sent.
  Fewer are continued, and `Transferred.on_trust` says that nothing proved them.

An unfinished upload that ftlite keeps for its owner answers SIZE and has no name (HASH and MLST do not find it): it is
continued, and compared whole. A download's part is bound to size and time by its own name (see `parts`); one that was
continued is compared whole likewise.
"""

from __future__ import annotations

import os

import trio
from attrs import evolve

from ftlite.client import digests
from ftlite.client.errors import ClientError
from ftlite.client.session import Session
from ftlite.client.success import Evidence, Verified, behind, judge
from ftlite.protocol.entries import Entry

_TICK = 1_000_000_000  # MDTM and MLSx may tell whole seconds only


async def verdict(
    session: Session, evidence: Evidence, fd: int, *, thorough: bool = False
) -> tuple[Verified, str | None]:
    """`judge`, with digests of both sides where they are required; nothing is hashed for a transfer that failed.

    `thorough`: they are compared also where they are not required, if the server states one.
    """
    judge(evolve(evidence, require=None))
    required = evidence.require is Verified.DIGEST
    algorithm = digests.best_algorithm(session) if required or thorough else None
    if algorithm is None:
        return judge(evidence), None
    try:
        with behind(evidence.thing):
            theirs = await digests.remote_digest(session, evidence.thing, algorithm)
    except ClientError as error:
        if required or error.reply is None:
            raise
        return judge(evidence), None
    ours = await trio.to_thread.run_sync(digests.local_digest, fd, algorithm, evidence.thing)
    digest = f"{algorithm}:{ours}"
    return judge(evolve(evidence, ours=digest, theirs=f"{algorithm}:{theirs}")), digest


def can_restart(session: Session) -> bool:
    """Whether a transfer may begin elsewhere than at the first byte; a server without FEAT is asked."""
    return session.features.has("REST") or not session.features.names


def same_time(held: os.stat_result, known: Entry) -> bool:
    """The times agree, to the second."""
    return known.modify_ns is not None and held.st_mtime_ns // _TICK == known.modify_ns // _TICK
