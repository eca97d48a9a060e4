"""Whole trees there and back, one transfer each (docs/protocol.md s.5), one attempt. Old or new, never between.

What an earlier attempt left is gone on with, and proven first: by the digest over the records of what stands, which
both ends make of their own tree. A tree that stands already, whole and the same, is not sent again.
"""

from __future__ import annotations

import os
import posixpath
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import trio
from attrs import define, evolve

from ftlite.client.errors import ClientError, Outcome, from_os_error
from ftlite.client.files import Terms, Transferred
from ftlite.client.native.dialogue import Make, Running
from ftlite.client.native.transfer import Transfer, begin, judged, scope, transfer
from ftlite.client.native.treeparts import TreePart, taken
from ftlite.client.session import Session
from ftlite.client.success import Ending, Evidence, Verified
from ftlite.client.tree import Hooks, TreeFile, TreeReport, Wanted
from ftlite.movers import DiskFault, receive_into, send_from
from ftlite.protocol.entries import Kind
from ftlite.protocol.native.answers import Moved
from ftlite.protocol.native.patterns import Filter
from ftlite.protocol.native.requests import GetTreeRequest, PutTreeRequest
from ftlite.protocol.native.values import Digests
from ftlite.trees import (
    COMPRESSIONS,
    EntryKind,
    Manifest,
    Packer,
    Position,
    TreeError,
    Unpacker,
    Walk,
    measure,
)
from ftlite.trees import Kind as Wrong

T = TypeVar("T")
_FAR = 0.005  # seconds of a round trip from which on compressing is worth its time
_ROUNDS = 4  # offers of one tree: what stands is compared, a part of another tree is discarded
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_BATCH = 256  # files told of at a time
_EMPTY = 64 * 1024  # octets of a stream without entries, and more than that

#: What a tree can be refused for, and whether another attempt may go well.
_OUTCOMES: dict[Wrong, tuple[Outcome, bool]] = {
    Wrong.UNSAFE: (Outcome.INTEGRITY, False),
    Wrong.MALFORMED: (Outcome.INTEGRITY, False),
    Wrong.TOO_MUCH: (Outcome.NO_ROOM, False),
    Wrong.CHANGED: (Outcome.INTEGRITY, True),
    Wrong.DENIED: (Outcome.DENIED, False),
}


def takes(wanted: Wanted | None) -> bool:
    """Whether the selection can be said to the server: globs can, a function of the caller's cannot."""
    return wanted is None or isinstance(wanted, Filter)


def from_tree(thing: str, error: TreeError) -> ClientError:
    """The error for a tree that cannot be packed or unpacked."""
    outcome, transient = _OUTCOMES[error.kind]
    return ClientError(outcome, f"{thing}: {error}", transient=transient)


async def _in_worker(thing: str, work: Callable[[], T]) -> T:
    """Run blocking `work`; what the disk or the tree says becomes a ClientError that names `thing`."""
    try:
        return await trio.to_thread.run_sync(work)
    except TreeError as error:
        raise from_tree(thing, error) from error
    except OSError as error:
        raise from_os_error(thing, error) from error


async def _measured(root_fd: int, thing: str, hooks: Hooks, algorithm: str) -> Manifest:
    """The manifest of a local tree. A worker cannot be cancelled, so it is told to stop and left alone."""
    stopped = threading.Event()
    own = os.dup(root_fd)

    def work() -> Manifest | None:
        try:
            return measure(own, wanted=hooks.wanted, algorithm=algorithm, stop=stopped.is_set)
        finally:
            os.close(own)

    try:
        found = await trio.to_thread.run_sync(work, abandon_on_cancel=True)
    except trio.Cancelled:
        stopped.set()
        raise
    except TreeError as error:
        raise from_tree(thing, error) from error
    except OSError as error:
        raise from_os_error(thing, error) from error
    assert found is not None
    return found


def _compression(session: Session) -> str | None:
    """zstd over a long way, where both have it: on a short one it costs more than it saves."""
    assert session.native is not None
    if session.native.rtt < _FAR:
        return None
    return next((name for name in session.native.offer.comps if name in COMPRESSIONS), None)


def _verdict(evidence: Evidence, running: Running, manifest: Manifest, digest: str) -> tuple[Verified, Moved]:
    """`judged`, and the count of entries compared. What is missing of `digest` was not there to be counted."""
    verified = judged(evidence, running, manifest.algorithm, digest, sized=False)
    answer = running.answer
    assert isinstance(answer, Moved)
    if answer.entries is not None and answer.entries != manifest.entries:
        raise ClientError(
            Outcome.INTEGRITY,
            f"{evidence.thing}: {manifest.entries} entries here, but the server counted {answer.entries}",
            transient=True,
        )
    return verified, answer


@define
class _Outcome:
    """What is said of a tree in the end."""

    manifest: Manifest
    moved: int
    verified: Verified
    skipped: list[str]
    same: bool = False


async def _report(outcome: _Outcome, remote: str, local: Path, hooks: Hooks) -> TreeReport:
    manifest = outcome.manifest
    if hooks.on_file is not None:
        await _in_worker(str(local), partial(_tell, outcome, remote, local, hooks))
    return TreeReport(
        manifest.files, manifest.directories, outcome.moved, outcome.verified, skipped=tuple(outcome.skipped),
        whole=True, same=outcome.same,
    )  # fmt: skip


def _tell(outcome: _Outcome, remote: str, local: Path, hooks: Hooks) -> None:
    """Name each file, now that all of them are proven, from the local tree: none had to be remembered for it."""
    root = os.open(local, _DIRECTORY)
    walk = Walk(root, wanted=hooks.wanted)
    told: list[TreeFile] = []
    try:
        for entry, fd in walk:
            if fd >= 0:
                os.close(fd)
            if entry.kind is EntryKind.FILE:
                path = os.fsdecode(entry.path)
                result = Transferred(
                    posixpath.join(remote, path), str(local / path), 0 if outcome.same else entry.size, entry.size,
                    verified=outcome.verified, skipped=outcome.same,
                )  # fmt: skip
                told.append(TreeFile(path, Kind.FILE, result))
            if len(told) >= _BATCH:
                trio.from_thread.run_sync(_hear, hooks, told)
                told = []
        trio.from_thread.run_sync(_hear, hooks, told)
    finally:
        walk.close()
        os.close(root)


def _hear(hooks: Hooks, told: list[TreeFile]) -> None:
    assert hooks.on_file is not None
    for file in told:
        hooks.on_file(file)


# ---- download


async def get_tree(
    session: Session, remote: str, local: Path, terms: Terms, hooks: Hooks, *, replace: bool, merge: bool
) -> TreeReport:
    """Fetch the tree `remote` as `local`; see `Client.get_tree`."""
    stands = await _standing(local, hooks, terms.algorithm)
    if stands is not None and stands.entries:
        same = await _same(session, remote, local, stands, terms, hooks)
        if same is not None:
            return same
        if not replace and not merge:
            raise taken(local)
    asked = f"{session.thing}\0{remote}\0{_patterns(hooks)}"
    part = await trio.to_thread.run_sync(TreePart.open, local, asked, terms.algorithm)
    keep = True
    try:
        outcome = await _receive(session, remote, part, terms, hooks)
        await trio.to_thread.run_sync(partial(part.publish, replace=replace, merge=merge))
    except BaseException as error:
        keep = not (isinstance(error, ClientError) and error.outcome in (Outcome.INTEGRITY, Outcome.NO_ROOM))
        raise
    finally:
        with trio.CancelScope(shield=True):  # bounded by the disk
            await trio.to_thread.run_sync(partial(part.close, keep=keep))
    return await _report(outcome, remote, local, hooks)


async def _standing(local: Path, hooks: Hooks, algorithm: str) -> Manifest | None:
    """What stands at `local`; None: nothing. Raises ClientError EXISTS when it is no directory."""
    try:
        root = os.open(local, _DIRECTORY)
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise ClientError(Outcome.EXISTS, f"{local} is there already, and is no directory") from None
    except OSError as error:
        raise from_os_error(str(local), error) from error
    try:
        return await _measured(root, str(local), evolve(hooks, wanted=None), algorithm)
    finally:
        os.close(root)


def _patterns(hooks: Hooks) -> tuple[tuple[str, ...], tuple[str, ...]]:
    wanted = hooks.wanted
    return (wanted.include, wanted.exclude) if isinstance(wanted, Filter) else ((), ())


def _asking(session: Session, remote: str, terms: Terms, hooks: Hooks, stands: Position) -> Make:
    include, exclude = _patterns(hooks)
    comp = _compression(session)

    def ask(tag: int) -> GetTreeRequest:
        known = bool(stands.entries or stands.inside)
        return GetTreeRequest(
            tag, remote, comp, terms.algorithm, include, exclude,
            entries=stands.entries if known else None,
            digests=Digests.of(terms.algorithm, stands.digest) if known else Digests(),
            inside=stands.inside or None,
        )  # fmt: skip

    return ask


async def _same(
    session: Session, remote: str, local: Path, stands: Manifest, terms: Terms, hooks: Hooks
) -> TreeReport | None:
    """Whether the server's tree is the one that stands here: asked for what comes after it, there is nothing."""
    position = Position(stands.entries, stands.digest())
    came = 0
    async with transfer(session, _asking(session, remote, terms, hooks, position), remote) as active:
        if active.begun.entries != stands.entries:
            return None

        def count(block: memoryview) -> None:
            nonlocal came
            came += len(block)
            if came > _EMPTY:
                raise _More

        try:
            with active.moving():
                active.moved = await receive_into(active.wire, count, terms.flow(session, active, None))
                active.ending = Ending.CLEAN
        except _More:
            return None
        if active.ending is Ending.CLEAN:
            await active.finish_reading()
        try:
            verified, _ = _verdict(await active.settle(), active.running, stands, stands.digest())
        except ClientError as error:
            if error.outcome is Outcome.INTEGRITY:  # a few more entries came: it is another tree
                return None
            raise
        outcome = _Outcome(stands, active.moved, verified, [], same=True)
    return await _report(outcome, remote, local, hooks)


class _More(Exception):
    """There is more in the server's tree."""


async def _receive(session: Session, remote: str, part: TreePart, terms: Terms, hooks: Hooks) -> _Outcome:
    stands, thing = part.journal.position, str(part.target)
    async with transfer(session, _asking(session, remote, terms, hooks, stands), remote) as active:
        begun = active.begun
        if (begun.entries or 0) != stands.entries:
            if begun.entries:
                raise ClientError(Outcome.PROTOCOL, f"{remote}: the server begins at entry {begun.entries}, unasked")
            await trio.to_thread.run_sync(part.begin_anew)
        unpacker = Unpacker(
            part.root_fd, algorithm=terms.algorithm, umask=0, comp=begun.comp, journal=part.journal
        )
        try:
            with active.moving():
                flow = evolve(terms, progress=hooks.progress).flow(session, active, None)
                active.moved = await receive_into(active.wire, unpacker.write, flow)
                active.ending = Ending.CLEAN
            if active.ending is Ending.CLEAN:
                await active.finish_reading()
            evidence = await active.settle()
            if active.ending is Ending.CLEAN and active.running.refusal() is None:
                await trio.to_thread.run_sync(unpacker.finish)
            manifest = unpacker.manifest
            verified, answer = _verdict(evidence, active.running, manifest, manifest.digest())
        except DiskFault as fault:
            raise from_os_error(thing, fault.error) from fault
        except TreeError as error:
            raise from_tree(remote, error) from error
        except OSError as error:
            raise from_os_error(thing, error) from error
        finally:
            with trio.CancelScope(shield=True):  # bounded by the disk
                await _in_worker(thing, unpacker.close)
    left = [f"{answer.left} entries that the server may not or cannot send"] if answer.left else []
    return _Outcome(manifest, active.moved, verified, left)


# ---- upload


@define(eq=False)
class _Source:
    """A tree to be sent.

    Attributes:
        manifest: of the whole, once it is known.
        count: entries and octets of content, where something may stand in its place.
        fresh: what the server has is of another tree and is to be discarded.
    """

    root_fd: int
    local: Path
    remote: str
    replace: bool
    merge: bool
    manifest: Manifest | None = None
    count: tuple[int, int] | None = None
    fresh: bool = False

    def request(self, session: Session, terms: Terms, tag: int) -> PutTreeRequest:
        known = self.manifest
        entries, size = self.count or (None, None)
        digests = Digests()
        if known is not None:
            entries, size, digests = known.entries, known.size, Digests.of(terms.algorithm, known.digest())
        return PutTreeRequest(
            tag, self.remote, _compression(session), terms.algorithm, self.replace, self.merge, entries, size,
            digests, self.fresh,
        )  # fmt: skip


async def put_tree(
    session: Session,
    local: Path,
    remote: str,
    terms: Terms,
    hooks: Hooks,
    *,
    replace: bool,
    merge: bool,
) -> TreeReport:
    """Send the tree below the directory `local` as `remote`; see `Client.put_tree`."""
    try:
        root = os.open(local, _DIRECTORY)
    except OSError as error:
        raise from_os_error(str(local), error) from error
    try:
        source = _Source(root, local, remote, replace, merge)
        if replace or merge:
            source.count = await _in_worker(str(local), partial(_count, root, hooks))
        outcome = await _offer(session, source, terms, hooks)
    finally:
        os.close(root)
    return await _report(outcome, remote, local, hooks)


def _count(root: int, hooks: Hooks) -> tuple[int, int]:
    entries = size = 0
    walk = Walk(root, wanted=hooks.wanted)
    try:
        for entry, fd in walk:
            if fd >= 0:
                os.close(fd)
            entries += 1
            size += entry.size
    finally:
        walk.close()
    return entries, size


async def _offer(session: Session, source: _Source, terms: Terms, hooks: Hooks) -> _Outcome:
    """PUT until the server takes it or has it. What stands there is compared before it is called another tree."""
    for _ in range(_ROUNDS):
        try:
            active = await begin(session, partial(source.request, session, terms), source.remote)
        except ClientError as error:
            if error.outcome is not Outcome.EXISTS or error.reply is None or source.manifest is not None:
                raise
            source.manifest = await _measured(source.root_fd, str(source.local), hooks, terms.algorithm)
            continue
        if isinstance(active, Running):
            return _stood(source, active)
        async with scope(active):
            if active.begun.stands and source.manifest is None:
                await active.give_up()
                source.manifest = await _measured(source.root_fd, str(source.local), hooks, terms.algorithm)
                continue
            done = await _send(source, active, terms, hooks)
            if done is not None:
                return done
            source.fresh = True
    raise ClientError(Outcome.PROTOCOL, f"{source.remote}: the server's part is never the beginning of this tree")


def _stood(source: _Source, running: Running) -> _Outcome:
    """The server has it already."""
    assert source.manifest is not None
    evidence = Evidence(source.remote, "PUT", 0, 0, Ending.CLEAN, running.final, needed=False)
    verified, _ = _verdict(evidence, running, source.manifest, source.manifest.digest())
    return _Outcome(source.manifest, 0, verified, [], same=True)


async def _send(source: _Source, active: Transfer, terms: Terms, hooks: Hooks) -> _Outcome | None:
    """Send what is missing; None: what the server has is not how this tree begins."""
    begun, thing = active.begun, str(source.local)
    skip = Position(begun.entries or 0, begun.digests.get(terms.algorithm) or "", begun.inside or 0, begun.head or "")
    packer = Packer(
        source.root_fd, wanted=hooks.wanted, algorithm=terms.algorithm, skip=skip, comp=_compression(active.session)
    )
    try:
        if skip.entries or skip.inside:
            while (found := await _in_worker(thing, packer.advance)) is None:
                pass
            if not _agrees(found, skip):
                await active.give_up()
                return None
        flow = evolve(terms, progress=hooks.progress).flow(active.session, active, None)
        try:
            with active.moving():
                active.moved = await send_from(active.wire, packer.read, flow)
        except DiskFault as fault:
            raise from_os_error(thing, fault.error) from fault
        except TreeError as error:
            raise from_tree(thing, error) from error
        manifest = packer.manifest
        digest = manifest.digest()
        if active.ending is None:
            await active.state(terms.algorithm, digest, entries=manifest.entries)
        verified, _ = _verdict(await active.settle(), active.running, manifest, digest)
        active.wire.try_finish(give_up=True)  # the server has read all of it
        return _Outcome(manifest, active.moved, verified, packer.left_out)
    finally:
        with trio.CancelScope(shield=True):  # bounded: descriptors are closed
            await trio.to_thread.run_sync(packer.close)


def _agrees(found: Position, offered: Position) -> bool:
    if (found.entries, found.digest, found.inside) != (offered.entries, offered.digest, offered.inside):
        return False
    return not offered.inside or found.head == offered.head
