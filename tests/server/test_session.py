"""Order, clocks and limits of one session, over a connection within the process and a clock that jumps."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing

from ftlite.config.models import TlsConfig, TlsMode
from ftlite.net.tls import ServerTls, ensure_self_signed
from ftlite.server import EventLog, Server
from ftlite.server.conversation import Conversation
from tests.server.support import config_for, served_pair, session


async def test_greeting_login_and_goodbye(tmp_path: Path) -> None:
    async with session(tmp_path) as talker:
        assert (await talker.hear())[0] == 220
        await talker.log_in()
        assert await talker.ask("PWD") == (257, '257 "/" is the current directory.')
        assert await talker.say("QUIT") == 221
        await talker.expect_end()


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("NONSENSE", 500),
        ("", 500),
        ("TYPE", 501),
        ("TYPE E", 504),
        ("MODE B", 504),
        ("STRU R", 504),
        ("REST x", 501),
        ("CWD", 501),
        ("RNTO x", 503),
        ("PASS x", 503),
        ("PORT 10,0,0,1,200,200", 501),
        ("PORT 127,0,0,1,0,80", 504),
        ("EPRT |1|10.0.0.1|5000|", 501),
        ("EPRT |7|10.0.0.1|5000|", 522),
        ("EPSV 2", 522),
        ("RETR f", 425),
        ("STOR f", 425),
        ("LIST", 425),
        ("CWD nowhere", 550),
        ("SIZE nowhere", 550),
        ("DELE .ftlite", 550),
        ("MKD a\0b", 501),
        ("HOST example.org", 504),
        ("LANG de", 504),
        ("CCC", 533),
        ("AUTH GSSAPI", 504),
        ("AUTH TLS", 502),
        ("SITE EXEC ls", 504),
        ("OPTS FOO", 501),
        ("SMNT x", 502),
        ("NOOP", 200),
        ("noop", 200),
        ("SYST", 215),
        ("XPWD", 257),
        ("ABOR", 226),
    ],
)
async def test_what_a_line_gets_after_login(tmp_path: Path, line: str, code: int) -> None:
    async with session(tmp_path) as talker:
        await talker.hear()
        await talker.log_in()
        assert await talker.say(line) == code
        assert await talker.say("NOOP") == 200, "the session goes on"


async def test_the_list_of_features_keeps_its_grammar(tmp_path: Path) -> None:
    async with session(tmp_path) as talker:
        await talker.hear()
        code, text = await talker.ask("FEAT")
        lines = text.split("\n")
        assert code == 211
        assert lines[-1] == "211 End", "RFC 2389 s.3.2 has `211 End` and no more"
        assert all(line.startswith(" ") and not line.startswith("  ") for line in lines[1:-1])


@pytest.mark.parametrize("line", ["PWD", "LIST", "RETR x", "STOR x", "CWD /", "MKD x", "EPSV", "SIZE x", "SITE HELP"])
async def test_nothing_before_login(tmp_path: Path, line: str) -> None:
    async with session(tmp_path) as talker:
        await talker.hear()
        assert await talker.say(line) == 530


async def test_clear_text_login_is_refused_where_tls_is_required(tmp_path: Path) -> None:
    pair = ServerTls(*ensure_self_signed(tmp_path), tmp_path)
    async with session(tmp_path, pair=pair, tls=TlsConfig(mode=TlsMode.REQUIRED)) as talker:
        await talker.hear()
        code, text = await talker.ask("USER ann")
        assert code == 530
        assert "AUTH TLS" in text


async def test_wrong_password_unknown_user_and_too_many(tmp_path: Path) -> None:
    async with session(tmp_path, limits={"login_failures": 3}) as talker:
        await talker.hear()
        answers = set()
        for name, password in (("ann", "wrong"), ("nobody", "wrong")):
            assert await talker.say(f"USER {name}") == 331
            answers.add(await talker.ask(f"PASS {password}"))
        assert len(answers) == 1, "alike in words"
        assert answers.pop()[0] == 530
        await talker.say("USER ann")
        assert await talker.say("PASS wrong") == 421
        await talker.expect_end()


async def test_an_idle_session_ends(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    async with session(tmp_path, limits={"idle": 300.0, "login": 1000.0}) as talker:
        await talker.hear()
        await trio.sleep(299)
        assert await talker.say("NOOP") == 200
        await trio.sleep(299)
        assert await talker.say("NOOP") == 200
        began = trio.current_time()
        assert (await talker.hear())[0] == 421
        assert 300 <= trio.current_time() - began <= 301
        await talker.expect_end()


async def test_the_clocks_of_many_sessions_are_no_long_step(
    tmp_path: Path, mock_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands looked at in one step would keep everybody waiting; others get their turn in between."""
    looked: list[float] = []
    keep_time = Conversation.keep_time
    monkeypatch.setattr(Conversation, "keep_time", lambda self, now: (looked.append(now), keep_time(self, now))[1])
    server = Server(config_for(tmp_path, limits={"login": 1000.0, "sessions_per_address": 500}), EventLog(None), None)
    streams = []
    async with trio.open_nursery() as nursery:
        for _ in range(250):
            serve, stream = served_pair(server)
            nursery.start_soon(serve)
            streams.append(stream)
            await stream.send_all(b"NOOP\r\n")  # what has said a line is a session
        while len(server._conversations) < 250:
            await trio.lowlevel.checkpoint()
        nursery.start_soon(server.keep_time)
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(1.0)
        steps = []
        while len(looked) < 250 and len(steps) < 1000:
            before = len(looked)
            await trio.lowlevel.checkpoint()
            steps.append(len(looked) - before)
        nursery.cancel_scope.cancel()
    for stream in streams:
        await trio.aclose_forcefully(stream)
    assert max(steps) <= 200  # two turns of one task may lie between two of another
    assert sum(steps) == 250


async def test_bytes_that_are_no_command_do_not_keep_a_session_alive(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with session(tmp_path, limits={"idle": 100.0, "login": 1000.0}) as talker:
        await talker.hear()
        for _ in range(9):
            await talker.stream.send_all(b"N")
            await trio.sleep(10)
        assert (await talker.hear())[0] == 421
        assert trio.current_time() <= 102


async def test_login_has_a_deadline_that_commands_do_not_move(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with session(tmp_path, limits={"login": 60.0}) as talker:
        await talker.hear()
        for _ in range(5):
            await trio.sleep(11)
            assert await talker.say("NOOP") == 200
        assert (await talker.hear())[0] == 421
        assert 60 <= trio.current_time() <= 61


async def test_a_client_that_takes_no_reply_is_left(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    server = Server(config_for(tmp_path, limits={"reply": 30.0, "idle": 1000.0, "login": 1000.0}), EventLog(None), None)
    serve, stream = served_pair(server)
    async with stream:
        await stream.send_all(b"HELP\r\n" * 500)
        with trio.fail_after(60):
            await serve()
    assert 30 <= trio.current_time() < 40
    assert server.services.census.sessions == 0


async def test_over_long_lines_are_refused_and_then_the_end(tmp_path: Path) -> None:
    async with session(tmp_path, limits={"line": 512, "overlong_lines": 3}) as talker:
        await talker.hear()
        for _ in range(3):
            assert await talker.say("USER " + "x" * 600) == 500
            assert await talker.say("NOOP") == 200
        await talker.send("USER " + "x" * 600)
        await talker.expect_end()


@pytest.mark.parametrize("line", ["GET / HTTP/1.1", "POST /x HTTP/1.0", "OPTIONS *", "GET x", "CONNECT a:443"])
async def test_http_is_closed_at_once(tmp_path: Path, line: str) -> None:
    async with session(tmp_path) as talker:
        await talker.hear()
        await talker.send(line)
        await talker.expect_end()


async def test_pipelined_commands_are_answered_in_order(tmp_path: Path) -> None:
    async with session(tmp_path) as talker:
        await talker.hear()
        await talker.log_in()
        await talker.stream.send_all(b"PWD\r\nBAD\r\nSYST\r\nTYPE\r\nNOOP\r\n" * 50)
        codes = [(await talker.hear())[0] for _ in range(250)]
        assert codes == [257, 500, 215, 501, 200] * 50


async def test_telnet_negotiation_is_refused_and_commands_survive_it(tmp_path: Path) -> None:
    async with session(tmp_path) as talker:
        await talker.hear()
        await talker.stream.send_all(b"\xff\xfb\x01NO\xff\xf4\xff\xf2OP\r\n")
        assert await talker.stream.receive_some(3) == b"\xff\xfe\x01"
        assert (await talker.hear())[0] == 200


async def test_rein_forgets_the_login(tmp_path: Path) -> None:
    async with session(tmp_path) as talker:
        await talker.hear()
        await talker.log_in()
        assert await talker.say("REIN") == 220
        assert await talker.say("PWD") == 530
        await talker.log_in()
        assert await talker.say("PWD") == 257
