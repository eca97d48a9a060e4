"""Syncing directories in groups: who comes while a directory is being synced shares the next sync with all who wait.

A sync that runs already may have begun before the newcomer's rename, so it does not count for it; the next one does. So
under load a directory is synced without a pause, each time for everybody who came meanwhile, and alone it is synced at
once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from attrs import define, field

from ftlite.storage.syscalls import sync_directory


@define(eq=False)
class _Directory:
    waiting: int = 0  # who would be let down if this value were forgotten
    running: bool = False
    begun: int = 0
    done: int = 0
    errors: dict[int, OSError] = field(factory=dict)


class GroupSync:
    """Makes names in directories survive a loss of power. Thread-safe; not to be called under a lock that others share.

    Args:
        sync: makes one directory durable by its descriptor; raises OSError.
    """

    def __init__(self, sync: Callable[[int], object] = sync_directory) -> None:
        self._sync = sync
        self._changed = threading.Condition()
        self._directories: dict[tuple[int, int], _Directory] = {}

    def sync(self, fd: int) -> None:
        """Return when all changes of names in the directory `fd` that are made by now are on the disk.

        Raises:
            OSError: what the sync that covers them met; all who shared it get that.
        """
        facts = os.fstat(fd)
        key = facts.st_dev, facts.st_ino
        with self._changed:
            directory = self._directories.setdefault(key, _Directory())
            directory.waiting += 1
            mine = directory.begun + 1
            try:
                while directory.done < mine:
                    if directory.running:
                        self._changed.wait()
                    else:
                        self._run(directory, fd)
                if (error := directory.errors.get(mine)) is not None:
                    raise OSError(error.errno, error.strerror)
            finally:
                directory.waiting -= 1
                if not directory.waiting:
                    del self._directories[key]

    def _run(self, directory: _Directory, fd: int) -> None:
        """One sync, with the lock let go meanwhile."""
        directory.running = True
        directory.begun += 1
        number = directory.begun
        self._changed.release()
        met: OSError | None = None
        try:
            self._sync(fd)
        except OSError as error:
            met = error
        finally:
            self._changed.acquire()
            directory.running = False
            directory.done = number
            if met is not None:
                directory.errors[number] = met
            self._changed.notify_all()
