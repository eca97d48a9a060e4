"""``ftlite doctor``: why a connection fails or is slow, in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftlite.cli.exits import CliError
from ftlite.cli.flags import client_flags
from ftlite.cli.options import Options
from ftlite.cli.servers import options_at, settings
from ftlite.cli.session import Done, Session, address_of, perform, voice_for
from ftlite.cli.voice import Voice

if TYPE_CHECKING:
    from ftlite.client.doctor import Finding

#: What people read where programs read the verdict; what was not looked at comes in the end.
_WORDS = {"ok": "ok", "warn": "warn", "fail": "FAIL"}


@click.command()
@click.argument("address")
@click.option("--write", is_flag=True, help="Send 1 MiB into the directory at ADDRESS too, and remove it again.")
@client_flags()
def doctor(options: Options, address: str, write: bool) -> Done:
    """Look at the connection to ADDRESS step by step: say what was found, and what to do about it.

    Name, port, greeting, TLS, certificate, login, dialect, data connections, round trip, a listing, a file there and
    back. Each step has --connect-timeout, some a few times that. The exit code is that of the first step that fails.
    """
    patient = address_of(address)
    voice = voice_for("doctor", options)

    async def work(session: Session) -> None:
        from ftlite.client.doctor import Verdict, examine

        login = session.login(patient)
        there = settings(patient, login, options_at(options, patient), voice)
        findings = await examine(
            patient, source=login.source, write=write, told=lambda finding: _tell(voice, finding), **there
        )
        _tell_skipped(voice, findings)
        failed = [each for each in findings if each.verdict is Verdict.FAIL]
        warned = sum(each.verdict is Verdict.WARN for each in findings)
        if failed and failed[0].error is not None:
            more = f" ({len(failed)} steps fail)" if len(failed) > 1 else ""
            raise CliError(failed[0].error.outcome.name, f"{failed[0].step} fails{more}: {failed[0].error}")
        voice.say("all is well" if not warned else f"it works, with {warned} warning{'s' * (warned > 1)}")

    return perform(options, voice, [patient], work)


def _tell(voice: Voice, finding: Finding) -> None:
    verdict = finding.verdict.value
    outcome = finding.error.outcome.value if finding.error is not None else None
    voice.event(
        "step", step=finding.step, verdict=verdict, found=finding.found, remedy=finding.remedy or None,
        outcome=outcome, seconds=finding.seconds, facts=finding.facts or None,
    )  # fmt: skip
    if not voice.json and verdict != "skip":
        voice.line(f"{_WORDS[verdict]:<5} {finding.step + ':':<15} {finding.found}")
        if finding.remedy:
            voice.line(f"{'':<21} -> {finding.remedy}")


def _tell_skipped(voice: Voice, findings: list[Finding]) -> None:
    """What was not looked at, one line for each reason."""
    reasons: dict[str, list[str]] = {}
    for finding in findings:
        if finding.verdict.value == "skip":
            reasons.setdefault(finding.found, []).append(finding.step)
    for why, steps in reasons.items():
        if not voice.json:
            voice.line(f"{'-':<5} {', '.join(steps)}: {why}")
