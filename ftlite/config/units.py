"""Durations, sizes and rates as people write them. Every parser gives a number or a ValueError that names the words."""

from __future__ import annotations

import math
import re

_DURATIONS: dict[str, float] = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_SIZES: dict[str, int] = {
    "": 1,
    "b": 1,
    **{prefix: 1000**power for power, prefix in enumerate("kmgtp", 1)},
    **{f"{prefix}b": 1000**power for power, prefix in enumerate("kmgtp", 1)},
    **{f"{prefix}i": 1024**power for power, prefix in enumerate("kmgtp", 1)},
    **{f"{prefix}ib": 1024**power for power, prefix in enumerate("kmgtp", 1)},
}
_QUANTITY = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?)\s*(?P<unit>[a-z]*)", re.ASCII)


def parse_duration(text: str) -> float:
    """Seconds in ``"90"``, ``"90s"``, ``"1.5h"`` or ``"1h 30m"``; units are ms, s, m (or min), h, d, w.

    Raises:
        ValueError: anything else; the message says what is understood.
    """
    words = text.strip().lower()
    if re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", words, re.ASCII):
        return _finite(float(words), text)
    seconds, end = 0.0, 0
    for match in _QUANTITY.finditer(words):
        factor = _DURATIONS.get(match["unit"])
        if factor is None or words[end : match.start()].strip():
            break
        seconds += float(match["number"]) * factor
        end = match.end()
    if not words or end != len(words):
        raise ValueError(f"{text!r} is no duration: write seconds, or a number with ms, s, m, h, d or w as in '90s'")
    return _finite(seconds, text)


def parse_size(text: str) -> int:
    """Bytes in ``"1048576"``, ``"1.5k"``, ``"10MB"`` (powers of 1000) or ``"10MiB"`` (of 1024); case does not matter.

    Raises:
        ValueError: anything else, or a fraction of a byte; the message says what is understood.
    """
    match = _QUANTITY.fullmatch(text.strip().lower())
    factor = _SIZES.get(match["unit"]) if match else None
    if match is None or factor is None:
        raise ValueError(f"{text!r} is no size: write bytes, or a number with k, M, G, T or KiB, MiB, GiB, TiB")
    whole, _, fraction = match["number"].partition(".")
    # In whole numbers throughout: a float would lose bytes above 2**53.
    scale: int = 10 ** len(fraction)
    size, rest = divmod(int(whole + fraction) * factor, scale)
    if rest:
        raise ValueError(f"{text!r} is not a whole number of bytes")
    return size


def parse_rate(text: str) -> int:
    """Bytes per second: a size, with or without ``/s`` at its end.

    Raises:
        ValueError: as `parse_size`.
    """
    words = text.strip()
    return parse_size(words[:-2] if words.lower().endswith("/s") else words)


def _finite(seconds: float, text: str) -> float:
    if not math.isfinite(seconds):
        raise ValueError(f"{text!r} is longer than any duration can be")
    return seconds
