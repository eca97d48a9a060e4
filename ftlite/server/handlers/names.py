"""Names and their facts: directories, removal, renaming, sizes, times, modes, MLST."""

from __future__ import annotations

import re

from attrs import evolve

from ftlite.config.rights import Right
from ftlite.protocol.entries import Entry, Kind
from ftlite.protocol.facts import format_time, parse_time
from ftlite.protocol.listings import mlsx_line
from ftlite.protocol.replies import Reply, reply
from ftlite.protocol.text import printable, quote_path
from ftlite.server.call import Call
from ftlite.server.listing import permitted
from ftlite.server.refusals import Refused
from ftlite.storage import errors
from ftlite.storage.errors import StorageError
from ftlite.storage.granted import Granted

_MODE = re.compile(r"[0-7]{1,5}")


async def where(call: Call) -> Reply:
    """PWD (RFC 959 app. II: the path stands in doubled quotes)."""
    return reply(257, f"{quote_path(call.session.cwd)} is the current directory.")


async def change(call: Call) -> Reply:
    """CWD; its row's right keeps people out of directories that they may not list."""
    return await _enter(call, call.path())


async def up(call: Call) -> Reply:
    """CDUP: from the root it stays at the root."""
    return await _enter(call, call.path(".."))


async def _enter(call: Call, path: str) -> Reply:
    def look(place: Granted) -> str:
        if call.store.stat(place).kind is not Kind.DIR:
            raise StorageError(errors.Kind.NOT_DIRECTORY, path, "is not a directory")
        return place.path

    await call.at(look, path)
    call.session.cwd = path
    return reply(250, f"{quote_path(path)} is the current directory now.")


async def make_directory(call: Call) -> Reply:
    """MKD."""
    await call.at(call.store.mkdir)
    return reply(257, f"{quote_path(call.path())} made.")


async def remove_directory(call: Call) -> Reply:
    """RMD: empty directories only; the right must hold on every rule below (DESIGN 6)."""

    def work(place: Granted) -> None:
        _must_cover(call, place, Right.RMDIR)
        call.store.rmdir(place)

    await call.at(work)
    return reply(250, "Directory removed.")


async def remove(call: Call) -> Reply:
    """DELE: a file or a link itself."""
    await call.at(call.store.unlink)
    return reply(250, "Removed.")


async def rename_from(call: Call) -> Reply:
    """RNFR: looked at now so that a wrong name fails here; judged again at RNTO, when it is used."""
    await call.at(call.store.stat)
    return reply(350, "Now RNTO the new name.")


async def rename_to(call: Call) -> Reply:
    """RNTO: both ends are judged now. Replacing needs OVERWRITE there; a directory needs the right on all below."""
    source_path = call.path(call.session.dialogue.rename_from)
    target_path = call.path()

    def work() -> None:
        with call.gate.grant(source_path, Right.RENAME, follow=False) as source:
            directory = call.store.stat(source).kind is Kind.DIR
            if directory:
                _must_cover(call, source, Right.RENAME)
            with call.judge(target_path) as target:
                if directory:  # what is in it comes to stand where rules below the target may forbid it
                    _must_cover(call, target, Right.RENAME)
                call.store.rename(source, target, replace=Right.OVERWRITE in target.rights)

    await call.on_disk(work)
    return reply(250, "Renamed.")


async def size(call: Call) -> Reply:
    """SIZE in TYPE I (RFC 3659 s.4). Where nothing is published, the owner of an idle part learns its length.

    In TYPE A the size is the one that a transfer would have, which needs reading the file: refused with 550 as the RFC
    allows.
    """
    if call.session.dialogue.type_ == "A":
        raise Refused(reply(550, "SIZE is answered in TYPE I only."))

    def look(place: Granted) -> int:
        try:
            entry = call.store.stat(place)
        except StorageError as error:
            length = call.store.part_size(place) if error.kind is errors.Kind.NOT_FOUND else None
            if length is None:
                raise
            return length
        if entry.kind is not Kind.FILE or entry.size is None:
            raise StorageError(errors.Kind.NOT_PLAIN, place.path, "is not a plain file")
        return entry.size

    return reply(213, str(await call.at(look)))


async def modified(call: Call) -> Reply:
    """MDTM, reading (RFC 3659 s.3) or, with two arguments as many clients send it, setting."""
    stamp, name = call.command.value
    path = call.path(name)
    if stamp is not None:
        await _set_time(call, path, stamp)
        return reply(213, f"Modify={format_time(stamp)}; {name}")
    entry = await call.at(call.store.stat, path)
    if entry.kind is not Kind.FILE or entry.modify_ns is None:
        raise StorageError(errors.Kind.NOT_PLAIN, path, "is not a plain file")
    return reply(213, format_time(entry.modify_ns))


async def set_modified(call: Call) -> Reply:
    """MFMT (draft-somers-ftp-mfxx s.3.1)."""
    stamp, name = call.command.value
    await _set_time(call, call.path(name), stamp)
    return reply(213, f"Modify={format_time(stamp)}; {name}")


async def set_facts(call: Call) -> Reply:
    """MFF (draft-somers-ftp-mfxx s.5.1): Modify and UNIX.mode; any other fact fails the whole command."""
    facts, name = call.command.value
    wanted = {fact.lower(): value for fact, value in facts.items()}
    unknown = wanted.keys() - {"modify", "unix.mode"}
    if unknown:
        raise Refused(reply(504, f"The fact {min(unknown)} cannot be set."))
    stamp = parse_time(wanted["modify"]) if "modify" in wanted else None
    mode = _parse_mode(wanted["unix.mode"]) if "unix.mode" in wanted else None

    def work(place: Granted) -> None:
        if mode is not None:
            call.store.set_mode(place, mode)
        if stamp is not None:
            call.store.set_times(place, stamp)

    await call.at(work, call.path(name))
    done = "".join(f"{fact}={value};" for fact, value in facts.items())
    return reply(213, f"{done} {name}")


def _parse_mode(text: str) -> int:
    if not _MODE.fullmatch(text):
        raise Refused(reply(501, f"UNIX.mode is an octal number, not {printable(text)}."))
    return int(text, 8)


async def facts_of(call: Call) -> Reply:
    """MLST (RFC 3659 s.7.2): the facts of one name, over the control connection."""

    def look(place: Granted) -> tuple[Entry, str]:
        return permitted(call.gate, call.store.stat(place), place.path), place.path

    entry, path = await call.at(look)
    line = mlsx_line(evolve(entry, name=path), call.session.options.facts)
    return reply(250, "Facts:", f" {line}", "End.")


async def site_chmod(call: Call) -> Reply:
    """SITE CHMOD: the bits are masked (DESIGN 6)."""
    mode, name = call.command.value
    await call.at(lambda place: call.store.set_mode(place, mode), call.path(name))
    return reply(200, "Mode set.")


async def site_utime(call: Call) -> Reply:
    """SITE UTIME, in the two forms that clients send: one time and a name, or a name and three times."""
    stamp, name = call.command.value
    await _set_time(call, call.path(name), stamp)
    return reply(200, "Time set.")


async def _set_time(call: Call, path: str, stamp: int) -> None:
    def work(place: Granted) -> None:
        if Right.META not in place.rights:  # MDTM's row asks for the right to read only
            raise StorageError(errors.Kind.DENIED, place.path, "no right to change times here")
        call.store.set_times(place, stamp)

    await call.at(work, path)


def _must_cover(call: Call, place: Granted, right: Right) -> None:
    if not call.gate.covers(place.path, right):
        raise StorageError(errors.Kind.DENIED, place.path, "a rule for something below it forbids this")
