"""Listening for control connections: on addresses of the configuration, or on sockets that systemd opened for us."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable

import trio
from attrs import evolve, frozen

from ftlite.config.models import Endpoint
from ftlite.net.errors import Kind, NetError

_BACKLOG = 1024
_NO_IPV6 = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT}


@frozen
class Listener:
    """An open port.

    Attributes:
        endpoint: where it is bound, with the real port where 0 was asked for.
        stream_listener: what accepts.
    """

    endpoint: Endpoint
    stream_listener: trio.SocketListener


async def open_listeners(endpoints: Iterable[Endpoint], *, inherited: Iterable[int] = ()) -> list[Listener]:
    """Open all of `endpoints`, or none. A host name is bound at each of its addresses; ``::`` serves IPv4 too.

    Args:
        inherited: descriptors of listening sockets (LISTEN_FDS). They replace the configured endpoints, and are
            implicit TLS where the configured endpoint with the same port is.

    Raises:
        NetError: NAME, or FAULT when an address cannot be bound.
    """
    endpoints = tuple(endpoints)
    inherited = tuple(inherited)
    opened: list[Listener] = []
    try:
        if inherited:
            opened.extend(_adopt(fd, endpoints) for fd in inherited)
        else:
            for endpoint in endpoints:
                await _open(endpoint, opened)
    except BaseException:
        for listener in opened:
            listener.stream_listener.socket.close()
        raise
    return opened


async def _open(endpoint: Endpoint, opened: list[Listener]) -> None:
    port = endpoint.port
    for family, host in await _addresses(endpoint.host):
        try:
            sock = _bound(family, host, port, dual=endpoint.host == "::")
        except OSError as error:
            if endpoint.host != "::" or error.errno not in _NO_IPV6:
                raise _cannot(endpoint, error) from error
            try:  # this machine has IPv6 switched off
                sock = _bound(socket.AF_INET, "0.0.0.0", port, dual=False)  # noqa: S104 - as `::` asks for
            except OSError as second:
                raise _cannot(endpoint, second) from second
        opened.append(_listener(sock, endpoint))
        port = opened[-1].endpoint.port  # with port 0, all addresses of one name share what the first one got


def _bound(family: socket.AddressFamily, host: str, port: int, *, dual: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if dual else 1)
        sock.bind((host, port))
        sock.listen(_BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


async def _addresses(host: str) -> list[tuple[socket.AddressFamily, str]]:
    if host in ("::", ""):
        return [(socket.AF_INET6, "::")]
    try:
        found = await trio.socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise NetError(Kind.NAME, f"cannot listen on {host!r}: the name was not found ({error})") from error
    return list(dict.fromkeys((family, str(address[0])) for family, _type, _proto, _name, address in found))


def _adopt(fd: int, endpoints: tuple[Endpoint, ...]) -> Listener:
    try:
        sock = socket.socket(fileno=fd)
        port = sock.getsockname()[1]
        trio.SocketListener(trio.socket.from_stdlib_socket(sock))
    except (OSError, ValueError, IndexError) as error:
        raise NetError(Kind.FAULT, f"descriptor {fd} is no listening TCP socket: {error}") from error
    alike = (endpoint for endpoint in endpoints if endpoint.port == port)
    return _listener(sock, next(alike, Endpoint(port=port)))


def _listener(sock: socket.socket, endpoint: Endpoint) -> Listener:
    sock.setblocking(False)
    host, port = sock.getsockname()[:2]
    return Listener(evolve(endpoint, host=host, port=port), trio.SocketListener(trio.socket.from_stdlib_socket(sock)))


def _cannot(endpoint: Endpoint, error: OSError) -> NetError:
    return NetError(Kind.FAULT, f"cannot listen on {endpoint.host} port {endpoint.port}: {error.strerror}")
