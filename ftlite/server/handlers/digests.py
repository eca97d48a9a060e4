"""Digests of files: HASH and the X verbs that came before it (draft-bryan-ftpext-hash)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ftlite.protocol.replies import Reply, reply
from ftlite.protocol.text import printable
from ftlite.server.call import Call
from ftlite.server.digesting import digest_of
from ftlite.server.refusals import Refused
from ftlite.storage.errors import Kind, StorageError


async def hash_(call: Call) -> Reply:
    """HASH: algorithm, range and digest of a whole file (s.3); what is no file has a code of its own (s.3.5)."""
    algorithm = call.session.options.hash_algorithm
    try:
        digest, size = await _digest(call, algorithm)
    except StorageError as error:
        if error.kind is not Kind.NOT_PLAIN:
            raise
        raise Refused(reply(553, f"{printable(error.path)}: {error.reason}.")) from error
    return reply(213, f"{algorithm} 0-{size} {digest} {call.command.value}")


def extension(algorithm: str) -> Callable[[Call], Awaitable[Reply]]:
    """The handler of an X verb: the digest alone, as clients of these verbs read it."""

    async def handler(call: Call) -> Reply:
        digest, _size = await _digest(call, algorithm)
        return reply(250, digest.upper() if algorithm == "CRC32" else digest)

    return handler


async def _digest(call: Call, algorithm: str) -> tuple[str, int]:
    path = call.path()
    services, user = call.services, call.session.user
    assert user is not None
    async with services.share(user, services.hashes):
        place = await call.on_disk(lambda: call.judge(path))
        return await digest_of(services, place, algorithm)
