"""Whole trees there and back, one transfer each (docs/protocol.md s.5), one attempt. Old or new, never between.

What an earlier attempt left is gone on with, and proven first: by the digest over the records of what stands, which
both ends make of their own tree. A tree that stands already, whole and the same, is not sent again.
"""

from __future__ import annotations

import os
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import trio
from attrs import define, evolve

from ftlite.client.errors import ClientError, Outcome, from_os_error
from ftlite.client.native.dialogue import Make, Running
from ftlite.client.native.transfer import Transfer, begin, scope, transfer
from ftlite.client.native.treeparts import TreePart, find_place, taken
from ftlite.client.native.treework import (
    DIRECTORY,
    Done,
    compression,
    counted,
    files_below,
    from_tree,
    in_worker,
    measured,
    report,
    stoppable,
    verdict,
)
from ftlite.client.session import Session
from ftlite.client.success import Ending, Evidence
from ftlite.client.terms import Terms
from ftlite.client.tree import Hooks, TreeReport, Wanted
from ftlite.movers import DiskFault, receive_into, send_from
from ftlite.protocol.native.answers import Refusal
from ftlite.protocol.native.patterns import MOST, Filter, format_patterns
from ftlite.protocol.native.requests import GetTreeRequest, PutTreeRequest
from ftlite.protocol.native.values import Digests
from ftlite.trees import Kind as Wrong
from ftlite.trees import Manifest, Packer, Position, TreeError, TreeLimits, Unpacker

_ROUNDS = 4  # offers of one tree: what stands is compared, a part of another tree is discarded
_EMPTY = 64 * 1024  # octets of a stream without entries, and more than that
_LINE = 1000  # octets of globs of one kind that are said in a command, which has 4,096
_LIMITS = TreeLimits()
#: What a failed download leaves nothing behind for: what came is wrong, or there is no room for it.
_WORTHLESS = frozenset({Outcome.INTEGRITY, Outcome.NO_ROOM, Outcome.PROTOCOL})


def takes(wanted: Wanted | None) -> bool:
    """Whether a server can be told what to send: few globs can be said, a function of the caller's cannot."""
    if not isinstance(wanted, Filter):
        return wanted is None
    globs = (wanted.include, wanted.exclude)
    return all(len(each) <= MOST and all(each) and len(format_patterns(each)) <= _LINE for each in globs)


# ---- download


async def get_tree(
    session: Session,
    remote: str,
    local: Path,
    terms: Terms,
    hooks: Hooks,
    *,
    replace: bool,
    merge: bool,
    limits: TreeLimits = _LIMITS,
) -> TreeReport:
    """Fetch the tree `remote` as `local`; see `Client.get_tree`.

    Args:
        limits: what the server's archive may come to.
    """
    local = await in_worker(str(local), partial(find_place, local))
    stands = await _standing(local, terms.algorithm)
    if stands is not None and stands.entries:
        same = await _same(session, remote, stands, terms, hooks)
        if same is not None:
            return await report(same, remote, local, hooks, files_below(local, hooks))
        if not replace and not merge:
            raise taken(local)
    asked = f"{session.thing}\0{remote}\0{_patterns(hooks)}"
    part = await stoppable(str(local), lambda stop: TreePart.open(local, asked, terms.algorithm, stop))
    keep = True
    try:
        try:
            done = await _receive(session, remote, part, terms, hooks, limits)
        except ClientError as error:
            if not _is_bomb(error) or compression(session) is None or session.native is None:
                raise
            session.native.plain = True  # content full of holes looks like one when it is compressed
            await trio.to_thread.run_sync(part.begin_anew)
            done = await _receive(session, remote, part, terms, hooks, limits)
        publish = partial(part.publish, replace=replace, merge=merge, name=hooks.on_file is not None)
        merged = await trio.to_thread.run_sync(publish)
    except BaseException as error:
        # What the server itself refuses says nothing against what came before.
        keep = not (isinstance(error, ClientError) and error.outcome in _WORTHLESS and error.reply is None)
        raise
    finally:
        with trio.CancelScope(shield=True):  # bounded by the disk
            await trio.to_thread.run_sync(partial(part.close, keep=keep))
    if merged is None:
        return await report(done, remote, local, hooks, files_below(local, hooks))
    with closing(merged):
        return await report(done, remote, local, hooks, merged)


def _is_bomb(error: ClientError) -> bool:
    return isinstance(error.__cause__, TreeError) and error.__cause__.kind is Wrong.TOO_MUCH


async def _standing(local: Path, algorithm: str) -> Manifest | None:
    """What stands at `local`; None: nothing. Raises ClientError EXISTS when it is no directory."""
    try:
        root = await trio.to_thread.run_sync(os.open, local, DIRECTORY)
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise ClientError(
            Outcome.EXISTS, f"{local}: it, or what leads to it, is there already and is no directory"
        ) from None
    except OSError as error:
        raise from_os_error(str(local), error) from error
    try:
        return await measured(root, str(local), None, algorithm)
    finally:
        os.close(root)


def _patterns(hooks: Hooks) -> tuple[tuple[str, ...], tuple[str, ...]]:
    wanted = hooks.wanted
    return (wanted.include, wanted.exclude) if isinstance(wanted, Filter) else ((), ())


def _asking(session: Session, remote: str, terms: Terms, hooks: Hooks, stands: Position) -> Make:
    include, exclude = _patterns(hooks)
    comp = compression(session)

    def ask(tag: int) -> GetTreeRequest:
        known = bool(stands.entries or stands.inside)
        return GetTreeRequest(
            tag, remote, comp, terms.algorithm, include, exclude,
            entries=stands.entries if known else None,
            digests=Digests.of(terms.algorithm, stands.digest) if known else Digests(),
            inside=stands.inside or None,
        )  # fmt: skip

    return ask


async def _same(session: Session, remote: str, stands: Manifest, terms: Terms, hooks: Hooks) -> Done | None:
    """Whether the server's tree is the one that stands here: asked for what comes after it, there is nothing."""
    position = Position(stands.entries, stands.digest())
    came = 0
    async with transfer(session, _asking(session, remote, terms, hooks, position), remote) as active:
        if active.begun.entries != stands.entries:
            await active.give_up()
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
            await active.give_up()
            return None
        if active.ending is Ending.CLEAN:
            await active.finish_reading()
        try:
            verified, answer = verdict(await active.settle(), active.running, stands, stands.digest())
        except ClientError as error:
            if error.outcome is Outcome.INTEGRITY:  # a few more entries came: it is another tree
                return None
            raise
        return Done(stands, 0, verified, left=answer.left or 0, same=True)


class _More(Exception):
    """There is more in the server's tree."""


async def _receive(
    session: Session, remote: str, part: TreePart, terms: Terms, hooks: Hooks, limits: TreeLimits
) -> Done:
    thing = str(part.target)
    async with transfer(session, _asking(session, remote, terms, hooks, part.journal.position), remote) as active:
        await _go_on(active, part, compression(session))
        unpacker = Unpacker(
            part.root_fd, limits=limits, algorithm=terms.algorithm, umask=part.umask, comp=active.begun.comp,
            journal=part.journal,
        )  # fmt: skip
        try:
            return await _unpack(active, unpacker, evolve(terms, progress=hooks.progress))
        except DiskFault as fault:
            raise from_os_error(thing, fault.error) from fault
        except TreeError as error:
            raise from_tree(remote, error) from error
        except OSError as error:
            raise from_os_error(thing, error) from error
        finally:
            with trio.CancelScope(shield=True):  # bounded by the disk
                await trio.to_thread.run_sync(_let_go, unpacker)


async def _go_on(active: Transfer, part: TreePart, comp: str | None) -> None:
    """Whether the server goes on with what stands, as it was asked, or begins afresh. Raises ClientError PROTOCOL."""
    begun, stands = active.begun, part.journal.position
    if not begun.tree or begun.comp not in (None, comp):
        raise ClientError(Outcome.PROTOCOL, f"{active.thing}: the server sends something else than what it was asked")
    if (begun.entries or 0) != stands.entries or (begun.inside or 0) not in (0, stands.inside):
        if begun.entries or begun.inside:
            raise ClientError(
                Outcome.PROTOCOL,
                f"{active.thing}: the server begins at entry {begun.entries}, octet {begun.inside or 0}, unasked",
            )
        await trio.to_thread.run_sync(part.begin_anew)


async def _unpack(active: Transfer, unpacker: Unpacker, terms: Terms) -> Done:
    """Take the stream to its end, and compare. Raises ClientError, and what `unpacker` raises."""
    with active.moving():
        active.moved = await receive_into(active.wire, unpacker.write, terms.flow(active.session, active, None))
        active.ending = Ending.CLEAN
    if active.ending is Ending.CLEAN:
        await active.finish_reading()
    evidence = await active.settle()
    final = evidence.final
    if active.ending is Ending.CLEAN and evidence.refusal is None and final is not None and final.completed:
        await trio.to_thread.run_sync(unpacker.finish)
    manifest = unpacker.manifest
    verified, answer = verdict(evidence, active.running, manifest, manifest.digest())
    return Done(manifest, active.moved, verified, left=answer.left or 0)


def _let_go(unpacker: Unpacker) -> None:
    with suppress(OSError):  # of a journal that cannot be written: less is gone on with
        unpacker.close()


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

    async def measure(self, terms: Terms, hooks: Hooks) -> None:
        """Read all of it, for its digest."""
        self.manifest = await measured(self.root_fd, str(self.local), hooks.wanted, terms.algorithm)

    def request(self, session: Session, terms: Terms, tag: int) -> PutTreeRequest:
        known = self.manifest
        entries, size = self.count or (None, None)
        digests = Digests()
        if known is not None:
            entries, size, digests = known.entries, known.size, Digests.of(terms.algorithm, known.digest())
        return PutTreeRequest(
            tag, self.remote, compression(session), terms.algorithm, self.replace, self.merge, entries, size,
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
        root = os.open(local, DIRECTORY)
    except OSError as error:
        raise from_os_error(str(local), error) from error
    try:
        source = _Source(root, local, remote, replace, merge)
        if replace or merge:
            source.count = await counted(root, str(local), hooks.wanted)
        done = await _offer(session, source, terms, hooks)
    except ClientError as error:
        if error.outcome is Outcome.EXISTS and error.reply is not None and not replace and not merge:
            raise taken(remote, reply=error.reply) from error
        raise
    finally:
        os.close(root)
    return await report(done, remote, local, hooks, files_below(local, hooks))


async def _offer(session: Session, source: _Source, terms: Terms, hooks: Hooks) -> Done:
    """PUT until the server takes it or has it. What stands there is compared before it is called another tree."""
    for _ in range(_ROUNDS):
        try:
            active = await begin(session, partial(source.request, session, terms), source.remote)
        except ClientError as error:
            if error.outcome is not Outcome.EXISTS or error.reply is None or source.manifest is not None:
                raise
            await source.measure(terms, hooks)
            continue
        if isinstance(active, Running):
            return _stood(source, active)
        async with scope(active):
            if active.begun.stands and source.manifest is None:
                await active.give_up()
                await source.measure(terms, hooks)
                continue
            try:
                done = await _send(source, active, terms, hooks)
            except ClientError:
                if not _swelled(active):
                    raise
                done = None
            if done is not None:
                return done
            source.fresh = True
    raise ClientError(Outcome.PROTOCOL, f"{source.remote}: the server's part is never the beginning of this tree")


def _swelled(active: Transfer) -> bool:
    """Whether the server took our compression for a bomb: content full of holes does look like one. From now on it
    goes as it is."""
    native, answer = active.session.native, active.running.answer
    assert native is not None
    if not isinstance(answer, Refusal) or answer.kind != "too-much" or compression(active.session) is None:
        return False
    native.plain = True
    return True


def _stood(source: _Source, running: Running) -> Done:
    """The server says that it has it already."""
    if source.manifest is None:
        raise ClientError(Outcome.PROTOCOL, f"{source.remote}: the server claims to have what it was not told of")
    evidence = Evidence(source.remote, "PUT", 0, 0, Ending.CLEAN, running.final, needed=False)
    verified, _ = verdict(evidence, running, source.manifest, source.manifest.digest())
    return Done(source.manifest, 0, verified, same=True)


async def _send(source: _Source, active: Transfer, terms: Terms, hooks: Hooks) -> Done | None:
    """Send what is missing; None: what the server has is not how this tree begins."""
    begun, thing = active.begun, str(source.local)
    skip = Position(begun.entries or 0, begun.digests.get(terms.algorithm) or "", begun.inside or 0, begun.head or "")
    packer = Packer(
        source.root_fd, wanted=hooks.wanted, algorithm=terms.algorithm, skip=skip, comp=compression(active.session)
    )
    try:
        if (skip.entries or skip.inside) and not _agrees(await _skipped(packer, thing), skip):
            await active.give_up()
            return None
        try:
            with active.moving():
                flow = evolve(terms, progress=hooks.progress).flow(active.session, active, None)
                active.moved = await send_from(active.wire, packer.read, flow)
        except DiskFault as fault:
            raise from_os_error(thing, fault.error) from fault
        except TreeError as error:
            raise from_tree(thing, error) from error
        manifest = packer.manifest
        digest = manifest.digest()
        if active.ending is None:
            await active.state(terms.algorithm, digest, entries=manifest.entries)
        verified, _ = verdict(await active.settle(), active.running, manifest, digest)
        active.wire.try_finish(give_up=True)  # the server has read all of it
        return Done(manifest, active.moved, verified, packer.left_out, packer.left - len(packer.left_out))
    finally:
        with trio.CancelScope(shield=True):  # bounded: descriptors are closed
            await trio.to_thread.run_sync(packer.close)


async def _skipped(packer: Packer, thing: str) -> Position:
    """Read what the server says that it has."""
    while (found := await in_worker(thing, packer.advance)) is None:
        pass
    return found


def _agrees(found: Position, offered: Position) -> bool:
    if (found.entries, found.digest, found.inside) != (offered.entries, offered.digest, offered.inside):
        return False
    return not offered.inside or found.head == offered.head
