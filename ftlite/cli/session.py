"""From options to connected clients: runs a command's work under Trio, with signals, and closes what was opened."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import click

from ftlite.cli import exits, places
from ftlite.cli.credentials import Login, find_login
from ftlite.cli.flags import Options
from ftlite.cli.proxies import proxy_for
from ftlite.cli.voice import Voice

if TYPE_CHECKING:
    from ftlite.client import Client
    from ftlite.client.address import Address

Work = Callable[["Session"], Awaitable[None]]


def address_of(text: str) -> Address:
    """Parse an address from argv; what is wrong with it is a usage error."""
    from ftlite.client.address import parse_address
    from ftlite.client.errors import ClientError

    try:
        return parse_address(text)
    except ClientError as error:
        raise click.UsageError(str(error)) from None


def voice_for(command: str, options: Options) -> Voice:
    """The voice that `options` ask for."""
    return Voice(command, quiet=options.quiet, verbose=options.verbose, json_lines=options.json)


def perform(options: Options, voice: Voice, addresses: list[Address], work: Work) -> int:
    """Do `work` with a session that can reach `addresses`; tell what went wrong; the exit code.

    Passwords are found before anything connects, since asking for one must not stop a running loop.
    """
    import trio

    try:
        session = Session(options, voice, addresses)
        stopped = trio.run(_with_signals, session, work)
        if stopped is not None:
            voice.stopped(128 + stopped)
    except Exception as error:
        if all(isinstance(leaf, BrokenPipeError) for leaf in exits.leaves(error)):
            raise BrokenPipeError from error
        voice.failed(error)
    return voice.close()


async def _with_signals(session: Session, work: Work) -> int | None:
    """Run `work`; the number of the signal that cut it short, or None. A second signal ends the process at once."""
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
            async with session:
                await work(session)
        watchers.cancel_scope.cancel()
    return caught[0] if scope.cancelled_caught else None


class Session:
    """Gives a connected client for an address, one for each server, and closes them all in the end."""

    def __init__(self, options: Options, voice: Voice, addresses: list[Address]) -> None:
        self.options = options
        self.voice = voice
        self._logins: dict[tuple[object, ...], Login] = {}
        self._clients: dict[tuple[object, ...], Client] = {}
        self._stack = contextlib.AsyncExitStack()
        for address in addresses:
            if _server(address) not in self._logins:
                self._logins[_server(address)] = find_login(options, address.user, address.host, voice.warn)

    async def __aenter__(self) -> Session:
        await self._stack.__aenter__()
        return self

    async def __aexit__(self, *details: object) -> bool | None:
        return await self._stack.__aexit__(*details)  # type: ignore[arg-type]

    async def client(self, address: Address) -> Client:
        """The client for the server of `address`, connected at the first call. ClientError as `connect` raises it."""
        server = _server(address)
        if server not in self._clients:
            self._clients[server] = await self._stack.enter_async_context(self._connect(address, self._logins[server]))
        return self._clients[server]

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

    @contextlib.asynccontextmanager
    async def _connect(self, address: Address, login: Login) -> AsyncIterator[Client]:
        from ftlite.client import KnownServers, connect

        options = self.options
        by_name = options.pin is not None or options.cacert is not None
        async with connect(
            address,
            user=login.user,
            password=login.password,
            account=login.account,
            port=options.port,
            tls=options.tls,
            cacert=options.cacert,
            pin=options.pin,
            trust=None if by_name else KnownServers(places.known_servers(), accept_new=options.accept_new),
            connect_timeout=options.connect_timeout,
            stall_timeout=options.stall_timeout,
            max_time=options.max_time,
            retries=options.retries,
            connections=options.parallel,
            limit_rate=options.limit_rate,
            require=options.require,
            notice=self.voice.warn,
            dialect=options.dialect,
            digest=options.digest,
            proxy=proxy_for(address.host, options.port or address.effective_port, os.environ),
        ) as client:
            yield client


def _server(address: Address) -> tuple[object, ...]:
    return (address.scheme, address.host.lower(), address.port, address.user)
