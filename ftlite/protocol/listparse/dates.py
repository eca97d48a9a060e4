"""Dates as listings write them: partial, in many languages, and mostly without a zone, so UTC is assumed."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1)
_SECOND: Final = 1_000_000_000
_CLOCK: Final = re.compile(r"([01]?\d|2[0-3])[:.]([0-5]\d)(?:[:.]([0-5]\d))?", re.ASCII)

# How ls and servers shorten months, beyond the first three letters being the English ones.
_MONTHS: Final = {
    word: number
    for number, words in enumerate(
        (
            "jan january januar janv ene gen sty led oca янв 1月",
            "feb february februar févr fév fev feb lut úno şub фев 2月",
            "mar march märz mär mrz mars maart mrt maa bře mac мар 3月",
            "apr april avr avril abr kwi dub nis апр 4月",
            "may mai mei maj mag maggio kvě май мая 5月",
            "jun june juni juin giu cze čen haz kes июн 6月",
            "jul july juli juil lug lip čec tem июл 7月",
            "aug august août aoû ago aou sie srp ağu авг 8月",
            "sep sept september set wrz zář eyl сен 9月",
            "oct october okt oktober ott out paź říj eki окт 10月",
            "nov november lis kas listopad ноя 11月",
            "dec december dez dezember déc dic des gru pro ara дек 12月",
        ),
        start=1,
    )
    for word in words.split()
}


def month_number(word: str) -> int | None:
    """1..12 for a month's name or its shortening, None for any other word. "11월" and "11月" are months too."""
    word = word.lower().rstrip(".,")
    return _MONTHS.get(word) or _MONTHS.get(word.replace("월", "月"))


def clock(text: str) -> tuple[int, int, int] | None:
    """Hour, minute and second of "10:15", "10:15:30" or "10.15"; None when it is no time of day."""
    match = _CLOCK.fullmatch(text)
    return (int(match[1]), int(match[2]), int(match[3] or 0)) if match else None


def moment_ns(year: int, month: int, day: int, at: tuple[int, int, int] = (0, 0, 0)) -> int | None:
    """Nanoseconds since the epoch of a moment in UTC; None when the calendar has no such day."""
    try:
        moment = datetime(year, month, day, *at)
    except ValueError:
        return None
    return int((moment - _EPOCH).total_seconds()) * _SECOND


@lru_cache(maxsize=4096)
def latest_ns(month: int, day: int, at: tuple[int, int, int], now_ns: int) -> int | None:
    """The moment in the latest year that puts it no more than a day after `now_ns`; None when no year has such a day.

    The day's grace is for a server whose clock or zone is ahead of ours.
    """
    limit = now_ns + 86400 * _SECOND
    try:
        last = (_EPOCH + timedelta(seconds=limit // _SECOND)).year
    except OverflowError:
        return None
    for year in range(last, last - 9, -1):  # nine years always hold a 29 February
        moment = moment_ns(year, month, day, at)
        if moment is not None and moment <= limit:
            return moment
    return None


def full_year(digits: str) -> int:
    """The year of "26", "99" or "2026": two digits are from 1970 to 2069."""
    year = int(digits)
    return year if len(digits) > 2 else year + (1900 if year >= 70 else 2000)
