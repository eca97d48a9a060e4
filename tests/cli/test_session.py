"""Carrying out what a command is to do: heartbeats, the clock of it all, and what becomes of failures."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from ftlite.cli.options import Options
from ftlite.cli.servers import Logins, Servers
from ftlite.cli.session import Action, Session, Work, carry_out
from ftlite.cli.voice import Voice
from ftlite.client import ClientError, Outcome


async def come_to(work: Work, **options: object) -> int:
    """The exit code of `work`."""
    async with Servers(Logins()) as servers:
        return await carry_out(Action(Options(**options), Voice("get"), (), work), servers)  # type: ignore[arg-type]


async def test_a_line_each_half_minute_while_something_moves(
    autojump_clock: MockClock, capfd: pytest.CaptureFixture[str]
) -> None:
    async def work(session: Session) -> None:
        await trio.sleep(40)
        session.voice.under_way["big"] = (1_000, 10_000)
        await trio.sleep(25)
        session.voice.under_way["big"] = (5_000, 10_000)
        await trio.sleep(30)

    assert await come_to(work) == 0
    lines = capfd.readouterr().err.splitlines()
    assert lines == ["ftlite get: big: 1.0 kB of 10.0 kB so far", "ftlite get: big: 5.0 kB of 10.0 kB so far"]


async def test_all_of_it_may_take_so_long(autojump_clock: MockClock, capfd: pytest.CaptureFixture[str]) -> None:
    async def work(session: Session) -> None:
        await trio.sleep(100)

    assert await come_to(work, max_time=50.0) == 6
    assert "not done within 50 s" in capfd.readouterr().err
    assert await come_to(work, max_time=150.0) == 0


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ClientError(Outcome.NOT_FOUND, "x is not there"), 3),
        (FileNotFoundError(2, "No such file", "x"), 3),
        (ExceptionGroup("", [ClientError(Outcome.DENIED, "no")]), 4),
        (RuntimeError("boom"), 1),
    ],
)
async def test_failures_become_exit_codes(error: Exception, code: int, capfd: pytest.CaptureFixture[str]) -> None:
    async def work(session: Session) -> None:
        raise error

    assert await come_to(work) == code
    assert capfd.readouterr().err.count("\n") == 1


async def test_a_reader_that_is_gone_is_for_the_caller_to_know() -> None:
    async def work(session: Session) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        await come_to(work)
