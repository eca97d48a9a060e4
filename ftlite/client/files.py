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
import stat
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import trio
from attrs import evolve, field, frozen

from ftlite.client import digests, listing
from ftlite.client.errors import CannotRestart, ClientError, Outcome, from_os_error, says_unsupported
from ftlite.client.parts import DownloadPart
from ftlite.client.session import Session
from ftlite.client.success import Ending, Evidence, Verified, behind, judge
from ftlite.client.transfer import Active, transfer
from ftlite.movers import DiskFault, Flow, Pace, receive_file, send_file
from ftlite.protocol.entries import Entry, Kind
from ftlite.protocol.errors import BadFacts
from ftlite.protocol.facts import format_time

Progress = Callable[[int, int | None], None]
_WORTHLESS = (Outcome.INTEGRITY, Outcome.NO_ROOM)  #: failures whose part is dropped: it is wrong, or fills the disk
_TICK = 1_000_000_000  # MDTM and MLSx may tell whole seconds only


@frozen
class Transferred:
    """What became of one file.

    Attributes:
        remote, local: the two names.
        moved: payload bytes that crossed in this call, repeated ones included.
        size: bytes of the whole file.
        offset: where the last attempt began.
        verified: what the success rests on.
        seconds: from the first command to the verdict.
        digest: "algorithm:hex" of the whole file where it was compared.
        skipped: nothing had to move; what stands there matches already.
        anew: something stood there to be continued, but was of another file, or the server would not go on with it,
            so all of it moved.
        on_trust: nothing proved that the bytes before `offset` are this file's: the server states no digest.
    """

    remote: str
    local: str
    moved: int
    size: int
    offset: int = 0
    verified: Verified = Verified.NONE
    seconds: float = 0.0
    digest: str | None = None
    skipped: bool = False
    anew: bool = False
    on_trust: bool = False


@frozen
class Terms:
    """How files move.

    Attributes:
        resume: continue what an earlier attempt left, as the rule of this file says.
        skip: do not fetch a file again that stands already, by size and time.
        preserve: times and modes travel too.
        require: the least verification that counts; None: the best the server can state without another command
            than SIZE or MLST.
        entry: what is known of the remote file from a listing; None: ask.
        mode: permission bits from a listing, for a server that states them nowhere else.
        algorithm: what native transfers are verified by.
        if_absent: an upload must not replace anything.
        expect: "algorithm:hex" that an upload must have.
        progress: called with (bytes of the file so far, its size or None).
    """

    resume: bool = False
    skip: bool = False
    preserve: bool = True
    require: Verified | None = None
    pace: Pace | None = None
    entry: Entry | None = None
    mode: int | None = None
    algorithm: str = "sha256"
    if_absent: bool = False
    expect: str | None = None
    progress: Progress | None = field(default=None, repr=False)

    def tell(self, size: int) -> None:
        """The whole file is there: some had no byte to move, and would not be counted."""
        if self.progress is not None:
            self.progress(size, size)

    def flow(self, session: Session, active: Active, total: int | None) -> Flow:
        """A `Flow` that keeps `active` and the progress told."""

        def moved(count: int) -> None:
            active.moved = count
            if self.progress is not None:
                self.progress(active.offset + count, total)

        return Flow(stall=session.stall, pace=self.pace, on_moved=moved)


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
        partial(DownloadPart.open, local, known.size, known.modify_ns, resume=terms.resume and _can_restart(session))
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
        verified, digest = await _verdict(session, evidence, part.fd, thorough=part.offset > 0)
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


async def _verdict(
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


def _can_restart(session: Session) -> bool:
    return session.features.has("REST") or not session.features.names


def _stands_already(local: Path, known: Entry) -> bool:
    """The file is here already: size and time (to the second) are those of the remote one."""
    if known.size is None or known.modify_ns is None:
        return False
    try:
        held = local.stat()
    except OSError:
        return False
    return stat.S_ISREG(held.st_mode) and held.st_size == known.size and _same_time(held, known)


def _same_time(held: os.stat_result, known: Entry) -> bool:
    return known.modify_ns is not None and held.st_mtime_ns // _TICK == known.modify_ns // _TICK


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
    return _Found(there, same=True) if _same_time(held, known) else _Found(other=True)


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
            verified, digest = await _verdict(session, evidence, fd, thorough=offset > 0 or anew)
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
    command = "STOR" if _can_restart(session) or not offset else "APPE"
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
