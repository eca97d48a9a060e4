"""What a person needs to connect, on stdout when the server is ready; NDJSON where logs are JSON.

A password appears here once, when it was made up at the first start, and nowhere else.
"""

from __future__ import annotations

import errno
import json
import shlex
import socket
import sys
from collections.abc import Sequence
from typing import Any

from attrs import field, frozen

from ftlite import __version__
from ftlite.config.models import Endpoint, ServerConfig, TlsMode
from ftlite.protocol.text import printable

_EVERYWHERE = ("::", "0.0.0.0")  # noqa: S104  compared with, not bound to


@frozen
class Welcome:
    """What is to be announced beside the endpoints.

    Attributes:
        user: the account to name; None when there are several, or none.
        password: only when it was made up just now.
        pin: the certificate's; None without TLS.
    """

    user: str | None
    password: str | None = field(default=None, repr=False)
    pin: str | None = None


def announce(config: ServerConfig, endpoints: Sequence[Endpoint], welcome: Welcome, *, as_json: bool) -> None:
    """Write it to stdout."""
    lines = _json_lines(endpoints, welcome) if as_json else _text_lines(config, endpoints, welcome)
    try:
        sys.stdout.write("".join(line + "\n" for line in lines))
        sys.stdout.flush()
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EBADF):
            raise
        # Nobody reads it, or there is no stdout; the server is there to serve.
        from ftlite.cli.run import leave_pipe

        leave_pipe()


def _json_lines(endpoints: Sequence[Endpoint], welcome: Welcome) -> list[str]:
    events: list[dict[str, Any]] = [
        {"event": "listening", "host": at.host, "port": at.port, "implicit": at.implicit, "pin": welcome.pin}
        for at in endpoints
    ]
    if welcome.password is not None:
        events.append({"event": "account", "user": welcome.user, "password": welcome.password})
    return [json.dumps(event) for event in events]


def _text_lines(config: ServerConfig, endpoints: Sequence[Endpoint], welcome: Welcome) -> list[str]:
    lines = [f"ftlite {__version__} serves {printable(str(config.root))}"]
    for at in endpoints:
        lines.append(f"listening on {bracketed(at.host)}:{at.port}{' (implicit TLS)' if at.implicit else ''}")
    rows = [("address", f"{_url(endpoints[0], None)}  (TLS {config.tls.mode.value})")]
    if welcome.user is not None:
        rows.append(("account", printable(welcome.user)))
    if welcome.password is not None:
        rows.append(("password", f"{welcome.password}  (shown this once; 'ftlite user passwd' sets another)"))
    if welcome.pin is not None:
        rows.append(("pin", welcome.pin))
    rows += [("curl", _curl(config, endpoints[0], welcome)), ("ftlite", _ftlite(config, endpoints[0], welcome))]
    return lines + [f"  {name:<9} {value}" for name, value in rows]


def _curl(config: ServerConfig, at: Endpoint, welcome: Welcome) -> str:
    words = ["curl"]
    if config.tls.mode is not TlsMode.OFF and welcome.pin is not None:
        words += ["--ssl-reqd", "--pinnedpubkey", f"'{welcome.pin}'", "-k"]
    if welcome.user is not None and welcome.user != "anonymous":
        words += ["--user", shlex.quote(welcome.user)]
    return " ".join([*words, _url(at, None)])


def _ftlite(config: ServerConfig, at: Endpoint, welcome: Welcome) -> str:
    trust = ["--tls", "off"] if config.tls.mode is TlsMode.OFF else ["--pin", str(welcome.pin)]
    return " ".join(["ftlite", "ls", *trust, _url(at, welcome.user)])


def _url(at: Endpoint, user: str | None) -> str:
    from urllib.parse import quote

    host = socket.gethostname() if at.host in _EVERYWHERE else at.host
    name = f"{quote(user, safe='', errors='surrogateescape')}@" if user is not None and user != "anonymous" else ""
    return f"{'ftps' if at.implicit else 'ftp'}://{name}{bracketed(host)}:{at.port}/"


def bracketed(host: str) -> str:
    """The host as it stands before a colon and a port."""
    return f"[{host}]" if ":" in host else host
