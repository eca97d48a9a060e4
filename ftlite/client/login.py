"""From an address to a session: dial, greeting, encryption, trust, login, features. In this order, and nothing of who
the user is leaves before encryption and trust are settled.

`required` means AUTH TLS and PROT P succeed or the session does not come about. `optional` tries AUTH before any
credential is sent, and goes on in clear only where known_servers has never seen the server encrypted. The native
dialect is spoken where it is offered, in clear only where clear text was asked for by name: its key would be as open.
"""

from __future__ import annotations

import enum
import re
import ssl
from collections.abc import Callable

import trio
from attrs import field, frozen

from ftlite.client.address import Address, Scheme
from ftlite.client.control import Control
from ftlite.client.errors import ClientError, Outcome, from_net, from_reply
from ftlite.client.features import Features, parse_features
from ftlite.client.native.data import Dialler
from ftlite.client.native.dialogue import switch_on
from ftlite.client.session import Session
from ftlite.client.trust import Plan, Trust
from ftlite.config.tlsmode import TlsMode
from ftlite.net.dial import connect_tcp
from ftlite.net.errors import NetError
from ftlite.net.proxy import Proxy, connect_through
from ftlite.net.tls import spki_pin
from ftlite.protocol.errors import ProtocolError
from ftlite.protocol.native.feature import Offer
from ftlite.protocol.replies import Reply

#: Facts that we read out of MLSx (RFC 3659 s.7.9); others would only make listings longer.
_FACTS = ("type", "size", "modify", "unix.mode", "unix.owner", "unix.group", "unix.ownername", "unix.groupname", "perm")
_WANTS_TLS = re.compile(r"\b(tls|ssl|encrypt\w*|clear ?text)\b", re.I)
#: A 530 that is not about the password (RFC 959 s.5.4 has no code for it but 421, which ends the connection).
_FULL = re.compile(r"(too many|maximum)\b.*\b(sessions|clients|connections|users)\b", re.I | re.S)
_AUTH_REMEDY = "if clear text is acceptable here, say --tls off"


class Dialect(enum.Enum):
    """What a session speaks (docs/protocol.md)."""

    STOCK = "stock"
    NATIVE = "native"


@frozen
class Target:
    """Everything needed to open a session, again and again.

    Attributes:
        password, account: sent with PASS and ACCT (RFC 959 s.4.1.1) when the server asks for them; never shown.
        connect_timeout: seconds from dialling until the greeting came and encryption and trust are settled, and for
            each data connection.
        stall_timeout: seconds without any byte.
        proxy: what every connection goes through.
        dialect: the one to speak; None: native where it is offered.
        spares: native data connections to dial ahead; None: one, where that saves time.
        notice: told what a person should know and need not act on.
    """

    address: Address
    user: str
    trust: Trust
    password: str | None = field(default=None, repr=False)
    account: str | None = field(default=None, repr=False)
    tls: TlsMode = TlsMode.REQUIRED
    connect_timeout: float = 15.0
    stall_timeout: float = 60.0
    proxy: Proxy | None = None
    dialect: Dialect | None = None
    spares: int | None = None
    notice: Callable[[str], None] | None = field(default=None, repr=False, eq=False)

    @property
    def thing(self) -> str:
        """The server, for messages."""
        host = self.address.host
        return f"[{host}]:{self.address.effective_port}" if ":" in host else f"{host}:{self.address.effective_port}"


async def open_session(target: Target, nursery: trio.Nursery) -> Session:
    """Open one session; its reader task runs in `nursery`.

    Raises:
        ClientError: CONNECT, TIMEOUT, TLS, PIN, LOGIN or PROTOCOL; nothing stays open then.
    """
    with trio.move_on_after(target.connect_timeout) as clock:
        control, greeting, plan = await _reach(target)
    if clock.cancelled_caught:
        raise ClientError(
            Outcome.TIMEOUT,
            f"{target.thing} was not reached and greeted within {target.connect_timeout:g} s",
            remedy="check the address, or raise --connect-timeout",
            transient=True,
        )
    control.read_in(nursery)
    try:
        await _log_in(control, target)
        if plan is not None:
            await _protect_data(control, target)
        asked = trio.current_time()
        features = await _features(control)
        rtt = trio.current_time() - asked
        offer = _offer(target, features, clear=plan is None)
        last = await _prepare(control, target, features, offer)
        session = Session(
            control, target.thing, target.address.host, greeting, features, plan, target.stall_timeout,
            target.connect_timeout, target.proxy,
        )  # fmt: skip
        if offer is not None:
            session.native = switch_on(control, target.thing, offer, last, rtt=rtt, stall=target.stall_timeout)
            implicit = target.address.scheme is Scheme.FTPS
            session.data = Dialler(
                session, session.native, target.address.effective_port, nursery, implicit=implicit, spares=target.spares
            )
    except BaseException:
        await control.close()
        raise
    return session


async def _reach(target: Target) -> tuple[Control, Reply, Plan | None]:
    """Connected, greeted, encrypted and trusted (the plan is None in clear)."""
    trust, cause = target.trust, ""
    plan = None if target.tls is TlsMode.OFF else await trio.to_thread.run_sync(trust.plan)
    try:
        control, greeting, encrypted = await _greeted(target, plan)
    except Unverified as error:
        plan, cause = trust.second_plan(), str(error)
        control, greeting, encrypted = await _greeted(target, plan)
    if plan is None or not encrypted:
        return control, greeting, None
    try:
        asked = plan.learn or plan.pin is not None
        pin = _peer_pin(control) if asked else ""  # what reads certificates is slow to load
        if plan.learn:
            pin = await trio.to_thread.run_sync(trust.unverified, pin, cause)
            plan = Plan(plan.context, pin=pin)
            if target.notice is not None:
                target.notice(trust.remembered(pin))
        else:
            await trio.to_thread.run_sync(trust.verified, plan, pin)
    except BaseException:
        await control.close()
        raise
    return control, greeting, plan


class Unverified(Exception):
    """No CA vouches for the certificate; str() is OpenSSL's reason."""


async def dial(target: Target) -> Control:
    host, port = target.address.host, target.address.effective_port
    try:
        if target.proxy is None:
            stream = await connect_tcp(host, port, target.connect_timeout)
        else:
            stream = await connect_through(target.proxy, host, port, target.connect_timeout)
    except NetError as error:
        raise from_net(target.thing, error) from error
    peer = str(stream.socket.getpeername()[0])
    return Control(stream, target.thing, peer=peer, stall=target.stall_timeout)


async def _greeting(control: Control, target: Target) -> Reply:
    greeting = await control.greeting()
    if not greeting.completed:
        raise from_reply(target.thing, "the greeting", greeting)
    return greeting


async def _greeted(target: Target, plan: Plan | None) -> tuple[Control, Reply, bool]:
    """Dial and encrypt, implicitly or by AUTH TLS (RFC 4217 s.4). False: in clear, as was asked for or is allowed."""
    control = await dial(target)
    try:
        if target.address.scheme is Scheme.FTPS and plan is not None:
            await handshake(control, target, plan)
            return control, await _greeting(control, target), True
        greeting = await _greeting(control, target)
        if plan is None:
            return control, greeting, False
        answer = await control.ask("AUTH", "TLS")
        if answer.completed:
            await handshake(control, target, plan)
            return control, greeting, True
        await _clear_allowed(target, answer)
    except BaseException:
        await control.close()
        raise
    return control, greeting, False


async def _clear_allowed(target: Target, answer: Reply) -> None:
    said = f"AUTH TLS was answered {answer.code} {answer.first}"
    if target.tls is TlsMode.REQUIRED or target.address.scheme is Scheme.FTPES:
        raise ClientError(Outcome.TLS, f"{target.thing} does not encrypt: {said}", remedy=_AUTH_REMEDY, reply=answer)
    if await trio.to_thread.run_sync(target.trust.recorded) is not None:
        raise ClientError(
            Outcome.TLS,
            f"{target.thing} was encrypted before and is not now: {said}; somebody may be in between",
            remedy=_AUTH_REMEDY,
            reply=answer,
        )


async def handshake(control: Control, target: Target, plan: Plan) -> None:
    secure = trio.SSLStream(control.stream, plan.context, server_hostname=target.address.host)
    control.encrypted(secure, implicit=target.address.scheme is Scheme.FTPS)
    try:
        await secure.do_handshake()
    except trio.BrokenResourceError as error:
        if isinstance(error.__cause__, ssl.SSLCertVerificationError):
            raise Unverified(error.__cause__.verify_message) from error
        reason = getattr(error.__cause__, "reason", None) or "the connection ended"
        raise ClientError(
            Outcome.TLS,
            f"{target.thing}: the TLS handshake failed ({str(reason).replace('_', ' ').lower()})",
            remedy="is it the right port, and ftps:// only where TLS begins at once?",
        ) from error


def _peer_pin(control: Control) -> str:
    assert isinstance(control.stream, trio.SSLStream)
    try:
        return spki_pin(control.stream.getpeercert(binary_form=True))
    except NetError as error:
        raise from_net(control.peer, error) from error


async def _log_in(control: Control, target: Target) -> None:
    """USER, PASS, ACCT by the diagram of RFC 959 s.6."""
    thing = f"{target.user}@{target.thing}"
    answer = await control.ask("USER", target.user)
    if answer.code == 331:
        if target.password is None:
            raise ClientError(
                Outcome.LOGIN,
                f"{thing} wants a password",
                remedy="give it by FTLITE_PASSWORD, --password-file, --password-command or .netrc",
                reply=answer,
            )
        answer = await control.ask("PASS", target.password)
    if answer.code == 332 and target.account is not None:
        answer = await control.ask("ACCT", target.account)
    if not answer.completed:
        error = from_reply(thing, "the login", answer)
        if control.session is None and _WANTS_TLS.search(answer.text):
            raise ClientError(Outcome.TLS, error.message, remedy="say --tls required", reply=answer)
        if answer.code == 530 and _FULL.search(answer.text):
            raise ClientError(
                Outcome.CONNECT, error.message, remedy="end other sessions of this user", reply=answer, transient=True
            )
        if error.outcome not in (Outcome.CONNECT, Outcome.TLS):
            error = ClientError(Outcome.LOGIN, error.message, remedy="check user and password", reply=answer)
        raise error


async def _protect_data(control: Control, target: Target) -> None:
    """PBSZ 0, PROT P (RFC 4217 s.9): under `optional` too, so that data never goes in clear behind encryption."""
    await _expect(control, target, "PBSZ", "0")
    await _expect(control, target, "PROT", "P")


async def _expect(control: Control, target: Target, name: str, argument: str) -> Reply:
    answer = await control.ask(name, argument)
    if not answer.completed:
        raise from_reply(target.thing, f"{name} {argument}", answer)
    return answer


async def _features(control: Control) -> Features:
    """FEAT, once, after login (some servers hide it before)."""
    answer = await control.ask("FEAT")
    return parse_features(answer) if answer.completed else Features({})


async def _prepare(control: Control, target: Target, features: Features, offer: Offer | None) -> Reply:
    """Switch on what is offered and wanted, the binary type, and last of all the native dialect where there is an
    `offer` of it. Returns the last reply."""
    commands = [("CLNT", "ftlite")] if features.has("CLNT") else []
    if features.has("UTF8"):
        commands.append(("OPTS", "UTF8 ON"))
    if features.has("MLST"):
        offered = {fact.strip("* ").lower() for fact in features.names["MLST"].split(";")}
        wanted = [fact for fact in _FACTS if fact in offered]
        if wanted:
            commands.append(("OPTS", "MLST " + "".join(f"{fact};" for fact in wanted)))
    if offer is None:
        for name, argument in commands:
            await control.ask(name, argument)
        return await _expect(control, target, "TYPE", "I")
    # Who speaks native takes commands as they come: one round trip for all of these.
    commands += [("TYPE", "I"), ("OPTS", "FTLITE 1")]
    sent = [await control.send(name, argument) for name, argument in commands]
    answers = [await pending.done() for pending in sent]
    for (name, argument), answer in zip(commands[-2:], answers[-2:], strict=True):
        if not answer.completed:
            raise from_reply(target.thing, f"{name} {argument}", answer)
    return answers[-1]


def _offer(target: Target, features: Features, *, clear: bool) -> Offer | None:
    """What the native dialect of this server can do; None: stock is to be spoken.

    Raises:
        ClientError: OTHER when native is demanded and cannot be had.
    """
    if target.dialect is Dialect.STOCK:
        return None
    why = "it does not offer it"
    if clear and target.tls is not TlsMode.OFF:
        why = "the connection is in clear, which nobody asked for by name (--tls off)"
    elif features.has("FTLITE"):
        try:
            return Offer.parse(f"FTLITE {features.names['FTLITE']}")
        except ProtocolError as error:
            why = str(error)
    if target.dialect is Dialect.NATIVE:
        raise ClientError(
            Outcome.OTHER, f"{target.thing} cannot be spoken to in the native dialect: {why}", remedy="drop --dialect"
        )
    return None
