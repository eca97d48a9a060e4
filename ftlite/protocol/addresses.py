"""Addresses of data connections as they stand in commands and replies. A host is normal, a port is 1..65535.

PORT and EPRT are read to the letter, since a server dials what they say; the replies to PASV and EPSV are read with
mercy, since servers write them in many ways and a client takes only the port from them.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import Final

from ftlite.protocol.errors import BadAddress

_PORT: Final = re.compile(r"(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3})", re.ASCII)
_PASV: Final = re.compile(r"(?<![\d,])" + r" ?, ?".join([r"(\d{1,3})"] * 6) + r"(?!\d| ?, ?\d)", re.ASCII)
_EPSV: Final = re.compile(r"\(([!-~])(?:(?!\1)[!-~]){0,64}\1(?:(?!\1)[!-~]){0,64}\1(\d{1,5})\1\)", re.ASCII)
_NUMBER: Final = re.compile(r"\d{1,5}", re.ASCII)


@lru_cache(maxsize=4096)  # asked for every data connection, of few hosts
def normal_host(host: str) -> str:
    """`host`, an IP address in text, as everybody here writes it: compressed, IPv4 taken out of an IPv6 wrapping.

    Two hosts are the same when their normal forms are equal. Raises BadAddress when it is no address, or has a zone.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise BadAddress(f"{host[:60]!r} is not an IP address") from None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            raise BadAddress(f"{host[:60]!r} names a zone, which means nothing to another host")
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
    return str(address)


def _port(number: int, text: str) -> int:
    if not 1 <= number <= 65535:
        raise BadAddress(f"{text[:80]!r} has port {number}, which is not from 1 to 65535")
    return number


def _six(fields: tuple[str, ...], text: str) -> tuple[str, int]:
    numbers = [int(each) for each in fields]
    if max(numbers) > 255:
        raise BadAddress(f"{text[:80]!r} has a number above 255")
    return ".".join(map(str, numbers[:4])), _port(numbers[4] * 256 + numbers[5], text)


def parse_port(text: str) -> tuple[str, int]:
    """Host and port of a PORT argument, "h1,h2,h3,h4,p1,p2" (RFC 959 s.5.3.2). Raises BadAddress."""
    match = _PORT.fullmatch(text)
    if match is None:
        raise BadAddress(f"{text[:80]!r} is not h1,h2,h3,h4,p1,p2")
    return _six(match.groups(), text)


def format_port(host: str, port: int) -> str:
    """The PORT argument for an IPv4 host (also one in IPv6 wrapping). Raises BadAddress for any other host."""
    address = normal_host(host)
    if ":" in address:
        raise BadAddress(f"PORT and PASV cannot say {address}, which is not an IPv4 address; use EPRT or EPSV")
    high, low = divmod(_port(port, host), 256)
    return f"{address.replace('.', ',')},{high},{low}"


def parse_eprt(text: str) -> tuple[str, int]:
    """Host and port of an EPRT argument, "|1|132.235.1.2|6275|" with any delimiter from 33 to 126 (RFC 2428 s.2).

    Raises BadAddress, whose code is 522 for a network protocol other than 1 and 2, else 501.
    """
    if not text or not "!" <= text[0] <= "~":
        raise BadAddress(f"{text[:80]!r} does not begin with a delimiter")
    parts = text.split(text[0])
    if len(parts) != 5 or parts[0] or parts[4]:
        raise BadAddress(f"{text[:80]!r} is not |protocol|address|port|")
    _, family, host, port, _ = parts
    if not _NUMBER.fullmatch(family) or not _NUMBER.fullmatch(port):
        raise BadAddress(f"{text[:80]!r} is not |protocol|address|port|")
    if int(family) not in (1, 2):
        raise BadAddress("Network protocol not supported, use (1,2)", code=522)
    if (":" in host) != (int(family) == 2):
        raise BadAddress(f"{text[:80]!r} has an address of another protocol than {family}")
    return normal_host(host), _port(int(port), text)


def format_eprt(host: str, port: int) -> str:
    """The EPRT argument for `host` and `port`. Raises BadAddress."""
    address = normal_host(host)
    return f"|{2 if ':' in address else 1}|{address}|{_port(port, host)}|"


def parse_pasv(text: str) -> tuple[str, int]:
    """Host and port out of the text of any 227 reply: the first six numbers with commas between, brackets or not.

    RFC 1123 s.4.1.2.6 asks for a search and not for a place. Of several lines the last that has them counts: the text
    of the others is free (RFC 959 s.4.2). Raises BadAddress.
    """
    match = next(filter(None, map(_PASV.search, reversed(text.split("\n")))), None)
    if match is None:
        raise BadAddress(f"{text[:80]!r} has no h1,h2,h3,h4,p1,p2 in it")
    return _six(match.groups(), text)


def format_pasv(host: str, port: int) -> str:
    """The whole text of a 227 reply. Raises BadAddress when `host` is not IPv4."""
    return f"Entering Passive Mode ({format_port(host, port)})."


def parse_epsv(text: str) -> int:
    """The port out of the text of a 229 reply, "... (|||6446|)" with any delimiter (RFC 2428 s.3).

    A protocol and an address between the delimiters should not be there; they are passed over, since the data
    connection goes to the host of the control connection whatever they say. Raises BadAddress.
    """
    match = _EPSV.search(text)
    if match is None:
        raise BadAddress(f"{text[:80]!r} has no (|||port|) in it")
    return _port(int(match[2]), text)


def format_epsv(port: int) -> str:
    """The whole text of a 229 reply."""
    return f"Entering Extended Passive Mode (|||{_port(port, 'EPSV')}|)"
