"""Quantities: what people write is understood exactly, and everything else is one ValueError that shows it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlite.config.units import parse_duration, parse_rate, parse_size

DURATIONS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
SIZES = {
    "": 1, "B": 1, "k": 10**3, "KB": 10**3, "KiB": 2**10, "M": 10**6, "MB": 10**6, "MiB": 2**20,
    "G": 10**9, "GB": 10**9, "GiB": 2**30, "T": 10**12, "TiB": 2**40, "P": 10**15, "PiB": 2**50,
}  # fmt: skip


@given(st.integers(0, 10**6), st.sampled_from(sorted(DURATIONS)), st.sampled_from(["", " ", "  "]))
@settings(deadline=None)
def test_a_number_and_a_unit_make_seconds(number: int, unit: str, gap: str) -> None:
    assert parse_duration(f" {number}{gap}{unit.upper()} ") == pytest.approx(number * DURATIONS[unit])


@given(st.lists(st.tuples(st.integers(0, 99), st.sampled_from(sorted(DURATIONS))), min_size=1, max_size=5))
@settings(deadline=None)
def test_durations_add_up(terms: list[tuple[int, str]]) -> None:
    text = " ".join(f"{number}{unit}" for number, unit in terms)
    assert parse_duration(text) == pytest.approx(sum(number * DURATIONS[unit] for number, unit in terms))


@given(st.integers(0, 10**30), st.sampled_from(sorted(SIZES)), st.sampled_from(["", " "]))
@settings(deadline=None)
def test_sizes_are_exact(number: int, unit: str, gap: str) -> None:
    text = f"{number}{gap}{unit}"
    assert parse_size(text) == parse_size(text.lower()) == parse_rate(f"{text}/s") == number * SIZES[unit]


@given(st.integers(0, 2**70))
@settings(deadline=None)
def test_fractions_lose_nothing(size: int) -> None:
    assert parse_size(f"{size // 1000}.{size % 1000:03}k") == size


@pytest.mark.parametrize("parse", [parse_duration, parse_size, parse_rate])
@given(text=st.one_of(st.text(max_size=20), st.text("0123456789.kmgib sh-+e/", max_size=12), st.just("9" * 5000)))
@settings(deadline=None)
def test_any_text_gives_a_number_or_a_value_error(parse: Callable[[str], float], text: str) -> None:
    with contextlib.suppress(ValueError):
        assert 0 <= parse(text) < float("inf")


@pytest.mark.parametrize(
    "text", ["", " ", "s", "-1s", "1x", "1h30", "1 30m", "1,5h", "1e3", "inf", "nan", "٣s", "s1", "1h,2m"]
)
def test_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["", "k", "-1", "1x", "1e3", "10 M iB", "1.k", ".5k", "0x10", "٣", "1MiB/s"])
def test_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is no size"):
        parse_size(text)


def test_half_a_byte_is_no_size() -> None:
    with pytest.raises(ValueError, match="not a whole number of bytes"):
        parse_size("1.5")


def test_endless_is_no_duration() -> None:
    with pytest.raises(ValueError, match="longer than any duration"):
        parse_duration("9" * 400)
