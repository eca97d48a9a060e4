"""Transfers whose bytes the caller holds: blocks out of a download, blocks into an upload, and blocking functions that
give or take them (stdin, stdout)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import trio
from attrs import evolve

from ftlite.client import digests, listing
from ftlite.client.errors import ClientError, Outcome
from ftlite.client.session import Session
from ftlite.client.success import Ending, Evidence, Verified, behind, judge
from ftlite.client.terms import Terms, Transferred
from ftlite.client.transfer import Active, transfer
from ftlite.movers import DiskFault, Flow, receive_into, receive_some, send_bytes, send_from

Read = Callable[[int], "bytes | memoryview"]
Write = Callable[[memoryview], object]
_BLOCK = 64 * 1024  # the movers make room for all of it, however little comes


class Hashes:
    """Several digests of one stream. Each of `names` is an algorithm, "algorithm:hex", or None for none."""

    def __init__(self, *names: str | None) -> None:
        wanted = {name.partition(":")[0] for name in names if name is not None}
        self._made = {name: digests.hasher(name) for name in wanted}

    def update(self, data: Any, /) -> None:
        for made in self._made.values():
            made.update(data)

    def hex(self, name: str) -> str:
        """The digest so far by one of the algorithms."""
        return self._made[name].hexdigest()


def expected(expect: str | None, hashes: Hashes, thing: str) -> None:
    """Raises ClientError INTEGRITY when the digest is not that of "algorithm:hex"."""
    if expect is not None:
        algorithm, _, digest = expect.partition(":")
        digests.compare(thing, algorithm, digest, hashes.hex(algorithm))


async def _concluded(
    active: Active, evidence: Evidence, remote: str, began: float, algorithm: str | None, digest: str | None
) -> Transferred:
    """The result of a stream; `digest` is ours by `algorithm`, where one is required."""
    judge(evolve(evidence, require=None))
    whole = None
    if algorithm is not None:
        with behind(remote):
            theirs = await digests.remote_digest(active.session, remote, algorithm)
        whole = f"{algorithm}:{digest}"
        evidence = evolve(evidence, ours=whole, theirs=f"{algorithm}:{theirs}")
    verified = judge(evidence)
    size = evidence.offset + evidence.moved
    seconds = trio.current_time() - began
    return Transferred(remote, "-", evidence.moved, size, evidence.offset, verified, seconds, whole)


class _Stream:
    """What both directions share: the flow, a digest where one is required, and the result."""

    def __init__(self, active: Active, terms: Terms, total: int | None) -> None:
        self.result: Transferred | None = None  #: after the end, when it succeeded
        self._active = active
        self._terms = terms
        self._flow: Flow = terms.flow(active.session, active, total)
        self._began = trio.current_time()
        self._algorithm: str | None = None
        if terms.require is Verified.DIGEST and active.offset == 0:
            self._algorithm = digests.best_algorithm(active.session)
        self._hasher = digests.hasher(self._algorithm) if self._algorithm else None

    async def _saw(self, block: bytes | bytearray | memoryview) -> None:
        if self._hasher is not None:
            await trio.to_thread.run_sync(self._hasher.update, bytes(block))

    async def _conclude(self, evidence: Evidence, remote: str) -> None:
        digest = self._hasher.hexdigest() if self._hasher is not None else None
        self.result = await _concluded(self._active, evidence, remote, self._began, self._algorithm, digest)


class Download(_Stream):
    """Blocks of a remote file, in order; iterate to the end to have it verified.

    Attributes:
        size: bytes of the whole file, where the server states it.
        result: after the last block.
    """

    def __init__(self, active: Active, terms: Terms, size: int | None) -> None:
        super().__init__(active, terms, size)
        self.size = size

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """The next block, 1 byte to 64 KiB. Raises ClientError when the transfer turns out to have failed."""
        active = self._active
        if active.settled:
            raise StopAsyncIteration
        block = b""
        with active.moving():
            block = await receive_some(active.wire, self._flow, _BLOCK)
            if not block:
                active.ending = Ending.CLEAN
        if block:
            await self._saw(block)
            return block
        await self._over()
        raise StopAsyncIteration

    async def _over(self) -> None:
        """The last block was given out, or none will come."""
        evidence = await self._active.settle()
        thing = self._active.thing
        stated = await listing.size_now(self._active.session, thing, self.size, evidence)
        await self._conclude(evolve(evidence, stated=stated, require=self._terms.require), thing)


class Upload(_Stream):
    """Takes the blocks of a remote file, in order; leaving its scope normally ends and verifies it."""

    async def send(self, block: bytes | bytearray | memoryview) -> None:
        """Send one block. Raises ClientError as soon as the server has refused or the connection broke."""
        active = self._active
        if active.ending is not None:
            raise ClientError(Outcome.USAGE, f"{active.thing}: the upload is over")
        with active.moving():
            await send_bytes(active.wire, bytes(block), self._flow)
        await self._saw(block)
        if active.ending is not None:
            judge(await active.settle())

    async def complete(self, remote: str, *, compare: bool) -> None:
        """End the data, wait for the verdict. The scope calls it. `compare`: the whole file came from here."""
        active = self._active
        if active.ending is None:
            await active.finish_writing()
        evidence = await active.settle()
        if compare and evidence.final is not None and evidence.final.completed:
            with behind(remote):
                stated = await listing.size_of(active.session, remote)
            evidence = evolve(evidence, stated=stated, require=self._terms.require)
        await self._conclude(evidence, remote)


async def put_stream(session: Session, read: Read, remote: str, terms: Terms) -> Transferred:
    """Send what `read` gives, in the stock dialect; see `Client.put_stream`."""
    began = trio.current_time()
    algorithm = digests.best_algorithm(session) if terms.require is Verified.DIGEST else None
    hashes = Hashes(algorithm, terms.expect)
    if terms.if_absent:
        await listing.must_be_absent(session, remote)
    async with transfer(session, "STOR", remote) as active:
        flow = terms.flow(session, active, None)
        flow.hasher = hashes
        try:
            with active.moving():
                active.moved = await send_from(active.wire, read, flow, patient=True)
        except DiskFault as fault:
            raise fault.error from None  # the caller's own function raised it
        if active.ending is None:
            expected(terms.expect, hashes, "the stream")
            await active.finish_writing()
        evidence = await active.settle()
    if evidence.final is not None and evidence.final.completed:
        with behind(remote):
            stated = await listing.size_of(session, remote)
        evidence = evolve(evidence, stated=stated, require=terms.require)
    digest = hashes.hex(algorithm) if algorithm is not None else None
    return await _concluded(active, evidence, remote, began, algorithm, digest)


async def get_stream(session: Session, remote: str, write: Write, terms: Terms) -> Transferred:
    """Give all of a file to `write`, in the stock dialect; see `Client.get_stream`."""
    began = trio.current_time()
    known = await listing.facts(session, remote)
    algorithm = digests.best_algorithm(session) if terms.require is Verified.DIGEST else None
    hashes = Hashes(algorithm)
    async with transfer(session, "RETR", remote) as active:
        flow = terms.flow(session, active, known.size)
        flow.hasher = hashes
        try:
            with active.moving():
                active.moved = await receive_into(active.wire, write, flow, patient=True)
                active.ending = Ending.CLEAN
        except DiskFault as fault:
            raise fault.error from None
        evidence = await active.settle()
    stated = await listing.size_now(session, remote, known.size, evidence)
    evidence = evolve(evidence, stated=stated, require=terms.require)
    digest = hashes.hex(algorithm) if algorithm is not None else None
    return await _concluded(active, evidence, remote, began, algorithm, digest)
