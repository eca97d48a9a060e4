"""Addresses as sockets give them, made comparable: no zone, no IPv4 in IPv6 clothes."""

from __future__ import annotations

import ipaddress
import socket
from functools import lru_cache

from ftlite.net.errors import Kind, NetError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@lru_cache(maxsize=4096)  # asked for every data connection, of few hosts
def comparable(host: str) -> Address:
    """The address that `host` names numerically: ``::ffff:192.0.2.1`` is 192.0.2.1, ``fe80::1%eth0`` is fe80::1.

    Raises:
        NetError: NAME when `host` is no numeric address.
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        raise NetError(Kind.NAME, f"{host!r} is no numeric address") from None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def socket_address(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str | int | bytes, ...]]:
    """Family and address tuple for a numeric `host`; a zone is kept, since link-local addresses need it.

    Raises:
        NetError: NAME when `host` is no numeric address here.
    """
    address = comparable(host)
    if address.version == 4:
        return socket.AF_INET, (str(address), port)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except OSError as error:
        raise NetError(Kind.NAME, f"{host!r} is no address of this machine: {error}") from error
    return socket.AF_INET6, found[0][4]
