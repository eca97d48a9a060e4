"""Data connections: EPSV first, PASV with its address ignored, TLS with the control connection's session.

The command travels while the data connection is dialled, and TLS begins when that stands, whether or not the 150 is
there: some servers handshake before it, some after. A refusal ends the dialling at once; and dialling that fails
first waits a moment for one, because a server that refuses closes its port too, and nobody knows which comes first.
"""

from __future__ import annotations

import re
from functools import lru_cache

import trio

from ftlite.client.control import Pending
from ftlite.client.errors import CannotRestart, ClientError, Outcome, from_net, from_reply, reason
from ftlite.client.session import Session
from ftlite.client.success import cut_off
from ftlite.client.trust import Plan
from ftlite.net.active import dial
from ftlite.net.errors import Kind, NetError
from ftlite.net.proxy import dial_through
from ftlite.net.tls import spki_pin
from ftlite.net.wire import Wire
from ftlite.protocol.addresses import parse_epsv, parse_pasv
from ftlite.protocol.errors import ProtocolError
from ftlite.protocol.replies import Reply

#: What is said of a transfer that cannot begin in the middle, where 554 (RFC 3659 s.5) and 551 are not used for it.
_NOT_FROM_THERE = re.compile(r"re-?start|\bREST\b|resum|offset|append|afresh|begin(ning)?\b", re.I)

_LAST_WORD = 5.0  #: seconds for the reply that explains a data connection which did not come about
_UNREACHED = frozenset({Kind.REFUSED, Kind.UNREACHABLE, Kind.TIMEOUT})
_EXPLAINED = frozenset({Kind.REFUSED, Kind.LOST, Kind.TRUNCATED})  #: what a server that changed its mind looks like


async def open_data(session: Session, command: str, argument: str, *, offset: int = 0) -> tuple[Pending, Wire]:
    """Begin `command` and open its data connection: TCP, and TLS where the session has it.

    On success the server has said 1xx, or 2xx already, and then the control connection may be gone. Whatever fails, no
    socket stays open; when the command was sent and is not answered, the control connection is closed, because nobody
    could say what its next reply belongs to.

    Raises:
        CannotRestart: `offset` is refused; from 0 it may go.
        ClientError: the refusal; PARTIAL when the control connection ended behind the command; CONNECT, TIMEOUT, TLS,
            PIN for a data connection that did not come about.
    """
    thing = argument or session.thing
    port = await _passive_port(session)
    pending = await _sent(session, command, argument, offset)
    wire: Wire | None = None
    try:
        with trio.CancelScope() as scope:
            pending.on_failure = scope.cancel
            if pending.failed:  # it was quicker than we are
                scope.cancel()
            wire = await _connected(session, pending, port, thing)
            await _begun(pending)
        if pending.final is not None and not pending.final.completed:
            if offset and _about_offset(pending.final, thing):
                raise CannotRestart(from_reply(thing, command, pending.final))
            error = from_reply(thing, command, pending.final)
            if pending.final.code == 425 and _doubt_epsv(session):
                error.transient = True
            raise error
        if pending.final is None and session.broken is not None:
            raise cut_off(thing, session.broken)
    except trio.TooSlowError:
        _doubt_epsv(session)
        await _give_up(session, pending, wire)
        raise ClientError(
            Outcome.TIMEOUT,
            f"{thing}: the data connection to port {port} of {session.thing} did not come about "
            f"in {session.connect_timeout:g} s",
            remedy="is a firewall in between?",
            transient=True,
        ) from None
    except BaseException:
        await _give_up(session, pending, wire)
        raise
    pending.on_failure = None
    assert wire is not None
    return pending, wire


async def _sent(session: Session, command: str, argument: str, offset: int) -> Pending:
    """REST and the command, both or none: an offset that stayed behind would cut the next transfer."""
    if not offset:
        return await session.control.send(command, argument)
    try:
        answer = await session.ask("REST", str(offset))
        if answer.code != 350 and not answer.completed:
            raise CannotRestart(from_reply(argument, "REST", answer))
        return await session.control.send(command, argument)
    except ClientError:
        raise
    except BaseException:
        await session.control.close()
        raise


def _about_offset(answer: Reply, thing: str) -> bool:
    """Whether the same transfer may well begin at 0: a file that is gone is gone from there too."""
    return answer.code in (551, 554) or (
        answer.code in (450, 451, 501, 550, 553) and _NOT_FROM_THERE.search(reason(answer, thing)) is not None
    )


async def _begun(pending: Pending) -> None:
    """1xx, or already the final reply: 2xx from a server that is ahead of itself; or there will be none."""
    await pending.control.until(lambda: bool(pending.replies) or pending.final is not None or pending.failed)
    pending.replies.clear()


async def _give_up(session: Session, pending: Pending, wire: Wire | None) -> None:
    pending.on_failure = None
    if wire is not None:
        wire.abort()
    if pending.final is None:
        await session.control.close()


def _doubt_epsv(session: Session) -> bool:
    """The port that EPSV named cannot be reached: where there is another way to ask, the next try takes that. Some
    servers and firewalls open only what a 227 names. Whether the next try is another one."""
    if session.quirks.no_epsv or ":" in session.control.peer:  # RFC 2428 s.1: PASV knows IPv4 alone
        return False
    session.quirks.no_epsv = True
    return True


async def _passive_port(session: Session) -> int:
    """The port to dial. The host is always the control connection's: another could only be a lie (RFC 2577 s.4)."""
    if not session.quirks.no_epsv:
        answer = await session.ask("EPSV")
        try:
            if answer.code == 229:
                return parse_epsv(answer.first)
        except ProtocolError:
            pass  # a 229 that cannot be read is as good as a refusal
        if answer.refused:
            raise from_reply(session.thing, "EPSV", answer)
        session.quirks.no_epsv = True
    answer = await session.expect("PASV", thing=session.thing)
    try:
        return parse_pasv(answer.text)[1]
    except ProtocolError as error:
        raise ClientError(Outcome.PROTOCOL, f"{session.thing}: {error}", reply=answer) from error


async def _connected(session: Session, pending: Pending, port: int, thing: str) -> Wire:
    """`_connect` within its time; a refusal that explains why it failed cancels the caller's scope."""
    try:
        with trio.fail_after(session.connect_timeout):
            return await _connect(session, port, thing)
    except NetError as error:
        if error.kind in _EXPLAINED:
            # Less than the stall clock, which would blame silence.
            with trio.move_on_after(min(_LAST_WORD, session.connect_timeout, session.stall / 2)):
                await pending.control.until(lambda: pending.final is not None or pending.failed)
        if error.kind in _UNREACHED and (pending.final is None or pending.final.code == 425):
            _doubt_epsv(session)
        raise from_net(f"{thing}: data connection", error) from error


async def _connect(session: Session, port: int, thing: str) -> Wire:
    if session.proxy is None:
        sock = await dial(session.control.peer, port)
    else:
        sock = await dial_through(session.proxy, session.host, port, session.connect_timeout)
    if session.plan is None:
        return Wire(sock)
    wire = await Wire.secure(
        sock, session.plan.context, server_side=False, session=session.control.session, hostname=session.host
    )
    try:
        if wire.secured is not None:
            check_pin(session.plan, wire.secured.getpeercert(True), thing)
    except BaseException:
        wire.abort()
        raise
    return wire


@lru_cache(maxsize=8)
def _pin_of(certificate: bytes | None) -> str:
    """Many data connections show the same certificate."""
    return spki_pin(certificate)


def check_pin(plan: Plan, certificate: bytes | None, thing: str) -> None:
    """A data connection must lead to the key that `plan` pins. Raises ClientError PIN, NetError TLS."""
    if plan.pin is None:
        return
    pin = _pin_of(certificate)
    if pin != plan.pin:
        raise ClientError(Outcome.PIN, f"{thing}: the data connection leads to another server, with the key {pin}")
