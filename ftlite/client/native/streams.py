"""Native transfers whose bytes have no file here: blocks that the caller holds, and blocking ends such as stdin."""

from __future__ import annotations

import trio

from ftlite.client import digests
from ftlite.client.errors import ClientError, Outcome
from ftlite.client.native.transfer import Transfer, transfer
from ftlite.client.session import Session
from ftlite.client.streams import Download, Hashes, Read, Upload, Write, expected
from ftlite.client.success import Ending
from ftlite.client.terms import Terms, Transferred
from ftlite.movers import DiskFault, receive_into, send_from
from ftlite.protocol.native.requests import GetRequest, PutRequest


class NativeDownload(Download):
    """A `Download` that the digest proves, when it is of the whole file."""

    _active: Transfer

    def __init__(self, active: Transfer, terms: Terms) -> None:
        super().__init__(active, terms, active.begun.size)
        self._hasher = None if active.offset else digests.hasher(terms.algorithm)

    async def _over(self) -> None:
        algorithm, hasher, active = self._terms.algorithm, self._hasher, self._active
        digest = hasher.hexdigest() if hasher is not None else None
        verified = await active.conclude(algorithm, digest)
        active.settled = True
        self.result = Transferred(
            active.thing, "-", active.moved, active.offset + active.moved, active.offset, verified,
            trio.current_time() - self._began, None if digest is None else f"{algorithm}:{digest}",
        )  # fmt: skip


class NativeUpload(Upload):
    """An `Upload` that the digest proves."""

    _active: Transfer

    def __init__(self, active: Transfer, terms: Terms) -> None:
        super().__init__(active, terms, None)
        self._hasher = digests.hasher(terms.algorithm)

    async def complete(self, remote: str, *, compare: bool) -> None:
        """State what was sent, wait for the verdict."""
        algorithm, active = self._terms.algorithm, self._active
        assert self._hasher is not None
        digest = self._hasher.hexdigest()
        if active.ending is None:
            await active.state(algorithm, digest)
        verified = await active.confirmed(algorithm, digest)
        self.result = Transferred(
            remote, "-", active.moved, active.moved, 0, verified, trio.current_time() - self._began,
            f"{algorithm}:{digest}",
        )  # fmt: skip


def download_request(path: str, offset: int, terms: Terms, tag: int) -> GetRequest:
    """GET from `offset` on."""
    return GetRequest(tag, path, offset, hash=terms.algorithm)


def upload_request(path: str, terms: Terms, tag: int) -> PutRequest:
    """PUT of a stream: without a size no part is kept, so it begins at 0."""
    return PutRequest(tag, path, hash=terms.algorithm, if_absent=terms.if_absent)


async def put_stream(session: Session, read: Read, remote: str, terms: Terms) -> Transferred:
    """Send what `read` gives; see `Client.put_stream`."""
    began, algorithm = trio.current_time(), terms.algorithm
    hashes = Hashes(algorithm, terms.expect)
    async with transfer(session, lambda tag: upload_request(remote, terms, tag), remote) as active:
        if active.offset:
            raise ClientError(Outcome.PROTOCOL, f"{remote}: the server goes on with a stream, which has no beginning")
        flow = terms.flow(session, active, None)
        flow.hasher = hashes
        try:
            with active.moving():
                active.moved = await send_from(active.wire, read, flow, patient=True)
        except DiskFault as fault:
            raise fault.error from None  # the caller's own function raised it
        digest = hashes.hex(algorithm)
        if active.ending is None:
            expected(terms.expect, hashes, "the stream")
            await active.state(algorithm, digest)
        verified = await active.confirmed(algorithm, digest)
    seconds = trio.current_time() - began
    return Transferred(remote, "-", active.moved, active.moved, 0, verified, seconds, f"{algorithm}:{digest}")


async def get_stream(session: Session, remote: str, write: Write, terms: Terms) -> Transferred:
    """Give all of a file to `write`; see `Client.get_stream`."""
    began, algorithm = trio.current_time(), terms.algorithm
    hashes = Hashes(algorithm)
    async with transfer(session, lambda tag: download_request(remote, 0, terms, tag), remote) as active:
        flow = terms.flow(session, active, active.begun.size)
        flow.hasher = hashes
        try:
            with active.moving():
                active.moved = await receive_into(active.wire, write, flow, patient=True)
                active.ending = Ending.CLEAN
        except DiskFault as fault:
            raise fault.error from None
        digest = hashes.hex(algorithm)
        verified = await active.conclude(algorithm, digest)
    seconds = trio.current_time() - began
    return Transferred(remote, "-", active.moved, active.moved, 0, verified, seconds, f"{algorithm}:{digest}")
