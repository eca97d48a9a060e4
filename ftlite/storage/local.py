"""The store on a local disk: one face before parts, publish, names, reading and digests.

Every call blocks, so it is made from a worker; every call may be made from several threads at once. Paths in errors are
virtual. All raise `StorageError`; OSError never leaves.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from ftlite.config.models import StorageConfig
from ftlite.protocol.entries import Entry
from ftlite.storage import read, scan
from ftlite.storage.digests import Digests
from ftlite.storage.errors import StorageError
from ftlite.storage.granted import Foreseen, Granted
from ftlite.storage.grouped import GroupSync
from ftlite.storage.hidden import Hidden
from ftlite.storage.locks import Locks
from ftlite.storage.merging import MayReplace
from ftlite.storage.names import Names
from ftlite.storage.native import NativePart, NativeParts, UploadKey
from ftlite.storage.news import Listener, News
from ftlite.storage.parts import Part, Parts
from ftlite.storage.publish import Publisher
from ftlite.storage.read import Source
from ftlite.storage.staging import Staging
from ftlite.storage.syscalls import lookup, token, told, version
from ftlite.storage.treepublish import Replace
from ftlite.storage.trees import TreeFacts, TreePublished, Trees
from ftlite.trees import Judge, Manifest


class LocalStore:
    """A served directory. Opened once, by descriptor; nothing is written there before an upload or a digest needs it.

    Attributes:
        root_fd: descriptor of the directory (O_PATH), for the gate to open users' roots beneath.

    Raises:
        StorageError: `root` is missing, no directory, or out of reach.
    """

    def __init__(self, root: Path, config: StorageConfig) -> None:
        with told(str(root)):
            self.root_fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        hidden = Hidden(self.root_fd)
        group = GroupSync()
        self._open = True
        self._locks = Locks(self.root_fd)
        self._news = News(hidden, self._locks, config.part_age)
        self._parts = Parts(hidden, config)
        self._native = NativeParts(self._parts, config)
        self._names = Names(self._parts, self._locks, self._news, group, config)
        self._digests = Digests(hidden)
        self._publisher = Publisher(self._parts, self._locks, self._news, group, self._digests, config)
        self._trees = Trees(hidden, self._locks, self._news, group, self._digests, config)
        self._parts.others = self._trees.stagings.give_way
        self._trees.stagings.others = self._parts.give_way

    def stat(self, place: Granted) -> Entry:
        """Facts of one name; a link is not followed, the root's name is "." (NOT_FOUND)."""
        return scan.stat(place)

    def scan(self, place: Granted, most: int) -> list[Entry]:
        """A directory's entries in the order of their names' bytes (NOT_DIRECTORY; TOO_LARGE: more than `most`)."""
        return scan.scan(place, most)

    def read(self, place: Granted, *, nowait: bool = False) -> Source:
        """Open a plain file (IS_DIRECTORY, NOT_PLAIN). `nowait`: from the kernel's caches, or `WouldBlock`."""
        return read.open_plain(place, nowait=nowait)

    def mkdir(self, place: Granted) -> None:
        """Make a directory, 0777 & ~umask or as the parent's default ACL says (EXISTS)."""
        self._names.mkdir(place)

    def rmdir(self, place: Granted) -> None:
        """Remove an empty directory (NOT_EMPTY, NOT_DIRECTORY; BUSY: a mount point)."""
        self._names.rmdir(place)

    def unlink(self, place: Granted) -> None:
        """Remove anything but a directory (IS_DIRECTORY)."""
        self._names.unlink(place)

    def rename(self, source: Granted, target: Granted, *, replace: bool) -> None:
        """Rename at once; only a file replaces, and only a file (EXISTS; UNSUPPORTED: another file system)."""
        self._names.rename(source, target, replace=replace)

    def set_times(self, place: Granted, modify_ns: int) -> None:
        """Set the last modification, ns since the epoch (BAD_NAME: a time that cannot be kept)."""
        self._names.set_times(place, modify_ns)

    def set_mode(self, place: Granted, mode: int) -> None:
        """Set permission bits, masked to 0777 & ~umask."""
        self._names.set_mode(place, mode)

    def begin(self, place: Granted, *, size: int | None = None) -> Part:
        """A fresh part for STOR. `size`: bytes announced by ALLO (NO_ROOM at once; DENIED, IS_DIRECTORY, NOT_PLAIN)."""
        return self._parts.begin(place, size=size)

    def resume(self, place: Granted, offset: int) -> Part:
        """A part that holds the first `offset` bytes, for REST and STOR (BAD_OFFSET; BUSY: still being written)."""
        return self._parts.resume(place, offset)

    def begin_native(
        self, place: Granted, key: UploadKey, *, algorithm: str = "SHA-256", fresh: bool = False, absent: bool = False
    ) -> NativePart:
        """A part for a native PUT: the idle one of this owner, path and key, cut to its last checkpoint, or a new one.

        Args:
            algorithm: of the digests at its checkpoints; one whose journal is of another begins at 0.
            fresh: discard what stands and begin at 0.
            absent: refuse at once what `publish` with `absent` would.

        Returns:
            `offset` is where the client goes on, `prefix` the digest (hex) of what is before; None at 0.

        Raises:
            StorageError: BUSY while another transfer writes a part of that key (never for a stream); EXISTS; DENIED,
                IS_DIRECTORY, NOT_PLAIN; NO_ROOM at once when the rest cannot fit, which drops the part.
        """
        return self._native.begin(place, key, algorithm=algorithm, fresh=fresh, absent=absent)

    def append(self, place: Granted) -> Part:
        """A part that holds all there is, for APPE (BUSY: unfinished beside published, or still being written)."""
        return self._parts.append(place)

    def part_size(self, place: Granted) -> int | None:
        """What SIZE tells the owner of an unfinished upload while nothing is published there; None: nothing."""
        return self._parts.size(place)

    def publish(
        self,
        part: Part,
        regrant: Callable[[], Granted],
        *,
        replace: bool,
        absent: bool = False,
        modify_ns: int | None = None,
        mode: int | None = None,
        digests: Mapping[str, str] | None = None,
    ) -> Entry:
        """Give a complete part its name, by one rename; closes it. `part.version` is then the token of what it became.

        Args:
            regrant: judges the path again, called under the lock on the name that it answers.
            absent: refuse (EXISTS) if anything has the name, atomically, whatever `replace` says.
            digests: of all its bytes (hex, by the names of `digests.ALGORITHMS`), made as they arrived; kept with the
                file where they can be trusted.
            replace: whether an existing file may be replaced (it needs the right to overwrite as well); False: STOU.
            modify_ns, mode: to be set before anybody sees it; the mode is masked to 0777 & ~umask. Without `mode` it
                is that of the file replaced, or of a new file there.

        Returns:
            What stands there now.

        Raises:
            StorageError: EXISTS, DENIED, IS_DIRECTORY, NOT_PLAIN, BUSY (appended to a file that changed meanwhile),
                UNSUPPORTED (on another file system by now). The part is still live then: `release` it. FAULT or
                NO_ROOM when it has the name, but may not survive a loss of power; there is no part any more then.
        """
        return self._publisher.publish(
            part, regrant, replace=replace, absent=absent, modify_ns=modify_ns, mode=mode, digests=digests
        )

    def release(self, part: Part, *, keep: bool, reached: tuple[int, str] | None = None) -> None:
        """Let the part of a failed upload go: kept for resume or dropped (`Parts.release` says when in any case).

        A native part is kept when it has a checkpoint.

        Args:
            reached: a last checkpoint for it: so many first octets, all written, have this digest (hex).
        """
        if keep and reached is not None and isinstance(part, NativePart):
            with suppress(StorageError):  # it goes on from an earlier one, or is dropped for want of room
                part.checkpoint(*reached)
        self._parts.release(part, keep=keep)

    def version(self, place: Granted) -> str:
        """The token of what stands there: 32 hexadecimal digits, others when its content may have changed (NOT_FOUND).

        A directory's changes with the names in it. What is open tells its own: `Source.version`.
        """
        with told(place.path):
            return token(version(os.stat(place.name, dir_fd=place.parent, follow_symlinks=False)))

    def kept_digest(self, what: Granted | Source, algorithm: str) -> str | None:
        """The digest (hex) of a whole file that is kept and can be trusted; None: make it with `digest`."""
        if isinstance(what, Source):
            return self._digests.kept(what.facts, algorithm)
        with told(what.path):
            facts = lookup(what.parent, what.name)
        return None if facts is None else self._digests.kept(facts, algorithm)

    def keep_digest(self, source: Source, algorithm: str, digest: str, began: int) -> None:
        """Keep the digest (hex) of all of `source`, made by who read it, for `kept_digest`, if it can be trusted.

        Args:
            began: when the reading began, ns since the epoch.
        """
        self._digests.keep_read(source.fd, source.facts, began, algorithm, digest)

    def apply(self, place: Granted, modify_ns: int | None, mode: int | None, *, version: str | None = None) -> str:
        """Give a published file the modification time (ns) and mode that a PUT of the same content brings (``same=1``).

        What is so already is not touched, so its version and kept digests stay. Listeners hear of it as of a publish.

        Args:
            mode: masked to 0777 & ~umask.
            version: only if that is still the token of what stands there; else BUSY.

        Returns:
            The token of what stands there then.

        Raises:
            StorageError: NOT_FOUND, NOT_PLAIN, BUSY, DENIED, BAD_NAME (a time that cannot be kept).
        """
        return self._names.apply(place, modify_ns, mode, version)

    def fail(self, place: Granted | Foreseen) -> None:
        """Mark that the producer of that name gave up, for who waits; until it is published, `part_age` at most."""
        self._news.fail(place)

    def failed(self, place: Granted | Foreseen) -> bool:
        """Whether its producer gave up, says the mark; look first whether something stands there."""
        return self._news.failed(place)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with the path from the served root (`Granted.real`) and the `Change`, after each.

        From the worker that made the change, so it must be quick; it must not raise. What is returned ends it.
        """
        return self._news.listen(listener)

    def digest(
        self,
        place: Granted,
        algorithm: str,
        start: int = 0,
        end: int | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> str:
        """Lower-case hex digest of the bytes from `start` to before `end` (draft-bryan-ftpext-hash s.3.1).

        Args:
            algorithm: one of `digests.ALGORITHMS`.
            stop: asked before each block of 1 MiB; True ends it with `digests.Stopped`.

        Raises:
            StorageError: UNSUPPORTED algorithm, BAD_OFFSET, BUSY when the file changed meanwhile.
        """
        return self._digests.digest(place, algorithm, start, end, stop)

    def begin_tree(
        self,
        place: Granted,
        *,
        fresh: bool,
        replace: Replace,
        algorithm: str = "sha256",
        size: int | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Staging:
        """Where a tree can be unpacked that will be published at `place`: the owner's idle staging, or a new one.

        Args:
            fresh: what stands of an earlier transfer is discarded.
            replace: what the tree may do to a directory that has the name. When it begins to replace one that was not
                published as a tree, what stands in there is noted: files that come later are `foreign`.
            algorithm: of the manifest, one of `trees.ALGORITHMS`; what stands by another one is discarded.
            size: octets that the tree is said to have (NO_ROOM at once).
            stop: asked while what stands is read again; True ends it with `digests.Stopped`.

        Raises:
            StorageError: EXISTS, NOT_DIRECTORY, DENIED, BUSY (a mount point; another transfer's staging), FOREIGN (as
                `publish_tree`), UNSUPPORTED (no exchange on this file system), NO_ROOM.
        """
        return self._trees.begin(place, fresh=fresh, replace=replace, algorithm=algorithm, size=size, stop=stop)

    def publish_tree(
        self,
        staging: Staging,
        regrant: Callable[[], Granted],
        manifest: Manifest,
        *,
        replace: Replace,
        may_replace: MayReplace | None = None,
    ) -> TreePublished:
        """Give a complete tree its name, by one rename or exchange, or merge it; closes the staging.

        The Unpacker is to be finished and closed before. What was replaced is removed by `bury`.

        Args:
            regrant: judges the path again, called under the lock on the name and all below it.
            manifest: of the whole tree.
            may_replace: MERGE: asked with the path within the tree of each file that would be replaced, before anything
                moves; without it the right to overwrite at the tree's own name decides.

        Raises:
            StorageError: EXISTS, NOT_DIRECTORY, DENIED, BUSY, UNSUPPORTED; FOREIGN: what would be replaced has files
                that no tree put there. The staging is still live then: `release_tree` it.
        """
        return self._trees.publish(staging, regrant, manifest, replace=replace, may_replace=may_replace)

    def release_tree(self, staging: Staging, *, keep: bool) -> None:
        """Let the staging of a failed transfer go: kept to go on with or removed (`Stagings.release` says when).

        The Unpacker is to be closed before.
        """
        self._trees.release(staging, keep=keep)

    def bury(self) -> int:
        """Remove the trees that were replaced and that nobody reads any more; how many. For after a publish."""
        return self._trees.bury()

    def open_tree(self, place: Granted) -> AbstractContextManager[int]:
        """A descriptor of a directory that keeps it from being removed when it is replaced meanwhile.

        Raises:
            StorageError: NOT_DIRECTORY, NOT_FOUND, DENIED; BUSY: it was replaced just now.
        """
        return self._trees.open(place)

    def tree_digest(
        self,
        place: Granted,
        algorithm: str,
        stop: Callable[[], bool] = lambda: False,
        *,
        wanted: Judge | None = None,
    ) -> TreeFacts:
        """What the directory at `place` comes to as a tree; digests of files that are kept are not made again.

        Raises:
            StorageError: BUSY when it changed meanwhile, UNSUPPORTED algorithm, NOT_DIRECTORY.
        """
        return self._trees.digest(place, algorithm, stop, wanted=wanted)

    def tree_size(self, place: Granted) -> tuple[int, int]:
        """Entries of the directory at `place` as a tree, and octets of file content; nothing is read."""
        return self._trees.size(place)

    def is_tree(self, place: Granted) -> bool:
        """Whether the directory at `place` got its name, or was merged into, by a tree's publish."""
        return self._trees.is_tree(place)

    def sweep(self, now: float) -> int:
        """Remove parts that nobody writes and that did not change for `part_age`; returns how many. Old marks, too."""
        self._digests.flush()
        self._news.sweep(now)
        return self._parts.sweep(now) + self._trees.sweep(now)

    def close(self) -> None:
        """Give the descriptors back. Closing twice is fine."""
        if self._open:
            self._open = False
            self._digests.close()
            self._trees.close()
            os.close(self.root_fd)
