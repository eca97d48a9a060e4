"""Chapter 52: XCRC and the other X verbs, digests as clients knew them before HASH (draft-bryan-ftpext-hash app.B)."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable

from conformance.chapters.checks import want, want_alive, want_class
from conformance.place import place
from conformance.registry import Failed, Level, Skipped, case
from conformance.wire import Target

_CONTENT = bytes(range(256)) * 10 + b"\r\n\n"


def _x_digests() -> dict[str, Callable[[bytes], str]]:
    return {
        "XCRC": lambda content: f"{zlib.crc32(content):08x}",
        "XMD5": lambda content: hashlib.md5(content, usedforsecurity=False).hexdigest(),
        "XSHA1": lambda content: hashlib.sha1(content, usedforsecurity=False).hexdigest(),
        "XSHA256": lambda content: hashlib.sha256(content).hexdigest(),
        "XSHA512": lambda content: hashlib.sha512(content).hexdigest(),
    }


def _offers(verb: str) -> Callable[[Target], None]:
    def check(target: Target) -> None:
        with place(target) as here:
            here.make("file", _CONTENT)
            want(here.command(f"{verb} file"), (250, 213), verb)

    return check


for _verb in _x_digests():
    case(
        f"{_verb.lower()}-offered",
        "draft-bryan-ftpext-hash app.B",
        Level.MAY,
        f"{_verb} tells a digest of a file.",
        f"Clients that know {_verb} and no HASH cannot verify.",
    )(_offers(_verb))


@case(
    "x-digests-right",
    "draft-bryan-ftpext-hash app.B",
    Level.MUST,
    "Those of XCRC, XMD5, XSHA1, XSHA256 and XSHA512 that are offered tell the right digest.",
    "Whole files are taken for broken ones, and broken ones for whole.",
)
def x_right(target: Target) -> str:
    with place(target) as here:
        here.make("file", _CONTENT)
        tried = []
        for verb, right in _x_digests().items():
            reply = here.command(f"{verb} file")
            if reply.code not in (250, 213):
                continue
            words = reply.lines[-1][4:].decode("ascii", "replace").lower().split()
            if right(_CONTENT).lstrip("0") not in [word.lstrip("0") for word in words]:
                raise Failed(f"{verb} is answered {reply.shown}, and {right(_CONTENT)} is right")
            tried.append(verb)
        if not tried:
            raise Skipped("none of them is known here")
        return ", ".join(tried)


@case(
    "x-digests-missing",
    "draft-bryan-ftpext-hash app.B",
    Level.MUST,
    "Those of the X verbs that are offered refuse what does not exist, and directories.",
    "Clients take a file for one that exists.",
)
def x_missing(target: Target) -> None:
    with place(target) as here:
        here.make_directory("dir")
        for verb in _x_digests():
            for path in ("none", "dir"):
                want_class(here.command(f"{verb} {path}"), "45", f"{verb} {path}")
        want_alive(here.wire, "digests of nothing")
