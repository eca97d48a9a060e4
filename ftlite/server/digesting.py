"""Digests made in workers: on request, and of fresh uploads in idle time, so that their first HASH is quick."""

from __future__ import annotations

import threading
from functools import partial

import trio
from attrs import frozen

from ftlite.config.models import User
from ftlite.gate.gate import Gate
from ftlite.protocol.entries import Kind
from ftlite.server.services import Services
from ftlite.storage import errors
from ftlite.storage.digests import Stopped
from ftlite.storage.errors import StorageError
from ftlite.storage.granted import Granted

#: A digest is kept for good only of a file that has rested (storage/digests.py): until then a change could hide.
_REST = 60.5
_MOST_WAITING = 10_000


async def digest_of(services: Services, place: Granted, algorithm: str) -> tuple[str, int]:
    """Hex digest and size of the file at `place`, which is closed in any case.

    A worker cannot be cancelled, so on cancellation it is told to stop and left alone.

    Raises:
        StorageError: as `LocalStore.digest`; NOT_PLAIN when it is no file.
    """
    stopped = threading.Event()

    def work() -> tuple[str, int]:
        with place:
            entry = services.store.stat(place)
            if entry.kind is not Kind.FILE:
                raise StorageError(errors.Kind.NOT_PLAIN, place.path, "is not a plain file")
            return services.store.digest(place, algorithm, stop=stopped.is_set), entry.size or 0

    try:
        return await trio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=services.hashes)
    except trio.Cancelled:
        stopped.set()
        raise


@frozen
class _Upload:
    user: User
    path: str
    when: float


class IdleDigests:
    """Remembers uploads and makes their digests one after the other (``hash = all``)."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._send, self._receive = trio.open_memory_channel[_Upload](_MOST_WAITING)

    def remember(self, user: User, path: str) -> None:
        """`path` was published by `user`. When too many wait it is forgotten: then the first HASH makes the digest."""
        try:
            self._send.send_nowait(_Upload(user, path, trio.current_time()))
        except trio.WouldBlock:
            self._services.log.event("digest.skipped", path=path)

    async def run(self) -> None:
        """Make digests until cancelled; a task of the server."""
        async for upload in self._receive:
            await trio.sleep_until(upload.when + _REST)
            try:
                place = await self._services.on_disk(partial(_open, self._services, upload))
                await digest_of(self._services, place, "SHA-256")
            except (StorageError, Stopped) as error:  # replaced, removed or renamed meanwhile: nothing is owed
                self._services.log.event("digest.failed", path=upload.path, reason=str(error))


def _open(services: Services, upload: _Upload) -> Granted:
    with Gate(services.store.root_fd, upload.user) as gate:
        return gate.grant(upload.path)
