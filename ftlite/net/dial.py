"""Connecting: outwards by name for control connections, and to a numeric address for data connections."""

from __future__ import annotations

import errno
import socket

import trio

from ftlite.net.errors import Kind, NetError

_UNREACHABLE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EHOSTDOWN, errno.ENETDOWN}


async def connect_tcp(host: str, port: int, timeout: float) -> trio.SocketStream:
    """A connection to `host`, trying its addresses side by side (RFC 8305), within `timeout` seconds.

    Raises:
        NetError: NAME, REFUSED, UNREACHABLE, TIMEOUT, FAULT.
    """
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        with trio.fail_after(timeout):
            # As octets, since the standard library loads all of IDNA 2003 for a string, be it a number.
            return await trio.open_tcp_stream(host.encode() if host.isascii() else host, port)
    except trio.TooSlowError:
        raise NetError(Kind.TIMEOUT, f"{where} did not answer within {timeout:g} seconds") from None
    except (socket.gaierror, UnicodeError) as error:
        why = (getattr(error, "strerror", None) or "it is no host name").lower()
        raise NetError(Kind.NAME, f"the name {host!r} was not found: {why}") from error
    except OSError as error:
        raise from_connecting(error, where) from error


def from_connecting(error: OSError, where: str) -> NetError:
    """The `NetError` for a connection to `where` that could not be made."""
    causes = _causes(error)
    number = next((cause.errno for cause in causes if cause.errno), None)
    if any(cause.errno == errno.ECONNREFUSED for cause in causes):
        return NetError(Kind.REFUSED, f"nobody listens at {where}")
    if number == errno.ECONNRESET:  # the listener was closed while we stood in its queue
        return NetError(Kind.REFUSED, f"{where} hung up at once")
    if number == errno.ETIMEDOUT:
        return NetError(Kind.TIMEOUT, f"{where} did not answer")
    if number in _UNREACHABLE:
        return NetError(Kind.UNREACHABLE, f"no way leads to {where}")
    kind = Kind.FAULT if number in {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM} else Kind.UNREACHABLE
    return NetError(kind, f"cannot connect to {where}: {causes[0].strerror or causes[0]}")


def _causes(error: OSError) -> list[OSError]:
    """trio tries several addresses and hangs what went wrong with each below one error without a number."""
    cause = error.__cause__
    if error.errno is None and isinstance(cause, BaseExceptionGroup):
        return [inner for inner in cause.exceptions if isinstance(inner, OSError)] or [error]
    if error.errno is None and isinstance(cause, OSError):
        return [cause]
    return [error]
