"""``ftlite chmod`` and ``ftlite touch``: what is known of a name beside its content."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from ftlite.cli.exits import CliError
from ftlite.cli.flags import client_flags
from ftlite.cli.options import Options
from ftlite.cli.session import Done, Session, addresses_of, perform, perform_each, voice_for
from ftlite.cli.targets import below, is_directory
from ftlite.protocol.entries import Entry, Kind

if TYPE_CHECKING:
    from ftlite.client.address import Address

_CLAUSE = re.compile(r"([ugoa]*)([-+=])([rwxX]*)\Z")
_BITS = {"r": 4, "w": 2, "x": 1}
_SHIFT = {"u": 6, "g": 3, "o": 0}


def mode(value: str) -> str:
    """``755``, or changes as in ``u+x,go-w``; anything else is a usage error."""
    if not re.fullmatch("0?[0-7]{3}", value) and not all(_CLAUSE.match(part) for part in value.split(",")):
        raise click.BadParameter(f"{value!r} is no mode: write 755, or changes such as u+x,go-w")
    return value


def changed(mode: str, now: int, directory: bool) -> int:
    """The permission bits that `mode` (as `mode` takes it) makes of `now`; X is x where it is a directory or was x."""
    if mode.isdigit():
        return int(mode, 8)
    for part in mode.split(","):
        who, operator, what = _CLAUSE.match(part).groups()  # type: ignore[union-attr]
        bits = 0
        for letter in what:
            if letter == "X":
                bits |= 1 if directory or now & 0o111 else 0
            else:
                bits |= _BITS[letter]
        for one in "ugo" if not who or "a" in who else who:
            shift = _SHIFT[one]
            if operator == "+":
                now |= bits << shift
            elif operator == "-":
                now &= ~(bits << shift)
            else:
                now = now & ~(7 << shift) | bits << shift
    return now & 0o777


@click.command()
@click.argument("bits", type=mode, metavar="MODE")
@click.argument("address", nargs=-1, required=True)
@client_flags("recursive")
def chmod(options: Options, bits: str, address: tuple[str, ...]) -> Done:
    """Give the names at ADDRESS the permissions MODE: 755, or changes such as u+x,go-w; a-x, not -x.

    With -r also everything below, but not what links there lead to.
    """
    sources = addresses_of(address)
    voice = voice_for("chmod", options)

    async def one(session: Session, source: Address, path: str, known: Entry | None) -> None:
        client = await session.client(source)
        held = 0
        if not bits.isdigit():
            entry = known if known is not None and known.mode is not None else await client.stat(path)
            if entry.mode is None:
                raise CliError("OTHER", f"{path}: the server does not tell its mode; write the new one in octal")
            held = entry.mode
            directory = is_directory(entry)
        else:
            directory = False
        new = changed(bits, held, directory)
        await client.chmod(path, new)
        voice.succeeded()
        voice.event("changed", path=path, mode=f"{new:04o}")
        voice.detail(f"{path}: {new:04o}")

    async def below_it(session: Session, source: Address) -> None:
        client = await session.client(source)
        if not is_directory(await client.stat(source.path)):
            return
        async for inner, entry in client.walk(source.path):
            if entry.kind is not Kind.LINK:
                path = below(source.path, inner)
                await session.attempt(one(session, source, path, entry), path=path)

    async def work(session: Session) -> None:
        async for source in session.each(sources):
            failed = len(voice.tally.failures)
            await session.attempt(one(session, source, source.path, None), path=source.path)
            if options.recursive and len(voice.tally.failures) == failed:
                await session.attempt(below_it(session, source), path=source.path)

    return perform(options, voice, sources, work)


def instant(value: str) -> int:
    """Nanoseconds since the epoch out of a time by ISO 8601, in UTC unless it says otherwise."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is no time: write 2026-11-22T10:15:00, in UTC, or with +01:00 behind it"
        ) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) * 1_000_000_000


@click.command()
@click.argument("address", nargs=-1, required=True)
@click.option("-t", "--time", "moment", type=instant, metavar="TIME", help="Instead of now: 2026-11-22T10:15:00, UTC.")
@click.option("--no-create", is_flag=True, help="Leave alone what is not there.")
@client_flags()
def touch(options: Options, address: tuple[str, ...], moment: int | None, no_create: bool) -> Done:
    """Give what is at ADDRESS the time of now; make an empty file where nothing is."""
    sources = addresses_of(address)
    voice = voice_for("touch", options)

    async def one(session: Session, source: Address) -> None:
        from ftlite.client import ClientError, Outcome

        client = await session.client(source)
        stamp = moment if moment is not None else int(time.time()) * 1_000_000_000
        try:
            await client.set_modified(source.path, stamp)
        except ClientError as error:
            if error.outcome is not Outcome.NOT_FOUND:
                raise
            if no_create:
                return
            try:
                await client.put_stream(lambda _: b"", source.path, if_absent=True)
            except ClientError as taken:  # 550 was for another reason: MFMT of a directory, with pyftpdlib
                raise (error if taken.outcome is Outcome.EXISTS else taken) from None
            if moment is not None:
                await client.set_modified(source.path, stamp)
        voice.succeeded()
        voice.event("changed", path=source.path)

    return perform_each(options, voice, sources, one)
