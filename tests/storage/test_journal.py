"""A journal vouches for what was written to it, whatever a kill or a disk did to its end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ftlite.storage.journal import Reached, header, line, read

HEX = st.text("0123456789abcdef", min_size=8, max_size=128)
POINT = st.tuples(st.integers(1, 1 << 40), HEX)
CHECKPOINTS = st.lists(POINT, max_size=8, unique_by=lambda point: point[0]).map(sorted)


def whole(points: list[tuple[int, str]]) -> bytes:
    return header("SHA-256") + b"".join(line(*point) for point in points)


@given(CHECKPOINTS, st.integers(0, 1 << 41))
def test_the_last_checkpoint_within_the_part_counts(points: list[tuple[int, str]], size: int) -> None:
    within = [point for point in points if point[0] <= size]
    data = whole(points)
    reached = read(data, "SHA-256", size)
    assert (reached.offset, reached.digest) == (within[-1] if within else (0, None))
    assert data[: reached.length] == whole(within)


@given(CHECKPOINTS, st.data())
def test_a_torn_end_costs_the_last_line_only(points: list[tuple[int, str]], data: st.DataObject) -> None:
    written = whole(points)
    cut = data.draw(st.integers(0, len(written)))
    reached = read(written[:cut], "SHA-256", 1 << 41)
    complete = written[:cut].count(b"\n") - 1
    assert (reached.offset, reached.digest) == (points[complete - 1] if complete > 0 else (0, None))


@given(CHECKPOINTS, st.data())
def test_a_changed_byte_never_vouches_for_what_was_not_written(
    points: list[tuple[int, str]], data: st.DataObject
) -> None:
    written = bytearray(whole(points))
    at = data.draw(st.integers(0, len(written) - 1))
    written[at] ^= data.draw(st.integers(1, 255))
    reached = read(bytes(written), "SHA-256", 1 << 41)
    assert (reached.offset, reached.digest) in [*points, (0, None)]


@given(st.binary(max_size=300))
def test_garbage_vouches_for_nothing(data: bytes) -> None:
    assert read(data, "SHA-256", 1 << 41) == Reached()
    assert read(header("SHA-256") + data, "SHA-256", 1 << 41).offset == 0


@given(CHECKPOINTS, st.binary(max_size=100))
def test_what_follows_garbage_is_not_believed(points: list[tuple[int, str]], garbage: bytes) -> None:
    data = whole(points)
    reached = read(data + garbage + b"\n" + line(1 << 41, "0" * 64), "SHA-256", 1 << 42)
    assert reached.length == len(data)


def test_offsets_must_rise() -> None:
    data = header("SHA-256") + line(10, "a" * 64) + line(10, "b" * 64)
    assert read(data, "SHA-256", 100) == Reached(10, "a" * 64, len(header("SHA-256") + line(10, "a" * 64)))
    assert read(header("SHA-256") + line(0, "a" * 64), "SHA-256", 100).offset == 0


def test_another_algorithms_journal_is_not_ours() -> None:
    data = header("BLAKE3") + line(10, "a" * 64)
    assert read(data, "SHA-256", 100) == Reached()
    assert read(data, "BLAKE3", 100).offset == 10
