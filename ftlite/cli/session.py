"""From options to connected clients: carries out what a command is to do, under Trio, with signals, and closes what was
opened."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from attrs import frozen

from ftlite.cli import exits
from ftlite.cli.options import Options
from ftlite.cli.run import started
from ftlite.cli.servers import Logins, Servers, options_at
from ftlite.cli.surroundings import Pattern, address_of, addresses_of, here
from ftlite.cli.voice import Voice

if TYPE_CHECKING:
    import trio

    from ftlite.cli.credentials import Login
    from ftlite.client import Client
    from ftlite.client.address import Address

__all__ = [
    "Action", "Done", "Session", "address_of", "addresses_of", "carry_out", "perform", "perform_each", "run_action",
    "voice_for",
]  # fmt: skip

Work = Callable[["Session"], Awaitable[None]]


@frozen
class Action:
    """What a command is to do, once its words are understood: `work` with a session that can reach `addresses`."""

    options: Options
    voice: Voice
    addresses: tuple[Address, ...]
    work: Work


#: What a command comes to: its exit code, or what is left to be carried out by whoever called it.
Done = int | Action


def perform(options: Options, voice: Voice, addresses: Iterable[Address | Pattern], work: Work) -> Action:
    """The last line of a command: `work` is to be done with a session that can reach `addresses`."""
    plain = tuple(one.at if isinstance(one, Pattern) else one for one in addresses)
    return Action(options, voice, plain, work)


def perform_each(
    options: Options,
    voice: Voice,
    addresses: Sequence[Address | Pattern],
    one: Callable[[Session, Address], Awaitable[None]],
) -> Action:
    """`perform`: `one` is to be done for each thing that `addresses` come to; a failure is told, and the next tried."""

    async def work(session: Session) -> None:
        async for source in session.each(addresses):
            await session.attempt(one(session, source), path=source.path)

    return perform(options, voice, addresses, work)


def voice_for(command: str, options: Options) -> Voice:
    """The voice that `options` ask for, here."""
    place = here()
    return Voice(
        command,
        quiet=options.quiet or not place.remarks,
        verbose=options.verbose,
        json_lines=options.json,
        out=place.out,
        stdin=place.stdin,
        foreground=place.foreground,
        sums_up=place.sums_up,
    )


def run_action(action: Action) -> int:
    """Carry out `action` in a loop of its own; tell what went wrong; the exit code.

    Passwords are found before anything connects, since asking for one must not stop a running loop.
    """
    import trio

    voice = action.voice
    try:
        logins = Logins()
        for address in action.addresses:
            logins.know(address, action.options, voice)
        started()
        stopped = trio.run(_with_signals, logins, action)
        if stopped is not None:
            voice.stopped(128 + stopped)
    except Exception as error:
        _failed(voice, error)
    return voice.close()


def _failed(voice: Voice, error: Exception) -> None:
    if all(isinstance(leaf, BrokenPipeError) for leaf in exits.leaves(error)):
        raise BrokenPipeError from error
    voice.failed(error)


async def carry_out(action: Action, servers: Servers) -> int:
    """Carry out `action` with servers that outlive it; tell what went wrong; the exit code.

    Raises:
        BrokenPipeError: whoever read the output is gone.
    """
    voice, options = action.voice, action.options
    try:
        for address in action.addresses:
            await servers.know(address, options, voice)
        await _work(action, servers)
    except Exception as error:
        _failed(voice, error)
    return voice.close()


def _options(action: Action) -> Options:
    """The options that the work sees: what the one site says that it is about is among them."""
    there = [options_at(action.options, address) for address in action.addresses]
    return there[0] if there and all(each == there[0] for each in there) else action.options


async def _work(action: Action, servers: Servers) -> None:
    import trio

    voice, options = action.voice, _options(action)
    limit = options.max_time if options.max_time is not None else float("inf")
    async with _telling(voice):
        with trio.move_on_after(limit) as clock:
            await action.work(Session(options, voice, servers, clock))
    if clock.cancelled_caught:
        what = action.addresses[0].host if action.addresses else voice.command
        raise exits.CliError("TIMEOUT", f"{what}: not done within {limit:g} s; raise --max-time, or resume")


@contextlib.asynccontextmanager
async def _telling(voice: Voice) -> AsyncIterator[None]:
    """Within this, what is under way is told every 30 s where no bars show it."""
    import trio

    from ftlite.client.nursery import open_plain_nursery

    async def beat() -> None:
        while True:
            await trio.sleep(HEARTBEAT)
            voice.heartbeat()

    async with open_plain_nursery() as nursery:
        nursery.start_soon(beat)
        yield
        nursery.cancel_scope.cancel()


HEARTBEAT = 30.0  # seconds


async def _with_signals(logins: Logins, action: Action) -> int | None:
    """Carry out `action`; the number of the signal that cut it short, or None. A second ends the process at once."""
    import trio

    caught: list[int] = []

    async def watch(scope: trio.CancelScope, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            task_status.started()
            async for number in signals:
                if caught:
                    os._exit(128 + number)
                caught.append(number)
                scope.cancel()

    # The watcher outlives the work, so that it still hears a second signal while the work is tidied up.
    async with trio.open_nursery() as watchers:
        scope = trio.CancelScope()
        await watchers.start(watch, scope)
        with scope:
            async with Servers(logins) as servers:
                await _work(action, servers)
        watchers.cancel_scope.cancel()
    return caught[0] if scope.cancelled_caught else None


class Session:
    """What a command's work has: its options, its voice, and a connected client for each server."""

    def __init__(self, options: Options, voice: Voice, servers: Servers, clock: trio.CancelScope) -> None:
        self.options = options
        self.voice = voice
        self._servers = servers
        self._clock = clock

    async def client(self, address: Address, *, apart: bool = False) -> Client:
        """The client for the server of `address`, connected at the first call. ClientError as `connect` raises it.

        `apart`: with connections of its own, for who needs one beside those that others of its tasks hold.
        """
        return await self._servers.client(address, self.options, self.voice, self._clock, apart=apart)

    def login(self, address: Address) -> Login:
        """How to log in to the server of `address`."""
        return self._servers.logins.of(address, self.options)

    async def each(self, addresses: Iterable[Address | Pattern]) -> AsyncIterator[Address]:
        """The addresses, each pattern replaced by what it matches, in the order of their names.

        Raises:
            CliError: NOT_FOUND: nothing matches.
            ClientError: as `client` and `list` raise it.
        """
        for one in addresses:
            if not isinstance(one, Pattern):
                yield one
                continue
            from ftlite.cli.patterns import matches

            async for found in matches(await self.client(one.at), one.at):
                yield found

    async def attempt(self, action: Awaitable[None], **fields: str) -> None:
        """Await `action`; a failure that concerns its thing alone is told with `fields`, and the next may be tried.

        Raises:
            ClientError: the server cannot be reached or does not let us in, so that there is no next.
        """
        from ftlite.client import ClientError, Outcome

        try:
            await action
        except ClientError as error:
            if error.outcome in (Outcome.CONNECT, Outcome.LOGIN, Outcome.TLS, Outcome.PIN):
                raise
            self.voice.failed(error, **fields)
        except (exits.CliError, FileNotFoundError, PermissionError) as error:
            self.voice.failed(error, **fields)
