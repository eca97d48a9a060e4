"""Lines that people and programs can read, whatever names hold, and no reader of them that could stop a session."""

from __future__ import annotations

import io
import json
import re

import trio
import trio.testing

from ftlite.server.log import EventLog


async def test_text_lines_are_one_line_each() -> None:
    stream = io.StringIO()
    log = EventLog(stream)
    log.event("transfer.done", path='/a b\n"c"\u202e', bytes=5, user=None)
    log.close()
    line = stream.getvalue()
    assert re.fullmatch(r'\S+Z transfer\.done path="/a b\\x0a\\"c\\"\\u202e" bytes=5\n', line)


async def test_a_clients_backslash_takes_no_quote_out_of_its_place() -> None:
    stream = io.StringIO()
    log = EventLog(stream)
    log.event("login.refused", account='\\" forged=1 \\', peer="::1")
    log.close()
    assert stream.getvalue().endswith('login.refused account="\\\\\\" forged=1 \\\\" peer=::1\n')


async def test_json_lines_are_ascii() -> None:
    stream = io.StringIO()
    log = EventLog(stream, json_lines=True)
    log.event("session.open", peer="::1", name="gr\u00fcn\udcff\n")
    log.close()
    assert stream.getvalue().isascii()
    assert json.loads(stream.getvalue())["name"] == "gr\u00fcn\udcff\n"


async def test_what_waits_is_bounded_and_what_was_dropped_is_counted() -> None:
    stream = io.StringIO()
    log = EventLog(stream, json_lines=True, most=3)
    for number in range(10):
        log.event("n", number=number)
    log.close()
    log.event("after")
    log.close()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line.get("number") for line in lines] == [0, 1, 2, None]
    assert lines[-1]["dropped_lines"] == 7


async def test_lines_are_written_while_the_server_runs(autojump_clock: trio.testing.MockClock) -> None:
    stream = io.StringIO()
    log = EventLog(stream)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(log.keep_writing)
        for name in ("first", "second"):
            log.event(name)
            while name not in stream.getvalue():
                await trio.sleep(0.05)
        nursery.cancel_scope.cancel()


class Gone(io.StringIO):
    """A pipe whose reader has left."""

    def write(self, _text: str) -> int:
        raise BrokenPipeError


async def test_a_log_whose_reader_left_is_given_up() -> None:
    log = EventLog(Gone(), commands=True)
    log.event("x")
    log.close()
    assert not log.commands
    log.event("y")
    log.close()
