"""Chapter 50: HASH and OPTS HASH, digests of files (draft-bryan-ftpext-hash-02)."""

from __future__ import annotations

import hashlib
import re
import zlib

from conformance.chapters.ch40_time_size import feature
from conformance.chapters.checks import want, want_alive, want_class, want_clean
from conformance.place import Place, place
from conformance.registry import Failed, Level, Skipped, case
from conformance.wire import Target

_CONTENT = bytes(range(256)) * 10 + b"\r\n\n"
_HASH = re.compile(rb"213 ([A-Za-z0-9_/.,-]+) (\d+)-(\d+) ([0-9A-Fa-f]+) (.+)")
_WEAK = {"CRC32", "MD5", "ADLER32", "MD2", "MD4"}


def _digest(name: str, content: bytes) -> str | None:
    """In lower-case hexadecimal; None where this machine cannot make it."""
    if name.upper() == "CRC32":
        return f"{zlib.crc32(content):08x}"
    plain = name.lower().replace("-", "").replace("/", "_").replace("sha3", "sha3_")
    try:
        return hashlib.new(plain, content, usedforsecurity=False).hexdigest()
    except (ValueError, TypeError):
        return None


def _offered(here: Place) -> dict[str, bool]:
    """The algorithms of FEAT: whether each is the selected one. Skipped without HASH."""
    here.known("HASH conformance-none")
    line = feature(here, b"HASH").partition(b" ")[2].decode("ascii", "replace")
    return {name.rstrip("*"): name.endswith("*") for name in line.split(";") if name}


def _hash(here: Place, path: str = "file") -> tuple[str, int, int, str, bytes]:
    """HASH of a path: algorithm, range, digest and path as they were told."""
    reply = here.known(f"HASH {path}")
    found = _HASH.fullmatch(reply.lines[-1])
    if not found:
        raise Failed(f"HASH is answered {reply.shown}")
    return found[1].decode(), int(found[2]), int(found[3]), found[4].decode(), found[5]


@case(
    "hash-feat",
    "draft-bryan-ftpext-hash s.3.1",
    Level.MUST,
    "Where HASH is known FEAT lists it with its algorithms, one of which has an asterisk.",
    "Clients cannot tell which digest they get.",
)
def hash_feat(target: Target) -> str:
    with place(target) as here:
        offered = _offered(here)
        if list(offered.values()).count(True) != 1:
            raise Failed(f"FEAT marks {list(offered.values()).count(True)} algorithms as the selected one")
        return ", ".join(offered)


@case(
    "hash-form",
    "draft-bryan-ftpext-hash s.3",
    Level.MUST,
    "HASH is answered 213 with algorithm, range, digest and path.",
    "Clients cannot read the digest.",
)
def hash_form(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        want_clean(here.known("HASH file"))
        _, start, end, _, _ = _hash(here)
        if end < start:
            raise Failed(f"the range is {start}-{end}")


@case(
    "hash-right",
    "draft-bryan-ftpext-hash s.3",
    Level.MUST,
    "The digest is that of the bytes which RETR sends in TYPE I, by every algorithm that is offered.",
    "Whole files are taken for broken ones, and broken ones for whole.",
)
def hash_right(target: Target) -> str:
    with place(target) as here:
        here.make("file", _CONTENT)
        tried = []
        for name in _offered(here):
            right = _digest(name, _CONTENT)
            if right is None:
                continue
            want(here.command(f"OPTS HASH {name}"), (200,), f"OPTS HASH {name}")
            said, _, _, digest, _ = _hash(here)
            if said.upper() != name.upper() or digest.lower() != right:
                raise Failed(f"by {name} it tells {said} {digest}, and {right} is right")
            tried.append(name)
        if not tried:
            raise Skipped("this machine has none of the algorithms")
        return ", ".join(tried)


@case(
    "hash-range",
    "draft-bryan-ftpext-hash s.3",
    Level.MUST,
    "The range begins at 0 and ends with the file.",
    "Clients take the digest for one of a piece.",
)
def hash_range(target: Target) -> str:
    with place(target) as here:
        here.make("file", _CONTENT)
        _, start, end, _, _ = _hash(here)
        # The draft shows the last byte in one example and the count in another; servers in the field differ.
        if start != 0 or end not in (len(_CONTENT), len(_CONTENT) - 1):
            raise Failed(f"of {len(_CONTENT)} bytes the range is {start}-{end}")
        return "the end is the count" if end == len(_CONTENT) else "the end is the last byte"


@case(
    "hash-empty",
    "draft-bryan-ftpext-hash s.3",
    Level.MUST,
    "HASH of an empty file tells the digest of nothing, and a range that is none the less in order.",
    "Empty files fail to verify.",
)
def hash_empty(target: Target) -> None:
    with place(target) as here:
        here.make("file", b"")
        name, start, end, digest, _ = _hash(here)
        right = _digest(name, b"")
        if (right is not None and digest.lower() != right) or (start, end) != (0, 0):
            raise Failed(f"of an empty file it tells {name} {start}-{end} {digest}")


@case(
    "hash-path",
    "draft-bryan-ftpext-hash s.3",
    Level.MUST,
    "The reply ends with the path, blanks in it and all.",
    "Clients that ask for many files mix them up.",
)
def hash_path(target: Target) -> None:
    with place(target) as here:
        here.make("two words")
        if not (told := _hash(here, "two words")[4]).endswith(b"two words"):
            raise Failed(f"it names {told!r}")


@case(
    "hash-lower-case",
    "draft-bryan-ftpext-hash s.3",
    Level.SHOULD,
    "The digest is in lower case.",
    "Simple scripts that compare texts take a right digest for a wrong one.",
)
def hash_lower(target: Target) -> None:
    with place(target) as here:
        here.make("file", _CONTENT)
        if (digest := _hash(here)[3]) != digest.lower():
            raise Failed(f"it is {digest}")


@case(
    "hash-any-type",
    "draft-bryan-ftpext-hash s.3",
    Level.MUST,
    "TYPE A changes nothing: the digest is of the bytes.",
    "A text verifies or not by what the client did before.",
)
def hash_any_type(target: Target) -> None:
    with place(target) as here:
        here.make("file", b"one\ntwo\n")
        image = _hash(here)[3]
        here.command("TYPE A")
        reply = here.command("HASH file")
        found = _HASH.fullmatch(reply.lines[-1])
        if found and found[4].decode() != image:
            raise Failed(f"{image} in TYPE I, {found[4].decode()} in TYPE A")


@case(
    "hash-of-new-content",
    "draft-bryan-ftpext-hash s.6",
    Level.MUST,
    "When a file changes its digest does, even when size and second are the same.",
    "A broken file is taken for the whole one that it was.",
)
def hash_new(target: Target) -> None:
    with place(target) as here:
        here.make("file", b"one")
        first = _hash(here)
        here.make("file", b"two")
        second = _hash(here)
        if second[3] == first[3]:
            raise Failed("the digest of the old content is told for the new")


@case(
    "hash-any-case",
    "draft-bryan-ftpext-hash s.3",
    Level.MUST,
    "HASH and the names of algorithms are taken in any case.",
    "Clients that write them otherwise cannot verify.",
)
def hash_case(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        name = next(iter(_offered(here)))
        want(here.command(f"opts hash {name.lower()}"), (200,), f"opts hash {name.lower()}")
        want(here.command("hash file"), (213,), "hash")


@case(
    "hash-missing",
    "draft-bryan-ftpext-hash s.3.5",
    Level.MUST,
    "HASH of what does not exist is refused.",
    "Clients take a file for one that exists.",
)
def hash_missing(target: Target) -> None:
    with place(target) as here:
        want_class(here.known("HASH none"), "5", "HASH of nothing")


@case(
    "hash-missing-550",
    "draft-bryan-ftpext-hash s.3.5",
    Level.SHOULD,
    "The refusal of HASH for what does not exist is 550.",
    "Clients cannot tell a missing file from one that is not hashed.",
)
def hash_missing_550(target: Target) -> None:
    with place(target) as here:
        want(here.known("HASH none"), (550,), "HASH of nothing")


@case(
    "hash-directory",
    "draft-bryan-ftpext-hash s.3",
    Level.MUST,
    "HASH of a directory is refused.",
    "Clients take a directory for a file.",
)
def hash_directory(target: Target) -> None:
    with place(target) as here:
        here.make_directory("dir")
        want_class(here.known("HASH dir"), "5", "HASH of a directory")


@case(
    "hash-directory-553",
    "draft-bryan-ftpext-hash s.3.5",
    Level.SHOULD,
    "The refusal of HASH for a directory is 553.",
    "Clients cannot tell a directory from what does not exist.",
)
def hash_directory_553(target: Target) -> None:
    with place(target) as here:
        here.make_directory("dir")
        want(here.known("HASH dir"), (553,), "HASH of a directory")


@case(
    "hash-nothing",
    "draft-bryan-ftpext-hash s.3.5",
    Level.MUST,
    "HASH without a path is refused.",
    "A mistake of the client is answered with a digest.",
)
def hash_nothing(target: Target) -> None:
    with place(target) as here:
        want_class(here.command("HASH"), "5", "HASH without a path")
        want_alive(here.wire, "HASH without a path")


@case(
    "hash-needs-login",
    "draft-bryan-ftpext-hash s.6",
    Level.MUST,
    "HASH before login is refused.",
    "Strangers find out which files there are, and what is in them.",
)
def hash_login(target: Target) -> None:
    with target.greeted() as wire:
        want_class(wire.command("HASH /etc/passwd"), "5", "HASH before login")


@case(
    "hash-strong-by-itself",
    "draft-bryan-ftpext-hash s.5",
    Level.SHOULD,
    "The algorithm that is selected at the start is no weaker than SHA-1.",
    "Files that somebody forged verify.",
)
def hash_strong(target: Target) -> str:
    with place(target) as here:
        chosen = next(name for name, on in _offered(here).items() if on)
        if chosen.upper() in _WEAK:
            raise Failed(f"{chosen} is selected at the start")
        return chosen


@case(
    "hash-sha-1",
    "draft-bryan-ftpext-hash s.5",
    Level.MUST,
    "SHA-1 is among the algorithms.",
    "Clients that keep to the draft and know no other cannot verify.",
)
def hash_sha_1(target: Target) -> None:
    with place(target) as here:
        if "SHA-1" not in [name.upper() for name in _offered(here)]:
            raise Failed("FEAT lists no SHA-1")


@case(
    "opts-hash-asked",
    "draft-bryan-ftpext-hash s.3.2",
    Level.MUST,
    "OPTS HASH without an algorithm tells the selected one.",
    "Clients cannot tell which digest they get.",
)
def opts_asked(target: Target) -> None:
    with place(target) as here:
        chosen = next(name for name, on in _offered(here).items() if on)
        reply = here.command("OPTS HASH")
        want(reply, (200,), "OPTS HASH")
        if reply.lines[-1][4:].decode().strip().upper() != chosen.upper():
            raise Failed(f"FEAT marks {chosen}, and OPTS HASH is answered {reply.shown}")


@case(
    "opts-hash-choose",
    "draft-bryan-ftpext-hash s.3.2",
    Level.MUST,
    "OPTS HASH selects: its answer, HASH and FEAT's asterisk go by it.",
    "Clients get another digest than they asked for.",
)
def opts_choose(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        others = [name for name, on in _offered(here).items() if not on]
        if not others:
            raise Skipped("one algorithm is offered")
        reply = here.command(f"OPTS HASH {others[0]}")
        want(reply, (200,), f"OPTS HASH {others[0]}")
        if _hash(here)[0].upper() != others[0].upper():
            raise Failed(f"{others[0]} was selected, and HASH tells {_hash(here)[0]}")
        if not _offered(here)[others[0]]:
            raise Failed(f"{others[0]} was selected, and has no asterisk in FEAT")


@case(
    "opts-hash-unknown",
    "draft-bryan-ftpext-hash s.3.2",
    Level.MUST,
    "An algorithm that is not known is refused, and the one before stays.",
    "Clients get another digest than they asked for.",
)
def opts_unknown(target: Target) -> None:
    with place(target) as here:
        here.make("file")
        before = _hash(here)[0]
        want_class(here.command("OPTS HASH CRC-37"), "5", "OPTS HASH CRC-37")
        if (after := _hash(here)[0]) != before:
            raise Failed(f"{before} was selected, and after the refusal it is {after}")


@case(
    "opts-hash-unknown-501",
    "draft-bryan-ftpext-hash s.3.5",
    Level.SHOULD,
    "The refusal of an algorithm is 501.",
    "Clients cannot tell that another one might be taken.",
)
def opts_unknown_501(target: Target) -> None:
    with place(target) as here:
        _offered(here)
        want(here.command("OPTS HASH CRC-37"), (501,), "OPTS HASH CRC-37")


@case(
    "opts-hash-own-session",
    "draft-bryan-ftpext-hash s.3.2",
    Level.MUST,
    "OPTS HASH holds for its own session alone.",
    "One client changes which digests all others get.",
)
def opts_own(target: Target) -> None:
    with place(target) as here:
        before = _offered(here)
        others = [name for name, on in before.items() if not on]
        if not others:
            raise Skipped("one algorithm is offered")
        want(here.command(f"OPTS HASH {others[-1]}"), (200,), f"OPTS HASH {others[-1]}")
        with place(target) as other:
            if _offered(other) != before:
                raise Failed(f"a new session begins with {_offered(other)}")
