"""Connected wires on loopback, clear and TLS, made of real sockets."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import trio

from ftlite.net.buffered import secure_buffered
from ftlite.net.tls import ServerTls, ensure_self_signed
from ftlite.net.wire import Wire


def sockets(small: bool = False) -> tuple[socket.socket, socket.socket]:
    """Two ends of a TCP connection; `small` shrinks the buffers of both, so that a silent peer is felt early."""
    with socket.socket() as listener:
        if small:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        near = socket.socket()
        if small:
            near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            near.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        near.connect(listener.getsockname())
        far, _address = listener.accept()
        if small:
            far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return near, far


def server_tls(directory: Path) -> ServerTls:
    return ServerTls(*ensure_self_signed(directory), directory)


def client_context(version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """A client that trusts anybody, at one TLS version where `version` is given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


async def secure_pair(
    server: ssl.SSLContext,
    client: ssl.SSLContext,
    *,
    session: ssl.SSLSession | None = None,
    small: bool = False,
    require_close_notify: bool = True,
    buffered: bool = False,
) -> tuple[Wire, Wire]:
    """A TLS connection's client and server ends, in this order."""
    near, far = sockets(small)
    ends: dict[str, Wire] = {}
    secure = secure_buffered if buffered else Wire.secure

    async def serve() -> None:
        ends["far"] = await secure(far, server, server_side=True, require_close_notify=require_close_notify)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        ends["near"] = await secure(near, client, server_side=False, session=session)
    return ends["near"], ends["far"]


BUFFERED = "buffered"  #: a kind of TLS for `wires`: by BufferedTls at both ends


async def wires(directory: Path, tls: bool | str, *, small: bool = False) -> tuple[Wire, Wire]:
    """Both ends of a connection, clear, TLS or BUFFERED."""
    if tls:
        context = server_tls(directory).session_context()
        return await secure_pair(context, client_context(), small=small, buffered=tls == BUFFERED)
    near, far = sockets(small)
    return Wire(near), Wire(far)
