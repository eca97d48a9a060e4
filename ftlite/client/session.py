"""One logged-in session: single commands with their meaning, and the lease of its dialogue for a transfer.

Paths go as the caller wrote them. The working directory is the login directory, except within `inside`, which is
there for servers that list nothing but where they stand.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from ftlite.client.control import Control
from ftlite.client.errors import ClientError, Outcome, from_reply
from ftlite.client.features import Features, Quirks
from ftlite.client.trust import Plan
from ftlite.net.proxy import Proxy
from ftlite.protocol.errors import ProtocolError
from ftlite.protocol.native.requests import TAGGED, plain_path
from ftlite.protocol.replies import Reply
from ftlite.protocol.text import unquote_path

if TYPE_CHECKING:
    from ftlite.client.native.data import Dialler
    from ftlite.client.native.dialogue import Native

_FAREWELL = 2.0  # seconds for QUIT and its reply


class Session:
    """What `open_session` gives.

    Attributes:
        control: the dialogue. One task at a time uses it, for which the client leases sessions; in the native dialect
            many do.
        thing: the server, for messages.
        host: the name that certificates are checked against.
        greeting: the server's first words.
        features, quirks: what it offers, and what it refused.
        plan: how data connections are verified; None: they go in clear.
        stall: seconds without any byte.
        connect_timeout: seconds for a data connection to come about.
        proxy: what data connections go through, as the control connection does.
        native, data: the native dialect and its data connections; None: this session speaks stock.
        alone: held over commands that belong together (RNFR and RNTO), where others may use the session meanwhile.
    """

    def __init__(
        self,
        control: Control,
        thing: str,
        host: str,
        greeting: Reply,
        features: Features,
        plan: Plan | None,
        stall: float,
        connect_timeout: float,
        proxy: Proxy | None = None,
    ) -> None:
        self.control = control
        self.thing = thing
        self.host = host
        self.greeting = greeting
        self.features = features
        self.quirks = Quirks()
        self.plan = plan
        self.stall = stall
        self.connect_timeout = connect_timeout
        self.proxy = proxy
        self.native: Native | None = None
        self.data: Dialler | None = None
        self.alone = trio.Lock()
        self.hash_chosen: str | None = None  #: what OPTS HASH was last told
        self._home: str | None = None

    @property
    def broken(self) -> ClientError | None:
        """Why nothing more can be asked; None while the session stands."""
        return self.control.broken

    async def ask(self, name: str, argument: str = "") -> Reply:
        """One command, its final reply, whatever that is."""
        if self.native is not None and name in TAGGED:
            argument = plain_path(argument)  # a name may begin as a tag does
        return await self.control.ask(name, argument)

    async def expect(self, name: str, argument: str = "", *, thing: str | None = None, also: int = 0) -> Reply:
        """One command that must end with 2xx (or the code `also`); else ClientError naming `thing` (the argument)."""
        answer = await self.ask(name, argument)
        if not answer.completed and answer.code != also:
            raise from_reply(thing if thing is not None else argument or self.thing, name, answer)
        return answer

    @asynccontextmanager
    async def inside(self, path: str) -> AsyncIterator[None]:
        """Work in the directory `path`, then go back to the login directory.

        Raises:
            ClientError: the server does not let us in, or gave a working directory that cannot be read.
        """
        if self._home is None:
            answer = await self.expect("PWD")
            try:
                self._home = unquote_path(answer.first)
            except ProtocolError as error:
                raise ClientError(Outcome.PROTOCOL, f"{self.thing}: {error}", reply=answer) from error
        await self.expect("CWD", path)
        try:
            yield
        finally:
            if self.broken is None:
                try:
                    await self.expect("CWD", self._home)
                except BaseException:
                    await self.control.close()  # the next relative path would mean something else
                    raise

    async def quit(self) -> None:
        """Say goodbye and close; never raises, never takes longer than 2 s."""
        if self.data is not None:
            self.data.close()
        with trio.move_on_after(_FAREWELL):
            try:
                if self.broken is None:
                    await self.ask("QUIT")
            except ClientError:
                pass
        await self.close()

    async def close(self) -> None:
        """Close everything at once, without farewell."""
        if self.data is not None:
            self.data.close()
        await self.control.close()
