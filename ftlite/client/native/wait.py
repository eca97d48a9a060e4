"""Waiting until something has its name: held by a native server, by looking again and again at any other.

A version is the server's token under native, size and time elsewhere; it is in `Entry.unique` either way.
"""

from __future__ import annotations

import math
import random

import trio
from attrs import evolve

from ftlite.client import listing
from ftlite.client.errors import ClientError, Outcome, Unsupported
from ftlite.client.session import Session
from ftlite.protocol.entries import Entry, Kind
from ftlite.protocol.native.answers import Told
from ftlite.protocol.native.requests import WAIT_MOST, FailRequest, WaitRequest

_FIRST = 0.5  # seconds between two looks in the beginning
_MOST = 10.0  # and in the end
_ALL_OF_IT = 0.9  # of the seconds asked for, by our clock: that of the server may run faster


async def wait(session: Session, path: str, deadline: float, since: str | None, any_directory: bool) -> Entry:
    """Wait until something stands under `path`; see `Client.wait`. `deadline` is by trio's clock."""
    if session.native is None:
        return await _watch(session, path, deadline, since)
    while True:
        began = trio.current_time()
        seconds = min(math.ceil(max(0.0, deadline - began)), WAIT_MOST)

        def ask(tag: int, seconds: int = seconds) -> WaitRequest:
            return WaitRequest(tag, path, seconds, since, any_directory)

        try:
            told = await session.native.ask(ask, path)
        except ClientError as error:
            if error.outcome is Outcome.TIMEOUT and error.reply is not None:
                now = trio.current_time()
                if now >= deadline:
                    raise too_late(path) from error
                if now - began < _ALL_OF_IT * seconds:  # it goes down: s.4 has no other word for it
                    raise ClientError(
                        Outcome.TIMEOUT, f"{path}: the server ended the wait before its time", transient=True
                    ) from error
                continue
            raise
        return _entry(path, told)


def too_late(path: str) -> ClientError:
    """Nothing had the name at the deadline."""
    return ClientError(
        Outcome.TIMEOUT, f"{path}: nothing was published there in time", remedy="raise --timeout (of get: --wait)"
    )


def _entry(path: str, told: Told) -> Entry:
    kind = Kind.DIR if told.type_ == "dir" else Kind.FILE
    return Entry(path, kind, size=told.size, modify_ns=told.modify_ns, unique=told.version)


async def _watch(session: Session, path: str, deadline: float, since: str | None) -> Entry:
    """Look until it is there. Where uploads may show while they grow, what is there must look the same twice."""
    atomic = session.features.has("FTLITE")
    before: Entry | None = None
    pause = _FIRST
    while True:
        found = await _look(session, path)
        settled = atomic or found == before or (found is not None and found.kind is Kind.DIR)
        if found is not None and found.unique != since and settled:
            return found
        before = found
        now = trio.current_time()
        if now >= deadline:
            raise too_late(path)
        roll = 0.5 + random.random()  # noqa: S311 - so that many who wait do not all look at once
        await trio.sleep_until(min(deadline, now + pause * roll))
        pause = min(_MOST, pause * 1.5)


async def _look(session: Session, path: str) -> Entry | None:
    try:
        found = await listing.stat(session, path)
    except ClientError as error:
        if error.outcome is Outcome.NOT_FOUND:
            return None
        raise
    return evolve(found, unique=f"{found.modify_ns or 0}.{found.size or 0}")


async def mark_failed(session: Session, path: str) -> None:
    """Tell those who wait for `path` that it will not come; see `Client.mark_failed`."""
    if session.native is None:
        raise Unsupported(
            f"{session.thing} cannot be told that a producer failed", remedy="that takes the native dialect"
        )
    running = await session.native.begin(lambda tag: FailRequest(tag, path), path)
    try:
        await running.done()
    finally:
        await running.abort()
    refusal = running.refusal()
    if refusal is not None:
        raise refusal
