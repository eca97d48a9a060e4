"""One file to a stock server, one attempt; and what native uploads do likewise with the file here."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

import trio
from attrs import evolve, frozen

from ftlite.client import digests, listing
from ftlite.client.errors import CannotRestart, ClientError, Outcome, from_os_error, says_unsupported
from ftlite.client.files import can_restart, same_time, verdict
from ftlite.client.session import Session
from ftlite.client.success import Ending, Evidence, Verified, behind, judge
from ftlite.client.terms import Terms, Transferred
from ftlite.client.transfer import transfer
from ftlite.movers import DiskFault, send_file
from ftlite.protocol.errors import BadFacts
from ftlite.protocol.facts import format_time


async def put(session: Session, local: Path, remote: str, terms: Terms) -> Transferred:
    """Send the file `local` to `remote`; see `Client.put`."""
    began = trio.current_time()
    fd, held = await trio.to_thread.run_sync(open_source, local)
    try:
        await _allowed(session, fd, local, remote, terms)
        found = await _find(session, fd, held, remote) if terms.resume else _Found()
        if found.same:
            result = _skip(held, remote, found, terms)
        else:
            result = await _deliver(session, fd, held, remote, found, terms)
        check_unchanged(fd, held, local)
        if terms.preserve:
            with behind(remote, "its time and mode were kept"):
                await keep_facts(session, remote, held.st_mtime_ns, stat.S_IMODE(held.st_mode))
    finally:
        os.close(fd)
    terms.tell(held.st_size)
    return evolve(result, local=str(local), seconds=trio.current_time() - began)


async def _allowed(session: Session, fd: int, local: Path, remote: str, terms: Terms) -> None:
    """What `terms` demand before anything moves. Raises ClientError INTEGRITY, EXISTS."""
    if terms.expect is not None:
        algorithm, _, wanted = terms.expect.partition(":")
        found = await trio.to_thread.run_sync(digests.local_digest, fd, algorithm, str(local))
        digests.compare(str(local), algorithm, wanted, found)
    if terms.if_absent:
        await listing.must_be_absent(session, remote)


@frozen
class _Found:
    """What a resumed upload finds at its name.

    Attributes:
        offset: bytes that stand there and may be the beginning of the file.
        same: they are all of it, and have the name.
        other: what stands there is of another file.
        digest: "algorithm:hex" that these bytes have on both sides; None where it was not compared.
    """

    offset: int = 0
    same: bool = False
    other: bool = False
    digest: str | None = None


async def _find(session: Session, fd: int, held: os.stat_result, remote: str) -> _Found:
    there = await listing.size_of(session, remote)
    if not there or there > held.st_size:
        return _Found()
    whole = there == held.st_size
    algorithm = digests.best_algorithm(session)
    if algorithm is not None:
        try:
            theirs = await digests.remote_digest(session, remote, algorithm)
        except ClientError as error:
            if error.reply is None:
                raise
            if error.outcome is Outcome.NOT_FOUND:
                return _Found(there)
        else:
            ours = await trio.to_thread.run_sync(digests.local_digest, fd, algorithm, remote, there)
            return _Found(there, whole, digest=f"{algorithm}:{ours}") if ours == theirs else _Found(other=True)
    if not whole:
        return _Found(there)
    try:
        known = await listing.facts(session, remote)
    except ClientError as error:
        if error.reply is None:
            raise
        # To send no byte behind a whole part publishes it; behind what has a name it would keep whatever that is.
        return _Found(there) if error.outcome is Outcome.NOT_FOUND else _Found(other=True)
    return _Found(there, same=True) if same_time(held, known) else _Found(other=True)


def _skip(held: os.stat_result, remote: str, found: _Found, terms: Terms) -> Transferred:
    size = held.st_size
    verified = judge(
        Evidence(
            remote, "STOR", 0, size, Ending.CLEAN, None, stated=size, ours=found.digest, theirs=found.digest,
            require=terms.require, needed=False,
        )
    )  # fmt: skip
    return Transferred(remote, "", 0, size, size, verified, digest=found.digest, skipped=True)


async def _deliver(
    session: Session, fd: int, held: os.stat_result, remote: str, found: _Found, terms: Terms
) -> Transferred:
    """Send what is missing; once more and all of it when that turns out to be no way to get the whole file there."""
    offset, anew, moved = found.offset, found.other, 0
    while True:
        try:
            evidence = await _send(session, fd, held, remote, offset, terms)
            moved += evidence.moved
            verified, digest = await verdict(session, evidence, fd, thorough=offset > 0 or anew)
            break
        except ClientError as error:
            differs = error.outcome is Outcome.INTEGRITY and error.transient
            if not offset or not (differs or isinstance(error, CannotRestart)):
                raise
            offset, anew = 0, True
    on_trust = offset > 0 and verified is not Verified.DIGEST
    skipped = moved == 0 and offset > 0
    return Transferred(
        remote, "", moved, held.st_size, offset, verified, digest=digest, skipped=skipped, anew=anew, on_trust=on_trust
    )


def open_source(local: Path) -> tuple[int, os.stat_result]:
    """Open a file to be sent, and how it was found. Blocks. ClientError: what the disk says, or USAGE."""
    try:
        fd = os.open(local, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise from_os_error(str(local), error) from error
    held = os.fstat(fd)
    if stat.S_ISREG(held.st_mode):
        return fd, held
    os.close(fd)
    what = "a directory" if stat.S_ISDIR(held.st_mode) else "no plain file"
    remedy = "use -r to put a whole tree" if stat.S_ISDIR(held.st_mode) else "pipe it in: put - REMOTE"
    raise ClientError(Outcome.USAGE, f"{local} is {what}", remedy=remedy)


async def _send(session: Session, fd: int, held: os.stat_result, remote: str, offset: int, terms: Terms) -> Evidence:
    if session.plan is None and offset == 0:
        # In clear a cut looks like an end; a server that keeps ALLO (RFC 959 s.4.1.3) can tell them apart.
        await session.ask("ALLO", str(held.st_size))
    command = "STOR" if can_restart(session) or not offset else "APPE"
    async with transfer(session, command, remote, offset=offset if command == "STOR" else 0) as active:
        active.offset = offset
        flow = terms.flow(session, active, held.st_size)
        try:
            with active.moving():
                active.moved = await send_file(active.wire, fd, offset, held.st_size - offset, flow)
        except DiskFault as error:
            raise from_os_error(remote, error.error) from error
        if active.ending is None:
            await active.finish_writing()
        evidence = await active.settle()
    if evidence.final is None or not evidence.final.completed:
        return evidence
    with behind(remote):
        stated = await listing.size_of(session, remote)
    return evolve(evidence, stated=stated, require=terms.require)


def check_unchanged(fd: int, held: os.stat_result, local: Path) -> None:
    """Raises ClientError INTEGRITY when the file is no longer as it was found."""
    now = os.fstat(fd)
    if (now.st_size, now.st_mtime_ns) != (held.st_size, held.st_mtime_ns):
        raise ClientError(Outcome.INTEGRITY, f"{local} changed while it was sent", transient=True)


async def landed(session: Session, local: Path, remote: str) -> Transferred | None:
    """What stands at `remote` is this file, by a digest; None: it is not, or the server states none."""
    algorithm = digests.best_algorithm(session)
    if algorithm is None:
        return None
    fd, held = await trio.to_thread.run_sync(open_source, local)
    try:
        theirs = await digests.remote_digest(session, remote, algorithm)
        ours = await trio.to_thread.run_sync(digests.local_digest, fd, algorithm, str(local))
    except ClientError as error:
        if error.reply is None:
            raise
        return None
    finally:
        os.close(fd)
    if ours != theirs:
        return None
    digest, size = f"{algorithm}:{ours}", held.st_size
    return Transferred(remote, str(local), 0, size, size, Verified.DIGEST, digest=digest, skipped=True)


async def keep_facts(session: Session, remote: str, modify_ns: int, mode: int) -> None:
    """Give the remote file its time and mode, where the server can; what it refuses once it is not asked again."""
    verb = "MFMT" if session.features.has("MFMT") else "MDTM"  # vsftpd and others set times by a longer MDTM
    if session.features.has(verb) and not session.quirks.no_times:
        with suppress(BadFacts):  # a year that FTP cannot say: the time is not kept
            answer = await session.ask(verb, f"{format_time(modify_ns)} {remote}")
            session.quirks.no_times = says_unsupported(answer) or (verb == "MDTM" and not answer.completed)
    if not session.quirks.no_chmod:
        answer = await session.ask("SITE", f"CHMOD {mode & 0o777:03o} {remote}")
        session.quirks.no_chmod = not answer.completed
    if session.broken is not None:  # 421 is an answer to neither
        raise session.broken
