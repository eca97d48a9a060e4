"""Passwords as argon2id hashes in PHC form. Everything here takes tens of milliseconds on purpose: call it in a worker.

The cost is the second recommended one of RFC 9106 s.4: 3 passes over 64 MiB in 4 lanes. A hash names its own cost, so
old ones stay good when these numbers change.
"""

from __future__ import annotations

import base64
import functools
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argon2 import PasswordHasher

PASSES, MEMORY_KIB, LANES = 3, 65536, 4
_SALT_BYTES, _HASH_BYTES = 16, 32


def hash_password(password: str) -> str:
    """A fresh salted hash of `password` (surrogateescape text), as ``$argon2id$v=19$m=...``."""
    return _hasher().hash(_bytes(password))


def verify_password(hashed: str, password: str) -> bool:
    """Whether `hashed` is a hash of `password`; False too when `hashed` is no hash at all."""
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return _hasher().verify(_bytes(hashed), _bytes(password))
    except (VerificationError, InvalidHashError):
        return False


def dummy_hash() -> str:
    """A hash that no password is known for and that costs as much to check as any other; made without that cost."""

    def encoded(size: int) -> str:
        return base64.b64encode(os.urandom(size)).decode().rstrip("=")

    return f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${encoded(_SALT_BYTES)}${encoded(_HASH_BYTES)}"


@functools.cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher(PASSES, MEMORY_KIB, LANES, _HASH_BYTES, _SALT_BYTES)


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogateescape")
