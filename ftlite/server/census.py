"""Who is here: sessions counted as a whole, per address and per user, against the limits."""

from __future__ import annotations

import ipaddress
from collections import Counter
from functools import lru_cache

from attrs import define, field

from ftlite.config.models import Limits
from ftlite.protocol.addresses import normal_host
from ftlite.protocol.errors import BadAddress


@lru_cache(maxsize=4096)
def neighbourhood(host: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 that one IPv6 subscriber has."""
    try:
        address = normal_host(host.partition("%")[0])
    except BadAddress:
        return host
    return str(ipaddress.IPv6Network((address, 64), strict=False)) if ":" in address else address


@define
class Census:
    """Counts; `enter` and `log_in` say in words why there is no room, or None when there is."""

    limits: Limits
    sessions: int = 0
    _addresses: Counter[str] = field(factory=Counter)
    _users: Counter[str] = field(factory=Counter)

    def enter(self, host: str) -> str | None:
        """Count a new connection from `host`; pair each None with one `leave`."""
        key = neighbourhood(host)
        if self.sessions >= self.limits.sessions:
            return "Too many sessions; try again later."
        if self._addresses[key] >= self.limits.sessions_per_address:
            return "Too many sessions from your address; close one and try again."
        self.sessions += 1
        self._addresses[key] += 1
        return None

    def leave(self, host: str) -> None:
        """A connection that `enter` counted is gone."""
        self.sessions -= 1
        self._drop(self._addresses, neighbourhood(host))

    def log_in(self, user: str) -> str | None:
        """Count a login; pair each None with one `log_out`."""
        if self._users[user] >= self.limits.sessions_per_user:
            return "Too many sessions for this account; close one and try again."
        self._users[user] += 1
        return None

    def log_out(self, user: str) -> None:
        """A login that `log_in` counted is over."""
        self._drop(self._users, user)

    @staticmethod
    def _drop(counts: Counter[str], key: str) -> None:
        counts[key] -= 1
        if counts[key] <= 0:
            del counts[key]
