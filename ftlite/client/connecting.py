"""`connect`: the one door into the client."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio
from attrs import define, evolve, field

from ftlite.client.address import Address, Scheme, parse_address
from ftlite.client.client import Client
from ftlite.client.errors import ClientError, Outcome
from ftlite.client.features import Quirks
from ftlite.client.known import KnownServers, server_name
from ftlite.client.login import Dialect, Target, open_session
from ftlite.client.nursery import open_plain_nursery
from ftlite.client.pool import Pool
from ftlite.client.retry import retrying
from ftlite.client.session import Session
from ftlite.client.success import Verified
from ftlite.client.terms import make_terms
from ftlite.client.trust import Ask, Trust, UnknownServer, parse_pin
from ftlite.config.tlsmode import TlsMode
from ftlite.net.proxy import Proxy, parse_proxy

_ANONYMOUS = "anonymous"


@asynccontextmanager
async def connect(
    address: str | Address,
    *,
    user: str | None = None,
    password: str | None = None,
    account: str | None = None,
    port: int | None = None,
    tls: TlsMode | str = TlsMode.REQUIRED,
    cacert: Path | str | None = None,
    pin: str | None = None,
    trust: KnownServers | None = None,
    connect_timeout: float = 15.0,
    stall_timeout: float = 60.0,
    max_time: float | None = None,
    retries: int = 3,
    connections: int = 1,
    limit_rate: int = 0,
    require: Verified | str | None = None,
    notice: Callable[[str], None] | None = None,
    proxy: Proxy | str | None = None,
    dialect: Dialect | str | None = None,
    spares: int | None = None,
    digest: str = "sha256",
    ask: Ask | None = None,
) -> AsyncIterator[Client]:
    """Log in to a server for the length of this scope.

    Args:
        address: as `parse_address` takes it; `user` and `port` given here go before those in it. No user: anonymous.
        tls: ``required`` (AUTH TLS and PROT P, or no session), ``optional``, ``off``; ftps:// and ftpes:// require it.
        cacert: PEM file of the CAs to trust instead of the system's.
        pin: ``sha256//...``, the one public key to trust.
        trust: servers met before; None: only CAs and pins count, and nothing is recorded.
        connect_timeout, stall_timeout, max_time: seconds; the last is for the whole scope.
        retries: repetitions of what can heal.
        connections: control connections at most, and what trees move at once; a native session carries all its
            transfers over one.
        limit_rate: bytes per second over all transfers; 0: no limit.
        require: the least verification that counts as success.
        notice: told one sentence for each repetition, and when a server that spoke native does not any more.
        proxy: ``http://``, ``socks5://`` or ``socks5h://``, ``[USER:PASSWORD@]HOST:PORT``, for control and data
            connections; None: none. The environment is not looked at.
        dialect: ``stock`` or ``native``; None: native where the server offers it.
        spares: native: data connections kept dialled ahead, as far as the server allows; None: one, where the way is
            long and more transfers are likely.
        digest: native: what transfers are verified by, ``sha256`` or ``blake3`` where both sides have it.
        ask: asks a person about a server that was never met and that no CA vouches for, where `trust` decides; a key
            that they know is recorded there. Its time does not count for `max_time`. None: such a server is refused.

    Raises:
        ClientError: USAGE, CONNECT, TIMEOUT, TLS, PIN, LOGIN, PROTOCOL; TIMEOUT also when `max_time` ran out.
    """
    target = make_target(
        address, user=user, password=password, account=account, port=port, tls=tls, cacert=cacert, pin=pin, trust=trust,
        connect_timeout=connect_timeout, stall_timeout=stall_timeout, proxy=proxy, dialect=dialect, spares=spares,
        notice=notice,
    )  # fmt: skip
    terms = make_terms(require=require, limit_rate=limit_rate, digest=digest)
    deadline = math.inf if max_time is None else trio.current_time() + max_time
    with trio.CancelScope(deadline=deadline) as clock:
        async with open_plain_nursery() as nursery:
            pool = Pool(partial(_open, target, nursery, _Memory(target)), max(1, connections))
            try:
                try:
                    first = await _first(pool, retries, notice)
                except UnknownServer as unknown:
                    if ask is None:
                        raise
                    await _vouched(target, unknown, pausing(ask, clock))
                    first = await _first(pool, retries, notice)
                client = Client(target.address, pool, first, terms=terms, retries=retries, notice=notice)
                yield client
                await client.quit()
            finally:
                nursery.cancel_scope.cancel()
                await pool.abandon()  # nothing is left after `quit`; after a failure the server must not wait for us
    if clock.cancelled_caught:
        raise ClientError(
            Outcome.TIMEOUT, f"{target.thing}: not done within {max_time:g} s", remedy="raise --max-time, or resume"
        )


async def _open(target: Target, nursery: trio.Nursery, memory: _Memory, stock: bool) -> Session:
    only_stock = stock or target.dialect is Dialect.STOCK
    session = await open_session(evolve(target, dialect=Dialect.STOCK) if only_stock else target, nursery)
    session.quirks = memory.quirks
    if only_stock:
        return session
    try:
        await memory.met(session)
    except BaseException:
        await session.close()
        raise
    return session


@define
class _Memory:
    """What is known of one server beyond a session: its quirks, and what known_servers keeps of its dialect, where each
    thing is written or told once."""

    target: Target
    recorded: bool = False
    warned: bool = False
    quirks: Quirks = field(factory=Quirks)

    async def met(self, session: Session) -> None:
        """A session of the best dialect that is offered came about."""
        known, name = self.target.trust.known, self.target.trust.name
        if known is None:
            return
        if session.native is not None:
            if session.plan is not None and not self.recorded:
                self.recorded = True
                try:
                    await trio.to_thread.run_sync(known.record_native, name)
                except ClientError as error:
                    self._tell(f"{error.message}: that {session.thing} speaks native was not recorded")
        elif self.warned or session.features.has("FTLITE"):
            return
        elif await trio.to_thread.run_sync(known.was_native, name):
            self.warned = True
            self._tell(
                f"{session.thing} spoke the native dialect before and does not offer it now: digests, and names that "
                "show only what is whole, may be missing. If that is known to be right, say --dialect stock, or remove "
                f"the word native from its line in {known.path}; --dialect native or --require digest refuses it"
            )

    def _tell(self, sentence: str) -> None:
        if self.target.notice is not None:
            self.target.notice(sentence)


def make_target(
    address: str | Address,
    *,
    user: str | None = None,
    password: str | None = None,
    account: str | None = None,
    port: int | None = None,
    tls: TlsMode | str = TlsMode.REQUIRED,
    cacert: Path | str | None = None,
    pin: str | None = None,
    trust: KnownServers | None = None,
    connect_timeout: float = 15.0,
    stall_timeout: float = 60.0,
    proxy: Proxy | str | None = None,
    dialect: Dialect | str | None = None,
    spares: int | None = None,
    notice: Callable[[str], None] | None = None,
    **_work: object,
) -> Target:
    """What `connect` opens sessions by, from its arguments; those about the work in them (`_work`) do not matter.

    Raises:
        ClientError: USAGE.
    """
    where = parse_address(address) if isinstance(address, str) else address
    if port is not None:
        where = evolve(where, port=port)
    mode = _tls_mode(tls, where.scheme)
    name = user if user is not None else where.user if where.user is not None else _ANONYMOUS
    if name == _ANONYMOUS and password is None:
        password = "anonymous@"  # noqa: S105 - by convention (RFC 1635)
    return Target(
        address=where,
        user=name,
        trust=Trust(
            server_name(where.host, where.effective_port),
            cacert=Path(cacert) if cacert is not None else None,
            pin=parse_pin(pin) if pin is not None else None,
            known=trust,
        ),
        password=password,
        account=account,
        tls=mode,
        connect_timeout=connect_timeout,
        stall_timeout=stall_timeout,
        proxy=_proxy(proxy),
        dialect=_dialect(dialect),
        spares=spares,
        notice=notice,
    )


def _dialect(dialect: Dialect | str | None) -> Dialect | None:
    try:
        return None if dialect is None else Dialect(dialect)
    except ValueError:
        raise ClientError(Outcome.USAGE, f"{dialect!r} is no dialect", remedy="use stock or native") from None


def _proxy(proxy: Proxy | str | None) -> Proxy | None:
    try:
        return parse_proxy(proxy) if isinstance(proxy, str) else proxy
    except ValueError as error:
        raise ClientError(Outcome.USAGE, str(error)) from None


def _tls_mode(tls: TlsMode | str, scheme: Scheme) -> TlsMode:
    try:
        mode = TlsMode(tls)
    except ValueError:
        raise ClientError(Outcome.USAGE, f"{tls!r} is no TLS mode", remedy="use off, optional or required") from None
    if scheme in (Scheme.FTPS, Scheme.FTPES):
        if mode is TlsMode.OFF:
            raise ClientError(
                Outcome.USAGE, f"{scheme.value}:// means encryption, --tls off means none", remedy="drop one of them"
            )
        return TlsMode.REQUIRED
    return mode


async def _first(pool: Pool, retries: int, notice: Callable[[str], None] | None) -> Session:
    """The first session. Only a server that asks to be tried later (421) is; a wrong port is better told at once."""

    async def attempt(_: int) -> Session:
        try:
            async with pool.lease() as session:
                return session
        except ClientError as error:
            error.transient = error.transient and error.reply is not None
            raise

    return await retrying(attempt, retries=retries, notice=notice)


async def _vouched(target: Target, unknown: UnknownServer, ask: Ask) -> None:
    """Have a person vouch for the server's key, and remember it.

    No connection is kept open for it: a server would not wait for somebody who looks a key up.

    Raises:
        ClientError: TLS when they do not; else as `Trust.accept`.
    """
    if not await ask(unknown):
        raise ClientError(Outcome.TLS, f"{unknown.name}: its key {unknown.pin} was not accepted; nothing was sent")
    told = await trio.to_thread.run_sync(target.trust.accept, unknown)
    if target.notice is not None:
        target.notice(told)


def pausing(ask: Ask, clock: trio.CancelScope) -> Ask:
    """`ask`, with the deadline of `clock` moved on by as long as the answer takes."""

    async def asked(unknown: UnknownServer) -> bool:
        began, deadline = trio.current_time(), clock.deadline
        clock.deadline = math.inf
        try:
            return await ask(unknown)
        finally:
            clock.deadline = deadline + trio.current_time() - began

    return asked
