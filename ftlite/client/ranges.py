"""One large file in several streams, verified as one.

That helps where a single connection does not fill the way: a long one, or one on which each connection is slowed. Every
stream is a transfer from an offset; a server that cannot be told where to end is left there (ABOR). What came is
written down, so that a repetition, or the next `get`, fetches only what is missing.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio
from attrs import define, evolve, field

from ftlite.client import digests, listing
from ftlite.client.errors import CannotRestart, ClientError, Outcome, from_os_error
from ftlite.client.files import can_restart
from ftlite.client.native.transfer import transfer as native_transfer
from ftlite.client.nursery import open_plain_nursery
from ftlite.client.parts import LEAST_IN_RANGES, part_path
from ftlite.client.rangeparts import RangesPart
from ftlite.client.retry import retrying
from ftlite.client.session import Session
from ftlite.client.shares import GRAIN, Lane, Shares
from ftlite.client.success import Ending, Verified, behind, judge
from ftlite.client.terms import Terms, Transferred
from ftlite.client.transfer import Active, transfer
from ftlite.movers import DiskFault, Flow, MoverError, Trail, receive_into
from ftlite.protocol.entries import Entry, Kind
from ftlite.protocol.native.answers import Moved
from ftlite.protocol.native.requests import GetRequest

if TYPE_CHECKING:
    from ftlite.client.client import Client

_NOTED = 16 << 20  # octets between two notes of what is there
_WORTHLESS = (Outcome.INTEGRITY, Outcome.NO_ROOM)
_UNFIT = re.compile(r"[^0-9A-Za-z._-]")


class OneStream(Exception):
    """This file, or this server, is one for a single stream."""


async def get(client: Client, remote: str, local: Path, terms: Terms, streams: int) -> Transferred | None:
    """Fetch `remote` to the file `local` in `streams` at most; see `Client.get`.

    Returns:
        None: it is to be fetched in one stream: it is short, or the server cannot begin at an offset.

    Raises:
        ClientError: see `Outcome`; what came so far is kept for a resume unless it was wrong.
    """

    async def attempt(number: int) -> Transferred:
        return await _attempt(client, remote, local, evolve(terms, resume=terms.resume or number > 0), streams)

    try:
        return await retrying(attempt, retries=client.retries, notice=client.notice)
    except OneStream:
        return None


async def _attempt(client: Client, remote: str, local: Path, terms: Terms, streams: int) -> Transferred:
    began = trio.current_time()
    known = await client.run(partial(_known, remote=remote, local=local, terms=terms))
    assert known.size is not None
    version = _UNFIT.sub("_", f"{known.unique or ''}.{known.size}.{known.modify_ns}")
    keeps = client.native or terms.resume
    part = await trio.to_thread.run_sync(partial(RangesPart.open, local, known.size, version, resume=keeps))
    shares = Shares(known.size, part.there, streams, GRAIN)
    stood = shares.octets
    keep = True
    try:
        fetch = _Fetch(client, remote, part, shares, known, terms)
        verified, digest = await fetch.all(streams)
        keep = False
        times = known.modify_ns if fetch.modify_ns is None else fetch.modify_ns
        modify_ns, mode = (times, known.mode) if terms.preserve else (None, None)
        await trio.to_thread.run_sync(partial(part.publish, modify_ns=modify_ns, mode=mode))
    except BaseException as error:
        worthless = isinstance(error, ClientError) and error.outcome in _WORTHLESS
        keep = keep and not worthless and not isinstance(error, OneStream)
        with trio.CancelScope(shield=True):  # bounded by the disk
            await trio.to_thread.run_sync(partial(part.close, shares.stands(), keep=keep))
        raise
    await trio.to_thread.run_sync(part.release)
    terms.tell(known.size)
    seconds = trio.current_time() - began
    return Transferred(remote, str(local), known.size - stood, known.size, stood, verified, seconds, digest)


async def _known(session: Session, remote: str, local: Path, terms: Terms) -> Entry:
    """What the file is. Raises OneStream when it is none for several."""
    known = await listing.facts(session, remote)
    if known.kind is not Kind.FILE or (known.size or 0) < LEAST_IN_RANGES or known.modify_ns is None:
        raise OneStream
    if session.native is None and not can_restart(session):
        raise OneStream
    if await trio.to_thread.run_sync(_begun_in_one, local, known, session.native is not None, terms):
        raise OneStream
    return known


def _begun_in_one(local: Path, known: Entry, native: bool, terms: Terms) -> bool:
    """A download in one stream has left something to go on with, or all of it may be here already."""
    part = part_path(local, None, None) if native else part_path(local, known.size, known.modify_ns)
    with suppress(OSError):
        if (native or terms.resume) and part.stat().st_size:
            return True
    with suppress(OSError):
        return terms.skip and local.stat().st_size == known.size
    return False


class _Enough(Exception):
    """The range is there; what else the server sends is for others."""


@define(eq=False)
class _Fetch:
    """One attempt.

    Attributes:
        version, modify_ns: of a native server's file; all streams must be of the same.
        alive: streams that are at work.
        stated: the server's digest of the whole, from a stream that went to the end.
    """

    client: Client
    remote: str
    part: RangesPart
    shares: Shares
    known: Entry
    terms: Terms
    version: str | None = None
    versioned: trio.Event = field(factory=trio.Event)
    alive: int = 0
    stated: str | None = None
    modify_ns: int | None = None
    noted: int = 0
    due: trio.Event = field(factory=trio.Event)
    trail: Trail | None = None

    async def all(self, streams: int) -> tuple[Verified, str | None]:
        """Fetch what is missing and compare the whole; what it was verified by, and its digest."""
        size = self.shares.size
        algorithm = await self.client.run(self._algorithm)
        if algorithm is None:
            await self._streams(streams)
            await self.client.run(self._unchanged)
            return Verified.SIZE, None
        try:
            async with Trail(self.part.fd, digests.hasher(algorithm)) as self.trail:
                await self._streams(streams)
                ours = await self.trail.digest(size)
        except DiskFault as fault:
            raise from_os_error(str(self.part.part.target), fault.error) from fault
        except MoverError as error:
            raise ClientError(Outcome.OTHER, f"{self.part.part.target}: {error}") from error
        with behind(self.remote):
            theirs = self.stated or await self.client.hash(self.remote, algorithm)
        if ours != theirs:
            raise ClientError(
                Outcome.INTEGRITY,
                f"{self.remote}: the digests differ, {algorithm}:{ours} here and {algorithm}:{theirs} there",
                transient=True,
            )
        return Verified.DIGEST, f"{algorithm}:{ours}"

    async def _algorithm(self, session: Session) -> str | None:
        if session.native is not None:
            return self.terms.algorithm
        best = digests.best_algorithm(session)
        if best is None and self.terms.require is Verified.DIGEST:
            raise OneStream  # which says why it fails
        return best

    async def _unchanged(self, session: Session) -> None:
        """Without a digest: the file is still the one that it was. Raises ClientError INTEGRITY."""
        with behind(self.remote):
            now = await listing.facts(session, self.remote)
        if (now.size, now.modify_ns) != (self.known.size, self.known.modify_ns):
            raise ClientError(Outcome.INTEGRITY, f"{self.remote} changed while it was fetched", transient=True)

    async def _streams(self, streams: int) -> None:
        streams = min(streams, self.client.pool.most if not self.client.native else streams)
        self.alive = max(1, min(streams, self.shares.size // self.shares.grain))
        self.noted = self.shares.octets
        if not self.client.native:
            self.versioned.set()
        self._reached()
        async with open_plain_nursery() as nursery:
            nursery.start_soon(self._notes)
            async with open_plain_nursery() as workers:
                for _ in range(self.alive):
                    workers.start_soon(self._stream)
            nursery.cancel_scope.cancel()
        if self.shares.octets != self.shares.size:  # whoever could have fetched it has given up
            raise ClientError(Outcome.PARTIAL, f"{self.remote}: not all of it came", transient=True)

    async def _stream(self) -> None:
        """Fetch ranges until none is left. A stream that fails leaves the rest to the others; the last one raises."""
        try:
            while self.shares.todo or self.shares.running:
                async with self.client.pool.lease() as session:  # one too many for the server waits here
                    lane = self.shares.take()
                    if lane is None:
                        break
                    try:
                        await self._range(session, lane)
                    finally:
                        self.shares.leave(lane)
                        self.versioned.set()  # if it did not learn the version, whoever comes next does
        except CannotRestart as error:
            raise OneStream from error
        except ClientError as error:
            self.alive -= 1
            if not self.alive or error.outcome in _WORTHLESS:
                raise
        else:
            self.alive -= 1

    async def _range(self, session: Session, lane: Lane) -> None:
        """One range, over one connection. Raises ClientError."""
        try:
            if session.native is None:
                async with transfer(session, "RETR", self.remote, offset=lane.at) as active:
                    await self._receive(active, lane)
                    judge(evolve(await active.settle(), stated=self.shares.size))
            else:
                await self._native_range(session, lane)
        except _Enough:
            pass

    async def _native_range(self, session: Session, lane: Lane) -> None:
        if self.version is None and self.shares.running[0] is not lane:
            await self.versioned.wait()

        def ask(tag: int) -> GetRequest:
            return GetRequest(tag, self.remote, lane.at, self.version, self.terms.algorithm)

        async with native_transfer(session, ask, self.remote) as active:
            begun = active.begun
            same = begun.version is not None and self.version in (None, begun.version)
            if active.offset != lane.at or begun.size != self.shares.size or not same:
                raise ClientError(Outcome.INTEGRITY, f"{self.remote} changed while it was fetched", transient=True)
            self.version, self.modify_ns = begun.version, begun.modify_ns
            self.versioned.set()
            await self._receive(active, lane)
            await active.conclude(self.terms.algorithm, None)
            answer = active.running.answer
            if isinstance(answer, Moved):
                self.stated = answer.digests.get(self.terms.algorithm)

    async def _receive(self, active: Active, lane: Lane) -> None:
        """Take what comes into the part, up to the end of the data connection. Raises _Enough, ClientError."""
        fd, size = self.part.fd, self.shares.size

        def write(block: memoryview) -> None:
            rest = block[: max(0, lane.end - lane.at)]
            while rest:
                written = os.pwrite(fd, rest, lane.at)
                lane.at += written
                rest = rest[written:]
            if lane.at >= lane.end and lane.end < size:
                raise _Enough

        def moved(count: int) -> None:
            active.moved = count
            self._reached()

        flow = Flow(stall=active.session.stall, pace=self.terms.pace, on_moved=moved)
        try:
            with active.moving():
                active.moved = await receive_into(active.wire, write, flow)
                active.ending = Ending.CLEAN
        except DiskFault as fault:
            raise from_os_error(str(self.part.part.target), fault.error) from fault

    async def _notes(self) -> None:
        """Now and then write down what is there."""
        while True:
            await self.due.wait()
            self.due = trio.Event()
            stands = self.shares.stands()
            await trio.to_thread.run_sync(self.part.note, stands)

    def _reached(self) -> None:
        octets = self.shares.octets
        if self.terms.progress is not None:
            self.terms.progress(octets, self.shares.size)
        if self.trail is not None:
            self.trail.reach(self.shares.prefix)
        if octets - self.noted >= _NOTED:
            self.noted = octets
            self.due.set()
