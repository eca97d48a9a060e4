"""Ranges of one file, shared between streams."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlite.client.shares import Lane, Shares, merged, missing, read_ranges, write_ranges

SIZE = 1000
_edges = st.integers(0, SIZE)
_ranges = st.lists(st.tuples(_edges, _edges), max_size=6).map(merged)


def octets(ranges: list[tuple[int, int]]) -> set[int]:
    return {octet for start, end in ranges for octet in range(start, end)}


@given(st.lists(st.tuples(_edges, _edges), max_size=6))
def test_merging_keeps_the_octets(ranges: list[tuple[int, int]]) -> None:
    found = merged(ranges)
    assert octets(found) == octets(ranges)
    assert all(before[1] < after[0] for before, after in pairwise(found))
    assert octets(missing(found, SIZE)) == set(range(SIZE)) - octets(found)


@given(_ranges)
def test_ranges_survive_being_written(ranges: list[tuple[int, int]]) -> None:
    assert read_ranges(write_ranges(ranges), SIZE) == ranges


@pytest.mark.parametrize("text", ["x", "1", "1-", "-1", "5-3", "3-3", "0-1001", "0-5+4-6", "4-6+0-2", "0-5+5-7", "٣-٤",
                                  "0-99999999999999999999"])  # fmt: skip
def test_what_is_no_list_of_ranges_is_none(text: str) -> None:
    assert read_ranges(text, SIZE) is None


@settings(max_examples=100)
@given(there=_ranges, streams=st.integers(1, 6), grain=st.integers(1, 300), seed=st.integers())
def test_whatever_streams_do_every_octet_comes(
    there: list[tuple[int, int]], streams: int, grain: int, seed: int
) -> None:
    """Streams move on, end, break off and come back in any order."""
    luck = random.Random(seed)
    shares = Shares(SIZE, there, streams, grain)
    lanes: list[Lane] = []
    came = octets(there)
    for _ in range(10_000):
        if len(lanes) < streams and luck.random() < 0.5:
            lane = shares.take()
            if lane is not None:
                assert lane.start < lane.end <= SIZE
                lanes.append(lane)
        if not lanes:
            if not shares.todo:
                break
            continue
        lane = luck.choice(lanes)
        step = luck.randint(1, 100)
        came |= set(range(lane.at, min(lane.end, lane.at + step)))
        lane.at = min(lane.end, lane.at + step)
        assert octets(shares.stands()) == came
        if lane.at == lane.end or luck.random() < 0.05:
            shares.leave(lane)
            lanes.remove(lane)
    assert came == set(range(SIZE))
    assert shares.octets == shares.prefix == SIZE


def test_streams_begin_with_equal_shares() -> None:
    shares = Shares(SIZE, [], 4, 10)
    assert shares.todo == [(0, 250), (250, 500), (500, 750), (750, 1000)]
    assert Shares(SIZE, [], 4, 400).todo == [(0, 400), (400, 1000)], "less than a grain is not worth a stream"


def test_who_is_done_takes_half_of_the_longest_rest() -> None:
    shares = Shares(SIZE, [(0, 500)], 1, 10)
    first = shares.take()
    assert first is not None
    first.at = 700
    second = shares.take()
    assert second is not None
    assert (first.end, second.start, second.end) == (850, 850, 1000)
    first.at = 840
    second.at = 990
    assert shares.take() is None, "what is left is not worth another stream"
