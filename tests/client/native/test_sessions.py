"""One session, many transfers: negotiation, tags, cancellation, data connections of every kind, and what breaks."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trio

from ftlite.client import Client, ClientError, Outcome, Verified
from tests.client.native.fake import MODIFY, NativeServer, Tag, digest, native
from tests.client.relay import Relay

SMALL = b"the content of a small file"
BIG = bytes(range(256)) * 12_000


def left(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def tags(server: NativeServer) -> list[int]:
    return [tag.number for tag in server.asked]


# ---- negotiation


async def test_native_is_spoken_where_it_is_offered(tmp_path: Path) -> None:
    for offered, dialect, spoken in ((True, None, True), (True, "stock", False), (False, None, False)):
        server = NativeServer({"/f": SMALL})
        server.feat = server.feat if offered else server.feat[:-1]
        async with server.running(), native(server, dialect=dialect) as client:
            assert client.native is spoken
            assert (any(line == "OPTS FTLITE 1" for line in server.heard)) is spoken


@pytest.mark.parametrize("feature", [None, "FTLITE 2 max=1;", "FTLITE 1 max=lots;", "FTLITE"])
async def test_native_that_cannot_be_had_is_said_so(feature: str | None) -> None:
    server = NativeServer()
    server.feat = server.feat[:-1] if feature is None else (*server.feat[:-1], feature)
    async with server.running():
        with pytest.raises(ClientError, match="--dialect"):
            async with native(server):
                pass
        async with native(server, dialect=None) as client:
            assert not client.native


async def test_clear_text_that_nobody_asked_for_stays_stock(tmp_path: Path) -> None:
    server = NativeServer({"/f": SMALL})
    async with server.running():
        async with native(server, tls="optional", dialect=None) as client:
            assert not client.native
        with pytest.raises(ClientError, match="in clear"):
            async with native(server, tls="optional"):
                pass
    assert "OPTS FTLITE 1" not in server.heard


@pytest.mark.parametrize("answer", ["200 FTLITE 1 id=short;key=short;", "502 no", "200 ok"])
async def test_a_grant_that_is_none(answer: str) -> None:
    server = NativeServer()

    async def refuse(talk: object, argument: str) -> None:
        await talk.say(answer if argument == "FTLITE 1" else "200 ok")  # type: ignore[attr-defined]

    server.do_OPTS = refuse  # type: ignore[method-assign,assignment]
    async with server.running():
        with pytest.raises(ClientError) as caught:
            async with native(server):
                pass
        assert caught.value.outcome is Outcome.PROTOCOL


# ---- many at once


class Gathering(NativeServer):
    """Sends nothing before `crowd` downloads run."""

    crowd = 16

    async def send(self, tag: Tag, stream: trio.abc.Stream, content: bytes) -> None:
        while tag.verb == "GET" and self.busy < self.crowd:
            await self.arrived.park()
        await super().send(tag, stream, content)
        if tag.verb == "GET":
            self.crowd = 0
        self.arrived.unpark_all()


async def test_sixteen_share_one_session(tmp_path: Path) -> None:
    server = Gathering({f"/f{number}": SMALL * number for number in range(24)})
    async with server.running(), native(server) as client:
        async with trio.open_nursery() as nursery:
            for number in range(24):
                nursery.start_soon(client.get, f"f{number}", tmp_path / str(number))
        assert server.connections == 1
        assert server.most == 16
    for number in range(24):
        assert (tmp_path / str(number)).read_bytes() == SMALL * number


async def test_no_more_at_once_than_the_server_grants(tmp_path: Path) -> None:
    server = NativeServer({f"/f{number}": BIG for number in range(6)})
    server.granted = "max=2;spares=0;"
    async with server.running(), native(server) as client:
        async with trio.open_nursery() as nursery:
            for number in range(6):
                nursery.start_soon(client.get, f"f{number}", tmp_path / str(number))
        assert server.most <= 2


async def test_questions_are_answered_while_transfers_run(tmp_path: Path) -> None:
    server = Gathering({"/f": SMALL, "/g": SMALL})
    server.crowd = 99
    async with server.running(), native(server) as client, trio.open_nursery() as nursery:
        nursery.start_soon(client.get, "f", tmp_path / "f")
        while not server.opened:
            await trio.sleep(0.001)
        assert (await client.stat("g")).size == len(SMALL)
        assert await client.hash("g") == digest(SMALL)
        await client.mkdir("d")
        assert [entry.name for entry in await client.list()] == ["d", "f", "g"]
        assert not (tmp_path / "f").exists()
        server.crowd = 0
        server.arrived.unpark_all()
    assert (tmp_path / "f").read_bytes() == SMALL


async def test_cancelling_one_leaves_the_others_running(tmp_path: Path) -> None:
    server = Gathering({"/f": BIG, "/g": BIG})
    server.crowd = 3
    async with server.running(), native(server) as client, trio.open_nursery() as nursery:
        nursery.start_soon(client.get, "g", tmp_path / "g")
        scope = trio.CancelScope()

        async def cancelled() -> None:
            with scope:
                await client.get("f", tmp_path / "f")

        nursery.start_soon(cancelled)
        while server.busy < 2:
            await trio.sleep(0.001)
        (doomed,) = [tag.number for tag in server.asked if tag.path == "f"]
        scope.cancel()
        while f"ABOR tag={doomed};" not in server.heard:
            await trio.sleep(0.001)
        server.crowd = 0
        server.arrived.unpark_all()
    assert (tmp_path / "g").read_bytes() == BIG
    assert not (tmp_path / "f").exists()
    assert server.connections == 1
    assert not any(line == "ABOR" for line in server.heard)


async def test_renaming_is_two_commands_in_a_row() -> None:
    server = NativeServer({f"/a{number}": b"x" for number in range(8)})
    async with server.running(), native(server) as client, trio.open_nursery() as nursery:
        for number in range(8):
            nursery.start_soon(client.rename, f"a{number}", f"b{number}")
    assert sorted(server.files) == [f"/b{number}" for number in range(8)]


# ---- data connections


@pytest.mark.parametrize(
    "greetings",
    [
        tuple(bytes([octet]) for octet in b"220 fake\r\n"),
        (b"220-one\r\n 220 not yet\r\n", b"220-nor\r\n220", b" end\r\n"),
        (b"421 too many connections\r\n",),
        (b"220 " + b"x" * 4000 + b"\r\n",),
    ],
    ids=["byte by byte", "several lines", "a refusal", "long"],
)
@pytest.mark.parametrize("encrypted", [False, True])
async def test_greetings(
    tmp_path: Path,
    greetings: tuple[bytes, ...],
    encrypted: bool,
    server_context: ssl.SSLContext,
    authority_file: Path,
) -> None:
    (tmp_path / "f").write_bytes(SMALL)

    class Greeting(NativeServer):
        async def serve(self, stream: trio.abc.Stream) -> None:
            if self.talks:  # the session itself is greeted as usual
                self.greetings = greetings
            await super().serve(stream)

    server = Greeting(context=server_context if encrypted else None)
    more = {"tls": "required", "cacert": authority_file} if encrypted else {}
    async with server.running(), native(server, **more) as client:
        await client.put(tmp_path / "f", "f")
        assert (await client.get("f", tmp_path / "g")).verified is Verified.DIGEST
    assert (tmp_path / "g").read_bytes() == SMALL


@pytest.mark.parametrize("nonsense", [b"hello\r\n", b"220 " + b"x" * 5000 + b"\r\n"])
async def test_what_is_no_greeting(tmp_path: Path, nonsense: bytes) -> None:
    class Greeting(NativeServer):
        async def serve(self, stream: trio.abc.Stream) -> None:
            if self.talks:
                self.greetings = (nonsense,)
            await super().serve(stream)

    server = Greeting({"/f": SMALL})
    async with server.running(), native(server) as client:
        with pytest.raises(ClientError) as caught:
            await client.get("f", tmp_path / "f")
        assert caught.value.outcome is Outcome.CONNECT
        assert (await client.stat("f")).size == len(SMALL), "the session stands"


async def test_over_tls_the_session_is_resumed(
    tmp_path: Path, server_context: ssl.SSLContext, authority_file: Path
) -> None:
    server = NativeServer({"/f": BIG}, server_context)
    async with server.running(), native(server, tls="required", cacert=authority_file) as client:
        for _ in range(3):
            await client.get("f", tmp_path / "f")
            (tmp_path / "f").unlink()
        assert server.resumed == [True] * 3


async def test_a_data_connection_to_another_key_gets_no_proof(
    tmp_path: Path, server_context: ssl.SSLContext, authority_file: Path
) -> None:
    import trustme

    from ftlite.net.tls import spki_pin

    proofs = []

    class Between(NativeServer):
        async def enter(self, stream: trio.abc.Stream, line: bytes) -> None:
            other = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            trustme.CA().issue_cert("127.0.0.1").configure_cert(other)
            secure = trio.SSLStream(stream, other, server_side=True)
            await secure.do_handshake()
            proofs.append(await secure.receive_some(72))

    server = Between({"/f": SMALL}, server_context)
    async with server.running():
        der = await trio.to_thread.run_sync(_certificate, server.port)
        async with native(server, tls="required", pin=spki_pin(der)) as client:
            with pytest.raises(ClientError) as caught:
                await client.get("f", tmp_path / "f")
            assert caught.value.outcome is Outcome.PIN
    assert not [one for one in proofs if one]


def _certificate(port: int) -> bytes:
    import socket

    with socket.create_connection(("127.0.0.1", port)) as sock:
        file = sock.makefile("rwb")
        file.readline()
        file.write(b"AUTH TLS\r\n")
        file.flush()
        file.readline()
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(sock) as secure:
            der = secure.getpeercert(True)
            assert der is not None
            return der


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_through_a_proxy(tmp_path: Path, scheme: str) -> None:
    server, relay = NativeServer({"/f": BIG}), Relay()
    async with server.running(), relay.running():
        async with native(server, spares=0, proxy=f"{scheme}://127.0.0.1:{relay.port}") as client:
            await client.get("f", tmp_path / "f")
            await client.put(tmp_path / "f", "g")
        assert {port for _, port in relay.asked} == {server.port}
        assert len(relay.asked) == 3
    assert server.files["/g"] == BIG


async def test_a_data_connection_that_never_comes_is_a_timeout(tmp_path: Path) -> None:
    class Silent(NativeServer):
        async def serve(self, stream: trio.abc.Stream) -> None:
            if self.talks:
                await trio.sleep_forever()
            await super().serve(stream)

    server = Silent({"/f": SMALL})
    async with server.running(), native(server, connect_timeout=1.0) as client:
        with pytest.raises(ClientError) as caught:
            await client.get("f", tmp_path / "f")
        assert (caught.value.outcome, caught.value.transient) == (Outcome.TIMEOUT, True)
        assert (await client.stat("f")).size == len(SMALL)
    assert left(tmp_path) == []


# ---- spares


async def spared(client: Client, server: NativeServer, count: int) -> None:
    """Wait until so many data connections wait for a command."""
    while len(server.streams) < count:
        await trio.sleep(0.001)


async def test_spares_are_dialled_ahead_and_used(tmp_path: Path) -> None:
    server = NativeServer({"/f": SMALL})
    async with server.running(), native(server, spares=1) as client:
        await spared(client, server, 1)
        for _ in range(4):
            before = list(server.opened)
            assert (await client.get("f", tmp_path / "f")).verified is Verified.DIGEST
            assert server.asked[-1].number in before, "its data connection was there before it was asked for"
            await spared(client, server, 1)
        assert len(server.opened) == 5


async def test_no_more_spares_than_are_granted(tmp_path: Path) -> None:
    server = NativeServer({"/f": SMALL})
    async with server.running(), native(server, spares=9) as client:
        await spared(client, server, 2)
        await client.get("f", tmp_path / "f")
        await spared(client, server, 2)
        assert len(server.opened) == 3


@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_spare_that_the_server_closed_is_not_used(
    tmp_path: Path, encrypted: bool, server_context: ssl.SSLContext, authority_file: Path
) -> None:
    server = NativeServer({"/f": SMALL}, server_context if encrypted else None)
    more = {"tls": "required", "cacert": authority_file} if encrypted else {}
    async with server.running(), native(server, spares=2, **more) as client:
        await spared(client, server, 2)
        gone = set(server.streams)
        for tag in gone:
            await server.streams.pop(tag).aclose()
            server.over[tag].set()
        await trio.testing.wait_all_tasks_blocked(0.05)
        await client.get("f", tmp_path / "f")
        assert server.asked[-1].number not in gone
        await spared(client, server, 2)


async def test_without_being_asked_there_is_no_spare_on_a_short_way(tmp_path: Path) -> None:
    server = NativeServer({"/f": SMALL})
    async with server.running(), native(server, spares=0) as client:
        for _ in range(3):
            await client.get("f", tmp_path / "f")
    assert sorted(server.opened) == tags(server)


# ---- what breaks


class Leaving(NativeServer):
    """Closes the control connection when a transfer is at `when`."""

    when = "asked"

    async def leave(self, tag: Tag, when: str) -> None:
        if self.when == when:
            await trio.aclose_forcefully(tag.talk.stream)
            await trio.sleep_forever()

    async def get(self, tag: Tag) -> None:
        await self.leave(tag, "asked")
        await super().get(tag)

    async def send(self, tag: Tag, stream: trio.abc.Stream, content: bytes) -> None:
        await self.leave(tag, "begun")
        await super().send(tag, stream, content)

    async def confirm_get(self, tag: Tag, content: bytes, offset: int) -> None:
        await self.leave(tag, "sent")
        await super().confirm_get(tag, content, offset)

    async def put(self, tag: Tag) -> None:
        await self.leave(tag, "asked")
        await super().put(tag)

    async def receive(self, tag: Tag, path: str) -> None:
        await self.leave(tag, "begun")
        await super().receive(tag, path)

    async def publish(self, tag: Tag, path: str, content: bytes, moved: int) -> None:
        await self.leave(tag, "sent")
        await super().publish(tag, path, content, moved)


@pytest.mark.parametrize("when", ["asked", "begun", "sent"])
@pytest.mark.parametrize("verb", ["get", "put"])
async def test_a_lost_control_connection_is_partial_and_healed(tmp_path: Path, verb: str, when: str) -> None:
    (tmp_path / "up").write_bytes(BIG)
    server = Leaving({"/f": BIG})
    server.when = when

    async def move(client: Client) -> None:
        await (client.get("f", tmp_path / "f") if verb == "get" else client.put(tmp_path / "up", "up"))

    async with server.running(), native(server) as client:
        with pytest.raises(ClientError) as caught:
            await move(client)
        assert (caught.value.outcome, caught.value.transient) == (Outcome.PARTIAL, True)
        server.when = "never"
        await move(client)
        assert server.connections == 2
        assert [line for line in server.heard if line.startswith("OPTS FTLITE")] == ["OPTS FTLITE 1"] * 2


async def test_all_who_shared_it_go_on_over_one_new_session(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    server = Leaving({f"/f{number}": SMALL for number in range(5)})
    server.when = "asked"
    async with server.running(), native(server, retries=2) as client:
        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(client.get, f"f{number}", tmp_path / str(number))
            while server.connections < 2:
                await trio.sleep(0.001)
                server.when = "never" if server.asked else "asked"
        assert server.connections == 2


@pytest.mark.parametrize("other", [False, True])
async def test_a_name_that_our_own_lost_attempt_took_is_ours(
    tmp_path: Path, other: bool, autojump_clock: trio.testing.MockClock
) -> None:
    """Only the confirmation of the upload was lost; with `other`, somebody else was quicker than the repetition."""
    (tmp_path / "f").write_bytes(SMALL)

    class Unconfirmed(Leaving):
        feat = (*NativeServer.feat, "HASH SHA-256*")

        async def publish(self, tag: Tag, path: str, content: bytes, moved: int) -> None:
            self.files[path] = content[::-1] if other else content
            await self.leave(tag, "sent")

    server = Unconfirmed()
    server.when = "sent"
    async with server.running(), native(server, retries=1) as client:
        if other:
            with pytest.raises(ClientError) as caught:
                await client.put(tmp_path / "f", "f", if_absent=True)
            assert caught.value.outcome is Outcome.EXISTS
        else:
            put = await client.put(tmp_path / "f", "f", if_absent=True)
            assert (put.verified, put.skipped) == (Verified.DIGEST, True)
        assert server.connections == 2


@pytest.mark.parametrize("code", ["421 going down", "999 what"])
async def test_last_words_on_the_control_connection(tmp_path: Path, code: str) -> None:
    class Going(NativeServer):
        async def get(self, tag: Tag) -> None:
            await tag.talk.say(code)
            await trio.sleep_forever()

    server = Going()
    async with server.running(), native(server) as client:
        with pytest.raises(ClientError) as caught:
            await client.get("f", tmp_path / "f")
        assert caught.value.outcome is (Outcome.PARTIAL if code.startswith("421") else Outcome.PROTOCOL)


class Stalling(NativeServer):
    """Says nothing at some point; `working`: but that it works."""

    at = "begin"
    working = 0

    async def pause(self, tag: Tag, at: str) -> None:
        while self.at == at:
            if not self.working:
                await trio.sleep_forever()
            self.working -= 1
            await tag.say(150, "stage=hash;", "working")
            await trio.sleep(10)
            if not self.working:
                self.at = ""

    async def begin_get(self, tag: Tag, content: bytes, offset: int) -> None:
        await self.pause(tag, "begin")
        await super().begin_get(tag, content, offset)

    async def send(self, tag: Tag, stream: trio.abc.Stream, content: bytes) -> None:
        if self.at == "middle":
            await stream.send_all(content[:10])
            await trio.sleep_forever()
        await super().send(tag, stream, content)

    async def confirm_get(self, tag: Tag, content: bytes, offset: int) -> None:
        await self.pause(tag, "end")
        await super().confirm_get(tag, content, offset)


@pytest.mark.parametrize("at", ["begin", "middle", "end"])
async def test_silence_ends_a_transfer_and_not_the_session(
    tmp_path: Path, at: str, autojump_clock: trio.testing.MockClock
) -> None:
    server = Stalling({"/f": SMALL})
    server.at = at
    async with server.running(), native(server) as client:
        with pytest.raises(ClientError) as caught:
            await client.get("f", tmp_path / "f")
        assert (caught.value.outcome, caught.value.transient) == (Outcome.TIMEOUT, True)
        server.at = ""
        await client.get("f", tmp_path / "f")
        assert server.connections == 1


async def test_a_server_that_says_nothing_at_all_is_given_up(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    class Deaf(NativeServer):
        async def get(self, tag: Tag) -> None:
            await trio.sleep_forever()

        async def do_ABOR(self, talk: object, argument: str) -> None:
            await trio.sleep_forever()

    server = Deaf({"/f": SMALL})
    async with server.running(), native(server) as client:
        with pytest.raises(ClientError) as caught:
            await client.get("f", tmp_path / "f")
        assert caught.value.outcome is Outcome.TIMEOUT
        assert (await client.stat("f")).size == len(SMALL)
        assert server.connections == 2


@pytest.mark.parametrize("at", ["begin", "end"])
async def test_signs_of_work_are_signs_of_life(
    tmp_path: Path, at: str, autojump_clock: trio.testing.MockClock
) -> None:
    server = Stalling({"/f": SMALL})
    server.at, server.working = at, 7
    async with server.running(), native(server) as client:
        began = trio.current_time()
        await client.get("f", tmp_path / "f")
        assert trio.current_time() - began > 60
    assert (tmp_path / "f").read_bytes() == SMALL


async def test_an_early_end_is_no_success(tmp_path: Path) -> None:
    class Short(NativeServer):
        async def send(self, tag: Tag, stream: trio.abc.Stream, content: bytes) -> None:
            await super().send(tag, stream, content[:-1])

    server = Short({"/f": BIG})
    async with server.running(), native(server) as client:
        with pytest.raises(ClientError) as caught:
            await client.get("f", tmp_path / "f")
        assert caught.value.outcome is Outcome.INTEGRITY
    assert left(tmp_path) == [], "what is wrong is not kept"


async def test_a_late_150_harms_nobody(tmp_path: Path) -> None:
    class Late(NativeServer):
        async def get(self, tag: Tag) -> None:
            content = self.files["/f"]
            sent = trio.Event()

            async def send() -> None:
                await self.send(tag, await self.data(tag), content)
                sent.set()

            self.nursery.start_soon(send)
            while tag.number not in self.opened:
                await trio.sleep(0.001)
            await trio.testing.wait_all_tasks_blocked(0.02)
            await tag.say(150, f"offset=0;size={len(content)};modify={MODIFY};mode=0640;version=v1;")
            await sent.wait()
            await self.confirm_get(tag, content, 0)

    server = Late({"/f": SMALL})
    async with server.running(), native(server) as client:
        assert (await client.get("f", tmp_path / "f")).verified is Verified.DIGEST


@pytest.mark.parametrize("reply", ["226 tag=99;bytes=0; what", "150 tag=0; what", "226 nothing was asked"])
async def test_replies_to_nobody_end_the_session(tmp_path: Path, reply: str) -> None:
    class Babbling(NativeServer):
        async def get(self, tag: Tag) -> None:
            await tag.talk.say(reply)
            await trio.sleep_forever()

    server = Babbling()
    async with server.running(), native(server) as client:
        with pytest.raises(ClientError) as caught:
            await client.get("f", tmp_path / "f")
        assert caught.value.outcome is Outcome.PROTOCOL
