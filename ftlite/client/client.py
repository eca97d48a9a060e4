"""The client's face: `connect` gives a `Client`; every method is one intention, retried where that can heal.

Paths are relative to the login directory unless they begin with "/". A client may be used by several tasks at once. In
the stock dialect each transfer has a control connection to itself, `connections` at most; in the native one they share
a single one, and run as many at once as the server allows. The face is the same.
"""

from __future__ import annotations

import copy
import posixpath
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import trio
from attrs import evolve

from ftlite.client import digests, downloads, listing, names, tree, uploads
from ftlite.client.address import Address
from ftlite.client.errors import ClientError, Outcome, Unsupported
from ftlite.client.features import Features
from ftlite.client.native import files as native_files
from ftlite.client.native import wait as native_wait
from ftlite.client.pool import Pool
from ftlite.client.session import Session
from ftlite.client.streaming import Streaming
from ftlite.client.success import Verified
from ftlite.client.terms import Progress, Terms, Transferred, make_terms
from ftlite.client.tree import OnFile, TreeReport, Wanted
from ftlite.protocol.entries import Entry, Kind
from ftlite.protocol.errors import BadFacts
from ftlite.protocol.facts import format_time
from ftlite.protocol.replies import Reply

T = TypeVar("T")


class Client(Streaming):
    """A server that we are logged in to. Made by `connect`.

    Attributes:
        address: where; its path is the caller's to use.
        greeting, features, secured: of the first session.
        native: whether it speaks the native dialect.
        connections: how much of a tree moves at once.
        terms: how files move unless a call says otherwise.
    """

    def __init__(
        self,
        address: Address,
        pool: Pool,
        first: Session,
        *,
        terms: Terms,
        retries: int,
        notice: Callable[[str], None] | None,
    ) -> None:
        self.address = address
        self.greeting: Reply = first.greeting
        self.features: Features = first.features
        self.secured: bool = first.plan is not None
        self.native: bool = first.native is not None
        self.terms = terms
        self.retries = retries
        self.notice = notice
        self._warned = False  #: that this server lets nothing be verified
        self.pool = pool
        self.connections = pool.most

    def working(
        self,
        *,
        connections: int,
        limit_rate: int,
        require: Verified | str | None,
        digest: str,
        retries: int,
        notice: Callable[[str], None] | None,
    ) -> Client:
        """This client under other terms, on the same sessions; the arguments are those of `connect`.

        Raises:
            ClientError: USAGE.
        """
        other = copy.copy(self)
        other.terms = make_terms(require=require, limit_rate=limit_rate, digest=digest)
        other.retries, other.notice = retries, notice
        self.pool.widen(connections)
        other.connections = connections
        return other

    async def run(self, operation: Callable[[Session], Awaitable[T]]) -> T:
        """One operation on a session of its own, retried on a fresh one while its failure is transient."""
        return await self._attempts(lambda session, _: operation(session))

    # names

    async def list(self, path: str = "") -> list[Entry]:
        """The entries of a directory, in the server's order. Names are the server's word: `safe_name` before use.

        Raises:
            ClientError: NOT_FOUND, DENIED, PARTIAL (cut), PROTOCOL (unreadable).
        """
        return await self.run(lambda session: listing.list_directory(session, path))

    async def stat(self, path: str) -> Entry:
        """What stands at `path`. Raises ClientError NOT_FOUND or DENIED."""
        return await self.run(lambda session: listing.stat(session, path))

    async def walk(self, path: str = "") -> AsyncIterator[tuple[str, Entry]]:
        """Everything below `path`: (path relative to it, entry), directories before what is in them.

        Raises:
            ClientError: as `list`; PROTOCOL for a name that cannot be one.
        """
        todo = [""]
        while todo:
            below = todo.pop()
            for entry in await self.list(posixpath.join(path, below) if below else path):
                inner = posixpath.join(below, listing.checked_name(path, entry.name))
                yield inner, entry
                if entry.kind is Kind.DIR:
                    todo.append(inner)

    async def mkdir(self, path: str, parents: bool = False) -> None:
        """Make a directory; with `parents` those above it too, and one that is there already is fine.

        Raises:
            ClientError: EXISTS, DENIED, NOT_FOUND.
        """
        await self.run(lambda session: names.make_directory(session, path, parents=parents))

    async def remove(self, path: str) -> None:
        """Remove a file (DELE). Raises ClientError NOT_FOUND, DENIED."""
        await self.run(lambda session: names.remove(session, path, "DELE"))

    async def rmdir(self, path: str) -> None:
        """Remove an empty directory (RMD). Raises ClientError NOT_FOUND, EXISTS (not empty), DENIED."""
        await self.run(lambda session: names.remove(session, path, "RMD"))

    async def remove_link(self, path: str) -> bool:
        """Remove what was listed as a directory if it is a link to one; whether it was. For before emptying it."""
        return await self.run(lambda session: names.remove_link(session, path))

    async def rename(self, old: str, new: str) -> None:
        """Rename a file or directory (RNFR, RNTO). Raises ClientError NOT_FOUND, EXISTS, DENIED."""

        async def both(session: Session) -> None:
            async with session.alone:
                await session.expect("RNFR", old, also=350)
                await session.expect("RNTO", new)

        await self.run(both)

    async def chmod(self, path: str, mode: int) -> None:
        """Set permission bits (SITE CHMOD). Raises ClientError when the server refuses."""
        await self.run(lambda session: session.expect("SITE", f"CHMOD {mode & 0o7777:03o} {path}", thing=path))

    async def set_modified(self, path: str, ns: int) -> None:
        """Set the modification time, nanoseconds since the epoch, to the second.

        By MFMT (draft-somers-ftp-mfxx), or the MDTM with two arguments of servers that came before it.
        """
        verb = "MFMT" if self.features.has("MFMT") else "MDTM"
        try:
            argument = f"{format_time(ns)} {path}"
        except BadFacts as error:
            raise ClientError(Outcome.USAGE, f"{path}: {error}") from error
        await self.run(lambda session: session.expect(verb, argument, thing=path))

    async def hash(self, path: str, algorithm: str = "sha256") -> str:
        """The server's digest of a whole file, lower-case hex: sha256, sha512, blake3, crc32 or md5.

        Raises:
            Unsupported: the server makes none: download and hash instead.
            ClientError: NOT_FOUND, DENIED.
        """
        return await self.run(lambda session: digests.remote_digest(session, path, algorithm))

    # files

    async def get(
        self,
        remote: str,
        local: Path | str,
        *,
        resume: bool = False,
        preserve: bool | None = None,
        progress: Progress | None = None,
        wait: float | None = None,
        streams: int = 1,
    ) -> Transferred:
        """Fetch a file. It grows in a hidden part beside `local` and gets its name only when it is verified.

        Args:
            local: the file to write; in an existing directory it goes under its remote name.
            resume: continue an earlier part of the same remote file (native: always); a file that stands already is not
                fetched again.
            preserve: modification time and mode too (default: yes).
            progress: called with (bytes so far, size or None).
            wait: seconds to wait for the file to be published, if it is not there; see `wait`.
            streams: a file of 64 MiB or more may come in so many ranges at once, over as many connections; where the
                server cannot do that, in one.

        Raises:
            ClientError: see `Outcome`; what came so far is kept for a resume unless it was wrong.
        """
        if wait is not None:
            await self.wait(remote, wait)
        target = await trio.to_thread.run_sync(_local_target, remote, Path(local))
        terms = self._terms(resume, preserve, progress)
        return await self.fetch(remote, target, terms, streams)

    async def fetch(self, remote: str, local: Path, terms: Terms, streams: int = 1) -> Transferred:
        """`get` by `terms`; a repetition always resumes what the attempt before it left."""
        if streams > 1:
            from ftlite.client import ranges  # most files come in one stream

            result = await ranges.get(self, remote, local, terms, streams)
            if result is not None:
                return result

        async def attempt(session: Session, number: int) -> Transferred:
            if session.native is not None:
                return await native_files.get(session, remote, local, terms)
            again = evolve(terms, resume=True, entry=None) if number else terms
            return await downloads.get(session, remote, local, again)

        return self._looked_at(await self._attempts(attempt))

    def _looked_at(self, result: Transferred) -> Transferred:
        """A warning, once, where a green result rests on nothing but the server's word and nobody agreed to that."""
        unasked = self.terms.require is None and not self._warned
        if result.verified is Verified.NONE and unasked and self.notice is not None:
            self._warned = True
            self.notice(
                f"{result.remote}: nothing was verified, since this server states neither size nor digest, so a file "
                "that was cut looks whole; --require size makes that a failure, --require none accepts it"
            )
        return result

    async def put(
        self,
        local: Path | str,
        remote: str,
        *,
        resume: bool = False,
        preserve: bool | None = None,
        progress: Progress | None = None,
        if_absent: bool = False,
        expect: str | None = None,
    ) -> Transferred:
        """Send a file; afterwards the server's size (or digest, when required) must be that of `local`.

        Args:
            remote: the name to give it; when empty or ending in "/", a directory that receives it under its own name.
            resume: go on behind what the server has, or skip it, when that can be `local`: by digest where the server
                states one, else a whole file by its time; see `Transferred.on_trust` for the rest. Native: always, and
                nothing is taken on trust.
            if_absent: refuse (EXISTS) to replace anything. Native: the server decides, and of two writers one wins;
                stock: the name is looked up before.
            expect: "algorithm:hex"; refuse (INTEGRITY), before anything moves, to send a file with another digest.

        Raises:
            ClientError: see `Outcome`.
        """
        source = Path(local)
        if not remote or remote.endswith("/"):
            remote += source.name
        terms = evolve(self._terms(resume, preserve, progress), if_absent=if_absent, expect=expect)
        return await self.send(source, remote, terms)

    async def send(self, local: Path, remote: str, terms: Terms) -> Transferred:
        """`put` by `terms`. A stock repetition starts anew unless `terms.resume`: what stands under the name might be
        the old file, and its bytes must never become the beginning of the new one."""

        async def attempt(session: Session, number: int) -> Transferred:
            put = uploads.put if session.native is None else native_files.put
            try:
                return await put(session, local, remote, terms)
            except ClientError as error:
                if not (number and terms.if_absent and error.outcome is Outcome.EXISTS):
                    raise
                landed = await uploads.landed(session, local, remote)  # by an attempt whose confirmation was lost
                if landed is None:
                    raise
                return landed

        result = self._looked_at(await self._attempts(attempt))
        if result.on_trust and self.notice is not None:
            self.notice(
                f"{remote}: the {result.offset} bytes that stood there were taken on trust as its beginning, "
                "since no digest of it could be had from the server; leave out --continue to send all of it"
            )
        return result

    # waiting

    async def wait(
        self, path: str, timeout: float, since: str | None = None, any_directory: bool = False
    ) -> Entry:
        """Wait until something is published under `path`; at once, if it stands already.

        A native server holds the question, and answers when a file or a tree gets the name. Any other is asked again
        and again, more rarely as time goes by; a file there must look the same twice, since it may show while it grows.

        Args:
            timeout: seconds; a server that restarts meanwhile is asked again, unless `retries` is 0.
            since: a version, from `Entry.unique` of an earlier answer: what is there must be another one.
            any_directory: native: a directory counts however it was made, not only as a tree that was published.

        Returns:
            What stands there; `unique` is its version.

        Raises:
            ClientError: TIMEOUT, or FAILED when its producer said so (`mark_failed`); NOT that it is not found.
        """
        deadline = trio.current_time() + timeout
        return await self._attempts(
            lambda session, _: native_wait.wait(session, path, deadline, since, any_directory), until=deadline
        )

    async def mark_failed(self, path: str) -> None:
        """Tell everybody who waits for `path` that its producer has failed, until something is published there.

        Raises:
            Unsupported: the server is not native.
            ClientError: DENIED.
        """
        await self.run(lambda session: native_wait.mark_failed(session, path))

    # trees

    async def get_tree(
        self,
        remote: str,
        local: Path | str,
        *,
        resume: bool = False,
        preserve: bool | None = None,
        wanted: Wanted | None = None,
        on_file: OnFile | None = None,
        progress: Progress | None = None,
        replace: bool = False,
        merge: bool = False,
    ) -> TreeReport:
        """Fetch everything below `remote` as the directory `local`.

        Native: in one transfer, all or nothing, links as links; `local` gets its name by one rename. What stands there
        with other content is refused (EXISTS) unless it may be replaced or merged with.

        Stock: file by file into `local`, over all `connections`. A file that fails does not stop the others; see
        `TreeReport.failures`. Links are fetched as the files that they lead to, links to directories are left out and
        named in `TreeReport.skipped`. Only `merge` is possible, and what it does in any case.

        Args:
            preserve: times and modes travel too (default: yes); in a native transfer they always do, the modes masked
                by the umask of whoever receives.
            wanted: (path relative to `remote`, is it a directory) -> take it. A `Filter` can be said to a native
                server; with any other function the tree goes file by file.
            on_file: told once of each file; native: when all of them are there.
            progress: called with (bytes so far, size of all that were found so far or None).
            replace: put the new tree in the place of the old one, in one step.
            merge: put the new files into the old tree, each in one step.

        Raises:
            ClientError: see `Outcome`.
        """
        terms, hooks = self._terms(resume, preserve, None), tree.Hooks(wanted, on_file, progress)
        if self._as_one(remote, wanted, replace):
            from ftlite.client.native import trees as native_trees

            return await self.run(
                lambda session: native_trees.get_tree(
                    session, remote, Path(local), terms, hooks, replace=replace, merge=merge
                )
            )
        return await tree.get_tree(self, remote, Path(local), terms, hooks)

    def takes_whole(self, remote: str, wanted: Wanted | None = None) -> bool:
        """Whether a tree travels as one transfer. The login directory has no name, and is nobody's to replace."""
        if not self.native or not remote.strip("/."):
            return False
        from ftlite.client.native.trees import takes  # single files need nothing of trees

        return takes(wanted)

    def _as_one(self, remote: str, wanted: Wanted | None, replace: bool) -> bool:
        if self.takes_whole(remote, wanted):
            return True
        if replace:
            raise Unsupported(
                f"{remote or 'the login directory'}: replacing a tree in one step takes the native dialect, "
                "and a tree with a name",
                remedy="merge, or remove the old tree first",
            )
        return False

    async def put_tree(
        self,
        local: Path | str,
        remote: str,
        *,
        resume: bool = False,
        preserve: bool | None = None,
        wanted: Wanted | None = None,
        on_file: OnFile | None = None,
        progress: Progress | None = None,
        replace: bool = False,
        merge: bool = False,
    ) -> TreeReport:
        """Send everything below the directory `local` as the directory `remote`. Arguments as for `get_tree`.

        Native: in one transfer, published by one rename; the directories above are made when they are not there. What
        stands there with other content is refused (EXISTS) unless `replace` or `merge`; the same content moves nothing.

        Stock: file by file into `remote`, which is made when it is not there. Links to files are followed; links to
        directories, and what is no plain file, are left out (`skipped`).
        """
        terms, hooks = self._terms(resume, preserve, None), tree.Hooks(wanted, on_file, progress)
        if not self._as_one(remote, None, replace):  # what to send is decided here, by whatever function
            return await tree.put_tree(self, Path(local), remote, terms, hooks)
        from ftlite.client.native import trees as native_trees

        send = partial(
            native_trees.put_tree, local=Path(local), remote=remote, terms=terms, hooks=hooks, replace=replace,
            merge=merge,
        )  # fmt: skip
        above = posixpath.dirname(remote.rstrip("/"))
        if above:
            try:
                return await self.run(send)
            except ClientError as error:
                if not _has_no_place(error):
                    raise
            await self.mkdir(above, parents=True)
        try:
            return await self.run(send)
        except ClientError as error:
            if not _has_no_place(error):
                raise
            raise ClientError(Outcome.EXISTS, error.message, reply=error.reply) from error

    async def remove_tree(self, path: str, *, on_file: OnFile | None = None) -> TreeReport:
        """Remove a directory and everything below it; links are removed, not followed."""
        return await tree.remove_tree(self, path, tree.Hooks(None, on_file, None))

    async def quit(self) -> None:
        """Say goodbye on every connection. Leaving the scope of `connect` does it too."""
        await self.pool.close()



def _has_no_place(error: ClientError) -> bool:
    """The server refused a name since nothing leads there, or since what has it is no directory."""
    return error.outcome is Outcome.NOT_FOUND and error.reply is not None


def _local_target(remote: str, local: Path) -> Path:
    if local.is_dir():
        return local / listing.checked_name(remote, posixpath.basename(remote.rstrip("/")))
    return local.resolve() if local.is_symlink() else local
