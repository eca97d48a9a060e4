"""Dialling a data connection: the server's side of PORT and EPRT, the client's side of PASV and EPSV."""

from __future__ import annotations

import errno
import socket

import trio

from ftlite.net.addresses import socket_address
from ftlite.net.dial import from_connecting
from ftlite.net.errors import Kind, NetError


async def dial(host: str, port: int, source_host: str | None = None) -> socket.socket:
    """A connected, non-blocking socket to the numeric address `host`; the caller sets the deadline.

    Args:
        source_host: the address to come from; a server uses the one that the control connection came to, which is
            what firewalls and careful clients expect.

    Raises:
        NetError: NAME (not numeric), REFUSED, UNREACHABLE, TIMEOUT (the system's), FAULT; LOST when it stood and was
            reset before we came to look: by then all the bytes may have been sent.
    """
    family, target = socket_address(host, port)
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise NetError(Kind.FAULT, f"no socket for a data connection: {error.strerror}") from error
    try:
        sock.setblocking(False)
        if source_host is not None:
            source_family, source = socket_address(source_host, 0)
            if source_family is family:
                sock.bind(source)
        await trio.socket.from_stdlib_socket(sock).connect(target)
    except OSError as error:
        sock.close()
        if error.errno == errno.ECONNRESET:
            raise NetError(Kind.LOST, f"{host} port {port} reset the data connection at once") from error
        raise from_connecting(error, f"{host} port {port}") from error
    except BaseException:
        sock.close()
        raise
    return sock
