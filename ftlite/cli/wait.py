"""``ftlite wait``: until something is published under a name."""

from __future__ import annotations

import click

from ftlite.cli.flags import client_flags, duration, flag
from ftlite.cli.look import utc
from ftlite.cli.options import Options
from ftlite.cli.session import Done, Session, address_of, perform, voice_for
from ftlite.cli.targets import is_directory


@click.command()
@click.argument("address")
@client_flags()
@flag("FTLITE", "--timeout", type=duration, metavar="TIME", default=60.0, help="At most so long; 60s unless given.")
@flag("FTLITE", "--since", metavar="VERSION", help="Something else than this, which an earlier wait told with --json.")
@flag("FTLITE", "--any", "any_directory", is_flag=True, help="Let any directory count, not only a tree that was put.")
def wait(options: Options, address: str, timeout: float, since: str | None, any_directory: bool) -> Done:
    """Wait until something is published at ADDRESS; at once, when it stands there already.

    Exit code 6 when it does not come in time, 11 when its producer said that it failed (ftlite put --failed).

    A native server answers the moment that it is there. Any other is asked again and again, and a file there counts
    when it has stayed the same between two looks.
    """
    source = address_of(address)
    voice = voice_for("wait", options)

    async def work(session: Session) -> None:
        client = await session.client(source)
        entry = await client.wait(source.path, timeout, since, any_directory)
        voice.succeeded()
        kind = "dir" if is_directory(entry) else "file"
        modify = utc(entry.modify_ns) if entry.modify_ns is not None else None
        voice.event("published", path=source.path, kind=kind, size=entry.size, modify=modify, version=entry.unique)
        voice.say(f"{source.path}: it is there")

    return perform(options, voice, [source], work)
