"""USER PASS ACCT REIN QUIT (RFC 959 s.4.1.1), and the security verbs AUTH PBSZ PROT CCC (RFC 4217)."""

from __future__ import annotations

from ftlite.config.models import User
from ftlite.gate.errors import LoginRefused, TooMany
from ftlite.gate.gate import Gate
from ftlite.net.errors import NetError
from ftlite.protocol.replies import Reply, reply
from ftlite.server.call import Call
from ftlite.server.channel import Hangup
from ftlite.server.refusals import Refused
from ftlite.storage.errors import StorageError, WouldBlock


async def user(call: Call) -> Reply:
    """Every name is asked for a password, so that nobody learns which names exist (RFC 2577 s.7)."""
    call.session.log_out()
    return reply(331, "Give your password with PASS.")


async def password(call: Call) -> Reply:
    """PASS: judged by the keeper, counted by the census, and the user's gate opened."""
    session, census = call.session, call.services.census
    name = session.dialogue.user or ""
    try:
        account = await call.services.keeper.admit(name, call.command.value, session.peer)
    except LoginRefused as error:
        session.event("login.refused", account=name, peer=session.peer)
        session.failures += 1
        if session.failures >= call.services.config.limits.login_failures:
            session.closing = True
            return reply(421, "Too many failed logins; goodbye.")
        return reply(530, str(error))
    except TooMany as error:
        session.event("login.limited", account=name, peer=session.peer)
        session.closing = True
        return reply(421, str(error))
    try:
        gate = await _open_gate(call, account)
    except StorageError as error:
        session.event("login.no-root", account=name, error=str(error))
        return reply(530, "Your directory is not there; tell the administrator.")
    full = census.log_in(account.name)  # counted last: nothing can fail or be cancelled between this and the login
    if full is not None:
        gate.close()
        session.event("login.full", account=name, peer=session.peer)
        return reply(530, full)
    session.log_in(account, gate)
    return reply(230, "Welcome.")


async def _open_gate(call: Call, account: User) -> Gate:
    """Tried on the event loop first: a thread hop costs as much as the rest of a login whose password is remembered."""
    try:
        return Gate(call.store.root_fd, account, nowait=True)
    except WouldBlock:
        return await call.services.on_disk(lambda: Gate(call.store.root_fd, account))


async def account(call: Call) -> Reply:
    """ACCT: accepted and not needed (RFC 959 s.5.4 allows 202)."""
    return reply(202, "No account is needed here.")


async def reinitialize(call: Call) -> Reply:
    """REIN: everything but the connection as at the start (RFC 959 s.4.1.1); the dialogue refuses it over TLS."""
    call.session.log_out()
    return reply(220, "Ready for a new user.")


async def quit_(call: Call) -> Reply:
    """QUIT: running transfers end first (RFC 959 s.4.1.1); what only waits is given up."""
    if call.session.job is not None:
        call.session.job.give_up_waiting()  # while we are here nobody would see the client leave
        await call.session.job.done.wait()
    for tagged in list(call.session.tagged.values()):
        if tagged.row.waits:
            tagged.abort()
        await tagged.done.wait()
    call.session.closing = True
    return reply(221, "Goodbye.")


async def auth(call: Call) -> Reply:
    """AUTH: the session shakes hands after this reply. Bytes sent ahead of it end the session (RFC 2228 s.3 CCC)."""
    if call.session.channel.leftover:
        raise Hangup("sent bytes after AUTH in clear")
    try:
        await call.session.make_context()
    except NetError as error:  # the copy of the pair is gone; the session itself is as it was
        call.session.event("tls.failed", error=str(error))
        raise Refused(reply(431, "TLS cannot be had at the moment; tell the administrator.")) from error
    call.session.log_out()
    return reply(234, "Go ahead with TLS.")


async def buffer_size(call: Call) -> Reply:
    """PBSZ: TLS is a stream, so 0 is the only size (RFC 4217 s.9)."""
    return reply(200, "PBSZ=0")


async def protection(call: Call) -> Reply:
    """PROT C or P; the dialogue keeps it. Data in clear is refused where TLS is required."""
    return reply(200, f"Data protection is {call.command.value}.")


async def clear_control(call: Call) -> Reply:
    """CCC: the control connection stays encrypted (RFC 4217 s.5 lets a server say so)."""
    raise Refused(reply(533, "The control connection stays encrypted."))
