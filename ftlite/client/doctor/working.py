"""What the connection is for: a listing, and a file there and back. Nothing that is written stays."""

from __future__ import annotations

import os
import posixpath
import secrets
import time

import trio

from ftlite.client.client import Client
from ftlite.client.connecting import connect
from ftlite.client.doctor.findings import Finding, Patient, fail, ok, skip, warn
from ftlite.client.errors import ClientError, Outcome
from ftlite.client.listing import list_directory
from ftlite.client.terms import Transferred
from ftlite.protocol.entries import Entry, Kind

_SIZE = 1024 * 1024  # bytes that travel there and back
_LARGEST = 16 * _SIZE  # of what stands there and is fetched instead
_TELLING = 64 * 1024  # bytes; of fewer a speed says nothing
_CLEAN_UP = 5.0  # seconds
_SKEW = 2.0  # seconds of a clock that are no matter


async def listing(patient: Patient) -> Finding:
    """The directory that the address names."""
    path = patient.target.address.path
    began = trio.current_time()
    patient.entries = await list_directory(patient.logged_in, path)
    seconds = trio.current_time() - began
    count = len(patient.entries)
    what = f"{count:,} {'entry' if count == 1 else 'entries'} in {path or 'the login directory'}"
    return ok(f"{what}, in {seconds * 1000:.0f} ms", entries=count, took=round(seconds, 3))


async def transfer(patient: Patient) -> Finding:
    """A file there and back, where one may be written; else one that is there is fetched."""
    settings = {**patient.settings, "retries": 0, "notice": None, "ask": None}
    if not patient.write and _fit(patient.entries) is None:
        return skip("no file there to fetch (16 MiB at most); --write sends 1 MiB there and back")
    async with connect(patient.target.address, **settings) as client:
        return await (_there_and_back(patient, client) if patient.write else _back(patient, client))


def _fit(entries: list[Entry] | None) -> Entry | None:
    """The largest file that is not too large."""
    files = [each for each in entries or () if each.kind is Kind.FILE and each.size and each.size <= _LARGEST]
    return max(files, key=lambda each: each.size or 0, default=None)


async def _back(patient: Patient, client: Client) -> Finding:
    chosen = _fit(patient.entries)
    assert chosen is not None
    came = await client.get_stream(posixpath.join(patient.target.address.path, chosen.name), lambda block: None)
    what = f"{chosen.name} ({chosen.size:,} bytes)"
    return ok(f"{what} came: {_speed(came)}; --write sends something too", down=_facts(came))


async def _there_and_back(patient: Patient, client: Client) -> Finding:
    content = secrets.token_bytes(_SIZE)
    remote = posixpath.join(patient.target.address.path, f"ftlite-doctor-{os.getpid()}-{secrets.token_hex(4)}.tmp")
    left, came = [content], bytearray()
    try:
        went = await client.put_stream(lambda most: left.pop() if left else b"", remote)
        now = time.time()
        entry = await client.stat(remote)
        if entry.modify_ns is not None:
            patient.skew = entry.modify_ns / 1e9 - now
        back = await client.get_stream(remote, came.extend)
    finally:
        gone = await _removed(client, remote)
    facts = {"up": _facts(went), "down": _facts(back)}
    text = f"1 MiB there: {_speed(went)}; and back: {_speed(back)}"
    if came != content:
        error = ClientError(Outcome.INTEGRITY, f"{text}; what came back is something else",
                            remedy="something in between changes files; do not trust this way")  # fmt: skip
        return fail(error, **facts)
    if gone is not None:
        return warn(f"{text}; {remote} could not be removed: {gone.message}", "remove it by hand", **facts)
    return ok(text, **facts)


async def _removed(client: Client, remote: str) -> ClientError | None:
    """Remove what was written, also when we are interrupted; why that did not work."""
    with trio.move_on_after(_CLEAN_UP, shield=True):
        try:
            await client.remove(remote)
        except ClientError as error:
            return None if error.outcome is Outcome.NOT_FOUND else error
        return None
    return ClientError(Outcome.TIMEOUT, f"not done within {_CLEAN_UP:g} s")


def _speed(moved: Transferred) -> str:
    how = f"{moved.seconds * 1000:.0f} ms"
    if moved.moved >= _TELLING and moved.seconds > 0:
        how = f"{moved.moved / moved.seconds / 1e6:.1f} MB/s"
    return f"{how}, verified: {moved.verified.value}"


def _facts(moved: Transferred) -> dict[str, object]:
    return {"bytes": moved.moved, "seconds": round(moved.seconds, 6), "verified": moved.verified.value}


async def clock(patient: Patient) -> Finding:
    """Whether the server's clock is right, by the time of what was just written."""
    if patient.skew is None:
        return skip("only a file that was just written tells (--write)")
    skew = round(patient.skew, 1)
    if abs(skew) <= _SKEW:
        return ok("the server's clock is as ours", skew=skew)
    how = "ahead of" if skew > 0 else "behind"
    remedy = "'by time' comparisons of files will be wrong; set the clocks (NTP), or a server that tells local time"
    return warn(f"the server's clock is {abs(skew):,.0f} s {how} ours", remedy, skew=skew)


