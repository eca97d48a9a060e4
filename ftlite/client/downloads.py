"""One file from a stock server, one attempt. It grows in a part, and gets its name when it is verified."""

from __future__ import annotations

import os
import stat
from functools import partial
from pathlib import Path

import trio
from attrs import evolve

from ftlite.client import listing
from ftlite.client.errors import CannotRestart, ClientError, Outcome, from_os_error
from ftlite.client.files import can_restart, same_time, verdict
from ftlite.client.parts import DownloadPart
from ftlite.client.session import Session
from ftlite.client.success import Ending, Evidence, Verified
from ftlite.client.terms import Terms, Transferred
from ftlite.client.transfer import transfer
from ftlite.movers import DiskFault, receive_file
from ftlite.protocol.entries import Entry, Kind

_WORTHLESS = (Outcome.INTEGRITY, Outcome.NO_ROOM)  #: failures whose part is dropped: it is wrong, or fills the disk


async def get(session: Session, remote: str, local: Path, terms: Terms) -> Transferred:
    """Fetch `remote` to the file `local`; see `Client.get`."""
    began = trio.current_time()
    known = terms.entry if terms.entry is not None else await listing.facts(session, remote)
    if known.kind in (Kind.DIR, Kind.CDIR, Kind.PDIR):
        raise ClientError(Outcome.USAGE, f"{remote or '.'} is a directory", remedy="use -r to get a whole tree")
    may_skip = terms.skip and terms.require is not Verified.DIGEST
    if may_skip and await trio.to_thread.run_sync(_stands_already, local, known):
        size = known.size or 0
        terms.tell(size)
        return Transferred(remote, str(local), 0, size, size, Verified.SIZE, trio.current_time() - began, skipped=True)
    part = await trio.to_thread.run_sync(
        partial(DownloadPart.open, local, known.size, known.modify_ns, resume=terms.resume and can_restart(session))
    )
    keep, moved, anew = False, 0, False
    try:
        evidence = Evidence(
            remote, "RETR", 0, part.offset, Ending.CLEAN, None, stated=known.size, require=terms.require, needed=False
        )
        if part.offset == 0 or part.offset != known.size:
            keep = True
            try:
                evidence = await _receive(session, remote, part, known, terms)
            except CannotRestart:
                anew = True
                await trio.to_thread.run_sync(part.begin_anew)
                evidence = await _receive(session, remote, part, known, terms)
            moved = evidence.moved
        verified, digest = await verdict(session, evidence, part.fd, thorough=part.offset > 0)
        mode = (terms.mode if known.mode is None else known.mode) if terms.preserve else None
        keep = False
        modify_ns = known.modify_ns if terms.preserve else None
        await trio.to_thread.run_sync(partial(part.publish, modify_ns=modify_ns, mode=mode))
    except ClientError as error:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(partial(part.close, keep=keep and error.outcome not in _WORTHLESS))
        raise
    except BaseException:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(partial(part.close, keep=keep))
        raise
    await trio.to_thread.run_sync(part.release)
    terms.tell(part.offset + moved)
    seconds = trio.current_time() - began
    return Transferred(
        remote, str(local), moved, part.offset + moved, part.offset, verified, seconds, digest, anew=anew
    )


async def _receive(session: Session, remote: str, part: DownloadPart, known: Entry, terms: Terms) -> Evidence:
    async with transfer(session, "RETR", remote, offset=part.offset) as active:
        flow = terms.flow(session, active, known.size)
        try:
            with active.moving():
                active.moved = await receive_file(active.wire, part.fd, part.offset, flow)
                active.ending = Ending.CLEAN
        except DiskFault as error:
            raise from_os_error(part.target.name, error.error) from error
        if active.ending is not Ending.CLEAN:
            active.moved = os.fstat(part.fd).st_size - part.offset  # what came just before a failure counts too
        evidence = await active.settle()
    return evolve(evidence, stated=await listing.size_now(session, remote, known.size, evidence), require=terms.require)


def _stands_already(local: Path, known: Entry) -> bool:
    """The file is here already: size and time (to the second) are those of the remote one."""
    if known.size is None or known.modify_ns is None:
        return False
    try:
        held = local.stat()
    except OSError:
        return False
    return stat.S_ISREG(held.st_mode) and held.st_size == known.size and same_time(held, known)
