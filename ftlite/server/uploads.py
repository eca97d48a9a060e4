"""Native uploads that run: who may upload where, which part belongs to which, and when a second one takes over.

A client that lost its connection comes back sooner than the server notices the loss; so an upload that moves nothing
makes way for the next of the same user, path, size and modify (docs/protocol.md s.4).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import trio

from ftlite.config.rights import Right
from ftlite.gate.gate import Gate
from ftlite.protocol.native.requests import DoneRequest
from ftlite.server.refusals import Unwilling
from ftlite.server.tagged import Tagged
from ftlite.storage.errors import Kind, StorageError
from ftlite.storage.granted import Granted
from ftlite.storage.parts import no_right_to_put

T = TypeVar("T")
_QUIET = 5.0  # seconds without a byte after which an upload makes way
_FAREWELL = 5.0  # seconds that it gets to do so


def place_for_upload(gate: Gate, path: str, judge: Callable[[], Granted]) -> Granted:
    """What `judge` grants at `path`; whoever may put nothing there does not learn what is missing. Blocks."""
    try:
        return judge()
    except StorageError as error:
        if not any(_is_granted(gate, path, right) for right in (Right.PUT, Right.OVERWRITE)):
            raise no_right_to_put(path) from error
        raise


def _is_granted(gate: Gate, path: str, right: Right) -> bool:
    """Whether the rules allow `right` at `path`, and where links lead on the way to it, as far as that goes."""
    try:
        gate.grant(path, right).close()
    except StorageError as error:
        return error.kind is not Kind.DENIED
    return True


async def begin_upload(tagged: Tagged, key: object, begin: Callable[[], Awaitable[T]]) -> T:
    """What `begin` makes to receive into; an upload that holds it and moves nothing has to give it up.

    Args:
        key: what the client declared, by which it goes on with what stands.

    Raises:
        StorageError: BUSY where it does move, or is about to be published.
    """
    try:
        return await begin()
    except StorageError as error:
        other = tagged.services.uploads.get((tagged.user.name, error.path, key))
        if error.kind is not Kind.BUSY or other is None or not await _make_way(other):
            raise
    return await begin()


@contextmanager
def live_upload(tagged: Tagged, place: Granted, declared: object) -> Iterator[None]:
    """While the block runs, what was begun for `place` by this key is written by `tagged`."""
    key, uploads = (place.owner, place.path, declared), tagged.services.uploads
    uploads[key] = tagged
    try:
        yield
    finally:
        if uploads.get(key) is tagged:
            del uploads[key]


async def _make_way(other: Tagged) -> bool:
    """Whether `other` was quiet for so long that it had to end, and has ended."""
    if other.firm or other.stage is not None or trio.current_time() - other.moved_at < _QUIET:
        return False
    other.abort()
    with trio.move_on_after(_FAREWELL):
        await other.done.wait()
    return other.done.is_set()


async def stated(tagged: Tagged) -> DoneRequest:
    """The client's DONE, waited for if need be.

    Raises:
        Unwilling: stalled, it did not come.
    """
    if tagged.stated is None:
        with trio.move_on_after(tagged.services.config.limits.stall):
            await tagged.has_stated.wait()
    if tagged.stated is None:
        raise Unwilling("stalled", "DONE did not come.")
    return tagged.stated


def check_count(done: DoneRequest, moved: int) -> None:
    """Compare what DONE says was sent with what came.

    Raises:
        Unwilling: truncated when less came: in clear a cut looks like an end, and what came can be gone on with, since
            a resume proves it; integrity when more did.
    """
    if done.moved != moved:
        kind = "truncated" if done.moved > moved else "integrity"
        raise Unwilling(kind, f"{moved} bytes came, and DONE says {done.moved}.")
