"""What `Client` can do with streams: bytes that have no file here. A mixin of it, with the running of attempts."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import TypeVar

from attrs import evolve

from ftlite.client import listing, streams
from ftlite.client.errors import ClientError
from ftlite.client.native import streams as native_streams
from ftlite.client.native.transfer import transfer as native_transfer
from ftlite.client.pool import Pool
from ftlite.client.retry import retrying
from ftlite.client.session import Session
from ftlite.client.streams import Download, Read, Upload, Write
from ftlite.client.terms import Progress, Terms, Transferred
from ftlite.client.transfer import transfer

T = TypeVar("T")


class Streaming:
    """The part of a `Client` that streams; its attributes are the client's."""

    pool: Pool
    terms: Terms
    retries: int
    notice: Callable[[str], None] | None

    async def _attempts(
        self, operation: Callable[[Session, int], Awaitable[T]], *, until: float = -math.inf
    ) -> T:
        async def attempt(number: int) -> T:
            async with self.pool.lease() as session:
                return await operation(session, number)

        return await retrying(attempt, retries=self.retries, notice=self.notice, until=until)

    def _terms(self, resume: bool, preserve: bool | None, progress: Progress | None) -> Terms:
        keep = self.terms.preserve if preserve is None else preserve
        return evolve(self.terms, resume=resume, skip=resume, preserve=keep, progress=progress)

    async def put_stream(
        self,
        read: Read,
        remote: str,
        *,
        progress: Progress | None = None,
        if_absent: bool = False,
        expect: str | None = None,
    ) -> Transferred:
        """Send what ``read(most)`` gives, until it gives nothing. Repeated only until `read` was called.

        Args:
            read: blocks, in a thread of its own, which is left to itself when the call is cancelled.
            if_absent, expect: as in `put`; the digest is compared before the upload is ended.

        Raises:
            ClientError: see `Outcome`.
            OSError: what `read` raised.
        """
        terms = evolve(self._terms(False, None, progress), if_absent=if_absent, expect=expect)
        begun = False

        def once(most: int) -> bytes | memoryview:
            nonlocal begun
            begun = True
            return read(most)

        async def attempt(session: Session, _: int) -> Transferred:
            with _final_when(lambda: begun):
                if session.native is not None:
                    return await native_streams.put_stream(session, once, remote, terms)
                return await streams.put_stream(session, once, remote, terms)

        return await self._attempts(attempt)

    async def get_stream(self, remote: str, write: Write, *, progress: Progress | None = None) -> Transferred:
        """Give all of a remote file to ``write(block)``. Repeated only until `write` was called.

        Args:
            write: blocks, in a thread of its own; it takes the whole block, which is valid for this call only.

        Raises:
            ClientError: see `Outcome`; what was written before is not taken back.
            OSError: what `write` raised.
        """
        terms = self._terms(False, None, progress)
        begun = False

        def once(block: memoryview) -> None:
            nonlocal begun
            begun = True
            write(block)

        async def attempt(session: Session, _: int) -> Transferred:
            with _final_when(lambda: begun):
                if session.native is not None:
                    return await native_streams.get_stream(session, remote, once, terms)
                return await streams.get_stream(session, remote, once, terms)

        return await self._attempts(attempt)

    @asynccontextmanager
    async def download(self, path: str, offset: int = 0) -> AsyncIterator[Download]:
        """Blocks of a remote file from `offset` on: ``async for block in download``. Leaving early cancels it.

        Raises:
            ClientError: here or in the iteration; blocks that came before are not taken back.
        """

        async def begin(stack: AsyncExitStack) -> Download:
            session = await stack.enter_async_context(self.pool.lease())
            if session.native is not None:
                ask = partial(native_streams.download_request, path, offset, self.terms)
                return native_streams.NativeDownload(
                    await stack.enter_async_context(native_transfer(session, ask, path)), self.terms
                )
            known = await listing.facts(session, path)
            active = await stack.enter_async_context(transfer(session, "RETR", path, offset=offset))
            return Download(active, self.terms, known.size)

        async with AsyncExitStack() as stack:
            yield await self._entered(stack, begin)

    @asynccontextmanager
    async def upload(
        self, path: str, offset: int = 0, append: bool = False, size: int | None = None
    ) -> AsyncIterator[Upload]:
        """Send blocks: ``await upload.send(block)``. Leaving normally completes it; by an exception it is cancelled.

        Args:
            offset: where the bytes go (REST), behind what stands there.
            append: to the end of what stands there (APPE); its length is not known, so neither is the verdict's.
            size: total bytes, when known.
        """
        plain = append or offset > 0  # the native dialect replaces, and does not edit

        async def begin(stack: AsyncExitStack) -> Upload:
            session = await stack.enter_async_context(self.pool.lease(stock=plain))
            if session.native is not None:
                ask = partial(native_streams.upload_request, path, self.terms)
                return native_streams.NativeUpload(
                    await stack.enter_async_context(native_transfer(session, ask, path)), self.terms
                )
            await session.expect("NOOP")
            command = "APPE" if append else "STOR"
            active = await stack.enter_async_context(transfer(session, command, path, offset=offset))
            return Upload(active, self.terms, size)

        async with AsyncExitStack() as stack:
            upload = await self._entered(stack, begin)
            yield upload
            await upload.complete(path, compare=not append)

    async def _entered(self, stack: AsyncExitStack, begin: Callable[[AsyncExitStack], Awaitable[T]]) -> T:
        """What `begin` gives, with all that it entered in `stack`; retried, for a session may have gone."""

        async def attempt(_: int) -> T:
            async with AsyncExitStack() as tried:
                begun = await begin(tried)
                stack.push_async_exit(tried.pop_all())
                return begun

        return await retrying(attempt, retries=self.retries, notice=self.notice)


@contextmanager
def _final_when(begun: Callable[[], bool]) -> Iterator[None]:
    """A failure within this cannot be healed by a repetition once `begun`."""
    try:
        yield
    except ClientError as error:
        error.transient = error.transient and not begun()
        raise
