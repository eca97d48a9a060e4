"""How a session talks: commands are read in order, each is answered, and one job may run beside.

The conversation is one task that reads and answers; a job (a transfer, a listing, a digest) is one more task with a
cancel scope of its own. While a job runs, commands whose row says `during` are answered at once and the others wait
their turn, bounded, so replies keep the order of commands. ABOR cancels the job wherever it stands in that line. The
end of the control connection cancels everything.

The idle and login clocks are looked at from outside (`keep_time`, about once a second): a deadline of its own for every
wait would cost more than the rest of a small command.

In native mode, commands with a tag are taken the moment they are read, and run beside all this: see
`ftlite.server.tagging`.
"""

from __future__ import annotations

from collections import deque

import trio

from ftlite.net.errors import NetError
from ftlite.protocol.errors import BadArgument, BadCommand, LineTooLong, ProtocolError
from ftlite.protocol.native.answers import untagged
from ftlite.protocol.native.requests import ENDS_NATIVE
from ftlite.protocol.replies import Reply, reply
from ftlite.protocol.states import Login
from ftlite.protocol.verbs import Command, looks_like_http, parse_command
from ftlite.server.call import AtOnce, Call, Row
from ftlite.server.channel import Hangup
from ftlite.server.refusals import Refused, for_storage
from ftlite.server.rows import ROWS
from ftlite.server.session import Job, Session
from ftlite.server.tagging import Aborting, Tagging
from ftlite.storage.errors import StorageError

#: What waits for its turn: a command, the reply that refuses one, or an ABOR of a tag.
Item = Command | Reply | Aborting


class Conversation:
    """Runs `session`.

    Args:
        implicit: TLS comes before the greeting; else the client has been greeted.
        seen: what the client said already.
        since: trio time of the accept, which the login clock counts from.
    """

    def __init__(
        self, session: Session, *, implicit: bool = False, seen: bytes = b"", since: float | None = None
    ) -> None:
        self.session = session
        self._limits = session.services.config.limits
        self._implicit = implicit
        self._securing = False
        self._seen = seen
        self._queue: deque[Item] = deque()
        self._overlong = 0
        self._login_by = (trio.current_time() if since is None else since) + self._limits.login
        self._wait: trio.CancelScope | None = None
        self._life = trio.CancelScope()
        self._farewell: tuple[Reply | None, str] | None = None
        self._nursery: trio.Nursery
        self._tagging = Tagging(session)

    async def run(self) -> None:
        """Serve until the client leaves, a deadline passes or the task is cancelled. Raises nothing of its own."""
        self.session.event("session.open", peer=self.session.peer)
        reason = "closed"
        try:
            with self._life:
                async with trio.open_nursery() as self._nursery:
                    self._tagging.nursery = self._nursery
                    await self._serve()
                    self._nursery.cancel_scope.cancel()
            if self._farewell is not None:
                answer, reason = self._farewell
                if answer is not None:
                    await self.session.channel.send(answer)
        except* Hangup as group:
            reason = str(_first(group))
        except* NetError as group:
            reason = str(_first(group))
        finally:
            self.session.look_for_ends(give_up=True)
            self.session.log_out()
            await self.session.channel.close()
            self.session.event("session.close", reason=reason)

    async def _serve(self) -> None:
        if self._implicit:
            await self.session.make_context()
            await self._secure()
            await self.session.channel.send(reply(220, self.session.services.config.banner))
        await self.session.channel.take(self._seen)
        while not self.session.closing:
            item = await self._next()
            if item is None:
                return
            if isinstance(item, Command):
                await self._execute(item)
            else:
                await self.session.channel.send(untagged(item) if isinstance(item, Reply) else await item.answer())
            self.session.active_at = trio.current_time()
            if self.session.channel.line_waiting:  # one command a turn, however many a client sends ahead
                await trio.lowlevel.checkpoint()

    async def _next(self) -> Item | None:
        """The next item whose turn it is; None at the end of the connection."""
        while True:
            if self.session.job is None and self._queue:
                return self._queue.popleft()
            line = self._next_line()
            if line is None:
                if not await self._fill():
                    return None
                continue
            item = line if isinstance(line, Reply) else await self._parse(line)
            if item is None:
                continue
            if self.session.job is None or (not self._queue and _during(item)):
                return item
            await self._postpone(self.session.job, item)

    def _next_line(self) -> bytes | Reply | None:
        """The next complete line, or the reply that refuses it; None while it is incomplete."""
        try:
            return self.session.channel.next_line()
        except LineTooLong as error:
            self._overlong += 1
            if self._overlong > self._limits.overlong_lines:
                raise Hangup("sent over-long lines") from error
            return reply(500, "The line is too long.")

    async def _parse(self, line: bytes) -> Item | None:
        """What `line` says: a command, or the reply that refuses it; None for one with a tag, which is taken here."""
        if looks_like_http(line, self.session.dialogue.login is Login.IN):
            raise Hangup("spoke HTTP")
        try:
            command = parse_command(line, native=self.session.native is not None)
        except BadArgument as error:
            if error.tag is None:
                return reply(error.code, str(error))
            await self._tagging.refuse(error.tag, error.code, str(error), done=line[:4].upper() == b"DONE")
            return None
        except BadCommand as error:
            return reply(error.code, str(error))
        return command if command.tag is None else await self._tagging.take(command.value)

    async def _postpone(self, job: Job, item: Item) -> None:
        """Keep `item` until `job` is over; read no further when too many wait already."""
        self._queue.append(item)
        if isinstance(item, Command) and item.verb.name == "ABOR":
            job.scope.cancel()
        if len(self._queue) >= self._limits.pipelined:
            await job.done.wait()

    async def _fill(self) -> bool:
        """Wait for more bytes; False at the end of the connection."""
        self.session.look_for_ends()
        if not self._queue:
            return await self.session.channel.fill()
        with trio.CancelScope() as self._wait:  # the end of the job wakes us for what waits in line
            return await self.session.channel.fill()
        return True

    def keep_time(self, now: float) -> None:
        """End the session if it is overdue at `now` (trio time): idle for too long, or not logged in in time."""
        self.session.look_for_ends()
        self._tagging.keep_time(now)
        if self.session.dialogue.login is Login.IN and not self._securing:
            self._login_by = now + self._limits.login  # whoever gives a login up has as long again for the next
        if self._securing and now >= self._login_by:
            self.end(None, "did not finish the TLS handshake in time")
        elif self.session.dialogue.login is not Login.IN and now >= self._login_by:
            self.end(reply(421, "Log in sooner."), "did not log in in time")
        elif not self.session.busy and now >= self.session.active_at + self._limits.idle:
            self.end(reply(421, "No command for too long; goodbye."), "idle for too long")

    def end(self, answer: Reply | None, reason: str) -> None:
        """Cancel what runs, say `answer` if there is one, and close."""
        self._farewell = answer, reason
        self._life.cancel()

    async def dismiss(self, text: str) -> None:
        """Take no more commands and end with 421, when the job, if there is one, and all tags have ended."""
        await self._tagging.dismiss()
        if self.session.job is not None:
            self.session.job.give_up_waiting()
            await self.session.job.done.wait()
        self.end(reply(421, text), "dismissed")

    @property
    def commands_waiting(self) -> int:
        """How many were read whose turn has not come."""
        return len(self._queue)

    async def _secure(self) -> None:
        """The TLS handshake, under the login clock."""
        self._securing = True
        await self.session.secure()
        self._securing = False

    # --- answering -------------------------------------------------------------------------------------------------

    async def _execute(self, command: Command) -> None:
        if command.verb.name in ENDS_NATIVE:  # whatever it is answered
            await self.session.end_native()
        refusal = self.session.dialogue.admit(command)
        if refusal is not None:
            await self.session.answer(command, refusal)
            return
        row = ROWS[command.verb.name]
        if row.at_once is not None and (answers := self._try(row.at_once, Call(self.session, command, row))):
            await self.session.answer(command, *answers)
            return
        if row.job:
            self.session.job = Job(command)
            self._nursery.start_soon(self._run_job, self.session.job, row)
            return
        answer = await self._handle(row, command)
        to_secure = command.verb.name == "AUTH" and answer.code == 234
        if to_secure and self.commands_waiting:  # read while a job ran; under TLS they would pass for the client's own
            raise Hangup("sent commands after AUTH in clear")
        await self.session.answer(command, answer)
        if to_secure:
            await self._secure()

    async def _run_job(self, job: Job, row: Row) -> None:
        try:
            answer = reply(426, "The transfer was aborted.")
            with job.scope:
                answer = await self._handle(row, job.command)
            await self.session.answer(job.command, answer)
        finally:
            self.session.job = None
            self.session.active_at = trio.current_time()
            job.done.set()
            if self._wait is not None:
                self._wait.cancel()

    async def _handle(self, row: Row, command: Command) -> Reply:
        """Run the handler; whatever it raises of the known kinds becomes its reply."""
        try:
            return await row.handler(Call(self.session, command, row))
        except (Refused, StorageError, ProtocolError) as error:
            return self._refusal(row, command, error)

    def _try(self, at_once: AtOnce, call: Call) -> tuple[Reply, ...]:
        """Run the handler that does not wait; nothing when it would have to."""
        try:
            return at_once(call)
        except (Refused, StorageError, ProtocolError) as error:
            return (self._refusal(call.row, call.command, error),)

    def _refusal(self, row: Row, command: Command, error: Refused | StorageError | ProtocolError) -> Reply:
        if isinstance(error, Refused):
            return error.reply
        if isinstance(error, StorageError):
            self.session.event("storage.error", verb=command.verb.name, path=error.path, kind=error.kind.value)
            return for_storage(error, names_new=row.names_new)
        return reply(501, str(error))


def _during(item: Item) -> bool:
    """Whether `item` is answered while a job runs."""
    return isinstance(item, Aborting) or (isinstance(item, Command) and item.verb.during)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    leaf: BaseException = group
    while isinstance(leaf, BaseExceptionGroup):
        leaf = leaf.exceptions[0]
    return leaf
