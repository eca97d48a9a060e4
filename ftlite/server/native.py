"""The native side of a session: its id and key, and the data connections that come to it (docs/protocol.md s.3).

A data connection proves itself first. Then it goes to the tag that waits for it, or is kept for a command that has not
come yet (a spare, or a data-line that was faster). Nothing that cannot prove itself uses up a tag.
"""

from __future__ import annotations

import secrets
import ssl
from collections import Counter
from collections.abc import Callable

import trio
from attrs import define, field, frozen

from ftlite.net.errors import NetError
from ftlite.net.strangers import flush
from ftlite.net.wire import Wire
from ftlite.protocol.errors import BadCommand
from ftlite.protocol.native.feature import Grant
from ftlite.protocol.native.lines import PROOF_OCTETS, parse_proof_line, proves
from ftlite.protocol.native.tags import Tags
from ftlite.server.census import neighbourhood
from ftlite.server.services import Services

_MOST_GIVEN_UP = 1024


@frozen
class Protection:
    """How data connections of this session are protected; fixed while native mode lasts.

    Attributes:
        context: for TLS (PROT P); None: in clear.
        close_notify: under TLS, an end without one is a cut.
    """

    context: ssl.SSLContext | None
    close_notify: bool = True


@define(eq=False)
class Slot:
    """Where a running tag gets its data connection; `down`: content goes to the client, and begins it."""

    tag: int
    down: bool
    wire: Wire | None = None
    came: trio.Event = field(factory=trio.Event)


@frozen
class _Early:
    """A proven data connection without a command."""

    wire: Wire
    until: float


class NativeSession:
    """What `OPTS FTLITE 1` made, until something ends it.

    Args:
        services: the registry of ids is in there.
        protection: of the data connections.
        event: logs an event of the session.
    """

    def __init__(self, services: Services, protection: Protection, event: Callable[..., None]) -> None:
        limits = services.config.limits
        self.id = secrets.token_hex(8)
        self._key = secrets.token_bytes(16)
        self._services = services
        self._protection = protection
        self._event = event
        self._tags = Tags()
        self._slots: dict[int, Slot] = {}
        self._early: dict[int, _Early] = {}
        self._given_up: dict[int, None] = {}  #: tags of spares that nobody came for: their proofs are used up
        self._proving: dict[trio.CancelScope, str] = {}  #: and from where, the oldest first
        self._most = limits.transfers + limits.spares
        self._patience = limits.prove
        self._ended = False
        services.natives[self.id] = self

    @property
    def grant(self) -> Grant:
        """What the reply to OPTS tells the client, the key among it."""
        limits = self._services.config.limits
        return Grant(self.id, self._key.hex(), limits.transfers, limits.spares)

    # --- commands' side --------------------------------------------------------------------------------------------

    def take(self, tag: int) -> bool:
        """Use `tag` up for a command; False when it is none that a command may have now."""
        return tag not in self._given_up and self._tags.take(tag)

    def open(self, tag: int, *, down: bool) -> Slot:
        """`tag` is for a transfer: its data connection may come, or is there already."""
        slot = Slot(tag, down)
        early = self._early.pop(tag, None)
        if early is not None:
            slot.wire = early.wire
            slot.came.set()
        self._slots[tag] = slot
        return slot

    def close(self, tag: int) -> None:
        """The command of `tag` has ended, or needs no data connection: one that is there is torn down if it stands."""
        slot, early = self._slots.pop(tag, None), self._early.pop(tag, None)
        for wire in (slot.wire if slot else None, early.wire if early else None):
            if wire is not None:
                wire.abort()

    def end(self) -> None:
        """End native mode: no data connection is taken any more, and those without a command are closed."""
        self._ended = True
        self._services.natives.pop(self.id, None)
        for scope in list(self._proving):
            scope.cancel()
        for early in self._early.values():
            early.wire.abort()
        self._early.clear()

    def keep_time(self, now: float) -> None:
        """Close the data connections whose command has not come in time."""
        for tag in [tag for tag, early in self._early.items() if now >= early.until]:
            self._early.pop(tag).wire.abort()
            self._given_up[tag] = None
            if len(self._given_up) > _MOST_GIVEN_UP:
                del self._given_up[next(iter(self._given_up))]
            self._event("data.spare-expired", tag=tag)

    # --- data connections' side ------------------------------------------------------------------------------------

    async def arrive(self, wire: Wire, tag: int, said: str | None, peer: str) -> None:
        """Take a data connection that named this session, or close it; raises nothing of its own.

        Args:
            wire: in clear; what follows the data-line has not been read.
            tag: that it says it is for.
            said: the proof in the line, if there was one.
            peer: where it comes from, for the log.
        """
        reason = self._unwanted(tag)
        if reason is None and (said is None) != (self._protection.context is not None):
            reason = "unproven"
        if reason is None and said is not None and not proves(self._key, self.id, tag, said):
            reason = "forged"
        if reason is None and said is None:
            secured = await self._secured(wire, tag, neighbourhood(peer))
            if isinstance(secured, Wire):
                wire, reason = secured, self._unwanted(tag)  # another may have been first meanwhile
            else:
                reason = secured
        if reason is None:
            self._keep(wire, tag)
        else:
            wire.abort()
            self._event("data.refused", tag=tag, peer=peer, reason=reason)

    def _unwanted(self, tag: int) -> str | None:
        """Why a data connection for `tag` would be closed, whoever it is from."""
        if self._ended:
            return "ended"
        slot = self._slots.get(tag)
        if tag in self._early or (slot is not None and slot.came.is_set()):
            return "repeated"
        if slot is None and (tag in self._given_up or not self._tags.fresh(tag)):
            return "late"
        if slot is None and len(self._early) + len(self._slots) >= self._most:
            return "crowded"
        return None

    async def _secured(self, wire: Wire, tag: int, origin: str) -> Wire | str:
        """Shake hands and hear the proof; or why not. Of too many at once, one from where most come from has to go."""
        if len(self._proving) >= self._most:
            self._crowd_out(origin)
        reason = "late-proof"
        with trio.move_on_after(self._patience) as scope:
            self._proving[scope] = origin
            try:
                return await self._shake(wire, tag)
            except NetError as error:
                reason = error.kind.value
            except BadCommand:
                reason = "forged"
            finally:
                self._proving.pop(scope, None)
        return reason

    def _crowd_out(self, newcomer: str) -> None:
        """Cancel one: a thief of the id that floods us takes the places of its own connections, not of the client's."""
        crowds = Counter([*self._proving.values(), newcomer])
        for scope, origin in self._proving.items():
            if crowds[origin] == max(crowds.values()):
                del self._proving[scope]  # at once: a burst would find the same one again and again
                scope.cancel()
                return

    async def _shake(self, wire: Wire, tag: int) -> Wire:
        """Raises NetError, or BadCommand where the proof is none or wrong."""
        context = self._protection.context
        assert context is not None
        strict = self._protection.close_notify
        tls = await Wire.secure(wire.socket, context, server_side=True, require_close_notify=strict)
        line, have = memoryview(bytearray(PROOF_OCTETS)), 0
        try:
            while have < len(line):
                count = tls.recv_into(line[have:])
                if count is None:
                    await tls.readable()
                elif not count:
                    raise BadCommand("the client left before its proof")
                else:
                    have += count
            if not proves(self._key, self.id, tag, parse_proof_line(bytes(line))):
                raise BadCommand("not the right proof")
        except BaseException:
            tls.abort()
            raise
        return tls

    def _keep(self, wire: Wire, tag: int) -> None:
        slot = self._slots.get(tag)
        if not wire.tls and (slot is None or not slot.down):
            flush(wire)  # the client may want to have read the greeting before it ends an upload
        if slot is None:
            until = trio.current_time() + self._services.config.limits.spare
            self._early[tag] = _Early(wire, until)
        else:
            slot.wire = wire
            slot.came.set()
