"""The servers that commands talk to: how to log in there, and one connected client for each."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ftlite.cli import places
from ftlite.cli.asking import on_terminal
from ftlite.cli.credentials import Login, find_login
from ftlite.cli.options import Options
from ftlite.cli.proxies import proxy_for
from ftlite.cli.voice import Voice

if TYPE_CHECKING:
    import trio

    from ftlite.client import Client, ClientError
    from ftlite.client.address import Address
    from ftlite.client.trust import Ask


class Logins:
    """How to log in to the servers that a command talks to."""

    def __init__(self) -> None:
        self._found: dict[tuple[object, ...], Login] = {}

    def knows(self, address: Address, options: Options) -> bool:
        """Whether `know` was called for it."""
        return _server(address, options) in self._found

    def know(self, address: Address, options: Options, voice: Voice) -> None:
        """Find out how to log in. May run a command or ask on the terminal, so it blocks. CliError as `find_login`."""
        server = _server(address, options)
        if server not in self._found:
            there = options_at(options, address)
            login = find_login(there, address.user, address.host, voice.warn, may_ask=voice.foreground)
            self._found[server] = login

    def of(self, address: Address, options: Options) -> Login:
        """The login that `know` found."""
        return self._found[_server(address, options)]


class Servers:
    """A client for each server that is talked to, closed when the scope ends.

    One that is asked for with other terms of connecting (another port, another pin) is another server.

    Args:
        ask: asked about a server that nobody vouches for; None: whoever sits at the terminal, if there is one.
    """

    def __init__(self, logins: Logins, ask: Ask | None = None) -> None:
        import trio

        self.logins = logins
        self._ask = ask if ask is not None else on_terminal()
        self._clients: dict[tuple[object, ...], Client] = {}
        #: How many connections all that runs would use at once, so that nobody waits for others to end.
        self.in_use: Callable[[], int] = lambda: 0
        self._opening = trio.Lock()
        #: Told when a server that was lost is connected to again, with what had broken it.
        self.on_reopened: Callable[[ClientError], None] = lambda error: None
        self._leaving = trio.Event()
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Servers:
        from ftlite.client.nursery import open_plain_nursery

        self._nursery = await self._stack.enter_async_context(open_plain_nursery())
        return self

    async def __aexit__(self, *details: object) -> bool | None:
        self._leaving.set()
        return await self._stack.__aexit__(*details)  # type: ignore[arg-type]

    async def know(self, address: Address, options: Options, voice: Voice) -> None:
        """Find out how to log in there, in a worker, unless that is known. CliError as `find_login`."""
        import trio

        if not self.logins.knows(address, options):
            await trio.to_thread.run_sync(self.logins.know, address, options, voice)

    async def client(
        self,
        address: Address,
        options: Options,
        voice: Voice,
        clock: trio.CancelScope | None = None,
        *,
        apart: bool = False,
    ) -> Client:
        """The client for a server that is known, connected at the first call. It works by `options`, and tells `voice`.

        Args:
            clock: what does not run while somebody is asked whether to trust the server.
            apart: another one than that of who does not say so, with connections of its own.

        Raises:
            ClientError: as `connect` raises it.
        """
        options = options_at(options, address)
        server = (*_server(address, options), apart)
        async with self._opening:
            held = self._clients.get(server)
            if held is None:
                login = self.logins.of(address, options)
                self._clients[server] = await self._nursery.start(self._hold, address, login, options, voice, clock)
                return self._clients[server]
        held.pool.widen(self.in_use())
        return _working(held, options, voice)

    def standing(self, address: Address, options: Options, voice: Voice) -> Client | None:
        """As `client`, where that was called before and need not connect or ask; else None."""
        options = options_at(options, address)
        held = self._clients.get((*_server(address, options), False))
        if held is None:
            return None
        held.pool.widen(self.in_use() + 1)
        return _working(held, options, voice)

    async def _hold(
        self, address: Address, login: Login, options: Options, voice: Voice, clock: trio.CancelScope | None,
        task_status: trio.TaskStatus[Client],
    ) -> None:  # fmt: skip
        """Keep a connection for everybody who asks, in a task of its own: whoever asks first may end first."""
        from ftlite.client.connecting import connect, pausing

        ask = self._ask if voice.foreground else None
        ask = pausing(ask, clock) if ask is not None and clock is not None else ask
        async with connect(address, ask=ask, **settings(address, login, options, voice)) as client:
            client.pool.on_reopened = lambda error: self.on_reopened(error)
            task_status.started(client)
            await self._leaving.wait()


def _working(client: Client, options: Options, voice: Voice) -> Client:
    return client.working(
        connections=options.parallel,
        limit_rate=options.limit_rate,
        require=options.require,
        digest=options.digest,
        retries=options.retries,
        notice=voice.warn,
    )


def settings(address: Address, login: Login, options: Options, voice: Voice) -> dict[str, Any]:
    """What `connect` takes, beside the address, from what the flags say."""
    from ftlite.client import KnownServers

    by_name = options.pin is not None or options.cacert is not None
    return {
        "user": login.user,
        "password": login.password,
        "account": login.account,
        "port": options.port,
        "tls": options.tls,
        "cacert": options.cacert,
        "pin": options.pin,
        "trust": None if by_name else KnownServers(places.known_servers(), accept_new=options.accept_new),
        "connect_timeout": options.connect_timeout,
        "stall_timeout": options.stall_timeout,
        "retries": options.retries,
        "connections": options.parallel,
        "limit_rate": options.limit_rate,
        "require": options.require,
        "notice": voice.warn,
        "dialect": options.dialect,
        "digest": options.digest,
        "proxy": _proxy(options, address),
    }


def _server(address: Address, options: Options) -> tuple[object, ...]:
    there = options_at(options, address)
    return (address.scheme, address.host.lower(), address.port, address.user, there.connecting)


def _proxy(options: Options, address: Address) -> str | None:
    if options.proxy is not None:
        return None if options.proxy == "none" else options.proxy
    return proxy_for(address.host, options.port or address.effective_port, os.environ)


def options_at(options: Options, address: Address) -> Options:
    """`options` as they are for the server of `address`, which may be a site."""
    from ftlite.cli import sites

    return sites.options_at(options, address)
