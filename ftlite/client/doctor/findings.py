"""What the doctor says, and what it knows so far of whom it looks at."""

from __future__ import annotations

import enum
from typing import Any

import trio
from attrs import define, field, frozen

from ftlite.client.errors import ClientError, Outcome
from ftlite.client.login import Dialect, Target, open_session
from ftlite.client.session import Session
from ftlite.protocol.entries import Entry


class Verdict(enum.Enum):
    """How a step ended."""

    OK = "ok"
    WARN = "warn"  #: it works, and there is something to know
    FAIL = "fail"
    SKIP = "skip"  #: not looked at


@frozen
class Finding:
    """What one step found.

    Attributes:
        found: a sentence for people, without an end.
        remedy: what to do about it; "" where nothing is to be done.
        facts: the same for programs; times in seconds, keys as in JSON.
        error: what failed, of a FAIL.
        step, seconds: its name, and how long it took; filled in by `examine`.
    """

    verdict: Verdict
    found: str
    remedy: str = ""
    facts: dict[str, Any] = field(factory=dict)
    error: ClientError | None = None
    step: str = ""
    seconds: float = 0.0


def ok(found: str, **facts: Any) -> Finding:
    """All is well."""
    return Finding(Verdict.OK, found, facts=facts)


def warn(found: str, remedy: str = "", **facts: Any) -> Finding:
    """Not what one would wish for."""
    return Finding(Verdict.WARN, found, remedy, facts)


def fail(error: ClientError, **facts: Any) -> Finding:
    """It does not work."""
    return Finding(Verdict.FAIL, error.message, error.remedy, facts, error)


def skip(why: str) -> Finding:
    """Not looked at."""
    return Finding(Verdict.SKIP, why)


@define(eq=False)
class Patient:
    """A server that is looked at, and what the steps before found.

    Attributes:
        settings: what `connect` takes, for the step that moves files.
        source: where the password came from, in words.
        write: whether a file may be written, and removed again.
        addresses: numeric addresses, best first.
        session: logged in, in the best dialect; None before.
        entries: what the listing showed; None before.
        skew: seconds that the server's clock is ahead; None where nothing tells.
    """

    target: Target
    settings: dict[str, Any] = field(repr=False)  # the password is among it
    nursery: trio.Nursery
    source: str = ""
    write: bool = False
    addresses: list[str] = field(factory=list)
    session: Session | None = None
    entries: list[Entry] | None = None
    skew: float | None = None
    pasv_host: str | None = None
    reused: bool | None = None  #: whether a data connection resumed the TLS session
    passive: bool = False  #: a data connection came about by EPSV or PASV
    _stock: Session | None = None

    @property
    def patience(self) -> float:
        """Seconds for one connection."""
        return self.target.connect_timeout

    @property
    def native(self) -> bool:
        """Whether the native dialect is spoken, so that nothing depends on passive ports."""
        return self.session is not None and self.session.native is not None

    @property
    def logged_in(self) -> Session:
        """The session; to be used by steps that need one."""
        if self.session is None or self.session.broken is not None:
            why = self.session.broken if self.session is not None else None
            raise why or ClientError(Outcome.OTHER, "there is no session")
        return self.session

    async def stock(self) -> Session:
        """A session that speaks stock FTP; the one before where it still stands."""
        if self._stock is None or self._stock.broken is not None:
            if self.session is not None and self.session.native is None and self.session.broken is None:
                self._stock = self.session
            else:
                self._stock = await self.another()
        return self._stock

    async def another(self) -> Session:
        """One more stock session, the caller's to close."""
        from attrs import evolve

        return await open_session(evolve(self.target, dialect=Dialect.STOCK), self.nursery)

    async def dismiss(self) -> None:
        """Close what is open."""
        for session in (self._stock, self.session):
            if session is not None:
                await session.quit()
