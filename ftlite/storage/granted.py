"""The one thing that storage accepts as a place: a path that the gate has judged.

`Granted` values are made by `ftlite.gate` alone; mypy (nothing else can name the token) and a test hold that. Storage
works on ``(parent, name)`` with ``*at`` calls and never follows a link in the last component, so what the gate judged
is what gets touched, whatever is renamed in between.
"""

from __future__ import annotations

import os
from types import TracebackType

from attrs import define, field, frozen

from ftlite.config.rights import Right


@frozen
class Foreseen:
    """A name that may come to be, whether or not anything leads there yet; nothing can be opened by it. Made by the
    gate alone, too.

    Attributes:
        path: the virtual path as asked for.
        rights: what the rules allow both there and where links lead on the way, as far as that goes.
        real: as in `Granted`.
    """

    path: str
    rights: Right
    real: bytes


@define(eq=False, slots=True)
class Granted:
    """A place beneath a user's root, with what the user may do there. Owns its directory descriptor.

    Attributes:
        parent: descriptor of the directory that holds the place (O_PATH or readable); closed with this value.
        name: the last component, as the file system's bytes; ``b"."`` for the user's root itself. Never ``..``.
        path: the resolved virtual path ("/rel/1.4/app.bin"), links resolved, surrogateescape for odd bytes.
        rights: what the rules allow at `path`.
        owner: the user's name; parts belong to it.
        real: the resolved path from the served root, in bytes, without a leading ``/``, as it was when judged: the same
            for users with different roots; ``b""`` for the served root itself.
        exists: whether the name was there when judged (a hint; storage finds out for itself).
    """

    parent: int
    name: bytes
    path: str
    rights: Right
    owner: str
    real: bytes
    exists: bool = True
    _open: bool = field(default=True, init=False, repr=False)

    def close(self) -> None:
        """Give the descriptor back. Closing twice is fine."""
        if self._open:
            self._open = False
            os.close(self.parent)

    def __enter__(self) -> Granted:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()
