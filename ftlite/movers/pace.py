"""A speed limit: a token bucket in trio's time, which several transfers may share."""

from __future__ import annotations

import trio

_SHARE = 0.05  # seconds' worth of tokens that one `take` may have: short enough for transfers to alternate


class Pace:
    """At most `rate` bytes per second over all who share it, after a burst of a twentieth of a second.

    Args:
        rate: bytes per second, at least 1.
        parent: a wider limit that holds too (a session's pace under its user's).
    """

    def __init__(self, rate: int, parent: Pace | None = None) -> None:
        if rate < 1:
            raise ValueError(f"a pace must be at least 1 byte per second, not {rate}")
        self.rate = rate
        self.parent = parent
        self._most = max(1, int(rate * _SHARE))
        self._tokens = float(self._most)
        self._counted: float | None = None
        self._turn = trio.Lock()  # wakes waiters in the order they came: that is the fairness

    async def take(self, want: int) -> int:
        """Wait for a turn and for tokens; returns how many bytes may move now, 1 to `want`. `want` is at least 1."""
        if self.parent is not None:
            want = await self.parent.take(min(want, self._most))
        async with self._turn:
            grant = min(want, self._most)
            # A nanosecond early is better than to sleep for less than the clock can tell apart, for ever.
            while self._refill() + self.rate * 1e-9 < grant:  # noqa: ASYNC110 - time is what it waits for
                await trio.sleep((grant - self._tokens) / self.rate)
            self._tokens -= grant
        if self.parent is not None and grant < want:
            self.parent.give_back(want - grant)
        return grant

    def give_back(self, unused: int) -> None:
        """Return tokens that were taken and not used, because the peer was slower than the pace."""
        self._tokens = min(self._tokens + unused, self._most)
        if self.parent is not None:
            self.parent.give_back(unused)

    def _refill(self) -> float:
        now = trio.current_time()
        if self._counted is not None:
            self._tokens = min(self._tokens + (now - self._counted) * self.rate, self._most)
        self._counted = now
        return self._tokens
