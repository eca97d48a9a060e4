"""Who fetches which octets of a file that comes in several streams, and which of them are there. Pure.

Each lane has one range and goes through it from its beginning. A lane that is done takes what is left over, else the
second half of the longest rest of another. Some servers cannot be told where to end, so every range costs one broken
transfer: they are few and long.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define, field

GRAIN = 16 << 20  #: octets that are worth a stream of their own

Range = tuple[int, int]  #: from, up to


def merged(ranges: Iterable[Range]) -> list[Range]:
    """The same octets in as few ranges as possible, in order."""
    found: list[Range] = []
    for start, end in sorted(each for each in ranges if each[0] < each[1]):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def missing(there: list[Range], size: int) -> list[Range]:
    """What lies between; `there` as `merged` gives it."""
    edges = [0, *(edge for each in there for edge in each), size]
    return [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end]


def write_ranges(ranges: list[Range]) -> str:
    """As text: ``0-10+20-30``."""
    return "+".join(f"{start}-{end}" for start, end in ranges)


def read_ranges(text: str, size: int) -> list[Range] | None:
    """What `write_ranges` wrote; None when it is nothing of that kind, or not of a file of `size`."""
    found: list[Range] = []
    for part in text.split("+") if text else ():
        start, dash, end = part.partition("-")
        if not (dash and start.isascii() and start.isdigit() and end.isascii() and end.isdigit() and len(end) < 20):
            return None
        found.append((int(start[:20]), int(end)))
    fits = all(start < end <= size for start, end in found)
    return found if fits and found == merged(found) else None


@define(eq=False)
class Lane:
    """One stream's range. `at` is how far it came; `end` may be lowered by others while it runs."""

    start: int
    end: int
    at: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.at = self.start


@define(eq=False)
class Shares:
    """The octets of one file, shared between lanes.

    Args:
        size: of the file.
        there: what stands already, as `merged` gives it.
        streams: lanes that are expected.
    """

    size: int
    there: list[Range]
    streams: int
    grain: int = GRAIN
    todo: list[Range] = field(init=False)
    running: list[Lane] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        gaps = missing(self.there, self.size)
        share = max(self.grain, -(-sum(end - start for start, end in gaps) // max(1, self.streams)))
        self.todo = [
            (at, min(at + share, end) if end - at >= share + self.grain else end)
            for start, end in gaps
            for at in _steps(start, end, share, self.grain)
        ]

    def take(self) -> Lane | None:
        """The next range; None when there is nothing left that is worth a stream."""
        if self.todo:
            lane = Lane(*self.todo.pop(0))
        else:
            longest = max(self.running, key=lambda lane: lane.end - lane.at, default=None)
            if longest is None or longest.end - longest.at < 2 * self.grain:
                return None
            middle = longest.at + (longest.end - longest.at) // 2
            lane = Lane(middle, longest.end)
            longest.end = middle
        self.running.append(lane)
        return lane

    def leave(self, lane: Lane) -> None:
        """A lane is over, at its end or before it; what it did not come to is for others."""
        self.running.remove(lane)
        self.there = merged([*self.there, (lane.start, min(lane.at, lane.end))])
        if lane.at < lane.end:
            self.todo.insert(0, (lane.at, lane.end))

    def stands(self) -> list[Range]:
        """What is there now."""
        return merged([*self.there, *((lane.start, min(lane.at, lane.end)) for lane in self.running)])

    @property
    def octets(self) -> int:
        """How many are there now."""
        return sum(end - start for start, end in self.stands())

    @property
    def prefix(self) -> int:
        """How far the file is there from its beginning."""
        stands = self.stands()
        return stands[0][1] if stands and stands[0][0] == 0 else 0


def _steps(start: int, end: int, share: int, grain: int) -> Iterable[int]:
    """Where ranges of `share` begin; the last takes what would be too little for one."""
    at = start
    while at < end:
        yield at
        at = at + share if end - at >= share + grain else end
