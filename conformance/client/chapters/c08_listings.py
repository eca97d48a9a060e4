"""Listings and trees, and servers that lie in them: RFC 959 s.4.1.3, RFC 1123 s.4.1.2.7, RFC 3659 s.7."""

from __future__ import annotations

from collections.abc import Callable

from conformance.client.cases import case
from conformance.client.judges import after, contained, ended, names_told, refused, succeeded
from conformance.client.record import Deed, Seen
from conformance.client.script import ABSOLUTE, CONTENT, Entry, Script
from conformance.client.session import Session
from conformance.registry import Failed, Level

MUST, SHOULD, MAY = Level.MUST, Level.SHOULD, Level.MAY
LIST, TREE = Deed.LIST, Deed.TREE
_FILES = {b"/one.txt": b"1\n", b"/two words.txt": b"22\n", "/drei-ß.txt".encode(): b"333\n", b"/sub/four.txt": b"4\n"}
_NO_FACTS = (b"EPSV", b"REST STREAM", b"SIZE", b"MDTM", b"UTF8")
_NO_MLSD = {"MLSD": b"500 What?\r\n", "MLST": b"500 What?\r\n"}


def _cut_listing(reply: bytes) -> Script:
    def listing(session: Session, content: bytes) -> None:
        session.say(b"150 Here.\r\n")
        with session.data() as data:
            data.send(content[: len(content) // 2])
        session.say(reply)

    return Script(listing=listing, files=_FILES)


def _unconfirmed(session: Session, content: bytes) -> None:
    session.say(b"150 Here.\r\n")
    with session.data() as data:
        data.send(content)
    session.hang_up()


def _never_confirmed(session: Session, content: bytes) -> None:
    session.say(b"150 Here.\r\n")
    with session.data() as data:
        data.send(content)
    session.hold()


def _bare_lf(session: Session, content: bytes) -> None:
    session.say(b"150 Here.\r\n")
    with session.data() as data:
        data.send(content.replace(b"\r\n", b"\n"))
    session.say(b"226 Done.\r\n")


def _all_refused(reply: bytes) -> Script:
    return Script(answers=dict.fromkeys(("LIST", "NLST", "MLSD"), reply), files=_FILES)


case(
    "list",
    "RFC 959 s.4.1.3",
    MUST,
    LIST,
    names_told,
    Script(files=_FILES),
    "A directory with three files and a directory. Every name is to be told.",
)
case(
    "list-without-mlsd",
    "RFC 959 s.4.1.3",
    MUST,
    LIST,
    names_told,
    Script(answers=_NO_MLSD, files=_FILES, features=_NO_FACTS),
    "The same without MLSD and MLST. A client that knows nothing else cannot list old servers.",
)
case(
    "list-many",
    "RFC 959 s.4.1.3",
    MUST,
    LIST,
    names_told,
    Script(files={b"/file-%05d.txt" % number: b"" for number in range(3000)}),
    "A directory with 3,000 files. A client that keeps a part of a listing hides files.",
)
case(
    "list-empty",
    "RFC 959 s.4.1.3",
    MUST,
    LIST,
    names_told,
    Script(files={}),
    "The directory is empty, so the data connection ends at once. A client must take it for no failure.",
)
case(
    "list-bare-lf",
    "RFC 1123 s.4.1.2.7",
    SHOULD,
    LIST,
    names_told,
    Script(listing=_bare_lf, files=_FILES),
    "The lines end in LF alone. A client that takes it for one line shows one file or none.",
)
case(
    "list-550",
    "RFC 959 s.5.4",
    MUST,
    LIST,
    refused,
    _all_refused(b"550 No such directory.\r\n"),
    "The listing is refused. A client that exits 0 passes a missing directory for an empty one.",
)
case(
    "list-450",
    "RFC 959 s.5.4",
    SHOULD,
    LIST,
    refused,
    _all_refused(b"450 Busy.\r\n"),
    "The listing is refused for now. Some servers say so of an empty directory, but a client that exits 0 passes a "
    "busy "
    "one for empty.",
)
for code in (b"426", b"451"):
    case(
        f"list-half-{code.decode()}",
        "RFC 959 s.5.4",
        MUST,
        LIST,
        refused,
        _cut_listing(code + b" Cut.\r\n"),
        f"Half the listing comes, then {code.decode()}. A mirror that takes it for all deletes the other half.",
    )
case(
    "list-unconfirmed",
    "RFC 959 s.5.4",
    MUST,
    LIST,
    refused,
    Script(listing=_unconfirmed, files=_FILES),
    "The listing comes, and the control connection ends without 226. Nobody said that this was all.",
)
case(
    "list-no-final-reply",
    "RFC 959 s.5.4",
    SHOULD,
    LIST,
    refused,
    Script(listing=_never_confirmed, files=_FILES),
    "The listing comes, and then nothing. A client should not wait for ever.",
)


def facts(lines: bytes) -> Script:
    """A server whose MLSD says those lines, whatever the directory."""

    def answer(session: Session, _: bytes) -> None:
        if session.listener is None and session.active is None:
            session.say(b"425 Ask for a data connection first.\r\n")
        else:
            session.script.listing(session, lines)

    return Script(answers={"MLSD": answer}, entries=lambda path: [Entry(b"one.txt", "file", 2)])


case(
    "mlsd-unknown-facts",
    "RFC 3659 s.7.2",
    MUST,
    LIST,
    after("MLSD", names_told),
    facts(b"X.odd=1;modify=20240102030405.123;Size=2;UNIX.gid=5;Type=file;perm=; one.txt\r\n"),
    "Facts in another order, in other letters, unknown and empty. A client must pass over what it does not know.",
)
case(
    "mlsd-no-facts",
    "RFC 3659 s.7.2",
    MUST,
    LIST,
    after("MLSD", names_told),
    facts(b" one.txt\r\n"),
    "A line without facts, as the RFC allows. A client that needs some drops the file.",
)
case(
    "mlsd-self-and-parent",
    "RFC 3659 s.7.5.1",
    MUST,
    LIST,
    after("MLSD", names_told),
    facts(b"type=cdir;modify=20240102030405; /\r\ntype=pdir; ..\r\ntype=file;size=2; one.txt\r\n"),
    "The directory and its parent are listed with their types. A client that takes them for members recurses for ever.",
)
case(
    "list-garbage",
    "RFC 3659 s.7.2",
    SHOULD,
    LIST,
    lambda seen: _garbage(seen),
    Script(listing=lambda session, _: _noise(session), files=_FILES),
    "The listing is noise. A client that exits 0 and shows nothing passes it for an empty directory.",
)


def _noise(session: Session) -> None:
    session.say(b"150 Here.\r\n")
    with session.data() as data:
        data.send(b"\x00\xff<html>;;;\r\n=====\r\n\x1b[2J???" + bytes(range(256)) + b"\r\n")
    session.say(b"226 Done.\r\n")


def _garbage(seen: Seen) -> str | None:
    ended(seen)
    if seen.run.exit == 0 and not seen.run.out.strip():
        raise Failed("exit 0 and no output for a listing that is noise")
    return f"exit {seen.run.exit}"


_TREE = {b"/tree/one.txt": b"1\n", b"/tree/sub/two.txt": CONTENT, b"/tree/sub/deep/three.txt": b"3\n"}


def lying(*entries: Entry, below: dict[bytes, list[Entry]] | None = None) -> Script:
    """A tree with one good file and those entries; whatever the client asks for below it has content."""
    listed = {b"/": [Entry(b"tree", "dir")], b"/tree": [Entry(b"good.txt", "file", 5), *entries], **(below or {})}
    files = {b"/tree/good.txt": b"good\n"}

    def retr(session: Session, argument: bytes) -> None:
        if session.listener is None and session.active is None:
            session.say(b"425 Ask for a data connection first.\r\n")
        else:
            session.script.retr(session, b"good\n" if argument.endswith(b"good.txt") else b"evil\n")

    sized = {"SIZE": b"213 5\r\n"}
    return Script(
        answers={"RETR": retr, **sized}, files=files, entries=lambda path: listed.get(path.rstrip(b"/") or b"/")
    )


case(
    "tree",
    "RFC 959 s.4.1.3",
    MUST,
    TREE,
    succeeded,
    Script(files=_TREE),
    "A tree of three directories comes whole. A failure means that nothing below says much about this client.",
)
case(
    "tree-without-mlsd",
    "RFC 959 s.4.1.3",
    MUST,
    TREE,
    succeeded,
    Script(answers=_NO_MLSD, files=_TREE, features=_NO_FACTS),
    "The same without MLSD and MLST. A client that knows nothing else cannot copy from old servers.",
)


def _one_missing(session: Session, argument: bytes) -> None:
    if argument.endswith(b"two.txt"):
        session.say(b"550 Permission denied.\r\n")
    else:
        session.right("RETR", argument)


def _one_cut(session: Session, content: bytes) -> None:
    session.say(b"150 Here.\r\n")
    with session.data() as data:
        data.send(content if len(content) < 100 else session.until(content, 1000))
    session.say(b"226 Done.\r\n" if len(content) < 100 and not session.offset else b"426 Cut.\r\n")


case(
    "tree-one-refused",
    "RFC 959 s.5.4",
    MUST,
    TREE,
    refused,
    Script(answers={"RETR": _one_missing}, files=_TREE),
    "One file of the tree is refused. A client that exits 0 passes a tree with a hole for a whole one.",
)
case(
    "tree-one-cut",
    "RFC 959 s.5.4",
    MUST,
    TREE,
    refused,
    Script(retr=_one_cut, files=_TREE),
    "One file of the tree is cut. A client that exits 0 passes a part of it for the whole.",
)


def _no_listing_below(session: Session, argument: bytes, verb: str) -> None:
    if b"sub" in session.path(argument.removeprefix(b"-a").removeprefix(b"-l").strip()):
        session.say(b"550 Permission denied.\r\n")
    else:
        session.right(verb, argument)


def _closed_directory(verb: str) -> Callable[[Session, bytes], None]:
    return lambda session, argument: _no_listing_below(session, argument, verb)


case(
    "tree-directory-refused",
    "RFC 959 s.5.4",
    MUST,
    TREE,
    refused,
    Script(answers={verb: _closed_directory(verb) for verb in ("LIST", "NLST", "MLSD")}, files=_TREE),
    "A directory of the tree cannot be listed. A client that exits 0 passes a tree with a hole for a whole one.",
)

_WHERE = "A client that writes there lets a server overwrite any file of the user."
case(
    "tree-name-parent",
    "RFC 3659 s.7.2",
    MUST,
    TREE,
    contained,
    lying(Entry(b"../evil.bin", "file", 5)),
    f"A listed name climbs out by '../'. {_WHERE}",
)
case(
    "tree-name-parents",
    "RFC 3659 s.7.2",
    MUST,
    TREE,
    contained,
    lying(Entry(b"../../evil.bin", "file", 5)),
    f"A listed name climbs out twice. {_WHERE}",
)
case(
    "tree-name-absolute",
    "RFC 3659 s.7.2",
    MUST,
    TREE,
    contained,
    lying(Entry(ABSOLUTE.encode(), "file", 5)),
    f"A listed name is absolute. {_WHERE}",
)
case(
    "tree-directory-parent",
    "RFC 3659 s.7.2",
    MUST,
    TREE,
    contained,
    lying(
        Entry(b"..", "dir"), Entry(b".", "dir"), below={b"/": [Entry(b"evil.bin", "file", 5), Entry(b"tree", "dir")]}
    ),
    "'.' and '..' are listed as directories. A client that enters them runs in circles, or out of its tree.",
)
case(
    "tree-link-out",
    "RFC 3659 s.7.5.1",
    MUST,
    TREE,
    contained,
    lying(
        Entry(b"door", "link", target=b".."),
        Entry(b"door", "dir"),
        below={b"/tree/door": [Entry(b"evil.bin", "file", 5)]},
    ),
    f"A link that leads out and a directory have one name, with a file in it. {_WHERE}",
)
case(
    "tree-name-nul",
    "RFC 3659 s.7.2",
    SHOULD,
    TREE,
    contained,
    lying(Entry(b"evil\0.bin", "file", 5)),
    "A listed name holds NUL. A client should leave it out and not cut the name there.",
)


def _terminal(seen: Seen) -> str | None:
    ended(seen)
    if b"\x1b" in seen.run.err:
        raise Failed("wrote the escape sequence of a name to stderr as it is")
    return f"exit {seen.run.exit}"


case(
    "tree-name-escapes",
    "RFC 3659 s.7.2",
    SHOULD,
    TREE,
    _terminal,
    lying(Entry(b"\x1b[2Jname.bin", "file", 5)),
    "A listed name holds an escape sequence of terminals. A client that prints it lets a server write on the screen.",
)


case(
    "tree-endless",
    "RFC 3659 s.7.2",
    SHOULD,
    TREE,
    ended,
    Script(entries=lambda path: [Entry(b"again", "dir")]),
    "Every directory holds another one, for ever. A client without a limit fills the disk with directories.",
)
