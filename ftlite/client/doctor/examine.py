"""Runs the steps, one after the other; each has its time, and what depends on a step that failed is not looked at.

A step is ``async (Patient) -> Finding``; the ClientError or NetError that leaves it is its failure. A server that hangs
costs each step its time and no more, and the report is whole all the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import trio
from attrs import evolve, frozen

from ftlite.client.address import Address
from ftlite.client.connecting import make_target
from ftlite.client.doctor import reaching, talking, trusting, working
from ftlite.client.doctor.findings import Finding, Patient, Verdict, fail, skip
from ftlite.client.errors import ClientError, Outcome, from_net
from ftlite.client.login import Unverified
from ftlite.client.nursery import open_plain_nursery
from ftlite.net.errors import NetError


@frozen
class Step:
    """One thing to look at.

    Attributes:
        needs: steps that must not have failed.
        times: its time, as a multiple of the time for one connection.
    """

    name: str
    look: Callable[[Patient], Awaitable[Finding]]
    needs: tuple[str, ...] = ()
    times: float = 1.0


STEPS: tuple[Step, ...] = (
    Step("name", reaching.name),
    Step("proxy", reaching.proxy),
    Step("port", reaching.port, ("name",), 1.5),
    Step("greeting", reaching.greeting, ("port",), 3.0),
    Step("tls", trusting.versions, ("greeting",), 2.0),
    Step("certificate", trusting.certificate, ("greeting", "tls"), 2.0),
    Step("login", talking.login, ("greeting", "tls", "certificate"), 2.0),
    Step("features", talking.features, ("login",)),
    Step("dialect", talking.dialect, ("login",)),
    Step("round-trip", talking.round_trip, ("login",)),
    Step("epsv", talking.epsv, ("login",), 2.0),
    Step("pasv", talking.pasv, ("login",), 2.0),
    Step("nat", talking.nat, ("login",)),
    Step("active", talking.active, ("login",), 2.0),
    Step("tls-resumption", talking.resumption, ("login",)),
    Step("listing", working.listing, ("login",), 2.0),
    Step("transfer", working.transfer, ("login", "listing"), 4.0),
    Step("clock", working.clock, ("login",)),
)


async def examine(
    address: Address,
    *,
    source: str = "",
    write: bool = False,
    told: Callable[[Finding], None] = lambda finding: None,
    **settings: Any,
) -> list[Finding]:
    """Look at the server of `address`, step by step.

    Args:
        source: where the password came from, in words; never the password.
        write: send 1 MiB into the directory of `address` and remove it again.
        told: called with each finding as it comes.
        settings: as `connect` takes them; `connect_timeout` is the time for a step, more for those that need more.

    Returns:
        One finding for each of `STEPS`. The first FAIL among them is why the connection does not work.

    Raises:
        ClientError: USAGE, for settings that mean nothing.
    """
    target = make_target(address, **settings)
    findings: list[Finding] = []
    failed: dict[str, str] = {}
    async with open_plain_nursery() as nursery:
        patient = Patient(target, settings, nursery, source, write)
        for step in STEPS:
            culprit = next((need for need in step.needs if need in failed), None)
            if culprit is not None:
                finding = evolve(skip(f"not looked at: {failed[culprit]} failed"), step=step.name)
            else:
                finding = await _looked(step, patient)
            if finding.verdict is Verdict.FAIL:
                failed[step.name] = step.name
            elif culprit is not None:
                failed[step.name] = failed[culprit]
            findings.append(finding)
            told(finding)
        await patient.dismiss()
        nursery.cancel_scope.cancel()
    return findings


async def _looked(step: Step, patient: Patient) -> Finding:
    began = trio.current_time()
    limit = step.times * patient.patience
    finding = fail(
        ClientError(
            Outcome.TIMEOUT,
            f"the server did not let this end within {limit:g} s",
            remedy="it hangs, or something in between does; --connect-timeout gives it longer",
        )
    )
    with trio.move_on_after(limit):
        try:
            finding = await step.look(patient)
        except NetError as error:
            finding = fail(from_net(patient.target.thing, error))
        except Unverified as error:
            said = f"{patient.target.thing}: the certificate cannot be verified ({error})"
            finding = fail(ClientError(Outcome.TLS, said))
        except ClientError as error:
            finding = fail(error)
    return evolve(finding, step=step.name, seconds=round(trio.current_time() - began, 3))
