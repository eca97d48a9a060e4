"""Servers that know only RFC 959, or half of what came later."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import zlib
from pathlib import Path
from typing import Any

import pytest
import trio

from ftlite import connect
from ftlite.client import ClientError, Outcome, Unsupported, Verified, uploads
from ftlite.client.parts import part_path
from ftlite.protocol.entries import Kind
from tests.client.fake import Conversation, FakeServer


def quick(server: FakeServer, **more: Any) -> Any:
    return connect(f"ftp://ann@127.0.0.1:{server.port}/", **{"password": "p", "tls": "off", "retries": 0, **more})


class Old(FakeServer):
    """LIST alone, of the directory it stands in; hides dot files unless asked with -a."""

    feat = ("REST STREAM",)
    options = True

    async def do_MLSD(self, talk: Conversation, _: str) -> None:
        await talk.say("500 what?")

    do_MLST = do_MLSD

    async def do_LIST(self, talk: Conversation, argument: str) -> None:
        if argument and not self.options:
            await talk.say("550 -a: No such file or directory.")
            return
        lines = ["total 9"]
        for name, path in talk.children(talk.cwd).items():
            if name.startswith(".") and argument != "-a":
                continue
            kind, size = ("d", 0) if path in self.directories else ("-", len(self.files[path]))
            lines.append(f"{kind}rwxr-x--- 1 ann ann {size} Jan  2  2024 {name}")
        await talk.send_data("".join(f"{line}\r\n" for line in lines).encode())
        await talk.say("226 listed")


def old(**files: bytes) -> Old:
    server = Old({"/d/-rf [x]": b"123", "/d/.hid": b"4", "/f": b"5" * 10})
    server.directories |= {"/d", "/void"}
    return server


@pytest.mark.parametrize("options", [True, False])
async def test_list_is_the_last_resort(options: bool, tmp_path: Path) -> None:
    server = old()
    server.options = options
    async with server.running():
        async with quick(server) as client:
            names = {entry.name: entry.kind for entry in await client.list()}
            assert names == {"d": Kind.DIR, "void": Kind.DIR, "f": Kind.FILE}
            assert await client.list("void") == []
            hidden = [".hid"] if options else []
            assert sorted(entry.name for entry in await client.list("d")) == ["-rf [x]", *hidden]
            with pytest.raises(ClientError) as caught:
                await client.list("none")
            assert caught.value.outcome is Outcome.NOT_FOUND
            found = await client.stat("d/-rf [x]")
            assert (found.size, found.mode, found.modify_ns) == (3, 0o750, 1704164645 * 10**9)
            assert (await client.stat("d")).kind is Kind.DIR
            assert (await client.stat("/")).kind is Kind.DIR
            with pytest.raises(ClientError) as caught:
                await client.stat("d/none")
            assert caught.value.outcome is Outcome.NOT_FOUND
            report = await client.get_tree("", tmp_path / "t")
    assert report.error is None
    assert (tmp_path / "t/d/-rf [x]").read_bytes() == b"123"
    assert (tmp_path / "t/d/-rf [x]").stat().st_mode & 0o077 == 0o050 & ~_umask()
    assert (tmp_path / "t/d/.hid").exists() is options
    assert (tmp_path / "t/void").is_dir()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


async def test_mlsd_in_feat_only() -> None:
    class Half(Old):
        feat = ("MLST type*;size*;",)

    server = Half({"/f": b"1"})
    async with server.running():
        async with quick(server) as client:
            for _ in range(2):
                assert [entry.name for entry in await client.list()] == ["f"]
    assert server.heard.count("MLSD") == 1


async def test_an_empty_directory_may_be_a_550() -> None:
    class Shy(Old):
        async def do_LIST(self, talk: Conversation, _: str) -> None:
            await talk.say("550 No such file or directory.")

    async with Shy().running() as server:
        async with quick(server) as client:
            assert await client.list() == []


async def test_no_size_no_time(tmp_path: Path) -> None:
    class Bare(Old):
        feat = ()

        async def do_SIZE(self, talk: Conversation, _: str) -> None:
            await talk.say("502 SIZE not implemented")

        do_MDTM = do_FEAT = do_SIZE

    async with Bare({"/f": b"12"}).running() as server:
        async with quick(server) as client:
            assert (await client.get("f", tmp_path / "f")).verified is Verified.NONE
            assert (await client.get("f", tmp_path / "g")).verified is Verified.NONE
            with pytest.raises(Unsupported):
                await client.hash("f")
    assert sum(line.startswith("SIZE") for line in server.heard) == 1


async def test_times_are_set_by_mdtm_where_there_is_no_mfmt(tmp_path: Path) -> None:
    class Older(FakeServer):
        feat = ("MDTM", "SIZE")
        sets = True

        async def do_MDTM(self, talk: Conversation, argument: str) -> None:
            await talk.say("213 File modification time set." if self.sets else "550 No such file.")

    (tmp_path / "f").write_bytes(b"1")
    os.utime(tmp_path / "f", (1704164645, 1704164645))
    async with Older().running() as server:
        async with quick(server) as client:
            await client.set_modified("f", 10**9)
            await client.put(tmp_path / "f", "f")
            server.sets = False
            await client.put(tmp_path / "f", "f")
            await client.put(tmp_path / "f", "f")
    asked = [line for line in server.heard if line.startswith("MDTM")]
    assert asked == ["MDTM 19700101000001 f", *["MDTM 20240102030405 f"] * 2]


class Hashing(FakeServer):
    feat = (*FakeServer.feat, "HASH SHA-256*;SHA-512;CRC32", "XMD5", "XCRC")
    chosen = "SHA-256"
    wrong = False

    async def do_OPTS(self, talk: Conversation, argument: str) -> None:
        if argument.startswith("HASH "):
            self.chosen = argument[5:]
        await talk.say("200 ok")

    def _digest(self, name: str, content: bytes) -> str:
        if self.wrong:
            content += b"!"
        if name == "CRC32":
            return f"{zlib.crc32(content):X}"
        return hashlib.new(name.replace("-", ""), content).hexdigest()

    async def do_HASH(self, talk: Conversation, argument: str) -> None:
        content = self.files[talk.path(argument)]
        await talk.say(f"213 {self.chosen} 0-{len(content)} {self._digest(self.chosen, content)} {argument}")

    async def do_XMD5(self, talk: Conversation, argument: str) -> None:
        await talk.say(f"250 {self._digest('MD5', self.files[talk.path(argument)]).upper()}")


async def test_digests(tmp_path: Path) -> None:
    content = os.urandom(5000)
    name = "deadbeef" * 8  # a name that looks like a digest
    async with Hashing({f"/{name}": content}).running() as server:
        async with quick(server, require="digest") as client:
            for algorithm in ("sha256", "sha512", "sha256", "md5"):
                assert await client.hash(name, algorithm) == hashlib.new(algorithm, content).hexdigest()
            assert int(await client.hash(name, "crc32"), 16) == zlib.crc32(content)
            with pytest.raises(Unsupported):
                await client.hash(name, "blake3")
            with pytest.raises(ClientError) as caught:
                await client.hash(name, "rot13")
            assert caught.value.outcome is Outcome.USAGE
            got = await client.get(name, tmp_path / "f")
            assert got.verified is Verified.DIGEST
            assert got.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
            assert (await client.put(tmp_path / "f", "g")).verified is Verified.DIGEST
            async with client.download("g") as download:
                assert b"".join([block async for block in download]) == content
            assert download.result is not None
            assert download.result.verified is Verified.DIGEST


async def test_a_wrong_digest_is_never_green(tmp_path: Path) -> None:
    async with Hashing({"/f": b"123"}).running() as server:
        server.wrong = True
        async with quick(server, require="digest") as client:
            with pytest.raises(ClientError) as caught:
                await client.get("f", tmp_path / "f")
    assert caught.value.outcome is Outcome.INTEGRITY
    assert os.listdir(tmp_path) == []


class Silent(FakeServer):
    """Says that it failed, never why, as vsftpd does."""

    async def refuse(self, talk: Conversation, _: str) -> None:
        await talk.say("550 Operation failed.")

    do_MKD = do_DELE = do_RMD = refuse


async def test_what_stands_there_tells_why_a_silent_server_refused() -> None:
    server = Silent({"/f": b"1"})
    server.directories.add("/d")
    async with server.running(), quick(server) as client:
        for call, outcome in (
            (client.mkdir("d"), Outcome.EXISTS),
            (client.mkdir("new"), Outcome.DENIED),
            (client.remove("f"), Outcome.DENIED),
            (client.remove("none"), Outcome.NOT_FOUND),
            (client.rmdir("d"), Outcome.DENIED),
            (client.rmdir("none"), Outcome.NOT_FOUND),
        ):
            with pytest.raises(ClientError) as caught:
                await call
            assert caught.value.outcome is outcome


@pytest.mark.parametrize("refusal", ["REST", "transfer"])
async def test_a_server_that_cannot_go_on_gets_and_gives_the_file_from_its_beginning(
    refusal: str, tmp_path: Path
) -> None:
    class Forgetful(FakeServer):
        if refusal == "REST":

            async def do_REST(self, talk: Conversation, _: str) -> None:
                await talk.say("501 no REST here")
        else:

            async def do_RETR(self, talk: Conversation, argument: str) -> None:
                if talk.restart:
                    talk.restart = 0
                    await talk.say("554 invalid REST parameter")
                else:
                    await talk.do_RETR(argument)

            async def do_STOR(self, talk: Conversation, argument: str) -> None:
                if talk.restart:
                    talk.restart = 0
                    await talk.say("551 a part stands there: begin anew")
                else:
                    await talk.do_STOR(argument)

    server = Forgetful({"/f": b"0123456789", "/g": b"ab"})
    local = tmp_path / "f"
    async with server.running(), quick(server) as client:
        known = await client.stat("f")
        part_path(local, known.size, known.modify_ns).write_bytes(b"01234")
        got = await client.get("f", local, resume=True)
        assert (local.read_bytes(), got.moved, got.offset, got.anew) == (b"0123456789", 10, 0, True)
        assert os.listdir(tmp_path) == ["f"]
        (tmp_path / "g").write_bytes(b"abcdef")
        put = await client.put(tmp_path / "g", "g", resume=True)
        assert (server.files["/g"], put.moved, put.offset, put.anew) == (b"abcdef", 6, 0, True)
        with pytest.raises(ClientError):
            async with client.download("f", offset=3) as download:
                async for _ in download:
                    pass
        assert (await client.get("f", tmp_path / "h")).anew is False


async def test_what_came_stays_when_the_refusal_is_about_the_file(tmp_path: Path) -> None:
    class Shut(FakeServer):
        async def do_RETR(self, talk: Conversation, _: str) -> None:
            await talk.say("550 Permission denied.")

    server = Shut({"/f": b"0123456789"})
    async with server.running(), quick(server) as client:
        known = await client.stat("f")
        part = part_path(tmp_path / "f", known.size, known.modify_ns)
        part.write_bytes(b"01234")
        with pytest.raises(ClientError) as caught:
            await client.get("f", tmp_path / "f", resume=True)
        assert caught.value.outcome is Outcome.DENIED
        assert part.read_bytes() == b"01234"


async def test_a_time_that_ftp_cannot_say_is_not_kept() -> None:
    server = FakeServer({"/f": b"1"})
    year_12000 = 316_500_000_000 * 10**9
    async with server.running(), quick(server) as client:
        await client.run(lambda session: uploads.keep_facts(session, "f", year_12000, 0o640))
        assert not any(line.startswith("MFMT") for line in server.heard)
        assert "SITE CHMOD 640 f" in server.heard
        with pytest.raises(ClientError) as caught:
            await client.set_modified("f", year_12000)
        assert caught.value.outcome is Outcome.USAGE


async def test_opening_a_data_connection_may_take_as_long_as_connecting(monkeypatch: pytest.MonkeyPatch) -> None:
    allowed: list[float] = []

    async def dial(host: str, port: int) -> socket.socket:
        allowed.append(trio.current_effective_deadline() - trio.current_time())
        raise trio.TooSlowError

    monkeypatch.setattr("ftlite.client.data.dial", dial)
    server = FakeServer()
    async with server.running(), quick(server, connect_timeout=70) as client:
        with pytest.raises(ClientError) as caught:
            await client.list()
        assert caught.value.outcome is Outcome.TIMEOUT
        assert "70 s" in caught.value.message
        assert 60 < allowed[0] <= 70


async def test_progress_ends_at_the_whole_file_when_nothing_had_to_move(tmp_path: Path) -> None:
    server = FakeServer({"/f": b"12345", "/zero": b""})
    told: list[tuple[int, int | None]] = []
    seen: list[tuple[int, int | None]] = []
    async with server.running(), quick(server) as client:
        for name, size in (("f", 5), ("zero", 0), ("f", 5)):
            told.clear()
            await client.get(name, tmp_path / name, resume=True, progress=lambda *state: told.append(state))
            assert told[-1] == (size, size)
        await client.put(tmp_path / "zero", "new", progress=lambda *state: seen.append(state))
        assert seen[-1] == (0, 0)
        await client.put(tmp_path / "f", "f", resume=True, progress=lambda *state: seen.append(state))
        assert seen[-1] == (5, 5)
        await client.get_tree("/", tmp_path, resume=True, progress=lambda *state: seen.append(state))
        assert seen[-1] == (5, 5)


async def test_a_time_that_the_disk_cannot_hold_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    server = FakeServer({"/f": b"12345"})
    async with server.running(), quick(server) as client:
        monkeypatch.setattr("os.utime", refuse)
        assert (await client.get("f", tmp_path / "f")).verified is Verified.SIZE
    assert (tmp_path / "f").read_bytes() == b"12345"


@pytest.mark.parametrize(
    ("refusal", "outcome"),
    [
        ("530 Non-anonymous sessions must use encryption.", Outcome.TLS),
        ("550 SSL/TLS required on the control channel", Outcome.TLS),
        ("530 Login incorrect.", Outcome.LOGIN),
    ],
)
async def test_a_server_that_wants_encryption_first(refusal: str, outcome: Outcome) -> None:
    class Strict(FakeServer):
        async def do_USER(self, talk: Conversation, _: str) -> None:
            await talk.say(refusal)

    async with Strict().running() as server:
        with pytest.raises(ClientError) as caught:
            async with quick(server):
                pass
    assert caught.value.outcome is outcome
    assert ("--tls required" in caught.value.remedy) is (outcome is Outcome.TLS)


@pytest.mark.parametrize(
    ("refusal", "outcome"),
    [
        ("530 Too many sessions for this account; close one and try again.", Outcome.CONNECT),
        ("530 Sorry, the maximum number of clients (4) for this user are already connected.", Outcome.CONNECT),
        ("530 Too many failed logins, try again later.", Outcome.LOGIN),
        ("530 Login incorrect.", Outcome.LOGIN),
    ],
)
async def test_a_full_account_is_no_wrong_password(
    refusal: str, outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many clients of one user those over the limit were told to check the password, and never tried again."""

    class Full(FakeServer):
        tries = 0

        async def do_PASS(self, talk: Conversation, _: str) -> None:
            self.tries += 1
            await talk.say(refusal if self.tries == 1 else "230 in")

    monkeypatch.setattr("ftlite.client.retry._FIRST", 0.01)
    async with Full().running() as server:
        if outcome is Outcome.CONNECT:
            async with quick(server, retries=1) as client:
                assert await client.list() == []
        with pytest.raises(ClientError) as caught:
            server.tries = 0
            async with quick(server, retries=0):
                pass
    assert (caught.value.outcome, caught.value.transient) == (outcome, outcome is Outcome.CONNECT)
    assert ("password" in caught.value.remedy) is (outcome is Outcome.LOGIN)


class Walled(FakeServer):
    """Its 229 names a port where nobody listens, as behind a firewall that reads 227 only."""

    said_425 = False
    asked = 0

    async def do_EPSV(self, talk: Conversation, argument: str) -> None:
        self.asked += 1
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            await talk.say(f"229 here (|||{closed.getsockname()[1]}|)")

    async def do_PASV(self, talk: Conversation, _: str) -> None:
        talk.listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
        high, low = divmod(talk.listener.socket.getsockname()[1], 256)
        await talk.say(f"227 here (127,0,0,1,{high},{low})")

    async def do_RETR(self, talk: Conversation, argument: str) -> None:
        if talk.listener is not None:
            await talk.do_RETR(argument)
        elif self.said_425:
            await talk.say("425 nobody came")
        else:
            await trio.sleep_forever()


@pytest.mark.parametrize("said_425", [True, False])
async def test_a_port_of_epsv_that_is_closed_is_no_reason_to_give_up(said_425: bool, tmp_path: Path) -> None:
    server = Walled({"/f": b"content"})
    server.said_425 = said_425
    async with server.running(), quick(server, retries=2, stall_timeout=1.0) as client:
        for name in ("one", "two"):
            result = await client.get("/f", tmp_path / name)
            assert (tmp_path / name).read_bytes() == b"content"
            assert result.size == 7
    assert server.asked == 1
