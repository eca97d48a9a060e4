"""HASH with a tag (docs/protocol.md s.4)."""

from __future__ import annotations

from ftlite.protocol.native.answers import Told
from ftlite.protocol.native.requests import HashRequest
from ftlite.protocol.native.values import Digests
from ftlite.protocol.replies import Reply
from ftlite.server.digesting import digest_of
from ftlite.server.hashing import stored_name
from ftlite.server.refusals import Unwilling
from ftlite.server.tagged import Tagged
from ftlite.storage.granted import Granted


async def hash_(tagged: Tagged) -> Reply:
    """HASH: digest, size and version, which belong together."""
    request: HashRequest = tagged.request
    digest, size, version = await digest_here(tagged, stored_name(request.hash))
    digests = Digests.of(request.hash, digest)
    return Told(tagged.tag, request.path, size=size, version=version, digests=digests).to_reply()


async def digest_here(tagged: Tagged, algorithm: str) -> tuple[str, int, str]:
    """Digest, size and version of the file that `tagged` names, which its user must have the right to get.

    Raises:
        StorageError: as `digest_of`, or DENIED.
        Unwilling: changed, it was replaced meanwhile.
    """
    services = tagged.services

    def look() -> tuple[Granted, str]:
        place = tagged.judge()
        try:
            return place, tagged.store.version(place)
        except BaseException:
            place.close()
            raise

    def look_again() -> str:
        with tagged.judge() as place:
            return tagged.store.version(place)

    with tagged.working("hash"):
        async with services.share(tagged.user, services.hashes):
            place, version = await tagged.on_disk(look)
            digest, size = await digest_of(services, place, algorithm)
        if await tagged.on_disk(look_again) != version:
            raise Unwilling("changed", "It was replaced meanwhile: try again.")
    return digest, size, version
