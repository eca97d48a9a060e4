"""Servers that lie, stop, garble or vanish: each ends with its outcome, and nothing partial gets the target's name."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Any

import pytest
import trio

from ftlite import connect
from ftlite.client import ClientError, Outcome, Verified
from ftlite.client.parts import SUFFIX
from tests.client.fake import Conversation, FakeServer, Gone

CONTENT = bytes(range(256)) * 400  # 102,400 bytes


class NoSizes(FakeServer):
    """States no size anywhere."""

    feat = ("EPSV", "REST STREAM")

    async def do_SIZE(self, talk: Conversation, _: str) -> None:
        await talk.say("500 SIZE not understood")

    do_MLST = do_MDTM = do_SIZE


class Half(FakeServer):
    """Half a file, then a cheerful 226."""

    async def do_RETR(self, talk: Conversation, argument: str) -> None:
        content = self.files[talk.path(argument)][talk.restart :]
        await talk.send_data(content[: len(content) // 2])
        await talk.say("226 all of it")


class HalfNoSizes(Half, NoSizes):
    pass


class Cut(FakeServer):
    async def do_RETR(self, talk: Conversation, argument: str) -> None:
        content = self.files[talk.path(argument)]
        await talk.send_data(content[: len(content) // 2])
        await talk.say("426 connection reset")


class Full(FakeServer):
    async def do_RETR(self, talk: Conversation, argument: str) -> None:
        await talk.send_data(self.files[talk.path(argument)])
        await talk.say("451 disk fault at the end")


class NeverConfirms(FakeServer):
    async def do_RETR(self, talk: Conversation, argument: str) -> None:
        await talk.send_data(self.files[talk.path(argument)])
        await trio.sleep_forever()


class HangsUp(FakeServer):
    """The control connection dies in the middle of the data, which goes on."""

    async def do_RETR(self, talk: Conversation, argument: str) -> None:
        await talk.say("150 here")
        data = await talk.data()
        await data.send_all(self.files[talk.path(argument)][:1000])
        await talk.stream.aclose()
        await trio.sleep_forever()


class Stalls(FakeServer):
    async def do_RETR(self, talk: Conversation, argument: str) -> None:
        await talk.say("150 here")
        data = await talk.data()
        await data.send_all(self.files[talk.path(argument)][:1000])
        await trio.sleep_forever()


class Garbles(FakeServer):
    async def do_RETR(self, talk: Conversation, _: str) -> None:
        await talk.say("<html>what?</html>")


class Floods(FakeServer):
    async def do_RETR(self, talk: Conversation, _: str) -> None:
        await talk.say("150 " + "x" * 1_000_000)


class NoDataPort(FakeServer):
    async def do_EPSV(self, talk: Conversation, _: str) -> None:
        listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
        port = listener.socket.getsockname()[1]
        await listener.aclose()
        await talk.say(f"229 (|||{port}|)")

    async def do_RETR(self, talk: Conversation, _: str) -> None:
        await trio.sleep_forever()


class Resets(FakeServer):
    async def do_RETR(self, talk: Conversation, argument: str) -> None:
        await talk.say("150 here")
        data = await talk.data()
        await data.send_all(self.files[talk.path(argument)][:1000])
        data.socket.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # type: ignore[attr-defined]  # SO_LINGER: reset at close
        await data.aclose()
        await talk.say("226 all of it")


CASES: list[tuple[type[FakeServer], set[Outcome]]] = [
    (Half, {Outcome.INTEGRITY}),
    (Cut, {Outcome.PARTIAL}),
    (Full, {Outcome.OTHER}),
    (NeverConfirms, {Outcome.TIMEOUT}),
    (HangsUp, {Outcome.PARTIAL}),
    (Stalls, {Outcome.TIMEOUT}),
    (Garbles, {Outcome.PROTOCOL}),
    (Floods, {Outcome.PROTOCOL}),
    (NoDataPort, {Outcome.CONNECT}),
    (Resets, {Outcome.PARTIAL}),
]


def quick(server: FakeServer, **more: Any) -> Any:
    return connect(f"ftp://ann@127.0.0.1:{server.port}/", **{"password": "p", "tls": "off", "retries": 0, **more})


@pytest.mark.parametrize(("kind", "outcomes"), CASES, ids=lambda value: getattr(value, "__name__", ""))
async def test_downloads(kind: type[FakeServer], outcomes: set[Outcome], tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"old")
    async with kind({"/f": CONTENT}).running() as server:
        async with quick(server, stall_timeout=2.0 if Outcome.TIMEOUT in outcomes else 60.0) as client:
            with pytest.raises(ClientError) as caught:
                await client.get("f", tmp_path / "f")
    assert caught.value.outcome in outcomes, caught.value
    assert (tmp_path / "f").read_bytes() == b"old"
    assert all(name == "f" or name.endswith(SUFFIX) for name in os.listdir(tmp_path))


async def test_half_a_file_without_any_size_is_what_it_is(tmp_path: Path) -> None:
    """Nothing can tell; so the result says that nothing was verified, and --require size refuses it."""
    async with HalfNoSizes({"/f": CONTENT}).running() as server:
        async with quick(server) as client:
            assert (await client.get("f", tmp_path / "f")).verified is Verified.NONE
        async with quick(server, require="size") as client:
            with pytest.raises(ClientError) as caught:
                await client.get("f", tmp_path / "g")
    assert caught.value.outcome is Outcome.INTEGRITY
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.parametrize("require", [None, "none"])
async def test_that_nothing_was_verified_is_warned_of_once(require: str | None, tmp_path: Path) -> None:
    """Not for each file of a tree, and not where it was accepted by name."""
    told: list[str] = []
    async with NoSizes({"/f": CONTENT}).running() as server:
        async with quick(server, notice=told.append, require=require) as client:
            await client.get("f", tmp_path / "f")
            await client.get("f", tmp_path / "again")
            await client.put(tmp_path / "f", "g")
    assert [sentence.partition(":")[0] for sentence in told] == ([] if require else ["f"])
    assert all("states neither size nor digest" in sentence for sentence in told)


async def test_a_cut_download_resumes_where_it_was_cut(tmp_path: Path) -> None:
    class CutOnce(Cut):
        async def do_RETR(self, talk: Conversation, argument: str) -> None:
            if not talk.restart:
                await super().do_RETR(talk, argument)
            else:
                await talk.do_RETR(argument)

    told: list[str] = []
    async with CutOnce({"/f": CONTENT}).running() as server:
        async with quick(server, retries=1, notice=told.append) as client:
            result = await client.get("f", tmp_path / "f")
    assert result.offset == len(CONTENT) // 2
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert len(told) == 1
    assert f"REST {len(CONTENT) // 2}" in server.heard


async def test_a_part_of_another_version_is_not_continued(tmp_path: Path) -> None:
    async with Cut({"/f": CONTENT}).running() as server:
        async with quick(server) as client:
            with pytest.raises(ClientError):
                await client.get("f", tmp_path / "f")
    async with FakeServer({"/f": CONTENT + b"more"}).running() as server:
        async with quick(server) as client:
            assert (await client.get("f", tmp_path / "f", resume=True)).offset == 0
    assert (tmp_path / "f").read_bytes() == CONTENT + b"more"


async def test_a_silent_greeting_is_a_timeout() -> None:
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")

        async def mute(_: trio.SocketStream) -> None:
            await trio.sleep_forever()

        nursery.start_soon(trio.serve_listeners, mute, listeners)
        with pytest.raises(ClientError) as caught:
            async with connect(
                f"ftp://127.0.0.1:{listeners[0].socket.getsockname()[1]}/", tls="off", connect_timeout=0.2
            ):
                pass
        nursery.cancel_scope.cancel()
    assert caught.value.outcome is Outcome.TIMEOUT


@pytest.mark.parametrize(
    ("greeting", "outcome"),
    [("421 too many", Outcome.CONNECT), ("500 go away", Outcome.PROTOCOL), ("SSH-2.0-OpenSSH_9", Outcome.PROTOCOL)],
)
async def test_greetings(greeting: str, outcome: Outcome) -> None:
    server = FakeServer()
    server.greeting = greeting
    async with server.running():
        with pytest.raises(ClientError) as caught:
            async with quick(server):
                pass
    assert caught.value.outcome is outcome


async def test_120_is_waited_through() -> None:
    server = FakeServer()
    server.greeting = "120 soon\r\n220 now"
    async with server.running():
        async with quick(server) as client:
            assert client.greeting.first == "now"


class Refuses(FakeServer):
    async def do_STOR(self, talk: Conversation, _: str) -> None:
        await talk.say("553 not here")


class FullDisk(FakeServer):
    """Takes some, then says so and does not read on."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.unread: list[trio.abc.Stream] = []

    async def do_STOR(self, talk: Conversation, _: str) -> None:
        await talk.say("150 give")
        data = await talk.data()
        await data.receive_some(1000)
        await talk.say("552 disk full")
        self.unread.append(data)


class Swallows(FakeServer):
    """Says 226 but kept only half."""

    async def do_STOR(self, talk: Conversation, argument: str) -> None:
        content = await talk.receive_data()
        self.files[talk.path(argument)] = content[: len(content) // 2]
        await talk.say("226 thanks")


class NoThanks(FakeServer):
    async def do_STOR(self, talk: Conversation, _: str) -> None:
        await talk.receive_data()
        raise Gone


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        (Refuses, Outcome.DENIED),
        (FullDisk, Outcome.NO_ROOM),
        (Swallows, Outcome.INTEGRITY),
        (NoThanks, Outcome.PARTIAL),
    ],
)
async def test_uploads(kind: type[FakeServer], outcome: Outcome, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(os.urandom(8_000_000))
    async with kind().running() as server:
        async with quick(server) as client:
            with pytest.raises(ClientError) as caught:
                await client.put(tmp_path / "f", "f")
            assert caught.value.outcome is outcome, caught.value
            with pytest.raises(ClientError) as caught:
                async with client.upload("g") as upload:
                    for _ in range(100):
                        await upload.send(bytes(100_000))
            assert caught.value.outcome is outcome, caught.value


async def test_pasv_lies_are_ignored(tmp_path: Path) -> None:
    class Lies(FakeServer):
        async def do_EPSV(self, talk: Conversation, _: str) -> None:
            await talk.say("500 what?")

        async def do_PASV(self, talk: Conversation, _: str) -> None:
            talk.listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
            port = talk.listener.socket.getsockname()[1]
            await talk.say(f"227 Entering Passive Mode (203,0,113,9,{port >> 8},{port & 255}).")

    async with Lies({"/f": CONTENT}).running() as server:
        async with quick(server) as client:
            await client.get("f", tmp_path / "f")
            await client.get("f", tmp_path / "f")
    assert server.heard.count("EPSV") == 1
    assert server.heard.count("PASV") == 2


async def test_names_that_climb_out_never_become_files(tmp_path: Path) -> None:
    class Climbs(FakeServer):
        async def do_MLSD(self, talk: Conversation, _: str) -> None:
            names = ["../evil", "/etc/evil", "..", "ok", "a/../../evil"]
            lines = [f"type=file;size=2; {name}\r\n" for name in names] + ["type=dir; ../up\r\n", "type=dir; ..\r\n"]
            await talk.send_data("".join(lines).encode())
            await talk.say("226 ok")

        async def do_RETR(self, talk: Conversation, _: str) -> None:
            await talk.send_data(b"hi")
            await talk.say("226 ok")

    async with Climbs().running() as server:
        async with quick(server, connections=2) as client:
            report = await client.get_tree("", tmp_path / "in" / "here")
            walked = []
            with pytest.raises(ClientError):
                async for path, _ in client.walk():
                    walked.append(path)
    assert walked == []
    assert [names for _, *names in os.walk(tmp_path)] == [[["in"], []], [["here"], []], [[], ["ok"]]]
    assert report.files == 1
    assert len(report.failures) == 4
    assert report.error is not None
    assert report.error.outcome is Outcome.PARTIAL


async def test_a_link_in_the_local_tree_is_not_followed(tmp_path: Path) -> None:
    server = FakeServer({"/d/f": b"1", "/g": b"2"})
    server.directories.add("/d")
    (tmp_path / "outside").mkdir()
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "d").symlink_to(tmp_path / "outside")
    async with server.running():
        async with quick(server) as client:
            report = await client.get_tree("", tmp_path / "here")
    assert os.listdir(tmp_path / "outside") == []
    assert [failure.path for failure in report.failures] == ["d"]
    assert (tmp_path / "here" / "g").read_bytes() == b"2"


async def test_226_before_the_data_ends_is_waited_through(tmp_path: Path) -> None:
    class Hasty(FakeServer):
        async def do_RETR(self, talk: Conversation, argument: str) -> None:
            await talk.say("125 open")
            data = await talk.data()
            await data.send_all(self.files[talk.path(argument)][:10])
            await talk.say("250 done, nearly")
            await trio.testing.wait_all_tasks_blocked()
            await data.send_all(self.files[talk.path(argument)][10:])
            await data.aclose()

    async with Hasty({"/f": CONTENT}).running() as server:
        async with quick(server) as client:
            assert (await client.get("f", tmp_path / "f")).verified is Verified.SIZE
            assert (await client.stat("f")).size == len(CONTENT)


class IdleOut(FakeServer):
    """421 to the second transfer's first command, on the first connection only."""

    async def do_MLST(self, talk: Conversation, argument: str) -> None:
        if self.connections == 1 and any(line.startswith("RETR") for line in self.heard):
            await talk.say("421 idle too long")
            raise Gone
        await talk.do_MLST(argument)


async def test_421_is_healed_by_a_new_session(tmp_path: Path) -> None:
    async with IdleOut({"/f": CONTENT}).running() as server:
        async with quick(server, retries=2) as client:
            await client.get("f", tmp_path / "f")
            await client.get("f", tmp_path / "f")
        assert server.connections == 2


async def test_without_retries_it_is_told(tmp_path: Path) -> None:
    async with IdleOut({"/f": CONTENT}).running() as server:
        async with quick(server) as client:
            await client.get("f", tmp_path / "f")
            with pytest.raises(ClientError) as caught:
                await client.get("f", tmp_path / "f")
    assert caught.value.outcome is Outcome.CONNECT


async def test_more_sessions_than_the_server_allows(tmp_path: Path) -> None:
    class OnlyTwo(FakeServer):
        async def do_PASS(self, talk: Conversation, _: str) -> None:
            if self.connections > 2:
                await talk.say("421 only two")
                raise Gone
            await talk.say("230 in")

    files = {f"/{number}": b"x" * 1000 for number in range(20)}
    async with OnlyTwo(files).running() as server:
        async with quick(server, connections=5) as client:
            report = await client.get_tree("", tmp_path / "t")
    assert report.error is None
    assert report.files == 20


@pytest.mark.parametrize("aborts", [True, False])
async def test_cancelling_leaves_the_dialogue_in_step(
    tmp_path: Path, aborts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ftlite.client.transfer._ABORT", 60.0)  # a loaded machine may take longer than a person waits

    class Endless(FakeServer):
        """With `aborts` the transfer's 426 and ABOR's 226 as RFC 959 has it; else one reply for both."""

        async def do_RETR(self, talk: Conversation, _: str) -> None:
            await talk.say("150 here")
            data = await talk.data()
            try:
                while True:
                    await data.send_all(bytes(100_000))
            except trio.BrokenResourceError:
                await talk.say("426 gone")

        async def do_ABOR(self, talk: Conversation, _: str) -> None:
            if aborts:
                await talk.say("226 aborted")

    async with Endless({"/f": CONTENT}).running() as server:
        async with quick(server) as client:
            with trio.CancelScope() as scope:
                await client.get("f", tmp_path / "f", progress=lambda *_: scope.cancel())
            assert scope.cancelled_caught
            async with client.download("f") as download:
                async for _ in download:
                    break
            assert download.result is None
            with pytest.raises(ZeroDivisionError):
                async with client.download("f") as download:
                    1 / 0  # noqa: B018
            assert (await client.stat("f")).size == len(CONTENT)
        assert server.connections == 1
    assert not (tmp_path / "f").exists()


async def test_a_server_deaf_to_abor_loses_the_connection(tmp_path: Path) -> None:
    async with Stalls({"/f": CONTENT}).running() as server:
        async with quick(server, retries=1) as client:
            async with client.download("f") as download:
                async for _ in download:
                    break
            assert (await client.stat("f")).size == len(CONTENT)
        assert server.connections == 2


async def test_one_connection_is_not_two(tmp_path: Path) -> None:
    async with FakeServer({"/f": CONTENT}).running() as server:
        async with quick(server) as client:
            async with client.download("f"):
                with pytest.raises(ClientError) as caught:
                    await client.stat("f")
        assert caught.value.outcome is Outcome.USAGE
        async with quick(server, connections=2) as client:
            async with client.download("f"):
                assert (await client.stat("f")).size == len(CONTENT)


async def test_no_group_reaches_the_user() -> None:
    async with FakeServer().running() as server:
        with pytest.raises(KeyError):
            async with quick(server):
                raise KeyError
        with pytest.raises(ExceptionGroup, match="mine") as caught:  # a group of the user's own is his to get
            async with quick(server):
                raise ExceptionGroup("mine", [ValueError()])
        assert isinstance(caught.value.exceptions[0], ValueError)


async def test_max_time_ends_it() -> None:
    async with Stalls({"/f": CONTENT}).running() as server:
        with pytest.raises(ClientError) as caught:
            async with quick(server, max_time=0.3) as client:
                async with client.download("f") as download:
                    async for _ in download:
                        pass
    assert caught.value.outcome is Outcome.TIMEOUT
    assert "0.3" in caught.value.message


async def test_arguments_that_cannot_travel_are_refused() -> None:
    async with FakeServer().running() as server:
        async with quick(server) as client:
            for path in ("a\r\nDELE b", "a\0b", "a\nb"):
                with pytest.raises(ClientError) as caught:
                    await client.remove(path)
                assert caught.value.outcome is Outcome.USAGE
            assert await client.list() == []
    assert not any(line.startswith("DELE") for line in server.heard)


class TlsCut(FakeServer):
    """Ends the data connection with a FIN and no close_notify, after `part` of the file."""

    part = 0.5

    async def do_RETR(self, talk: Conversation, argument: str) -> None:
        await talk.say("150 here")
        data = await talk.data()
        content = self.files[talk.path(argument)]
        await data.send_all(content[: int(len(content) * self.part)])
        assert isinstance(data, trio.SSLStream)
        await data.transport_stream.aclose()
        await talk.say("226 all of it")


class TlsCutNoSizes(TlsCut, NoSizes):
    part = 1.0


class TlsRude(TlsCut):
    part = 1.0


@pytest.mark.parametrize(
    ("kind", "outcome"), [(TlsCut, Outcome.PARTIAL), (TlsCutNoSizes, Outcome.PARTIAL), (TlsRude, None)]
)
async def test_tls_without_close_notify(
    kind: type[FakeServer],
    outcome: Outcome | None,
    tmp_path: Path,
    server_context: ssl.SSLContext,
    authority_file: Path,
) -> None:
    """Cut short, or not to be told from that: refused. Every byte that the server states is there: fine."""
    async with kind({"/f": CONTENT}, server_context).running() as server:
        async with quick(server, tls="required", cacert=authority_file) as client:
            if outcome is None:
                assert (await client.get("f", tmp_path / "f")).verified is Verified.SIZE
                return
            with pytest.raises(ClientError) as caught:
                await client.get("f", tmp_path / "f")
    assert caught.value.outcome is outcome, caught.value
    assert not (tmp_path / "f").exists()
