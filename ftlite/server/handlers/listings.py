"""LIST, NLST and MLSD: a directory's names over a data connection (RFC 959 s.4.1.3, RFC 3659 s.7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ftlite.protocol.entries import Entry, Kind
from ftlite.protocol.listings import list_line, mlsx_line, nlst
from ftlite.protocol.replies import Reply, reply
from ftlite.protocol.text import encode
from ftlite.server.call import Call
from ftlite.server.data import data_connection
from ftlite.server.listing import in_directory, now_ns, permitted
from ftlite.storage import errors
from ftlite.storage.errors import StorageError
from ftlite.storage.granted import Granted

Lines = Callable[[Granted, Iterable[Entry], bool], Iterable[str]]


async def list_(call: Call) -> Reply:
    """LIST: as ls -l says it; of a file, its one line."""
    now = now_ns()
    return await _listing(call, lambda _place, entries, _inside: [list_line(entry, now) for entry in entries])


async def names(call: Call) -> Reply:
    """NLST: names only, led by the path as given, so that each can be asked for as it stands (RFC 1123 s.4.1.2.7)."""
    given = call.command.value or ""
    prefix = f"{given.rstrip('/')}/" if given not in ("", ".") else ""

    def lines(_place: Granted, entries: Iterable[Entry], inside: bool) -> Iterable[str]:
        return [nlst(entry, prefix) for entry in entries] if inside else [given]

    return await _listing(call, lines)


async def machine_list(call: Call) -> Reply:
    """MLSD: facts of each name; of a directory only (RFC 3659 s.7.2.1)."""
    facts = call.session.options.facts
    gate = call.gate

    def lines(place: Granted, entries: Iterable[Entry], inside: bool) -> Iterable[str]:
        if not inside:
            raise StorageError(errors.Kind.NOT_DIRECTORY, place.path, "is not a directory")
        base = place.path.rstrip("/")
        if "perm" in facts:
            entries = (permitted(gate, entry, f"{base}/{entry.name}") for entry in entries)
        return [mlsx_line(entry, facts) for entry in entries]

    return await _listing(call, lines)


async def _listing(call: Call, lines: Lines) -> Reply:
    """Read and write out the directory in a worker, then send it."""
    most = call.services.config.limits.listing

    def work(place: Granted) -> bytes:
        entry = call.store.stat(place)
        inside = entry.kind is Kind.DIR
        entries = in_directory(call.gate, call.store, place, most) if inside else [entry]
        return b"".join(encode(line) + b"\r\n" for line in lines(place, entries, inside))

    data = await call.at(work)
    with await data_connection(call, "Here it comes.") as link:
        await link.send(data)
    return reply(226, "That was all.")
