"""Transfers whose bytes the caller holds: blocks out of a download, blocks into an upload."""

from __future__ import annotations

from collections.abc import AsyncIterator

import trio
from attrs import evolve

from ftlite.client import digests, listing
from ftlite.client.errors import ClientError, Outcome
from ftlite.client.files import Terms, Transferred
from ftlite.client.success import Ending, Evidence, Verified, behind, judge
from ftlite.client.transfer import Active
from ftlite.movers import Flow, receive_some, send_bytes

_BLOCK = 64 * 1024  # the movers make room for all of it, however little comes


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

    def _hash(self, block: bytes | bytearray | memoryview) -> None:
        if self._hasher is not None:
            self._hasher.update(bytes(block))

    async def _conclude(self, evidence: Evidence, remote: str) -> None:
        judge(evolve(evidence, require=None))
        digest = None
        if self._hasher is not None and self._algorithm is not None:
            with behind(remote):
                theirs = await digests.remote_digest(self._active.session, remote, self._algorithm)
            digest = f"{self._algorithm}:{self._hasher.hexdigest()}"
            evidence = evolve(evidence, ours=digest, theirs=f"{self._algorithm}:{theirs}")
        verified = judge(evidence)
        seconds = trio.current_time() - self._began
        size = evidence.offset + evidence.moved
        self.result = Transferred(remote, "-", evidence.moved, size, evidence.offset, verified, seconds, digest)


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
            self._hash(block)
            return block
        evidence = await active.settle()
        await self._conclude(evolve(evidence, stated=await self._stated(evidence)), active.thing)
        raise StopAsyncIteration

    async def _stated(self, evidence: Evidence) -> int | None:
        return await listing.size_now(self._active.session, self._active.thing, self.size, evidence)


class Upload(_Stream):
    """Takes the blocks of a remote file, in order; leaving its scope normally ends and verifies it."""

    async def send(self, block: bytes | bytearray | memoryview) -> None:
        """Send one block. Raises ClientError as soon as the server has refused or the connection broke."""
        active = self._active
        if active.ending is not None:
            raise ClientError(Outcome.USAGE, f"{active.thing}: the upload is over")
        with active.moving():
            await send_bytes(active.wire, bytes(block), self._flow)
        self._hash(block)
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
