"""The server: listens, gives each connection a session, reloads, sweeps, drains. Knows sessions, not verbs."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

import trio

from ftlite.config.models import Endpoint, HashPolicy, ServerConfig, TlsMode, User
from ftlite.gate.accounts import Keeper
from ftlite.net.errors import NetError
from ftlite.net.listen import open_listeners
from ftlite.net.passive import PassivePool
from ftlite.net.tls import ServerTls
from ftlite.net.wire import Wire
from ftlite.protocol.addresses import normal_host
from ftlite.protocol.replies import Reply, reply
from ftlite.server import garbage
from ftlite.server.census import Census
from ftlite.server.channel import Channel, Hangup
from ftlite.server.conversation import Conversation
from ftlite.server.digesting import IdleDigests
from ftlite.server.log import EventLog
from ftlite.server.services import Services
from ftlite.server.session import Session
from ftlite.server.strangers import Strangers
from ftlite.server.waiting import Waiting
from ftlite.storage.errors import StorageError
from ftlite.storage.local import LocalStore

_SWEEP_EVERY = 600.0
_SHORT = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_ACCEPT_AGAIN = 0.1
_CLOCKS_AT_ONCE = 100
_GOING = "The server is going down; try again later."


class Server:
    """Serves one root to the users of its configuration.

    Args:
        config: whole and valid.
        log: where events go.
        tls: certificate and key, or None when the configuration turns TLS off.
    """

    def __init__(self, config: ServerConfig, log: EventLog, tls: ServerTls | None) -> None:
        self._config = config
        self._log = log
        self._users: Mapping[str, User] = {user.name: user for user in config.users}
        self._conversations: set[Conversation] = set()
        self._empty = trio.Event()  #: the last session is gone while draining
        self._drained = trio.Event()
        self.endpoints: list[Endpoint] = []
        limits = config.limits
        store = LocalStore(config.root, config.storage)
        self.services = Services(
            config=config,
            log=log,
            store=store,
            waiting=Waiting(store),
            keeper=Keeper(limits, lambda: self._users),
            passive=PassivePool(config.passive),
            tls=None if config.tls.mode is TlsMode.OFF else tls,
            census=Census(limits),
            disk=trio.CapacityLimiter(limits.workers),
            hashes=trio.CapacityLimiter(limits.hashes),
            beside=trio.CapacityLimiter(limits.workers),
        )
        self._strangers = Strangers(self.services)
        self._idle = IdleDigests(self.services)
        if config.storage.hash is HashPolicy.ALL:
            self.services.idle_digests = self._idle.remember

    async def run(
        self,
        *,
        inherited: tuple[int, ...] = (),
        task_status: trio.TaskStatus[list[Endpoint]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve until drained or cancelled; `task_status` gets the bound endpoints.

        Args:
            inherited: descriptors of sockets that listen already (systemd); they replace the configured ones, in order.

        Raises:
            NetError: an address cannot be bound.
        """
        listeners = await open_listeners(self._config.listen, inherited=inherited)
        self.endpoints = [listener.endpoint for listener in listeners]
        garbage.settle()
        try:
            async with trio.open_nursery() as nursery:
                for listener in listeners:
                    nursery.start_soon(self._accept, listener.stream_listener, listener.endpoint.implicit)
                nursery.start_soon(self._sweep)
                nursery.start_soon(self._bury)
                nursery.start_soon(self._log.keep_writing)
                nursery.start_soon(self.keep_time)
                nursery.start_soon(self._idle.run)
                nursery.start_soon(garbage.collect, lambda: len(self._conversations))
                task_status.started(self.endpoints)
                await self._drained.wait()
                nursery.cancel_scope.cancel()
        finally:
            self.services.passive.close()
            self.services.store.close()

    async def drain(self) -> None:
        """End: idle sessions now, those with transfers within `config.drain` seconds; new ones get 421 meanwhile."""
        self.services.draining = True
        self._log.event("server.drain", sessions=len(self._conversations), seconds=self._config.drain)
        with trio.move_on_after(self._config.drain):
            async with trio.open_nursery() as nursery:
                for conversation in list(self._conversations):
                    nursery.start_soon(conversation.dismiss, "The server is going down; goodbye.")
            if self._conversations:
                await self._empty.wait()
        self._drained.set()

    async def reload(self, users: Mapping[str, User]) -> None:
        """Take `users` for logins from now on, and the certificate as it is on the disk now. Sessions go on."""
        self._users = users
        if self.services.tls is not None:
            try:
                await self.services.on_disk(self.services.tls.reload)
            except NetError as error:  # the last good pair stays in use
                self._log.event("tls.kept", error=str(error))
        self._log.event("server.reload", users=len(users))

    async def _accept(self, listener: trio.SocketListener, implicit: bool) -> None:
        async def handle(stream: trio.SocketStream) -> None:
            try:
                ends = stream.socket.getpeername(), stream.socket.getsockname()
            except OSError:  # gone before we looked
                await trio.aclose_forcefully(stream)
                return
            sock = socket.socket(fileno=stream.socket.detach())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)  # Telnet's Synch (RFC 959 s.4.1.3)
            peer, local = (normal_host(end[0].partition("%")[0]) for end in ends)
            await self.serve(Wire(sock), peer=peer, local=local, implicit=implicit)

        short = False
        async with trio.open_nursery() as nursery, listener:
            while True:
                try:
                    stream = await listener.accept()
                except OSError as error:
                    if error.errno not in _SHORT:
                        raise
                    if not short:  # one line for each shortage; those who wait, wait in the kernel's queue
                        self._log.event("accept.failed", error=error.strerror)
                    short = True
                    await trio.sleep(_ACCEPT_AGAIN)
                else:
                    short = False
                    nursery.start_soon(handle, stream)

    async def serve(self, wire: Wire, *, peer: str, local: str, implicit: bool = False) -> None:
        """One connection, from the limits to the log; a fault in it ends it alone. Arguments as for `Session`."""
        census, since = self.services.census, trio.current_time()
        full = _GOING if self.services.draining else census.enter(peer)
        counted = full is None

        def leave() -> None:
            nonlocal counted
            if counted:
                counted = False
                census.leave(peer)

        try:
            greeting = reply(220, self._config.banner) if full is None else reply(421, full)
            seen = await self._strangers.meet(wire, greeting, peer=peer, implicit=implicit, is_data=leave)
            if seen is None:
                return
            if full is not None:
                await self._turn_away(wire, reply(421, full) if implicit else None)
            elif self.services.draining:
                await self._turn_away(wire, reply(421, _GOING))
            else:
                session = Session(self.services, wire, peer=peer, local=local, implicit=implicit)
                await self._converse(Conversation(session, implicit=implicit, seen=seen, since=since))
        except Exception as error:
            self._log.event("session.fault", peer=peer, error=_describe(error))
        finally:
            leave()

    async def _converse(self, conversation: Conversation) -> None:
        self._conversations.add(conversation)
        try:
            await conversation.run()
        except Exception as error:  # one session's bug must not end the others; it is logged as what it is
            self._log.event("session.fault", session=conversation.session.id, error=_describe(error))
        finally:
            self._conversations.discard(conversation)
            if self.services.draining and not self._conversations:
                self._empty.set()

    async def keep_time(self) -> None:
        """Look at the clocks of all sessions now and again; a task of the server."""
        limits = self._config.limits
        tick = min(1.0, limits.idle / 4, limits.login / 4, limits.spare / 4)
        while True:
            await trio.sleep(tick)
            waiting = list(self._conversations)
            while waiting:
                conversation = waiting.pop()  # one by one: of those that end meanwhile this is the last holder
                if conversation in self._conversations:
                    conversation.keep_time(trio.current_time())
                if len(waiting) % _CLOCKS_AT_ONCE == 0:  # thousands in one step would keep all others waiting
                    await trio.lowlevel.checkpoint()

    async def _turn_away(self, wire: Wire, answer: Reply | None) -> None:
        """End a session that cannot be, with `answer` if it has had none yet."""
        limits = self._config.limits
        channel = Channel(wire, line_limit=limits.line, reply_deadline=2.0)
        if answer is not None:
            with suppress(Hangup):
                await channel.send(answer)
        await channel.close()

    async def _sweep(self) -> None:
        """Remove parts that nobody came back for, at the start and then now and again."""
        while True:
            try:
                swept = await self.services.on_disk(lambda: self.services.store.sweep(time.time()))
            except StorageError as error:
                self._log.event("sweep.failed", error=str(error))
            else:
                if swept:
                    self._log.event("sweep.done", parts=swept)
            await trio.sleep(_SWEEP_EVERY)

    async def _bury(self) -> None:
        """Remove trees that were replaced, after the replies of those who replaced them."""
        while True:
            await self.services.old_trees.wait()
            self.services.old_trees = trio.Event()
            try:
                await self.services.on_disk(self.services.store.bury)
            except StorageError as error:
                self._log.event("bury.failed", error=str(error))


def _describe(error: BaseException) -> str:
    """The first error inside, with where it was raised: enough to find it, in one line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else "?"
    return f"{type(error).__name__}: {error} ({where})"
