"""Chapter 65: archives that mean harm, or are none (docs/protocol.md s.5, Refused)."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Sequence

from conformance.chapters.archives import OTHER, TREE, Item, archive, directory, link, nothing, put_tree
from conformance.chapters.native import native
from conformance.data import download
from conformance.registry import Failed, Level, case
from conformance.wire import Target

_MUST = Level.MUST
_REFUSED = "docs/protocol.md s.5 Refused"

#: Name of the case -> archive, the kinds that may refuse it, what is wrong with it, what comes of it.
_HOSTILE: dict[str, tuple[Sequence[Item], tuple[str, ...], str, str]] = {
    "tree-absolute": (
        (Item("/conformance-escaped", content=b"x"),),
        ("unsafe",),
        "an absolute name",
        "Whoever may upload writes anywhere on the server.",
    ),
    "tree-dot-dot": (
        (Item("../escaped", content=b"x"),),
        ("unsafe", "malformed"),
        "`..` in a name",
        "Whoever may upload writes outside of the tree.",
    ),
    "tree-dot-dot-inside": (
        (directory("a"), Item("a/../../escaped", content=b"x")),
        ("unsafe", "malformed"),
        "`..` further down in a name",
        "Whoever may upload writes outside of the tree.",
    ),
    "tree-link-out": (
        (link("up", "../../etc"),),
        ("unsafe",),
        "a link that leads out of the tree",
        "Whoever reads the tree reads what is outside.",
    ),
    "tree-link-absolute": (
        (link("etc", "/etc"),),
        ("unsafe",),
        "a link to an absolute name",
        "Whoever reads the tree reads what is outside.",
    ),
    "tree-through-link": (
        (directory("a"), link("b", "a"), Item("b/escaped", content=b"x")),
        ("unsafe", "malformed"),
        "a file below a link",
        "A link made first leads the file after it anywhere.",
    ),
    "tree-link-through-link": (
        (directory("a"), directory("a/b"), link("a/b/c", ".."), link("d", "a/b/c/../..")),
        ("unsafe",),
        "a link that leads out by way of another link",
        "Whoever reads the tree reads what is outside.",
    ),
    "tree-hard-link-out": (
        (Item("x", tarfile.LNKTYPE, target="/etc/passwd"),),
        ("unsafe",),
        "a hard link to what is no file of the tree",
        "Whoever may upload reads any file of the server.",
    ),
    "tree-device": (
        (Item("null", tarfile.CHRTYPE),),
        ("unsafe",),
        "a device",
        "Whoever may upload gets at the hardware.",
    ),
    "tree-fifo": (
        (Item("pipe", tarfile.FIFOTYPE),),
        ("unsafe",),
        "a FIFO",
        "Whoever reads the tree hangs.",
    ),
    "tree-twice": (
        (Item("x", content=b"1"), Item("x", content=b"2")),
        ("unsafe", "malformed"),
        "a name twice",
        "A filter looks at the one, and the other is published.",
    ),
    "tree-below-file": (
        (Item("x", content=b"1"), Item("x/y", content=b"2")),
        ("unsafe", "malformed"),
        "a name below a file",
        "What is published depends on the order of the entries.",
    ),
    "tree-no-directory": (
        (Item("a/b", content=b"1"),),
        ("malformed", "unsafe"),
        "a file whose directory did not come",
        "What is published has directories that nobody stated.",
    ),
    "tree-out-of-order": (
        (Item("b", content=b"1"), Item("a", content=b"2")),
        ("malformed",),
        "entries out of order",
        "Two sides count the entries differently, and a tree that goes on is mixed.",
    ),
    "tree-reserved": (
        (directory(".ftlite"), Item(".ftlite/x", content=b"x")),
        ("unsafe",),
        "a name that is the server's own",
        "Whoever may upload changes the server's own files.",
    ),
    "tree-reserved-any-case": (
        (directory(".FTLite"), Item(".FTLite/x", content=b"x")),
        ("unsafe",),
        "a name that is the server's own on disks without case",
        "Whoever may upload changes the server's own files.",
    ),
    "tree-newline": (
        (Item("a\nb", content=b"x"),),
        ("unsafe",),
        "a line end in a name",
        "No command can name such a file, and listings break.",
    ),
    "tree-link-empty": (
        (link("x", ""),),
        ("unsafe", "malformed"),
        "a link to nothing",
        "What is published depends on the file system.",
    ),
}


def _hostile(items: Sequence[Item], kinds: tuple[str, ...], what: str) -> Callable[[Target], str]:
    def check(target: Target) -> str:
        with native(target) as session:
            session.here.make_directory("inner")
            final = put_tree(session, items, path="inner/tree")
            if final.code < 400:
                raise Failed(f"{what} is answered {final.shown}")
            if final.kind not in kinds:
                raise Failed(f"{what} is answered {final.shown}, and kind={kinds[0]} was due")
            nothing(session, "inner/tree")
            for path in ("inner/escaped", "escaped"):
                if not download(session.here.wire, f"RETR {path}").refused:
                    raise Failed(f"{what} made {path}")
            return final.kind

    return check


for _name, (_items, _kinds, _what, _harm) in _HOSTILE.items():
    case(_name, _REFUSED, _MUST, f"An archive with {_what} is refused, and nothing of it is published.", _harm)(
        _hostile(_items, _kinds, _what)
    )


def _garbage(make: Callable[[], bytes], what: str) -> Callable[[Target], str]:
    def check(target: Target) -> str:
        with native(target) as session:
            final = put_tree(session, TREE, raw=make())
            if final.code < 400:
                raise Failed(f"{what} is answered {final.shown}")
            nothing(session)
            return final.kind

    return check


case(
    "tree-no-tar",
    _REFUSED,
    _MUST,
    "A stream that is no tar is refused, and nothing is published.",
    "A download page of a proxy is taken for a tree.",
)(_garbage(lambda: b"<html>no tar</html>" * 100, "what is no tar"))
case(
    "tree-behind-the-end",
    _REFUSED,
    _MUST,
    "Something behind the end of the archive is refused.",
    "What is behind is seen by one reader and not by another.",
)(_garbage(lambda: archive(TREE) + archive(OTHER), "a second archive behind the first"))
