"""Each illness is found at its step, said with a remedy, and costs no more than its time."""

from __future__ import annotations

import datetime
import socket
import ssl
import warnings
from pathlib import Path
from typing import Any

import pytest
import trio

from ftlite.client import KnownServers, Outcome, parse_address
from ftlite.client.doctor import STEPS, Finding, Verdict, examine, reaching
from tests.client.conftest import Peer
from tests.client.fake import Conversation, FakeServer
from tests.client.relay import Relay

OK, WARN, FAIL, SKIP = Verdict.OK, Verdict.WARN, Verdict.FAIL, Verdict.SKIP


async def seen(port: int, scheme: str = "ftp", host: str = "127.0.0.1", **settings: Any) -> dict[str, Finding]:
    """Every finding by its step; the whole table each time, whatever happens."""
    usual: dict[str, Any] = {
        "user": "ann", "password": "s3cret", "tls": "off", "connect_timeout": 3.0, "stall_timeout": 60.0, "retries": 0,
    }  # fmt: skip
    told: list[Finding] = []
    findings = await examine(
        parse_address(f"{scheme}://{host}:{port}/"), told=told.append, **{**usual, **settings}
    )
    assert told == findings
    assert [finding.step for finding in findings] == [step.name for step in STEPS]
    assert "s3cret" not in repr(findings)
    for finding in findings:
        assert (finding.error is not None) == (finding.verdict is FAIL)
        assert finding.found
    return {finding.step: finding for finding in findings}


def first_failure(report: dict[str, Finding]) -> Finding:
    failed = next(finding for finding in report.values() if finding.verdict is FAIL)
    assert failed.remedy, failed
    return failed


class Whole(FakeServer):
    """Does what the usual fake does, and PASV, and a listing by LIST."""

    named = "127,0,0,1"

    async def do_PASV(self, talk: Conversation, _: str) -> None:
        talk.listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
        port = talk.listener.socket.getsockname()[1]
        await talk.say(f"227 Entering Passive Mode ({self.named},{port // 256},{port % 256}).")

    async def do_LIST(self, talk: Conversation, _: str) -> None:
        await talk.send_data(b"-rw-r--r-- 1 a b 5 Jan  2 2024 f\r\n")
        await talk.say("226 done")


async def test_a_sound_server() -> None:
    async with Whole({"/f": b"hello"}).running() as server:
        report = await seen(server.port, source="the terminal")
    expected = {step.name: OK for step in STEPS} | {
        "tls": WARN, "certificate": SKIP, "active": WARN, "tls-resumption": SKIP, "clock": SKIP,
    }  # fmt: skip
    assert {name: finding.verdict for name, finding in report.items()} == expected
    assert "the terminal" in report["login"].found
    assert report["transfer"].facts["down"]["bytes"] == 5
    assert report["listing"].facts["entries"] == 1


async def test_a_name_that_nobody_knows() -> None:
    class Resolver(trio.abc.HostnameResolver):
        async def getaddrinfo(self, *_: Any, **__: Any) -> Any:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        async def getnameinfo(self, *_: Any) -> Any:
            raise NotImplementedError

    trio.socket.set_custom_hostname_resolver(Resolver())
    report = await seen(21, host="no-such-host.example")
    failed = first_failure(report)
    assert (failed.step, failed.error.outcome) == ("name", Outcome.CONNECT)  # type: ignore[union-attr]
    assert report["port"].verdict is SKIP
    assert "name failed" in report["login"].found


async def test_a_refused_port_and_the_one_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        async with FakeServer().running() as server:
            monkeypatch.setattr(reaching, "_PORTS", (port, server.port))
            failed = first_failure(await seen(port))
    assert (failed.step, failed.error.outcome) == ("port", Outcome.CONNECT)  # type: ignore[union-attr]
    assert f"--port {server.port}" in failed.remedy
    assert "refused" in failed.found


class Silent(FakeServer):
    async def serve(self, stream: trio.abc.Stream) -> None:
        with trio.CancelScope():
            await trio.sleep_forever()


async def test_a_server_that_says_nothing_gets_a_whole_report_in_time() -> None:
    async with Silent().running() as server:
        with trio.fail_after(30):
            report = await seen(server.port, connect_timeout=0.2)
    failed = first_failure(report)
    assert (failed.step, failed.error.outcome) == ("greeting", Outcome.TIMEOUT)  # type: ignore[union-attr]
    assert report["transfer"].verdict is SKIP


async def test_tls_at_once_where_a_greeting_is_expected(server_context: ssl.SSLContext) -> None:
    class Implicit(FakeServer):
        async def serve(self, stream: trio.abc.Stream) -> None:
            assert self.context is not None
            await super().serve(trio.SSLStream(stream, self.context, server_side=True))

    async with Implicit(context=server_context).running() as server:
        failed = first_failure(await seen(server.port, connect_timeout=1.0))
        assert failed.step == "greeting"
        assert f"ftps://127.0.0.1:{server.port}/" in failed.remedy


@pytest.mark.parametrize(
    ("greeting", "outcome"),
    [
        ("HTTP/1.1 400 Bad Request", Outcome.PROTOCOL),
        ("SSH-2.0-OpenSSH", Outcome.PROTOCOL),
        ("421 full", Outcome.CONNECT),
    ],
)
async def test_somebody_else_answers(greeting: str, outcome: Outcome) -> None:
    async with FakeServer().running() as server:
        server.greeting = greeting
        report = await seen(server.port)
    assert report["greeting"].verdict is FAIL
    assert report["greeting"].error.outcome is outcome  # type: ignore[union-attr]
    assert report["login"].verdict is SKIP


async def test_no_encryption() -> None:
    async with Whole().running() as server:
        failed = first_failure(await seen(server.port, tls="required"))
        assert (failed.step, failed.error.outcome) == ("tls", Outcome.TLS)  # type: ignore[union-attr]
        assert "--tls off" in failed.remedy
        report = await seen(server.port, tls="optional")
    assert report["tls"].verdict is WARN
    assert report["login"].verdict is OK


async def test_old_versions_are_warned_about(authority: Any, authority_file: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ALL:@SECLEVEL=0")
    async with Whole(context=context).running() as server:
        report = await seen(server.port, tls="required", cacert=authority_file)
    assert report["tls"].verdict is WARN
    assert {"1.0", "1.2"} <= set(report["tls"].facts["versions"])
    assert report["certificate"].verdict is OK


async def test_a_certificate_that_ends_soon(authority: Any, authority_file: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=3, hours=1)
    authority.issue_cert("127.0.0.1", not_after=soon).configure_cert(context)
    async with Whole(context=context).running() as server:
        report = await seen(server.port, tls="required", cacert=authority_file)
    assert report["certificate"].verdict is WARN
    assert "expires in 3 days" in report["certificate"].found
    assert report["certificate"].facts["names"] == ["127.0.0.1"]
    assert report["login"].verdict is OK


async def test_a_certificate_that_nobody_vouches_for(server_context: ssl.SSLContext, tmp_path: Path) -> None:
    known = KnownServers(tmp_path / "known")
    async with Whole(context=server_context).running() as server:
        failed = first_failure(await seen(server.port, tls="required", trust=known))
        pin = failed.facts["pin"]
        assert (failed.step, failed.error.outcome) == ("certificate", Outcome.TLS)  # type: ignore[union-attr]
        assert f"ftlite trust add 127.0.0.1:{server.port} {pin}" in failed.remedy
        assert not [line for line in server.heard if line.startswith("USER")]
        assert known.servers() == []
        known.record(f"127.0.0.1:{server.port}", pin)
        report = await seen(server.port, tls="required", trust=known)
        assert report["certificate"].verdict is OK
        assert report["tls-resumption"].verdict in (OK, WARN)
        known.forget(f"127.0.0.1:{server.port}")
        known.record(f"127.0.0.1:{server.port}", "sha256//" + "A" * 43 + "=")
        failed = first_failure(await seen(server.port, tls="required", trust=known))
        assert (failed.step, failed.error.outcome) == ("certificate", Outcome.PIN)  # type: ignore[union-attr]
        assert "trust rm" in failed.remedy


async def test_a_name_that_the_certificate_does_not_have(server_context: ssl.SSLContext, authority_file: Path) -> None:
    async with Whole(context=server_context).running() as server:
        failed = first_failure(await seen(server.port, host="127.0.0.2", tls="required", cacert=authority_file))
    assert failed.step in ("port", "certificate")  # 127.0.0.2 is this machine on Linux only


async def test_who_is_not_let_in() -> None:
    class Refuses(Whole):
        async def do_PASS(self, talk: Conversation, _: str) -> None:
            await talk.say("530 Login incorrect.")

    async with Refuses().running() as server:
        failed = first_failure(await seen(server.port))
    assert (failed.step, failed.error.outcome) == ("login", Outcome.LOGIN)  # type: ignore[union-attr]


async def test_epsv_is_refused_and_pasv_lies_about_where_it_is() -> None:
    class Nat(Whole):
        named = "10,0,0,3"

        async def do_EPSV(self, talk: Conversation, _: str) -> None:
            await talk.say("522 no")

    async with Nat({"/f": b"x"}).running() as server:
        report = await seen(server.port)
    assert [report[step].verdict for step in ("epsv", "pasv", "nat")] == [WARN, OK, WARN]
    assert "10.0.0.3" in report["nat"].found
    assert report["nat"].remedy


async def test_data_connections_that_do_not_come_about() -> None:
    class Walled(Whole):
        closed: socket.socket

        async def do_EPSV(self, talk: Conversation, _: str) -> None:
            await talk.say(f"229 Entering (|||{self.closed.getsockname()[1]}|)")

        async def do_PASV(self, talk: Conversation, _: str) -> None:
            port = self.closed.getsockname()[1]
            await talk.say(f"227 Entering Passive Mode (127,0,0,1,{port // 256},{port % 256}).")

        async def do_LIST(self, talk: Conversation, _: str) -> None:
            await talk.say("150 go on")

    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        Walled.closed = closed
        async with Walled({"/f": b"x"}).running() as server:
            report = await seen(server.port, connect_timeout=0.5, stall_timeout=1.0)
    assert report["epsv"].verdict is WARN
    failed = first_failure(report)
    assert failed.step == "pasv"
    assert failed.error.outcome is Outcome.CONNECT  # type: ignore[union-attr]


async def test_a_server_that_hangs_in_the_middle_is_reported_whole() -> None:
    class Hangs(Whole):
        async def do_NOOP(self, talk: Conversation, _: str) -> None:
            await trio.sleep_forever()

    async with Hangs({"/f": b"x"}).running() as server:
        with trio.fail_after(30):
            report = await seen(server.port, connect_timeout=0.3)
    assert first_failure(report).step == "round-trip"
    assert report["round-trip"].error.outcome is Outcome.TIMEOUT  # type: ignore[union-attr]


async def test_a_mebibyte_there_and_back_leaves_nothing() -> None:
    async with Whole().running() as server:
        report = await seen(server.port, write=True)
        assert server.files == {}
    assert report["transfer"].verdict is OK
    assert report["transfer"].facts["up"]["bytes"] == report["transfer"].facts["down"]["bytes"] == 1024 * 1024
    assert report["clock"].verdict is WARN  # the fake lives in 2024
    assert "behind" in report["clock"].found


async def test_a_file_that_comes_back_as_another() -> None:
    class Changes(Whole):
        async def do_RETR(self, talk: Conversation, argument: str) -> None:
            path = talk.path(argument)
            self.files[path] = b"\0" * len(self.files[path])
            await talk.do_RETR(argument)

    async with Changes().running() as server:
        failed = first_failure(await seen(server.port, write=True))
        assert server.files == {}
    assert (failed.step, failed.error.outcome) == ("transfer", Outcome.INTEGRITY)  # type: ignore[union-attr]


async def test_what_cannot_be_removed_is_named() -> None:
    class Keeps(Whole):
        async def do_DELE(self, talk: Conversation, _: str) -> None:
            await talk.say("550 Permission denied.")

    async with Keeps().running() as server:
        report = await seen(server.port, write=True)
        (left,) = server.files
    assert report["transfer"].verdict is WARN
    assert left.strip("/") in report["transfer"].found


async def test_where_nothing_may_be_written() -> None:
    class ReadOnly(Whole):
        async def do_STOR(self, talk: Conversation, _: str) -> None:
            await talk.say("550 Permission denied.")

    async with ReadOnly().running() as server:
        report = await seen(server.port, write=True)
    assert report["transfer"].verdict is FAIL
    assert report["transfer"].error.outcome is Outcome.DENIED  # type: ignore[union-attr]


async def test_against_pyftpdlib(tls_peer: Peer, authority_file: Path) -> None:
    report = await seen(tls_peer.port, password="p", tls="required", cacert=authority_file, write=True)
    assert not [finding for finding in report.values() if finding.verdict is FAIL]
    for step in ("tls", "certificate", "login", "epsv", "pasv", "nat", "active", "listing", "transfer"):
        assert report[step].verdict is OK, report[step]
    assert report["dialect"].facts["dialect"] == "stock"
    assert list(tls_peer.root.iterdir()) == []


async def test_through_a_proxy() -> None:
    relay = Relay(login="u:pr0xy")
    async with Whole({"/f": b"x"}).running() as server, relay.running():
        url = f"http://u:pr0xy@127.0.0.1:{relay.port}"
        report = await seen(server.port, proxy=url)
        wrong = await seen(server.port, proxy=url.replace("u:pr0xy", "u:wrong"))
    assert [report[step].verdict for step in ("proxy", "port", "login", "epsv", "transfer")] == [OK] * 5
    assert report["active"].verdict is SKIP
    assert first_failure(wrong).step == "port"
    assert "pr0xy" not in repr(report) + repr(wrong)
