"""Addresses as people write them, turned into values. Pure; a password in one is refused, never kept.

ftp://[user@]host[:port]/path     path relative to the login directory; a second slash makes it absolute
ftps://...                        implicit TLS, port 990
ftpes://...                       explicit TLS, required
[user@]host[:path]                a leading slash makes the path absolute; nothing is percent-decoded
"""

from __future__ import annotations

import enum
import ipaddress
import re
from urllib.parse import quote, unquote_to_bytes

from attrs import frozen

from ftlite.client.errors import ClientError, Outcome
from ftlite.protocol.text import decode, encode, ends_a_line, without_password


class Scheme(enum.Enum):
    """How an address said the connection is to be made."""

    FTP = "ftp"
    FTPS = "ftps"
    FTPES = "ftpes"
    BARE = ""


@frozen
class Address:
    """A server, and a path there.

    Attributes:
        host: a name, or an IP address without brackets.
        port: None when the address named none.
        user: None when the address named none.
        path: "" is the login directory; a leading "/" is absolute; surrogateescape for bytes that are no UTF-8.
        scheme: what stood before "://"; BARE for ``user@host:path``.
    """

    host: str
    port: int | None = None
    user: str | None = None
    path: str = ""
    scheme: Scheme = Scheme.FTP

    @property
    def effective_port(self) -> int:
        """The port to dial: 21, or 990 for implicit TLS (in no RFC), unless named."""
        return self.port if self.port is not None else (990 if self.scheme is Scheme.FTPS else 21)

    def __str__(self) -> str:
        """The address as a URL or bare form that parses back to the same value."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        if self.scheme is Scheme.BARE:
            user = f"{self.user}@" if self.user is not None else ""
            return f"{user}{host}:{self.path}" if self.path else f"{user}{host}"
        user = f"{quote(self.user, safe='', errors='surrogateescape')}@" if self.user is not None else ""
        port = f":{self.port}" if self.port is not None else ""
        path = quote(encode(self.path), safe="/!$&'()*+,;=:@~-._")
        return f"{self.scheme.value}://{user}{host}{port}/{path}"


_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)\Z", re.DOTALL)
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?\Z")
_SCHEMES = {scheme.value: scheme for scheme in Scheme if scheme is not Scheme.BARE}


def _refuse(text: str, cause: str, remedy: str) -> ClientError:
    return ClientError(Outcome.USAGE, f"the address {without_password(text)!r} {cause}", remedy=remedy)


def parse_address(text: str) -> Address:
    """Read an address.

    Raises:
        ClientError: USAGE, with what is wrong and how to write it. A password is not repeated in the message.
    """
    if any(ord(char) < 0x20 or ord(char) == 0x7F for char in text):
        raise _refuse(text, "holds a control character", "percent-encode it in an ftp:// URL if a name really has one")
    match = _SCHEME.match(text)
    return _parse_url(match[1].lower(), match[2], text) if match else _parse_bare(text)


def _parse_url(scheme_name: str, rest: str, text: str) -> Address:
    scheme = _SCHEMES.get(scheme_name)
    if scheme is None:
        raise _refuse(f"{scheme_name}://...", "has an unknown scheme", "use ftp://, ftps:// or ftpes://")
    authority, _, path = rest.partition("/")
    user_info, at, location = authority.rpartition("@")
    if ":" in user_info:
        shown = f"{scheme_name}://{user_info.partition(':')[0]}:***@{location}/..."
        raise _password_refused(shown)
    host, port_text = _split_host(location, text)
    user = _decoded(user_info, text) if at else None
    return Address(host, _port(port_text, text), _user(user, text), _decoded(path, text), scheme)


def _parse_bare(text: str) -> Address:
    before, colon, path = _split_bare(text)
    user_info, at, host_text = before.rpartition("@")
    if ":" in user_info:
        raise _password_refused(f"{user_info.partition(':')[0]}:***@{host_text}")
    host, port_text = _split_host(host_text, text)
    if port_text is not None:
        raise _refuse(text, "has a port in its short form", f"write ftp://{host}:{port_text}/ or use --port")
    if path.startswith("//"):
        path = "/" + path.lstrip("/")
    return Address(host, None, _user(user_info if at else None, text), path if colon else "", Scheme.BARE)


def _split_bare(text: str) -> tuple[str, str, str]:
    """Split at the colon that ends the host; a colon inside brackets does not, one before '@' is a password."""
    opened = re.match(r"([^/\[\]]*@)?\[[^\]]*\]", text)
    if opened:
        end = opened.end()
        if text[end : end + 1] not in ("", ":"):
            raise _refuse(text, "goes on after the bracket", "write [ADDRESS]:path")
        return text[:end], text[end : end + 1], text[end + 1 :]
    head, slash, _ = text.partition("/")
    secret = re.match(r"([^:@]+):([^@:]*)@([A-Za-z0-9_.-]+)(:|\Z)", head)
    if secret and not slash:
        raise _password_refused(f"{secret[1]}:***@{secret[3]}")
    before, colon, path = text.partition(":")
    return before, colon, path


def _password_refused(shown: str) -> ClientError:
    return _refuse(
        shown,
        "holds a password, which others can read in the process list and the shell's history",
        "use FTLITE_PASSWORD, --password-file, --password-command or .netrc",
    )


def _split_host(location: str, text: str) -> tuple[str, str | None]:
    """`host`, `host:port`, `[v6]`, `[v6]:port` -> (host, port text)."""
    if location.startswith("["):
        inside, bracket, after = location[1:].partition("]")
        if not bracket or (after and not after.startswith(":")):
            raise _refuse(text, "has an open bracket", "write an IPv6 address as [2001:db8::1]")
        try:
            ipaddress.IPv6Address(inside)
        except ValueError:
            raise _refuse(text, "has no IPv6 address in its brackets", "write it as [2001:db8::1]") from None
        return inside, after[1:] if after else None
    host, colon, port = location.partition(":")
    if not host:
        raise _refuse(text, "names no host", "write ftp://HOST/PATH or HOST:PATH")
    if ":" in port:
        raise _refuse(text, "has more than one colon in its host", "write an IPv6 address in brackets")
    if not _HOST.match(_ascii_host(host)):
        raise _refuse(text, "has a host that is no host name", "write ftp://HOST/PATH or HOST:PATH")
    return host, port if colon else None


def _ascii_host(host: str) -> str:
    try:
        return host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        return ""


def _port(port: str | None, text: str) -> int | None:
    if port is None or port == "":
        return None
    if not (port.isascii() and port.isdigit()) or not 0 < int(port[:6]) < 65536:
        # A password with a '/' in it ends the host too early: what stands there is not repeated.
        shown = f"has the port {port!r}" if without_password(text) == text else "has a port that is no number"
        raise _refuse(text, shown, "a port is a number from 1 to 65535, and a password does not belong into an address")
    return int(port)


def _user(user: str | None, text: str) -> str | None:
    if user == "":
        raise _refuse(text, "has an empty user name", "leave out the '@', or name a user before it")
    return user


def _decoded(part: str, text: str) -> str:
    decoded = decode(unquote_to_bytes(encode(part)))
    if ends_a_line(decoded):
        raise _refuse(text, "holds a line end or NUL, which FTP cannot carry", "rename the file")
    return decoded
