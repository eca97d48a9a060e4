"""What a target is."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen


@frozen
class Target:
    """What to run, and inputs to begin with; `rounds` are tried at each change, `share` is its part of the time."""

    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    rounds: int = 1500
    share: float = 1.0
