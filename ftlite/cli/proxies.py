"""Which proxy the environment names for a server: ``ftp_proxy``, else ``all_proxy``, unless ``no_proxy`` spares it.

Lower case goes before upper case; an empty variable is one that is not set, as curl has it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping


def proxy_for(host: str, port: int, environment: Mapping[str, str]) -> str | None:
    """The URL of the proxy to go through to `host`; None: straight."""
    url = _first(environment, "ftp_proxy", "FTP_PROXY", "all_proxy", "ALL_PROXY")
    if url is None or _spared(host, port, _first(environment, "no_proxy", "NO_PROXY") or ""):
        return None
    return url


def _first(environment: Mapping[str, str], *names: str) -> str | None:
    return next((environment[name].strip() for name in names if environment.get(name, "").strip()), None)


def _spared(host: str, port: int, patterns: str) -> bool:
    host = host.lower().rstrip(".")
    return any(_matches(host, port, pattern) for pattern in re.split(r"[\s,]+", patterns.lower()) if pattern)


_ENTRY = re.compile(r"(?:\[([^\]]*)\]|([^:]*)|([^\[\]]*:[^\[\]]*:[^\[\]]*))(?::([0-9]+))?")


def _matches(host: str, port: int, pattern: str) -> bool:
    """``*``; a name and all names below it, ``.`` or ``*.`` before it or not; an address or network; ``:port``."""
    entry = _ENTRY.fullmatch(pattern)
    if entry is None or (entry[4] is not None and int(entry[4]) != port):
        return False
    name = (entry[1] or entry[2] or entry[3] or "").removeprefix("*.").strip(".")
    if not name:
        return False
    if name == "*" or host == name or host.endswith(f".{name}"):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]) in ipaddress.ip_network(name, strict=False)
    except ValueError:
        return False
