"""Digests as the native dialect names them, and as storage does."""

from __future__ import annotations

from collections.abc import Mapping

from ftlite.protocol.native.values import ALGORITHMS
from ftlite.server.refusals import Unwilling
from ftlite.storage import digests
from ftlite.trees.manifest import Hasher, maker

_STORED = {"sha256": "SHA-256", "blake3": "BLAKE3"}

#: Those that are offered here, the preferred one first -> storage's name of it.
NAMES: Mapping[str, str] = {name: _STORED[name] for name in ALGORITHMS if _STORED[name] in digests.ALGORITHMS}


def stored_name(name: str) -> str:
    """Storage's name for the digest that a client calls `name`. Raises `Unwilling` for one that is not offered."""
    if name not in NAMES:
        raise Unwilling("unsupported", f"Choose from {', '.join(NAMES)}.")
    return NAMES[name]


def hasher(name: str) -> Hasher:
    """A fresh one, with update, copy and hexdigest."""
    return maker(name)()
