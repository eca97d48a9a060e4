"""What a listing says of one name: the value that storage makes, listings write and clients read."""

from __future__ import annotations

import enum

from attrs import frozen


class Kind(enum.Enum):
    """What a name stands for. Values are the words of the type fact (RFC 3659 s.7.5.1) where it has one."""

    FILE = "file"
    DIR = "dir"
    LINK = "link"
    OTHER = "other"  #: a device, socket, FIFO, or what a server has no word for
    CDIR = "cdir"  #: the listed directory itself
    PDIR = "pdir"  #: its parent


@frozen
class Entry:
    """One name with what is known of it; None where nothing is.

    Attributes:
        name: as sent or as on disk, surrogateescape for bytes that are no UTF-8. A name out of a listing is the
            server's word: `protocol.listparse.safe_name` before it becomes part of a local path.
        kind: what it is.
        size: bytes.
        modify_ns: last modification, nanoseconds since the epoch, UTC.
        mode: permission bits, at most 0o7777.
        owner, group: names, or numbers written out.
        unique: the same for two names of one file (RFC 3659 s.7.5.2).
        perm: letters of the perm fact (RFC 3659 s.7.5.5); "" is a fact too: nothing is allowed.
        target: where a link points, as written in it.
    """

    name: str
    kind: Kind
    size: int | None = None
    modify_ns: int | None = None
    mode: int | None = None
    owner: str | None = None
    group: str | None = None
    unique: str | None = None
    perm: str | None = None
    target: str | None = None


def perm_letters(
    kind: Kind,
    *,
    get: bool = False,
    put: bool = False,
    overwrite: bool = False,
    delete: bool = False,
    rename: bool = False,
    mkdir: bool = False,
    rmdir: bool = False,
    listing: bool = False,
) -> str:
    """The perm fact of an entry for a user with these rights on it (RFC 3659 s.7.5.5), letters in alphabetic order.

    Rights are named as in the configuration, `listing` being ``list``. For a directory they speak of what stands in
    it: `put` makes new files there (``c``), `delete` empties it (``p``), `listing` lets the user in as well (``e``,
    ``l``); `rmdir` removes it. Links are judged as files: no letter promises that an attempt succeeds.
    """
    if kind in (Kind.DIR, Kind.CDIR, Kind.PDIR):
        letters = [("c", put), ("d", rmdir), ("e", listing), ("f", rename), ("l", listing), ("m", mkdir), ("p", delete)]
    elif kind is Kind.OTHER:
        letters = [("d", delete), ("f", rename)]
    else:
        letters = [("a", overwrite), ("d", delete), ("f", rename), ("r", get), ("w", overwrite)]
    return "".join([letter for letter, allowed in letters if allowed])
