"""Bytes and text, names and paths: any byte survives a round trip, and nothing that people read can move their cursor.

Everything here is lexical. What a path means on a disk is for the gate to say.
"""

from __future__ import annotations

import re

from ftlite.protocol.errors import BadArgument, BadReply

#: C0, DEL, C1, line and paragraph separators, the marks that reorder text (Unicode TR 9 s.2), and lone surrogates,
#: which are what undecodable bytes become.
_UNSHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def decode(data: bytes | bytearray) -> str:
    """UTF-8 text of `data`; undecodable bytes become lone surrogates (PEP 383) and come back in `encode`."""
    return data.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """The bytes of `text`. Raises `BadArgument` for a lone surrogate that stands for no byte."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise BadArgument(f"{printable(text)!r} cannot be written as UTF-8") from error


def printable(text: str) -> str:
    r"""`text` with control and bidi characters as ``\x1b`` or ``\u202e``, and undecodable bytes as ``\xff``."""
    return _UNSHOWN.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_LOGIN = re.compile(r"([^:/@\[]*):.+@", re.DOTALL)


def without_password(text: str) -> str:
    """`text`, which somebody typed as an address, without what may be a password in it: for messages and histories."""
    scheme = _SCHEME.match(text)
    start = scheme.end() if scheme else 0
    login = _LOGIN.match(text, start)
    return text if login is None else f"{text[:start]}{login[1]}:***@{text[login.end() :]}"


_ENDS_A_LINE = re.compile(r"[\r\n\0]")


def ends_a_line(text: str) -> bool:
    """Whether CR, LF or NUL is in `text`, which no argument of a command can hold."""
    return _ENDS_A_LINE.search(text) is not None


def quote_path(path: str) -> str:
    """`path` in quotes, quotes inside it doubled, as the text of a 257 reply wants it (RFC 959 app. II)."""
    return '"' + path.replace('"', '""') + '"'


def unquote_path(text: str) -> str:
    """The path that the text of a 257 reply names (RFC 959 app. II). Raises `BadReply` when none is quoted in it."""
    match = re.search(r'"((?:[^"]|"")*)"', text, re.DOTALL)
    if match is None:
        raise BadReply(f"no quoted path in {printable(text[:200])!r}")
    return match[1].replace('""', '"')


def join(cwd: str, path: str) -> str:
    """The absolute path that `path` means when seen from `cwd`, by its letters alone.

    ``.`` and empty components vanish, ``..`` takes one away and stays at the root, where there is nothing above.
    """
    kept: list[str] = []
    for part in (path if path.startswith("/") else f"{cwd}/{path}").split("/"):
        if part == "..":
            del kept[-1:]
        elif part not in ("", "."):
            kept.append(part)
    return "/" + "/".join(kept)
