"""Which names and links a tree may have (docs/protocol.md s.5 "Refused"). Octets in, a verdict out; no disk.

A link may point anywhere in the tree, also through other links. Where ".." stands only at the beginning of a target,
the words alone decide: the link itself lies in a real directory (nothing is ever below a link), so its leading ".."s
lead where they seem to, and each link on the way further is judged by the same rule. Only ".." after a name ("a/../b")
can mean something else than it says, when that name is a link itself: such a target is `winding`, and who unpacks
follows it through what is on the disk when all entries are known (`follow`). Nothing is written through a link before,
so that is in time.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from ftlite.trees.errors import Kind, TreeError

_UNFIT = re.compile(rb"[\0\r\n]|(?:\A|/)\.{0,2}(?:/|\Z)")
_PLAIN = re.compile(rb"[0-9A-Za-z_][ -.0-~]*")
_PLAIN_PATH = re.compile(rb"%b(?:/%b)*" % (_PLAIN.pattern, _PLAIN.pattern))
_RESERVED = b".ftlite"
_MOST_HOPS = 40  # as Linux: a longer chain of links never leads anywhere


def check_path(path: bytes) -> None:
    """Raises TreeError (UNSAFE) unless `path` is one that a tree may have."""
    if _PLAIN_PATH.fullmatch(path) is not None:
        return
    if _UNFIT.search(path):
        raise TreeError(Kind.UNSAFE, path, _fault(path))
    if (_RESERVED in path.lower() or not path.isascii()) and any(map(is_reserved, path.split(b"/"))):
        raise TreeError(Kind.UNSAFE, path, "a name that is reserved for the server")


def is_plain(name: bytes) -> bool:
    """Whether one name is of the kind that needs no second look: neither unfit nor reserved."""
    return _PLAIN.fullmatch(name) is not None


def is_fit(name: bytes) -> bool:
    """Whether one name may travel."""
    return is_plain(name) or not (_UNFIT.search(name) or b"/" in name or is_reserved(name))


def _fault(path: bytes) -> str:
    if path.startswith(b"/"):
        return "an absolute name"
    if re.search(rb"[\0\r\n]", path):
        return "NUL, CR or LF in a name"
    return "an empty component, '.' or '..' in a name"


def is_reserved(name: bytes) -> bool:
    """Whether `name` (not empty) is ".ftlite" or ".ftlite-..." to some file system.

    Linux's case folding ignores case, composition and invisible characters, so these are taken out first.
    """
    if name.isascii():
        if name[0] != 0x2E:
            return False
        folded = name.lower()
        return folded == _RESERVED or folded.startswith(b".ftlite-")
    text = unicodedata.normalize("NFKD", name.decode("utf-8", "surrogateescape")).casefold()
    plain = "".join(character for character in text if unicodedata.category(character) not in ("Cf", "Mn"))
    return plain == ".ftlite" or plain.startswith(".ftlite-")


def check_link(path: bytes, target: bytes) -> bool:
    """Judge the words of a symbolic link; whether it is winding and must be followed, too.

    Raises:
        TreeError: UNSAFE: absolute, empty, with NUL, or its words lead out of the tree.
    """
    if not target or b"\0" in target:
        raise TreeError(Kind.UNSAFE, path, "a link with an empty or unfit target")
    if target.startswith(b"/"):
        raise TreeError(Kind.UNSAFE, path, "a link with an absolute target")
    if b".." not in target:
        return False
    depth = path.count(b"/")
    named = winding = False
    for part in target.split(b"/"):
        if part == b"..":
            depth -= 1
            winding = winding or named
            if depth < 0:
                raise TreeError(Kind.UNSAFE, path, "a link that leads out of the tree")
        elif part not in (b"", b"."):
            depth += 1
            named = True
    return winding


def follow(path: bytes, target: bytes, read_link: Callable[[bytes], bytes | None]) -> None:
    """Follow a winding link through the others.

    Args:
        read_link: the target of the link at a path of real directories, None when no link is there.

    Raises:
        TreeError: UNSAFE: it leads out of the tree by way of another link.
    """
    here = path.split(b"/")[:-1]
    ahead = target.split(b"/")[::-1]
    hops = 0
    while ahead:
        part = ahead.pop()
        if part == b"..":
            if not here:
                raise TreeError(Kind.UNSAFE, path, "a link that leads out of the tree through another link")
            here.pop()
        elif part not in (b"", b"."):
            here.append(part)
            further = read_link(b"/".join(here))
            if further is not None:
                hops += 1
                if hops > _MOST_HOPS:
                    return
                if further.startswith(b"/"):
                    raise TreeError(Kind.UNSAFE, path, "a link that leads out of the tree through another link")
                here.pop()
                ahead.extend(further.split(b"/")[::-1])
