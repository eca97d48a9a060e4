"""Where the store keeps what no client may see: `.ftlite/` at the root, and hidden names beside targets elsewhere.

Nothing is made before it is needed, so a read-only root serves reading; where `.ftlite/` cannot be made (a root that
the server's account may not write), parts and trees that grow live beside their targets and are remembered only as long
as the process.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from attrs import define, field, frozen

from ftlite.storage.syscalls import DIRECTORY, mount_of, names_in, proc

HOME = b".ftlite"
BESIDE = b".ftlite-part-"
SHELF = 2  #: bytes in the name of a shelf
_ELSEWHERE = b"elsewhere"
_MOST_REMEMBERED = 1 << 20  # bytes of paths: a bound for the file and for what is kept in memory
_UNMAKEABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ELOOP)


def is_hidden(name: bytes) -> bool:
    """Whether a listing leaves this name out; the gate refuses it, so no verb reaches it either."""
    return name == HOME or name.startswith(HOME + b"-")


@frozen
class Drawer:
    """One sort of hidden things: their directory in `.ftlite/`, and how their names begin beside a target elsewhere."""

    name: bytes
    beside: bytes


PARTS = Drawer(b"parts", BESIDE)
TREES = Drawer(b"trees", b".ftlite-tree-")


@define(eq=False)
class Home:
    """A directory that holds things whose names begin with `prefix`. Whoever asked for it closes it, once or twice.

    In `.ftlite/parts` they lie on shelves, directories named by how the names of what they hold begin, since an upload
    looks through what lies there; `shelves` gives these, or the home itself when it has none. One that is `missing`
    holds nothing, and stands for a shelf that is yet to be made; its descriptor is the drawer's.
    """

    fd: int
    prefix: bytes
    missing: bool = False
    _open: bool = field(default=True, init=False)

    def names(self) -> list[bytes]:
        """Names of these things here, in no order."""
        return [] if self.missing else [name for name in names_in(self.fd) if name.startswith(self.prefix)]

    def shelves(self) -> Iterator[Home]:
        """This home's shelves, each closed when the next one is asked for."""
        if self.prefix:
            yield self
            return
        for name in names_in(self.fd):
            if len(name) == SHELF:
                with suppress(OSError), _closing(Home(os.open(name, DIRECTORY, dir_fd=self.fd), b"")) as shelf:
                    yield shelf

    def close(self) -> None:
        if self._open:
            self._open = False
            os.close(self.fd)


class Hidden:
    """The hidden places below one root, opened anew at each use: who removes `.ftlite/` meanwhile breaks nothing."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._used: set[bytes] = set()

    def directory(self, *, make: bool) -> int | None:
        """A descriptor of `.ftlite/`; None when it is not there, or (`make`) cannot be made."""
        return self._open(self._root, HOME, make=make)

    def home(self, parent: int, *, make: bool, drawer: Drawer = PARTS, shelf: bytes = b"") -> Home:
        """Where what targets in the directory `parent` grow from lives: on its mount, or no rename could publish it.

        Args:
            shelf: the one of the drawer that is meant, where it has shelves.
        """
        shared = self.drawer(drawer.name, make=make)
        if shared is not None:
            home = Home(shared, b"")
            try:
                if mount_of(shared) == mount_of(parent):
                    return self._shelf(home, shelf, make=make)
            except BaseException:
                home.close()
                raise
            home.close()
        if make:
            self._remember(parent)
        return Home(os.open(b".", DIRECTORY, dir_fd=parent), drawer.beside)

    def sweep(self, clean: Callable[[Home], int], *, drawer: Drawer = PARTS) -> int:
        """Call `clean` (which answers how many it removed) for every home of the drawer that is known; the sum."""
        removed = 0
        shared = self.drawer(drawer.name, make=False)
        if shared is not None:
            with _closing(Home(shared, b"")) as home:
                removed += clean(home)
        with self._lock:
            remembered = self._used | self._recall()
            holding = set()
            for path in remembered:
                with suppress(OSError), _closing(Home(self.walk(path), drawer.beside)) as home:
                    removed += clean(home)
                    if any(name.startswith(HOME + b"-") for name in names_in(home.fd)):
                        holding.add(path)
            if self._used | holding != remembered:
                self._rewrite(self._used | holding)
        return removed

    def _shelf(self, drawer: Home, name: bytes, *, make: bool) -> Home:
        if name:
            found = self._open(drawer.fd, name, make=make)
            if found is None:
                drawer.missing = True
            else:
                drawer.close()
                return Home(found, b"")
        return drawer

    def drawer(self, name: bytes, *, make: bool) -> int | None:
        """A descriptor of a directory in `.ftlite/`; None when it is not there, or (`make`) cannot be made."""
        home = self.directory(make=make)
        if home is None:
            return None
        try:
            return self._open(home, name, make=make)
        finally:
            os.close(home)

    def _open(self, parent: int, name: bytes, *, make: bool) -> int | None:
        while True:
            try:
                return os.open(name, DIRECTORY, dir_fd=parent)
            except FileNotFoundError:
                if not make:
                    return None
            except OSError as error:
                if error.errno in _UNMAKEABLE:
                    return None
                raise
            try:
                os.mkdir(name, 0o700, dir_fd=parent)
            except FileExistsError:
                continue
            except OSError as error:
                if error.errno in _UNMAKEABLE:
                    return None
                raise

    def _remember(self, parent: int) -> None:
        """Note a directory for the sweeper, before the first part is made in it, as its path below the root."""
        root, path = (os.readlink(os.fsencode(proc(fd))) for fd in (self._root, parent))
        below = os.path.relpath(path, root)
        with self._lock:
            if below in self._used or below.startswith(b".."):
                return
            if sum(map(len, self._used)) + len(below) > _MOST_REMEMBERED:
                return
            self._used.add(below)
            fd = self._file(os.O_WRONLY | os.O_APPEND | os.O_CREAT, make=True)
            if fd is None:
                return
            try:
                if os.fstat(fd).st_size + len(below) < _MOST_REMEMBERED:
                    os.write(fd, below + b"\0")
            finally:
                os.close(fd)

    def _recall(self) -> set[bytes]:
        fd = self._file(os.O_RDONLY, make=False)
        if fd is None:
            return set()
        with os.fdopen(fd, "rb") as file:
            return {path for path in file.read(_MOST_REMEMBERED).split(b"\0") if path}

    def _rewrite(self, paths: set[bytes]) -> None:
        """Forget the directories that hold no part any more; those used by this process stay, one may begin there."""
        fresh = _ELSEWHERE + b".new"
        fd = self._file(os.O_WRONLY | os.O_CREAT | os.O_TRUNC, make=False, name=fresh)
        home = self.directory(make=False)
        if fd is None or home is None:
            return
        try:
            with os.fdopen(fd, "wb") as file:
                file.writelines(path + b"\0" for path in sorted(paths))
            os.rename(fresh, _ELSEWHERE, src_dir_fd=home, dst_dir_fd=home)
        finally:
            os.close(home)

    def _file(self, flags: int, *, make: bool, name: bytes = _ELSEWHERE) -> int | None:
        home = self.directory(make=make)
        if home is None:
            return None
        try:
            return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=home)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno in _UNMAKEABLE:
                return None
            raise
        finally:
            os.close(home)

    def walk(self, path: bytes) -> int:
        """Open a remembered directory below the root (O_PATH), following no link: one may have been put there since."""
        fd = os.open(b".", DIRECTORY, dir_fd=self._root)
        for name in path.split(b"/"):
            try:
                deeper = os.open(name, DIRECTORY, dir_fd=fd)
            finally:
                os.close(fd)
            fd = deeper
        return fd


@contextmanager
def _closing(home: Home) -> Iterator[Home]:
    try:
        yield home
    finally:
        home.close()
