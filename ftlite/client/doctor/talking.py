"""Logged in: what the server can do, in which dialect, how far away it is, and whether data connections come about."""

from __future__ import annotations

import socket
import statistics

import trio

from ftlite.client.data import check_pin, open_data
from ftlite.client.doctor.findings import Finding, Patient, fail, ok, skip, warn
from ftlite.client.errors import ClientError, Outcome, from_mover, from_net
from ftlite.client.login import Dialect, open_session
from ftlite.client.session import Session
from ftlite.movers import Flow, MoverError, receive_bytes
from ftlite.net.addresses import comparable
from ftlite.net.errors import NetError
from ftlite.net.wire import Wire
from ftlite.protocol.addresses import format_eprt, format_port, parse_pasv
from ftlite.protocol.errors import ProtocolError

_MOST = 64 * 1024 * 1024  # bytes of a listing
_TURNS = 5  # questions that the round trip is taken of
_FAR = 0.3  # seconds
_WANTED = {
    "MLST": "listings may be misread", "SIZE": "sizes cannot be compared", "MDTM": "times are not known exactly",
    "REST": "nothing can be resumed", "UTF8": "names beyond ASCII may come out wrong",
}  # fmt: skip


async def login(patient: Patient) -> Finding:
    """Whether we are let in, and by which password."""
    target = patient.target
    patient.session = await open_session(target, patient.nursery)
    where = f", with the password from {patient.source}" if patient.source else ", without a password"
    return ok(f"as {target.user}{where}", user=target.user, password_from=patient.source or None)


async def features(patient: Patient) -> Finding:
    """What FEAT says."""
    names = sorted(patient.logged_in.features.names)
    if not names:
        return warn("the server names none (FEAT)", "much is then found out by trying; an old server", features=names)
    lacks = [f"{name} ({so})" for name, so in _WANTED.items() if name not in names]
    if lacks and not patient.native:
        return warn(f"{', '.join(names)}; missing: {', '.join(lacks)}", features=names)
    return ok(", ".join(names), features=names)


async def dialect(patient: Patient) -> Finding:
    """Which dialect is spoken, and why."""
    session = patient.logged_in
    if session.native is not None:
        most = session.native.most
        return ok(f"native: one port, verified by digest, {most} transfers at once", dialect="native", transfers=most)
    if not session.features.has("FTLITE"):
        return ok("stock FTP: the server does not offer native", dialect="stock", offered=False)
    if patient.target.dialect is Dialect.STOCK:
        return ok("stock FTP, as --dialect asks; the server offers native", dialect="stock", offered=True)
    return warn("stock FTP, although the server offers native", "in clear it is spoken with --tls off only",
                dialect="stock", offered=True)  # fmt: skip


async def round_trip(patient: Patient) -> Finding:
    """How long a question and its answer take."""
    session, taken = patient.logged_in, []
    for _ in range(_TURNS):
        began = trio.current_time()
        await session.expect("NOOP")
        taken.append(trio.current_time() - began)
    middle = statistics.median(taken)
    text = f"{middle * 1000:.1f} ms (median of {_TURNS} NOOPs, {min(taken) * 1000:.1f} to {max(taken) * 1000:.1f})"
    if middle > _FAR:
        return warn(text, "small files are slow over such a way one by one: -P 8, or trees", median=middle)
    return ok(text, median=round(middle, 6))


async def epsv(patient: Patient) -> Finding:
    """Whether EPSV leads to a data connection."""
    session = await patient.stock()
    session.quirks.no_epsv = False
    try:
        wire_reused, seconds = await _list_over(patient, session)
    except ClientError as error:
        return warn(f"EPSV fails: {error.message}", "PASV is tried next" if not session.quirks.no_epsv else "")
    if session.quirks.no_epsv:
        return warn("the server refuses EPSV", "PASV does, over IPv4; a proxy or a NAT may need more")
    patient.passive, patient.reused = True, wire_reused
    return ok(f"a listing came over it in {seconds * 1000:.0f} ms", took=round(seconds, 3))


async def pasv(patient: Patient) -> Finding:
    """Whether PASV leads to a data connection, and what address it names."""
    session = await patient.stock()
    if ":" in session.control.peer and comparable(session.control.peer).version == 6:
        return skip("PASV is for IPv4, and this is IPv6")
    answer = await session.ask("PASV")
    if not answer.completed:
        text = f"the server refuses PASV: {answer.code} {answer.first}"
        if patient.passive or patient.native:
            return warn(text, "old clients need it")
        remedy = "neither EPSV nor PASV works, so nothing can be moved: ask the server's owner"
        return fail(ClientError(Outcome.CONNECT, text, remedy=remedy, reply=answer))
    try:
        patient.pasv_host = parse_pasv(answer.text)[0]
    except ProtocolError as error:
        return warn(f"the answer to PASV cannot be read: {error}")
    session.quirks.no_epsv = True
    try:
        reused, seconds = await _list_over(patient, session)
    except ClientError as error:
        if patient.passive or patient.native:
            return warn(f"PASV fails: {error.message}", "only clients that do not know EPSV need it")
        remedy = error.remedy or "open the server's passive ports in the firewalls in between"
        return fail(ClientError(error.outcome, f"no data connection comes about: {error.message}", remedy=remedy))
    finally:
        session.quirks.no_epsv = False
    patient.passive = True
    patient.reused = reused if patient.reused is None else patient.reused
    return ok(f"a listing came over it in {seconds * 1000:.0f} ms", took=round(seconds, 3))


async def nat(patient: Patient) -> Finding:
    """Whether the address that PASV names is the one that we reached."""
    named, peer = patient.pasv_host, (await patient.stock()).control.peer
    if named is None:
        return skip("PASV named no address")
    if comparable(named) == comparable(peer):
        return ok(f"PASV names {named}, which is where the server is", named=named, peer=peer)
    if patient.target.proxy is not None:
        return ok(f"PASV names {named}; we go there through the proxy", named=named)
    remedy = "we use the address of the connection; other clients may not: set the server's passive address to it"
    return warn(f"PASV names {named}, but the server is at {peer}: it is behind a NAT", remedy, named=named, peer=peer)


async def active(patient: Patient) -> Finding:
    """Whether the server can connect back to us. Nothing here needs it."""
    if patient.target.proxy is not None:
        return skip("nobody can connect back through the proxy")
    session = await patient.another()
    try:
        return await _active(patient, session)
    finally:
        await session.close()


async def _active(patient: Patient, session: Session) -> Finding:
    stream = session.control.stream
    plain = stream.transport_stream if isinstance(stream, trio.SSLStream) else stream
    assert isinstance(plain, trio.SocketStream)
    host = str(comparable(plain.socket.getsockname()[0]))
    listener = trio.socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    with listener:
        await listener.bind((host, 0))
        listener.listen(1)
        port = listener.getsockname()[1]
        how = "EPRT"
        answer = await session.ask("EPRT", format_eprt(host, port))
        if not answer.completed and ":" not in host:
            how = "PORT"
            answer = await session.ask("PORT", format_port(host, port))
        if not answer.completed:
            return warn(f"the server refuses {how}: {answer.code} {answer.first}", "nothing here needs it", works=False)
        try:
            await _list_back(patient, session, listener)
        except (ClientError, NetError, MoverError) as error:
            return warn(f"{how} is accepted, and no connection comes back: {error}",
                        "usual behind a firewall or a NAT; nothing here needs it", works=False)  # fmt: skip
    return ok(f"the server connects back to {host} ({how})", works=True)


async def _list_back(patient: Patient, session: Session, listener: trio.socket.SocketType) -> None:
    """LIST over a connection that the server makes."""
    pending = await session.control.send("LIST")
    with trio.move_on_after(min(patient.patience, 5.0)):
        with trio.CancelScope() as refused:
            pending.on_failure = refused.cancel
            connection, _ = await listener.accept()
            sock = socket.socket(fileno=connection.detach())
            sock.setblocking(False)
            wire = Wire(sock) if session.plan is None else await Wire.secure(
                sock, session.plan.context, server_side=False, session=session.control.session, hostname=session.host
            )
            try:
                await receive_bytes(wire, Flow(stall=patient.patience), _MOST)
            finally:
                wire.abort()
            return
        final = await pending.done()
        raise ClientError(Outcome.CONNECT, f"{final.code} {final.first}", reply=final)
    raise ClientError(Outcome.TIMEOUT, "nothing came")


async def _list_over(patient: Patient, session: Session) -> tuple[bool | None, float]:
    """A listing of the login directory over a data connection of its own.

    Returns:
        Whether its TLS session was resumed (None in clear), and how many seconds it took.
    """
    began = trio.current_time()
    try:
        pending, wire = await open_data(session, "LIST", "")
        try:
            if session.plan is not None and wire.secured is not None:
                check_pin(session.plan, wire.secured.getpeercert(True), session.thing)
            await receive_bytes(wire, Flow(stall=patient.patience), _MOST)
            reused = wire.reused if wire.tls else None
            await wire.finish()
        except BaseException:
            wire.abort()
            await session.close()  # nobody would know whose the next reply is
            raise
        await pending.done()
    except NetError as error:
        raise from_net(f"{session.thing}: data connection", error) from error
    except MoverError as error:
        raise from_mover(f"{session.thing}: data connection", error) from error
    return reused, trio.current_time() - began


async def resumption(patient: Patient) -> Finding:
    """Whether data connections resume the TLS session of the control connection."""
    if patient.reused is None:
        return skip("no data connection was encrypted")
    if patient.reused:
        return ok("data connections resume the TLS session")
    text = "data connections do not resume the TLS session: each takes a whole handshake"
    remedy = "two round trips and some work for each file; the server does not want it, or cannot"
    return warn(text, remedy, resumed=False)
