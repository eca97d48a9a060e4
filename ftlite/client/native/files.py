"""One file there or back in the native dialect, one attempt. Verified by digest, and under its name only then.

What an earlier attempt left is always gone on with, since nothing is taken on trust: a download states the version that
its part is of, an upload is told the digest of what stands there and compares it, and the last digest covers all.
What stands there already, whole and the same, is not sent again.
"""

from __future__ import annotations

import os
import stat
from functools import partial
from pathlib import Path

import trio
from attrs import define, evolve, frozen

from ftlite.client import digests, listing
from ftlite.client.errors import ClientError, Outcome, from_os_error
from ftlite.client.native.dialogue import Running
from ftlite.client.native.transfer import Transfer, begin, judged, scope, transfer
from ftlite.client.parts import DownloadPart
from ftlite.client.session import Session
from ftlite.client.success import Ending, Evidence, Verified
from ftlite.client.terms import Terms, Transferred
from ftlite.client.uploads import check_unchanged, open_source
from ftlite.movers import DiskFault, receive_hashed, send_file, send_hashed
from ftlite.protocol.entries import Kind
from ftlite.protocol.errors import BadFacts
from ftlite.protocol.facts import format_time
from ftlite.protocol.native.requests import GetRequest, PutRequest
from ftlite.protocol.native.values import Digests

_SMALL = 1 << 20  #: up to here a file is hashed before it is offered, and a download not worth going on with
_SLICE = 64 << 20  # bytes hashed before a cancellation is looked at
_WORTHLESS = (Outcome.INTEGRITY, Outcome.NO_ROOM)  #: failures whose part is dropped: it is wrong, or fills the disk
_ROUNDS = 4  # offers of one upload: a part that is not its beginning, and what turns out to stand there already


# ---- download


async def get(session: Session, remote: str, local: Path, terms: Terms) -> Transferred:
    """Fetch `remote` to the file `local`; see `Client.get`."""
    began = trio.current_time()
    if terms.skip:
        same = await _stands_already(session, remote, local, terms)
        if same is not None:
            return evolve(same, seconds=trio.current_time() - began)
    part = await trio.to_thread.run_sync(DownloadPart.open_versioned, local)
    stood, keep = part.offset, True
    try:
        done = await _receive(session, remote, part, terms)
        keep = False
        times = partial(part.publish, modify_ns=done.modify_ns, mode=done.mode)
        await trio.to_thread.run_sync(times)
    except BaseException as error:
        worthless = isinstance(error, ClientError) and error.outcome in _WORTHLESS
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(
                partial(part.close, keep=keep and not worthless and part.version is not None)
            )
        raise
    part.release()
    size = part.offset + done.moved
    terms.tell(size)
    return Transferred(
        remote, str(local), done.moved, size, part.offset, done.verified, trio.current_time() - began, done.digest,
        anew=stood > part.offset,
    )  # fmt: skip


@frozen
class _Fetched:
    moved: int
    verified: Verified
    digest: str
    modify_ns: int | None
    mode: int | None


async def _receive(session: Session, remote: str, part: DownloadPart, terms: Terms) -> _Fetched:
    def ask(tag: int) -> GetRequest:
        return GetRequest(tag, remote, part.offset, part.version, terms.algorithm)

    hasher = digests.hasher(terms.algorithm)
    async with transfer(session, ask, remote) as active:
        begun = active.begun
        if active.offset != part.offset:
            if active.offset:
                raise ClientError(Outcome.PROTOCOL, f"{remote}: the server begins at {active.offset}, unasked")
            await trio.to_thread.run_sync(part.begin_anew)
        if begun.version is not None and (begun.size or 0) > _SMALL:
            await trio.to_thread.run_sync(part.note, begun.version)
        flow = terms.flow(session, active, begun.size)
        try:
            with active.moving():
                active.moved, hasher = await receive_hashed(active.wire, part.fd, part.offset, hasher, flow)
                active.ending = Ending.CLEAN
        except DiskFault as error:
            raise from_os_error(part.target.name, error.error) from error
        if active.ending is not Ending.CLEAN:
            active.moved = os.fstat(part.fd).st_size - part.offset  # what came just before a failure counts too
        digest = hasher.hexdigest() if active.ending is Ending.CLEAN else ""
        verified = await active.conclude(terms.algorithm, digest)
    kept = (begun.modify_ns, begun.mode if begun.mode is not None else terms.mode) if terms.preserve else (None, None)
    return _Fetched(active.moved, verified, f"{terms.algorithm}:{digest}", *kept)


async def _stands_already(session: Session, remote: str, local: Path, terms: Terms) -> Transferred | None:
    """The file is here already, by its digest; None: it is not, or nobody can tell without moving it."""
    try:
        fd, held = await trio.to_thread.run_sync(open_source, local)
    except ClientError:
        return None
    try:
        known = await listing.facts(session, remote)
        if known.kind is not Kind.FILE or known.size != held.st_size:
            return None
        try:
            theirs = await digests.remote_digest(session, remote, terms.algorithm)
        except ClientError as error:
            if error.reply is None:
                raise
            return None
        ours = await digest_of(fd, held.st_size, terms.algorithm, str(local))
    finally:
        os.close(fd)
    if ours != theirs:
        return None
    size = held.st_size
    terms.tell(size)
    digest = f"{terms.algorithm}:{ours}"
    return Transferred(remote, str(local), 0, size, size, Verified.DIGEST, digest=digest, skipped=True)


async def digest_of(fd: int, size: int, algorithm: str, thing: str) -> str:
    """Our digest of the first `size` bytes of a file, in hex. Raises ClientError when it cannot be read."""
    hasher = digests.hasher(algorithm)
    await _feed(hasher, fd, size, thing)
    return hasher.hexdigest()


async def _feed(hasher: digests.Hasher, fd: int, size: int, thing: str) -> None:
    """In workers, slice by slice, so that cancellation never waits for more than one."""
    for start in range(0, size, _SLICE):
        await trio.to_thread.run_sync(digests.feed, hasher, fd, start, min(start + _SLICE, size), thing)


# ---- upload


@define(eq=False)
class _Source:
    """A file to be sent.

    Attributes:
        digest: of the whole, in hex, once it is known.
        fresh: the server's part is of another file and is to be discarded.
    """

    fd: int
    held: os.stat_result
    local: Path
    remote: str
    digest: str | None = None
    fresh: bool = False

    def request(self, terms: Terms, tag: int) -> PutRequest:
        known = Digests.of(terms.algorithm, self.digest) if self.digest is not None else Digests()
        modify_ns = sayable(self.held.st_mtime_ns) if terms.preserve else None
        return PutRequest(
            tag, self.remote, self.held.st_size, modify_ns,
            stat.S_IMODE(self.held.st_mode) & 0o777 if terms.preserve else None,
            terms.algorithm, known, terms.if_absent, self.fresh,
        )  # fmt: skip


def sayable(modify_ns: int) -> int | None:
    """A time, when FTP can say its year: one that it cannot is not kept."""
    try:
        format_time(modify_ns)
    except BadFacts:
        return None
    return modify_ns


async def put(session: Session, local: Path, remote: str, terms: Terms) -> Transferred:
    """Send the file `local` to `remote`; see `Client.put`."""
    began = trio.current_time()
    fd, held, digest = await trio.to_thread.run_sync(_open, local, terms)
    source = _Source(fd, held, local, remote, digest)
    try:
        await _expected(source, terms)
        result = await _offer(session, source, terms)
    finally:
        os.close(fd)
    terms.tell(held.st_size)
    return evolve(result, local=str(local), seconds=trio.current_time() - began)


def _open(local: Path, terms: Terms) -> tuple[int, os.stat_result, str | None]:
    """The source and, of a small one, its digest in the same breath."""
    fd, held = open_source(local)
    if held.st_size > _SMALL:
        return fd, held, None
    try:
        return fd, held, digests.local_digest(fd, terms.algorithm, str(local), held.st_size)
    except BaseException:
        os.close(fd)
        raise


async def _expected(source: _Source, terms: Terms) -> None:
    """Compare with what was expected, before anything moves. Raises ClientError INTEGRITY."""
    if terms.expect is None:
        return
    algorithm, _, wanted = terms.expect.partition(":")
    found = source.digest if algorithm == terms.algorithm else None
    if found is None:
        found = await digest_of(source.fd, source.held.st_size, algorithm, str(source.local))
    if algorithm == terms.algorithm:
        source.digest = found
    digests.compare(str(source.local), algorithm, wanted, found)


async def _offer(session: Session, source: _Source, terms: Terms) -> Transferred:
    """PUT until the server takes it or has it: a part that is of another file is discarded, and what has the name is
    compared before it is sent once more."""
    anew = False
    for _ in range(_ROUNDS):
        active = await begin(session, partial(source.request, terms), source.remote)
        if isinstance(active, Running):
            return _same(source, active, terms)
        async with scope(active):
            if active.begun.stands and source.digest is None:
                await active.give_up()
                source.digest = await digest_of(
                    source.fd, source.held.st_size, terms.algorithm, str(source.local)
                )
                continue
            hasher = digests.hasher(terms.algorithm)
            if not await _is_beginning(source, active, hasher, terms):
                await active.give_up()
                source.fresh = anew = True
                continue
            return evolve(await _send(source, active, hasher, terms), anew=anew)
    raise ClientError(Outcome.PROTOCOL, f"{source.remote}: the server's part is never the beginning of this file")


def _same(source: _Source, running: Running, terms: Terms) -> Transferred:
    """The server has it already."""
    evidence = Evidence(source.remote, "PUT", 0, source.held.st_size, Ending.CLEAN, running.final, needed=False)
    verified = judged(evidence, running, terms.algorithm, source.digest or "")
    digest = f"{terms.algorithm}:{source.digest}"
    size = source.held.st_size
    return Transferred(source.remote, "", 0, size, size, verified, digest=digest, skipped=True)


async def _is_beginning(source: _Source, active: Transfer, hasher: digests.Hasher, terms: Terms) -> bool:
    """Whether what stands in the server's part is how this file begins; `hasher` has seen it then."""
    if not active.offset:
        return True
    theirs = active.begun.digests.get(terms.algorithm)
    if theirs is None or active.offset > source.held.st_size:
        return False
    await _feed(hasher, source.fd, active.offset, str(source.local))
    return hasher.hexdigest() == theirs


async def _send(source: _Source, active: Transfer, hasher: digests.Hasher, terms: Terms) -> Transferred:
    size, offset, digest = source.held.st_size, active.offset, source.digest
    flow = terms.flow(active.session, active, size)
    try:
        with active.moving():
            if digest is None:
                active.moved, digest = await send_hashed(
                    active.wire, source.fd, offset, size, hasher, flow, start=offset
                )
            else:
                active.moved = await send_file(active.wire, source.fd, offset, size - offset, flow)
    except DiskFault as error:
        raise from_os_error(str(source.local), error.error) from error
    if active.ending is None:
        check_unchanged(source.fd, source.held, source.local)
        assert digest is not None
        await active.state(terms.algorithm, digest)
    verified = await active.confirmed(terms.algorithm, digest or "")
    return Transferred(
        source.remote, "", active.moved, size, offset, verified, digest=f"{terms.algorithm}:{digest}"
    )
