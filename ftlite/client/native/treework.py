"""What downloads and uploads of trees share: workers that can be told to stop, the verdict, and the report."""

from __future__ import annotations

import os
import posixpath
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TypeVar

import trio
from attrs import define, field

from ftlite.client.errors import ClientError, Outcome, from_os_error
from ftlite.client.native.dialogue import Running
from ftlite.client.native.transfer import judged
from ftlite.client.nursery import open_plain_nursery
from ftlite.client.session import Session
from ftlite.client.success import Evidence, Verified
from ftlite.client.terms import Transferred
from ftlite.client.tree import Hooks, TreeFile, TreeReport
from ftlite.protocol.entries import Kind
from ftlite.protocol.native.answers import Moved
from ftlite.trees import COMPRESSIONS, EntryKind, Judge, Manifest, TreeError, Walk, measure
from ftlite.trees import Kind as Wrong

T = TypeVar("T")
Stop = Callable[[], bool]
_FAR = 0.005  # seconds of a round trip from which on compressing is worth its time
_BATCH = 256  # files told of at a time
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

#: What a tree can be refused for, and whether another attempt may go well.
_OUTCOMES: dict[Wrong, tuple[Outcome, bool]] = {
    Wrong.UNSAFE: (Outcome.INTEGRITY, False),
    Wrong.MALFORMED: (Outcome.INTEGRITY, False),
    Wrong.TOO_MUCH: (Outcome.NO_ROOM, False),
    Wrong.CHANGED: (Outcome.INTEGRITY, True),
    Wrong.DENIED: (Outcome.DENIED, False),
}


def from_tree(thing: str, error: TreeError) -> ClientError:
    """The error for a tree that cannot be packed or unpacked."""
    outcome, transient = _OUTCOMES[error.kind]
    return ClientError(outcome, f"{thing}: {error}", transient=transient)


async def in_worker(thing: str, work: Callable[[], T]) -> T:
    """Run blocking `work`; what the disk or the tree says becomes a ClientError that names `thing`."""
    try:
        return await trio.to_thread.run_sync(work)
    except TreeError as error:
        raise from_tree(thing, error) from error
    except OSError as error:
        raise from_os_error(thing, error) from error


async def stoppable(thing: str, work: Callable[[Stop], T | None]) -> T:
    """`in_worker` for what may take long: when this is cancelled, `work` is told to stop, and waited for.

    Args:
        work: asks what it is given every few milliseconds, and may return None once that said yes.
    """
    stopped = threading.Event()

    async def watch() -> None:
        try:
            await trio.sleep_forever()
        finally:
            stopped.set()

    async with open_plain_nursery() as nursery:
        nursery.start_soon(watch)
        with trio.CancelScope(shield=True):  # bounded: by the next time that it asks
            found = await in_worker(thing, partial(work, stopped.is_set))
        nursery.cancel_scope.cancel()
    await trio.lowlevel.checkpoint_if_cancelled()
    assert found is not None, "nobody told it to stop"
    return found


async def measured(root_fd: int, thing: str, wanted: Judge | None, algorithm: str) -> Manifest:
    """The manifest of a local tree."""
    return await stoppable(thing, lambda stop: measure(root_fd, wanted=wanted, algorithm=algorithm, stop=stop))


async def counted(root_fd: int, thing: str, wanted: Judge | None) -> tuple[int, int]:
    """Entries and octets of content of a local tree."""

    def work(stop: Stop) -> tuple[int, int] | None:
        entries = size = 0
        with closing(Walk(root_fd, wanted=wanted)) as walk:
            for entry, fd in walk:
                if fd >= 0:
                    os.close(fd)
                if stop():
                    return None
                entries += 1
                size += entry.size
        return entries, size

    return await stoppable(thing, work)


def compression(session: Session) -> str | None:
    """zstd over a long way, where both have it: on a short one it costs more than it saves."""
    assert session.native is not None
    if session.native.plain or session.native.rtt < _FAR:
        return None
    return next((name for name in session.native.offer.comps if name in COMPRESSIONS), None)


def verdict(evidence: Evidence, running: Running, manifest: Manifest, digest: str) -> tuple[Verified, Moved]:
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
class Done:
    """What is said of a tree in the end.

    Attributes:
        moved: octets on the data connection.
        skipped: names that were left out, `left`: how many more.
        same: it stood there already.
    """

    manifest: Manifest
    moved: int
    verified: Verified
    skipped: list[str] = field(factory=list)
    left: int = 0
    same: bool = False


#: (path relative to the tree, octets of content)
Files = Iterable[tuple[bytes, int]]


def files_below(local: Path, hooks: Hooks) -> Iterator[tuple[bytes, int]]:
    """The files of a local tree; what cannot be read of it ends them. Blocks."""
    try:
        root = os.open(local, DIRECTORY)
    except OSError:
        return
    try:
        with closing(Walk(root, wanted=hooks.wanted)) as walk:
            for entry, fd in walk:
                if fd >= 0:
                    os.close(fd)
                if entry.kind is EntryKind.FILE:
                    yield entry.path, entry.size
    except (OSError, TreeError):
        return  # somebody changes it now; that the transfer went well stays true
    finally:
        os.close(root)


async def report(done: Done, remote: str, local: Path, hooks: Hooks, files: Files) -> TreeReport:
    """Tell of each of `files`, now that all of them are proven, and sum up."""
    manifest = done.manifest
    if hooks.on_file is not None:
        await trio.to_thread.run_sync(_tell, done, remote, local, hooks.on_file, files)
    return TreeReport(
        manifest.files, manifest.directories, done.moved, done.verified, skipped=tuple(done.skipped),
        left=done.left, whole=True, same=done.same,
    )  # fmt: skip


def _tell(done: Done, remote: str, local: Path, on_file: Callable[[TreeFile], None], files: Files) -> None:
    told: list[TreeFile] = []

    def hear() -> None:
        for file in told:
            on_file(file)
        told.clear()

    for name, size in files:
        path = os.fsdecode(name)
        result = Transferred(
            posixpath.join(remote, path), str(local / path), 0 if done.same else size, size,
            verified=done.verified, skipped=done.same,
        )  # fmt: skip
        told.append(TreeFile(path, Kind.FILE, result))
        if len(told) >= _BATCH:
            trio.from_thread.run_sync(hear)
    trio.from_thread.run_sync(hear)
