"""What stands where: MLSD and MLST first, LIST as a last resort, SIZE and MDTM in between.

Names come out as the server sent them; whoever makes a local path of one asks `safe_name` first (`tree` does).
"""

from __future__ import annotations

import hashlib
import posixpath
import time

import trio
from attrs import evolve

from ftlite.client.errors import ClientError, Outcome, from_reply, says_unsupported
from ftlite.client.native.transfer import transfer as tagged_transfer
from ftlite.client.session import Session
from ftlite.client.success import Ending, Evidence, judge
from ftlite.client.transfer import transfer
from ftlite.movers import Flow, receive_bytes
from ftlite.protocol.entries import Entry, Kind
from ftlite.protocol.errors import ProtocolError
from ftlite.protocol.facts import parse_time
from ftlite.protocol.listparse import listing_lines, parse_list, parse_mlst, parse_mlsx, safe_name
from ftlite.protocol.native.requests import ListRequest
from ftlite.protocol.replies import Reply

_MOST = 256 * 1024 * 1024  # bytes in one listing


async def list_directory(session: Session, path: str) -> list[Entry]:
    """The entries of `path`, without "." and "..", in the server's order.

    Raises:
        ClientError: the refusal; PARTIAL when the listing was cut; PROTOCOL when it cannot be read.
    """
    entries = None
    if session.features.has("MLST") and not session.quirks.no_mlsd:
        entries = await _machine_listing(session, path)
    if entries is None:
        entries = await _human_listing(session, path)
    return [entry for entry in entries if entry.kind not in (Kind.CDIR, Kind.PDIR) and entry.name not in (".", "..")]


async def _machine_listing(session: Session, path: str) -> list[Entry] | None:
    """By MLSD (RFC 3659 s.7); None when the server has it in FEAT only."""
    try:
        lines = await _lines(session, "MLSD", path)
    except ClientError as error:
        if error.reply is None or error.reply.code not in (500, 502):
            raise
        session.quirks.no_mlsd = True
        return None
    try:
        return [parse_mlsx(line) for line in lines if line]
    except ProtocolError as error:
        raise ClientError(Outcome.PROTOCOL, f"{path or session.thing}: {error}") from error


async def _human_listing(session: Session, path: str) -> list[Entry]:
    """By LIST from within the directory: there a name can be taken for neither an option nor a pattern, and a
    directory that is not there is refused, where ``LIST path`` would be an empty success."""
    if not path:
        return await _list_here(session)
    async with session.inside(path):
        return await _list_here(session)


async def _list_here(session: Session) -> list[Entry]:
    if not session.quirks.no_list_all:
        try:
            return _read_list(session, await _lines(session, "LIST", "-a"))
        except ClientError as error:
            if (error.reply is None and error.outcome is not Outcome.PROTOCOL) or session.broken is not None:
                raise
        session.quirks.no_list_all = True
    try:
        return _read_list(session, await _lines(session, "LIST", ""))
    except ClientError as error:
        if error.reply is not None and error.reply.code in (450, 550) and error.outcome is Outcome.NOT_FOUND:
            return []  # some servers answer an empty directory so; that it is there, CWD has told
        raise


def _read_list(session: Session, lines: list[str]) -> list[Entry]:
    try:
        return parse_list(lines, time.time_ns())
    except ProtocolError as error:
        raise ClientError(Outcome.PROTOCOL, f"{session.thing}: {error}") from error


async def _lines(session: Session, command: str, argument: str) -> list[str]:
    data = b""
    if session.native is not None:
        return listing_lines(await _tagged_listing(session, command, argument))
    async with transfer(session, command, argument) as active:
        with active.moving():
            data = await receive_bytes(active.wire, Flow(stall=session.stall), _MOST)
            active.moved, active.ending = len(data), Ending.CLEAN
        judge(await active.settle())
    return listing_lines(data)


async def _tagged_listing(session: Session, command: str, argument: str) -> bytes:
    """A listing under a tag of its own, its digest compared."""
    def ask(tag: int) -> ListRequest:
        return ListRequest(tag, command, argument or None)

    async with tagged_transfer(session, ask, argument or session.thing) as active:
        data = b""
        with active.moving():
            data = await receive_bytes(active.wire, Flow(stall=session.stall), _MOST)
            active.moved, active.ending = len(data), Ending.CLEAN
        digest = await trio.to_thread.run_sync(_sha256, data)
        await active.conclude("sha256", digest)
    return data


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def facts(session: Session, path: str) -> Entry:
    """What a transfer needs to know of `path`, by as few commands as the server allows.

    One MLST (RFC 3659 s.7), else SIZE and MDTM (s.3, s.4), each only while the server has it. Kind is FILE when nobody
    says otherwise; the name is `path`.

    Raises:
        ClientError: NOT_FOUND or DENIED where the server says so; a server that can state nothing gives an empty Entry.
    """
    if session.features.has("MLST"):
        answer = await session.ask("MLST", path)
        if answer.completed:
            return evolve(_mlst(session, path, answer), name=path)
        if answer.code not in (500, 502):
            raise from_reply(path or session.thing, "MLST", answer)
    return Entry(path, Kind.FILE, size=await size_of(session, path), modify_ns=await modified(session, path))


def _mlst(session: Session, path: str, answer: Reply) -> Entry:
    try:
        return parse_mlst(answer.lines)
    except ProtocolError as error:
        raise ClientError(Outcome.PROTOCOL, f"{path or session.thing}: {error}", reply=answer) from error


async def size_of(session: Session, path: str) -> int | None:
    """SIZE (RFC 3659 s.4) in TYPE I; None where the server cannot say: no such verb, not in this type, a directory."""
    if session.quirks.no_size:
        return None
    answer = await session.ask("SIZE", path)
    if session.broken is not None and not answer.completed:
        raise session.broken  # 421 says nothing of sizes
    if answer.code == 213:
        word = answer.first.strip().split(" ")[0]
        if word.isascii() and word.isdigit():
            return int(word[:20])
    if says_unsupported(answer):
        session.quirks.no_size = True
    return None


async def size_now(session: Session, path: str, known: int | None, evidence: Evidence) -> int | None:
    """The size to compare a download with: `known`, asked again when it differs, for the file may have grown.

    When the connection is gone, `known` is all there is, and its difference stands.
    """
    total = evidence.offset + evidence.moved
    if known is None or known == total or session.broken is not None:
        return known
    if evidence.final is None or not evidence.final.completed:
        return known
    try:
        now = await size_of(session, path)
    except ClientError:
        return known
    return known if now is None else now


async def modified(session: Session, path: str) -> int | None:
    """MDTM (RFC 3659 s.3), nanoseconds since the epoch; None where the server cannot say."""
    if session.quirks.no_mdtm:
        return None
    answer = await session.ask("MDTM", path)
    if says_unsupported(answer):
        session.quirks.no_mdtm = True
    if answer.code != 213:
        return None
    try:
        return parse_time(answer.first.strip())
    except ProtocolError:
        return None


async def stat(session: Session, path: str) -> Entry:
    """What stands at `path`; the name is `path`.

    Without MLST the parent is listed, and SIZE and MDTM, which are exact, correct what the listing says.

    Raises:
        ClientError: NOT_FOUND when nothing stands there, or the refusal.
    """
    if session.features.has("MLST"):
        answer = await session.ask("MLST", path)
        if answer.completed:
            entry = _mlst(session, path, answer)
            kind = Kind.DIR if entry.kind in (Kind.CDIR, Kind.PDIR) else entry.kind
            return evolve(entry, name=path, kind=kind)
        if answer.code not in (500, 502):
            raise from_reply(path or session.thing, "MLST", answer)
    parent, name = posixpath.split(path.rstrip("/"))
    if name in ("", ".", ".."):
        async with session.inside(path or "."):
            return Entry(path, Kind.DIR)
    for entry in await list_directory(session, parent):
        if entry.name == name:
            if entry.kind is Kind.DIR:
                return evolve(entry, name=path)
            size, modify_ns = await size_of(session, path), await modified(session, path)
            return evolve(
                entry,
                name=path,
                size=entry.size if size is None else size,
                modify_ns=entry.modify_ns if modify_ns is None else modify_ns,
            )
    raise ClientError(Outcome.NOT_FOUND, f"{path}: not found on {session.thing}")


async def must_be_absent(session: Session, path: str) -> None:
    """Raises ClientError EXISTS when something stands at `path` now. Between this look and the upload it may change."""
    try:
        await stat(session, path)
    except ClientError as error:
        if error.outcome is Outcome.NOT_FOUND:
            return
        raise
    raise ClientError(Outcome.EXISTS, f"{path} is there already")


def checked_name(thing: str, name: str) -> str:
    """`name`, when it can be one name in a local directory; else ClientError PROTOCOL."""
    try:
        return safe_name(name)
    except ProtocolError as error:
        raise ClientError(Outcome.PROTOCOL, f"{thing or '.'}: {error}") from error
