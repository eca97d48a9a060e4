"""Whole directories, file by file, over as many connections as the client has.

One task walks and makes directories; workers take files from a bounded queue. A file that fails is noted and the rest
goes on, but a server that is gone or lets nobody in ends the walk. A server's names are checked before they become
local ones, and nothing here follows a link out of the target: a local directory that is a link is refused.

Links, as in rsync without -l but for one thing: a link to a file travels as that file, in both directions; a link to a
directory is left out, since it may lead round in a circle, and named in `TreeReport.skipped`.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import trio
from attrs import define, evolve, field, frozen

from ftlite.client import listing, uploads
from ftlite.client.errors import ClientError, Outcome, from_os_error
from ftlite.client.nursery import open_plain_nursery
from ftlite.client.success import Verified
from ftlite.client.terms import Progress, Terms, Transferred
from ftlite.protocol.entries import Entry, Kind

if TYPE_CHECKING:
    from ftlite.client.client import Client

Wanted = Callable[[str, bool], bool]
_QUEUE = 64
_FATAL = frozenset({Outcome.CONNECT, Outcome.LOGIN, Outcome.TLS, Outcome.PIN})


@frozen
class TreeFile:
    """One file of a tree: `result` when it went well, `error` when not. `path` is relative to the tree."""

    path: str
    kind: Kind
    result: Transferred | None = None
    error: ClientError | None = None


OnFile = Callable[[TreeFile], None]


@frozen
class TreeReport:
    """What became of a tree.

    Attributes:
        files, directories: how many went well.
        moved: payload bytes.
        verified: the least of all files; NONE for a tree without files.
        failures: what did not go well.
        skipped: relative paths left out because FTP or this client cannot carry them, or because they cannot be read.
        left: how many more were left out, whose names are not told.
        whole: it went as one transfer, all or nothing; `same`: and stood there already.
    """

    files: int
    directories: int
    moved: int
    verified: Verified
    failures: tuple[TreeFile, ...] = ()
    skipped: tuple[str, ...] = ()
    left: int = 0
    whole: bool = False
    same: bool = False

    @property
    def error(self) -> ClientError | None:
        """The one error to report: that of the failures when nothing went well and they agree, else PARTIAL."""
        errors = [failure.error for failure in self.failures if failure.error is not None]
        if not errors:
            return None
        if not self.files and len({error.outcome for error in errors}) == 1:
            return errors[0]
        return ClientError(
            Outcome.PARTIAL, f"{len(errors)} of {len(errors) + self.files} files failed, the first: {errors[0].message}"
        )


@frozen
class Hooks:
    """What the caller wants to decide or be told (see `Client.get_tree`)."""

    wanted: Wanted | None = None
    on_file: OnFile | None = None
    progress: Progress | None = None


@define(eq=False)
class _Ledger:
    """The report in the making."""

    hooks: Hooks
    files: int = 0
    directories: int = 0
    moved: int = 0
    verified: list[Verified] = field(factory=list)
    failures: list[TreeFile] = field(factory=list)
    skipped: list[str] = field(factory=list)
    found: int = 0
    sum: int = 0
    done: dict[str, int] = field(factory=dict)

    def wants(self, path: str, directory: bool) -> bool:
        return self.hooks.wanted is None or self.hooks.wanted(path, directory)

    def note(self, file: TreeFile) -> None:
        if file.error is not None:
            self.failures.append(file)
        elif file.result is not None:
            self.files += 1
            self.moved += file.result.moved
            self.verified.append(file.result.verified)
        if self.hooks.on_file is not None:
            self.hooks.on_file(file)

    def terms(self, path: str, terms: Terms) -> Terms:
        """`terms` with a progress that counts into the tree's."""
        tell = self.hooks.progress
        if tell is None:
            return terms

        def moved(done: int, _total: int | None) -> None:
            self.sum += done - self.done.get(path, 0)
            self.done[path] = done
            tell(self.sum, self.found)

        return evolve(terms, progress=moved)

    def report(self) -> TreeReport:
        least = next((one for one in Verified if one in self.verified), Verified.NONE)
        return TreeReport(self.files, self.directories, self.moved, least, tuple(self.failures), tuple(self.skipped))


_Job = Callable[[], Awaitable[None]]
_Queue = Callable[[_Job], Awaitable[None]]


async def _at_work(client: Client, ledger: _Ledger, walk: Callable[[_Queue], Awaitable[None]]) -> None:
    """Run `walk`, which queues jobs, and as many workers as there are connections."""
    send, receive = trio.open_memory_channel[_Job](_QUEUE)

    async def work() -> None:
        async for job in receive:
            await job()
            if any(one.error is not None and is_fatal(one.error) for one in ledger.failures[-1:]):
                nursery.cancel_scope.cancel()

    async with open_plain_nursery() as nursery:
        for _ in range(min(client.connections, client.pool.most)):
            nursery.start_soon(work)
        async with send:
            await walk(send.send)


def is_fatal(error: ClientError) -> bool:
    return error.outcome in _FATAL and (error.reply is None or error.reply.code == 421)


async def get_tree(client: Client, remote: str, local: Path, terms: Terms, hooks: Hooks) -> TreeReport:
    """See `Client.get_tree`."""
    ledger = _Ledger(hooks)
    times: list[tuple[Path, int]] = []

    async def fetch(path: str, entry: Entry) -> None:
        exact = client.features.has("MLST") and entry.kind is Kind.FILE
        mine = ledger.terms(path, evolve(terms, entry=entry if exact else None, mode=entry.mode))
        try:
            result = await client.fetch(posixpath.join(remote, path), local / path, mine)
        except ClientError as error:
            if (entry.kind is Kind.LINK and error.reply is not None) or error.outcome is Outcome.USAGE:
                ledger.skipped.append(path)
            else:
                ledger.note(TreeFile(path, entry.kind, error=error))
        else:
            ledger.note(TreeFile(path, entry.kind, result))

    async def walk(queue: _Queue) -> None:
        todo: list[tuple[str, Entry]] = [("", Entry("", Kind.DIR))]
        while todo:
            path, directory = todo.pop()
            try:
                entries = await client.list(posixpath.join(remote, path) if path else remote)
                mode = directory.mode if terms.preserve else None
                await trio.to_thread.run_sync(_make_local, local / path, mode, not path)
            except ClientError as error:
                if not path:
                    raise
                ledger.note(TreeFile(path, Kind.DIR, error=error))
                continue
            ledger.directories += bool(path)
            if directory.modify_ns is not None and terms.preserve:
                times.append((local / path, directory.modify_ns))
            for inner, entry in _checked(ledger, path, entries):
                if entry.kind is Kind.DIR:
                    todo.append((inner, entry))
                elif entry.kind is Kind.OTHER:
                    ledger.skipped.append(inner)
                else:
                    ledger.found += entry.size or 0
                    await queue(_bound(fetch, inner, entry))

    await _at_work(client, ledger, walk)
    await trio.to_thread.run_sync(_keep_times, times)
    return ledger.report()


def _bound(call: Callable[[str, Entry], Awaitable[None]], path: str, entry: Entry) -> _Job:
    return lambda: call(path, entry)


def _checked(ledger: _Ledger, path: str, entries: list[Entry]) -> Iterator[tuple[str, Entry]]:
    """The wanted entries with their relative paths; names that lead elsewhere become failures."""
    for entry in entries:
        try:
            inner = posixpath.join(path, listing.checked_name(path, entry.name))
        except ClientError as error:
            ledger.note(TreeFile(posixpath.join(path, entry.name), entry.kind, error=error))
            continue
        if ledger.wants(inner, entry.kind is Kind.DIR):
            yield inner, entry


def _make_local(path: Path, mode: int | None, top: bool) -> None:
    """Make a directory. Its top may exist in any form that is a directory; below, a link would lead out of the tree."""
    try:
        if top:
            path.mkdir(parents=True, exist_ok=True)
            return
        with suppress(FileExistsError):
            path.mkdir((mode & 0o777 | 0o700) if mode is not None else 0o777)
        if not stat.S_ISDIR(path.lstat().st_mode):
            raise ClientError(Outcome.EXISTS, f"{path} stands in the way and is no directory")
    except OSError as error:
        raise from_os_error(str(path), error) from error


def _keep_times(times: list[tuple[Path, int]]) -> None:
    for path, modify_ns in reversed(times):
        with suppress(OSError):  # a nicety; the files are right
            os.utime(path, ns=(modify_ns, modify_ns))


async def put_tree(client: Client, local: Path, remote: str, terms: Terms, hooks: Hooks) -> TreeReport:
    """See `Client.put_tree`."""
    ledger = _Ledger(hooks)
    made: list[tuple[str, os.stat_result]] = []

    async def send(path: str, entry: Entry) -> None:
        try:
            result = await client.send(local / path, posixpath.join(remote, path), ledger.terms(path, terms))
        except ClientError as error:
            ledger.note(TreeFile(path, entry.kind, error=error))
        else:
            ledger.note(TreeFile(path, entry.kind, result))

    async def walk(queue: _Queue) -> None:
        todo: list[str] = [""]
        while todo:
            path = todo.pop()
            there = posixpath.join(remote, path) if path else remote
            try:
                entries, held = await trio.to_thread.run_sync(scan_local, local / path)
                if there:
                    await client.mkdir(there, parents=True)
            except ClientError as error:
                if not path:
                    raise
                ledger.note(TreeFile(path, Kind.DIR, error=error))
                continue
            if path:
                ledger.directories += 1
                made.append((there, held))
            for entry in entries:
                inner = posixpath.join(path, entry.name)
                if not ledger.wants(inner, entry.kind is Kind.DIR):
                    continue
                if entry.kind is Kind.DIR:
                    todo.append(inner)
                elif entry.kind is Kind.FILE:
                    ledger.found += entry.size or 0
                    await queue(_bound(send, inner, entry))
                else:
                    ledger.skipped.append(inner)

    await _at_work(client, ledger, walk)
    if terms.preserve:
        await _keep_remote(client, made)
    return ledger.report()


def scan_local(path: Path) -> tuple[list[Entry], os.stat_result]:
    """What stands in a local directory, by name; a link counts as the file it leads to, other links are LINK. Blocks.

    Raises:
        ClientError: what the disk says.
    """
    entries = []
    try:
        with os.scandir(path) as found:
            for item in found:
                entries.append(_local_entry(item))
        return sorted(entries, key=lambda entry: os.fsencode(entry.name)), path.stat()
    except OSError as error:
        raise from_os_error(str(path), error) from error


def _local_entry(item: os.DirEntry[str]) -> Entry:
    try:
        held = item.stat()
    except OSError:
        return Entry(item.name, Kind.LINK)  # dangling
    if stat.S_ISREG(held.st_mode):
        return Entry(item.name, Kind.FILE, held.st_size)
    if stat.S_ISDIR(held.st_mode):
        return Entry(item.name, Kind.LINK if item.is_symlink() else Kind.DIR)
    return Entry(item.name, Kind.OTHER)


async def _keep_remote(client: Client, made: list[tuple[str, os.stat_result]]) -> None:
    """Times and modes of directories, deepest first; a server that refuses leaves them as they are."""
    for path, held in reversed(made):
        with suppress(ClientError):
            await client.run(
                lambda session, path=path, held=held: uploads.keep_facts(  # type: ignore[misc]
                    session, path, held.st_mtime_ns, stat.S_IMODE(held.st_mode)
                )
            )


async def remove_tree(client: Client, path: str, hooks: Hooks) -> TreeReport:
    """See `Client.remove_tree`. A directory is removed only when everything in it was."""
    ledger = _Ledger(hooks)

    async def empty(below: str) -> None:
        noted = len(ledger.failures)
        entries = await client.list(posixpath.join(path, below) if below else path)
        for inner, entry in _checked(ledger, below, entries):
            there = posixpath.join(path, inner)
            try:
                if entry.kind is Kind.DIR and not await client.remove_link(there):
                    await empty(inner)
                else:
                    if entry.kind is not Kind.DIR:
                        await client.remove(there)
                    ledger.note(TreeFile(inner, entry.kind, Transferred(there, "", 0, 0)))
            except ClientError as error:
                ledger.note(TreeFile(inner, entry.kind, error=error))
                if is_fatal(error):
                    return
        if len(ledger.failures) == noted:
            await client.rmdir(posixpath.join(path, below) if below else path)
            ledger.directories += 1

    if not path or not await client.remove_link(path):
        await empty("")
    return ledger.report()
