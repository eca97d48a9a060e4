"""The one step by which a tree takes another's place, which Python does not offer."""

from __future__ import annotations

import ctypes
import errno
import os

_LIBC = ctypes.CDLL(None, use_errno=True)
_RENAME_EXCHANGE = 2


def rename_exchange(source: int, old: bytes, target: int, new: bytes) -> None:
    """Let two names change places, in one step; both must be there.

    Args:
        source, target: descriptors of their directories; of no matter for an absolute name.

    Raises:
        OSError: EOPNOTSUPP where the kernel or the file system cannot (NFS); EXDEV for directories of a lower layer
            of overlayfs; as rename(2) says otherwise.
    """
    number = errno.EOPNOTSUPP
    if hasattr(_LIBC, "renameat2"):
        if _LIBC.renameat2(source, ctypes.c_char_p(old), target, ctypes.c_char_p(new), _RENAME_EXCHANGE) == 0:
            return
        number = ctypes.get_errno()
        if number in (errno.ENOSYS, errno.EINVAL):
            number = errno.EOPNOTSUPP
    raise OSError(number, os.strerror(number))
