"""A server's life as a process: ready, reloaded by SIGHUP, drained by SIGTERM, stopped by the second one."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping

import trio
from attrs import frozen

from ftlite.cli import exits, systemd
from ftlite.cli.announce import Welcome, announce, bracketed
from ftlite.config.errors import ConfigError
from ftlite.config.models import ServerConfig, User
from ftlite.net.tls import ServerTls
from ftlite.server import EventLog, Server

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@frozen
class Plan:
    """All that was decided before the loop starts.

    Attributes:
        users: reads the accounts afresh; ConfigError when they cannot be used.
        inherited: listening descriptors from systemd.
    """

    config: ServerConfig
    tls: ServerTls | None
    users: Callable[[], Mapping[str, User]]
    welcome: Welcome
    inherited: tuple[int, ...]
    json_logs: bool


async def serve_until_stopped(plan: Plan, log: EventLog) -> int:
    """Serve; the exit code: 0 after a drain, 130 or 143 when a second signal stopped it at once.

    Raises:
        NetError: an address cannot be bound.
    """
    server = Server(plan.config, log, plan.tls)
    stopped: list[int] = []
    async with trio.open_nursery() as nursery:
        with trio.open_signal_receiver(*_SIGNALS) as signals:
            endpoints = await nursery.start(_run, server, plan.inherited, nursery.cancel_scope)
            bound = " ".join(f"{bracketed(at.host)}:{at.port}" for at in endpoints)
            log.event("server.ready", endpoints=bound, pid=os.getpid())
            announce(plan.config, endpoints, plan.welcome, as_json=plan.json_logs)
            systemd.notify("READY=1")
            draining = False
            async for number in signals:
                if number == signal.SIGHUP:
                    await _reload(server, plan, log)
                elif draining:
                    stopped.append(number)
                    nursery.cancel_scope.cancel()
                else:
                    draining = True
                    systemd.notify("STOPPING=1")
                    nursery.start_soon(server.drain)
    return 128 + stopped[0] if stopped else exits.OK


async def _run(
    server: Server,
    inherited: tuple[int, ...],
    scope: trio.CancelScope,
    task_status: trio.TaskStatus[object] = trio.TASK_STATUS_IGNORED,
) -> None:
    await server.run(inherited=inherited, task_status=task_status)
    scope.cancel()  # drained: nothing is left to wait for


async def _reload(server: Server, plan: Plan, log: EventLog) -> None:
    """Take accounts and certificate as they are now; what cannot be used leaves the old ones in place."""
    try:
        users = await trio.to_thread.run_sync(plan.users)
    except ConfigError as error:
        log.event("server.reload-failed", error=str(error))
    else:
        await server.reload(users)
