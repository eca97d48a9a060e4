"""What a mirror compares: two listings and a policy. Pure values."""

from __future__ import annotations

import enum
from collections.abc import Callable

from attrs import define, field, frozen

from ftlite.client.errors import ClientError
from ftlite.protocol.entries import Kind

SECOND = 1_000_000_000
#: (path relative to the tree, is it a directory) -> bool
Wanted = Callable[[str, bool], bool]


class Links(enum.Enum):
    """What becomes of symbolic links in the source. The target's own are never followed."""

    FOLLOW = "follow"  #: what they lead to travels, directories too
    FILES = "files"  #: so do files; links to directories are left out
    SKIP = "skip"  #: they are left out
    KEEP = "keep"  #: they travel as links


@frozen
class Item:
    """One name of a tree.

    Attributes:
        modify_ns: modification time, as the side tells it; None: it does not.
        coarse_ns: how much later than that it may be, since a listing tells minutes or days only.
        target: where a link points.
        digest: "algorithm:hex" of a file, once it was asked for.
        linked: a link leads to it, here or above, so that it is no entry of the tree itself.
    """

    kind: Kind
    size: int | None = None
    modify_ns: int | None = None
    mode: int | None = None
    target: str | None = None
    coarse_ns: int = 0
    digest: str | None = None
    linked: bool = False

    def same_time(self, other: Item) -> bool:
        """Whether both may be of one moment: to the second, or as exactly as they are told."""
        return not (self.is_older(other) or other.is_older(self))

    def is_older(self, other: Item) -> bool:
        """Whether this one is certainly older, by more than a second."""
        if self.modify_ns is None or other.modify_ns is None:
            return False
        return self.modify_ns + self.coarse_ns + SECOND < other.modify_ns


@define(eq=False)
class Listing:
    """What stands below a directory.

    Attributes:
        items: by path relative to it ("a/b").
        protected: directories in which stands what the mirror must not touch: excluded names, our own parts. "" is the
            directory itself.
        failures: what could not be listed, by path, or has a name that cannot be one here.
        exists: the directory is there.
    """

    items: dict[str, Item] = field(factory=dict)
    protected: set[str] = field(factory=set)
    failures: dict[str, ClientError] = field(factory=dict)
    exists: bool = True

    @property
    def complete(self) -> bool:
        """Nothing was missed."""
        return not self.failures


def parents(path: str) -> list[str]:
    """The directories above `path`, the nearest first, without the tree's own."""
    found = []
    while "/" in path:
        path = path.rpartition("/")[0]
        found.append(path)
    return found


def walk_order(path: str) -> list[bytes]:
    """A sort key: names by their octets, a directory right before what is in it."""
    return path.encode("utf-8", "surrogateescape").split(b"/")
