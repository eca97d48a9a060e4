"""What a measurement gives: rows, made from samples that were taken in turn; and how long anything may take."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from statistics import fmean, median, quantiles
from typing import TYPE_CHECKING, Any, Literal

from attrs import asdict, define, field, frozen

if TYPE_CHECKING:
    from benchmarks.stage import Stage
    from tests.peers.servers import Running, Tls

OURS = "ftlite"
_LEAST_ROUNDS = 3
_SHARE = 8.0  # seconds for one server in one measurement: ten times the time makes no better median


@frozen
class Row:
    """One line of the table.

    Attributes:
        values: what was found, by name; medians unless the page says otherwise.
        goal: what ftlite is held to: (text, whether it is met).
        spread: half of the middle half of the samples, in the row's unit.
        troubles: why a name has no value.
        less: less is better.
        series, at: the curve that this is a point of, and where on it.
    """

    what: str
    unit: str
    values: dict[str, float]
    goal: tuple[str, bool] | None = None
    digits: int = field(default=0, kw_only=True)
    spread: dict[str, float] = field(factory=dict, kw_only=True)
    troubles: dict[str, str] = field(factory=dict, kw_only=True)
    less: bool = field(default=False, kw_only=True)
    series: str = field(default="", kw_only=True)
    at: float | None = field(default=None, kw_only=True)

    def best_peer(self) -> tuple[str, float] | None:
        """The best of the others."""
        peers = {name: value for name, value in self.values.items() if name != OURS}
        if not peers:
            return None
        name = (min if self.less else max)(peers, key=peers.__getitem__)
        return name, peers[name]

    def ratio(self) -> float | None:
        """ftlite's value as a part of the best peer's."""
        best = self.best_peer()
        return self.values[OURS] / best[1] if best and best[1] and OURS in self.values else None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Row:
        goal = kept["goal"]
        return cls(**{**kept, "goal": (goal[0], goal[1]) if goal else None})


Measure = Callable[["Stage"], Iterable[Row]]
Goal = tuple[Literal["of", "most", "least", "pyftpdlib"], float]


@define
class Samples:
    """Samples of one quantity or several, by quantity and name; `troubles` are of names whose taking failed."""

    found: dict[str, dict[str, list[float]]] = field(factory=dict)
    troubles: dict[str, str] = field(factory=dict)

    def add(self, name: str, values: Mapping[str, float]) -> None:
        for what, value in values.items():
            self.found.setdefault(what, {}).setdefault(name, []).append(value)

    def row(
        self, quantity: str, what: str, unit: str, goal: Goal | None = None, *, mean: bool = False, **more: Any
    ) -> Row:
        """A row of medians; of means where the kernel counts in coarse steps.

        Args:
            goal: ("of", 1.2): within that part of the best peer; ("pyftpdlib", 1.2): of this one; ("most", 20),
                ("least", 20): in the row's unit.
        """
        taken = self.found.get(quantity, {})
        values = {name: (fmean if mean else median)(samples) for name, samples in taken.items()}
        row = Row(what, unit, values, spread={name: _spread(each) for name, each in taken.items()},
                  troubles=dict(self.troubles), **more)  # fmt: skip
        return held_to(row, goal) if goal else row


def held_to(row: Row, goal: Goal) -> Row:
    """`row` with a goal that its values decide; without ftlite's value, or the peer's, it is not met."""
    kind, factor = goal
    ours, best = row.values.get(OURS), row.best_peer()
    word = "<=" if row.less or kind == "most" else ">="
    text = f"{word} {factor:g} "
    if kind in ("most", "least"):
        measure: float | None = 1.0
        text += row.unit
    elif kind == "of":
        measure = best[1] if best else None
        text += "x best peer"
    else:
        measure = row.values.get(kind)
        text += f"x {kind}"
    met = False
    if ours is not None and measure is not None:
        met = ours <= factor * measure if word == "<=" else ours >= factor * measure
    more = {name: getattr(row, name) for name in ("digits", "spread", "troubles", "less", "series", "at")}
    return Row(row.what, row.unit, row.values, (text, met), **more)


def _spread(samples: list[float]) -> float:
    if len(samples) < 3:
        return (max(samples) - min(samples)) / 2
    low, _, high = quantiles(samples, n=4, method="inclusive")
    return (high - low) / 2


def in_rounds(
    stage: Stage,
    tls: Tls,
    count: int,
    take: Callable[[Running], Mapping[str, float]],
    *,
    names: Iterable[str] | None = None,
    patience: float = 60.0,
) -> Samples:
    """`take` of each server in turn, `count` times: a slow minute hits all alike.

    A server that does not start, breaks or takes longer than `patience` seconds is named with its trouble and left out
    of the rounds that follow. One that has had its share of time sits out what is left after the first three.
    """
    samples, spent = Samples(), dict.fromkeys(stage.names if names is None else names, 0.0)
    for number in range(count):
        for name in spent:
            if name in samples.troubles or (number >= _LEAST_ROUNDS and spent[name] > _SHARE):
                continue
            began = time.monotonic()
            with tolerated(samples.troubles, name, patience):
                samples.add(name, take(stage.server(name, tls)))
            spent[name] += time.monotonic() - began
    return samples


# --- time is bounded --------------------------------------------------------------------------------------------------


class TookTooLong(Exception):
    """A measurement did not end in time."""


_deadlines: list[float] = []


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Whatever runs inside, also a system call, is broken off with `TookTooLong`. In the main thread; may be nested."""
    _deadlines.append(time.monotonic() + seconds)
    before = signal.signal(signal.SIGALRM, _ring)
    _set_alarm()
    try:
        yield
    finally:
        _deadlines.pop()
        _set_alarm()
        if not _deadlines:
            signal.signal(signal.SIGALRM, before)


def _set_alarm() -> None:
    # A deadline outside that has passed meanwhile rings at once; 0 would mean never.
    left = max(0.001, min(_deadlines) - time.monotonic()) if _deadlines else 0.0
    signal.setitimer(signal.ITIMER_REAL, left)


def _ring(_number: int, _frame: object) -> None:
    raise TookTooLong("it did not end in time")


@contextlib.contextmanager
def tolerated(troubles: dict[str, str], name: str, patience: float) -> Iterator[None]:
    """What fails inside is noted under `name`, and the run goes on."""
    try:
        with limited(patience):
            yield
    except Exception as error:
        if _deadlines and time.monotonic() >= min(_deadlines):  # it was the whole that took too long
            raise
        troubles[name] = described(error)


def described(error: BaseException) -> str:
    """In one short line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    text = " ".join(str(error).split()) or "no more is known"
    return f"{type(error).__name__}: {text}"[:300]
