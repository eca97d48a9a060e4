"""From a name to a greeting: who it is, whether anybody listens there, and what they say first."""

from __future__ import annotations

import ipaddress
import socket
import time
from contextlib import suppress

import trio
from attrs import evolve

from ftlite.client.address import Scheme
from ftlite.client.doctor.findings import Finding, Patient, fail, ok, warn
from ftlite.client.errors import ClientError, Outcome, from_reply
from ftlite.client.login import Target, Unverified, dial, handshake
from ftlite.client.trust import Trust
from ftlite.net.active import dial as dial_address
from ftlite.net.errors import Kind, NetError

_SLOW = 1.0  # seconds for a name
_PORTS = (21, 990, 2121)
_GLANCE = 3.0  # seconds to see whether something else is there


async def name(patient: Patient) -> Finding:
    """What addresses the host has."""
    host, port = patient.target.address.host, patient.target.address.effective_port
    began = trio.current_time()
    try:
        found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = (getattr(error, "strerror", None) or "it is no host name").lower()
        if patient.target.proxy is not None:
            return warn(f"{host} is not known here: {why}", "the proxy may know it (http://, socks5h://)")
        remedy = "check the spelling, the network and the name servers; 'getent hosts' shows what this machine sees"
        return fail(ClientError(Outcome.CONNECT, f"the name {host!r} was not found: {why}", remedy=remedy))
    seconds = trio.current_time() - began
    patient.addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    families = {ipaddress.ip_address(each.partition("%")[0]).version for each in patient.addresses}
    kinds = " and ".join(f"IPv{version}" for version in sorted(families))
    text = f"{host} is {', '.join(patient.addresses)} ({kinds})"
    facts = {"addresses": patient.addresses, "took": round(seconds, 3)}
    if seconds > _SLOW:
        remedy = "a name server is slow: each connection waits for it"
        return warn(f"{text}, which took {seconds:.1f} s", remedy, **facts)
    return ok(text, **facts)


async def proxy(patient: Patient) -> Finding:
    """What is gone through."""
    through = patient.target.proxy
    if through is None:
        return ok("none: straight to the server")
    return ok(f"everything goes through {through}", proxy=str(through))


async def port(patient: Patient) -> Finding:
    """Whether anybody listens, at each address."""
    target, number = patient.target, patient.target.address.effective_port
    if target.proxy is not None:
        try:
            control = await dial(target)
        except ClientError as error:
            remedy = error.remedy or "is it the right proxy, and may it lead there? '--proxy none' goes straight"
            return fail(ClientError(error.outcome, error.message, remedy=remedy))
        await control.close()
        return ok(f"the proxy reaches {target.thing}")
    seen: dict[str, str] = {}
    async with trio.open_nursery() as nursery:
        for address in patient.addresses:
            nursery.start_soon(_knock, address, number, patient.patience, seen)
    told = {address: seen[address] for address in patient.addresses}
    deaf = [address for address, how in told.items() if how != "open"]
    if not deaf:
        return ok(f"port {number} is open", port=number, addresses=told)
    if len(deaf) < len(told):
        remedy = "programs that try that address first lose time: mend it, or take it out of the name"
        return warn(f"port {number}: {_listed(told)}", remedy, port=number, addresses=told)
    refused = "refused" in told.values()
    others = await _others(patient.addresses, number)
    remedy = "is the address right, or a firewall in between?"
    if refused:
        remedy = "is the server running, and is this its port?"
    if others:
        remedy = f"port {', '.join(map(str, others))} answers there: is it that one? use --port {others[0]}"
    outcome = Outcome.CONNECT if refused or "unreachable" in told.values() else Outcome.TIMEOUT
    return fail(ClientError(outcome, f"port {number}: {_listed(told)}", remedy=remedy), addresses=told, others=others)


async def _knock(address: str, number: int, patience: float, seen: dict[str, str]) -> None:
    """Note in `seen` whether the port is open, refused, unreachable, or silent."""
    seen[address] = "silent"
    with trio.move_on_after(patience):
        try:
            (await dial_address(address, number)).close()
            seen[address] = "open"
        except NetError as error:
            silent = error.kind is Kind.TIMEOUT
            seen[address] = "silent" if silent else "refused" if error.kind is Kind.REFUSED else "unreachable"


def _listed(told: dict[str, str]) -> str:
    return ", ".join(f"{how} at {address}" for address, how in told.items())


async def _others(addresses: list[str], number: int) -> list[int]:
    """Which other ports answer that FTP servers often have."""
    seen: dict[int, dict[str, str]] = {other: {} for other in _PORTS if other != number}
    async with trio.open_nursery() as nursery:
        for other, each in seen.items():
            for address in addresses:
                nursery.start_soon(_knock, address, other, _GLANCE, each)
    return [other for other, each in seen.items() if "open" in each.values()]


async def greeting(patient: Patient) -> Finding:
    """The first reply; after the handshake, where TLS begins at once."""
    target = patient.target
    began = time.monotonic()
    implicit = target.address.scheme is Scheme.FTPS
    control = await dial(target)
    try:
        if implicit:
            await handshake(control, target, Trust.second_plan())
        with trio.move_on_after(patient.patience):
            reply = await control.greeting()
            if not reply.completed:
                return fail(from_reply(target.thing, "the greeting", reply))
            seconds = time.monotonic() - began
            return ok(reply.first or str(reply.code), code=reply.code, text=reply.text, took=round(seconds, 3))
    finally:
        await control.close()
    error = ClientError(
        Outcome.TIMEOUT,
        f"{target.thing} takes connections and says nothing for {patient.patience:g} s",
        remedy="is it an FTP server? one that looks up its clients' names may only be slow: raise --connect-timeout",
    )
    if not implicit and await _begins_with_tls(target):
        url = f"ftps://{target.address.host}:{target.address.effective_port}/"
        said = f"{error.message}, but speaks TLS at once"
        error = ClientError(Outcome.TLS, said, remedy=f"if it is FTP, write {url}")
    return fail(error)


async def _begins_with_tls(target: Target) -> bool:
    target = evolve(target, address=evolve(target.address, scheme=Scheme.FTPS))
    with trio.move_on_after(_GLANCE), suppress(ClientError, NetError, Unverified):
        control = await dial(target)
        try:
            await handshake(control, target, Trust.second_plan())
            return True
        finally:
            await control.close()
    return False
