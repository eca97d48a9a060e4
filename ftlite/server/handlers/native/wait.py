"""WAIT, with a tag and without (docs/protocol.md s.4, s.8)."""

from __future__ import annotations

import random

import trio

from ftlite.config.rights import Right
from ftlite.gate.gate import Gate
from ftlite.protocol.entries import Kind
from ftlite.protocol.native.answers import Told
from ftlite.protocol.native.requests import WaitRequest
from ftlite.protocol.native.values import Digests
from ftlite.protocol.replies import Reply
from ftlite.server.call import Call
from ftlite.server.refusals import Refused, Unwilling, for_tag
from ftlite.server.session import Session
from ftlite.server.tagged import Tagged
from ftlite.storage import errors
from ftlite.storage.errors import StorageError
from ftlite.storage.granted import Granted
from ftlite.storage.local import LocalStore

_LOOK_AGAIN = (4.0, 4.8)  # seconds; a look takes some too, and what others wrote is to be found within 5
_NOTHING_YET = (errors.Kind.NOT_FOUND, errors.Kind.NOT_DIRECTORY)


async def tagged_wait(tagged: Tagged) -> Reply:
    """WAIT with a tag."""
    with tagged.working("wait"):
        return (await _wait(tagged.session, tagged.path, tagged.request)).to_reply()


async def plain(call: Call) -> Reply:
    """WAIT without one: a job, which the commands behind it wait for."""
    request: WaitRequest = call.command.value
    path = call.path(request.path)
    try:
        return (await _wait(call.session, path, request)).to_reply()
    except (Unwilling, StorageError) as error:
        raise Refused(for_tag(error, None, path).to_reply()) from error


async def _wait(session: Session, path: str, request: WaitRequest) -> Told:
    """Subscribe, then look, so that nothing is missed between the two.

    Raises:
        Unwilling: timeout, failed.
        StorageError: DENIED, and what else the gate says.
    """
    services, gate = session.services, session.gate
    assert gate is not None, "WAIT comes after the login"
    until = trio.current_time() + request.seconds
    with services.waiting.waiter(path) as waiter:
        while True:
            waiter.begin_to_look()
            found = await services.on_disk(lambda: _look(gate, services.store, path, request), session.user)
            if found is not None:
                return found
            now = trio.current_time()
            if now >= until:
                raise Unwilling("timeout", "Nothing was published in time.")
            with trio.move_on_at(min(until, now + random.uniform(*_LOOK_AGAIN))):  # noqa: S311 - no secret
                await waiter.news.wait()


def _look(gate: Gate, store: LocalStore, path: str, request: WaitRequest) -> Told | None:
    """What stands there, if it is what is waited for. Blocks. Raises as `_wait` does."""
    try:
        place = _place(gate, path)
    except StorageError as error:
        if error.kind not in _NOTHING_YET:
            raise
        told, failed = None, store.failed(gate.foresee(path))
    else:
        with place:
            told = _standing(store, place, request)
            failed = told is None and store.failed(place)
    if failed:
        raise Unwilling("failed", "Its producer gave up.")
    return told


def _place(gate: Gate, path: str) -> Granted:
    """The place, for who may list or get there: the gate says the same to others, whatever is missing on the way."""
    try:
        return gate.grant(path, Right.LIST)
    except StorageError as error:
        if error.kind is not errors.Kind.DENIED:
            raise
    try:
        return gate.grant(path, Right.GET)
    except StorageError as error:
        if error.kind is not errors.Kind.DENIED:
            raise
        raise StorageError(errors.Kind.DENIED, path, "no right to list or to read here") from error


def _standing(store: LocalStore, place: Granted, request: WaitRequest) -> Told | None:
    try:
        entry, version = store.stat(place), store.version(place)
    except StorageError as error:
        if error.kind not in _NOTHING_YET:
            raise
        return None
    if version == request.since:
        return None
    if entry.kind is Kind.FILE:
        digest = store.kept_digest(place, "SHA-256") if Right.GET in place.rights else None
        return Told(request.tag, request.path, "file", entry.size, entry.modify_ns, version, Digests(sha256=digest))
    if entry.kind is Kind.DIR and (request.any_directory or store.is_tree(place)):
        return Told(request.tag, request.path, "dir", None, entry.modify_ns, version)
    return None
