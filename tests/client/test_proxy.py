"""Going through a proxy, and what is said when that does not work."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from ftlite import connect
from ftlite.client import ClientError, Outcome
from ftlite.net.errors import Kind, NetError
from ftlite.net.proxy import Proxy, connect_through, parse_proxy
from tests.client.fake import FakeServer
from tests.client.relay import Relay

CONTENT = bytes(range(256)) * 4000


def through(
    relay: Relay, server: FakeServer, scheme: str, *, host: str = "127.0.0.1", login: str = "", **more: Any
) -> Any:
    at = f"{login}@" if login else ""
    proxy = f"{scheme}://{at}127.0.0.1:{relay.port}"
    settings = {"password": "p", "tls": "off", "retries": 0, "proxy": proxy, **more}
    return connect(f"ftp://ann@{host}:{server.port}/", **settings)


@pytest.mark.parametrize("drip", [False, True])
@pytest.mark.parametrize("login", ["", "ann%40x:s%3Aecret"])
@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
async def test_control_and_data_go_through(scheme: str, login: str, drip: bool, tmp_path: Path) -> None:
    server = FakeServer({"/f": CONTENT})
    relay = Relay(login="ann@x:s:ecret" if login else "", drip=drip)
    async with server.running(), relay.running():
        async with through(relay, server, scheme, login=login) as client:
            assert [entry.name for entry in await client.list()] == ["f"]
            await client.get("f", tmp_path / "f")
            assert (tmp_path / "f").read_bytes() == CONTENT
            await client.put(tmp_path / "f", "g")
            assert server.files["/g"] == CONTENT
    assert len(relay.asked) == 4
    assert relay.asked[0] == ("127.0.0.1", server.port)
    assert {host for host, _ in relay.asked} == {"127.0.0.1"}


async def test_tls_goes_through(server_context: ssl.SSLContext, authority_file: Path) -> None:
    server = FakeServer({"/f": b"1"}, server_context)
    relay = Relay()
    async with server.running(), relay.running():
        async with through(relay, server, "http", tls="required", cacert=authority_file) as client:
            assert [entry.name for entry in await client.list()] == ["f"]


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
async def test_the_proxy_looks_names_up(scheme: str) -> None:
    server, relay = FakeServer({"/f": b"1"}), Relay()
    relay.names["inside.invalid"] = "127.0.0.1"
    async with server.running(), relay.running():
        async with through(relay, server, scheme, host="inside.invalid") as client:
            assert len(await client.list()) == 1
    assert {host for host, _ in relay.asked} == {"inside.invalid"}


async def test_socks5_looks_names_up_here() -> None:
    server, relay = FakeServer(), Relay()
    async with server.running(), relay.running():
        with pytest.raises(ClientError) as caught:
            async with through(relay, server, "socks5", host="inside.invalid"):
                pass
    assert caught.value.outcome is Outcome.CONNECT
    assert relay.asked == []


@pytest.mark.parametrize(
    ("scheme", "settings", "words"),
    [
        ("http", {"login": "a:b"}, "407"),
        ("socks5", {"login": "a:b"}, "user and password"),
        ("http", {"answer": b"HTTP/1.1 403 Forbidden\r\n\r\n"}, "403 Forbidden"),
        ("http", {"answer": b"HTTP/1.0 502 Bad Gateway\r\n\r\nsorry"}, "502 Bad Gateway"),
        ("http", {"answer": b"220 FTP server ready\r\n\r\n"}, "does not answer as an HTTP proxy"),
        ("http", {"answer": b""}, "closed the connection"),
        ("socks5", {"answer": 2}, "rules"),
        ("socks5h", {"answer": 5}, "nobody listens"),
        ("socks5h", {"answer": 99}, "reply 99"),
    ],
)
async def test_a_proxy_that_refuses(scheme: str, settings: dict[str, Any], words: str) -> None:
    server, relay = FakeServer(), Relay(**settings)
    async with server.running(), relay.running():
        with pytest.raises(ClientError) as caught:
            async with through(relay, server, scheme):
                pass
    assert caught.value.outcome is Outcome.CONNECT
    assert words in caught.value.message
    assert f"{scheme}://127.0.0.1:{relay.port}" in caught.value.message
    assert server.connections == 0


async def test_a_wrong_password_is_told_without_it() -> None:
    for scheme in ("http", "socks5"):
        server, relay = FakeServer(), Relay(login="a:b")
        async with server.running(), relay.running():
            with pytest.raises(ClientError) as caught:
                async with through(relay, server, scheme, login="ann:geheim"):
                    pass
        assert caught.value.outcome is Outcome.CONNECT
        assert "geheim" not in str(caught.value)


async def test_a_proxy_that_says_nothing(autojump_clock: trio.testing.MockClock) -> None:
    async def never(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    relay = Relay()
    relay.serve = never  # type: ignore[method-assign]
    async with relay.running():
        for scheme in ("http", "socks5"):
            with pytest.raises(NetError) as caught:
                await connect_through(Proxy(scheme, "127.0.0.1", relay.port), "127.0.0.1", 21, 15)
            assert caught.value.kind is Kind.TIMEOUT
            assert str(relay.port) in caught.value.message


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("http://proxy:3128", Proxy("http", "proxy", 3128)),
        ("proxy:3128", Proxy("http", "proxy", 3128)),
        ("proxy", Proxy("http", "proxy", 80)),
        ("HTTP://proxy/", Proxy("http", "proxy", 80)),
        ("socks5://[::1]", Proxy("socks5", "::1", 1080)),
        ("socks5h://u:p%40%3a@h:1", Proxy("socks5h", "h", 1, "u", "p@:")),
        ("socks5h://u:p@ss@h:1", Proxy("socks5h", "h", 1, "u", "p@ss")),
        ("http://u@h", Proxy("http", "h", 80, "u", "")),
    ],
)
def test_addresses_of_proxies(text: str, proxy: Proxy) -> None:
    assert parse_proxy(text) == proxy


@pytest.mark.parametrize(
    "text", ["", "://", "https://h", "ftp://h:21", "socks4://h", "http://h:0", "http://h:70000", "http://a b", "h:x"]
)
def test_no_addresses_of_proxies(text: str) -> None:
    with pytest.raises(ValueError, match="proxy"):
        parse_proxy(text)


@given(st.text(max_size=60))
def test_any_text_is_a_proxy_or_a_sentence(text: str) -> None:
    said: list[object] = []
    try:
        said.append(parse_proxy(f"socks5://me:geheim@{text}"))
    except ValueError as error:
        said.append(error)
    assert "geheim" not in f"{said[0]} {said[0]!r}"
