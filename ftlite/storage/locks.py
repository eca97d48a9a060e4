"""Who may change which names: a publish, mkdir, rename or removal locks its own name alone; what moves a directory, and
a tree's publish, locks a name with all below it (DESIGN 4).

A name is known by its path from the served root, as the kernel tells it of the directory that is held open. So users
with different roots, and ways through links, agree on it, also after somebody renamed a directory above. That may
happen between asking and locking: under the lock the path is asked for again, and where it differs that one is locked
instead. Claims are served in the order of asking, so none starves; one thread holds one claim at a time (a claim may be
of several names), so none waits for itself. Nothing slow is done under a claim: syncing comes after it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from attrs import frozen

from ftlite.storage.errors import Kind, StorageError
from ftlite.storage.granted import Granted
from ftlite.storage.hidden import is_hidden
from ftlite.storage.syscalls import proc, told

_PATIENCE = 60.0  # seconds
_TRIES = 100


@frozen(eq=False)
class _Claim:
    paths: tuple[bytes, ...]
    whole: bool

    def excludes(self, other: _Claim) -> bool:
        return any(
            one == two or (self.whole and _covers(one, two)) or (other.whole and _covers(two, one))
            for one in self.paths
            for two in other.paths
        )


class Locks:
    """The claims on names of one store. Thread-safe.

    Args:
        root: descriptor of the served directory; the caller's.
        patience: seconds to wait for whoever holds what is asked for.
    """

    def __init__(self, root: int, *, patience: float = _PATIENCE) -> None:
        self._root = root
        self._patience = patience
        self._changed = threading.Condition()
        self._claims: list[_Claim] = []  # held or waiting, in the order of asking

    def real(self, place: Granted) -> bytes:
        """The path of an open place from the served root, without a leading ``/``; empty for the root itself.

        Raises:
            StorageError: /proc is missing (NOT_FOUND), or what else reading it met.
        """
        with told(place.path):
            root = os.readlink(os.fsencode(proc(self._root))).rstrip(b"/")
            above = os.readlink(os.fsencode(proc(place.parent))).rstrip(b"/")
        if above == root:
            above = b""
        elif above.startswith(root + b"/"):
            above = above[len(root) + 1 :]
        return above if place.name == b"." else above + b"/" + place.name if above else place.name

    @contextmanager
    def hold(self, *places: Granted, whole: bool = False) -> Iterator[None]:
        """Hold the names of open places; `whole`: with all below them.

        Raises:
            StorageError: BUSY when others hold them for too long; NOT_FOUND in a tree that was replaced.
        """
        shown = places[0].path
        for _ in range(_TRIES):
            paths = tuple(self._standing(place) for place in places)
            with self._claimed(_Claim(paths, whole), shown):
                if tuple(self._standing(place) for place in places) == paths:
                    yield
                    return
        raise _busy(shown)

    @contextmanager
    def regrant(self, place: Granted, judge: Callable[[], Granted], *, whole: bool = False) -> Iterator[Granted]:
        """Hold the name that `judge`, called under the lock, answers; it gives that place.

        Args:
            place: where it was; only a hint, may be closed by now.
            judge: resolves the path again. What it gives is closed when the block fails, and the caller's otherwise.

        Raises:
            StorageError: what `judge` raises; BUSY when others hold the name for too long; NOT_FOUND in a tree that was
                replaced: what got a name in there would be removed with it.
        """
        path = place.real
        for _ in range(_TRIES):
            with self._claimed(_Claim((path,), whole), place.path):
                found = judge()
                try:
                    now = self._standing(found)
                    if now == path:
                        yield found
                        return
                except BaseException:
                    found.close()
                    raise
            found.close()
            path = now
        raise _busy(place.path)

    def _standing(self, place: Granted) -> bytes:
        """`real`, where it can still be reached: who has a root of its own may be in a tree that was replaced."""
        path = self.real(place)
        if b"/.ftlite" in b"/" + path and any(map(is_hidden, path.split(b"/"))):
            raise StorageError(Kind.NOT_FOUND, place.path, "its directory was replaced by a tree, and is gone")
        return path

    @contextmanager
    def _claimed(self, claim: _Claim, shown: str) -> Iterator[None]:
        with self._changed:
            self._claims.append(claim)
            try:
                free = self._changed.wait_for(lambda: self._is_next(claim), self._patience)
                if not free:
                    raise _busy(shown)
            except BaseException:
                self._drop(claim)
                raise
        try:
            yield
        finally:
            with self._changed:
                self._drop(claim)

    def _is_next(self, claim: _Claim) -> bool:
        for earlier in self._claims:
            if earlier is claim:
                return True
            if earlier.excludes(claim):
                return False
        return True

    def _drop(self, claim: _Claim) -> None:
        self._claims.remove(claim)
        self._changed.notify_all()


def _covers(path: bytes, other: bytes) -> bool:
    return not path or other == path or other.startswith(path + b"/")


def _busy(path: str) -> StorageError:
    return StorageError(Kind.BUSY, path, "another change of that name takes long: try again later")
