"""The gate of one session: the only maker of `Granted`.

Rights are judged on the path as resolved, so a link does not launder them; where the way ends early, the answer to a
user without the right is the same as if it had not, so nobody learns names where they may do nothing.
"""

from __future__ import annotations

import errno
import os
import re
import unicodedata
from collections.abc import Sequence

from ftlite.config.models import User
from ftlite.config.rights import Right
from ftlite.gate.beneath import Resolver, Stuck, best_resolver
from ftlite.storage.errors import Kind, StorageError, WouldBlock, from_os_error
from ftlite.storage.granted import Foreseen, Granted

_UNFIT = re.compile(rb"[\x00\r\n]|//|/\.{0,2}(?:/|$)")
_LONG = re.compile(rb"[^/]{256}")
_WORDS: dict[Right, str] = {
    Right.LIST: "list",
    Right.GET: "get",
    Right.PUT: "put",
    Right.OVERWRITE: "overwrite",
    Right.DELETE: "delete",
    Right.RENAME: "rename",
    Right.MKDIR: "make directories",
    Right.RMDIR: "remove directories",
    Right.META: "change times or modes",
}


class _Directory:
    """A descriptor that is closed when nobody holds this value: a grant under way keeps the root open by holding it."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __del__(self) -> None:
        os.close(self.fd)


class Gate:
    """What one user may reach, and how. Blocks (but for ``nowait``); one thread may grant while another does.

    Args:
        store_root: descriptor of the served directory; only used here, not kept.
        user: whose root is opened beneath it and whose rules decide.
        resolver: another way of resolving than the best that works here.
        nowait: open the user's root without asking the disk, which works for the served root, or not at all.

    Raises:
        StorageError: the user's root is missing, no directory, or outside the served one.
        WouldBlock: `nowait`, and the disk may have to be asked.
    """

    def __init__(
        self, store_root: int, user: User, *, resolver: Resolver | None = None, nowait: bool = False
    ) -> None:
        self._resolver = resolver or best_resolver()
        self._user = user
        rules = [(_encode(rule.path).strip(b"/"), rule.allow) for rule in user.rules]
        self._rules = sorted(rules, key=lambda rule: len(rule[0]), reverse=True)
        root, self._above = self._open_root(store_root, nowait)
        self._root: _Directory | None = _Directory(root)

    def grant(self, path: str, right: Right = Right.NONE, *, follow: bool = True, nowait: bool = False) -> Granted:
        """Judge whether the user has all of `right` at `path`, and open the directory that holds it.

        Args:
            path: absolute lexical virtual path ("/", "/a/b"; no ``.``, ``..``, ``//`` or ``/`` at its end),
                surrogateescape for bytes that are no UTF-8.
            right: what is about to be done there; NONE asks for a place without asking for rights.
            follow: whether a link as the last component is followed; otherwise the link itself is meant.
            nowait: answer from the kernel's caches or not at all.

        Returns:
            The resolved place; the last component need not exist, but a followed link must lead to something.

        Raises:
            StorageError: BAD_NAME (unfit, over-long or reserved), DENIED, OUTSIDE, NOT_FOUND, NOT_DIRECTORY or
                what else the file system said of the directories on the way.
            WouldBlock: `nowait`, and the disk may have to be asked.
        """
        raw = _encode(path)
        _check(raw, path)
        parts = raw[1:].split(b"/") if raw != b"/" else []
        root = self._root
        if root is None:
            raise StorageError(Kind.FAULT, path, "the session has ended")
        try:
            found = self._resolver.find(root.fd, parts, follow=follow, nowait=nowait)
        except Stuck as stuck:
            for place in (b"/".join(stuck.parts), raw[1:]):
                self._require(right, self._rights(place), path)
            raise from_os_error(stuck, path) from stuck
        try:
            resolved = b"/".join(found.parts)
            rights = self._rights(resolved)
            if resolved != raw[1:]:
                _check(b"/" + resolved, path)
            self._require(right, rights, path)
        except BaseException:
            os.close(found.parent)
            raise
        virtual = path if resolved == raw[1:] else "/" + resolved.decode("utf-8", "surrogateescape")
        real = self._above + resolved if resolved else self._above[:-1]
        return Granted(found.parent, found.name, virtual, rights, self._user.name, real, found.exists)

    def foresee(self, path: str) -> Foreseen:
        """To what name `path` leads, or would lead if all on the way were there, and what the user may do there.

        Args:
            path: as for `grant`.

        Raises:
            StorageError: BAD_NAME, OUTSIDE, or FAULT after `close`.
        """
        raw = _encode(path)
        _check(raw, path)
        root = self._root
        if root is None:
            raise StorageError(Kind.FAULT, path, "the session has ended")
        try:
            found = self._resolver.find(root.fd, raw[1:].split(b"/") if raw != b"/" else [], follow=True, nowait=False)
        except Stuck as stuck:
            if stuck.errno in (errno.EXDEV, errno.ELOOP):
                raise from_os_error(stuck, path) from stuck
            parts = stuck.parts
            rights = self._rights(b"/".join(parts)) & self._rights(raw[1:])
        else:
            os.close(found.parent)
            parts = found.parts
            rights = self._rights(b"/".join(parts))
        return Foreseen(path, rights, self._above + b"/".join(parts) if parts else self._above[:-1])

    def rights(self, path: str) -> Right:
        """What the rules allow at `path`, a resolved virtual path: the longest rule that it is at or below decides."""
        return self._rights(_encode(path).strip(b"/"))

    def covers(self, path: str, right: Right) -> bool:
        """Whether the user has all of `right` at `path` (resolved) and on every rule below it.

        Renaming or removing a directory takes everything below along, so it needs the right there too.
        """
        raw = _encode(path).strip(b"/")
        below = [allow for place, allow in self._rules if _within(place, raw)]
        return all(right in allow for allow in (self._rights(raw), *below))

    def close(self) -> None:
        """Grant nothing more. Closing twice is fine; grants made before, or being made in a worker, live on."""
        self._root = None

    def __enter__(self) -> Gate:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _open_root(self, store_root: int, nowait: bool) -> tuple[int, bytes]:
        """Descriptor of the user's root and its path from the served one, which ends in ``/`` if it is not empty."""
        name = self._user.root
        if name.startswith("/"):
            raise StorageError(Kind.OUTSIDE, name, "a user's root is named from the served directory, without a '/'")
        try:
            parts = [part for part in _encode(name).split(b"/") if part not in (b"", b".")]
            _check(b"/" + b"/".join(parts), name)
            found = self._resolver.find(store_root, parts, follow=True, nowait=nowait)
            try:
                if nowait and found.name != b".":  # "." is held already, and opening it asks no disk
                    raise WouldBlock
                flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                fd = os.open(found.name, flags, dir_fd=found.parent)
            finally:
                os.close(found.parent)
        except OSError as error:
            raise from_os_error(error, name) from error
        return fd, b"".join(part + b"/" for part in found.parts)

    def _rights(self, raw: bytes) -> Right:
        for place, allow in self._rules:
            if _within(raw, place):
                return allow
        return Right.NONE

    def _require(self, right: Right, rights: Right, path: str) -> None:
        if right not in rights:
            missing = ", ".join(word for flag, word in _WORDS.items() if flag in right and flag not in rights)
            raise StorageError(Kind.DENIED, path, f"no right to {missing} here")


def _within(path: bytes, prefix: bytes) -> bool:
    """Whether `path` is `prefix` or below it; both without a leading ``/``."""
    return not prefix or path == prefix or path.startswith(prefix + b"/")


def _encode(path: str) -> bytes:
    try:
        return path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise StorageError(Kind.BAD_NAME, path, "not a valid name") from None


def _check(raw: bytes, path: str) -> None:
    """Refuse what never gets to the disk, whether the client wrote it or a link says it."""
    if raw != b"/" and (not raw.startswith(b"/") or _UNFIT.search(raw)):
        raise StorageError(Kind.BAD_NAME, path, "not a valid name: CR, LF, NUL, '.', '..' and empty names are refused")
    if _LONG.search(raw):
        raise StorageError(Kind.BAD_NAME, path, "a name is longer than 255 bytes")
    if not raw.isascii() or b".ftlite" in raw.lower():
        _refuse_reserved(raw.split(b"/"), path)


def _refuse_reserved(names: Sequence[bytes], path: str) -> None:
    """Refuse ``.ftlite`` and ``.ftlite-*``, and what a file system that folds case would take for them.

    Linux's case folding (ext4, f2fs) ignores case, composition and invisible characters, so these are taken out first.
    """
    for name in names:
        text = unicodedata.normalize("NFKD", name.decode("utf-8", "surrogateescape")).casefold()
        plain = "".join(character for character in text if unicodedata.category(character) not in ("Cf", "Mn"))
        if plain == ".ftlite" or plain.startswith(".ftlite-"):
            raise StorageError(Kind.BAD_NAME, path, "a name that is reserved for the server")
