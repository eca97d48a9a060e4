"""What can go wrong on the disk, as kinds. The server's one table turns kinds into replies."""

from __future__ import annotations

import enum
import errno


class Kind(enum.Enum):
    """Why storage refused or failed. Values are for logs and JSON; people read the message."""

    NOT_FOUND = "not-found"
    EXISTS = "exists"
    IS_DIRECTORY = "is-directory"
    NOT_DIRECTORY = "not-directory"
    NOT_EMPTY = "not-empty"
    NOT_PLAIN = "not-plain"  #: a device, socket or FIFO where a file was wanted
    DENIED = "denied"  #: rights of the user, or of the server's own account
    OUTSIDE = "outside"  #: the path leads out of the root
    BAD_NAME = "bad-name"  #: CR, LF, NUL, a reserved or over-long name
    BUSY = "busy"  #: another live transfer holds it
    NO_ROOM = "no-room"
    QUOTA = "quota"
    TOO_LARGE = "too-large"
    BAD_OFFSET = "bad-offset"  #: resume from where nothing stands
    READ_ONLY = "read-only"
    UNSUPPORTED = "unsupported"
    FOREIGN = "foreign"  #: a tree would replace files that no tree put there
    FAULT = "fault"  #: I/O error, too many open files: not the client's doing


class StorageError(Exception):
    """Storage could not do what was asked.

    Attributes:
        kind: the class of failure.
        path: the virtual path it concerns, as the client would write it.
        reason: a short phrase for people ("no such file", "disk full").
    """

    def __init__(self, kind: Kind, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.kind = kind
        self.path = path
        self.reason = reason


class WouldBlock(Exception):
    """A `nowait` call found that it would have to wait for the disk; call again from a worker."""


_KINDS: dict[int, tuple[Kind, str]] = {
    errno.ENOENT: (Kind.NOT_FOUND, "no such file or directory"),
    errno.EEXIST: (Kind.EXISTS, "already exists"),
    errno.EISDIR: (Kind.IS_DIRECTORY, "is a directory"),
    errno.ENOTDIR: (Kind.NOT_DIRECTORY, "is not a directory"),
    errno.ENOTEMPTY: (Kind.NOT_EMPTY, "directory is not empty"),
    errno.EACCES: (Kind.DENIED, "permission denied"),
    errno.EPERM: (Kind.DENIED, "operation not permitted"),
    errno.EXDEV: (Kind.OUTSIDE, "leads out of the served directory"),
    errno.ELOOP: (Kind.OUTSIDE, "a link that is not followed"),
    errno.ENAMETOOLONG: (Kind.BAD_NAME, "name too long"),
    errno.EINVAL: (Kind.BAD_NAME, "not a valid name or value here"),
    errno.EILSEQ: (Kind.BAD_NAME, "name not valid on this file system"),
    errno.EBUSY: (Kind.BUSY, "in use"),
    errno.ETXTBSY: (Kind.BUSY, "in use"),
    errno.ENOSPC: (Kind.NO_ROOM, "disk full"),
    errno.EDQUOT: (Kind.QUOTA, "quota exceeded"),
    errno.EFBIG: (Kind.TOO_LARGE, "file too large"),
    errno.EROFS: (Kind.READ_ONLY, "read-only file system"),
    errno.EOPNOTSUPP: (Kind.UNSUPPORTED, "not supported by this file system"),
    errno.ENXIO: (Kind.NOT_PLAIN, "not a plain file"),
}


def from_os_error(error: OSError, path: str) -> StorageError:
    """The `StorageError` that says in our words what `error` said of `path`; unknown errors become FAULT."""
    kind, reason = _KINDS.get(error.errno or 0, (Kind.FAULT, error.strerror or "input/output error"))
    return StorageError(kind, path, reason)
