"""Making and removing names, and telling why that was refused where the server does not."""

from __future__ import annotations

import posixpath

from ftlite.client.errors import ClientError, Outcome, from_reply, meaning, reason
from ftlite.client.listing import size_of, stat
from ftlite.client.session import Session
from ftlite.protocol.entries import Kind
from ftlite.protocol.replies import Reply


async def is_directory(session: Session, path: str) -> bool:
    """Whether the server lets us into `path`."""
    if session.native is not None:  # others use the session, so its working directory stays what it is
        try:
            return (await stat(session, path)).kind is Kind.DIR
        except ClientError as error:
            if error.reply is None or session.broken is not None:
                raise
            return False
    try:
        async with session.inside(path):
            return True
    except ClientError as error:
        if error.reply is None or session.broken is not None:
            raise
        return False


async def make_directory(session: Session, path: str, *, parents: bool) -> None:
    """MKD; with `parents` as ``mkdir -p``: what is refused is made sure to be there."""
    answer = await session.ask("MKD", path)
    if answer.completed:
        return
    if not parents:
        raise await _refusal(session, path, "MKD", answer)
    if await is_directory(session, path):
        return
    above = posixpath.dirname(path.rstrip("/"))
    if above in ("", "/"):
        raise from_reply(path, "MKD", answer)
    await make_directory(session, above, parents=True)
    await session.expect("MKD", path)


async def remove(session: Session, path: str, command: str) -> None:
    """DELE or RMD. Raises ClientError."""
    answer = await session.ask(command, path)
    if not answer.completed:
        raise await _refusal(session, path, command, answer)


async def remove_link(session: Session, path: str) -> bool:
    """Remove what a listing calls a directory if it is a link to one; whether it was.

    Some servers (pyftpdlib) tell in MLSD what a link leads to, and not that it is one: who empties that directory
    removes what is elsewhere. DELE takes a link, and no directory. Listings that tell links are believed.
    """
    told = session.native is not None or session.features.has("FTLITE") or session.quirks.no_mlsd
    if told or not session.features.has("MLST"):
        return False
    return (await session.ask("DELE", path)).completed


async def _refusal(session: Session, path: str, command: str, answer: Reply) -> ClientError:
    """The error for `answer`. Where it says only that it failed, as vsftpd does, what stands there tells the rest."""
    error = from_reply(path, command, answer)
    if answer.code != 550 or meaning(550, reason(answer, path), command) is not None:
        return error
    try:
        there = await size_of(session, path) is not None or await is_directory(session, path)
    except ClientError:
        return error
    if there:
        error.outcome = Outcome.EXISTS if command == "MKD" else Outcome.DENIED
    return error
