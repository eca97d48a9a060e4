"""Connections that have not said what they are: greeted, asked, counted apart, and handed to whom they belong.

A data connection of the native dialect comes to the same port as a session (docs/protocol.md s.3), so the first line
decides. Only what turns out to be a session costs as much as one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from ftlite.net.errors import Kind, NetError
from ftlite.net.strangers import first_line, first_octet, greet
from ftlite.net.wire import Wire
from ftlite.protocol.errors import BadCommand
from ftlite.protocol.native.lines import FirstLine, FirstLineKind
from ftlite.protocol.replies import Reply
from ftlite.server.census import neighbourhood
from ftlite.server.services import Services

_TLS, _DATA = b"\x16", b"D"


class Strangers:
    """All that have not said what they are yet, within limits of their own."""

    def __init__(self, services: Services) -> None:
        limits = services.config.limits
        self._services = services
        self._patience = min(limits.stranger, limits.login)
        self._most = limits.strangers
        # However few sessions an address may have, one of them needs room for all its data connections.
        self._most_per_address = max(limits.sessions_per_address, 1 + limits.transfers + limits.spares)
        self._count = 0
        self._addresses: Counter[str] = Counter()

    async def meet(
        self, wire: Wire, greeting: Reply, *, peer: str, implicit: bool, is_data: Callable[[], None]
    ) -> bytes | None:
        """Find out what `wire` is.

        Args:
            greeting: said first, but on a port where TLS comes first.
            peer: the address at the other end.
            implicit: TLS comes first, unless it is a data connection.
            is_data: called as soon as it is one, which counts with its session and not as another.

        Returns:
            What a session's client said so far; it may say it later. None: it is no session, and is taken care of.
        """
        try:
            line = await self._first_line(wire, greeting, peer, implicit)
        except (NetError, BadCommand) as error:
            self._refuse(wire, peer, error.kind.value if isinstance(error, NetError) else "malformed")
            return None
        except BaseException:
            wire.abort()
            raise
        if line is None or line.kind is not FirstLineKind.DATA:
            return b"" if line is None else line.seen
        is_data()
        native = self._services.natives.get(line.id)
        if native is None:
            self._refuse(wire, peer, "unknown")
        else:
            await native.arrive(wire, line.tag, line.proof, peer)
        return None

    async def _first_line(self, wire: Wire, greeting: Reply, peer: str, implicit: bool) -> FirstLine | None:
        """The first line, or None where a TLS handshake comes instead, or may still come."""
        self._enter(peer)
        try:
            if not implicit:
                greet(wire, greeting.encode())
                return await first_line(wire, self._patience)
            octet = await first_octet(wire, self._patience)
            if octet in (b"", _TLS):
                return None
            if octet == _DATA:
                line = await first_line(wire, self._patience)
                if line.kind is FirstLineKind.DATA:
                    return line
            raise NetError(Kind.TLS, "neither TLS nor a data line")
        finally:
            self._leave(peer)

    def _enter(self, peer: str) -> None:
        key = neighbourhood(peer)
        if self._count >= self._most or self._addresses[key] >= self._most_per_address:
            raise NetError(Kind.REFUSED, "too many strangers")
        self._count += 1
        self._addresses[key] += 1

    def _leave(self, peer: str) -> None:
        key = neighbourhood(peer)
        self._count -= 1
        self._addresses[key] -= 1
        if not self._addresses[key]:
            del self._addresses[key]

    def _refuse(self, wire: Wire, peer: str, reason: str) -> None:
        wire.abort()
        self._services.log.event("stranger.closed", peer=peer, reason=reason)
