"""``quote``, ``site``, ``status``: the server, spoken to directly."""

from __future__ import annotations

import time

import click

from ftlite.cli.session import Done
from ftlite.cli.voice import Voice
from ftlite.client.errors import ClientError, Outcome, from_reply
from ftlite.client.session import Session as ClientSession
from ftlite.protocol.replies import Reply
from ftlite.protocol.verbs import VERBS
from ftlite.shell.inside import RAW, Words, action, client_of, open_site
from ftlite.shell.shell import Shell

#: Verbs that would take the session away from under the shell, or open what only a transfer may.
_OURS = frozenset({"USER", "PASS", "ACCT", "REIN", "QUIT", "AUTH", "PROT", "PBSZ", "OPTS", "CWD", "CDUP", "XCWD",
                   "XCUP", "REST", "RNFR", "PASV", "EPSV", "PORT", "EPRT", "TYPE", "MODE", "STRU", "ALLO", "ABOR",
                   "CCC", "HOST", "LANG"})  # fmt: skip


@click.command(context_settings=RAW)
@click.argument("words", nargs=-1, type=Words, required=True, metavar="VERB [ARGUMENT]...")
def quote(words: tuple[str, ...]) -> Done:
    """Send VERB to the server as it is, and show the reply. Paths in it are the server's, so make them absolute.

    Transfers, and what changes the session itself, are refused: get, put, ls, cd and open do that.
    """

    async def work(shell: Shell, voice: Voice) -> None:
        await _send(shell, voice, words[0].upper(), " ".join(words[1:]))

    return action("quote", work)


@click.command(context_settings=RAW)
@click.argument("words", nargs=-1, type=Words, required=True, metavar="COMMAND [ARGUMENT]...")
def site(words: tuple[str, ...]) -> Done:
    """Send SITE COMMAND to the server, and show the reply: SITE HELP lists what there is."""

    async def work(shell: Shell, voice: Voice) -> None:
        await _send(shell, voice, "SITE", " ".join(words))

    return action("site", work)


async def _send(shell: Shell, voice: Voice, verb: str, argument: str) -> None:
    row = VERBS.get(verb)
    if verb in _OURS or (row is not None and row.transfer):
        raise ClientError(Outcome.USAGE, f"{verb} is not sent by quote", remedy="get, put, ls, cd and open do that")

    async def ask(session: ClientSession) -> Reply:
        return await session.ask(verb, argument)

    client = await client_of(shell, voice)
    answer = await client.run(ask)
    for index, line in enumerate(answer.lines):
        voice.line(f"{answer.code}{' ' if index == len(answer.lines) - 1 else '-'}{line}")
    if answer.refused or answer.failed:
        raise from_reply(argument or verb, verb, answer)
    voice.succeeded()


@click.command()
def status() -> Done:
    """Say where one stands, how the connection is protected, which dialect it speaks, and what runs."""

    async def work(shell: Shell, voice: Voice) -> None:
        place = open_site(shell)
        client = await client_of(shell, voice)
        began = time.monotonic()
        await client.run(lambda session: session.ask("NOOP"))
        way = 1000 * (time.monotonic() - began)
        rows = {
            "server": str(place.address),
            "directory": place.cwd,
            "greeting": client.greeting.first,
            "encrypted": "yes" if client.secured else "no: names, files and passwords travel in clear",
            "dialect": "native" if client.native else "stock",
            "round trip": f"{way:.1f} ms",
            "running": f"{len(shell.jobs.background())} in the background",
        }
        if voice.json:
            voice.event("status", **{key.replace(" ", "_"): value for key, value in rows.items()})
            return
        for key, value in rows.items():
            voice.line(f"{key + ':':<12} {value}")

    return action("status", work)
