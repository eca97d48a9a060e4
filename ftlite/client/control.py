"""One control connection: commands out, replies in, paired in order. It knows no verb's meaning.

A reader task takes replies from the moment that encryption is settled (`read_in`), so a refusal or a farewell during
a transfer is seen at once; before, whoever waits reads. A command whose sender went away (was cancelled) still takes
its reply, so cancellation never puts the dialogue out of step. What breaks the connection is kept in `broken`, and
every later use raises it. Several tasks may send; their lines go out one after the other. Replies with a tag (the
native dialect) go to whoever listens for it.
"""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import Callable

import trio
from attrs import define, field

from ftlite.client.errors import ClientError, Outcome, from_reply
from ftlite.protocol.errors import BadArgument, ProtocolError
from ftlite.protocol.native.answers import Answer as Said
from ftlite.protocol.pairing import Answer, ClientDialogue
from ftlite.protocol.replies import Reply

_BLOCK = 16384


@define(eq=False)
class Pending:
    """A command on its way: its replies as they come, oldest first.

    Attributes:
        name: the verb.
        replies: preliminary replies not yet taken by `next`.
        final: the reply that closed it.
        on_failure: called once when it is refused (4xx, 5xx) or the connection breaks, so that a transfer can stop.
    """

    control: Control
    name: str
    replies: deque[Reply] = field(factory=deque)
    final: Reply | None = None
    on_failure: Callable[[], None] | None = None

    @property
    def failed(self) -> bool:
        """Refused, or never to be answered."""
        if self.final is not None:
            return self.final.code >= 400
        return self.control.broken is not None

    def take(self, reply: Reply, final: bool, _said: Said | None = None) -> None:
        """A reply came; `_said` is what one with a tag says."""
        if final:
            self.final = reply
        else:
            self.replies.append(reply)
        if self.failed:
            self.fail()

    def fail(self) -> None:
        """Tell whoever waits elsewhere that there is no more to wait for."""
        callback, self.on_failure = self.on_failure, None
        if callback is not None:
            callback()

    async def next(self) -> Reply:
        """The next reply, preliminary or final; the final one again when it was taken. ClientError when it broke."""
        await self.control.until(lambda: bool(self.replies) or self.final is not None)
        if self.replies:
            return self.replies.popleft()
        assert self.final is not None
        return self.final

    async def done(self) -> Reply:
        """The final reply, whatever its code. ClientError when the connection broke or stayed silent."""
        await self.control.until(lambda: self.final is not None)
        assert self.final is not None
        return self.final


class Control:
    """The dialogue over `stream` with the server called `thing` in messages.

    Attributes:
        broken: why nothing more can be said here; None while it stands.
        peer: the server's numeric address, where data connections go.
        session: the TLS session to resume on data connections, as fresh as can be.
    """

    def __init__(self, stream: trio.abc.Stream, thing: str, *, peer: str, stall: float) -> None:
        self.broken: ClientError | None = None
        self.peer = peer
        self._stream = stream
        self._thing = thing
        self._stall = stall
        self._dialogue = ClientDialogue()
        self._greeting = Pending(self, "greeting")
        self._waiting: deque[Pending] = deque()
        self._tagged: dict[int, Pending] = {}
        self._sending = trio.Lock()
        self._reading = False
        self._arrived = trio.lowlevel.ParkingLot()

    @property
    def session(self) -> ssl.SSLSession | None:
        """Asked for anew by each data connection: TLS 1.3 sends it with the first reply, and may renew it."""
        return self._stream.session if isinstance(self._stream, trio.SSLStream) else None

    @property
    def stream(self) -> trio.abc.Stream:
        """The transport, to be wrapped by `encrypted`."""
        return self._stream

    def encrypted(self, stream: trio.abc.Stream, *, implicit: bool) -> None:
        """Go on over `stream`: after AUTH was answered 2xx, or `implicit`, before anything was said.

        Raises:
            ClientError: PROTOCOL when bytes in clear followed the answer to AUTH: they may be an attacker's.
        """
        if self.broken is not None:  # a second reply behind the first one is read with it
            raise self.broken
        if not implicit:
            try:
                self._dialogue.secure()
            except ProtocolError as error:
                raise self.fail(ClientError(Outcome.PROTOCOL, f"{self._thing}: {error}")) from error
        self._stream = stream

    async def greeting(self) -> Reply:
        """The first reply; 120 ("ready in n minutes", RFC 959 s.5.4) is waited through."""
        return await self._greeting.done()

    def speak_native(self) -> None:
        """From now on replies that begin with ``tag=`` belong to the command of that tag."""
        self._dialogue.native = True

    async def send(self, name: str, argument: str = "") -> Pending:
        """Send a command without waiting for its reply.

        Raises:
            ClientError: USAGE when the argument cannot travel (CR, LF, NUL), or what broke the connection.
        """
        pending = Pending(self, name.upper())
        await self._say(name, argument, lambda: self._waiting.append(pending))
        return pending

    async def send_tagged(self, tag: int, name: str, argument: str, listener: Pending | None = None) -> None:
        """Send a command whose replies carry `tag`; `listener` takes them until `silence` (None: who did before).

        Raises:
            ClientError: as `send`; nothing listens then.
        """
        if listener is None:
            await self._say(name, argument, lambda: None)
            return
        try:
            await self._say(name, argument, lambda: self._tagged.__setitem__(tag, listener))
        except BaseException:
            self.silence(tag)
            raise

    def silence(self, tag: int) -> None:
        """Whatever else is said of `tag` interests nobody."""
        self._tagged.pop(tag, None)

    async def _say(self, name: str, argument: str, on_its_way: Callable[[], None]) -> None:
        async with self._sending:
            if self.broken is not None:
                raise self.broken
            try:
                line = self._dialogue.telnet() + self._dialogue.send(name, argument)
            except BadArgument as error:
                message, remedy = f"{self._thing}: {error}", "no name, user or password may hold them"
                raise ClientError(Outcome.USAGE, message, remedy=remedy) from error
            except ProtocolError as error:
                raise ClientError(Outcome.USAGE, f"{self._thing}: {error}") from error
            on_its_way()
            with trio.move_on_after(self._stall) as scope:
                scope.shield = True  # half a command would put the dialogue out of step; it is sent at once or never
                try:
                    await self._stream.send_all(line)
                except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                    raise self.fail(self._ended()) from error
            if scope.cancelled_caught:
                raise self.fail(self._silence())

    async def ask(self, name: str, argument: str = "") -> Reply:
        """Send a command and wait for its final reply, whatever its code."""
        return await (await self.send(name, argument)).done()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds; the stall clock starts anew with every reply.

        Raises:
            ClientError: what broke the connection; TIMEOUT (and the connection is given up) when nothing came.
        """
        while not condition():
            if self.broken is not None:
                raise self.broken
            with trio.move_on_after(self._stall) as scope:
                await (self._arrived.park() if self._reading else self._receive())
            if scope.cancelled_caught and not condition():
                raise self.fail(self._silence())

    def read_in(self, nursery: trio.Nursery) -> None:
        """From now on a task in `nursery` reads; it never raises but Cancelled, and ends with the connection."""
        self._reading = True
        nursery.start_soon(self._read)

    async def _read(self) -> None:
        while self.broken is None:
            await self._receive()

    async def close(self) -> None:
        """Close at once, without farewell."""
        if self.broken is None:
            self.fail(ClientError(Outcome.OTHER, f"{self._thing}: the connection was closed here"))
        with trio.CancelScope() as scope:
            scope.cancel()
            await self._stream.aclose()

    def fail(self, error: ClientError) -> ClientError:
        """Nothing more can be said here because of `error`; returns what did break it first."""
        if self.broken is None:
            self.broken = error
            for pending in [*self._waiting, *self._tagged.values()]:
                pending.fail()
            self._waiting.clear()
            self._tagged.clear()
            self._arrived.unpark_all()
        return self.broken

    async def _receive(self) -> None:
        try:
            data = await self._stream.receive_some(_BLOCK)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            data = b""
        try:
            self._dialogue.receive(bytes(data))
            while (answer := self._dialogue.next()) is not None:
                self._dispatch(answer)
        except ProtocolError as error:
            message = f"{self._thing} sent what is no FTP reply: {error}"
            self.fail(ClientError(Outcome.PROTOCOL, message, remedy="is this an FTP server, and is --tls right?"))
        if not data:
            self.fail(self._ended())
        self._arrived.unpark_all()

    def _dispatch(self, answer: Answer) -> None:
        reply = answer.reply
        if answer.tag is not None:
            listener = self._tagged.get(answer.tag)
            if listener is not None:
                listener.take(reply, answer.final, answer.said)
            return
        if self._greeting.final is None:
            self._greeting.take(reply, answer.final)
        elif any(pending.name == answer.command for pending in self._waiting):
            while self._waiting[0].name != answer.command:
                self._waiting.popleft()  # an ABOR that the server left without a reply of its own
            pending = self._waiting.popleft() if answer.final else self._waiting[0]
            pending.take(reply, answer.final)
        if reply.code == 421:
            self.fail(from_reply(self._thing, answer.command or "the session", reply))

    def _ended(self) -> ClientError:
        return ClientError(Outcome.CONNECT, f"{self._thing} closed the control connection", transient=True)

    def _silence(self) -> ClientError:
        return ClientError(
            Outcome.TIMEOUT,
            f"{self._thing} said nothing for {self._stall:g} s",
            remedy="raise --stall-timeout if the server is only slow",
            transient=True,
        )
