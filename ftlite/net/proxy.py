"""Connecting through a proxy: HTTP CONNECT (RFC 9110 s.9.3.6) or SOCKS 5 (RFC 1928, RFC 1929). Nothing here reads the
environment, and no error repeats the password of the proxy.

h11 reads what an HTTP proxy says. A reply is looked at before it is taken (MSG_PEEK), because the server behind the
proxy speaks first and its greeting may come along with it.
"""

from __future__ import annotations

import base64
import ipaddress
import re
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import unquote

import trio
from attrs import field, frozen

from ftlite.net.dial import connect_tcp
from ftlite.net.errors import Kind, NetError

if TYPE_CHECKING:
    import h11

_PORTS = {"http": 80, "socks5": 1080, "socks5h": 1080}
_LINE = 65536  # bytes of an HTTP proxy's reply looked at in one go; h11 has its own limit on the whole


@frozen
class Proxy:
    """Who to go through.

    Attributes:
        scheme: ``http``; ``socks5`` (names are looked up here) or ``socks5h`` (names are looked up there).
        user, password: what the proxy wants to know; None: nothing.
    """

    scheme: str
    host: str
    port: int
    user: str | None = None
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        """Its URL without user and password."""
        return f"{self.scheme}://{_authority(self.host, self.port)}"


_URL = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?:(?P<login>.*)@)?"
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:/?#@\[\]]+))(?::(?P<port>[0-9]{0,5}))?/*"
)


def parse_proxy(text: str) -> Proxy:
    """Read the URL of a proxy; ``http://`` may be left out. ValueError, without the password, for what is none."""
    match = _URL.fullmatch(text.strip())
    if match is None:
        raise ValueError("the proxy's address is no URL: write http://HOST:PORT or socks5h://HOST:PORT")
    scheme = (match["scheme"] or "http").lower()
    if scheme not in _PORTS:
        raise ValueError(f"a proxy of the kind {scheme}:// cannot be used: http://, socks5:// and socks5h:// can")
    port = int(match["port"]) if match["port"] else _PORTS[scheme]
    if not 0 < port < 65536:
        raise ValueError(f"the proxy's port {port} is none: a port is a number from 1 to 65535")
    user, colon, password = (match["login"] or "").partition(":")
    name = unquote(user) if user or colon else None
    secret = unquote(password)
    if any(len(part.encode("utf-8", "surrogateescape")) > 255 for part in (name or "", secret)):
        raise ValueError("the proxy's user name or password is longer than 255 bytes")
    return Proxy(scheme, match["v6"] or match["host"], port, name, secret)


async def connect_through(proxy: Proxy, host: str, port: int, timeout: float) -> trio.SocketStream:
    """A connection to `host` as the proxy makes it, within `timeout` seconds.

    Raises:
        NetError: PROXY (it does not want to, or is none), REFUSED, UNREACHABLE, NAME, TIMEOUT, LOST; the sentence
            names the proxy.
    """
    async with _blamed(proxy, host, port, timeout):
        try:
            stream = await connect_tcp(proxy.host, proxy.port, timeout)
        except NetError as error:
            raise NetError(error.kind, f"the proxy {proxy} cannot be reached: {error.message}") from error
        try:
            ask = _ask_http if proxy.scheme == "http" else _ask_socks
            await ask(proxy, stream.socket, host, port)
        except BaseException:
            with trio.CancelScope() as scope:
                scope.cancel()
                await stream.aclose()
            raise
    return stream


async def dial_through(proxy: Proxy, host: str, port: int, timeout: float) -> socket.socket:
    """`connect_through` for a data connection: a bare non-blocking socket."""
    stream = await connect_through(proxy, host, port, timeout)
    sock = socket.socket(fileno=stream.socket.detach())
    sock.setblocking(False)
    return sock


@asynccontextmanager
async def _blamed(proxy: Proxy, host: str, port: int, timeout: float) -> AsyncIterator[None]:
    where = f"{_authority(host, port)} through the proxy {proxy}"
    try:
        with trio.fail_after(timeout):
            yield
    except trio.TooSlowError:
        raise NetError(Kind.TIMEOUT, f"{where} did not answer within {timeout:g} seconds") from None
    except OSError as error:
        raise NetError(Kind.LOST, f"the proxy {proxy} broke off: {(error.strerror or str(error)).lower()}") from error


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _ascii(host: str) -> str:
    try:
        return host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        raise NetError(Kind.NAME, f"{host!r} is no host name") from None


async def _send(sock: trio.socket.SocketType, data: bytes) -> None:
    while data:
        data = data[await sock.send(data) :]


def _ended(proxy: Proxy) -> NetError:
    return NetError(Kind.PROXY, f"the proxy {proxy} closed the connection instead of answering")


# HTTP


async def _ask_http(proxy: Proxy, sock: trio.socket.SocketType, host: str, port: int) -> None:
    import h11

    target = _authority(_ascii(host), port)
    headers = [("Host", target)]
    if proxy.user is not None:
        login = base64.b64encode(f"{proxy.user}:{proxy.password}".encode("utf-8", "surrogateescape"))
        headers.append(("Proxy-Authorization", f"Basic {login.decode('ascii')}"))
    dialogue = h11.Connection(h11.CLIENT)
    request = dialogue.send(h11.Request(method="CONNECT", target=target, headers=headers)) or b""
    await _send(sock, request + (dialogue.send(h11.EndOfMessage()) or b""))
    try:
        answer = await _http_answer(proxy, sock, dialogue)
    except h11.RemoteProtocolError as error:
        raise NetError(Kind.PROXY, f"{proxy} does not answer as an HTTP proxy does: {error}") from error
    if not 200 <= answer.status_code < 300:
        said = f"{answer.status_code} {answer.reason.decode('latin-1')}".strip()
        kind = Kind.UNREACHABLE if answer.status_code >= 500 else Kind.PROXY
        hint = "; its user and password belong into its URL" if answer.status_code == 407 else ""
        raise NetError(kind, f"the proxy {proxy} refused the way to {target}: {said}{hint}")


async def _http_answer(proxy: Proxy, sock: trio.socket.SocketType, dialogue: h11.Connection) -> h11.Response:
    import h11

    while True:
        seen = await sock.recv(_LINE, socket.MSG_PEEK)
        if not seen:
            raise _ended(proxy)
        dialogue.receive_data(seen)
        event = dialogue.next_event()
        while isinstance(event, h11.InformationalResponse):
            event = dialogue.next_event()
        ours = len(seen)
        if isinstance(event, h11.Response):
            ours -= len(dialogue.trailing_data[0])
        await _take(proxy, sock, ours)
        if isinstance(event, h11.Response):
            return event


async def _take(proxy: Proxy, sock: trio.socket.SocketType, count: int) -> bytes:
    """Exactly `count` bytes, for not one that follows is ours."""
    data = b""
    while len(data) < count:
        block = await sock.recv(count - len(data))
        if not block:
            raise _ended(proxy)
        data += block
    return data


# SOCKS 5

_NONE, _LOGIN, _NO_METHOD = 0x00, 0x02, 0xFF
_V4, _NAME, _V6 = 0x01, 0x03, 0x04
#: The replies of RFC 1928 s.6.
_REPLIES = {
    1: (Kind.UNREACHABLE, "general failure"),
    2: (Kind.PROXY, "its rules do not allow it"),
    3: (Kind.UNREACHABLE, "the network cannot be reached"),
    4: (Kind.UNREACHABLE, "the host cannot be reached"),
    5: (Kind.REFUSED, "nobody listens there"),
    6: (Kind.UNREACHABLE, "the way is too long"),
    7: (Kind.PROXY, "it knows no CONNECT"),
    8: (Kind.PROXY, "it knows no such kind of address"),
}


async def _ask_socks(proxy: Proxy, sock: trio.socket.SocketType, host: str, port: int) -> None:
    address = _socks_address(host if proxy.scheme == "socks5h" else await _numeric(host, port))
    methods = bytes([_NONE] if proxy.user is None else [_NONE, _LOGIN])
    await _send(sock, bytes([5, len(methods)]) + methods)
    version, method = await _take(proxy, sock, 2)
    if version != 5:
        raise NetError(Kind.PROXY, f"{proxy} does not answer as a SOCKS 5 proxy does")
    if method == _LOGIN and proxy.user is not None:
        await _socks_login(proxy, sock)
    elif method != _NONE:
        wants = "user and password in its URL" if method == _NO_METHOD and proxy.user is None else "another login"
        raise NetError(Kind.PROXY, f"the proxy {proxy} does not let us in: it may want {wants}")
    await _send(sock, b"\x05\x01\x00" + address + struct.pack("!H", port))
    version, answer, _, kind = await _take(proxy, sock, 4)
    if version != 5:
        raise NetError(Kind.PROXY, f"{proxy} does not answer as a SOCKS 5 proxy does")
    if answer:
        what, why = _REPLIES.get(answer, (Kind.PROXY, f"reply {answer}"))
        raise NetError(what, f"the proxy {proxy} refused the way to {_authority(host, port)}: {why}")
    if kind not in (_V4, _NAME, _V6):
        raise NetError(Kind.PROXY, f"{proxy} answers with an address of an unknown kind")
    length = {_V4: 4, _V6: 16}.get(kind) or (await _take(proxy, sock, 1))[0]
    await _take(proxy, sock, length + 2)  # where the proxy connects from; of no use to us


async def _socks_login(proxy: Proxy, sock: trio.socket.SocketType) -> None:
    """RFC 1929 s.2."""
    parts = [part.encode("utf-8", "surrogateescape") for part in (proxy.user or "", proxy.password)]
    await _send(sock, b"\x01" + b"".join(bytes([len(part)]) + part for part in parts))
    _, status = await _take(proxy, sock, 2)
    if status:
        raise NetError(Kind.PROXY, f"the proxy {proxy} refused its user or password")


async def _numeric(host: str, port: int) -> str:
    try:
        found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        why = (getattr(error, "strerror", None) or "it is no host name").lower()
        raise NetError(Kind.NAME, f"the name {host!r} was not found: {why}") from error
    return str(found[0][4][0])


def _socks_address(host: str) -> bytes:
    """ATYP and address (RFC 1928 s.5)."""
    try:
        number = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        name = _ascii(host).encode("ascii")
        if len(name) > 255:
            raise NetError(Kind.NAME, f"the name {host!r} is too long for SOCKS") from None
        return bytes([_NAME, len(name)]) + name
    return bytes([_V4 if number.version == 4 else _V6]) + number.packed
