"""Digests of whole files, there and here. There by HASH, XSHA256 and their kin; here in a worker thread."""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import sys
import zlib
from typing import Any, Protocol

from ftlite.client.errors import ClientError, Outcome, Unsupported, from_os_error, from_reply, says_unsupported
from ftlite.client.session import Session
from ftlite.protocol.native.requests import HashRequest

_HEX = re.compile(r"(?<![0-9A-Za-z])([0-9A-Fa-f]+)(?![0-9A-Za-z])")
_BLOCK = 1 << 20

#: name here -> (name in HASH's list, verb of its own, hex digits)
_ALGORITHMS: dict[str, tuple[str, str, int]] = {
    "sha256": ("SHA-256", "XSHA256", 64),
    "sha512": ("SHA-512", "XSHA512", 128),
    "blake3": ("BLAKE3", "", 64),
    "crc32": ("CRC32", "XCRC", 8),
    "md5": ("MD5", "XMD5", 32),
}


def best_algorithm(session: Session) -> str | None:
    """The strongest digest that the server says it can make and that we can; None: it makes none."""
    return next((one for one in ("sha256", "sha512", "crc32", "md5") if offers(session, one)), None)


def offers(session: Session, algorithm: str) -> bool:
    """Whether the server says that it makes this digest."""
    offered = session.features.names.get("HASH", "").upper().replace("*", "")
    listed, verb, _ = _ALGORITHMS[algorithm]
    return listed in {name.strip() for name in offered.split(";")} or (verb != "" and session.features.has(verb))


async def remote_digest(session: Session, path: str, algorithm: str) -> str:
    """The digest of a whole remote file, in lower-case hex.

    By a tagged HASH in the native dialect, else by HASH (draft-bryan-ftpext-hash) where the algorithm is listed in
    FEAT, else by the X verb of its own.

    Raises:
        Unsupported: the server makes no such digest.
        ClientError: USAGE for an algorithm nobody knows; the refusal for a file that is not there.
    """
    if algorithm not in _ALGORITHMS:
        raise ClientError(Outcome.USAGE, f"{algorithm!r} is no digest", remedy=f"use one of {', '.join(_ALGORITHMS)}")
    if session.native is not None and algorithm in session.native.offer.hashes:
        told = await session.native.ask(lambda tag: HashRequest(tag, path, algorithm), path)
        found = told.digests.get(algorithm)
        if found is None:
            raise ClientError(Outcome.PROTOCOL, f"{path}: the server states no {algorithm} digest, which was asked for")
        return found
    async with session.alone:  # OPTS and HASH belong together
        return await _stock_digest(session, path, algorithm)


async def _stock_digest(session: Session, path: str, algorithm: str) -> str:
    listed, verb, digits = _ALGORITHMS[algorithm]
    offered = session.features.names.get("HASH", "").upper()
    if listed in offered.replace("*", "").replace(" ", "").split(";"):
        if f"{listed}*" not in offered or session.hash_chosen not in (None, listed):
            await session.expect("OPTS", f"HASH {listed}", thing=session.thing)
            session.hash_chosen = listed
        answer = await session.ask("HASH", path)
    elif verb:
        answer = await session.ask(verb, path)
    else:
        raise Unsupported(f"{session.thing} makes no {algorithm} digest", remedy="download the file and hash it here")
    if says_unsupported(answer) and answer.code != 501:
        raise Unsupported(f"{session.thing} makes no {algorithm} digest", reply=answer)
    if not answer.completed:
        raise from_reply(path, verb or "HASH", answer)
    digest = _find(answer.text, path, digits, short=algorithm == "crc32")
    if digest is None:
        raise ClientError(Outcome.PROTOCOL, f"{path}: {answer.first!r} holds no {algorithm} digest", reply=answer)
    return digest


def _find(text: str, path: str, digits: int, *, short: bool) -> str | None:
    """The digest in a reply that may name the file before or behind it; `short`: leading zeros may be missing."""
    text = text.strip().removesuffix(path).removeprefix(path)
    words = _HEX.findall(text)
    whole = [word for word in words if len(word) == digits]
    if not whole and short:
        whole = [word.zfill(digits) for word in words if len(word) < digits]
    return str(whole[-1]).lower() if whole else None


class Hasher(Protocol):
    """What hashlib, zlib (wrapped) and blake3 have in common."""

    def update(self, data: Any, /) -> object: ...

    def hexdigest(self) -> str: ...


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: Any, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def hexdigest(self) -> str:
        return f"{self._value:08x}"


def hasher(algorithm: str) -> Hasher:
    """A fresh hasher. Raises ClientError USAGE for what cannot be hashed here."""
    if algorithm == "crc32":
        return _Crc32()
    if algorithm == "blake3":
        try:
            made: Hasher = importlib.import_module("blake3").blake3()
        except ImportError:
            raise ClientError(Outcome.USAGE, "blake3 is not installed", remedy="pip install ftlite[blake3]") from None
        return made
    if algorithm == "md5":
        return hashlib.md5(usedforsecurity=False)
    return hashlib.new(algorithm)


def local_digest(fd: int, algorithm: str, thing: str, size: int = sys.maxsize) -> str:
    """Hash an open file or its first `size` bytes, whatever its position; blocks. ClientError when it is unreadable."""
    made = hasher(algorithm)
    feed(made, fd, 0, size, thing)
    return made.hexdigest()


def feed(made: Hasher, fd: int, start: int, end: int, thing: str) -> None:
    """Let `made` see the bytes of an open file from `start` to `end`, or as many as there are; as `local_digest`."""
    try:
        while block := os.pread(fd, min(_BLOCK, end - start), start):
            made.update(block)
            start += len(block)
    except OSError as error:
        raise from_os_error(thing, error) from error


def compare(thing: str, algorithm: str, expected: str, found: str) -> None:
    """Raises ClientError INTEGRITY when a digest is not what was expected."""
    if found != expected:
        raise ClientError(
            Outcome.INTEGRITY, f"{thing} has the {algorithm} digest {found}, not the expected {expected}"
        )
