"""The only judge of a password.

Cheap things come first: an address that failed too often, then a password verified minutes ago, then a full queue; only
then is argon2 run, a few at once, in workers. Unknown name, wrong password and an account that lets nobody in take the
same time and get the same words. All tables are bounded.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import ipaddress
import os
import random
from collections.abc import Callable, Mapping
from typing import TypeVar

import trio

from ftlite.config.models import Limits, User
from ftlite.gate.errors import LoginRefused, TooMany
from ftlite.gate.passwords import dummy_hash, verify_password

Key = TypeVar("Key")
Value = TypeVar("Value")

REMEMBERED = 300.0  #: seconds that a verified password is not verified again
_MOST_REMEMBERED = 4096
_MOST_ADDRESSES = 16384


class Keeper:
    """Lets users in. Made once per server, inside trio; its clock is trio's.

    Args:
        limits: `password_checks`, `password_queue`, `address_failures`, `failure_window`, `failure_delay`.
        users: gives the accounts by name as they are now; called for each login.
        verify: (hash, password) -> whether they match; blocks, so it is called in a worker.
    """

    def __init__(
        self,
        limits: Limits,
        users: Callable[[], Mapping[str, User]],
        *,
        verify: Callable[[str, str], bool] = verify_password,
    ) -> None:
        self._limits = limits
        self._users = users
        self._verify = verify
        self._dummy = dummy_hash()
        self._slots = trio.Semaphore(limits.password_checks)
        self._threads = trio.CapacityLimiter(limits.password_checks)
        self._memory = _Memory()
        self._failures = _Failures(limits.address_failures, limits.failure_window)

    async def admit(self, name: str, password: str, address: str) -> User:
        """The user `name`, if `password` (surrogateescape text) is theirs. An anonymous account takes any password.

        Args:
            address: the client's IP address; failures are counted for it (IPv6: for its /64).

        Raises:
            LoginRefused: after `failure_delay`; the same whatever was wrong.
            TooMany: at once; the password was not looked at.
        """
        address = _network(address)
        user = self._users().get(name)
        if user is not None and user.anonymous:
            return user
        self._check_address(address)
        stored = user.password if user is not None else None
        token = self._memory.token(name, stored or self._dummy, password)
        if user is not None and self._memory.holds(token):
            return user
        if self._slots.value == 0 and self._slots.statistics().tasks_waiting >= self._limits.password_queue:
            raise TooMany("too many logins are being checked; try again in a moment")
        async with self._slots:
            # While this one waited, the address may have failed often enough, or a sibling may have been let in.
            self._check_address(address)
            if user is not None and self._memory.holds(token):
                return user
            check = functools.partial(self._verify, stored or self._dummy, password)
            matches = await trio.to_thread.run_sync(check, limiter=self._threads)
        if matches and user is not None and stored is not None:
            self._memory.keep(token)
            return user
        self._failures.count(address)
        await trio.sleep(self._limits.failure_delay * random.uniform(1.0, 1.25))  # noqa: S311 - blurs, guards nothing
        raise LoginRefused

    def _check_address(self, address: str) -> None:
        if self._failures.too_many(address):
            raise TooMany("too many failed logins from this address; try again later")


class _Memory:
    """Passwords verified lately, as HMACs under a key that dies with the process; a changed hash is another HMAC."""

    def __init__(self) -> None:
        self._key = os.urandom(32)
        self._until: dict[bytes, float] = {}

    def token(self, name: str, stored: str, password: str) -> bytes:
        fields = (text.encode("utf-8", "surrogateescape") for text in (name, stored, password))
        message = b"".join(len(field).to_bytes(8, "big") + field for field in fields)
        return hmac.digest(self._key, message, hashlib.sha256)

    def holds(self, token: bytes) -> bool:
        until = self._until.get(token)
        return until is not None and trio.current_time() < until

    def keep(self, token: bytes) -> None:
        now = trio.current_time()
        self._until.pop(token, None)  # so that the oldest is always the first
        self._until[token] = now + REMEMBERED
        _shed(self._until, _MOST_REMEMBERED, lambda until: until <= now)


class _Failures:
    """Failed logins per address within a window that starts at the first of them."""

    def __init__(self, most: int, window: float) -> None:
        self._most = most
        self._window = window
        self._counts: dict[str, tuple[float, int]] = {}  # start of the window, failures in it

    def too_many(self, address: str) -> bool:
        return self._current(address)[1] >= self._most

    def count(self, address: str) -> None:
        start, failures = self._current(address)
        if failures == 0:
            self._counts.pop(address, None)  # so that the oldest is always the first
        self._counts[address] = (start, failures + 1)
        now = trio.current_time()
        _shed(self._counts, _MOST_ADDRESSES, lambda entry: now >= entry[0] + self._window)

    def _current(self, address: str) -> tuple[float, int]:
        now = trio.current_time()
        start, failures = self._counts.get(address, (now, 0))
        return (start, failures) if now < start + self._window else (now, 0)


def _shed(table: dict[Key, Value], most: int, over: Callable[[Value], bool]) -> None:
    """Drop what is over from the old end of `table`, and more while it holds over `most`."""
    while table:
        oldest = next(iter(table))
        if len(table) <= most and not over(table[oldest]):
            return
        del table[oldest]


def _network(address: str) -> str:
    """What failures are counted for: an IPv4 address, or the /64 of an IPv6 one, which is one customer's to use."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.IPv6Network((ip, 64), strict=False))
